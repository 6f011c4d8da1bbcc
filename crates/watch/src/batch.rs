//! What the driver tells its consumer.

use std::fmt;

use quaymaster_model::ResourceVersion;

/// Counts the lists of one watch: each `Restart` begins the next generation. The first list is 1; 0 is before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(u32);

impl Generation {
    /// The generation of the next list.
    ///
    /// Wraps after four thousand million lists. Only equality is asked of records that old.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One statement about the collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<R, K> {
    /// A list begins. What was gathered since an earlier `Restart` without a `Synced` was part of a list that
    /// broke: it is no complete state. Always the first item of its batch.
    Restart {
        /// The server's history went back since the last complete list: etcd was restored from a snapshot. Versions
        /// of what was told before compare with none of what follows; what the list says holds, however old it
        /// looks. Stays set until a list that began with it is complete.
        history_lost: bool,
    },
    /// The object exists and looks like this.
    Apply(R),
    /// The object is gone.
    Delete(K),
    /// The object exists, but could not be decoded: keep what is held of it.
    Unreadable(K),
    /// The list of this version is complete: every object not seen since `Restart` is gone. Changes may follow in the same batch.
    Synced(ResourceVersion),
}

/// Items that were decoded together: those of one page or of one chunk of a watch.
///
/// Never empty, and never of two generations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch<R, K> {
    /// The list to which the items belong, or which they follow.
    pub generation: Generation,
    /// What is told, in order.
    pub items: Vec<Item<R, K>>,
}
