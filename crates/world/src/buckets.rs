//! Records grouped by something they name.

use std::borrow::Borrow;
use std::hash::Hash;

use hashbrown::HashMap;
use smallvec::SmallVec;

/// Numbers of records by a key that several of them share. Each record is in one bucket at most, and knows its place
/// there, so that each operation costs a look-up whatever the size of the bucket.
pub(crate) struct Buckets<K> {
    members: HashMap<K, SmallVec<[u32; 4]>>,
    /// By record: its place in its bucket. Meaningless for records in none.
    places: Vec<u32>,
}

impl<K: Eq + Hash> Buckets<K> {
    pub(crate) fn new() -> Self {
        Self {
            members: HashMap::new(),
            places: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.members.capacity() * (size_of::<(K, SmallVec<[u32; 4]>)>() + 1)
            + self.places.capacity() * size_of::<u32>()
    }

    /// Records of a bucket, in no order.
    pub(crate) fn get<Q>(&self, key: &Q) -> &[u32]
    where
        K: Borrow<Q>,
        Q: ?Sized + Eq + Hash,
    {
        self.members.get(key).map_or(&[], SmallVec::as_slice)
    }

    /// Adds a record that is in no bucket.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a bucket has no more members than there are ids of 32 bits"
    )]
    pub(crate) fn insert(&mut self, key: K, id: u32) {
        let members = self.members.entry(key).or_default();
        if self.places.len() <= id as usize {
            self.places.resize(id as usize + 1, 0);
        }
        self.places[id as usize] = members.len() as u32;
        members.push(id);
    }

    /// Takes a record out of its bucket, which goes when it is empty.
    pub(crate) fn remove<Q>(&mut self, key: &Q, id: u32)
    where
        K: Borrow<Q>,
        Q: ?Sized + Eq + Hash,
    {
        let Some(members) = self.members.get_mut(key) else {
            return;
        };
        let Some(place) = self.places.get(id as usize).copied() else {
            return;
        };
        if members.get(place as usize) != Some(&id) {
            return;
        }
        members.swap_remove(place as usize);
        if let Some(moved) = members.get(place as usize) {
            self.places[*moved as usize] = place;
        }
        if members.is_empty() {
            self.members.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_and_removed_wherever_they_stand() {
        let mut buckets: Buckets<String> = Buckets::new();
        for id in 0..6 {
            buckets.insert("a".into(), id);
        }
        buckets.insert("b".into(), 6);
        buckets.remove("a", 0);
        buckets.remove("a", 5);
        buckets.remove("a", 6);
        buckets.remove("a", 2);
        let mut left = buckets.get("a").to_vec();
        left.sort_unstable();
        assert_eq!(left, [1, 3, 4]);
        assert_eq!(buckets.get("b"), [6]);
    }

    #[test]
    fn an_empty_bucket_is_forgotten() {
        let mut buckets: Buckets<String> = Buckets::new();
        buckets.insert("a".into(), 3);
        buckets.remove("a", 3);
        assert_eq!(buckets.len(), 0);
        assert_eq!(buckets.get("a"), [] as [u32; 0]);
    }
}
