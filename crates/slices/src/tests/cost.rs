//! What a change costs does not depend on how large the Service is.

use std::cell::Cell;

use quaymaster_model::{NodeRecord, PodRecord, Text};

use super::fixture::{Fixture, pod};
use crate::topology::Zones;
use crate::{Cluster, Context};

/// Counts how often a Pod is looked up.
struct Counted<'a, C> {
    cluster: &'a C,
    looked_up: Cell<usize>,
}

impl<C: Cluster> Cluster for Counted<'_, C> {
    fn members(&self) -> impl Iterator<Item = &PodRecord> {
        self.cluster
            .members()
            .inspect(|_| self.looked_up.set(self.looked_up.get() + 1))
    }

    fn member(&self, name: &Text) -> Option<&PodRecord> {
        self.looked_up.set(self.looked_up.get() + 1);
        self.cluster.member(name)
    }

    fn node(&self, name: &Text) -> Option<&NodeRecord> {
        self.cluster.node(name)
    }

    fn slice_exists(&self, name: &str) -> bool {
        self.cluster.slice_exists(name)
    }

    fn zones(&self) -> &Zones {
        self.cluster.zones()
    }
}

/// Look-ups for one Pod that is no longer ready, until the write is answered.
fn flip(pods: usize) -> usize {
    let mut fixture = Fixture::new().with_pods(pods);
    fixture.restart();
    fixture.settle();
    let mut changed = pod(pods / 2);
    changed.flags.ready = false;
    let name = changed.key.name.clone();
    fixture.world.add(changed);
    let cluster = Counted {
        cluster: &fixture.world,
        looked_up: Cell::new(0),
    };
    let cx = Context {
        service: &fixture.service,
        cluster: &cluster,
        settings: &fixture.settings,
    };
    fixture.state.pod_changed(cx, &name, None);
    let plan = fixture.state.plan(cx, 16);
    assert_eq!(plan.writes.len(), 1);
    let before = cluster.looked_up.get();
    let outcome = fixture.world.perform(&plan.writes[0]);
    let cluster = Counted {
        cluster: &fixture.world,
        looked_up: Cell::new(before),
    };
    let cx = Context {
        service: &fixture.service,
        cluster: &cluster,
        settings: &fixture.settings,
    };
    fixture
        .state
        .finished(cx, &plan.writes[0].key.name, plan.writes[0].id, outcome);
    assert!(fixture.state.plan(cx, 16).writes.is_empty());
    cluster.looked_up.get()
}

#[test]
fn a_flip_in_a_service_of_5000_pods_looks_at_one_slice_as_in_one_of_200() {
    let (small, large) = (flip(200), flip(5000));
    assert_eq!(small, large);
    assert!(large <= 2 * 100 + 10, "{large} look-ups for a slice of 100");
}
