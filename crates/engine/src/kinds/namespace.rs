//! Namespaces.

use std::sync::Arc;

use quaymaster_model::NamespaceRecord;
use quaymaster_wire::Gone;
use quaymaster_wire::json::Json;
use quaymaster_world::{Kind, View, World};

use super::{Known, Object, Resource};

impl Known for NamespaceRecord {
    const KIND: Kind = Kind::Namespace;
    const RESOURCE: Resource = Resource {
        group: "",
        version: "v1",
        name: "namespaces",
        namespaced: false,
        fields: "",
        optional: false,
    };

    type Reader = Json<Self>;

    fn apply(self, world: &mut World, views: &mut dyn View) {
        world.apply_namespace(self, views);
    }

    fn delete(gone: &Gone, world: &mut World, views: &mut dyn View) {
        // Namespaces are known by name alone.
        world.delete_namespace(&gone.key.name, views);
    }

    fn into_object(self) -> Object {
        Object::Namespace(Arc::new(self))
    }
}
