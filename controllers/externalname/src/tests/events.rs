//! When what is wrong is told.

use std::time::Duration;

use quaymaster_engine::Dirty;
use quaymaster_queue::Priority;
use quaymaster_world::Kind;
use serde_json::json;

use super::cluster::{Cluster, bare, external, key, selecting};
use crate::view::SETTLE;

fn inside(name: &str) -> serde_json::Value {
    external(&format!("{name}.shop.svc.cluster.local"))
}

#[test]
fn what_is_wrong_is_told_once_for_each_cause() {
    let mut cluster = Cluster::new();
    cluster.begin();
    let mut spec = external("192.0.2.1.");
    spec["ports"] = json!([{ "port": 80 }]);
    cluster.service("web", &spec);
    assert_eq!(cluster.pass(SETTLE), [""; 0]);
    let all = [
        "ExternalNameIsIPAddress of web",
        "ExternalNameTrailingDot of web",
        "ExternalNamePortsUnused of web",
    ];
    assert_eq!(cluster.events, all);
    for _ in 0..3 {
        // The watch tells of a status, or of labels.
        cluster.service("web", &spec);
        cluster.pass(Duration::from_hours(1));
    }
    spec["ports"] = json!([{ "port": 80 }, { "name": "b", "port": 81 }]);
    cluster.service("web", &spec);
    cluster.pass(SETTLE);
    assert_eq!(
        cluster.events.len(),
        4,
        "its text is another one: {:?}",
        cluster.events
    );
}

#[test]
fn what_is_made_by_several_calls_has_time_to_be_whole() {
    let mut cluster = Cluster::new();
    cluster.begin();
    cluster.service("web", &inside("db"));
    cluster.pass(SETTLE.saturating_sub(Duration::from_secs(1)));
    cluster.service("db", &bare());
    cluster.pass(SETTLE * 2);
    assert_eq!(cluster.events, [""; 0]);
    cluster.remove(Kind::Service, "db");
    cluster.pass(SETTLE);
    assert_eq!(cluster.events, ["ExternalNameTargetMissing of web"]);
}

#[test]
fn node_ports_that_are_given_to_a_service_mark_nothing() {
    let mut cluster = Cluster::new();
    cluster.begin();
    cluster.service("web", &bare());
    cluster.take_marked();
    let mut spec = bare();
    spec["ports"][0]["nodePort"] = json!(30_000);
    spec["clusterIPs"] = json!(["10.1.0.1", "fd00::1"]);
    cluster.service("web", &spec);
    assert!(cluster.take_marked().is_empty());
    spec["ports"][0]["port"] = json!(81);
    cluster.service("web", &spec);
    assert!(!cluster.take_marked().is_empty());
}

#[test]
fn marks_wait_for_what_is_made_by_several_calls() {
    let mut cluster = Cluster::new();
    cluster.begin();
    cluster.service("web", &external("192.0.2.1"));
    let mut expected = Dirty::default();
    expected.mark(key("web"), Priority::Low, SETTLE);
    assert_eq!(format!("{:?}", cluster.take_dirty()), format!("{expected:?}"));
}

#[test]
fn a_service_on_its_way_out_has_no_mistakes() {
    let mut cluster = Cluster::new();
    cluster.begin();
    cluster.service("web", &external("192.0.2.1"));
    cluster.terminating_service("web", &external("192.0.2.1"));
    cluster.pass(SETTLE);
    assert_eq!(cluster.events, [""; 0]);
}

#[test]
fn all_that_lead_into_a_circle_are_told_when_it_closes() {
    let mut cluster = Cluster::new();
    cluster.service("a", &inside("b"));
    cluster.service("b", &inside("c"));
    cluster.service("c", &bare());
    cluster.service("d", &inside("a"));
    cluster.service("e", &external("example.org"));
    cluster.begin();
    cluster.pass(SETTLE);
    assert_eq!(cluster.events, [""; 0]);
    cluster.service("c", &inside("b"));
    assert_eq!(
        cluster.take_marked().into_iter().collect::<Vec<_>>(),
        ["a", "b", "c", "d"]
    );
    // They were taken away from it; a start finds the same.
    cluster.restart();
    cluster.pass(SETTLE);
    cluster.events.sort();
    let told = ["a", "b", "c", "d"].map(|name| format!("ExternalNameLoop of {name}"));
    assert_eq!(cluster.events, told);
    cluster.service("b", &external("example.org"));
    cluster.pass(SETTLE);
    assert!(
        cluster
            .metrics()
            .contains("quaymaster_externalname_mistakes{cause=\"loop\"} 0")
    );
}

#[test]
fn a_start_tells_of_all_and_the_apiserver_knows_those_that_were_told() {
    let mut cluster = Cluster::new();
    cluster.service("web", &external("192.0.2.1"));
    cluster.begin();
    cluster.pass(SETTLE);
    let notes = std::mem::take(&mut cluster.notes);
    cluster.restart();
    cluster.pass(SETTLE);
    assert_eq!(
        cluster.notes, notes,
        "letter by letter, since the name follows from it"
    );
}

#[test]
fn services_that_select_pods_and_slices_of_controllers_cost_nothing() {
    let mut cluster = Cluster::deleting();
    cluster.begin();
    cluster.service("web", &selecting());
    let uid = cluster.uid(Kind::Service, "web");
    cluster.slice("web-1", super::stale::slice(&uid));
    cluster.slice("web-1", super::stale::slice(&uid));
    cluster.endpoints("web", super::stale::endpoints());
    cluster.remove(Kind::Endpoints, "web");
    cluster.remove(Kind::Slice, "web-1");
    cluster.remove(Kind::Service, "web");
    assert_eq!(cluster.take_marked().len(), 0);
}

#[test]
fn nothing_is_remembered_of_what_is_gone() {
    let mut cluster = Cluster::new();
    cluster.begin();
    cluster.service("web", &external("192.0.2.1"));
    cluster.pass(SETTLE);
    cluster.remove(Kind::Service, "web");
    cluster.pass(SETTLE);
    assert!(
        cluster
            .metrics()
            .contains("quaymaster_externalname_mistakes{cause=\"ip_address\"} 0")
    );
    cluster.service("web", &external("192.0.2.1"));
    cluster.pass(SETTLE);
    assert_eq!(cluster.events.len(), 2, "another object has its own");
}
