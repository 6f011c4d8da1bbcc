//! What slices come of Endpoints, and which are written for a change.
//!
//! kubernetes/kubernetes `pkg/controller/endpointslicemirroring/reconciler.go`.

use quaymaster_runtime::api::Verb;
use serde_json::{Value, json};

use super::cluster::{Cluster, owner, subset};

fn one() -> Value {
    json!([subset(&["10.0.0.1"], &[], &[("http", 80)])])
}

fn settled(subsets: Value) -> Cluster {
    let mut cluster = Cluster::mirroring(subsets);
    cluster.write_all();
    cluster.take_marked();
    cluster
}

#[test]
fn endpoints_without_addresses_have_no_slice() {
    for subsets in [json!([]), json!(null), json!([subset(&[], &[], &[("http", 80)])])] {
        let mut cluster = Cluster::mirroring(subsets.clone());
        assert!(cluster.write_all().is_empty(), "{subsets}");
    }
}

#[test]
fn each_shape_of_subsets_has_one_slice_for_each_family_of_each_set_of_ports() {
    let both = [("http", 80), ("https", 443)];
    for (subsets, expected) in [
        (one(), vec!["IPv4 http:80 = 10.0.0.1"]),
        // Two subsets, different ports and addresses.
        (
            json!([
                subset(&["10.0.0.1"], &[], &both[..1]),
                subset(&["10.0.0.2"], &[], &both[1..])
            ]),
            vec!["IPv4 http:80 = 10.0.0.1", "IPv4 https:443 = 10.0.0.2"],
        ),
        // Different ports, same address.
        (
            json!([
                subset(&["10.0.0.1"], &[], &both[..1]),
                subset(&["10.0.0.1"], &[], &both[1..])
            ]),
            vec!["IPv4 http:80 https:443 = 10.0.0.1"],
        ),
        // Same port, different addresses.
        (
            json!([
                subset(&["10.0.0.1"], &[], &both[..1]),
                subset(&["10.0.0.2"], &[], &both[..1])
            ]),
            vec!["IPv4 http:80 = 10.0.0.1 10.0.0.2"],
        ),
        // Ready and not ready.
        (
            json!([subset(
                &["10.0.0.1", "10.0.0.2"],
                &["10.0.0.3", "10.0.0.4"],
                &both
            )]),
            vec!["IPv4 http:80 https:443 = 10.0.0.1 10.0.0.2 10.0.0.3! 10.0.0.4!"],
        ),
        (
            json!([subset(&[], &["10.0.0.1", "10.0.0.2"], &both)]),
            vec!["IPv4 http:80 https:443 = 10.0.0.1! 10.0.0.2!"],
        ),
        // Both families, twice.
        (
            json!([
                subset(&["10.0.0.1", "fd00::1"], &["10.0.0.2"], &both),
                subset(&["10.0.0.3", "fd00::3", "fd00::4"], &[], &[("dns", 53)]),
            ]),
            vec![
                "IPv4 dns:53 = 10.0.0.3",
                "IPv4 http:80 https:443 = 10.0.0.1 10.0.0.2!",
                "IPv6 dns:53 = fd00::3 fd00::4",
                "IPv6 http:80 https:443 = fd00::1",
            ],
        ),
        (
            json!([subset(&["fd00::1"], &[], &both[..1])]),
            vec!["IPv6 http:80 = fd00::1"],
        ),
        // Without ports.
        (json!([subset(&["10.0.0.1"], &[], &[])]), vec!["IPv4  = 10.0.0.1"]),
    ] {
        let mut cluster = Cluster::mirroring(subsets.clone());
        assert_eq!(
            cluster.write_all(),
            vec![Verb::Create; expected.len()],
            "{subsets}"
        );
        assert_eq!(cluster.shown(), expected, "{subsets}");
        cluster.restart();
        assert!(
            cluster.write_all().is_empty(),
            "{subsets}: nothing is left to be written"
        );
    }
}

#[test]
fn a_new_slice_is_whole() {
    let mut cluster = Cluster::new();
    cluster.service(json!({}));
    cluster.endpoints_with(
        json!({
            "labels": { "app": "db" },
            "annotations": {
                "note": "x",
                "endpoints.kubernetes.io/last-change-trigger-time": "2026-01-01T00:00:00Z",
                "kubectl.kubernetes.io/last-applied-configuration": "{}",
            },
        }),
        json!([{
            "addresses": [{
                "ip": "10.0.0.1", "hostname": "db-1", "nodeName": "n1",
                "targetRef": { "kind": "Pod", "namespace": "shop", "name": "db-1", "uid": "u-1", "resourceVersion": "12",
                    "apiVersion": "v1", "fieldPath": "spec" },
            }],
            "ports": [{ "port": 80, "protocol": "TCP", "appProtocol": "h2c" }],
        }]),
    );
    cluster.begin();
    cluster.write_all();
    let name = cluster.only_slice();
    assert!(name.starts_with("db-") && name.len() == "db-".len() + 8, "{name}");
    let mut slice = cluster.slices()[0].clone();
    slice["metadata"]["resourceVersion"] = Value::Null;
    slice["metadata"]["uid"] = Value::Null;
    assert_eq!(
        slice,
        json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": name,
                "namespace": "shop",
                "uid": null,
                "resourceVersion": null,
                "labels": {
                    "app": "db",
                    "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
                    "kubernetes.io/service-name": "db",
                },
                "annotations": { "note": "x" },
                "ownerReferences": [owner("uid-db")],
            },
            "addressType": "IPv4",
            "endpoints": [{
                "addresses": ["10.0.0.1"],
                "conditions": { "ready": true },
                "hostname": "db-1",
                "nodeName": "n1",
                "targetRef": { "kind": "Pod", "namespace": "shop", "name": "db-1", "uid": "u-1", "resourceVersion": "12",
                    "apiVersion": "v1", "fieldPath": "spec" },
            }],
            "ports": [{ "name": "", "port": 80, "protocol": "TCP", "appProtocol": "h2c" }],
        })
    );
}

#[test]
fn ports_are_written_in_kube_controller_managers_order() {
    let mut cluster = Cluster::mirroring(json!([subset(
        &["10.0.0.1"],
        &[],
        &[("http", 80), ("https", 443)]
    )]));
    cluster.write_all();
    let ports = cluster.slices()[0]["ports"].as_array().unwrap();
    assert_eq!([&ports[0]["name"], &ports[1]["name"]], ["https", "http"]);
}

#[test]
fn what_changes_in_endpoints_is_one_update_of_the_same_slice() {
    let one = || subset(&["10.0.0.1"], &[], &[("http", 80)]);
    let changes = [
        (
            "an address more",
            json!({}),
            json!([subset(&["10.0.0.1", "10.0.0.2"], &[], &[("http", 80)])]),
        ),
        (
            "another address",
            json!({}),
            json!([subset(&["10.0.0.2"], &[], &[("http", 80)])]),
        ),
        (
            "not ready",
            json!({}),
            json!([subset(&[], &["10.0.0.1"], &[("http", 80)])]),
        ),
        (
            "another port",
            json!({}),
            json!([subset(&["10.0.0.1"], &[], &[("http", 81)])]),
        ),
        ("a label", json!({ "labels": { "a": "b" } }), json!([one()])),
        (
            "an annotation",
            json!({ "annotations": { "a": "b" } }),
            json!([one()]),
        ),
    ];
    for (what, metadata, subsets) in changes {
        let mut cluster = settled(json!([one()]));
        let name = cluster.only_slice();
        cluster.endpoints_with(metadata.clone(), subsets.clone());
        assert_eq!(cluster.write_all(), [Verb::Update], "{what}");
        assert_eq!(cluster.only_slice(), name, "{what}");
        // As it would be had it been so from the beginning.
        let mut fresh = Cluster::new();
        fresh.service(json!({}));
        fresh.endpoints_with(metadata, subsets);
        fresh.begin();
        fresh.write_all();
        assert_eq!(cluster.shown(), fresh.shown(), "{what}");
        for field in ["labels", "annotations"] {
            let of = |cluster: &Cluster| cluster.slices()[0]["metadata"][field].clone();
            assert_eq!(of(&cluster), of(&fresh), "{what}");
        }
    }
}

#[test]
fn what_is_not_mirrored_of_endpoints_causes_no_write() {
    let mut cluster = settled(one());
    for metadata in [
        json!({ "annotations": { "endpoints.kubernetes.io/last-change-trigger-time": "2026-01-01T00:00:00Z" } }),
        json!({ "annotations": { "kubectl.kubernetes.io/last-applied-configuration": "{}" } }),
        json!({ "finalizers": ["example.org/hold"] }),
    ] {
        cluster.endpoints_with(metadata.clone(), one());
        assert!(cluster.write_all().is_empty(), "{metadata}");
    }
    // Another way to say the same.
    cluster.endpoints(json!([
        subset(&["10.0.0.1"], &[], &[("http", 80)]),
        subset(&["10.0.0.1"], &[], &[("http", 80)]),
    ]));
    assert!(cluster.write_all().is_empty());
}

/// Upstream takes such labels for different for ever.
#[test]
fn reserved_labels_of_endpoints_are_overwritten_and_cause_no_further_write() {
    let mut cluster = Cluster::new();
    cluster.service(json!({}));
    cluster.endpoints_with(
        json!({ "labels": {
            "kubernetes.io/service-name": "other",
            "endpointslice.kubernetes.io/managed-by": "me",
        } }),
        one(),
    );
    cluster.begin();
    assert_eq!(cluster.write_all(), [Verb::Create]);
    let labels = &cluster.slices()[0]["metadata"]["labels"];
    assert_eq!(labels["kubernetes.io/service-name"], "db");
    assert_eq!(
        labels["endpointslice.kubernetes.io/managed-by"],
        "endpointslicemirroring-controller.k8s.io"
    );
    cluster.restart();
    assert!(cluster.write_all().is_empty());
}

#[test]
fn a_changed_service_of_two_families_writes_the_slice_that_differs() {
    let mut cluster = settled(json!([subset(&["10.0.0.1", "fd00::1"], &[], &[("", 80)])]));
    cluster.endpoints(json!([subset(&["10.0.0.1", "fd00::2"], &[], &[("", 80)])]));
    assert_eq!(cluster.write_all(), [Verb::Update]);
    assert_eq!(cluster.shown(), ["IPv4 :80 = 10.0.0.1", "IPv6 :80 = fd00::2"]);
}

#[test]
fn slices_that_kube_controller_manager_wrote_are_left_as_they_are() {
    let mut cluster = Cluster::new();
    cluster.service(json!({}));
    cluster.endpoints(json!([subset(
        &["10.0.0.1", "10.0.0.2"],
        &[],
        &[("http", 80), ("https", 443)]
    )]));
    cluster.slice("db-x7k2p", |slice| {
        slice["metadata"]["generateName"] = json!("db-");
        slice["endpoints"] = json!([
            { "addresses": ["10.0.0.2"], "conditions": { "ready": true } },
            { "addresses": ["10.0.0.1"], "conditions": { "ready": true } },
        ]);
        slice["ports"] = json!([
            { "name": "http", "port": 80, "protocol": "TCP" },
            { "name": "https", "port": 443, "protocol": "TCP" },
        ]);
    });
    cluster.begin();
    assert!(cluster.write_all().is_empty());
}

/// As in upstream's `TestReconcile`: an empty slice, one that is partly filled, and one that is right.
#[test]
fn slices_that_are_there_are_used() {
    let subsets = || {
        json!([
            subset(&["10.0.0.1", "10.0.0.2"], &[], &[("http", 80)]),
            subset(&["10.0.0.3"], &[], &[("http", 3000)]),
        ])
    };
    let endpoints = |ips: &[&str]| -> Vec<Value> {
        let ready = |ip: &&str| json!({ "addresses": [ip], "conditions": { "ready": true } });
        ips.iter().map(ready).collect()
    };
    let port = |number: i32| json!([{ "name": "http", "port": number, "protocol": "TCP" }]);
    for (what, endpoints, ports, expected) in [
        (
            "empty",
            endpoints(&[]),
            port(80),
            vec![Verb::Update, Verb::Create],
        ),
        (
            "partly filled",
            endpoints(&["10.0.0.1"]),
            port(80),
            vec![Verb::Update, Verb::Create],
        ),
        (
            "right",
            endpoints(&["10.0.0.1", "10.0.0.2"]),
            port(80),
            vec![Verb::Create],
        ),
        (
            "of other ports",
            endpoints(&[]),
            port(81),
            vec![Verb::Update, Verb::Create],
        ),
    ] {
        let mut cluster = Cluster::new();
        cluster.service(json!({}));
        cluster.endpoints(subsets());
        cluster.slice("db-x7k2p", |slice| {
            slice["endpoints"] = json!(endpoints);
            slice["ports"] = ports;
        });
        cluster.begin();
        let mut written = cluster.write_all();
        written.sort_by_key(|verb| *verb == Verb::Create);
        assert_eq!(written, expected, "{what}");
        assert_eq!(
            cluster.shown(),
            ["IPv4 http:3000 = 10.0.0.3", "IPv4 http:80 = 10.0.0.1 10.0.0.2"],
            "{what}"
        );
    }
}

#[test]
fn of_several_slices_of_one_group_the_right_one_stays_and_else_the_first_by_name() {
    let made = |right: Option<&str>| {
        let mut cluster = Cluster::new();
        cluster.service(json!({}));
        cluster.endpoints(one());
        for name in ["db-b", "db-a", "db-c"] {
            cluster.slice(name, |slice| {
                slice["ports"] = json!([{ "name": "http", "port": 80, "protocol": "TCP" }]);
                let ip = if right == Some(name) {
                    "10.0.0.1"
                } else {
                    "10.0.0.9"
                };
                slice["endpoints"] = json!([{ "addresses": [ip], "conditions": { "ready": true } }]);
            });
        }
        cluster.begin();
        cluster
    };
    let mut cluster = made(Some("db-c"));
    assert_eq!(cluster.write_all(), [Verb::Delete, Verb::Delete]);
    assert_eq!(cluster.only_slice(), "db-c");
    let mut cluster = made(None);
    assert_eq!(cluster.write_all(), [Verb::Update, Verb::Delete, Verb::Delete]);
    assert_eq!(cluster.only_slice(), "db-a");
}

#[test]
fn no_more_is_mirrored_of_a_subset_than_the_maximum() {
    let ips: Vec<String> = (0..1001)
        .map(|n| format!("10.0.{}.{}", n / 250, n % 250 + 1))
        .collect();
    for (count, skipped) in [(1000, 0), (1001, 1)] {
        let ips: Vec<&str> = ips.iter().take(count).map(String::as_str).collect();
        let mut cluster = Cluster::mirroring(json!([subset(&ips, &[], &[("", 80)])]));
        assert_eq!(cluster.write_all(), [Verb::Create]);
        let endpoints = cluster.slices()[0]["endpoints"].as_array().unwrap().len();
        assert_eq!(endpoints, 1000, "{count}");
        assert_eq!(cluster.take_notices().len(), skipped, "{count}");
    }
}

#[test]
fn a_slice_written_in_place_keeps_what_others_put_on_it_and_a_recycled_one_its_name_alone() {
    let mut cluster = settled(one());
    let name = cluster.only_slice();
    cluster.edited(&name, |slice| {
        slice["metadata"]["finalizers"] = json!(["example.org/hold"]);
        slice["metadata"]["generateName"] = json!("db-");
        let other = json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "uid-x" });
        slice["metadata"]["ownerReferences"]
            .as_array_mut()
            .unwrap()
            .push(other);
    });
    assert!(cluster.write_all().is_empty(), "none of it is our business");
    cluster.endpoints(json!([subset(&["10.0.0.2"], &[], &[("http", 80)])]));
    assert_eq!(cluster.write_all(), [Verb::Update]);
    let metadata = &cluster.slices()[0]["metadata"];
    assert_eq!(metadata["finalizers"], json!(["example.org/hold"]));
    assert_eq!(metadata["generateName"], "db-");
    assert_eq!(metadata["ownerReferences"].as_array().unwrap().len(), 2);
    cluster.endpoints(json!([subset(&["10.0.0.2"], &[], &[("http", 81)])]));
    assert_eq!(cluster.write_all(), [Verb::Update]);
    assert_eq!(cluster.only_slice(), name);
    let metadata = &cluster.slices()[0]["metadata"];
    assert_eq!(
        (&metadata["finalizers"], &metadata["generateName"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(metadata["ownerReferences"], json!([owner("uid-db")]));
}

/// Recycling goes by the slices themselves: upstream now and then takes one of the other family for its bookkeeping.
#[test]
fn slices_of_both_families_are_recycled_each_for_its_own() {
    let mut cluster = settled(json!([subset(&["10.0.0.1", "fd00::1"], &[], &[("", 80)])]));
    let before: Vec<Value> = cluster
        .slices()
        .iter()
        .map(|slice| slice["metadata"]["name"].clone())
        .collect();
    cluster.endpoints(json!([subset(&["10.0.0.1", "fd00::1"], &[], &[("", 81)])]));
    assert_eq!(cluster.write_all(), [Verb::Update, Verb::Update]);
    let after: Vec<Value> = cluster
        .slices()
        .iter()
        .map(|slice| slice["metadata"]["name"].clone())
        .collect();
    assert_eq!(before, after);
    // Of one family there is none to recycle.
    let mut cluster = settled(json!([subset(&["fd00::1"], &[], &[("", 80)])]));
    cluster.endpoints(json!([subset(&["10.0.0.1", "fd00::1"], &[], &[("", 81)])]));
    let mut written = cluster.write_all();
    written.sort_by_key(|verb| *verb == Verb::Update);
    assert_eq!(written, [Verb::Create, Verb::Update]);
    assert_eq!(cluster.shown(), ["IPv4 :81 = 10.0.0.1", "IPv6 :81 = fd00::1"]);
}

#[test]
fn one_slice_is_updated_while_another_one_is_recycled() {
    let two = |second| {
        json!([
            subset(&["10.0.0.1"], &[], &[("", 80)]),
            subset(&["10.0.0.2"], &[], &[("", second)]),
        ])
    };
    let mut cluster = settled(two(81));
    let mut subsets = two(82);
    subsets[0]["notReadyAddresses"] = json!([{ "ip": "10.0.0.3" }]);
    cluster.endpoints(subsets);
    assert_eq!(cluster.write_all(), [Verb::Update, Verb::Update]);
    assert_eq!(
        cluster.shown(),
        ["IPv4 :80 = 10.0.0.1 10.0.0.3!", "IPv4 :82 = 10.0.0.2"]
    );
}

#[test]
fn two_processes_name_what_they_create_alike_and_a_name_that_is_taken_is_passed_over() {
    let names = |cluster: &mut Cluster| -> Vec<String> {
        let requests = cluster.plan(16);
        requests
            .iter()
            .map(|request| request.object.name.to_string())
            .collect()
    };
    let first = names(&mut Cluster::mirroring(one()));
    assert_eq!(first, names(&mut Cluster::mirroring(one())));
    let mut cluster = Cluster::mirroring(one());
    cluster.slice(&first[0], |slice| slice["metadata"]["labels"] = json!({}));
    assert_ne!(names(&mut cluster), first);
}
