//! Hints by annotation: what is forgiven of them.

use super::*;

/// Slices of at most so many endpoints, with so many hints for each of the zones `a`, `b` and `c`.
fn hinted(counts: [usize; 3], most: usize) -> Vec<EndpointSlice> {
    let zones = ["a", "b", "c"].into_iter().zip(counts);
    let zones = zones.flat_map(|(zone, count)| std::iter::repeat_n(zone, count));
    let endpoints: Vec<Value> = zones
        .enumerate()
        .map(|(index, zone)| {
            json!({
                "addresses": [format!("10.0.0.{index}")],
                "conditions": {"ready": true},
                "hints": {"forZones": [{"name": zone}]},
            })
        })
        .collect();
    let chunks = endpoints.chunks(most).enumerate();
    chunks
        .map(|(index, chunk)| slice(&format!("web-{index}"), json!({"endpoints": chunk})))
        .collect()
}

#[test]
fn hints_by_annotation_may_name_other_zones_within_the_bounds_and_must_be_there() {
    let auto = service(json!({"metadata": {"annotations": {TOPOLOGY_MODE: "Auto"}}}));
    let mut nodes: Vec<Node> = ["a", "b", "c"].map(node).into();
    let side = |counts| hinted(counts, usize::MAX);
    // Each of three equal zones has at least 7 / 3 / 1.2 of 7 endpoints, so two: one is free.
    let compared = |nodes: &[Node], left: [usize; 3], right: [usize; 3]| {
        run_on(nodes, &auto, &side(left), &side(right), false)
    };
    assert_eq!(compared(&nodes, [3, 2, 2], [2, 3, 2]), (0, vec!["auto-hints"]));
    assert!(compared(&nodes, [3, 2, 2], [5, 1, 1]).0 > 0);
    // Of ten no endpoint is free where the zones have 37, 27.5 and 35.5 % of the CPU; both of these are left as they are.
    for (node, cpu) in nodes.iter_mut().zip(["3700m", "2750m", "3550m"]) {
        let allocatable = node.status.as_mut().unwrap().allocatable.as_mut().unwrap();
        allocatable.insert("cpu".to_owned(), Quantity(cpu.to_owned()));
    }
    assert_eq!(compared(&nodes, [4, 2, 4], [4, 3, 3]), (0, vec!["auto-hints"]));
    assert!(compared(&nodes, [4, 3, 3], [5, 2, 3]).0 > 0);
    let compared =
        |left: Vec<EndpointSlice>, right: Vec<EndpointSlice>| run_on(&nodes, &auto, &left, &right, false);
    let mut bare = side([3, 2, 2]);
    for endpoint in bare[0].endpoints.iter_mut().flatten() {
        endpoint.hints = None;
    }
    assert!(compared(side([3, 2, 2]), bare.clone()).0 > 0);
    assert!(compared(bare, side([3, 2, 2])).0 > 0);
}

#[test]
fn hints_by_annotation_of_several_slices_may_leave_a_zone_short_as_long_as_none_has_too_many() {
    let auto = service(json!({"metadata": {"annotations": {TOPOLOGY_MODE: "Auto"}}}));
    let nodes: Vec<Node> = ["a", "b", "c"].map(node).into();
    let compared = |right: [usize; 3], most: usize| {
        run_on(
            &nodes,
            &auto,
            &hinted([4, 3, 3], most),
            &hinted(right, most),
            false,
        )
    };
    // Of ten each of three equal zones has at least three and at most four.
    assert_eq!(compared([2, 4, 4], 1), (0, vec!["auto-hints"]));
    assert!(
        compared([2, 4, 4], 10).0 > 0,
        "one slice is hinted anew as a whole"
    );
    assert!(compared([2, 3, 5], 1).0 > 0, "more than a zone's maximum");
}

#[test]
fn hints_by_annotation_go_to_the_zone_of_the_endpoint_but_for_as_many_as_are_moved() {
    let auto = service(json!({"metadata": {"annotations": {TOPOLOGY_MODE: "Auto"}}}));
    let nodes: Vec<Node> = ["a", "b"].map(node).into();
    // Endpoints by their zone and that of their hint.
    let side = |hints: &[(&str, &str)]| {
        let endpoints: Vec<Value> = hints
            .iter()
            .enumerate()
            .map(|(index, (zone, hint))| {
                json!({
                    "addresses": [format!("10.0.0.{index}")],
                    "conditions": {"ready": true},
                    "zone": zone,
                    "hints": {"forZones": [{"name": hint}]},
                })
            })
            .collect();
        vec![slice("web-a", json!({"endpoints": endpoints}))]
    };
    let compared = |left: &[(&str, &str)], right: &[(&str, &str)], fresh: bool| {
        run_on(&nodes, &auto, &side(left), &side(right), fresh).0
    };
    // Of four one is moved, whichever.
    let left = [("a", "a"), ("a", "a"), ("a", "b"), ("b", "b")];
    let other = [("a", "a"), ("a", "b"), ("a", "a"), ("b", "b")];
    assert_eq!(compared(&left, &other, true), 0);
    // As many for each zone, and three are moved.
    let mixed = [("a", "b"), ("a", "b"), ("a", "a"), ("b", "a")];
    assert_eq!(compared(&left, &mixed, true), 1);
    assert_eq!(compared(&left, &mixed, false), 0, "it may have been so before");
}

#[test]
fn the_bounds_of_hints_by_annotation_are_those_of_each_family_alone() {
    let auto = service(json!({"metadata": {"annotations": {TOPOLOGY_MODE: "Auto"}}}));
    let nodes: Vec<Node> = ["a", "b"].map(node).into();
    let family = |address_type: &str, prefix: &str, in_a: usize| {
        let endpoints: Vec<Value> = (0..10)
            .map(|index| {
                json!({
                    "addresses": [format!("{prefix}{index}")],
                    "conditions": {"ready": true},
                    "hints": {"forZones": [{"name": if index < in_a { "a" } else { "b" }}]},
                })
            })
            .collect();
        slice(
            address_type,
            json!({"addressType": address_type, "endpoints": endpoints}),
        )
    };
    let side = |in_a| vec![family("IPv4", "10.0.0.", in_a), family("IPv6", "fd00::", 5)];
    let found = run_on(&nodes, &auto, &side(5), &side(4), false);
    // Of ten, each of two equal zones has at least five by the algorithm; of twenty, two would be free.
    assert_eq!(found.0, 1, "{found:?}");
}

#[test]
fn hints_by_annotation_that_no_algorithm_gives_are_differences_unless_both_sides_have_them() {
    let auto = service(json!({"metadata": {"annotations": {TOPOLOGY_MODE: "Auto"}}}));
    let side = |second: Value| {
        let endpoint = |last: u8, hints: Value| json!({"addresses": [format!("10.0.0.{last}")], "conditions": {"ready": true}, "hints": hints});
        let endpoints = [
            endpoint(1, json!({"forZones": [{"name": "a"}]})),
            endpoint(2, second),
        ];
        vec![slice("web-a", json!({"endpoints": endpoints}))]
    };
    let right = json!({"forZones": [{"name": "a"}]});
    for wrong in [
        json!({"forZones": [{"name": "a"}], "forNodes": [{"name": "a"}]}),
        json!({"forZones": [{"name": "nowhere"}]}),
        json!({"forZones": [{"name": "a"}, {"name": "b"}]}),
        Value::Null,
    ] {
        let found = |left: &Value| {
            run_on(
                &[node("a")],
                &auto,
                &side(left.clone()),
                &side(wrong.clone()),
                false,
            )
            .0
        };
        assert!(found(&right) > 0, "{wrong}");
        assert_eq!(found(&wrong), 0, "{wrong}");
    }
}
