//! Looks after Services that select no Pods: those of type ExternalName, and those whose endpoints somebody else keeps.
//!
//! kube-controller-manager has no such controller. By default nothing is written here but Events:
//!
//! - [`checks`]: mistakes that nothing else tells of, such as an IP address as an external name;
//! - [`domain`]: what an external name means inside of the cluster, and [`targets`]: who is concerned when that changes;
//! - [`told`]: each mistake is told once.
//!
//! With a time of grace, what the Endpoints and EndpointSlice controllers leave behind when a Service loses its selector or
//! becomes an ExternalName goes as well ([`stale`]; kubernetes/kubernetes#118376, #103804).
//!
//! [`ExternalNames`] is all of it as the engine sees it.

pub mod checks;
mod controller;
pub mod domain;
mod notices;
mod request;
pub mod stale;
pub mod targets;
#[cfg(test)]
mod tests;
pub mod told;
mod view;

pub use controller::{ExternalNames, Options};

/// Name in flags, logs and metrics.
pub const NAME: &str = "externalname";

/// Name of the queue in metrics.
pub const QUEUE: &str = "externalname";

/// Component that Events come from.
pub const REPORTER: &str = "externalname-controller";
