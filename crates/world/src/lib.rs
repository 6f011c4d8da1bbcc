//! The one owner of what was read from the cluster.
//!
//! Watches and the responses of own writes go in; what they changed comes out as [`Delta`]s, each handed to a
//! [`View`] when the [`World`] already is as after it. Everything is reached by key or by an index: nothing that
//! happens to one object costs a walk over the others.
//!
//! Pure and synchronous: no client, no clock, no locks.

mod buckets;
mod custom;
mod delta;
mod kind;
mod stored;
mod table;
mod tombstones;
mod world;
mod written;

pub use custom::{AllocationClaimRecord, NodePortPoolRecord, ServiceIpPoolRecord, ServiceReservationRecord};
pub use delta::{Change, Delta, Origin, View};
pub use kind::Kind;
pub use quaymaster_membership::{Moved, PodId, ServiceId, ServiceIds};
pub use stored::Stored;
pub use world::{Sizes, World};
