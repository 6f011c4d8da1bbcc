//! ServiceCIDRs.

use std::sync::Arc;

use quaymaster_model::ServiceCidrRecord;
use quaymaster_wire::Gone;
use quaymaster_wire::json::Json;
use quaymaster_world::{Kind, View, World};

use super::{Known, Object, Resource};

impl Known for ServiceCidrRecord {
    const KIND: Kind = Kind::ServiceCidr;
    const RESOURCE: Resource = Resource {
        group: "networking.k8s.io",
        version: "v1",
        name: "servicecidrs",
        namespaced: false,
        fields: "",
        optional: false,
    };

    type Reader = Json<Self>;

    fn apply(self, world: &mut World, views: &mut dyn View) {
        world.apply(self, views);
    }

    fn delete(gone: &Gone, world: &mut World, views: &mut dyn View) {
        let held = || Some(world.service_cidr(&gone.key)?.uid.clone());
        if let Some(uid) = gone.uid.clone().or_else(held) {
            world.delete::<Self>(&gone.key, &uid, views);
        }
    }

    fn into_object(self) -> Object {
        Object::ServiceCidr(Arc::new(self))
    }
}
