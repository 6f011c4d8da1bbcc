//! Live addresses whose IPAddress is gone.

use quaymaster_world::Kind;
use serde_json::json;

use super::cluster::Cluster;

#[test]
fn the_object_of_a_live_address_is_made_again_as_the_allocator_makes_it() {
    let mut cluster = Cluster::new();
    cluster.service("team/web", &["10.96.8.9", "fd00:10:96::9"]);
    cluster.pass(1.0);
    cluster.delete(Kind::IpAddress, "fd00:10:96::9");
    assert_eq!(
        cluster.pass(1.0),
        ["get team/web", "create fd00:10:96::9: ipallocator.k8s.io for web"]
    );
    let object = cluster.get(Kind::IpAddress, "fd00:10:96::9").unwrap();
    assert_eq!(
        object["metadata"]["labels"]["ipaddress.kubernetes.io/ip-family"],
        "IPv6"
    );
    assert_eq!(
        object["spec"]["parentRef"],
        json!({ "resource": "services", "namespace": "team", "name": "web" })
    );
    assert_eq!(cluster.pass(100.0), [""; 0]);
}

#[test]
fn one_that_is_not_spelled_canonically_is_held_since_the_repair_loop_would_take_it_away_again() {
    let mut cluster = Cluster::new();
    cluster.service("team/web", &["fd00:10:96:0::9"]);
    cluster.pass(1.0);
    cluster.delete(Kind::IpAddress, "fd00:10:96::9");
    assert_eq!(
        cluster.pass(1.0),
        ["get team/web", "create fd00:10:96::9: quaymaster.io for web"]
    );
    assert_eq!(cluster.pass(100.0), [""; 0]);
    // With the Service it goes.
    cluster.delete(Kind::Service, "team/web");
    assert_eq!(cluster.pass(1.0), ["delete fd00:10:96::9"]);
}

#[test]
fn a_service_that_is_deleted_or_that_comes_before_its_object_is_let_alone() {
    let mut cluster = Cluster::new();
    cluster.service("team/web", &["10.96.8.9"]);
    cluster.pass(1.0);
    cluster.delete(Kind::IpAddress, "10.96.8.9");
    cluster.delete(Kind::Service, "team/web");
    cluster.put(
        Kind::Service,
        "team/db",
        json!({ "clusterIP": "10.96.8.10", "clusterIPs": ["10.96.8.10"] }),
    );
    cluster.pass(0.2);
    cluster.allocators("10.96.8.10", "team/db");
    assert_eq!(cluster.pass(10.0), [""; 0]);
}

#[test]
fn what_was_missing_before_the_process_began_is_found() {
    let mut cluster = Cluster::new();
    cluster.put(
        Kind::Service,
        "team/db",
        json!({ "clusterIP": "10.96.8.10", "clusterIPs": ["10.96.8.10"] }),
    );
    cluster.restart();
    assert_eq!(cluster.pass(1.0).len(), 2);
    assert_eq!(
        cluster.holder("10.96.8.10").as_deref(),
        Some("ipallocator.k8s.io for db")
    );
}
