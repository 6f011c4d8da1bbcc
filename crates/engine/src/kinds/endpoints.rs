//! Endpoints.

use std::sync::Arc;

use quaymaster_model::EndpointsRecord;
use quaymaster_wire::Gone;
use quaymaster_wire::json::Json;
use quaymaster_world::{Kind, View, World};

use super::{Known, Object, Resource};

impl Known for EndpointsRecord {
    const KIND: Kind = Kind::Endpoints;
    const RESOURCE: Resource = Resource {
        group: "",
        version: "v1",
        name: "endpoints",
        namespaced: true,
        fields: "",
        optional: false,
    };

    type Reader = Json<Self>;

    fn apply(self, world: &mut World, views: &mut dyn View) {
        world.apply(self.to_be_held(), views);
    }

    fn delete(gone: &Gone, world: &mut World, views: &mut dyn View) {
        let held = || Some(world.endpoints(&gone.key)?.uid.clone());
        if let Some(uid) = gone.uid.clone().or_else(held) {
            world.delete::<Self>(&gone.key, &uid, views);
        }
    }

    fn into_object(self) -> Object {
        Object::Endpoints(Arc::new(self))
    }
}
