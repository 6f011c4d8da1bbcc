mod properties;
mod refusals;

use quaymaster_model::{Conditions, EndpointAddress, NodeRecord};
use smallvec::SmallVec;

use super::*;

pub(super) const IPV4: AddressType = AddressType::IPv4;

pub(super) fn node(zone: Option<&str>, millis: u64) -> NodeRecord {
    NodeRecord {
        name: Text::new("node"),
        zone: zone.map(Text::new),
        ready: true,
        control_plane: false,
        allocatable_cpu_millis: millis,
    }
}

pub(super) fn zones(cpu: &[(&str, u64)]) -> Zones {
    let mut zones = Zones::default();
    for (zone, millis) in cpu {
        zones.node_changed(None, Some(&node(Some(zone), *millis)));
    }
    zones
}

pub(super) fn three_equal_zones() -> Zones {
    zones(&[("a", 1000), ("b", 1000), ("c", 1000)])
}

/// A ready endpoint.
pub(super) fn endpoint(zone: &str) -> EndpointRecord {
    EndpointRecord {
        addresses: SmallVec::from_iter([EndpointAddress::new("10.0.0.1")]),
        conditions: Conditions {
            ready: Some(true),
            serving: Some(true),
            terminating: Some(false),
        },
        hostname: None,
        node: None,
        zone: Some(Text::new(zone)),
        target: None,
        hints: None,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "this is the type of the field")]
pub(super) fn hints(zones: &[&str], nodes: &[&str]) -> Option<Box<Hints>> {
    let texts = |names: &[&str]| names.iter().copied().map(Text::new).collect();
    Some(Box::new(Hints {
        zones: texts(zones),
        nodes: texts(nodes),
    }))
}

/// A ready endpoint in one zone, with a hint to another.
pub(super) fn hinted(zone: &str, hint: &str) -> EndpointRecord {
    EndpointRecord {
        hints: hints(&[hint], &[]),
        ..endpoint(zone)
    }
}

pub(super) fn with_readiness(ready: Option<bool>, endpoint: EndpointRecord) -> EndpointRecord {
    let conditions = Conditions {
        ready,
        ..endpoint.conditions
    };
    EndpointRecord {
        conditions,
        ..endpoint
    }
}

/// A slice with ready endpoints in these zones.
pub(super) fn slice_in(bucket: Bucket, zones: &[&str]) -> HintSlice {
    HintSlice {
        bucket,
        endpoints: zones.iter().map(|zone| endpoint(zone)).collect(),
    }
}

/// Zone hints by endpoint, several joined by a plus.
pub(super) fn hints_in(slice: &HintSlice) -> Vec<String> {
    let joined = |hints: &Hints| hints.zones.iter().map(Text::as_str).collect::<Vec<_>>().join("+");
    slice
        .endpoints
        .iter()
        .map(|endpoint| endpoint.hints.as_deref().map_or_else(String::new, joined))
        .collect()
}

/// Hints of ready endpoints by zone.
pub(super) fn hints_by_zone(slices: &[HintSlice]) -> Counts {
    let mut counted = Counts::new();
    for endpoint in slices
        .iter()
        .flat_map(|slice| &slice.endpoints)
        .filter(|endpoint| is_ready(endpoint))
    {
        for zone in endpoint.hints.iter().flat_map(|hints| &hints.zones) {
            allocate::count(&mut counted, zone);
        }
    }
    counted
}

fn counts(expected: &[(&str, usize)]) -> Counts {
    expected
        .iter()
        .map(|(zone, hints)| (Text::new(zone), *hints))
        .collect()
}

fn enabled() -> Vec<TopologyEvent> {
    vec![TopologyEvent::Enabled { address_type: IPV4 }]
}

fn elsewhere(slices: &[HintSlice]) -> usize {
    let endpoints = slices.iter().flat_map(|slice| &slice.endpoints);
    let abroad = |endpoint: &&EndpointRecord| {
        endpoint
            .hints
            .as_ref()
            .is_some_and(|hints| Some(&hints.zones[0]) != endpoint.zone.as_ref())
    };
    endpoints.filter(abroad).count()
}

#[test]
fn three_endpoints_of_one_zone_are_hinted_to_all_three_zones() {
    let mut slices = [slice_in(Bucket::Unchanged, &["c", "c", "c"])];
    let mut state = HintState::default();
    let events = add_hints(&mut state, &three_equal_zones(), &IPV4, &mut slices);
    assert_eq!(events, enabled());
    assert_eq!(slices[0].bucket, Bucket::Update);
    assert_eq!(hints_in(&slices[0]), ["a", "b", "c"]);
    assert!(state.is_populated());
}

#[test]
fn four_endpoints_cannot_be_divided_among_three_equal_zones() {
    let mut slices = [slice_in(Bucket::Unchanged, &["a", "a", "c", "c"])];
    let before = slices.clone();
    let mut state = HintState::default();
    let events = add_hints(&mut state, &three_equal_zones(), &IPV4, &mut slices);
    assert_eq!(events[0].reason(), "TopologyAwareHintsDisabled");
    assert_eq!(slices, before, "there was nothing to remove");
    assert!(!state.is_populated());
}

#[test]
fn nine_endpoints_in_two_slices_get_three_hints_for_each_zone_without_being_repacked() {
    let mut slices = [
        slice_in(Bucket::Unchanged, &["a", "a", "c", "c"]),
        slice_in(Bucket::Unchanged, &["a", "a", "b", "b", "b"]),
    ];
    add_hints(
        &mut HintState::default(),
        &three_equal_zones(),
        &IPV4,
        &mut slices,
    );
    assert!(slices.iter().all(|slice| slice.bucket == Bucket::Update));
    assert_eq!([slices[0].endpoints.len(), slices[1].endpoints.len()], [4, 5]);
    assert_eq!(hints_by_zone(&slices), counts(&[("a", 3), ("b", 3), ("c", 3)]));
    assert_eq!(elsewhere(&slices), 1);
}

#[test]
fn shares_follow_the_cpu_of_the_zones() {
    let mut slices = [
        slice_in(Bucket::Create, &["a", "b"]),
        slice_in(Bucket::Create, &["c", "c", "a"]),
        slice_in(Bucket::Update, &["a", "a"]),
        slice_in(Bucket::Update, &["b", "c", "a"]),
    ];
    let zones = zones(&[("a", 350), ("b", 350), ("c", 300)]);
    assert_eq!(
        add_hints(&mut HintState::default(), &zones, &IPV4, &mut slices),
        enabled()
    );
    assert_eq!(hints_by_zone(&slices), counts(&[("a", 4), ("b", 3), ("c", 3)]));
    assert_eq!(
        hints_in(&slices[0]),
        ["b", "b"],
        "the first endpoint of the giving zone goes"
    );
    assert_eq!(slices[0].bucket, Bucket::Create);
    assert_eq!(slices[2].bucket, Bucket::Update);
}

#[test]
fn created_slices_give_before_updated_ones_and_those_before_unchanged_ones() {
    for (buckets, giver) in [
        ([Bucket::Unchanged, Bucket::Update, Bucket::Create], 2),
        ([Bucket::Unchanged, Bucket::Update, Bucket::Update], 1),
        ([Bucket::Update, Bucket::Create, Bucket::Create], 1),
        ([Bucket::Unchanged, Bucket::Unchanged, Bucket::Unchanged], 0),
    ] {
        let mut slices = buckets.map(|bucket| slice_in(bucket, &["a", "a"]));
        add_hints(
            &mut HintState::default(),
            &zones(&[("a", 5), ("b", 1)]),
            &IPV4,
            &mut slices,
        );
        for (place, slice) in slices.iter().enumerate() {
            let expected = if place == giver { ["b", "a"] } else { ["a", "a"] };
            assert_eq!(hints_in(slice), expected, "{buckets:?}, slice {place}");
        }
    }
}

#[test]
fn slices_with_fitting_hints_stay_as_they_are_and_count() {
    let kept = HintSlice {
        bucket: Bucket::Unchanged,
        endpoints: vec![hinted("a", "c"), hinted("a", "a"), hinted("b", "b")],
    };
    let mut slices = [kept.clone(), slice_in(Bucket::Create, &["c", "a", "b"])];
    add_hints(
        &mut HintState::default(),
        &three_equal_zones(),
        &IPV4,
        &mut slices,
    );
    assert_eq!(slices[0], kept);
    assert_eq!(hints_in(&slices[1]), ["c", "a", "b"]);
    assert_eq!(hints_by_zone(&slices), counts(&[("a", 2), ("b", 2), ("c", 2)]));
}

#[test]
fn an_unchanged_slice_is_rewritten_for_hints_that_are_missing_or_too_many_or_lead_nowhere() {
    let cases = [
        ("fitting", hints(&["a"], &[]), Bucket::Unchanged),
        ("missing", None, Bucket::Update),
        ("to a Node only", hints(&[], &["node"]), Bucket::Update),
        ("to a zone without Nodes", hints(&["z"], &[]), Bucket::Update),
        (
            "to a zone without Nodes, too",
            hints(&["a", "z"], &[]),
            Bucket::Update,
        ),
        ("one too many for a zone", hints(&["b"], &[]), Bucket::Update),
    ];
    for (name, hints, bucket) in cases {
        let first = EndpointRecord {
            hints,
            ..endpoint("a")
        };
        let endpoints = vec![first, hinted("b", "b"), hinted("c", "c")];
        let mut slices = [HintSlice {
            bucket: Bucket::Unchanged,
            endpoints,
        }];
        add_hints(
            &mut HintState::default(),
            &three_equal_zones(),
            &IPV4,
            &mut slices,
        );
        assert_eq!(slices[0].bucket, bucket, "{name}");
        assert_eq!(hints_in(&slices[0]), ["a", "b", "c"], "{name}");
    }
}

#[test]
fn several_zones_for_one_endpoint_may_stay_in_an_unchanged_slice_but_not_in_one_that_is_written() {
    for (bucket, expected) in [(Bucket::Unchanged, "a+b"), (Bucket::Update, "a")] {
        let first = EndpointRecord {
            hints: hints(&["a", "b"], &[]),
            ..endpoint("a")
        };
        let rest = ["a", "a", "b", "b", "c", "c"].map(|zone| hinted(zone, zone));
        let endpoints = [first].into_iter().chain(rest).collect();
        let mut slices = [HintSlice { bucket, endpoints }];
        add_hints(
            &mut HintState::default(),
            &three_equal_zones(),
            &IPV4,
            &mut slices,
        );
        assert_eq!(slices[0].bucket, bucket);
        assert_eq!(hints_in(&slices[0])[0], expected);
    }
}

#[test]
fn hints_to_nodes_go_when_the_slice_is_written() {
    let first = EndpointRecord {
        hints: hints(&["a"], &["node"]),
        ..endpoint("a")
    };
    let mut slices = [HintSlice {
        bucket: Bucket::Update,
        endpoints: vec![first, hinted("b", "b"), hinted("c", "c")],
    }];
    add_hints(
        &mut HintState::default(),
        &three_equal_zones(),
        &IPV4,
        &mut slices,
    );
    assert_eq!(slices[0].endpoints[0].hints, hints(&["a"], &[]));
}

#[test]
fn endpoints_that_are_not_ready_neither_count_nor_get_hints() {
    for ready in [Some(false), None] {
        let mut slices = [slice_in(Bucket::Create, &["a", "b"])];
        slices[0]
            .endpoints
            .insert(0, with_readiness(ready, endpoint("b")));
        let mut homeless = with_readiness(ready, endpoint("b"));
        homeless.zone = None;
        slices[0].endpoints.push(homeless);
        let mut state = HintState::default();
        let zones = zones(&[("a", 450), ("b", 550)]);
        assert_eq!(add_hints(&mut state, &zones, &IPV4, &mut slices), enabled());
        assert_eq!(hints_in(&slices[0]), ["", "a", "b", ""]);
        assert!(!state.is_overloaded(&zones));
    }
}

#[test]
fn an_endpoint_that_is_no_longer_ready_loses_its_hint_when_its_slice_is_written() {
    let stale = || with_readiness(Some(false), hinted("a", "a"));
    let written = HintSlice {
        bucket: Bucket::Update,
        endpoints: vec![endpoint("a"), stale()],
    };
    let rewritten = HintSlice {
        bucket: Bucket::Unchanged,
        endpoints: vec![stale(), endpoint("b")],
    };
    let kept = HintSlice {
        bucket: Bucket::Unchanged,
        endpoints: vec![hinted("c", "c"), stale()],
    };
    let mut slices = [written, rewritten, kept.clone()];
    add_hints(
        &mut HintState::default(),
        &three_equal_zones(),
        &IPV4,
        &mut slices,
    );
    assert_eq!(hints_in(&slices[0]), ["a", ""]);
    assert_eq!(hints_in(&slices[1]), ["", "b"]);
    assert_eq!(slices[1].bucket, Bucket::Update);
    assert_eq!(slices[2], kept, "nothing is written for a hint that nobody reads");
}

#[test]
fn an_endpoint_in_a_zone_without_cpu_keeps_a_hint_to_that_zone_and_is_written_once() {
    let zones = zones(&[("a", 1000), ("b", 1000)]);
    let mut slices = [
        slice_in(Bucket::Create, &["x", "a", "b"]),
        slice_in(Bucket::Create, &["a", "b", "b"]),
    ];
    slices[0]
        .endpoints
        .push(with_readiness(Some(false), endpoint("a")));
    let mut state = HintState::default();
    assert_eq!(add_hints(&mut state, &zones, &IPV4, &mut slices), enabled());
    assert_eq!(hints_in(&slices[0]), ["x", "a", "b", ""]);

    // As they are read back, with a hint that someone left on an endpoint that is not ready.
    for slice in &mut slices {
        slice.bucket = Bucket::Unchanged;
    }
    slices[0].endpoints[3].hints = hints(&["a"], &[]);
    let before = slices.clone();
    assert_eq!(add_hints(&mut state, &zones, &IPV4, &mut slices), []);
    assert_eq!(slices, before);
}

#[test]
fn hints_are_rewritten_when_the_zones_change() {
    let mut state = HintState::default();
    let mut zones = three_equal_zones();
    let mut slices = [slice_in(Bucket::Create, &["a", "a", "b", "b", "c", "c"])];
    add_hints(&mut state, &zones, &IPV4, &mut slices);
    assert!(!state.is_overloaded(&zones));

    zones.node_changed(Some(&node(Some("c"), 1000)), None);
    slices[0].bucket = Bucket::Unchanged;
    assert_eq!(add_hints(&mut state, &zones, &IPV4, &mut slices), []);
    assert_eq!(
        slices[0].bucket,
        Bucket::Unchanged,
        "hints to the zone that is gone lead to endpoints that are there"
    );
    assert_eq!(hints_in(&slices[0]), ["a", "a", "b", "b", "c", "c"]);

    zones.node_changed(None, Some(&node(Some("b"), 2000)));
    assert!(state.is_overloaded(&zones));
    assert_eq!(add_hints(&mut state, &zones, &IPV4, &mut slices), []);
    assert_eq!(
        slices[0].bucket,
        Bucket::Unchanged,
        "no zone has a surplus of endpoints of its own"
    );
}
