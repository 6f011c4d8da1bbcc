//! That indexes, and what deltas told, are what a scan of the world finds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quaymaster_model::ObjectKey;

use super::{OBJECTS, Simulation, object_key};
use crate::PodId;

impl Simulation {
    /// The deltas add up to the world, and every index to a scan of it.
    pub(super) fn check_indexes(&self) {
        let (world, shadow) = (&self.world, &self.shadow);
        let pods: BTreeMap<_, _> = world.pods().map(|(id, pod)| (id, pod.clone())).collect();
        assert_eq!(pods, shadow.pods);
        let services: BTreeMap<_, _> = world
            .services()
            .map(|(id, service)| (id, service.clone()))
            .collect();
        assert_eq!(services, shadow.services);
        let nodes: BTreeMap<_, _> = world
            .nodes()
            .map(|node| (node.name.clone(), node.clone()))
            .collect();
        assert_eq!(nodes, shadow.nodes);
        let namespaces: BTreeMap<_, _> = world
            .namespaces()
            .map(|namespace| (namespace.name.clone(), namespace.clone()))
            .collect();
        assert_eq!(namespaces, shadow.namespaces);
        let slices: BTreeMap<_, _> = world
            .slices()
            .map(|slice| (slice.key.clone(), Arc::clone(slice)))
            .collect();
        assert_eq!(slices, shadow.slices);
        assert_eq!(by_key(world.all_endpoints()), shadow.endpoints);
        assert_eq!(by_key(world.service_cidrs()), shadow.service_cidrs);
        assert_eq!(by_key(world.ip_addresses()), shadow.ip_addresses);
        assert_eq!(by_key(world.service_ip_pools()), shadow.service_ip_pools);
        assert_eq!(by_key(world.node_port_pools()), shadow.node_port_pools);
        assert_eq!(by_key(world.service_reservations()), shadow.service_reservations);
        assert_eq!(by_key(world.allocation_claims()), shadow.allocation_claims);

        for (id, pod) in &pods {
            assert_eq!(
                world.membership().services_of(*id),
                shadow.matching(pod).as_slice()
            );
        }
        for id in services.keys() {
            let backing: BTreeSet<PodId> = world.membership().pods_of(*id).collect();
            let expected = pods.iter().filter(|(_, pod)| shadow.matching(pod).contains(id));
            assert_eq!(backing, expected.map(|(id, _)| *id).collect());
        }
        for object in 0..OBJECTS {
            let key = object_key(object);
            let mut on: Vec<PodId> = world.pods_on(&key.name).collect();
            on.sort();
            let expected = pods
                .iter()
                .filter(|(_, pod)| pod.node.as_ref() == Some(&key.name));
            assert_eq!(on, expected.map(|(id, _)| *id).collect::<Vec<_>>());
            let mut of: Vec<_> = world.slices_of(&key).map(|slice| &slice.key).collect();
            of.sort();
            let expected = slices.values().filter(|slice| {
                slice.key.namespace == key.namespace && slice.service_name() == Some(&key.name)
            });
            assert_eq!(of, expected.map(|slice| &slice.key).collect::<Vec<_>>());
        }
        let endpoints: usize = slices.values().map(|slice| slice.endpoints.len()).sum();
        assert_eq!(world.sizes().endpoints_in_slices, endpoints);
    }
}

fn by_key<'a, R: crate::Stored>(records: impl Iterator<Item = &'a Arc<R>>) -> BTreeMap<ObjectKey, Arc<R>> {
    records
        .map(|record| (record.key().clone(), Arc::clone(record)))
        .collect()
}
