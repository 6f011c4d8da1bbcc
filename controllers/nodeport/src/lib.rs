//! Keeps the pools that node ports come from: what is read of Services and pools goes into the index that requests are answered
//! from, and what is known of pools into their status.
//!
//! - `feed`: what was read, as the index wants it;
//! - [`range`]: kube-apiserver's range of node ports, which has to be asked for;
//! - [`plan`] and [`conditions`]: what the status of a pool is to be;
//! - [`moves`]: node ports that are moved into a pool where no webhook chooses them;
//! - [`NodePorts`]: all of it as the engine sees it.

pub mod conditions;
mod controller;
mod feed;
mod metrics;
pub mod moves;
mod notices;
pub mod plan;
pub mod range;
mod request;
#[cfg(test)]
mod tests;

use quaymaster_model::Text;

pub use controller::NodePorts;

/// Name in flags, logs and metrics.
pub const NAME: &str = "nodeport";

/// Name of the queue in metrics.
pub const QUEUE: &str = "nodeport";

/// Component that Events come from.
pub const REPORTER: &str = "quaymaster-nodeport";

/// Settings.
#[derive(Debug, Clone)]
pub struct Options {
    /// A namespace that exists: where the question for the apiserver's range is sent to.
    pub namespace: Text,
    /// kube-apiserver's `--service-node-port-range`; with none it is asked for.
    pub range: Option<range::Bounds>,
    /// Whether Services that are younger than a minute, or name a pool, get node ports of their pool where they have others.
    pub moves: bool,
}
