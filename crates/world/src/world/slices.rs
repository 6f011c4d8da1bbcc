//! EndpointSlices: the one kind that is read and written.
//!
//! The response to an own write counts at once, so what is held may be ahead of the watch. Versions then tell what is
//! news (KEP-5504 makes them comparable). They mislead after etcd was restored from a backup without raising its
//! revision: [`World::begin_after_loss`].

use std::cmp::Ordering;
use std::sync::Arc;

use quaymaster_model::{ObjectKey, ResourceVersion, SliceRecord, Uid};

use crate::tombstones::{Tombstone, Tombstones};
use crate::{Change, Delta, Kind, Origin, View, World};

impl World {
    /// A watch or a list told a slice. Ignored if it is older than what is held under its name, the same, or was
    /// deleted by an own call. One with another UID than the one held is another slice: that one is removed first.
    pub fn apply_slice(&mut self, slice: SliceRecord, views: &mut dyn View) {
        // While a list is under way, what it told says nothing about what comes later in it.
        if !self.progress.listing(Kind::Slice) {
            self.told(&slice.resource_version);
        }
        if self.is_news(&slice) {
            let id = self.put_slice(slice, Origin::Watch, views);
            self.slices.mark_seen(id);
        } else {
            if let Some(id) = self.slices.find(&slice.key) {
                // Told again as it was before the loss, it is of the present history.
                self.of_lost_history.remove(&id);
            }
            self.keep_slice(&slice.key);
        }
    }

    /// Something was told under this name, which leaves what is known of it as it is.
    pub(super) fn keep_slice(&mut self, key: &ObjectKey) {
        if self.slices.find(key).is_some() {
            self.slices.keep(key);
        } else {
            let generation = self.slices.generation();
            self.tombstones.mark_seen(key, generation);
        }
    }

    /// The history that told all that is held is no more.
    pub(super) fn lose_history(&mut self) {
        self.of_lost_history = self.slices.iter().map(|(id, _)| id).collect();
        self.tombstones = Tombstones::default();
        self.slices_told = None;
    }

    /// A watch told that a slice was deleted. The deletion of a former slice of that name changes nothing.
    pub fn delete_slice(&mut self, key: &ObjectKey, uid: &Uid, views: &mut dyn View) {
        if let Some(id) = self.slices.find(key) {
            if self.slices.get(id).is_some_and(|held| held.uid == *uid) {
                self.remove_slice(id, Origin::Watch, views);
            }
        } else if self.tombstones.get(key).is_some_and(|dead| dead.uid == *uid) {
            self.tombstones.remove(key);
        }
    }

    /// An own create or update was answered with this slice; it counts before the watch tells it.
    ///
    /// Ignored if the watch is already past it: whatever became of the slice since then is known.
    pub fn observe_written(&mut self, slice: SliceRecord, views: &mut dyn View) {
        let past = self
            .slices_told
            .as_ref()
            .and_then(|told| slice.resource_version.compare(told))
            .is_some_and(Ordering::is_le);
        if !past && self.is_news(&slice) {
            self.put_slice(slice, Origin::OwnWrite, views);
        }
    }

    /// An own deletion succeeded and the slice is gone. One that only began (the answer shows a deletion timestamp,
    /// because of finalizers) is a write: [`World::observe_written`].
    ///
    /// Nothing happens if another slice is held under that name, or none: then the watch was faster.
    pub fn observe_deleted(&mut self, key: &ObjectKey, uid: &Uid, views: &mut dyn View) {
        let Some(id) = self.slices.find(key) else { return };
        let (Some(held), Some(seen)) = (self.slices.get(id), self.slices.seen(id)) else {
            return;
        };
        if held.uid != *uid {
            return;
        }
        // Without a version that compares, a tombstone could hide a later slice of that name.
        if !self.of_lost_history.contains(&id) {
            let tombstone = Tombstone {
                uid: uid.clone(),
                seen,
                version: held.resource_version.clone(),
            };
            self.tombstones.insert(key.clone(), tombstone);
        }
        self.remove_slice(id, Origin::OwnWrite, views);
    }

    pub(super) fn end_slices(&mut self, listed_at: &ResourceVersion, views: &mut dyn View) {
        for id in self.slices.unseen() {
            let made_later = !self.of_lost_history.contains(&id)
                && self
                    .slices
                    .get(id)
                    .is_some_and(|held| listed_at.is_older_than(&held.resource_version));
            if !made_later {
                self.remove_slice(id, Origin::Watch, views);
            }
        }
        // What the list did not contain although it could have was gone before, and no event will tell it.
        let generation = self.slices.generation();
        self.tombstones
            .retain(|tombstone| tombstone.seen == generation || listed_at.is_older_than(&tombstone.version));
        self.told(listed_at);
    }

    /// The watch has told everything up to this version. It never goes back, even if a list does.
    fn told(&mut self, version: &ResourceVersion) {
        if !self
            .slices_told
            .as_ref()
            .is_some_and(|told| version.is_older_than(told))
        {
            self.slices_told = Some(version.clone());
        }
    }

    /// Whether this tells more than what is known under the name, held or deleted.
    fn is_news(&self, slice: &SliceRecord) -> bool {
        if let Some(id) = self.slices.find(&slice.key)
            && let Some(held) = self.slices.get(id)
        {
            if self.of_lost_history.contains(&id) {
                // The same version may have been given out twice.
                return **held != *slice;
            }
            let same = held.uid == slice.uid && held.resource_version == slice.resource_version;
            return !same && !slice.resource_version.is_older_than(&held.resource_version);
        }
        self.tombstones
            .get(&slice.key)
            .is_none_or(|dead| !dead.covers(slice))
    }

    fn put_slice(&mut self, slice: SliceRecord, origin: Origin, views: &mut dyn View) -> u32 {
        let slice = Arc::new(slice);
        self.endpoints += slice.endpoints.len();
        if let Some(id) = self.slices.find(&slice.key) {
            let same_object = self.slices.get(id).is_some_and(|held| held.uid == slice.uid);
            if same_object && !self.of_lost_history.contains(&id) {
                self.update_slice(id, slice, origin, views);
                return id;
            }
            self.remove_slice(id, origin, views);
        } else {
            // What is held from now on is newer than all that the tombstone guarded against.
            self.tombstones.remove(&slice.key);
        }
        let service = service_of(&slice);
        let id = self.slices.insert(slice);
        if let Some(service) = service {
            self.slices_by_service.insert(service, id);
        }
        if let Some(new) = self.slices.get(id) {
            let change = Change::Added(new);
            views.on(self, &Delta::Slice { change, origin });
        }
        id
    }

    fn update_slice(&mut self, id: u32, slice: Arc<SliceRecord>, origin: Origin, views: &mut dyn View) {
        let old = self.slices.replace(id, slice);
        self.endpoints -= old.endpoints.len();
        let Some(new) = self.slices.get(id) else { return };
        if old.service_name() != new.service_name() {
            if let Some(service) = service_of(&old) {
                self.slices_by_service.remove(&service, id);
            }
            if let Some(service) = service_of(new) {
                self.slices_by_service.insert(service, id);
            }
        }
        let change = Change::Updated { old: &old, new };
        views.on(self, &Delta::Slice { change, origin });
    }

    fn remove_slice(&mut self, id: u32, origin: Origin, views: &mut dyn View) {
        let Some(old) = self.slices.remove(id) else { return };
        self.of_lost_history.remove(&id);
        self.endpoints -= old.endpoints.len();
        if let Some(service) = service_of(&old) {
            self.slices_by_service.remove(&service, id);
        }
        let change = Change::Removed(&old);
        views.on(self, &Delta::Slice { change, origin });
    }
}

/// Key of the Service that a slice names.
fn service_of(slice: &SliceRecord) -> Option<ObjectKey> {
    slice
        .service_name()
        .map(|name| ObjectKey::new(slice.key.namespace.clone(), name.clone()))
}
