//! What kube-controller-manager's EndpointSlice controller would do, computed the slow and obvious way; and what its
//! Endpoints controller would write.
//!
//! The production crates keep state, intern strings and touch one endpoint at a time. This crate does none of
//! that: it takes whole API objects, recomputes everything, and follows upstream line of thought by line of
//! thought, so that a test may compare the two. It shares no code with them; where both agree, both read the
//! upstream sources (`k8s.io/endpointslice`, `kubernetes/pkg/controller/endpointslice`) the same way.
//!
//! Four parts, each a folder:
//!
//! * `rules` is the second implementation. [`desired`] says which endpoints a Service should have, whatever slices
//!   exist; [`reconcile`] is one sync of the controller: existing slices in, writes and events out. [`endpoints`] says what
//!   the v1 Endpoints of a Service should be.
//! * `check` judges results without regard to packing and names: [`canonical`], [`diff`] and [`check_invariants`].
//! * [`generate`] makes random clusters and streams of changes from a seed.
//! * [`sim`] is a small API server for EndpointSlices, for tests without a control plane.
//!
//! They stand in one crate since all of them speak of the same writes, those of `rules`.
//!
//! Where upstream iterates over a Go map, the order is unspecified and differs from run to run. Here every such
//! choice is made in sorted order, and the place says so: a test must not demand the same choice of anyone.

mod check;
pub mod generate;
mod rules;
pub mod sim;
#[cfg(test)]
mod testing;

pub use check::canonical::{
    Canonical, CanonicalEndpoint, Compare, Difference, Group, GroupKey, HintComparison, SliceMeta, canonical,
    diff, diff_with,
};
pub use check::invariants::{Violation, check_invariants};
pub use rules::address::AddressType;
pub use rules::desired::{Desired, DesiredGroup, DesiredKey, Identity, Rules, SkippedPod, desired, managed};
pub use rules::endpoints::{DesiredEndpoints, endpoints};
pub use rules::hints::{PREFER_SAME, auto};
pub use rules::names;
pub use rules::pods::selects;
pub use rules::ports::{PortHash, PortKey, port_digest};
pub use rules::reconcile::{
    Config, Event, NULL_EQUALS_EMPTY, Outcome, State, Write, reconcile, reconcile_with,
};
pub use rules::topology::TopologyCache;
pub use rules::trigger::TriggerTimes;
