//! Keeps the finalizer and the condition `Ready` of ServiceCIDRs (KEP-1880).
//!
//! The ranges themselves are the apiserver's: it gives out addresses, and makes an IPAddress for each. What is done here is
//! to say that a range is there, and to hold one that is being deleted back as long as addresses would be left without a range
//! (kubernetes/kubernetes `pkg/controller/servicecidrs/servicecidrs_controller.go`).
//!
//! - [`ranges`]: which address is in which range;
//! - [`blockers`]: which ServiceCIDR has to stay for which addresses, counted;
//! - [`plan`]: what is to be done with one ServiceCIDR, decided from what is known of it;
//! - [`ServiceCidrs`]: all of it as the engine sees it.

pub mod blockers;
mod controller;
mod notices;
pub mod plan;
pub mod ranges;
mod request;
#[cfg(test)]
mod tests;

use quaymaster_model::names;

pub use controller::ServiceCidrs;

/// Name in flags, logs and metrics; kube-controller-manager calls it `service-cidr-controller`.
pub const NAME: &str = "service-cidr";

/// Name of the queue in metrics, as kube-controller-manager has it.
pub const QUEUE: &str = names::QUEUE_SERVICE_CIDR;

/// Component that Events come from, as kube-controller-manager has it.
pub const REPORTER: &str = names::REPORTER_SERVICE_CIDR;
