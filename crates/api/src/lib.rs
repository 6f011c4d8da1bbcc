//! The custom resources of Quaymaster, group `quaymaster.io`, version `v1alpha1`.
//!
//! - [`ServiceIPPool`] and [`NodePortPool`] say which addresses and node ports Services of which namespaces get;
//! - [`ServiceReservation`] keeps some for one Service, whether it exists or not;
//! - [`AllocationClaim`] is made by replicas for each other.
//!
//! What a schema can demand is demanded there (`schema.rs`), and once more by [`parse`], which makes addresses, networks
//! and ports of the text of fields: an object may be older than the schema. Words that this version does not know become
//! `Unknown`, so that one object does not make a list unreadable.
#![allow(
    clippy::duplicated_attributes,
    reason = "printer columns of one kind have types and priorities in common"
)]

mod address_pool;
mod claim;
mod count;
pub mod parse;
mod policy;
mod port_pool;
mod reservation;
mod schema;
mod selector;
mod words;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube_core::CustomResourceExt as _;

pub use address_pool::{
    AddressCounts, AddressRange, ManagedServiceCIDR, ServiceIPPool, ServiceIPPoolSpec, ServiceIPPoolStatus,
};
pub use claim::{AllocationClaim, AllocationClaimSpec, Claimed, NoClaim};
pub use count::Count;
pub use parse::{PoolAddresses, PoolPorts, Problem};
pub use policy::{AddressQuarantine, Policy, PortQuarantine, Retain, Thresholds};
pub use port_pool::{NodePortPool, NodePortPoolSpec, NodePortPoolStatus, PortRange};
pub use reservation::{
    BoundService, ReservedNodePort, ServiceReservation, ServiceReservationSpec, ServiceReservationStatus,
};
pub use selector::{LabelSelector, Operator, Requirement};
pub use words::{
    Consistency, EnforceAddresses, EnforcePorts, EnforceReservation, OnExhausted, PortUse, State, Strategy,
    Usage,
};

/// The API group of all kinds here.
pub const GROUP: &str = "quaymaster.io";

/// The version of all kinds here.
pub const VERSION: &str = "v1alpha1";

/// The definitions of all kinds here, as they are shipped.
pub fn definitions() -> Vec<CustomResourceDefinition> {
    [
        ServiceIPPool::crd(),
        NodePortPool::crd(),
        ServiceReservation::crd(),
        AllocationClaim::crd(),
    ]
    .map(schema::finish)
    .into()
}
