//! Kinds that are read as well as written: own answers count before the watch tells them.

use std::sync::Arc;

use quaymaster_model::{
    EndpointsRecord, IpAddressRecord, ObjectKey, ResourceVersion, ServiceCidrRecord, SliceRecord, Uid,
};

use crate::written::Written;
use crate::{
    AllocationClaimRecord, Change, Delta, Kind, NodePortPoolRecord, Origin, ServiceIpPoolRecord,
    ServiceReservationRecord, World,
};

/// A record of a kind that is read as well as written. Sealed: implemented for those of `quaymaster_model`, and for
/// its custom resources.
pub trait Stored: Place {}

impl<R: Place> Stored for R {}

/// Where records of a kind are held, and what else is kept up to date with them.
pub trait Place: PartialEq + Sized + 'static {
    /// The kind.
    const KIND: Kind;

    /// Namespace and name.
    fn key(&self) -> &ObjectKey;

    /// `metadata.uid`.
    fn uid(&self) -> &Uid;

    /// `metadata.resourceVersion`.
    fn version(&self) -> &ResourceVersion;

    /// Where the records are.
    fn held(world: &World) -> &Written<Self>;

    /// Where the records are.
    fn held_mut(world: &mut World) -> &mut Written<Self>;

    /// What is told of a change.
    fn delta(change: Change<'_, Arc<Self>>, origin: Origin) -> Delta<'_>;

    /// A record came under this number.
    fn came(_world: &mut World, _id: u32, _record: &Self) {}

    /// A record went from this number.
    fn went(_world: &mut World, _id: u32, _record: &Self) {}

    /// A record was replaced by another one of the same object.
    fn replaced(world: &mut World, id: u32, old: &Self, new: &Self) {
        Self::went(world, id, old);
        Self::came(world, id, new);
    }
}

impl Place for SliceRecord {
    const KIND: Kind = Kind::Slice;

    fn key(&self) -> &ObjectKey {
        &self.key
    }

    fn uid(&self) -> &Uid {
        &self.uid
    }

    fn version(&self) -> &ResourceVersion {
        &self.resource_version
    }

    fn held(world: &World) -> &Written<Self> {
        &world.slices
    }

    fn held_mut(world: &mut World) -> &mut Written<Self> {
        &mut world.slices
    }

    fn delta(change: Change<'_, Arc<Self>>, origin: Origin) -> Delta<'_> {
        Delta::Slice { change, origin }
    }

    fn came(world: &mut World, id: u32, record: &Self) {
        world.endpoints_in_slices += record.endpoints.len();
        if let Some(service) = service_of(record) {
            world.slices_by_service.insert(service, id);
        }
    }

    fn went(world: &mut World, id: u32, record: &Self) {
        world.endpoints_in_slices -= record.endpoints.len();
        if let Some(service) = service_of(record) {
            world.slices_by_service.remove(&service, id);
        }
    }

    fn replaced(world: &mut World, id: u32, old: &Self, new: &Self) {
        if old.service_name() == new.service_name() {
            world.endpoints_in_slices += new.endpoints.len();
            world.endpoints_in_slices -= old.endpoints.len();
        } else {
            Self::went(world, id, old);
            Self::came(world, id, new);
        }
    }
}

/// Key of the Service that a slice names.
fn service_of(slice: &SliceRecord) -> Option<ObjectKey> {
    slice
        .service_name()
        .map(|name| ObjectKey::new(slice.key.namespace.clone(), name.clone()))
}

/// A kind that is reached by key alone.
macro_rules! by_key_alone {
    ($record:ty, $kind:ident, $table:ident) => {
        impl Place for $record {
            const KIND: Kind = Kind::$kind;

            fn key(&self) -> &ObjectKey {
                &self.key
            }

            fn uid(&self) -> &Uid {
                &self.uid
            }

            fn version(&self) -> &ResourceVersion {
                &self.resource_version
            }

            fn held(world: &World) -> &Written<Self> {
                &world.$table
            }

            fn held_mut(world: &mut World) -> &mut Written<Self> {
                &mut world.$table
            }

            fn delta(change: Change<'_, Arc<Self>>, origin: Origin) -> Delta<'_> {
                Delta::$kind { change, origin }
            }
        }
    };
}

by_key_alone!(EndpointsRecord, Endpoints, endpoints);
by_key_alone!(ServiceCidrRecord, ServiceCidr, service_cidrs);
by_key_alone!(IpAddressRecord, IpAddress, ip_addresses);
by_key_alone!(ServiceIpPoolRecord, ServiceIpPool, service_ip_pools);
by_key_alone!(NodePortPoolRecord, NodePortPool, node_port_pools);
by_key_alone!(ServiceReservationRecord, ServiceReservation, service_reservations);
by_key_alone!(AllocationClaimRecord, AllocationClaim, allocation_claims);
