//! What is read as well as written: EndpointSlices, Endpoints, ServiceCIDRs, IPAddresses.

use std::sync::Arc;

use quaymaster_model::{ObjectKey, ResourceVersion, Uid};

use crate::stored::Stored;
use crate::written::Place;
use crate::{Change, Origin, View, World};

impl World {
    /// A watch or a list told an object. Ignored if it is older than what is held under its name, the same, or was
    /// deleted by an own call. One with another UID than the one held is another object: that one is removed first.
    pub fn apply<R: Stored>(&mut self, record: R, views: &mut dyn View) {
        let record = Arc::new(record);
        let listing = self.progress.listing(R::KIND);
        if R::held_mut(self).hear(&record, listing) {
            let id = self.put(&record, Origin::Watch, views);
            R::held_mut(self).mark_seen(id);
        }
    }

    /// A watch told that an object was deleted. The deletion of a former object of that name changes nothing.
    pub fn delete<R: Stored>(&mut self, key: &ObjectKey, uid: &Uid, views: &mut dyn View) {
        if let Some(id) = R::held_mut(self).hear_gone(key, uid) {
            self.take::<R>(id, Origin::Watch, views);
        }
    }

    /// An own create or update was answered with this object; it counts before the watch tells it.
    ///
    /// Ignored if the watch is already past it: whatever became of the object since then is known.
    pub fn observe_written<R: Stored>(&mut self, record: &Arc<R>, views: &mut dyn View) {
        if R::held(self).hear_own(record) {
            self.put(record, Origin::OwnWrite, views);
        }
    }

    /// An own deletion succeeded and the object is gone. One that only began (the answer shows a deletion timestamp,
    /// because of finalizers) is a write: [`World::observe_written`].
    ///
    /// Nothing happens if another object is held under that name, or none: then the watch was faster.
    pub fn observe_deleted<R: Stored>(&mut self, key: &ObjectKey, uid: &Uid, views: &mut dyn View) {
        if let Some(id) = R::held_mut(self).bury(key, uid) {
            self.take::<R>(id, Origin::OwnWrite, views);
        }
    }

    pub(super) fn end_stored<R: Stored>(&mut self, listed_at: &ResourceVersion, views: &mut dyn View) {
        for id in R::held(self).outlived(listed_at) {
            self.take::<R>(id, Origin::Watch, views);
        }
        R::held_mut(self).end(listed_at);
    }

    fn put<R: Stored>(&mut self, record: &Arc<R>, origin: Origin, views: &mut dyn View) -> u32 {
        match R::held_mut(self).place(record) {
            Place::Held(id) => {
                let old = R::held_mut(self).replace(id, Arc::clone(record));
                R::replaced(self, id, &old, record);
                let (old, new) = (&old, record);
                views.on(self, &R::delta(Change::Updated { old, new }, origin));
                return id;
            }
            Place::Taken(id) => self.take::<R>(id, origin, views),
            Place::Free => {}
        }
        let id = R::held_mut(self).insert(Arc::clone(record));
        R::came(self, id, record);
        views.on(self, &R::delta(Change::Added(record), origin));
        id
    }

    fn take<R: Stored>(&mut self, id: u32, origin: Origin, views: &mut dyn View) {
        let Some(old) = R::held_mut(self).remove(id) else {
            return;
        };
        R::went(self, id, &old);
        views.on(self, &R::delta(Change::Removed(&old), origin));
    }
}
