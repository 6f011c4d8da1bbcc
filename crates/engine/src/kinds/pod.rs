//! Pods.

use std::sync::Arc;

use quaymaster_model::{PodRecord, Uid};
use quaymaster_wire::json::Json;
use quaymaster_world::{Kind, View, World};

use super::{Known, Object, Resource};
use crate::decoder::Gone;

impl Known for PodRecord {
    const KIND: Kind = Kind::Pod;
    const RESOURCE: Resource = Resource {
        group: "",
        version: "v1",
        name: "pods",
        namespaced: true,
        // What has finished is no endpoint of anything. A Pod that finishes is told as deleted.
        fields: "status.phase!=Succeeded,status.phase!=Failed",
    };

    type Reader = Json<Self>;

    fn gone(&self) -> Gone {
        Gone {
            key: self.key.clone(),
            uid: Some(self.uid.clone()),
        }
    }

    fn apply(self, world: &mut World, views: &mut dyn View) {
        world.apply_pod(self, views);
    }

    fn delete(gone: &Gone, uid: &Uid, world: &mut World, views: &mut dyn View) {
        world.delete_pod(&gone.key, uid, views);
    }

    fn held(gone: &Gone, world: &World) -> Option<Uid> {
        let pod = world.pod_id(&gone.key).and_then(|id| world.pod(id))?;
        Some(pod.uid.clone())
    }

    fn into_object(self) -> Object {
        Object::Pod(Arc::new(self))
    }
}
