//! What holds for every kind that is read as well as written.
//!
//! The response to an own write counts at once, so what is held may be ahead of the watch. Versions then tell what is
//! news (KEP-5504 makes them comparable). They mislead after etcd was restored from a backup without raising its
//! revision: [`Written::lose_history`].

use std::cmp::Ordering;
use std::ops::Deref;
use std::sync::Arc;

use hashbrown::HashSet;
use quaymaster_model::{ObjectKey, ResourceVersion, Uid};

use crate::stored::Stored;
use crate::table::{Generation, Table};
use crate::tombstones::{Tombstone, Tombstones};

/// Records of a kind that is written, with what it takes to tell news from what is known. Reading goes to the table.
pub struct Written<R> {
    table: Table<Arc<R>>,
    tombstones: Tombstones,
    /// Up to here the watch has told everything.
    told: Option<ResourceVersion>,
    /// Records that are known from a history that was lost, and of which the one that replaced it has told nothing
    /// yet. Their versions compare with none of the new ones.
    of_lost_history: HashSet<u32>,
}

/// Where a record belongs that is news.
pub(crate) enum Place {
    /// Its object is held under this id.
    Held(u32),
    /// Another object is held under its name.
    Taken(u32),
    /// Nothing is.
    Free,
}

impl<R> Deref for Written<R> {
    type Target = Table<Arc<R>>;

    fn deref(&self) -> &Table<Arc<R>> {
        &self.table
    }
}

impl<R: Stored> Written<R> {
    pub(crate) fn new() -> Self {
        Self {
            table: Table::new(),
            tombstones: Tombstones::default(),
            told: None,
            of_lost_history: HashSet::new(),
        }
    }

    pub(crate) fn tombstones(&self) -> usize {
        self.tombstones.len()
    }

    pub(crate) fn begin(&mut self) {
        self.table.begin();
    }

    /// The history that told all that is held is no more.
    pub(crate) fn lose_history(&mut self) {
        self.of_lost_history = self.table.iter().map(|(id, _)| id).collect();
        self.tombstones = Tombstones::default();
        self.told = None;
    }

    /// A watch, or a list if one is under way, told a record. Returns whether it is news, and marks what is held as
    /// seen if not.
    pub(crate) fn hear(&mut self, record: &Arc<R>, listing: bool) -> bool {
        // While a list is under way, what it told says nothing about what comes later in it.
        if !listing {
            self.told_up_to(record.version());
        }
        if self.is_news(record) {
            return true;
        }
        if let Some(id) = self.table.find(record.key()) {
            // Told again as it was before the loss, it is of the present history.
            self.of_lost_history.remove(&id);
        }
        self.keep(record.key());
        false
    }

    /// An own write was answered with this record. Returns whether it is news: not if the watch is already past it,
    /// since whatever became of the object since then is known.
    pub(crate) fn hear_own(&self, record: &Arc<R>) -> bool {
        let told = self.told.as_ref();
        let past = told
            .and_then(|told| record.version().compare(told))
            .is_some_and(Ordering::is_le);
        !past && self.is_news(record)
    }

    /// A watch told a deletion. Returns what is to be removed.
    pub(crate) fn hear_gone(&mut self, key: &ObjectKey, uid: &Uid) -> Option<u32> {
        let Some(id) = self.table.find(key) else {
            if self.tombstones.get(key).is_some_and(|dead| dead.uid == *uid) {
                self.tombstones.remove(key);
            }
            return None;
        };
        self.table
            .get(id)
            .is_some_and(|held| held.uid() == uid)
            .then_some(id)
    }

    /// An own deletion is done. Returns what is to be removed; nothing if another object is held under that name, or
    /// none: then the watch was faster.
    pub(crate) fn bury(&mut self, key: &ObjectKey, uid: &Uid) -> Option<u32> {
        let id = self.table.find(key)?;
        let held = self.table.get(id).filter(|held| held.uid() == uid)?;
        // Without a version that compares, a tombstone could hide a later object of that name.
        if !self.of_lost_history.contains(&id) {
            let tombstone = Tombstone {
                uid: uid.clone(),
                seen: self.table.seen(id)?,
                version: held.version().clone(),
            };
            self.tombstones.insert(key.clone(), tombstone);
        }
        Some(id)
    }

    /// Something was told under this name, which leaves what is known of it as it is.
    pub(crate) fn keep(&mut self, key: &ObjectKey) {
        if self.table.find(key).is_some() {
            self.table.keep(key);
        } else {
            let generation: Generation = self.table.generation();
            self.tombstones.mark_seen(key, generation);
        }
    }

    /// What is to be removed at the end of a list of this version: it was not in it although it could have been.
    pub(crate) fn outlived(&self, listed_at: &ResourceVersion) -> Vec<u32> {
        let mut unseen = self.table.unseen();
        unseen.retain(|id| {
            let made_later = !self.of_lost_history.contains(id)
                && self
                    .table
                    .get(*id)
                    .is_some_and(|held| listed_at.is_older_than(held.version()));
            !made_later
        });
        unseen
    }

    /// A list of this version is complete.
    pub(crate) fn end(&mut self, listed_at: &ResourceVersion) {
        // What the list did not contain although it could have was gone before, and no event will tell it.
        let generation = self.table.generation();
        self.tombstones
            .retain(|tombstone| tombstone.seen == generation || listed_at.is_older_than(&tombstone.version));
        self.told_up_to(listed_at);
    }

    /// Where a record belongs that is news. A tombstone under its name has done its work.
    pub(crate) fn place(&mut self, record: &Arc<R>) -> Place {
        let Some(id) = self.table.find(record.key()) else {
            self.tombstones.remove(record.key());
            return Place::Free;
        };
        let same_object = self.table.get(id).is_some_and(|held| held.uid() == record.uid());
        if same_object && !self.of_lost_history.contains(&id) {
            Place::Held(id)
        } else {
            Place::Taken(id)
        }
    }

    pub(crate) fn insert(&mut self, record: Arc<R>) -> u32 {
        self.table.insert(record)
    }

    pub(crate) fn replace(&mut self, id: u32, record: Arc<R>) -> Arc<R> {
        self.table.replace(id, record)
    }

    pub(crate) fn mark_seen(&mut self, id: u32) {
        self.table.mark_seen(id);
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<Arc<R>> {
        self.of_lost_history.remove(&id);
        self.table.remove(id)
    }

    /// The watch has told everything up to this version. It never goes back, even if a list does.
    fn told_up_to(&mut self, version: &ResourceVersion) {
        let told = self.told.as_ref();
        if !told.is_some_and(|told| version.is_older_than(told)) {
            self.told = Some(version.clone());
        }
    }

    /// Whether this tells more than what is known under the name, held or deleted.
    fn is_news(&self, record: &Arc<R>) -> bool {
        if let Some(id) = self.table.find(record.key())
            && let Some(held) = self.table.get(id)
        {
            if self.of_lost_history.contains(&id) {
                // The same version may have been given out twice.
                return held != record;
            }
            let same = held.uid() == record.uid() && held.version() == record.version();
            return !same && !record.version().is_older_than(held.version());
        }
        self.tombstones
            .get(record.key())
            .is_none_or(|dead| !dead.covers(record.uid(), record.version()))
    }
}
