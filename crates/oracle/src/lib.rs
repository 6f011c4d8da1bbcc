//! What kube-controller-manager's controllers of endpoints would do, computed the slow and obvious way.
//!
//! The production crates keep state, intern strings and touch one endpoint at a time. This crate does none of
//! that: it takes whole API objects, recomputes everything, and follows upstream line of thought by line of
//! thought, so that a test may compare the two. It shares no code with them; where both agree, both read the
//! upstream sources the same way.
//!
//! Four parts, each a folder:
//!
//! * `rules` is the second implementation: [`slices::desired`] says which endpoints a Service should have, whatever slices
//!   exist; [`slices::reconcile`] is one sync of the controller: existing slices in, writes and events out. Likewise of
//!   [`endpoints`] and [`mirroring`]; [`cidrs`] says when a ServiceCIDR may go.
//! * `check` judges results without regard to packing and names: [`slices::canonical`], [`slices::diff`] and
//!   [`slices::check_invariants`]; `fair` of each controller says what differs between two of them.
//! * [`generate`] makes random clusters and streams of changes from a seed.
//! * [`sim`] is a small API server for EndpointSlices, for tests without a control plane.
//!
//! To the outside there is a module for each controller.
//!
//! Where upstream iterates over a Go map, the order is unspecified and differs from run to run. Here every such
//! choice is made in sorted order, and the place says so: a test must not demand the same choice of anyone.

mod check;
pub mod generate;
pub mod names;
mod rules;
pub mod sim;
#[cfg(test)]
mod testing;

pub use check::exception::{Exception, Exceptions};
pub use check::told::{tell, tell_owner};
pub use rules::address::AddressType;
pub use rules::desired::{Rules, managed};
pub use rules::minors;
pub use rules::pods::selects;

/// Endpoints of Services with a selector (kubernetes `pkg/controller/endpoint`).
pub mod endpoints {
    pub use crate::check::endpoints::{Setting, fair};
    pub use crate::rules::endpoints::{CAPACITY, Desired, desired, reconcile};
    pub use crate::rules::ports::PortHash;
    pub use crate::rules::repack::repack;
}

/// EndpointSlices that mirror Endpoints (kubernetes `pkg/controller/endpointslicemirroring`).
pub mod mirroring {
    pub use crate::check::mirrored::{Setting, fair, is_ambiguous, is_forgiven};
    pub use crate::rules::mirroring::{Config, Desired, allows_mirroring, desired, is_mirrored, reconcile};
}

/// ServiceCIDRs (kubernetes `pkg/controller/servicecidrs`).
pub mod cidrs {
    pub use crate::check::cidrs::{Side, fair};
    pub use crate::rules::cidrs::{
        GRACE_SECONDS, Ready, allocated, covered, holds, may_go, orphans, overlap, wanted_condition,
    };
}

/// EndpointSlices of Services with a selector (`k8s.io/endpointslice`, `kubernetes/pkg/controller/endpointslice`).
pub mod slices {
    pub use crate::check::canonical::{
        Canonical, CanonicalEndpoint, Compare, Difference, Group, GroupKey, HintComparison, SliceMeta,
        canonical, diff, diff_with,
    };
    pub use crate::check::fair::{Setting, fair};
    pub use crate::check::invariants::{Violation, check_invariants};
    pub use crate::rules::desired::{Desired, DesiredGroup, DesiredKey, Identity, SkippedPod, desired};
    pub use crate::rules::hints::auto;
    pub use crate::rules::ports::{PortHash, PortKey, port_digest};
    pub use crate::rules::reconcile::{Config, Event, Outcome, State, Write, reconcile, reconcile_with};
    pub use crate::rules::topology::TopologyCache;
    pub use crate::rules::trigger::TriggerTimes;
}
