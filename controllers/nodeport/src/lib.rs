//! Keeps the pools that node ports come from: what is read of Services, pools and reservations goes into the index that requests
//! are answered from, and what is known of pools into their status.
//!
//! - [`feed`]: what was read, as the index wants it;
//! - [`NodePorts`]: all of it as the engine sees it.

mod controller;
mod feed;

pub use controller::NodePorts;

/// Name in flags, logs and metrics.
pub const NAME: &str = "nodeport";

/// Name of the queue in metrics.
pub const QUEUE: &str = "nodeport";

/// Component that Events come from.
pub const REPORTER: &str = "quaymaster-nodeport";
