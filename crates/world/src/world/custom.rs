//! Custom resources.

use std::sync::Arc;

use quaymaster_model::ObjectKey;

use crate::{
    AllocationClaimRecord, NodePortPoolRecord, ServiceIpPoolRecord, ServiceReservationRecord, World,
};

impl World {
    /// The `ServiceIPPool` of this name.
    pub fn service_ip_pool(&self, key: &ObjectKey) -> Option<&Arc<ServiceIpPoolRecord>> {
        self.service_ip_pools.by_key(key)
    }

    /// All `ServiceIPPool`s: a handful.
    pub fn service_ip_pools(&self) -> impl Iterator<Item = &Arc<ServiceIpPoolRecord>> {
        self.service_ip_pools.iter().map(|(_, record)| record)
    }

    /// The `NodePortPool` of this name.
    pub fn node_port_pool(&self, key: &ObjectKey) -> Option<&Arc<NodePortPoolRecord>> {
        self.node_port_pools.by_key(key)
    }

    /// All `NodePortPool`s: a handful.
    pub fn node_port_pools(&self) -> impl Iterator<Item = &Arc<NodePortPoolRecord>> {
        self.node_port_pools.iter().map(|(_, record)| record)
    }

    /// The `ServiceReservation` of this key.
    pub fn service_reservation(&self, key: &ObjectKey) -> Option<&Arc<ServiceReservationRecord>> {
        self.service_reservations.by_key(key)
    }

    /// All `ServiceReservation`s: those of all namespaces.
    pub fn service_reservations(&self) -> impl Iterator<Item = &Arc<ServiceReservationRecord>> {
        self.service_reservations.iter().map(|(_, record)| record)
    }

    /// The `AllocationClaim` of this name.
    pub fn allocation_claim(&self, key: &ObjectKey) -> Option<&Arc<AllocationClaimRecord>> {
        self.allocation_claims.by_key(key)
    }

    /// All `AllocationClaim`s: those that no Service has shown up for yet.
    pub fn allocation_claims(&self) -> impl Iterator<Item = &Arc<AllocationClaimRecord>> {
        self.allocation_claims.iter().map(|(_, record)| record)
    }
}
