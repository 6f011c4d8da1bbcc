//! The rules, a second time: which endpoints a Service should have, and what one sync writes.
//!
//! [`desired`] needs Pods, Nodes and the Service alone; [`reconcile`](mod@reconcile) has the slices that exist as well,
//! and is built on it. The rest are parts of both, each a part of an endpoint or a slice.

pub(crate) mod address;
pub(crate) mod desired;
pub(crate) mod hints;
pub(crate) mod pods;
pub(crate) mod ports;
pub(crate) mod reconcile;
pub(crate) mod slices;
pub(crate) mod topology;
pub(crate) mod trigger;
