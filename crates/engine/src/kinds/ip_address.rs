//! IPAddresses.

use std::sync::Arc;

use quaymaster_model::IpAddressRecord;
use quaymaster_wire::Gone;
use quaymaster_wire::json::Json;
use quaymaster_world::{Kind, View, World};

use super::{Known, Object, Resource};

impl Known for IpAddressRecord {
    const KIND: Kind = Kind::IpAddress;
    const RESOURCE: Resource = Resource {
        group: "networking.k8s.io",
        version: "v1",
        name: "ipaddresses",
        namespaced: false,
        fields: "",
        optional: false,
    };

    type Reader = Json<Self>;

    fn apply(self, world: &mut World, views: &mut dyn View) {
        world.apply(self, views);
    }

    fn delete(gone: &Gone, world: &mut World, views: &mut dyn View) {
        let held = || Some(world.ip_address(&gone.key)?.uid.clone());
        if let Some(uid) = gone.uid.clone().or_else(held) {
            world.delete::<Self>(&gone.key, &uid, views);
        }
    }

    fn into_object(self) -> Object {
        Object::IpAddress(Arc::new(self))
    }
}
