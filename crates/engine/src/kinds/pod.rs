//! Pods.

use std::sync::Arc;

use quaymaster_model::PodRecord;
use quaymaster_wire::Gone;
use quaymaster_wire::json::Json;
use quaymaster_world::{Kind, View, World};

use super::{Known, Object, Resource};

impl Known for PodRecord {
    const KIND: Kind = Kind::Pod;
    const RESOURCE: Resource = Resource {
        group: "",
        version: "v1",
        name: "pods",
        namespaced: true,
        // What has finished is no endpoint of anything. A Pod that finishes is told as deleted.
        fields: "status.phase!=Succeeded,status.phase!=Failed",
        optional: false,
    };

    type Reader = Json<Self>;

    fn apply(self, world: &mut World, views: &mut dyn View) {
        world.apply_pod(self, views);
    }

    fn delete(gone: &Gone, world: &mut World, views: &mut dyn View) {
        let held = || Some(world.pod(world.pod_id(&gone.key)?)?.uid.clone());
        if let Some(uid) = gone.uid.clone().or_else(held) {
            world.delete_pod(&gone.key, &uid, views);
        }
    }

    fn into_object(self) -> Object {
        Object::Pod(Arc::new(self))
    }
}
