//! Nodes.

use std::sync::Arc;

use quaymaster_model::{NodeRecord, ObjectKey, Text};
use quaymaster_wire::json::Json;
use quaymaster_world::{Kind, View, World};

use super::{Known, Object, Resource};
use crate::decoder::Gone;

impl Known for NodeRecord {
    const KIND: Kind = Kind::Node;
    const RESOURCE: Resource = Resource {
        group: "",
        version: "v1",
        name: "nodes",
        namespaced: false,
        fields: "",
    };

    type Reader = Json<Self>;

    fn gone(&self) -> Gone {
        // Nodes are known by name alone.
        Gone {
            key: ObjectKey::new(Text::new(""), self.name.clone()),
            uid: None,
        }
    }

    fn apply(self, world: &mut World, views: &mut dyn View) {
        world.apply_node(self, views);
    }

    fn delete(gone: &Gone, world: &mut World, views: &mut dyn View) {
        world.delete_node(&gone.key.name, views);
    }

    fn into_object(self) -> Object {
        Object::Node(Arc::new(self))
    }
}
