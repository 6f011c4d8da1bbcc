//! What a watch reads, in whatever encoding.

use std::sync::Arc;

use quaymaster_model::{Interner, ObjectKey, ResourceVersion, Uid};

use crate::{DecodeError, Status, Unreadable};

/// Reads objects of one kind in one encoding: which one, is decided where a kind is described, and nowhere else.
///
/// Holds no state between calls. Reading never panics, whatever the bytes, and one bad object does not spoil its
/// neighbours.
pub trait Reader: Send + Sync + 'static {
    /// What is kept of an object.
    type Record: Send;

    /// The `Accept` header that asks the apiserver for this encoding.
    const ACCEPT: &'static str;

    /// How the frames of a watch follow each other in it.
    const FRAMING: Framing;

    /// A reader whose records share their parts through this interner.
    fn new(interner: Arc<Interner>) -> Self;

    /// Reads one object: the response to a get, create or update.
    ///
    /// # Errors
    /// The bytes are not one object in this encoding, a field that is kept has a wrong type, or the object has no name.
    fn object(&self, bytes: &[u8]) -> Result<Self::Record, DecodeError>;

    /// Reads one page of a list. Objects that cannot be read are reported beside those that can.
    ///
    /// # Errors
    /// The bytes are not a list.
    fn page(&self, bytes: &[u8]) -> Result<Page<Self::Record>, DecodeError>;

    /// Reads one frame of a watch.
    ///
    /// # Errors
    /// The bytes are not a watch event. An event whose object cannot be read is a [`Frame::Unreadable`] instead.
    fn frame(&self, bytes: &[u8]) -> Result<Frame<Self::Record>, DecodeError>;
}

/// How the frames of a watch follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Each frame ends with a line feed (JSON). Blank lines are no frames.
    Lines,
    /// Each frame is preceded by its length in four bytes, most significant first
    /// (protobuf; kubernetes/apimachinery `pkg/util/framer/framer.go`).
    LengthPrefixed,
}

/// One page of a list.
#[derive(Debug)]
pub struct Page<R> {
    /// The objects, in order.
    pub records: Vec<R>,
    /// The objects that could not be read.
    pub unreadable: Vec<Unreadable>,
    /// `metadata.continue`: asks for the next page; none on the last one.
    pub next: Option<Box<str>>,
    /// `metadata.resourceVersion`: the state that the whole list shows, where the watch begins; none if the server left it
    /// out or says `0` ([`ResourceVersion::parse`]).
    pub version: Option<ResourceVersion>,
}

/// One frame of a watch.
#[derive(Debug)]
pub enum Frame<R> {
    /// `ADDED` or `MODIFIED`: an object looks like this. After a reconnect or a coalesced history the two cannot be told
    /// apart, so nothing may depend on which it was.
    Object {
        /// The object after the change.
        record: R,
        /// `metadata.resourceVersion` of the event: the watch goes on after it. None as in [`Page::version`].
        version: Option<ResourceVersion>,
    },
    /// `DELETED`: an object is gone, or no longer matches the selector. Nothing of it is read but what names it.
    Gone {
        /// Which one.
        object: Gone,
        /// As in [`Frame::Object`]; the version of the deletion.
        version: Option<ResourceVersion>,
    },
    /// Something happened to an object that could not be read.
    Unreadable(Unreadable),
    /// Nothing happened up to a version.
    Bookmark {
        /// The watch goes on after this version. None as in [`Page::version`].
        version: Option<ResourceVersion>,
        /// Annotated `k8s.io/initial-events-end: "true"`: a streaming list has sent everything (KEP-3157).
        initial_events_end: bool,
    },
    /// The server ends the watch, for instance with code 410 where its version is too old.
    Error(Status),
    /// A type of event that this version does not know.
    Unknown(Box<str>),
}

/// Names an object that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// Namespace and name.
    pub key: ObjectKey,
    /// UID; none if the server left it out. With it the deletion cannot hit a later object of the same name.
    pub uid: Option<Uid>,
}
