//! Hints by annotation, in whole syncs.

use super::*;
use crate::names;

fn auto_service() -> Service {
    let mut service = service("a");
    service.metadata.annotations = Some(BTreeMap::from([(
        names::TOPOLOGY_MODE.to_owned(),
        "Auto".to_owned(),
    )]));
    service
}

/// Existing slices of these sizes, without hints, and what a sync makes of them.
fn hinted(zones: &[&str], counts: &[usize]) -> (Vec<EndpointSlice>, Outcome) {
    let service = auto_service();
    let (pods, nodes) = pods_on(zones);
    let mut existing = packed(&service, &pods, counts);
    let mut pods_left = pods.iter();
    for slice in &mut existing {
        for endpoint in slice.endpoints.iter_mut().flatten() {
            let pod = pods_left.next().unwrap();
            let node =
                crate::rules::pods::node(&nodes, pod.spec.as_ref().unwrap().node_name.as_ref().unwrap());
            endpoint.zone = node.and_then(crate::rules::pods::zone);
        }
    }
    let outcome = reconcile(&service, &pods, &nodes, &existing, CONFIG);
    (after(&existing, &outcome), outcome)
}

/// Number of hints for each zone, and of those for another zone than the endpoint's own.
fn hints_of(slices: &[EndpointSlice]) -> (BTreeMap<String, usize>, usize) {
    let (mut by_zone, mut elsewhere) = (BTreeMap::new(), 0);
    for endpoint in slices.iter().flat_map(endpoints) {
        let zones = endpoint
            .hints
            .clone()
            .unwrap_or_default()
            .for_zones
            .unwrap_or_default();
        for zone in zones {
            elsewhere += usize::from(endpoint.zone.as_ref() != Some(&zone.name));
            *by_zone.entry(zone.name).or_default() += 1;
        }
    }
    (by_zone, elsewhere)
}

fn each(count: usize) -> BTreeMap<String, usize> {
    ["a", "b", "c"].map(|zone| (zone.to_owned(), count)).into()
}

#[test]
fn three_pods_in_one_zone_are_hinted_to_three() {
    let (slices, outcome) = hinted(&["c", "c", "c"], &[3]);
    assert_eq!(calls(&outcome), [0, 1, 0]);
    assert_eq!(hints_of(&slices), (each(1), 2));
    let event = Event::new(
        "Normal",
        "TopologyAwareHintsEnabled",
        "Topology Aware Hints has been enabled, addressType: IPv4".to_owned(),
    );
    assert_eq!(outcome.events, [event]);
}

#[test]
fn four_endpoints_in_three_zones_get_no_hints() {
    let (slices, outcome) = hinted(&["a", "a", "c", "c"], &[4]);
    assert_eq!(calls(&outcome), [0, 0, 0]);
    assert_eq!(hints_of(&slices).0, BTreeMap::new());
    assert_eq!(outcome.events[0].reason, "TopologyAwareHintsDisabled");
    assert_eq!(
        outcome.events[0].message,
        "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold \
         (4 endpoints, 3 zones), addressType: IPv4"
    );
}

#[test]
fn nine_endpoints_in_two_slices_are_hinted_in_place() {
    let (slices, outcome) = hinted(&["a", "a", "a", "a", "b", "b", "c", "c", "c"], &[5, 4]);
    assert_eq!(calls(&outcome), [0, 2, 0]);
    assert_eq!(sizes(&slices), [5, 4], "hints never repack");
    assert_eq!(hints_of(&slices), (each(3), 1));
}

#[test]
fn a_second_sync_writes_nothing_and_says_nothing_where_the_controller_remembers() {
    let service = auto_service();
    let (pods, nodes) = pods_on(&["a", "b", "c"]);
    let mut state = State {
        topology: TopologyCache::of_nodes(&nodes),
        ..State::default()
    };
    let first = reconcile_with(&mut state, &service, &pods, &nodes, &[], CONFIG);
    assert_eq!((calls(&first), first.events.len()), ([1, 0, 0], 1));
    let slices = after(&[], &first);
    let second = reconcile_with(&mut state, &service, &pods, &nodes, &slices, CONFIG);
    assert_eq!(second, Outcome::default());
    assert!(state.topology.overloaded().is_empty());

    let mut plain = service.clone();
    plain.metadata.annotations = None;
    let third = reconcile_with(&mut state, &plain, &pods, &nodes, &slices, CONFIG);
    assert_eq!(calls(&third), [0, 1, 0]);
    assert_eq!(hints_of(&after(&slices, &third)).0, BTreeMap::new());
    assert_eq!(
        third.events[0].message,
        "Topology Aware Hints has been disabled, addressType: IPv4"
    );
}

#[test]
fn a_hint_for_a_zone_without_allocation_is_written_again_on_every_sync() {
    let service = auto_service();
    let (pods, mut nodes) = pods_on(&["a", "a", "a", "b", "b", "b", "c"]);
    nodes[2].status.as_mut().unwrap().conditions.as_mut().unwrap()[0].status = "False".to_owned();
    let mut state = State {
        topology: TopologyCache::of_nodes(&nodes),
        ..State::default()
    };
    let first = reconcile_with(&mut state, &service, &pods, &nodes, &[], CONFIG);
    let slices = after(&[], &first);
    let second = reconcile_with(&mut state, &service, &pods, &nodes, &slices, CONFIG);
    assert_eq!(calls(&second), [0, 1, 0]);
    assert_eq!(endpoints(second.updates()[0]), endpoints(&slices[0]));
}

#[test]
fn one_ready_endpoint_without_a_zone_takes_all_hints_away() {
    let service = auto_service();
    let (mut pods, nodes) = pods_on(&["a", "b", "c", "c"]);
    pods.truncate(3);
    let mut state = State {
        topology: TopologyCache::of_nodes(&nodes),
        ..State::default()
    };
    let first = reconcile_with(&mut state, &service, &pods, &nodes, &[], CONFIG);
    let slices = after(&[], &first);
    let mut unzoned = nodes.clone();
    unzoned[0] = node("node-a", None);
    // The shares of the zones are as before: upstream computes them at another time.
    let second = reconcile_with(&mut state, &service, &pods, &unzoned, &slices, CONFIG);
    assert_eq!(hints_of(&after(&slices, &second)).0, BTreeMap::new());
    let message = "One or more endpoints do not have a zone specified, addressType: IPv4";
    assert_eq!(second.events[0].message, message);
    assert!(!state.topology.is_populated("ns/a"));
}
