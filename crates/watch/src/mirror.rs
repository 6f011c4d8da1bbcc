//! The consumer's side: from items to changes, with the deletions that no watch reports.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

use crate::batch::{Batch, Generation, Item};

/// The bookkeeping that turns lists into deletions, for stores that keep their own tables.
///
/// Stamp each record with [`Relist::mark`] on `Apply` and on `Unreadable`; on `Synced`, remove every record that
/// [`Sweep::is_stale`] names and report it as deleted. A list that breaks half-way needs no care: the next
/// `Restart` begins a new mark, so what only the broken list held is stale in turn. No second copy of the store
/// is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Relist {
    generation: Generation,
    listing: bool,
    synced: bool,
}

impl Relist {
    /// Notes an [`Item::Restart`] of a batch of `generation`.
    pub fn restart(&mut self, generation: Generation) {
        self.generation = generation;
        self.listing = true;
    }

    /// What to stamp on a record that was seen now.
    pub fn mark(&self) -> Generation {
        self.generation
    }

    /// Notes an [`Item::Synced`]. The sweep must follow at once.
    #[must_use = "records that the list did not name are gone and must be swept"]
    pub fn synced(&mut self) -> Sweep {
        self.listing = false;
        self.synced = true;
        Sweep(self.generation)
    }

    /// Whether a list was completed at least once. Stays true while a later list is under way: what is held is
    /// then older, but whole.
    pub fn has_synced(&self) -> bool {
        self.synced
    }

    /// Whether a list is under way.
    pub fn is_listing(&self) -> bool {
        self.listing
    }
}

/// Tells what a completed list did not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sweep(Generation);

impl Sweep {
    /// Whether a record stamped with `mark` was not seen since `Restart`, and is therefore gone.
    pub fn is_stale(self, mark: Generation) -> bool {
        mark != self.0
    }
}

/// One change of a [`Mirror`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta<K, R> {
    /// Which object.
    pub key: K,
    /// What was held before; `None` for a new object.
    pub old: Option<R>,
    /// Whether the object exists now; [`Mirror::get`] has it.
    pub exists: bool,
}

/// A store for small collections: what the server holds, as far as the watch has told.
#[derive(Debug)]
pub struct Mirror<K, R> {
    records: HashMap<K, (R, Generation)>,
    relist: Relist,
}

impl<K, R> Default for Mirror<K, R> {
    fn default() -> Self {
        Self {
            records: HashMap::new(),
            relist: Relist::default(),
        }
    }
}

impl<K: Hash + Eq + Clone, R> Mirror<K, R> {
    /// Takes a batch and appends what changed to `deltas`.
    ///
    /// A deletion is reported once, whether the watch told it or a list left the object out. An object that was
    /// applied unchanged is reported too: whether that matters is for the caller to see.
    pub fn apply(&mut self, batch: Batch<R, K>, key_of: impl Fn(&R) -> K, deltas: &mut Vec<Delta<K, R>>) {
        for item in batch.items {
            match item {
                Item::Restart { .. } => self.relist.restart(batch.generation),
                Item::Apply(record) => {
                    let key = key_of(&record);
                    let old = self.records.insert(key.clone(), (record, self.relist.mark()));
                    deltas.push(Delta {
                        key,
                        old: old.map(|(record, _)| record),
                        exists: true,
                    });
                }
                Item::Delete(key) => {
                    if let Entry::Occupied(entry) = self.records.entry(key) {
                        let (key, (old, _)) = entry.remove_entry();
                        deltas.push(Delta {
                            key,
                            old: Some(old),
                            exists: false,
                        });
                    }
                }
                Item::Unreadable(key) => {
                    if let Some((_, mark)) = self.records.get_mut(&key) {
                        *mark = self.relist.mark();
                    }
                }
                Item::Synced(_) => {
                    let sweep = self.relist.synced();
                    let gone = self.records.extract_if(|_, (_, mark)| sweep.is_stale(*mark));
                    deltas.extend(gone.map(|(key, (old, _))| Delta {
                        key,
                        old: Some(old),
                        exists: false,
                    }));
                }
            }
        }
    }

    /// The object of this name.
    pub fn get(&self, key: &K) -> Option<&R> {
        self.records.get(key).map(|(record, _)| record)
    }

    /// Every object, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &R)> {
        self.records.iter().map(|(key, (record, _))| (key, record))
    }

    /// How many objects are held.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether no object is held.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether a list was completed at least once.
    pub fn has_synced(&self) -> bool {
        self.relist.has_synced()
    }
}

#[cfg(test)]
mod tests;
