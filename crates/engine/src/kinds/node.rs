//! Nodes.

use std::sync::Arc;

use quaymaster_model::NodeRecord;
use quaymaster_wire::Gone;
use quaymaster_wire::json::Json;
use quaymaster_world::{Kind, View, World};

use super::{Known, Object, Resource};

impl Known for NodeRecord {
    const KIND: Kind = Kind::Node;
    const RESOURCE: Resource = Resource {
        group: "",
        version: "v1",
        name: "nodes",
        namespaced: false,
        fields: "",
        optional: false,
    };

    type Reader = Json<Self>;

    fn apply(self, world: &mut World, views: &mut dyn View) {
        world.apply_node(self, views);
    }

    fn delete(gone: &Gone, world: &mut World, views: &mut dyn View) {
        // Nodes are known by name alone.
        world.delete_node(&gone.key.name, views);
    }

    fn into_object(self) -> Object {
        Object::Node(Arc::new(self))
    }
}
