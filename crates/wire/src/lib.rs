//! Between the bytes of the Kubernetes API and the compact records of `quaymaster_model`.
//!
//! Reading takes only the fields that a record keeps; everything else is skipped without being looked at, so that
//! neither its size nor its shape matters. A [`Reader`] does it in one encoding; what is read is the same in all of them.
//! Writing renders an EndpointSlice or an Endpoints object whole. Nothing here performs I/O.

mod error;
pub mod json;
mod reader;
mod status;

pub use error::{DecodeError, EncodeError, Unreadable};
pub use reader::{Frame, Framing, Gone, Page, Reader};
pub use status::Status;
