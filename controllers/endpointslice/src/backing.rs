//! The Pods and Nodes of one Service, as the world holds them.

use quaymaster_model::{NodeRecord, ObjectKey, PodRecord, Text};
use quaymaster_slices::Cluster;
use quaymaster_slices::topology::Zones;
use quaymaster_world::{ServiceId, World};

/// What placement is shown of the world.
#[derive(Clone, Copy)]
pub(crate) struct Backing<'a> {
    pub(crate) world: &'a World,
    pub(crate) service: ServiceId,
    pub(crate) namespace: &'a Text,
    pub(crate) zones: &'a Zones,
}

impl Cluster for Backing<'_> {
    fn members(&self) -> impl Iterator<Item = &PodRecord> {
        self.world
            .membership()
            .pods_of(self.service)
            .filter_map(|id| self.world.pod(id))
    }

    fn member(&self, name: &Text) -> Option<&PodRecord> {
        let id = self
            .world
            .pod_id(&ObjectKey::new(self.namespace.clone(), name.clone()))?;
        if !self.world.membership().contains(self.service, id) {
            return None;
        }
        self.world.pod(id)
    }

    fn node(&self, name: &Text) -> Option<&NodeRecord> {
        self.world.node(name)
    }

    fn slice_exists(&self, name: &str) -> bool {
        self.world
            .slice(&ObjectKey::new(self.namespace.clone(), Text::new(name)))
            .is_some()
    }

    fn zones(&self) -> &Zones {
        self.zones
    }
}
