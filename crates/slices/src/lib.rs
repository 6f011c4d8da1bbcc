//! Which endpoints stand in which EndpointSlice.
//!
//! [`ServiceSlices`] is the held state of one Service: which Pods it should publish, which slices are observed, and
//! which differ. A change of one Pod marks the slices that hold it and nothing else; [`ServiceSlices::plan`] looks
//! at what is marked and decides the next writes by upstream's fill algorithm
//! (`k8s.io/endpointslice/reconciler.go`). All of it is pure: no client, no clock.
//!
//! Where an endpoint is placed is chosen only inside `plan`, never when a Pod changes: a standby that placed eagerly
//! would drift from what the leader wrote, and write at promotion.

mod answer;
pub mod cluster;
pub mod convert;
mod draft;
mod fill;
mod groups;
mod held;
mod hinting;
mod issue;
pub mod labels;
pub mod names;
mod recycle;
mod review;
mod state;
pub mod topology;
mod transition;
pub mod write;

pub use cluster::{Cluster, Context, Settings};
pub use state::{Plan, ServiceSlices, Summary, Urgency};
pub use write::{Failure, Finished, Op, Outcome, SliceDraft, Write, WriteId};

#[cfg(test)]
mod tests;
