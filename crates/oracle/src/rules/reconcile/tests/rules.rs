//! Rules of a sync, one by one.

use super::*;
use crate::names;
use crate::testing::time;

#[expect(
    clippy::unnecessary_wraps,
    reason = "metadata has labels and annotations in this form"
)]
fn labels<const N: usize>(pairs: [(&str, &str); N]) -> Option<BTreeMap<String, String>> {
    Some(
        pairs
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
    )
}

#[test]
fn a_service_without_pods_has_one_placeholder_which_is_kept() {
    let service = service("a");
    let outcome = run(&service, &[], &[]);
    assert_eq!(calls(&outcome), [1, 0, 0]);
    let slices = after(&[], &outcome);
    assert_eq!((sizes(&slices), slices[0].ports.clone()), (vec![0], Some(vec![])));
    for minor in [33, 37] {
        for ports in [None, Some(vec![])] {
            let stored = EndpointSlice {
                ports,
                endpoints: None,
                ..slices[0].clone()
            };
            let outcome = reconcile(&service, &[], &nodes(), &[stored], Config { minor, ..CONFIG });
            assert_eq!(calls(&outcome), [0, 0, 0], "1.{minor}");
        }
    }
}

#[test]
fn the_first_pod_recycles_the_placeholder_and_the_last_one_leaves_a_recycled_one() {
    let (service, pods) = (service("a"), pods(1));
    let mut placeholder = after(&[], &run(&service, &[], &[]));
    placeholder[0].metadata.annotations = labels([("foreign", "lost")]);
    placeholder[0].metadata.finalizers = Some(vec!["example.com/f".to_owned()]);
    let outcome = run(&service, &pods, &placeholder);
    assert_eq!(calls(&outcome), [0, 1, 0]);
    let filled = outcome.updates()[0];
    assert_eq!(
        (name(filled), endpoints(filled).len()),
        (name(&placeholder[0]), 1)
    );
    assert!(
        !filled
            .metadata
            .annotations
            .as_ref()
            .unwrap()
            .contains_key("foreign")
    );
    assert_eq!(filled.metadata.finalizers, None);

    let slices = after(&placeholder, &outcome);
    let outcome = run(&service, &[], &slices);
    assert_eq!(
        (calls(&outcome), sizes(&after(&slices, &outcome))),
        ([0, 1, 0], vec![0])
    );
}

#[test]
fn the_placeholder_of_an_earlier_service_of_this_name_is_kept_to_be_collected() {
    let earlier = service("a");
    let slices = after(&[], &run(&earlier, &[], &[]));
    let mut again = earlier.clone();
    again.metadata.uid = Some("again".to_owned());
    assert_eq!(calls(&run(&again, &[], &slices)), [0, 0, 0]);
    again.metadata.labels = labels([("x", "y")]);
    assert_eq!(calls(&run(&again, &[], &slices)), [1, 0, 1]);
}

#[test]
fn a_label_missing_from_a_placeholder_equals_an_empty_one() {
    let mut service = service("a");
    let slices = after(&[], &run(&service, &[], &[]));
    service.metadata.labels = labels([("empty", "")]);
    assert_eq!(calls(&run(&service, &[], &slices)), [0, 0, 0]);
}

#[test]
fn a_group_without_ports_fills_its_placeholder_in_place_since_1_36() {
    let (mut service, pods) = (service("a"), pods(1));
    let spec = service.spec.as_mut().unwrap();
    (spec.ports, spec.cluster_ip) = (None, Some("None".to_owned()));
    let mut placeholder = after(&[], &run(&service, &[], &[]));
    placeholder[0].metadata.resource_version = Some("7".to_owned());
    // As the API server serves it.
    (placeholder[0].ports, placeholder[0].endpoints) = (None, None);
    for (minor, version) in [(36, Some("7")), (35, None), (33, None)] {
        let config = Config { minor, ..CONFIG };
        let outcome = reconcile(&service, &pods, &nodes(), &placeholder, config);
        assert_eq!(calls(&outcome), [0, 1, 0]);
        assert_eq!(
            outcome.updates()[0].metadata.resource_version.as_deref(),
            version,
            "1.{minor}"
        );
        let mut stored = after(&placeholder, &outcome);
        stored[0].ports = None;
        let again = reconcile(&service, &pods, &nodes(), &stored, config);
        // Before 1.36 such a slice was written on every sync.
        assert_eq!(calls(&again), [0, usize::from(minor < 36), 0], "1.{minor}");
    }
}

#[test]
fn services_the_controller_leaves_alone_keep_their_slices() {
    let (service, pods) = (service("a"), pods(2));
    let existing = packed(&service, &pods, &[1]);
    let (mut external, mut bare) = (service.clone(), service);
    external.spec.as_mut().unwrap().type_ = Some("ExternalName".to_owned());
    bare.spec.as_mut().unwrap().selector = None;
    for service in [external, bare] {
        assert_eq!(run(&service, &pods, &existing), Outcome::default());
    }
}

#[test]
fn a_service_being_deleted_gets_updates_and_deletes_but_no_creates() {
    let (mut service, mut all) = (service("a"), pods(150));
    let existing = packed(&service, &all[..1], &[1]);
    service.metadata.deletion_timestamp = Some(time(9));
    set_ready(&mut all[0], false);
    let outcome = run(&service, &all, &existing);
    assert_eq!(calls(&outcome), [0, 1, 0]);
    assert_eq!(sizes(&after(&existing, &outcome)), [100]);
}

#[test]
fn a_duplicate_survives_only_where_it_is_seen_first() {
    let (service, pods) = (service("a"), pods(3));
    let mut existing = packed(&service, &pods, &[2, 1]);
    let twice = endpoints(&existing[0])[0].clone();
    existing[0].endpoints.as_mut().unwrap().push(twice.clone());
    existing[1].endpoints.as_mut().unwrap().push(twice);
    let outcome = run(&service, &pods, &existing);
    assert_eq!(calls(&outcome), [0, 2, 0]);
    assert_eq!(sizes(&after(&existing, &outcome)), [2, 1]);
}

#[test]
fn an_update_in_place_keeps_what_others_put_on_the_slice() {
    let (service, mut pods) = (service("a"), pods(2));
    let mut existing = packed(&service, &pods, &[2]);
    let metadata = &mut existing[0].metadata;
    metadata.annotations = labels([("foreign", "kept"), (names::TRIGGER_TIME, "old")]);
    metadata.finalizers = Some(vec!["example.com/f".to_owned()]);
    metadata
        .labels
        .as_mut()
        .unwrap()
        .insert("foreign".to_owned(), "removed".to_owned());
    set_ready(&mut pods[1], false);
    let outcome = run(&service, &pods, &existing);
    let updated = outcome.updates()[0];
    let annotations = labels([("foreign", "kept"), (names::TRIGGER_TIME, "2026-01-01T00:00:00Z")]);
    assert_eq!(updated.metadata.annotations, annotations);
    assert_eq!(updated.metadata.finalizers, existing[0].metadata.finalizers);
    assert_eq!(
        updated.metadata.labels,
        Some(crate::rules::slices::wanted_labels(&service))
    );
}

#[test]
fn labels_follow_the_service_except_the_reserved_ones() {
    let (mut service, pods) = (service("a"), pods(1));
    service.metadata.labels = labels([
        ("x", "y"),
        (names::SERVICE_NAME, "z"),
        (names::SLICE_MANAGED_BY, "z"),
        (names::HEADLESS, "z"),
    ]);
    let created = run(&service, &pods, &[]);
    let expected = labels([
        ("x", "y"),
        (names::SERVICE_NAME, "a"),
        (names::SLICE_MANAGED_BY, names::SLICE_CONTROLLER),
    ]);
    assert_eq!(created.creates()[0].metadata.labels, expected);
    let slices = after(&[], &created);

    service
        .metadata
        .labels
        .as_mut()
        .unwrap()
        .insert("x".to_owned(), "other".to_owned());
    let outcome = run(&service, &pods, &slices);
    assert_eq!(
        outcome.updates()[0].metadata.labels.as_ref().unwrap()["x"],
        "other"
    );
}

#[test]
fn the_headless_label_is_corrected_only_when_an_endpoint_or_another_label_changes() {
    let (mut service, mut pods) = (service("a"), pods(2));
    let existing = packed(&service, &pods[..1], &[1]);
    service.spec.as_mut().unwrap().cluster_ip = Some("None".to_owned());
    let headless = |outcome: &Outcome| {
        outcome.updates()[0]
            .metadata
            .labels
            .as_ref()
            .unwrap()
            .contains_key(names::HEADLESS)
    };
    assert_eq!(
        calls(&run(&service, &pods[..1], &existing)),
        [0, 0, 0],
        "not for its own sake"
    );
    assert!(
        !headless(&run(&service, &pods, &existing)),
        "nor when the slice is topped up"
    );
    set_ready(&mut pods[0], false);
    assert!(headless(&run(&service, &pods, &existing)));
    service.spec.as_mut().unwrap().cluster_ip = None;
    assert!(
        headless(&run(&service, &pods, &existing)),
        "no cluster IP is headless, too"
    );
}

#[test]
fn slices_of_others_and_slices_being_deleted_do_not_count() {
    let (service, pods) = (service("a"), pods(1));
    let mut existing = packed(&service, &pods, &[1]);
    let change: [fn(&mut EndpointSlice); 4] = [
        |slice| slice.metadata.deletion_timestamp = Some(time(9)),
        |slice| {
            let labels = slice.metadata.labels.as_mut().unwrap();
            labels.insert(names::SLICE_MANAGED_BY.to_owned(), "other".to_owned());
        },
        |slice| {
            let labels = slice.metadata.labels.as_mut().unwrap();
            labels.insert(names::SERVICE_NAME.to_owned(), "other".to_owned());
        },
        |slice| slice.metadata.namespace = Some("other".to_owned()),
    ];
    let original = existing[0].clone();
    for change in change {
        existing[0] = original.clone();
        change(&mut existing[0]);
        assert_eq!(calls(&run(&service, &pods, &existing)), [1, 0, 0]);
    }
}

#[test]
fn ports_of_a_rewritten_slice_are_in_the_order_of_their_hash() {
    let (mut service, mut pods) = (service("a"), pods(1));
    service
        .spec
        .as_mut()
        .unwrap()
        .ports
        .as_mut()
        .unwrap()
        .push(service_port(IntOrString::Int(9)));
    let created = run(&service, &pods, &[]);
    let order = |slice: &EndpointSlice| {
        slice
            .ports
            .iter()
            .flatten()
            .map(|port| port.name.clone().unwrap())
            .collect::<Vec<_>>()
    };
    let hashed = order(created.creates()[0]);
    let mut slices = after(&[], &created);
    slices[0].ports.as_mut().unwrap().reverse();
    assert_eq!(
        calls(&run(&service, &pods, &slices)),
        [0, 0, 0],
        "order alone is no reason to write"
    );
    set_ready(&mut pods[0], false);
    let outcome = run(&service, &pods, &slices);
    assert_eq!(order(outcome.updates()[0]), hashed);
}

#[test]
fn an_existing_slice_above_the_maximum_is_neither_split_nor_trimmed_nor_filled() {
    let (service, mut pods) = (service("a"), pods(5));
    let existing = packed(&service, &pods[..4], &[4]);
    let config = Config {
        max_endpoints_per_slice: 3,
        ..CONFIG
    };
    set_ready(&mut pods[0], false);
    let outcome = reconcile(&service, &pods, &nodes(), &existing, config);
    assert_eq!(calls(&outcome), [1, 1, 0]);
    assert_eq!(sizes(&after(&existing, &outcome)), [4, 1]);
}

#[test]
fn as_many_pods_as_the_maximum_never_go_into_an_unchanged_slice() {
    let (service, pods) = (service("a"), pods(4));
    let mut existing = packed(&service, &pods[..1], &[1]);
    let config = Config {
        max_endpoints_per_slice: 3,
        ..CONFIG
    };
    existing.extend(packed(&service, &[], &[0]));
    existing[1].metadata.name = Some("empty".to_owned());
    let outcome = reconcile(&service, &pods, &nodes(), &existing, config);
    // Three fit into the empty slice exactly, but only fewer than the maximum may go there.
    assert_eq!(calls(&outcome), [1, 0, 0]);
    let outcome = reconcile(&service, &pods[..3], &nodes(), &existing, config);
    assert_eq!(
        (calls(&outcome), name(outcome.updates()[0])),
        ([0, 1, 0], "s-00".to_owned())
    );
}

#[test]
fn dual_stack_writes_each_family_and_a_family_taken_away_loses_its_slices() {
    let (mut service, mut pods) = (service("a"), pods(1));
    crate::testing::set_addresses(&mut pods[0], &["10.0.0.1", "fd00::1"]);
    service.spec.as_mut().unwrap().ip_families = Some(vec!["IPv6".to_owned(), "IPv4".to_owned()]);
    let outcome = run(&service, &pods, &[]);
    assert_eq!(calls(&outcome), [2, 0, 0]);
    let slices = after(&[], &outcome);
    service.spec.as_mut().unwrap().ip_families = Some(vec!["IPv6".to_owned()]);
    let outcome = run(&service, &pods, &slices);
    assert_eq!(calls(&outcome), [0, 0, 1]);
    assert_eq!(outcome.deletes()[0].address_type, "IPv4");
}

#[test]
fn equal_errors_of_both_families_are_named_once() {
    let (mut service, mut pods) = (service("a"), pods(1));
    service.spec.as_mut().unwrap().ip_families = Some(vec!["IPv6".to_owned(), "IPv4".to_owned()]);
    pods[0].spec.as_mut().unwrap().node_name = None;
    let outcome = run(&service, &pods, &[]);
    let error = "skipping Pod pod-0000 for Service ns/a: Node  Not Found";
    assert_eq!(outcome.error.as_deref(), Some(error));
    assert_eq!(calls(&outcome), [2, 0, 0], "placeholders");
}

#[test]
fn traffic_distribution_rewrites_only_slices_whose_ready_endpoints_deviate() {
    let mut service = service("a");
    service.spec.as_mut().unwrap().traffic_distribution = Some("PreferClose".to_owned());
    let (mut pods, nodes) = pods_on(&["a", "b"]);
    let first = reconcile(&service, &pods, &nodes, &[], CONFIG);
    let mut slices = after(&[], &first);
    assert_eq!(
        calls(&reconcile(&service, &pods, &nodes, &slices, CONFIG)),
        [0, 0, 0]
    );
    slices[0].endpoints.as_mut().unwrap()[0].hints = None;
    assert_eq!(
        calls(&reconcile(&service, &pods, &nodes, &slices, CONFIG)),
        [0, 1, 0]
    );
    set_ready(&mut pods[0], false);
    slices = after(&slices, &reconcile(&service, &pods, &nodes, &slices, CONFIG));
    let foreign = endpoints(&slices[0])[1].hints.clone();
    slices[0].endpoints.as_mut().unwrap()[0].hints = foreign;
    let outcome = reconcile(&service, &pods, &nodes, &slices, CONFIG);
    assert_eq!(
        calls(&outcome),
        [0, 0, 0],
        "hints of unready endpoints are nobody's business"
    );
    service.spec.as_mut().unwrap().traffic_distribution = None;
    let outcome = reconcile(&service, &pods, &nodes, &slices, CONFIG);
    assert!(
        endpoints(outcome.updates()[0])
            .iter()
            .all(|endpoint| endpoint.hints.is_none())
    );
}

#[test]
fn a_change_of_labels_alone_leaves_the_endpoints_and_their_hints_as_they_are() {
    let (mut service, mut pods) = (service("a"), pods(1));
    service.spec.as_mut().unwrap().traffic_distribution = Some("PreferClose".to_owned());
    set_ready(&mut pods[0], false);
    let mut existing = packed(&service, &pods, &[1]);
    existing[0].endpoints.as_mut().unwrap()[0].hints = Some(hints::for_zone("elsewhere"));
    service.metadata.labels = labels([("x", "y")]);
    let outcome = run(&service, &pods, &existing);
    assert_eq!(endpoints(outcome.updates()[0]), endpoints(&existing[0]));
}
