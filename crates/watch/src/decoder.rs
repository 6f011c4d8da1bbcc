//! The seam between bytes and records.

use std::fmt;

use quaymaster_model::ResourceVersion;
use quaymaster_wire::{Framing, Status};

/// Turns the bytes of one collection into records. The driver feeds it; it does no I/O.
///
/// An implementation must not panic on any input, and must not let one bad object spoil its neighbours: a page
/// names it in [`Page::unreadable`], a frame fails with an [`Unreadable`].
pub trait Decoder: Send {
    /// What is kept of an object.
    type Record: Send;
    /// What names an object: all that is needed to forget it.
    type Key: Send + fmt::Debug;

    /// The `Accept` header of every request.
    fn accept(&self) -> &'static str;

    /// How the frames of a watch follow each other, in the encoding that [`Decoder::accept`] asks for.
    fn framing(&self) -> Framing;

    /// Reads one page of a list.
    ///
    /// Fails only where the page as a whole makes no sense; the driver then asks again.
    fn page(&mut self, body: &[u8]) -> Result<Page<Self::Record, Self::Key>, DecodeError>;

    /// Reads one frame of a watch.
    fn event(&mut self, frame: &[u8]) -> DecodedEvent<Self::Record, Self::Key>;
}

/// One event, or the object that could not be read.
pub type DecodedEvent<R, K> = Result<Event<R, K>, Unreadable<K>>;

/// One page of a list.
#[derive(Debug)]
pub struct Page<R, K> {
    /// The objects that could be read, in the server's order.
    pub items: Vec<R>,
    /// Those that could not.
    pub unreadable: Vec<Unreadable<K>>,
    /// `metadata.continue`; `None` or empty on the last page.
    pub continue_token: Option<String>,
    /// `metadata.resourceVersion`: the version of the whole list.
    pub version: Option<ResourceVersion>,
}

/// One event of a watch.
#[derive(Debug)]
pub enum Event<R, K> {
    /// `ADDED` or `MODIFIED`. After a reconnect or a coalesced history the two cannot be told apart, so nothing
    /// may depend on which it was.
    Apply {
        /// The object.
        record: R,
        /// Its `metadata.resourceVersion`.
        version: Option<ResourceVersion>,
    },
    /// `DELETED`: the object is gone, or no longer matches the selector.
    Delete {
        /// The object's name.
        key: K,
        /// Its `metadata.resourceVersion`: that of the deletion.
        version: Option<ResourceVersion>,
    },
    /// `BOOKMARK`: everything up to this version was sent.
    Bookmark {
        /// The version reached.
        version: Option<ResourceVersion>,
        /// Whether the annotation `k8s.io/initial-events-end` is set: the streaming list is complete (KEP-3157).
        initial_events_end: bool,
    },
    /// `ERROR`: the server gives this watch up.
    Error(Status),
}

/// An object that exists but could not be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("undecodable object: {reason}")]
pub struct Unreadable<K> {
    /// Its name, if that much could be read. With it, a record read earlier outlives a relist.
    pub key: Option<K>,
    /// Its version, if that much could be read. With it, a resumed watch does not meet the object again.
    pub version: Option<ResourceVersion>,
    /// Why, for the log. Must not quote the object at length.
    pub reason: String,
}

/// A page that makes no sense as a whole.
#[derive(Clone, Debug, thiserror::Error)]
#[error("undecodable list page: {reason}")]
pub struct DecodeError {
    /// Why, for the log.
    pub reason: String,
}
