//! Mistakes in slices that are made by hand.

use serde_json::{Value, json};

use super::cluster::{Cluster, bare, external, selecting};

const NO_NAME: &str = "ServiceNameLabelMissing of by-hand";
const PORTS: &str = "PortNamesMatchNoServicePort of by-hand";

fn slice(labels: &Value, ports: &Value) -> Value {
    json!({
        "metadata": { "labels": labels },
        "addressType": "IPv4",
        "endpoints": [{ "addresses": ["192.0.2.1"] }],
        "ports": ports,
    })
}

fn of_web(ports: &Value) -> Value {
    slice(&json!({ "kubernetes.io/service-name": "web" }), ports)
}

/// The Events over a Service `web` and a slice `by-hand`.
fn events(spec: &Value, slice: Value) -> Vec<String> {
    let mut cluster = Cluster::new();
    cluster.begin();
    cluster.service("web", spec);
    cluster.slice("by-hand", slice);
    assert_eq!(cluster.pass(crate::view::SETTLE), [""; 0]);
    cluster.events
}

#[test]
fn a_slice_that_names_no_service_is_told() {
    let http = json!([{ "name": "http", "port": 80 }]);
    for labels in [
        json!({}),
        json!({ "app": "web" }),
        json!({ "kubernetes.io/service-name": "" }),
        json!({ "endpointslice.kubernetes.io/managed-by": "staff" }),
    ] {
        assert_eq!(events(&bare(), slice(&labels, &http)), [NO_NAME], "{labels}");
    }
}

#[test]
fn a_slice_that_was_there_before_the_start_is_told_of() {
    let mut cluster = Cluster::new();
    cluster.slice("by-hand", slice(&json!({}), &json!([])));
    cluster.begin();
    cluster.pass(crate::view::SETTLE);
    assert_eq!(cluster.events, [NO_NAME]);
}

#[test]
fn slices_that_programs_keep_are_their_business() {
    let ports = json!([{ "name": "other", "port": 80 }]);
    for labels in [
        json!({ "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io" }),
        json!({ "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io" }),
        json!({ "multicluster.kubernetes.io/service-name": "web" }),
    ] {
        assert_eq!(events(&bare(), slice(&labels, &ports)), [""; 0], "{labels}");
    }
    let program = json!({ "apiVersion": "x/v1", "kind": "X", "name": "x", "uid": "u", "controller": true });
    for labels in [json!({}), json!({ "kubernetes.io/service-name": "web" })] {
        let mut owned = slice(&labels, &ports);
        owned["metadata"]["ownerReferences"] = json!([program]);
        assert_eq!(events(&bare(), owned.clone()), [""; 0]);
        owned["metadata"]["ownerReferences"][0]["controller"] = json!(false);
        assert_eq!(events(&bare(), owned).len(), 1, "an owner alone says nothing");
    }
}

#[test]
fn ports_match_by_name_and_protocol() {
    for (ports, expected) in [
        (
            json!([{ "name": "http", "port": 8080, "protocol": "TCP" }]),
            vec![],
        ),
        (json!([{ "name": "http", "port": 8080 }]), vec![]),
        (
            json!([{ "name": "http" }, { "name": "other", "port": 1 }]),
            vec![],
        ),
        (json!([]), vec![]),
        (Value::Null, vec![]),
        (json!([{ "name": "web", "port": 80 }]), vec![PORTS]),
        (json!([{ "port": 80 }]), vec![PORTS]),
        (
            json!([{ "name": "http", "port": 80, "protocol": "UDP" }]),
            vec![PORTS],
        ),
        (
            json!([{ "name": "a", "port": 80 }, { "name": "b", "port": 80 }]),
            vec![PORTS],
        ),
    ] {
        assert_eq!(events(&bare(), of_web(&ports)), expected, "{ports}");
    }
    let mut unnamed = bare();
    unnamed["ports"] = json!([{ "port": 80 }]);
    assert_eq!(events(&unnamed, of_web(&json!([{ "port": 1 }]))), [""; 0]);
    assert_eq!(
        events(&unnamed, of_web(&json!([{ "name": "", "port": 1 }]))),
        [""; 0]
    );
}

#[test]
fn ports_are_compared_with_those_of_services_that_are_kept_by_hand() {
    let other = of_web(&json!([{ "name": "other", "port": 80 }]));
    assert_eq!(events(&selecting(), other.clone()), [""; 0]);
    assert_eq!(events(&external("example.org"), other.clone()), [""; 0]);
    let mut with_ports = external("example.org");
    with_ports["ports"] = bare()["ports"].clone();
    let found = events(&with_ports, other.clone());
    assert_eq!(found, ["ExternalNamePortsUnused of web"]);
    let without = json!({ "clusterIP": "None" });
    assert_eq!(events(&without, other), [""; 0]);
}

#[test]
fn a_slice_that_is_put_right_and_wrong_again_is_told_of_again() {
    let mut cluster = Cluster::new();
    cluster.service("web", &bare());
    let (wrong, right) = (
        of_web(&json!([{ "name": "web", "port": 80 }])),
        of_web(&json!([{ "name": "http", "port": 80 }])),
    );
    cluster.slice("by-hand", wrong.clone());
    cluster.begin();
    let settle = crate::view::SETTLE;
    cluster.pass(settle);
    cluster.slice("by-hand", right);
    cluster.pass(settle);
    assert_eq!(cluster.events, [PORTS]);
    cluster.slice("by-hand", wrong);
    cluster.pass(settle);
    assert_eq!(
        cluster.events,
        [PORTS, PORTS],
        "as another Event of the same name"
    );
    // Its Service may be put right as well.
    let mut spec = bare();
    spec["ports"] = json!([{ "name": "web", "port": 80 }]);
    cluster.service("web", &spec);
    cluster.pass(settle);
    assert!(
        cluster
            .metrics()
            .contains("quaymaster_externalname_mistakes{cause=\"port_names\"} 0")
    );
    cluster.service("web", &bare());
    cluster.pass(settle);
    assert_eq!(cluster.events.len(), 3);
}

#[test]
fn a_slice_named_like_a_service_does_not_hide_that_service() {
    let mut cluster = Cluster::new();
    cluster.begin();
    cluster.service("by-hand", &external("192.0.2.1"));
    cluster.slice("by-hand", slice(&json!({}), &json!([])));
    cluster.pass(crate::view::SETTLE);
    assert_eq!(cluster.events, ["ExternalNameIsIPAddress of by-hand", NO_NAME]);
    cluster.slice(
        "by-hand",
        slice(&json!({ "kubernetes.io/service-name": "web" }), &json!([])),
    );
    cluster.pass(crate::view::SETTLE);
    assert!(
        cluster
            .metrics()
            .contains("quaymaster_externalname_mistakes{cause=\"no_service_name\"} 0")
    );
    assert!(
        cluster
            .metrics()
            .contains("quaymaster_externalname_mistakes{cause=\"ip_address\"} 1")
    );
}
