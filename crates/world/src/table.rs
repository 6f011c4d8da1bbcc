//! Records by key and by number.

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};
use quaymaster_membership::narrow;
use quaymaster_model::{NamespaceRecord, NodeRecord, ObjectKey, PodRecord, ServiceRecord};
use slab::Slab;

use crate::stored::Stored;

/// A record that knows its key.
pub trait Keyed {
    /// What is unique among the records of a table at one time.
    type Key: ?Sized + Eq + Hash;

    fn key(&self) -> &Self::Key;
}

impl Keyed for PodRecord {
    type Key = ObjectKey;

    fn key(&self) -> &ObjectKey {
        &self.key
    }
}

impl Keyed for ServiceRecord {
    type Key = ObjectKey;

    fn key(&self) -> &ObjectKey {
        &self.key
    }
}

impl Keyed for NodeRecord {
    type Key = str;

    fn key(&self) -> &str {
        &self.name
    }
}

impl Keyed for NamespaceRecord {
    type Key = str;

    fn key(&self) -> &str {
        &self.name
    }
}

impl<R: Stored> Keyed for Arc<R> {
    type Key = ObjectKey;

    fn key(&self) -> &ObjectKey {
        R::key(self)
    }
}

/// Number of a list: records carry the one in which they were last seen.
pub(crate) type Generation = u32;

/// Records in a slab. The index by key hashes through the slab, so that no key is held twice.
///
/// A list is told from the one before by a mark on each record: what carries an old mark at the end of a list was
/// not in it. A list that breaks costs nothing; the next one has the next mark.
pub struct Table<R> {
    slab: Slab<Entry<R>>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    generation: Generation,
}

struct Entry<R> {
    record: R,
    seen: Generation,
}

impl<R: Keyed> Table<R> {
    pub(crate) fn new() -> Self {
        Self {
            slab: Slab::new(),
            index: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            generation: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Memory of the table itself, without what records refer to.
    pub(crate) fn bytes(&self) -> usize {
        self.slab.capacity() * size_of::<Entry<R>>() + self.index.capacity() * (size_of::<u32>() + 1)
    }

    pub(crate) fn find(&self, key: &R::Key) -> Option<u32> {
        self.index
            .find(self.hasher.hash_one(key), |id| {
                self.slab[*id as usize].record.key() == key
            })
            .copied()
    }

    pub(crate) fn get(&self, id: u32) -> Option<&R> {
        self.slab.get(id as usize).map(|entry| &entry.record)
    }

    pub(crate) fn by_key(&self, key: &R::Key) -> Option<&R> {
        self.get(self.find(key)?)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &R)> {
        self.slab
            .iter()
            .map(|(index, entry)| (narrow(index), &entry.record))
    }

    /// Adds a record, unseen. The caller knows that the key is free.
    pub(crate) fn insert(&mut self, record: R) -> u32 {
        let hash = self.hasher.hash_one(record.key());
        let id = narrow(self.slab.insert(Entry {
            record,
            seen: self.generation.wrapping_sub(1),
        }));
        let (slab, hasher) = (&self.slab, &self.hasher);
        self.index
            .insert_unique(hash, id, |id| hasher.hash_one(slab[*id as usize].record.key()));
        id
    }

    /// Puts a record in the place of one with the same key, which is given back. Its mark stays.
    ///
    /// # Panics
    /// If nothing is held under the id.
    pub(crate) fn replace(&mut self, id: u32, record: R) -> R {
        std::mem::replace(&mut self.slab[id as usize].record, record)
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<R> {
        let record = self.slab.try_remove(id as usize)?.record;
        let hash = self.hasher.hash_one(record.key());
        if let Ok(entry) = self.index.find_entry(hash, |found| *found == id) {
            entry.remove();
        }
        Some(record)
    }

    /// A new list starts: nothing was seen in it yet.
    pub(crate) fn begin(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }

    /// The present list.
    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    pub(crate) fn mark_seen(&mut self, id: u32) {
        if let Some(entry) = self.slab.get_mut(id as usize) {
            entry.seen = self.generation;
        }
    }

    /// Marks what is held under the key, if anything, as seen.
    pub(crate) fn keep(&mut self, key: &R::Key) {
        if let Some(id) = self.find(key) {
            self.mark_seen(id);
        }
    }

    /// In which list the record was last seen.
    pub(crate) fn seen(&self, id: u32) -> Option<Generation> {
        self.slab.get(id as usize).map(|entry| entry.seen)
    }

    /// What was not seen since the present list started. Walks the table: for the end of a list only.
    pub(crate) fn unseen(&self) -> Vec<u32> {
        self.slab
            .iter()
            .filter(|(_, entry)| entry.seen != self.generation)
            .map(|(index, _)| narrow(index))
            .collect()
    }
}
