//! Keeps the EndpointSlices that mirror Endpoints of Services without a selector.
//!
//! Whoever writes Endpoints by hand, as for a database outside of the cluster, is understood by consumers that read
//! EndpointSlices alone. For kube-controller-manager's controller of the same work see kubernetes/kubernetes
//! `pkg/controller/endpointslicemirroring`.
//!
//! [`Mirroring`] is the view of the world and the translation of decisions into requests. Each plan compares one Endpoints
//! object, as the world has it, with its slices: what the Endpoints say becomes groups (`desired.rs`), with the metadata
//! that all slices have (`wanted.rs`); what is to be written for that is decided without a side effect (`decide.rs`), where
//! `recycle.rs` pairs slices that would go with such that would come, and `union.rs` tells what may not go yet. What is in
//! flight, and what answers have shown, is all that is held (`mirror.rs`).

mod altered;
mod content;
mod controller;
mod decide;
mod desired;
mod difference;
mod gauges;
mod metrics;
mod mirror;
mod notices;
mod recycle;
#[cfg(test)]
mod tests;
mod union;
mod view;
mod wanted;

use quaymaster_model::names;

pub use controller::{Mirroring, Options};
pub use mirror::Settings;

/// Name in flags, logs and metrics; kube-controller-manager calls it `endpointslice-mirroring-controller`.
pub const NAME: &str = "endpointslice-mirroring";

/// Name of the queue in metrics, as kube-controller-manager has it.
pub const QUEUE: &str = names::QUEUE_MIRRORING;

/// Component that Events come from, as kube-controller-manager has it.
pub const REPORTER: &str = names::REPORTER_MIRRORING;
