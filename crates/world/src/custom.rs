//! The custom resources that are read.

use quaymaster_api::{
    AllocationClaimSpec, NodePortPoolSpec, NodePortPoolStatus, ServiceIPPoolSpec, ServiceIPPoolStatus,
    ServiceReservationSpec, ServiceReservationStatus,
};
use quaymaster_model::CustomRecord;
use serde::de::IgnoredAny;

/// A `ServiceIPPool`.
pub type ServiceIpPoolRecord = CustomRecord<ServiceIPPoolSpec, ServiceIPPoolStatus>;
/// A `NodePortPool`.
pub type NodePortPoolRecord = CustomRecord<NodePortPoolSpec, NodePortPoolStatus>;
/// A `ServiceReservation`.
pub type ServiceReservationRecord = CustomRecord<ServiceReservationSpec, ServiceReservationStatus>;
/// An `AllocationClaim`, which has no status.
pub type AllocationClaimRecord = CustomRecord<AllocationClaimSpec, IgnoredAny>;
