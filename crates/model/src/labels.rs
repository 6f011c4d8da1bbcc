//! Label sets.

use std::hash::{Hash, Hasher};

use crate::Text;

/// Labels of an object, sorted by key, each key once.
///
/// The hash is computed once, so that interning a set and looking it up in an index costs the same whatever its size.
#[derive(Debug, Clone)]
pub struct LabelSet {
    hash: u64,
    pairs: Box<[(Text, Text)]>,
}

impl LabelSet {
    /// A set from pairs in any order. Of a key given twice the last value counts, as in a JSON object.
    pub fn new(pairs: impl IntoIterator<Item = (Text, Text)>) -> Self {
        let mut pairs: Vec<(Text, Text)> = pairs.into_iter().collect();
        // Stable, so that among equal keys the last one given is also the last one here.
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(&mut earlier.1, &mut later.1);
            }
            same
        });
        let mut hasher = unseeded::Fnv64::default();
        pairs.hash(&mut hasher);
        Self {
            hash: hasher.finish(),
            pairs: pairs.into_boxed_slice(),
        }
    }

    /// The empty set.
    pub fn empty() -> Self {
        Self::new([])
    }

    /// Value of a key.
    pub fn get(&self, key: &str) -> Option<&Text> {
        self.pairs
            .binary_search_by(|(k, _)| k.as_str().cmp(key))
            .ok()
            .map(|index| &self.pairs[index].1)
    }

    /// All pairs, sorted by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Text, &Text)> {
        self.pairs.iter().map(|(key, value)| (key, value))
    }

    /// All pairs, sorted by key.
    pub fn pairs(&self) -> &[(Text, Text)] {
        &self.pairs
    }

    /// Number of labels.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

impl PartialEq for LabelSet {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.pairs == other.pairs
    }
}

impl Eq for LabelSet {}

impl Hash for LabelSet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// A hasher without a random seed: the hash is stored in the set and must be the same for equal sets of all
/// interners. It only guards equality checks; tables hash it again with their own seed.
mod unseeded {
    use std::hash::Hasher;

    pub(super) struct Fnv64(u64);

    impl Default for Fnv64 {
        fn default() -> Self {
            Self(0xcbf2_9ce4_8422_2325)
        }
    }

    impl Hasher for Fnv64 {
        fn finish(&self) -> u64 {
            self.0
        }

        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> LabelSet {
        LabelSet::new(pairs.iter().map(|(k, v)| (Text::new(k), Text::new(v))))
    }

    #[test]
    fn order_of_pairs_does_not_matter() {
        assert_eq!(set(&[("a", "1"), ("b", "2")]), set(&[("b", "2"), ("a", "1")]));
    }

    #[test]
    fn the_last_value_of_a_repeated_key_counts() {
        assert_eq!(set(&[("a", "1"), ("a", "2"), ("a", "3")]), set(&[("a", "3")]));
    }

    #[test]
    fn a_value_is_found_by_its_key() {
        let labels = set(&[("a", "1"), ("b", "2"), ("c", "3")]);
        assert_eq!(labels.get("b").map(Text::as_str), Some("2"));
        assert_eq!(labels.get("d"), None);
    }
}
