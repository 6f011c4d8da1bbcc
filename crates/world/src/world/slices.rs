//! EndpointSlices: read, and written.

use std::sync::Arc;

use quaymaster_model::{ObjectKey, ResourceVersion, SliceRecord, Uid};

use crate::written::Place;
use crate::{Change, Delta, Kind, Origin, View, World};

impl World {
    /// A watch or a list told a slice. Ignored if it is older than what is held under its name, the same, or was
    /// deleted by an own call. One with another UID than the one held is another slice: that one is removed first.
    pub fn apply_slice(&mut self, slice: SliceRecord, views: &mut dyn View) {
        let slice = Arc::new(slice);
        if self.slices.hear(&slice, self.progress.listing(Kind::Slice)) {
            let id = self.put_slice(slice, Origin::Watch, views);
            self.slices.mark_seen(id);
        }
    }

    /// A watch told that a slice was deleted. The deletion of a former slice of that name changes nothing.
    pub fn delete_slice(&mut self, key: &ObjectKey, uid: &Uid, views: &mut dyn View) {
        if let Some(id) = self.slices.hear_gone(key, uid) {
            self.remove_slice(id, Origin::Watch, views);
        }
    }

    /// An own create or update was answered with this slice; it counts before the watch tells it.
    ///
    /// Ignored if the watch is already past it: whatever became of the slice since then is known.
    pub fn observe_written(&mut self, slice: impl Into<Arc<SliceRecord>>, views: &mut dyn View) {
        let slice = slice.into();
        if self.slices.hear_own(&slice) {
            self.put_slice(slice, Origin::OwnWrite, views);
        }
    }

    /// An own deletion succeeded and the slice is gone. One that only began (the answer shows a deletion timestamp,
    /// because of finalizers) is a write: [`World::observe_written`].
    ///
    /// Nothing happens if another slice is held under that name, or none: then the watch was faster.
    pub fn observe_deleted(&mut self, key: &ObjectKey, uid: &Uid, views: &mut dyn View) {
        if let Some(id) = self.slices.bury(key, uid) {
            self.remove_slice(id, Origin::OwnWrite, views);
        }
    }

    pub(super) fn end_slices(&mut self, listed_at: &ResourceVersion, views: &mut dyn View) {
        for id in self.slices.outlived(listed_at) {
            self.remove_slice(id, Origin::Watch, views);
        }
        self.slices.end(listed_at);
    }

    fn put_slice(&mut self, slice: Arc<SliceRecord>, origin: Origin, views: &mut dyn View) -> u32 {
        match self.slices.place(&slice) {
            Place::Held(id) => {
                self.update_slice(id, slice, origin, views);
                return id;
            }
            Place::Taken(id) => self.remove_slice(id, origin, views),
            Place::Free => {}
        }
        self.endpoints += slice.endpoints.len();
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
        self.endpoints += slice.endpoints.len();
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
