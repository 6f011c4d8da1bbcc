//! Services.

use std::sync::Arc;

use quaymaster_model::{ServiceRecord, Uid};
use quaymaster_wire::json::Json;
use quaymaster_world::{Kind, View, World};

use super::{Known, Object, Resource};
use crate::decoder::Gone;

impl Known for ServiceRecord {
    const KIND: Kind = Kind::Service;
    const RESOURCE: Resource = Resource {
        group: "",
        version: "v1",
        name: "services",
        namespaced: true,
        fields: "",
    };

    type Reader = Json<Self>;

    fn gone(&self) -> Gone {
        Gone {
            key: self.key.clone(),
            uid: Some(self.uid.clone()),
        }
    }

    fn apply(self, world: &mut World, views: &mut dyn View) {
        world.apply_service(self, views);
    }

    fn delete(gone: &Gone, uid: &Uid, world: &mut World, views: &mut dyn View) {
        world.delete_service(&gone.key, uid, views);
    }

    fn held(gone: &Gone, world: &World) -> Option<Uid> {
        let service = world.service_id(&gone.key).and_then(|id| world.service(id))?;
        Some(service.uid.clone())
    }

    fn into_object(self) -> Object {
        Object::Service(Arc::new(self))
    }
}
