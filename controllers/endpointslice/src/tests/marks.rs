//! What a change marks, and what a Service without Pods of its own does not get.

use quaymaster_runtime::api::Verb;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::{selecting, settled};

const ADDRESS: &str = "10.0.0.1";

/// What somebody does to a Pod, or to the spec of the Service.
type Change = fn(&mut Value);

fn addresses() -> Value {
    json!([{ "ip": ADDRESS }])
}

#[test]
fn what_does_not_show_in_slices_writes_nothing() {
    let mut cluster = settled();
    let changes: [(&str, Change); 6] = [
        ("nothing but the version", |_| ()),
        ("an annotation", |pod| {
            pod["metadata"]["annotations"] = json!({ "a": "b" });
        }),
        ("a label more", |pod| {
            pod["metadata"]["labels"] = json!({ "app": "web", "version": "2" });
        }),
        ("a label of another value", |pod| {
            pod["metadata"]["labels"] = json!({ "app": "web", "version": "3" });
        }),
        ("a phase that is not the end", |pod| {
            pod["status"]["phase"] = json!("Pending");
        }),
        ("an address of a family that the Service does not have", |pod| {
            pod["status"]["podIPs"] = json!([{ "ip": ADDRESS }, { "ip": "fd00::1" }]);
        }),
    ];
    for (what, change) in changes {
        cluster.pod_but("web-1", &addresses(), change);
        assert!(cluster.write_all().is_empty(), "{what}");
        cluster.pod("web-1", &addresses());
        assert!(cluster.write_all().is_empty(), "{what}, and back");
    }
}

#[test]
fn what_only_allocation_reads_of_a_service_marks_nothing() {
    let mut cluster = settled();
    let changes: [Change; 6] = [
        |spec| spec["ports"][0]["nodePort"] = json!(30_000),
        |spec| spec["clusterIPs"] = json!(["10.1.0.1", "fd00::1"]),
        |spec| spec["healthCheckNodePort"] = json!(30_001),
        |spec| spec["allocateLoadBalancerNodePorts"] = json!(false),
        |spec| spec["externalTrafficPolicy"] = json!("Local"),
        |spec| spec["ipFamilyPolicy"] = json!("PreferDualStack"),
    ];
    let spec = |change: Change| {
        let mut spec = selecting();
        spec["ports"] = json!([{ "port": 80, "targetPort": 8080, "protocol": "TCP" }]);
        change(&mut spec);
        spec
    };
    for change in changes {
        cluster.service(spec(change));
        assert!(cluster.take_marked().is_empty(), "{}", spec(change));
    }
    cluster.annotate_service(json!({ "quaymaster.io/pool": "a", "quaymaster.io/nodeport-pool": "b" }));
    cluster.service(spec(|_| ()));
    assert!(cluster.take_marked().is_empty(), "annotations");
    cluster.service(spec(|spec| {
        spec["ports"][0]["nodePort"] = json!(30_000);
        spec["ports"][0]["targetPort"] = json!(8081);
    }));
    assert_eq!(cluster.take_marked(), ["web"], "the target port as well");
}

#[test]
fn what_shows_in_slices_marks_and_is_one_write() {
    let changes: [(&str, Change); 8] = [
        ("not ready", |pod| {
            pod["status"]["conditions"][0]["status"] = json!("False");
        }),
        ("being deleted", |pod| {
            pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }),
        ("ended", |pod| pod["status"]["phase"] = json!("Succeeded")),
        ("another node", |pod| pod["spec"]["nodeName"] = json!("node-2")),
        ("a name of its own", |pod| {
            pod["spec"]["hostname"] = json!("h");
            pod["spec"]["subdomain"] = json!("web");
        }),
        ("another address", |pod| {
            pod["status"]["podIPs"] = json!([{ "ip": "10.0.0.7" }]);
        }),
        ("a further address of the family", |pod| {
            pod["status"]["podIPs"] = json!([{ "ip": ADDRESS }, { "ip": "10.0.0.7" }]);
        }),
        ("another label", |pod| {
            pod["metadata"]["labels"] = json!({ "app": "db" });
        }),
    ];
    for (what, change) in changes {
        let mut cluster = settled();
        cluster.node("node-2", "zone-b");
        cluster.pod_but("web-1", &addresses(), change);
        assert_eq!(cluster.take_marked(), ["web"], "{what}");
        assert_eq!(cluster.write_all(), [Verb::Update], "{what}");
        cluster.pod("web-1", &addresses());
        assert_eq!(cluster.take_marked(), ["web"], "{what}, and back");
        assert_eq!(cluster.write_all(), [Verb::Update], "{what}, and back");
    }
}

#[test]
fn addresses_of_the_second_family_come_change_and_go() {
    let mut cluster = Cluster::new();
    cluster.node("node-1", "zone-a");
    cluster.service(
        json!({ "selector": { "app": "web" }, "ipFamilies": ["IPv6", "IPv4"], "clusterIP": "fd01::1" }),
    );
    cluster.pod("web-1", &json!([{ "ip": "fd00::1" }]));
    cluster.begin();
    cluster.write_all();
    cluster.take_marked();
    for (what, addresses) in [
        ("comes", json!([{ "ip": "fd00::1" }, { "ip": "10.0.0.1" }])),
        ("changes", json!([{ "ip": "fd00::1" }, { "ip": "10.0.0.2" }])),
        ("goes", json!([{ "ip": "fd00::1" }])),
        ("the first one changes", json!([{ "ip": "fd00::2" }])),
    ] {
        cluster.pod("web-1", &addresses);
        assert_eq!(cluster.take_marked(), ["web"], "{what}");
        assert_eq!(cluster.write_all(), [Verb::Update], "{what}");
    }
}

#[test]
fn services_that_select_no_pods_get_no_slices() {
    let external = json!({ "type": "ExternalName", "externalName": "example.org", "clusterIP": "" });
    let with = |more: &Value| {
        let mut spec = external.clone();
        spec.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        spec
    };
    for spec in [
        json!({ "ipFamilies": ["IPv4"], "clusterIP": "10.1.0.1" }),
        json!({ "selector": {}, "ipFamilies": ["IPv4"], "clusterIP": "10.1.0.1" }),
        with(&json!({ "selector": { "app": "web" } })),
        with(&json!({ "selector": { "app": "web" }, "ports": [] })),
        with(&json!({})),
        with(&json!({ "ports": [] })),
    ] {
        let mut cluster = Cluster::new();
        cluster.node("node-1", "zone-a");
        cluster.service(spec.clone());
        cluster.pod("web-1", &addresses());
        cluster.begin();
        assert!(cluster.write_all().is_empty(), "{spec}");
        cluster.pod("web-2", &json!([{ "ip": "10.0.0.2" }]));
        assert!(cluster.write_all().is_empty(), "{spec}");
    }
}

/// kubernetes/kubernetes#133474: what the apiserver stores of an empty list of ports is none.
#[test]
fn a_slice_without_ports_is_written_once_however_it_is_said_that_it_has_none() {
    let policies: [fn(&mut Value); 2] = [
        |slice| slice["ports"] = Value::Null,
        |slice| slice["ports"] = json!([]),
    ];
    for policy in policies {
        let mut cluster = Cluster::new();
        cluster.policy(policy);
        cluster.node("node-1", "zone-a");
        let mut spec = selecting();
        spec["clusterIP"] = json!("None");
        spec["ports"] = json!([]);
        cluster.service(spec);
        cluster.pod("web-1", &addresses());
        cluster.begin();
        assert!(matches!(
            cluster.write_next(),
            quaymaster_engine::Verdict::Done | quaymaster_engine::Verdict::Again
        ));
        assert!(cluster.write_all().is_empty());
        let stored = cluster.slices()[0].clone();
        cluster.restored(vec![stored]);
        assert!(cluster.write_all().is_empty());
    }
}

#[test]
fn nothing_is_held_of_a_service_that_has_gone() {
    let mut cluster = settled();
    assert!(cluster.holds_state());
    cluster.no_service();
    assert!(!cluster.holds_state());
    assert!(
        cluster.write_all().is_empty(),
        "the garbage collector takes its slices"
    );
    let metrics = cluster.metrics();
    let line = "endpoint_slice_controller_num_endpoint_slices 0";
    assert!(metrics.lines().any(|found| found == line), "{metrics}");
}
