//! IPAddresses that keep addresses from being given.

use quaymaster_world::Kind;
use serde_json::json;

use super::cluster::{Cluster, key};

fn cluster(quarantine: serde_json::Value) -> Cluster {
    let mut cluster = Cluster::new();
    cluster.pool(
        "blue",
        json!({ "cidrs": ["10.96.8.0/24"], "quarantine": quarantine }),
    );
    cluster.service("team/web", &["10.96.8.9"]);
    cluster.pass(1.0);
    cluster
}

const IP: &str = "10.96.8.9";

#[test]
fn a_released_address_is_held_from_the_release_on_until_its_time_is_over() {
    let mut cluster = cluster(json!({ "seconds": 30 }));
    cluster.delete_service("team/web");
    assert!(
        cluster
            .work()
            .contains(&format!("create {IP}: quaymaster.io for blue"))
    );
    let hold = cluster.get(Kind::IpAddress, IP).unwrap();
    let annotation = hold["metadata"]["annotations"]["quaymaster.io/released-at"].as_str();
    assert_eq!(annotation, Some("2027-01-15T08:00:01Z"));
    assert_eq!(
        hold["metadata"]["labels"]["ipaddress.kubernetes.io/ip-family"],
        "IPv4"
    );
    assert_eq!(hold["spec"]["parentRef"]["resource"], "serviceippools");
    cluster.pass(29.0);
    assert!(cluster.holder(IP).is_some());
    cluster.pass(2.0);
    assert_eq!(cluster.holder(IP), None);
    cluster.pass(100.0);
    assert_eq!(cluster.holder(IP), None);
}

#[test]
fn a_hold_that_came_too_early_is_made_when_the_object_is_seen_to_go() {
    let mut cluster = cluster(json!({ "seconds": 30 }));
    cluster.delete(Kind::Service, "team/web");
    assert_eq!(cluster.work(), [format!("create {IP}: exists")]);
    assert_eq!(cluster.pass(0.5), [""; 0]);
    cluster.delete(Kind::IpAddress, IP);
    assert!(
        cluster
            .work()
            .contains(&format!("create {IP}: quaymaster.io for blue"))
    );
}

#[test]
fn what_the_watch_tells_before_the_refusal_arrives_is_no_reason_to_wait() {
    let mut cluster = cluster(json!({ "seconds": 30 }));
    cluster.delete_service("team/web");
    cluster.lingering.push(IP.to_owned());
    let log = cluster.work();
    assert_eq!(
        log.iter().filter(|line| line.ends_with("exists")).count(),
        2,
        "{log:#?}"
    );
    cluster.lingering.clear();
    cluster.pass(1.0);
    assert_eq!(cluster.holder(IP).as_deref(), Some("quaymaster.io for blue"));
}

#[test]
fn a_quarantine_outlives_the_process_by_its_hold() {
    let mut cluster = cluster(json!({ "seconds": 30 }));
    cluster.delete_service("team/web");
    cluster.pass(10.0);
    cluster.restart();
    let by = cluster.with_index(|index| {
        index
            .addresses
            .facts(Cluster::value(IP))
            .released
            .map(|(_, by)| by.clone())
    });
    assert_eq!(by, Some(key("team/web")));
    cluster.pass(19.0);
    assert!(cluster.holder(IP).is_some());
    cluster.pass(2.0);
    assert_eq!(cluster.holder(IP), None);
}

#[test]
fn holds_go_with_their_pool_and_when_it_wants_none() {
    for change in [
        None,
        Some(json!({ "cidrs": ["10.96.8.0/24"], "quarantine": { "enforce": "Memory" } })),
    ] {
        let mut cluster = cluster(json!({ "seconds": 30 }));
        cluster.delete_service("team/web");
        cluster.work();
        match change {
            None => cluster.delete(Kind::ServiceIpPool, "blue"),
            Some(spec) => cluster.pool("blue", spec),
        }
        cluster.pass(1.0);
        assert_eq!(cluster.holder(IP), None);
    }
}

#[test]
fn nothing_is_held_in_memory_only_or_where_it_does_harm() {
    let mut memory = cluster(json!({ "seconds": 30, "enforce": "Memory" }));
    memory.delete_service("team/web");
    memory.pass(5.0);
    assert_eq!(memory.holder(IP), None);
    let mut old = Cluster::with_holds(false);
    old.put(Kind::ServiceCidr, "more", json!({ "cidrs": ["10.97.0.0/16"] }));
    old.pool("blue", json!({ "cidrs": ["10.96.8.0/24", "10.97.8.0/24"] }));
    old.service("team/web", &[IP]);
    old.service("team/db", &["10.97.8.9"]);
    old.pass(1.0);
    old.delete_service("team/web");
    old.delete_service("team/db");
    old.pass(1.0);
    assert_eq!(old.holder(IP), None);
    assert_eq!(old.holder("10.97.8.9").as_deref(), Some("quaymaster.io for blue"));
    assert!(old.with_index(|index| index.addresses.facts(Cluster::value(IP)).released.is_some()));
}

#[test]
fn a_replica_that_took_a_hold_away_has_time_to_hand_the_address_over() {
    let mut cluster = cluster(json!({ "seconds": 300 }));
    cluster.delete_service("team/web");
    cluster.work();
    cluster.delete(Kind::IpAddress, IP);
    cluster.pass(30.0);
    assert_eq!(cluster.holder(IP), None);
    cluster.pass(6.0);
    assert_eq!(cluster.holder(IP).as_deref(), Some("quaymaster.io for blue"));
    // This time the Service comes.
    cluster.delete(Kind::IpAddress, IP);
    cluster.pass(1.0);
    cluster.service("team/web", &[IP]);
    cluster.pass(100.0);
    assert_eq!(cluster.holder(IP).as_deref(), Some("ipallocator.k8s.io for web"));
}
