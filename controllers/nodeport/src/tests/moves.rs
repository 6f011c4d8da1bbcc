use std::time::Duration;

use quaymaster_model::Text;
use serde_json::{Value, json};

use super::cluster::Cluster;
use crate::Options;

const SECOND: Duration = Duration::from_secs(1);

fn moving() -> Cluster {
    let mut cluster = Cluster::with(Options {
        namespace: Text::new("kube-system"),
        range: Some((30_000, 32_767)),
        moves: true,
    });
    cluster.pool(
        "a",
        json!({ "ranges": [{ "first": 30_000, "last": 30_003 }], "namespaces": ["shop"], "strategy": "Sequential" }),
    );
    cluster.pass(10 * SECOND);
    cluster
}

fn of_moves(lines: Vec<String>) -> Vec<String> {
    lines
        .into_iter()
        .filter(|line| !line.starts_with("status") && !line.starts_with("event Pool"))
        .collect()
}

#[test]
fn ports_of_a_young_service_are_moved_into_its_pool_once() {
    let mut cluster = moving();
    cluster.service("web", &[31_000, 30_002, 31_001]);
    assert_eq!(
        of_moves(cluster.pass(5 * SECOND)),
        ["moved shop/web", "event Rehomed"]
    );
    let ports = cluster.node_ports("shop/web");
    assert!(
        ports.iter().all(|port| (30_000..=30_003).contains(port)),
        "{ports:?}"
    );
    assert_eq!(ports[1], 30_002, "what is in the pool stays");
    let note = &cluster.notices.last().unwrap().note;
    assert!(note.contains("of NodePortPool a"), "{note}");
    // Whoever undoes it is not fought.
    cluster.service("web", &[31_000, 30_002, 31_001]);
    assert_eq!(of_moves(cluster.pass(60 * SECOND)), [""; 0]);
}

#[test]
fn an_older_service_stays_unless_it_names_a_pool() {
    let mut cluster = moving();
    let none = |service: &mut Value| service["spec"] = json!({ "type": "NodePort", "ports": [] });
    cluster.service_of("shop/web", none);
    cluster.pass(61 * SECOND);
    cluster.service("web", &[31_000]);
    assert_eq!(of_moves(cluster.pass(5 * SECOND)), [""; 0]);
    cluster.service_of("shop/web", |service| {
        service["metadata"]["annotations"] = json!({ "quaymaster.io/nodeport-pool": "a" });
    });
    assert_eq!(
        of_moves(cluster.pass(5 * SECOND)),
        ["moved shop/web", "event Rehomed"]
    );
}

#[test]
fn a_young_service_is_moved_into_a_pool_that_is_made_after_it_or_serves_its_namespace_from_then_on() {
    let mut cluster = moving();
    cluster.namespace("other", &json!({}));
    for name in ["other/web", "other/dns"] {
        cluster.service_of(name, |service| {
            service["spec"] = json!({ "type": "NodePort", "ports": [{ "port": 80, "nodePort": 31_000 }] });
        });
    }
    assert_eq!(of_moves(cluster.pass(5 * SECOND)), [""; 0]);
    cluster.pool(
        "b",
        json!({
            "ranges": [{ "first": 30_100, "last": 30_103 }], "namespaceSelector": { "matchLabels": { "team": "b" } },
        }),
    );
    assert_eq!(of_moves(cluster.pass(5 * SECOND)), [""; 0]);
    cluster.namespace("other", &json!({ "team": "b" }));
    let lines = of_moves(cluster.pass(5 * SECOND));
    assert_eq!(
        lines.iter().filter(|line| line.starts_with("moved")).count(),
        2,
        "{lines:?}"
    );
    cluster.namespace("third", &json!({}));
    cluster.service_of("third/web", |service| {
        service["spec"] = json!({ "type": "NodePort", "ports": [{ "port": 80, "nodePort": 31_001 }] });
    });
    cluster.pool(
        "c",
        json!({ "ranges": [{ "first": 30_200, "last": 30_203 }], "namespaces": ["third"] }),
    );
    assert_eq!(
        of_moves(cluster.pass(5 * SECOND)),
        ["moved third/web", "event Rehomed"]
    );
}

#[test]
fn a_service_without_a_pool_for_it_stays() {
    let mut cluster = moving();
    cluster.namespace("other", &json!({}));
    cluster.service_of("other/web", |service| {
        service["spec"] = json!({ "type": "NodePort", "ports": [{ "port": 80, "nodePort": 31_000 }] });
    });
    assert_eq!(of_moves(cluster.pass(5 * SECOND)), [""; 0]);
}

#[test]
fn ports_that_share_a_number_share_the_node_port_and_keep_all_else() {
    let mut cluster = moving();
    let port = |protocol: &str, node_port: u16| {
        json!({
            "name": protocol.to_lowercase(), "protocol": protocol, "port": 53, "targetPort": "dns", "appProtocol": "example.com/dns",
            "nodePort": node_port,
        })
    };
    cluster.service_of("shop/dns", |service| {
        service["spec"] = json!({ "type": "NodePort", "ports": [port("TCP", 31_000), port("UDP", 31_000)] });
    });
    cluster.pass(5 * SECOND);
    cluster.service_of("shop/dns", |service| {
        assert_eq!(
            service["spec"]["ports"],
            json!([port("TCP", 30_000), port("UDP", 30_000)])
        );
    });
}

#[test]
fn what_the_pool_has_no_room_for_is_told_and_tried_again_while_the_service_is_young() {
    let mut cluster = moving();
    cluster.service("full", &[30_000, 30_001, 30_002, 30_003]);
    cluster.pass(5 * SECOND);
    cluster.service("web", &[31_000]);
    let lines = of_moves(cluster.pass(SECOND));
    assert_eq!(lines, ["event NotRehomed"]);
    assert!(cluster.notices.last().unwrap().note.contains("shop/web"));
    cluster.service("full", &[30_000, 30_001, 30_002]);
    cluster.pool(
        "a",
        json!({ "ranges": [{ "first": 30_000, "last": 30_004 }], "namespaces": ["shop"] }),
    );
    let lines = of_moves(cluster.pass(10 * SECOND));
    assert_eq!(lines, ["moved shop/web", "event Rehomed"]);
    assert_eq!(
        cluster.node_ports("shop/web"),
        [30_004],
        "30003 rests after its release"
    );
}

#[test]
fn what_is_stored_otherwise_is_told_and_not_tried_again() {
    let mut cluster = moving();
    cluster.policy = |object| {
        if object["spec"]["type"] == "NodePort" {
            object["spec"]["ports"][0]["nodePort"] = json!(31_005);
        }
    };
    cluster.service("web", &[31_000]);
    assert_eq!(
        of_moves(cluster.pass(30 * SECOND)),
        ["moved shop/web", "altered NotRehomed"]
    );
}

#[test]
fn node_ports_are_not_moved_unless_that_is_asked_for() {
    let mut cluster = Cluster::new();
    cluster.ports("a", 30_000, 30_003);
    cluster.service("web", &[31_000]);
    assert!(
        cluster
            .pass(10 * SECOND)
            .iter()
            .all(|line| !line.starts_with("moved"))
    );
}
