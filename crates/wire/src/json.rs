//! Reading and writing JSON.
//!
//! Reading is lenient the way the API's own clients are: a field may be absent or `null`, unknown fields are skipped
//! unread, unknown values of enumerations are kept. What is read must have the right type; an object where it has
//! not is reported by itself ([`Unreadable`](crate::Unreadable)), beside the good ones of its page.

mod custom;
mod encode;
mod endpoints;
mod frame;
mod kept;
mod list;
mod namespace;
mod network;
mod node;
mod pod;
mod quantity;
mod read;
mod service;
mod slice;
pub(crate) mod status;
mod time;
mod value;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use quaymaster_model::{Interner, NodeRecord, PodRecord, ServiceRecord, SliceRecord};
use serde::de::DeserializeSeed as _;

use crate::{DecodeError, Frame, Framing, Page, Reader};

pub use encode::{EndpointsBody, ObjectMeta, SliceBody, encode_endpoints, encode_slice};
pub use read::Record;

/// What JSON is called in HTTP.
pub const MEDIA_TYPE: &str = "application/json";

/// Reads Pods.
pub type PodDecoder = Json<PodRecord>;
/// Reads Services.
pub type ServiceDecoder = Json<ServiceRecord>;
/// Reads Nodes.
pub type NodeDecoder = Json<NodeRecord>;
/// Reads EndpointSlices.
pub type SliceDecoder = Json<SliceRecord>;

/// Reads objects, list pages and watch frames of one kind into records that share their parts through an interner.
///
/// Holds no state between calls, so one decoder may serve several streams.
pub struct Json<R> {
    interner: Arc<Interner>,
    record: PhantomData<fn() -> R>,
}

impl<R: Record> Json<R> {
    /// A decoder whose records share through this interner.
    pub fn new(interner: Arc<Interner>) -> Self {
        Self {
            interner,
            record: PhantomData,
        }
    }

    /// Reads one object: the response to a get, create or update.
    ///
    /// # Errors
    /// The bytes are not one JSON object, a field that is kept has a wrong type, or the object has no name.
    pub fn object(&self, bytes: &[u8]) -> Result<R, DecodeError> {
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let decoded = read::Seed::<R>::new(&self.interner).deserialize(&mut deserializer)?;
        deserializer.end()?;
        decoded.record.ok_or(DecodeError::NoName)
    }

    /// Reads one page of a list. Objects that cannot be read are reported beside those that can.
    ///
    /// # Errors
    /// The bytes are not JSON or not a list. A document without `items` is refused, since taking it for an empty
    /// list would look like the deletion of everything.
    pub fn page(&self, bytes: &[u8]) -> Result<Page<R>, DecodeError> {
        list::page(bytes, &self.interner)
    }

    /// Reads one frame of a watch: one JSON document, with or without the line break that ends it.
    ///
    /// # Errors
    /// The bytes are not a watch event. An event whose object cannot be read is a [`Frame::Unreadable`] instead.
    pub fn frame(&self, bytes: &[u8]) -> Result<Frame<R>, DecodeError> {
        frame::frame(bytes, &self.interner)
    }
}

impl<R: Record + 'static> Reader for Json<R> {
    type Record = R;

    const ACCEPT: &'static str = MEDIA_TYPE;

    const FRAMING: Framing = Framing::Lines;

    fn new(interner: Arc<Interner>) -> Self {
        Self::new(interner)
    }

    fn object(&self, bytes: &[u8]) -> Result<R, DecodeError> {
        self.object(bytes)
    }

    fn page(&self, bytes: &[u8]) -> Result<Page<R>, DecodeError> {
        self.page(bytes)
    }

    fn frame(&self, bytes: &[u8]) -> Result<Frame<R>, DecodeError> {
        self.frame(bytes)
    }
}

impl<R> Clone for Json<R> {
    fn clone(&self) -> Self {
        Self {
            interner: Arc::clone(&self.interner),
            record: PhantomData,
        }
    }
}

impl<R> fmt::Debug for Json<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Json").finish_non_exhaustive()
    }
}
