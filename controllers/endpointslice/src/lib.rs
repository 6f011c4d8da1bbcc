//! Keeps the EndpointSlices of every Service that selects Pods.
//!
//! [`EndpointSlices`] is the view of the world that marks what a change touches, and the translation of the pure
//! decisions of `quaymaster-slices` into requests. It holds one [`ServiceSlices`](quaymaster_slices::ServiceSlices)
//! for each such Service and nothing else.

mod backing;
mod controller;
mod gauges;
mod metrics;
mod notices;
#[cfg(test)]
mod tests;
mod view;

use quaymaster_model::names;

pub use controller::{EndpointSlices, Options};

/// Name in flags, logs and metrics; kube-controller-manager calls it `endpointslice-controller`.
pub const NAME: &str = "endpointslice";

/// Name of the queue in metrics, as kube-controller-manager has it.
pub const QUEUE: &str = names::QUEUE_ENDPOINTSLICE;

/// Component that Events come from, as kube-controller-manager has it.
pub const REPORTER: &str = names::REPORTER_ENDPOINTSLICE;
