//! Which Endpoints are mirrored, and what becomes of slices of those that are not.
//!
//! kubernetes/kubernetes `pkg/controller/endpointslicemirroring/endpointslicemirroring_controller.go`, `syncEndpoints`.

use quaymaster_runtime::api::Verb;
use serde_json::{Value, json};

use super::cluster::{Cluster, subset};

fn one() -> Value {
    json!([subset(&["10.0.0.1"], &[], &[("", 80)])])
}

/// A mirrored Endpoints object with its slice.
fn settled() -> Cluster {
    let mut cluster = Cluster::mirroring(one());
    assert_eq!(cluster.write_all(), [Verb::Create]);
    cluster.take_marked();
    cluster
}

#[test]
fn endpoints_of_a_service_without_a_selector_are_mirrored_whatever_its_type() {
    for spec in [
        json!({}),
        json!({ "clusterIP": "None" }),
        json!({ "type": "ExternalName", "externalName": "db.example.org" }),
        json!({ "selector": {} }),
    ] {
        let mut cluster = Cluster::new();
        cluster.service(spec.clone());
        cluster.endpoints(one());
        cluster.begin();
        assert_eq!(cluster.write_all(), [Verb::Create], "{spec}");
        assert_eq!(cluster.shown(), ["IPv4 :80 = 10.0.0.1"], "{spec}");
    }
}

#[test]
fn endpoints_without_a_service_or_of_one_with_a_selector_are_not_mirrored() {
    let mut cluster = Cluster::new();
    cluster.endpoints(one());
    cluster.begin();
    assert!(cluster.write_all().is_empty());
    cluster.service(json!({ "selector": { "app": "db" } }));
    assert!(cluster.write_all().is_empty());
    assert_eq!(cluster.take_marked(), 0);
    assert!(cluster.controller.mirrors.is_empty());
}

#[test]
fn only_the_label_value_true_and_the_annotation_of_leader_election_are_against_it() {
    let skip = |value: &str| json!({ "labels": { "endpointslice.kubernetes.io/skip-mirror": value } });
    let leader = json!({ "annotations": { "control-plane.alpha.kubernetes.io/leader": "" } });
    for (metadata, writes) in [
        (skip("true"), 0),
        (skip("True"), 1),
        (skip("false"), 1),
        (skip(""), 1),
        (leader, 0),
    ] {
        let mut cluster = Cluster::new();
        cluster.service(json!({}));
        cluster.endpoints_with(metadata.clone(), one());
        cluster.begin();
        assert_eq!(cluster.write_all().len(), writes, "{metadata}");
    }
}

#[test]
fn mirroring_begins_when_the_last_thing_comes_that_it_takes() {
    let mut cluster = Cluster::new();
    cluster.begin();
    cluster.endpoints(one());
    assert_eq!(cluster.take_marked(), 0);
    cluster.service(json!({}));
    assert_eq!(cluster.take_marked(), 1);
    assert_eq!(cluster.write_all(), [Verb::Create]);
    // And the other way round.
    let mut cluster = Cluster::new();
    cluster.begin();
    cluster.service(json!({}));
    cluster.endpoints(one());
    assert_eq!(cluster.take_marked(), 1);
    assert_eq!(cluster.write_all(), [Verb::Create]);
}

type Step = (&'static str, fn(&mut Cluster));

#[test]
fn slices_go_when_their_endpoints_are_not_mirrored_any_more() {
    let ends: [Step; 5] = [
        ("the Endpoints go", Cluster::no_endpoints),
        ("the Service goes", Cluster::no_service),
        ("a selector comes", |cluster| {
            cluster.service(json!({ "selector": { "app": "db" } }));
        }),
        ("the label comes", |cluster| {
            let metadata = json!({ "labels": { "endpointslice.kubernetes.io/skip-mirror": "true" } });
            cluster.endpoints_with(metadata, one());
        }),
        ("the annotation comes", |cluster| {
            let metadata = json!({ "annotations": { "control-plane.alpha.kubernetes.io/leader": "{}" } });
            cluster.endpoints_with(metadata, one());
        }),
    ];
    for (what, end) in ends {
        let mut cluster = settled();
        end(&mut cluster);
        assert_eq!(cluster.take_marked(), 1, "{what}");
        assert_eq!(cluster.write_all(), [Verb::Delete], "{what}");
        assert!(
            cluster.controller.mirrors.is_empty(),
            "{what}: nothing is held any more"
        );
        // Also where that happened while nobody looked.
        let mut cluster = settled();
        let name = cluster.only_slice();
        end(&mut cluster);
        cluster.restart();
        assert_eq!(cluster.write_all(), [Verb::Delete], "{what}: {name}");
    }
}

#[test]
fn a_change_of_a_service_that_leaves_it_without_a_selector_concerns_nobody() {
    let mut cluster = settled();
    cluster.service(json!({ "ports": [{ "port": 81 }] }));
    assert_eq!(cluster.take_marked(), 0);
    cluster.service(json!({ "type": "ExternalName", "externalName": "db.example.org" }));
    assert_eq!(cluster.take_marked(), 0);
    assert!(cluster.write_all().is_empty());
}

#[test]
fn slices_of_other_managers_and_of_other_services_are_left_alone() {
    let mut cluster = Cluster::new();
    cluster.slice("foreign", |slice| {
        slice["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] =
            json!("endpointslice-controller.k8s.io");
    });
    cluster.slice("unmanaged", |slice| {
        slice["metadata"]["labels"] = json!({ "kubernetes.io/service-name": "db" });
    });
    cluster.slice("nobodys", |slice| {
        slice["metadata"]["labels"]["kubernetes.io/service-name"] = json!("");
    });
    cluster.service(json!({ "selector": { "app": "db" } }));
    cluster.endpoints(one());
    cluster.begin();
    assert!(cluster.write_all().is_empty());
    cluster.service(json!({}));
    assert_eq!(cluster.write_all(), [Verb::Create]);
    assert_eq!(cluster.slices().len(), 4);
}

#[test]
fn a_slice_that_nobody_needs_goes_at_the_start() {
    let mut cluster = Cluster::new();
    cluster.slice("left", |_| ());
    cluster.begin();
    assert_eq!(cluster.take_marked(), 1);
    assert_eq!(cluster.write_all(), [Verb::Delete]);
    assert!(cluster.controller.mirrors.is_empty());
}

#[test]
fn a_slice_of_a_type_that_is_never_mirrored_goes() {
    let mut cluster = settled();
    cluster.slice("named", |slice| slice["addressType"] = json!("FQDN"));
    assert_eq!(cluster.write_all(), [Verb::Delete]);
    assert_eq!(cluster.shown(), ["IPv4 :80 = 10.0.0.1"]);
}

#[test]
fn endpoints_that_are_being_deleted_get_no_new_slices_and_what_there_is_follows() {
    let mut cluster = settled();
    let going = || json!({ "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["example.org/hold"] });
    cluster.endpoints_with(
        going(),
        json!([
            subset(&["10.0.0.1", "10.0.0.2"], &[], &[("", 80)]),
            subset(&["10.0.0.3"], &[], &[("", 81)]),
        ]),
    );
    assert_eq!(cluster.write_all(), [Verb::Update]);
    assert_eq!(cluster.shown(), ["IPv4 :80 = 10.0.0.1 10.0.0.2"]);
    // What cannot be published by other ports any more is not kept for them.
    let parted = json!([
        subset(&["10.0.0.1"], &[], &[("", 80)]),
        subset(&["10.0.0.2"], &[], &[("", 81)]),
    ]);
    cluster.endpoints_with(going(), parted);
    assert_eq!(cluster.write_all(), [Verb::Update]);
    assert_eq!(cluster.shown(), ["IPv4 :80 = 10.0.0.1"]);
    // A slice that nobody needs can still become what is wanted.
    cluster.endpoints_with(going(), json!([subset(&["10.0.0.3"], &[], &[("", 81)])]));
    assert_eq!(cluster.write_all(), [Verb::Update]);
    assert_eq!(cluster.shown(), ["IPv4 :81 = 10.0.0.3"]);
    let name = cluster.only_slice();
    cluster.deleted(&name);
    assert!(cluster.write_all().is_empty());
}

#[test]
fn what_is_cleaned_up_does_not_count_as_a_change() {
    let mut cluster = settled();
    cluster.endpoints(json!([]));
    assert_eq!(cluster.write_all(), [Verb::Delete]);
    cluster.endpoints(one());
    cluster.write_all();
    cluster.no_service();
    assert_eq!(cluster.write_all(), [Verb::Delete]);
    let metrics = cluster.metrics();
    let expected = "endpoint_slice_mirroring_controller_changes{operation=\"delete\"} 1";
    assert!(metrics.lines().any(|line| line == expected), "{metrics}");
}
