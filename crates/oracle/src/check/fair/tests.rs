//! What the comparison forgives, and what it does not.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::{Value, json};

use super::*;
use crate::names::{SERVICE_NAME, SLICE_MANAGED_BY, TOPOLOGY_MODE};

mod hints;

const NAMESPACE: &str = "ns";

fn slice(name: &str, change: Value) -> EndpointSlice {
    let mut slice = json!({
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {SERVICE_NAME: "web", SLICE_MANAGED_BY: SLICE_CONTROLLER},
            "ownerReferences": [{"apiVersion": "v1", "kind": "Service", "name": "web", "uid": "live"}],
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": true}}],
    });
    merge(&mut slice, change);
    serde_json::from_value(slice).unwrap()
}

fn placeholder(change: Value) -> EndpointSlice {
    let mut base = json!({"ports": [], "endpoints": []});
    merge(&mut base, change);
    slice("web-x", base)
}

fn merge(into: &mut Value, change: Value) {
    match change {
        Value::Object(fields) => {
            for (name, value) in fields {
                merge(&mut into[name], value);
            }
        }
        other => *into = other,
    }
}

fn service(change: Value) -> Service {
    let mut service = json!({
        "metadata": {"name": "web", "namespace": NAMESPACE, "uid": "1"},
        "spec": {"type": "ClusterIP", "selector": {"app": "web"}},
    });
    merge(&mut service, change);
    serde_json::from_value(service).unwrap()
}

/// A ready node of this zone, with four cores.
fn node(zone: &str) -> Node {
    let node = json!({
        "metadata": {"name": zone, "labels": {"topology.kubernetes.io/zone": zone}},
        "status": {"allocatable": {"cpu": "4"}, "conditions": [{"type": "Ready", "status": "True"}]},
    });
    serde_json::from_value(node).unwrap()
}

/// Differences, and names of exceptions that applied, between kube-controller-manager and quaymaster.
type Found = (usize, Vec<&'static str>);

fn run_on(
    nodes: &[Node],
    service: &Service,
    left: &[EndpointSlice],
    right: &[EndpointSlice],
    fresh: bool,
) -> Found {
    let (families, none) = (["IPv4".to_owned()].into(), BTreeSet::new());
    let setting = Setting {
        service: Some(service),
        nodes: Some(nodes),
        fresh,
        upstream: [true, false],
        families: [&families, &families],
        may_be_empty: [&none, &none],
    };
    let mut exceptions = Exceptions::new();
    let found = fair(&setting, [left, right], &mut exceptions);
    (found.len(), exceptions.into_keys().map(Exception::name).collect())
}

#[expect(clippy::needless_pass_by_value, reason = "slices are made in place")]
fn run(service: &Service, left: Vec<EndpointSlice>, right: Vec<EndpointSlice>, fresh: bool) -> Found {
    run_on(&[], service, &left, &right, fresh)
}

fn plain() -> Service {
    service(json!({}))
}

#[test]
fn names_and_versions_are_no_difference() {
    let right = slice("web-b", json!({"metadata": {"resourceVersion": "7", "uid": "2"}}));
    let found = run(&plain(), vec![slice("web-a", json!({}))], vec![right], true);
    assert_eq!(found, (0, vec![]));
}

#[test]
fn a_field_a_label_an_owner_a_missing_slice_and_a_duplicate_are_differences() {
    let left = || vec![slice("web-a", json!({}))];
    for change in [
        json!({"endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": false}}]}),
        json!({"endpoints": [{"addresses": ["10.0.0.2"], "conditions": {"ready": true}}]}),
        json!({"endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": true}, "zone": "a"}]}),
        json!({"ports": [{"name": "http", "port": 81, "protocol": "TCP"}]}),
        json!({"metadata": {"labels": {"team": ""}}}),
        json!({"metadata": {"ownerReferences": []}}),
    ] {
        let found = run(&plain(), left(), vec![slice("web-a", change.clone())], false);
        assert!(found.0 > 0 && found.1.is_empty(), "{change}: {found:?}");
    }
    assert!(run(&plain(), left(), vec![], false).0 > 0);
    let twice = vec![slice("web-a", json!({})), slice("web-b", json!({}))];
    assert!(run(&plain(), left(), twice, false).0 > 0);
}

#[test]
fn the_number_of_slices_is_compared_where_it_is_asked_for() {
    let endpoint = |last: u8| json!({"addresses": [format!("10.0.0.{last}")], "conditions": {"ready": true}});
    let one = vec![slice("web-a", json!({"endpoints": [endpoint(1), endpoint(2)]}))];
    let two = vec![
        slice("web-a", json!({"endpoints": [endpoint(1)]})),
        slice("web-b", json!({"endpoints": [endpoint(2)]})),
    ];
    assert_eq!(run(&plain(), one.clone(), two.clone(), false).0, 0);
    assert_eq!(run(&plain(), one, two, true).0, 1);
}

#[test]
fn slices_of_a_service_that_nobody_looks_after_may_differ() {
    let external = service(json!({"spec": {"type": "ExternalName"}}));
    let found = run(&external, vec![slice("web-a", json!({}))], vec![], false);
    assert_eq!(found, (0, vec!["left-behind"]));
}

#[test]
fn empty_slices_may_differ_as_long_as_pods_have_their_ports_and_the_family_has_one() {
    let (left, other) = (placeholder(json!({})), slice("web-a", json!({"endpoints": []})));
    let group: BTreeSet<GroupKey> = canonical(std::slice::from_ref(&other))
        .groups
        .into_keys()
        .collect();
    let compared = |right: &[EndpointSlice], may_be_empty: &BTreeSet<GroupKey>, fresh: bool| {
        let (service, families, none) = (plain(), BTreeSet::new(), BTreeSet::new());
        let setting = Setting {
            service: Some(&service),
            nodes: None,
            fresh,
            upstream: [true, false],
            families: [&families, &families],
            may_be_empty: [&none, may_be_empty],
        };
        fair(
            &setting,
            [std::slice::from_ref(&left), right],
            &mut Exceptions::new(),
        )
    };
    let other = [other];
    assert_eq!(compared(&other, &group, false), []);
    assert_ne!(compared(&other, &group, true), [], "over a finished cluster");
    assert_ne!(
        compared(&other, &BTreeSet::new(), false),
        [],
        "no Pod has its ports"
    );
    assert_ne!(compared(&[], &group, false), []);
}

#[test]
fn beside_endpoints_an_empty_slice_is_forgiven_while_pods_have_its_ports_on_the_side_where_it_is() {
    let full = || slice("web-a", json!({}));
    let empty = slice(
        "web-b",
        json!({"ports": [{"name": "http", "port": 81, "protocol": "TCP"}], "endpoints": []}),
    );
    let (without, with) = (vec![full()], vec![full(), empty.clone()]);
    let group: BTreeSet<GroupKey> = canonical(&[empty]).groups.into_keys().collect();
    let compared = |sides: [&Vec<EndpointSlice>; 2], may_be_empty: [&BTreeSet<GroupKey>; 2]| {
        let (service, families) = (plain(), BTreeSet::new());
        let setting = Setting {
            service: Some(&service),
            nodes: None,
            fresh: false,
            upstream: [true, false],
            families: [&families, &families],
            may_be_empty,
        };
        let mut exceptions = Exceptions::new();
        let found = fair(&setting, sides.map(Vec::as_slice), &mut exceptions);
        (
            found.len(),
            exceptions.into_keys().map(Exception::name).collect::<Vec<_>>(),
        )
    };
    let none = BTreeSet::new();
    let forgiven = (0, vec!["empty-slices"]);
    assert_eq!(compared([&with, &without], [&group, &none]), forgiven);
    assert_eq!(compared([&without, &with], [&none, &group]), forgiven);
    assert!(compared([&with, &without], [&none, &group]).0 > 0);
    assert!(compared([&without, &with], [&group, &none]).0 > 0);
    let mut filled = with.clone();
    filled[1].endpoints.clone_from(&full().endpoints);
    assert!(
        compared([&without, &filled], [&none, &group]).0 > 0,
        "it has endpoints"
    );
}

#[test]
fn a_label_without_value_is_forgiven_on_placeholders_only() {
    let label = json!({"metadata": {"labels": {"empty": ""}}});
    let found = run(
        &plain(),
        vec![placeholder(json!({}))],
        vec![placeholder(label.clone())],
        false,
    );
    assert_eq!(found, (0, vec!["placeholder-empty-label"]));
    let found = run(
        &plain(),
        vec![slice("web-a", json!({}))],
        vec![slice("web-a", label)],
        false,
    );
    assert_eq!(found.0, 1);
    let value = json!({"metadata": {"labels": {"empty": "no"}}});
    let found = run(
        &plain(),
        vec![placeholder(json!({}))],
        vec![placeholder(value)],
        false,
    );
    assert_eq!(found.0, 1);
}

#[test]
fn a_placeholder_without_owner_is_forgiven_to_kube_controller_manager_only() {
    let unowned = || vec![placeholder(json!({"metadata": {"ownerReferences": []}}))];
    let owned = || vec![placeholder(json!({}))];
    let found = run(&plain(), unowned(), owned(), false);
    assert_eq!(found, (0, vec!["unowned-placeholder"]));
    assert_eq!(run(&plain(), owned(), unowned(), false).0, 1);
    let labelled = |value: &str| vec![placeholder(json!({"metadata": {"labels": {"team": value}}}))];
    let found = run(&plain(), unowned(), labelled(""), false);
    assert_eq!(
        found,
        (0, vec!["unowned-placeholder"]),
        "a label without value beside it"
    );
    assert_eq!(run(&plain(), unowned(), labelled("a"), false).0, 1);
    let service = plain();
    let (families, none) = (BTreeSet::new(), BTreeSet::new());
    let both = Setting {
        service: Some(&service),
        nodes: None,
        fresh: false,
        upstream: [true, true],
        families: [&families, &families],
        may_be_empty: [&none, &none],
    };
    let found = fair(&both, [&owned(), &unowned()], &mut Exceptions::new());
    assert_eq!(found, [], "both sides are kube-controller-manager");
}

#[test]
fn a_terminating_service_may_lack_endpoints_but_not_a_family_it_had() {
    let terminating = service(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}));
    let two = json!({"endpoints": [
        {"addresses": ["10.0.0.1"], "conditions": {"ready": true}},
        {"addresses": ["10.0.0.2"], "conditions": {"ready": true}},
    ]});
    let found = run(
        &terminating,
        vec![slice("web-a", two.clone())],
        vec![slice("web-a", json!({}))],
        false,
    );
    assert_eq!(found, (0, vec!["terminating-service"]));
    assert!(run(&terminating, vec![slice("web-a", two.clone())], vec![], false).0 > 0);
    let unready = json!({"endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": false}}]});
    let labelled = json!({"metadata": {"labels": {"team": "a"}}});
    for other in [unready, labelled] {
        let (left, right) = (
            vec![slice("web-a", json!({}))],
            vec![slice("web-a", other.clone())],
        );
        assert_eq!(run(&terminating, left, right, false), (1, vec![]), "{other}");
    }
    assert!(
        run(
            &plain(),
            vec![slice("web-a", two)],
            vec![slice("web-a", json!({}))],
            false
        )
        .0 > 0
    );
}

#[test]
fn hints_of_unready_endpoints_are_forgiven_and_those_of_ready_ones_are_not() {
    let hinted = |ready: bool| {
        json!({"endpoints": [{
            "addresses": ["10.0.0.1"],
            "conditions": {"ready": ready},
            "hints": {"forZones": [{"name": "a"}]},
        }]})
    };
    let bare =
        |ready: bool| json!({"endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": ready}}]});
    let sides = |ready| {
        (
            vec![slice("web-a", hinted(ready))],
            vec![slice("web-a", bare(ready))],
        )
    };
    let (left, right) = sides(false);
    assert_eq!(run(&plain(), left, right, false), (0, vec!["unready-hints"]));
    let (left, right) = sides(true);
    assert_eq!(run(&plain(), left, right, false).0, 1);
}

#[test]
fn the_headless_label_alone_is_forgiven_and_not_beside_another() {
    let left = || vec![slice("web-a", json!({}))];
    let right = |labels: Value| vec![slice("web-a", json!({"metadata": {"labels": labels}}))];
    let found = run(&plain(), left(), right(json!({HEADLESS: ""})), false);
    assert_eq!(found, (0, vec!["headless-label"]));
    let found = run(&plain(), left(), right(json!({HEADLESS: "", "team": "a"})), false);
    assert_eq!(found.0, 1);
    let found = run(&plain(), left(), right(json!({HEADLESS: ""})), true);
    assert_eq!(found, (1, vec![]), "over a finished cluster every slice is new");
}

#[test]
fn annotations_of_the_run_itself_are_forgiven_and_others_are_not() {
    let left = || vec![slice("web-a", json!({}))];
    let right = |key: &str| {
        let annotations = json!({"metadata": {"annotations": {key: "x"}}});
        vec![slice("web-a", annotations)]
    };
    let found = run(&plain(), left(), right("edits.example.com/note"), false);
    assert_eq!(found, (0, vec!["foreign-annotation"]));
    assert_eq!(run(&plain(), left(), right("other.org/note"), false).0, 1);
    // As the clusters' Services have it: on a slice it would be a copy.
    assert_eq!(run(&plain(), left(), right("example.com/note"), false).0, 1);
}

#[test]
fn slices_of_another_manager_are_compared_also_of_a_service_that_this_controller_leaves_alone() {
    let without_selector = service(json!({"spec": {"selector": null}}));
    let mirrored =
        json!({"metadata": {"labels": {SLICE_MANAGED_BY: "endpointslicemirroring-controller.k8s.io"}}});
    let left = vec![slice("web-m", mirrored)];
    assert!(run(&without_selector, left, vec![], false).0 > 0);
}
