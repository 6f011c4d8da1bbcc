//! Between the bytes of the Kubernetes API and the compact records of `quaymaster_model`.
//!
//! Reading takes only the fields that a record keeps; everything else is skipped without being looked at, so that
//! neither its size nor its shape matters. Writing renders an EndpointSlice whole. Nothing here performs I/O.

pub mod json;
