//! EndpointSlices.

use std::sync::Arc;

use quaymaster_model::{SliceRecord, Uid};
use quaymaster_wire::json::Json;
use quaymaster_world::{Kind, View, World};

use super::{Known, Object, Resource};
use crate::decoder::Gone;

impl Known for SliceRecord {
    const KIND: Kind = Kind::Slice;
    const RESOURCE: Resource = Resource {
        group: "discovery.k8s.io",
        version: "v1",
        name: "endpointslices",
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
        world.apply_slice(self, views);
    }

    fn delete(gone: &Gone, uid: &Uid, world: &mut World, views: &mut dyn View) {
        world.delete_slice(&gone.key, uid, views);
    }

    fn held(gone: &Gone, world: &World) -> Option<Uid> {
        world.slice(&gone.key).map(|slice| slice.uid.clone())
    }

    fn into_object(self) -> Object {
        Object::Slice(Arc::new(self))
    }
}
