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
//!
//! # The order of a reconciliation
//!
//! Upstream looks at all Pods and slices of a Service in one pass, `Reconcile`. Here that pass is taken apart: what it
//! builds anew each time is held, and each step works on what is marked. Upstream's functions are those of
//! `k8s.io/endpointslice/reconciler.go` where no other file is named.
//!
//! 1. **Something is told**: a Service by [`ServiceSlices::refresh`], a Pod or its Node by [`ServiceSlices::pod_changed`]
//!    ([`state`]), a slice by [`ServiceSlices::slice_seen`] and [`ServiceSlices::slice_gone`] ([`transition`]). The
//!    group of a Pod's ports is found ([`groups`]; `getEndpointPorts` in `utils.go`); a Pod that stands in no slice is
//!    noted, and slices that it concerns are marked ([`marks`]). What was decided about these and not sent is taken
//!    back. Upstream only queues the Service, and finds all of this out where `reconcileByAddressType` begins.
//! 2. **The Service's turn comes**: [`ServiceSlices::plan`] ([`plan`]; `Reconcile`). It drafts, decides and sends.
//! 3. **Draft**: for each family what is to be written, without touching anything ([`draft`];
//!    `reconcileByAddressType`). Of families that the Service does not have, all slices go. Of the others:
//!    1. [`review`]: what a marked slice should hold instead (`reconcileByPortMapping`, its step 1). Endpoints are made
//!       by [`convert::endpoint`] (`podToEndpoint` in `utils.go`), with their hints if these come from
//!       `spec.trafficDistribution` (`ReconcileHints` in `trafficdist/trafficdist.go`).
//!    2. [`fill`]: where the Pods go that stand in no slice (the same, its steps 2 and 3).
//!    3. [`draft`] again: whether the slice without endpoints, the placeholder, is wanted.
//!    4. [`recycle`]: slices that would go become those that would be created (`finalize`, its first half).
//!    5. [`hinting`]: hints by annotation, over all slices of the family ([`topology`]; `AddHints` in
//!       `topologycache/topologycache.go`). Upstream recycles after this.
//! 4. **Decide**: creates and updates get their names and wait in the outbox ([`issue`], [`names`], [`pending`];
//!    `newEndpointSlice` in `utils.go`), and count as done from here on. Slices that go are marked as leaving.
//! 5. **Merge**, where it is asked for: with nothing else to be written for a while, two sparse slices become one
//!    ([`rebalance`]). It is decided as one update; the rest follows from its answer. Upstream has no such step.
//! 6. **Send**: as many writes as there is room for are given out, deletes last ([`issue`],
//!    [`quaymaster_membership::trigger`]; `finalize`, its
//!    second half). The caller carries them out.
//! 7. **An answer comes**: [`ServiceSlices::finished`] ([`transition`]) takes what it tells of the slice ([`answer`]) for
//!    observed; the indexes follow, and slices that waited for it are marked. Upstream notes the generation that it must
//!    see before it goes on (`Update` and `ExpectDeletion` in `util/endpointslice_tracker.go`).
#![allow(
    rustdoc::private_intra_doc_links,
    reason = "the order of the steps is for those who work on them"
)]

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
mod rebalance;
mod recycle;
mod review;
mod slices;
mod state;
pub mod topology;
mod transition;
pub mod write;

pub use cluster::{Cluster, Context, Settings};
pub use plan::Plan;
pub use rebalance::Turns;
pub use state::{ServiceSlices, Summary, Urgency};
pub use write::{Failure, Finished, Op, Outcome, SliceDraft, Write, WriteId};

#[cfg(test)]
mod tests;
