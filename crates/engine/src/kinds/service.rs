//! Services.

use std::sync::Arc;

use quaymaster_model::ServiceRecord;
use quaymaster_wire::Gone;
use quaymaster_wire::json::Json;
use quaymaster_world::{Kind, View, World};

use super::{Known, Object, Resource};

impl Known for ServiceRecord {
    const KIND: Kind = Kind::Service;
    const RESOURCE: Resource = Resource {
        group: "",
        version: "v1",
        name: "services",
        namespaced: true,
        fields: "",
        optional: false,
    };

    type Reader = Json<Self>;

    fn apply(self, world: &mut World, views: &mut dyn View) {
        world.apply_service(self, views);
    }

    fn delete(gone: &Gone, world: &mut World, views: &mut dyn View) {
        let held = || Some(world.service(world.service_id(&gone.key)?)?.uid.clone());
        if let Some(uid) = gone.uid.clone().or_else(held) {
            world.delete_service(&gone.key, &uid, views);
        }
    }

    fn into_object(self) -> Object {
        Object::Service(Arc::new(self))
    }
}
