//! The rules, a second time: what there should be, and what one sync writes.
//!
//! For slices [`desired`] needs Pods, Nodes and the Service alone; [`reconcile`](mod@reconcile) has the slices that exist as
//! well, and is built on it. [`endpoints`], [`mirroring`] and [`cidrs`] are the other controllers. [`minors`] says what differs
//! between Kubernetes versions. The rest are parts of several, each a part of an endpoint, a slice or a subset.

pub(crate) mod address;
pub(crate) mod cidrs;
pub(crate) mod desired;
pub(crate) mod endpoints;
pub(crate) mod hints;
pub mod minors;
pub(crate) mod mirroring;
pub(crate) mod pods;
pub(crate) mod ports;
pub(crate) mod reconcile;
pub(crate) mod repack;
pub(crate) mod slices;
pub(crate) mod topology;
pub(crate) mod trigger;
