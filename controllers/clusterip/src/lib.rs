//! Keeps the pools that ClusterIPs come from: what is read of Services, IPAddresses, ServiceCIDRs, pools and reservations goes
//! into the index that requests are answered from, and what is known of pools into their status.
//!
//! - [`feed`]: what was read, as the index wants it;
//! - [`ClusterIps`]: all of it as the engine sees it.

mod controller;
mod feed;

pub use controller::ClusterIps;

/// Name in flags, logs and metrics.
pub const NAME: &str = "clusterip";

/// Name of the queue in metrics.
pub const QUEUE: &str = "clusterip";

/// Component that Events come from.
pub const REPORTER: &str = "quaymaster-clusterip";
