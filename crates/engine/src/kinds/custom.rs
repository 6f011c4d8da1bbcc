//! Our custom resources, which are not installed in every cluster.

use std::sync::Arc;

use quaymaster_api::{GROUP, VERSION};
use quaymaster_wire::Gone;
use quaymaster_wire::json::Json;
use quaymaster_world::{
    AllocationClaimRecord, Kind, NodePortPoolRecord, ServiceIpPoolRecord, ServiceReservationRecord, View,
    World,
};

use super::{Known, Object, Resource};

/// A record, its kind, where it is held, its plural name, and whether it is in namespaces.
macro_rules! custom {
    ($record:ty, $kind:ident, $held:ident, $name:literal, $namespaced:literal) => {
        impl Known for $record {
            const KIND: Kind = Kind::$kind;
            const RESOURCE: Resource = Resource {
                group: GROUP,
                version: VERSION,
                name: $name,
                namespaced: $namespaced,
                fields: "",
                optional: true,
            };

            type Reader = Json<Self>;

            fn apply(self, world: &mut World, views: &mut dyn View) {
                world.apply(self, views);
            }

            fn delete(gone: &Gone, world: &mut World, views: &mut dyn View) {
                let held = || Some(world.$held(&gone.key)?.uid.clone());
                if let Some(uid) = gone.uid.clone().or_else(held) {
                    world.delete::<Self>(&gone.key, &uid, views);
                }
            }

            fn into_object(self) -> Object {
                Object::$kind(Arc::new(self))
            }
        }
    };
}

custom!(
    ServiceIpPoolRecord,
    ServiceIpPool,
    service_ip_pool,
    "serviceippools",
    false
);
custom!(
    NodePortPoolRecord,
    NodePortPool,
    node_port_pool,
    "nodeportpools",
    false
);
custom!(
    ServiceReservationRecord,
    ServiceReservation,
    service_reservation,
    "servicereservations",
    true
);
custom!(
    AllocationClaimRecord,
    AllocationClaim,
    allocation_claim,
    "allocationclaims",
    false
);
