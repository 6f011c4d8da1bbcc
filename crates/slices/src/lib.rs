//! Which endpoints stand in which EndpointSlice.
//!
//! [`ServiceSlices`] is the held state of one Service: which Pods it should publish, which slices are observed, and
//! which differ. A change of one Pod marks the slices that hold it and nothing else; [`ServiceSlices::plan`] looks
//! at what is marked and decides the next writes by upstream's fill algorithm
//! (`k8s.io/endpointslice/reconciler.go`). All of it is pure: no client, no clock.
//!
//! Decided writes wait in an outbox until there is room for them, and are taken back when something changes that
//! concerns them; what is wanted (`draft`) is found out without side effects.
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
mod marks;
pub mod names;
mod pending;
mod plan;
mod recycle;
mod review;
mod slices;
mod state;
pub mod topology;
mod transition;
mod trigger;
pub mod write;

pub use cluster::{Cluster, Context, Settings};
pub use plan::Plan;
pub use state::{ServiceSlices, Summary, Urgency};
pub use write::{Failure, Finished, Op, Outcome, SliceDraft, Write, WriteId};

#[cfg(test)]
mod tests;
