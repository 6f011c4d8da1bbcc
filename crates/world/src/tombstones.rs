//! Own deletions that the watch has not told yet.

use hashbrown::HashMap;
use quaymaster_model::{ObjectKey, ResourceVersion, Uid};

use crate::table::Generation;

/// Names that an own deletion freed, until the watch tells the same or the name is taken again. Events about the
/// deleted object, or about one that had the name before it, may still be under way and must not bring them back.
///
/// Bounded: past the limit the older half is forgotten. A late event of a forgotten one shows the object until its
/// deletion follows.
#[derive(Default)]
pub(crate) struct Tombstones {
    young: HashMap<ObjectKey, Tombstone>,
    old: HashMap<ObjectKey, Tombstone>,
}

/// What is remembered of a deleted object.
pub(crate) struct Tombstone {
    pub(crate) uid: Uid,
    /// In which list it was last seen.
    pub(crate) seen: Generation,
    /// The last version that was held.
    pub(crate) version: ResourceVersion,
}

/// Size of each half. Writes in flight number in the dozens and echoes follow within seconds, so thousands mean that
/// the watch is down; then its next list clears all.
pub(crate) const HALF_LIMIT: usize = 4096;

impl Tombstones {
    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    pub(crate) fn insert(&mut self, key: ObjectKey, tombstone: Tombstone) {
        if self.young.len() >= HALF_LIMIT {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, tombstone);
    }

    pub(crate) fn get(&self, key: &ObjectKey) -> Option<&Tombstone> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// The object of that name was told in a list.
    pub(crate) fn mark_seen(&mut self, key: &ObjectKey, generation: Generation) {
        if let Some(tombstone) = self.young.get_mut(key).or_else(|| self.old.get_mut(key)) {
            tombstone.seen = generation;
        }
    }

    pub(crate) fn remove(&mut self, key: &ObjectKey) {
        if self.young.remove(key).is_none() {
            self.old.remove(key);
        }
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&Tombstone) -> bool) {
        self.young.retain(|_, tombstone| keep(tombstone));
        self.old.retain(|_, tombstone| keep(tombstone));
    }
}

impl Tombstone {
    /// Whether an object that bears the name is the deleted one, or one from before it.
    pub(crate) fn covers(&self, uid: &Uid, version: &ResourceVersion) -> bool {
        *uid == self.uid || version.is_older_than(&self.version)
    }
}
