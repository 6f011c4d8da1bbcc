//! The controller as the engine sees it.

use std::time::Instant;

use quaymaster_engine::{Answer, Controller, Dirty, Moment, Planned, Verdict};
use quaymaster_ipam::{Fed, Shared, lock};
use quaymaster_model::ObjectKey;
use quaymaster_world::{Delta, Kind, World};

use crate::{NAME, feed};

/// Feeds the index of node ports.
#[derive(Debug)]
pub struct NodePorts {
    index: Shared,
    clock: fn() -> Instant,
}

impl NodePorts {
    /// Feeds this index. What is released is released at the time that `clock` tells.
    pub fn new(index: Shared, clock: fn() -> Instant) -> Self {
        lock(&index).ports_fed = Fed::NotYet;
        Self { index, clock }
    }
}

impl Controller for NodePorts {
    fn name(&self) -> &'static str {
        NAME
    }

    fn reads(&self) -> &'static [Kind] {
        &[Kind::Service, Kind::Namespace, Kind::NodePortPool]
    }

    fn start(&mut self, world: &World, _: &mut Dirty) {
        let now = (self.clock)();
        let mut index = lock(&self.index);
        feed::pools(&mut index, world);
        for (_, service) in world.services() {
            feed::service(&mut index, service, true, now);
        }
        for namespace in world.namespaces() {
            index.set_namespace(&namespace.name, Some(namespace.labels.clone()));
        }
        index.ports_fed = Fed::Whole;
    }

    fn on(&mut self, world: &World, delta: &Delta<'_>, _: &mut Dirty) {
        let mut index = lock(&self.index);
        match delta {
            Delta::Service { change, .. } => {
                let there = change.after().is_some();
                feed::service(&mut index, change.latest(), there, (self.clock)());
            }
            Delta::Namespace { change } => {
                let labels = change.after().map(|namespace| namespace.labels.clone());
                index.set_namespace(&change.latest().name, labels);
            }
            Delta::NodePortPool { .. } => feed::pools(&mut index, world),
            _ => {}
        }
    }

    fn term_began(&mut self, _: &World, _: &mut Dirty) {}

    fn plan(&mut self, _: &World, _: &ObjectKey, _: usize, _: Moment) -> Planned {
        Planned::default()
    }

    fn answered(&mut self, _: &World, _: &Answer<'_>) -> Verdict {
        Verdict::Done
    }

    fn measure(&mut self, _: &World) {}

    fn rival(&self) -> &'static str {
        "is there a second quaymaster? it has no leader election yet: run one replica, strategy Recreate"
    }
}
