//! The slices of one Service.

use std::ops::{Index, IndexMut};

use slab::Slab;

use crate::held::{Held, SliceId};

/// Slices by the number they go by here.
#[derive(Debug, Default)]
pub(crate) struct Slices {
    slab: Slab<Held>,
    /// How often a slice was looked at: tests see by it that no step looks at all of them.
    #[cfg(test)]
    pub(crate) looked_at: std::cell::Cell<usize>,
}

impl Slices {
    pub(crate) fn insert(&mut self, held: Held) -> SliceId {
        SliceId(self.slab.insert(held))
    }

    pub(crate) fn remove(&mut self, id: SliceId) -> Held {
        self.slab.remove(id.0)
    }

    pub(crate) fn get(&self, id: SliceId) -> Option<&Held> {
        self.count();
        self.slab.get(id.0)
    }

    /// All slices. To be used only where all of them matter, not where one changed.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SliceId, &Held)> {
        self.slab.iter().map(|(id, held)| {
            self.count();
            (SliceId(id), held)
        })
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    #[cfg(test)]
    fn count(&self) {
        self.looked_at.set(self.looked_at.get() + 1);
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "counts in tests")]
    fn count(&self) {}
}

impl Index<SliceId> for Slices {
    type Output = Held;

    fn index(&self, id: SliceId) -> &Held {
        self.count();
        &self.slab[id.0]
    }
}

impl IndexMut<SliceId> for Slices {
    fn index_mut(&mut self, id: SliceId) -> &mut Held {
        self.count();
        &mut self.slab[id.0]
    }
}
