//! Keeps the v1 Endpoints of every Service that selects Pods.
//!
//! [`Endpoints`] holds a few words for each such Service and nothing of what its Endpoints contain: a change marks the
//! Service, and when its turn comes the content is computed from the Pods that the world has, and compared with what is
//! stored by its digest. [`Cleanup`] is for clusters that do without this controller (KEP-4974).
//!
//! The rules are those of kubernetes/kubernetes `pkg/controller/endpoint/endpoints_controller.go`.

mod cleanup;
mod controller;
mod held;
mod notices;
mod request;
#[cfg(test)]
mod tests;
mod view;
mod wanted;

use quaymaster_model::names;

pub use cleanup::Cleanup;
pub use controller::{Endpoints, Options};

/// Name in flags, logs and metrics; kube-controller-manager calls it `endpoints-controller`.
pub const NAME: &str = "endpoints";

/// Name of the queue in metrics, as kube-controller-manager has it.
pub const QUEUE: &str = names::QUEUE_ENDPOINTS;

/// Component that Events come from, as kube-controller-manager has it.
pub const REPORTER: &str = names::REPORTER_ENDPOINTS;

/// Name of [`Cleanup`] in logs and metrics.
pub const CLEANUP_NAME: &str = "endpoints-cleanup";

/// Name of the queue of [`Cleanup`] in metrics.
pub const CLEANUP_QUEUE: &str = "endpoint_cleanup";
