//! Keeps the pools that ClusterIPs come from: what is read of Services, IPAddresses, ServiceCIDRs, pools and reservations goes
//! into the index that requests are answered from, and what is known of pools into their status.
//!
//! - `feed`: what was read, as the index wants it, and `kept`: reservations, settled against each other;
//! - `pool_status` and `reservation_status`: what a status should be, and `conditions` of it;
//! - `holds`: whether an IPAddress of ours keeps an address from being given;
//! - `guard`: live addresses whose IPAddress is gone;
//! - `plan` and `answers`: what is written for a key of the queue (`target`), and what becomes of it;
//! - [`ClusterIps`]: all of it as the engine sees it.

mod answers;
mod conditions;
mod controller;
mod feed;
mod guard;
mod holds;
mod kept;
mod metrics;
mod notices;
mod plan;
mod pool_status;
mod request;
mod reservation_status;
mod target;
#[cfg(test)]
mod tests;
mod written;

pub use controller::{ClusterIps, Holds};

/// Name in flags, logs and metrics.
pub const NAME: &str = "clusterip";

/// Name of the queue in metrics.
pub const QUEUE: &str = "clusterip";

/// Component that Events come from.
pub const REPORTER: &str = "quaymaster-clusterip";
