//! Claims of values that several replicas may give (`AllocationClaim`): each replica keeps off what another one has claimed, and
//! what is of no use any more is deleted.

mod controller;

pub use controller::ClaimController;

/// Name in logs and metrics.
pub const NAME: &str = "claim";

/// Name of the queue in metrics.
pub const QUEUE: &str = "claim";

/// Component that Events come from.
pub const REPORTER: &str = "quaymaster-claim";
