//! What the driver tells its consumer.

use quaymaster_model::{ObjectKey, ResourceVersion};
use quaymaster_wire::Gone;

/// One statement about the collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<R> {
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
    Delete(Gone),
    /// The object exists, but could not be decoded: keep what is held of it.
    Unreadable(ObjectKey),
    /// The server does not serve the collection ([`crate::Source::optional`]): nothing of it exists, and nothing that was
    /// told before. A `Restart` follows if it is served one day. Always alone in its batch.
    Absent,
    /// The list of this version is complete: every object not seen since `Restart` is gone. Changes may follow in the same batch.
    Synced(ResourceVersion),
}

/// Items that were decoded together: those of one page or of one chunk of a watch.
///
/// Never empty, and never of two lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch<R> {
    /// What is told, in order.
    pub items: Vec<Item<R>>,
}
