use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;

use super::*;
use crate::sim::ApiServer;
use crate::slices::{
    Canonical, Config, Identity, Outcome, PortKey, State, TopologyCache, canonical, check_invariants,
    desired, reconcile_with,
};
use crate::{AddressType, Rules};

mod shapes;

const CONFIG: Config = Config {
    max_endpoints_per_slice: 4,
    minor: 37,
};
/// Seeds of the property tests. Every failure names its seed.
const SEEDS: std::ops::Range<u64> = 0..10;

/// A controller without a cache over the small API server: after each step every Service is synced.
struct Harness {
    cluster: Cluster,
    server: ApiServer,
    state: State,
    config: Config,
}

impl Harness {
    fn new(scenario: &Scenario, config: Config) -> Self {
        let cluster = scenario.cluster.clone();
        let state = State {
            topology: TopologyCache::of_nodes(&cluster.nodes()),
            ..State::default()
        };
        Self {
            cluster,
            server: ApiServer::new(),
            state,
            config,
        }
    }

    fn step(&mut self, step: &Step) {
        if let Action::EditSlice(edit) = &step.action
            && let Some(write) = edit.write(&self.server.slices())
        {
            self.server.perform(&write).unwrap();
        }
        self.cluster.apply(step);
        self.state.topology.set_nodes(&self.cluster.nodes());
        self.collect_garbage();
    }

    /// What the garbage collector does: slices whose owner is gone go.
    fn collect_garbage(&mut self) {
        let live: BTreeSet<Option<String>> = self
            .cluster
            .all::<Service>()
            .map(|service| service.metadata.uid.clone())
            .collect();
        for slice in self.server.slices() {
            let owners = slice.metadata.owner_references.clone().unwrap_or_default();
            if !owners.is_empty() && owners.into_iter().all(|owner| !live.contains(&Some(owner.uid))) {
                self.server.perform(&crate::slices::Write::Delete(slice)).unwrap();
            }
        }
    }

    /// Syncs every Service once. No sync touches what another one lists, so all see the slices as they were.
    fn sync_all(&mut self) -> Vec<(Service, Outcome)> {
        let slices = self.server.slices();
        let nodes = self.cluster.nodes();
        let (mut outcomes, mut pods) = (Vec::new(), BTreeMap::new());
        for service in self.cluster.all::<Service>() {
            let namespace = service.metadata.namespace.clone().unwrap();
            let pods = pods
                .entry(namespace)
                .or_insert_with_key(|namespace| self.cluster.pods_in(namespace));
            let outcome = reconcile_with(&mut self.state, service, pods, &nodes, &slices, self.config);
            for write in &outcome.writes {
                self.server.perform(write).unwrap();
            }
            outcomes.push((service.clone(), outcome));
        }
        outcomes
    }
}

fn hinted_by_annotation(service: &Service) -> bool {
    crate::rules::hints::auto(service)
}

#[test]
fn the_same_seed_gives_the_same_scenario_and_another_seed_another() {
    for size in [Size::Small, Size::Medium, Size::Large] {
        let (one, two, other) = (generate(7, size), generate(7, size), generate(8, size));
        assert_eq!((&one.cluster, &one.steps), (&two.cluster, &two.steps));
        assert_ne!(one.steps, other.steps);
        assert_eq!(one.steps.len(), size.numbers().steps.max(one.steps.len()));
    }
}

#[test]
fn a_sync_over_its_own_result_writes_nothing() {
    for seed in SEEDS {
        let scenario = generate(seed, Size::Small);
        let mut harness = Harness::new(&scenario, CONFIG);
        harness.sync_all();
        for (index, step) in scenario.steps.iter().enumerate() {
            harness.step(step);
            harness.sync_all();
            for (service, outcome) in harness.sync_all() {
                // Hints for a zone whose nodes do not count are written again on every sync, as upstream.
                if !hinted_by_annotation(&service) {
                    let name = &service.metadata.name;
                    assert_eq!(
                        outcome.writes,
                        [],
                        "seed {seed}, step {index} {:?}, {name:?}",
                        step.kind
                    );
                }
            }
        }
    }
}

/// Fields of endpoints that `desired` and slices can be compared by.
type Content = BTreeMap<(AddressType, Vec<PortKey>), BTreeMap<Identity, BTreeMap<String, serde_json::Value>>>;

fn content(canonical: &Canonical) -> Content {
    let mut content = Content::new();
    for (key, group) in canonical
        .groups
        .iter()
        .filter(|(_, group)| !group.endpoints.is_empty())
    {
        let address_type = AddressType::parse(&key.address_type).unwrap();
        let endpoints = group.endpoints.iter();
        let mut endpoints: BTreeMap<_, _> = endpoints
            .map(|(id, endpoint)| (id.clone(), endpoint.fields.clone()))
            .collect();
        for fields in endpoints.values_mut() {
            if fields["conditions"]["ready"] != true {
                fields.remove("hints");
            }
        }
        content.insert((address_type, key.ports.clone()), endpoints);
    }
    content
}

#[test]
fn after_a_sync_the_slices_say_what_is_desired_and_break_no_rule() {
    let mut compared = 0;
    for seed in SEEDS {
        let minor = if seed % 2 == 0 { 33 } else { 37 };
        let scenario = generate(seed, Size::Small);
        let config = Config { minor, ..CONFIG };
        let mut harness = Harness::new(&scenario, config);
        for step in &scenario.steps {
            harness.step(step);
            let outcomes = harness.sync_all();
            let slices = harness.server.slices();
            for (service, outcome) in &outcomes {
                compared += compare_with_desired(&harness, &slices, service, outcome, seed);
            }
        }
    }
    assert!(compared > 1_000, "only {compared} Services compared");
}

fn compare_with_desired(
    harness: &Harness,
    slices: &[EndpointSlice],
    service: &Service,
    outcome: &Outcome,
    seed: u64,
) -> usize {
    let namespace = service.metadata.namespace.clone().unwrap();
    let pods = harness.cluster.pods_in(&namespace);
    let rules = Rules {
        minor: harness.config.minor,
    };
    let wanted = desired(service, &pods, &harness.cluster.nodes(), rules);
    assert_eq!(wanted.skipped, outcome.skipped);
    if !wanted.managed || service.metadata.deletion_timestamp.is_some() || hinted_by_annotation(service) {
        return 0;
    }
    let label = |slice: &EndpointSlice, key: &str| slice.metadata.labels.as_ref().unwrap().get(key).cloned();
    let slices: Vec<EndpointSlice> = slices
        .iter()
        .filter(|slice| {
            slice.metadata.namespace.as_ref() == Some(&namespace)
                && label(slice, crate::names::SERVICE_NAME) == service.metadata.name
                && label(slice, crate::names::SLICE_MANAGED_BY).as_deref()
                    == Some(crate::names::SLICE_CONTROLLER)
        })
        .cloned()
        .collect();
    assert_eq!(
        check_invariants(&slices, &[], harness.config.max_endpoints_per_slice),
        [],
        "seed {seed}"
    );
    let expected = canonical(&wanted.as_slices(service));
    assert_eq!(content(&canonical(&slices)), content(&expected), "seed {seed}");
    let types: BTreeSet<String> = slices.iter().map(|slice| slice.address_type.clone()).collect();
    let wanted_types: BTreeSet<String> = wanted.address_types.iter().map(ToString::to_string).collect();
    assert_eq!(
        types, wanted_types,
        "a slice in every family, and in no other; seed {seed}"
    );
    1
}

#[test]
fn every_kind_of_step_and_edit_occurs() {
    let (mut kinds, mut slices) = (BTreeSet::new(), BTreeSet::new());
    let (mut endpoints, mut cidrs) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..80 {
        for step in generate(seed, Size::Small).steps {
            kinds.insert(step.kind);
            match step.action {
                Action::EditSlice(edit) => _ = slices.insert(edit.kind),
                Action::EditEndpoints(edit) => _ = endpoints.insert(edit.kind),
                Action::EditCidr(edit) => _ = cidrs.insert(edit.kind),
                Action::Put(_) | Action::Delete(_) => {}
            }
        }
    }
    assert_eq!(kinds, StepKind::ALL.iter().copied().collect());
    assert_eq!(slices, SliceEditKind::ALL.iter().copied().collect());
    assert_eq!(endpoints, EndpointsEditKind::ALL.iter().copied().collect());
    assert_eq!(cidrs, CidrEditKind::ALL.iter().copied().collect());
}

#[test]
fn hints_by_annotation_are_given_and_refused_in_generated_clusters() {
    let mut reasons = BTreeSet::new();
    for seed in SEEDS {
        let scenario = generate(seed, Size::Small);
        let mut harness = Harness::new(&scenario, CONFIG);
        for step in &scenario.steps {
            harness.step(step);
            let events = harness
                .sync_all()
                .into_iter()
                .flat_map(|(_, outcome)| outcome.events);
            reasons.extend(events.map(|event| event.reason));
        }
    }
    let expected = [
        "FailedToUpdateEndpointSlices",
        "TopologyAwareHintsDisabled",
        "TopologyAwareHintsEnabled",
    ];
    assert_eq!(reasons, BTreeSet::from(expected));
}

#[test]
fn a_step_means_the_same_without_the_steps_before_it() {
    let scenario = generate(3, Size::Small);
    for skipped in 0..3 {
        let mut cluster = scenario.cluster.clone();
        let kept = scenario
            .steps
            .iter()
            .enumerate()
            .filter(|(index, _)| index % 3 != skipped);
        for (_, step) in kept {
            let before = cluster.version;
            for change in cluster.apply(step) {
                assert_ne!(
                    (change.kind == ChangeKind::Added, before),
                    (true, cluster.version)
                );
            }
            if let Action::Put(object @ Object::Pod(pod)) = &step.action {
                let stored = cluster.object(&object.key()).and_then(Pod::of).unwrap();
                assert_eq!((&stored.spec, &stored.status), (&pod.spec, &pod.status));
                assert_eq!(
                    stored.metadata.resource_version,
                    Some(cluster.version.to_string())
                );
                assert!(stored.metadata.creation_timestamp.is_some());
            }
        }
    }
}

#[test]
fn an_object_with_another_uid_is_deleted_and_added_again() {
    let scenario = generate(1, Size::Small);
    let mut cluster = scenario.cluster;
    let mut service = cluster.all::<Service>().next().unwrap().clone();
    service.metadata.uid = Some("again".to_owned());
    service.metadata.creation_timestamp = None;
    let step = Step::put(StepKind::ServiceRecreated, service);
    let kinds = |changes: Vec<Change>| changes.into_iter().map(|change| change.kind).collect::<Vec<_>>();
    assert_eq!(
        kinds(cluster.apply(&step)),
        [ChangeKind::Deleted, ChangeKind::Added]
    );
    assert_eq!(kinds(cluster.apply(&step)), [ChangeKind::Modified]);
}

#[test]
fn large_clusters_have_services_larger_than_a_slice() {
    let scenario = generate(1, Size::Large);
    let largest = scenario.cluster.all::<Service>().map(|service| {
        scenario
            .cluster
            .all::<Pod>()
            .filter(|pod| crate::rules::pods::selects(service, pod))
            .count()
    });
    assert!(largest.max().unwrap() > 100);
}
