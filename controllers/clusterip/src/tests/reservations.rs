//! Reservations: what the index is told, their status, and their holds.

use quaymaster_world::Kind;
use serde_json::json;

use super::cluster::{Cluster, key};

const IP: &str = "10.96.8.9";

fn condition(cluster: &Cluster, name: &str, of: &str) -> (String, String, String) {
    cluster.condition(Kind::ServiceReservation, name, of)
}

fn is(cluster: &Cluster, name: &str, of: &str) -> (String, String) {
    let (status, reason, _) = condition(cluster, name, of);
    (status, reason)
}

fn told(status: &str, reason: &str) -> (String, String) {
    (status.to_owned(), reason.to_owned())
}

#[test]
fn what_is_reserved_is_kept_held_and_bound_to_the_service_that_comes() {
    let mut cluster = Cluster::new();
    cluster.reservation(
        "team/pin",
        json!({ "serviceName": "web", "clusterIPs": [IP], "nodePorts": [{ "nodePort": 30001 }] }),
    );
    cluster.pass(1.0);
    cluster.with_index(|index| {
        let reservation = index.reservation(&key("team/web")).unwrap();
        assert_eq!(reservation.values().len(), 2);
        assert_eq!(
            index.ports.facts(quaymaster_ipam::Value::port(30001)).reserved,
            Some(&key("team/web"))
        );
    });
    assert_eq!(cluster.holder(IP).as_deref(), Some("quaymaster.io for pin"));
    assert_eq!(is(&cluster, "team/pin", "Reserved"), told("True", "Kept"));
    assert_eq!(is(&cluster, "team/pin", "Bound"), told("False", "NoService"));
    assert_eq!(is(&cluster, "team/pin", "Conflict"), told("False", "NoConflict"));
    // The webhook hands it over.
    cluster.delete(Kind::IpAddress, IP);
    cluster.allocators(IP, "team/web");
    cluster.put(
        Kind::Service,
        "team/web",
        json!({ "type": "NodePort", "clusterIP": IP, "clusterIPs": [IP], "ports": [{ "port": 80, "nodePort": 30001 }] }),
    );
    cluster.pass(1.0);
    assert_eq!(is(&cluster, "team/pin", "Bound"), told("True", "Bound"));
    let status = &cluster.get(Kind::ServiceReservation, "team/pin").unwrap()["status"];
    assert_eq!(status["boundTo"]["name"], "web");
    assert!(status["boundTo"]["uid"].as_str().unwrap().starts_with("uid-"));
    // Of no pool: it is held all the same once the Service is gone.
    cluster.delete_service("team/web");
    cluster.pass(1.0);
    assert_eq!(cluster.holder(IP).as_deref(), Some("quaymaster.io for pin"));
    cluster.delete(Kind::ServiceReservation, "team/pin");
    cluster.pass(1.0);
    assert_eq!(cluster.holder(IP), None);
    assert!(cluster.with_index(|index| index.reservation(&key("team/web")).is_none()));
}

#[test]
fn of_two_reservations_the_older_wins_and_the_other_takes_over_when_it_goes() {
    let mut cluster = Cluster::new();
    cluster.reservation(
        "team/old",
        json!({ "serviceName": "web", "clusterIPs": [IP], "enforce": "Memory" }),
    );
    cluster.pass(1.0);
    cluster.reservation("team/young", json!({ "serviceName": "db", "clusterIPs": [IP] }));
    cluster.pass(1.0);
    assert_eq!(cluster.holder(IP), None, "in memory");
    let (status, reason, message) = condition(&cluster, "team/young", "Conflict");
    assert_eq!((status.as_str(), reason.as_str()), ("True", "OlderReservation"));
    assert!(
        message.contains("ServiceReservation team/old, which is older, has address 10.96.8.9"),
        "{message}"
    );
    assert_eq!(is(&cluster, "team/young", "Reserved"), told("False", "Conflict"));
    cluster.delete(Kind::ServiceReservation, "team/old");
    cluster.pass(1.0);
    assert_eq!(is(&cluster, "team/young", "Reserved"), told("True", "Kept"));
    assert_eq!(cluster.holder(IP).as_deref(), Some("quaymaster.io for young"));
    let reserved = cluster.with_index(|index| index.addresses.facts(Cluster::value(IP)).reserved.cloned());
    assert_eq!(reserved, Some(key("team/db")));
}

#[test]
fn a_value_of_another_service_is_a_conflict_that_names_it() {
    let mut cluster = Cluster::new();
    cluster.service("other/web", &[IP]);
    cluster.reservation("team/pin", json!({ "serviceName": "web", "clusterIPs": [IP] }));
    cluster.pass(1.0);
    let (status, reason, message) = condition(&cluster, "team/pin", "Conflict");
    assert_eq!((status.as_str(), reason.as_str()), ("True", "InUse"));
    assert!(
        message.starts_with("Service other/web has address 10.96.8.9"),
        "{message}"
    );
    cluster.delete_service("other/web");
    cluster.pass(1.0);
    assert_eq!(is(&cluster, "team/pin", "Reserved"), told("True", "Kept"));
    assert_eq!(cluster.holder(IP).as_deref(), Some("quaymaster.io for pin"));
}

#[test]
fn one_whose_service_does_not_come_in_time_ends_and_counts_anew_from_when_the_service_went() {
    let mut cluster = Cluster::new();
    let spec = json!({ "serviceName": "web", "clusterIPs": [IP], "expireAfterSeconds": 60 });
    cluster.reservation("team/pin", spec);
    cluster.pass(30.0);
    // It comes, with another address.
    cluster.service("team/web", &["10.96.8.10"]);
    cluster.pass(100.0);
    assert_eq!(is(&cluster, "team/pin", "Bound"), told("False", "OtherValues"));
    cluster.delete_service("team/web");
    cluster.pass(50.0);
    assert_eq!(is(&cluster, "team/pin", "Reserved"), told("True", "Kept"));
    assert!(cluster.holder(IP).is_some());
    cluster.pass(15.0);
    assert_eq!(is(&cluster, "team/pin", "Reserved"), told("False", "Expired"));
    assert_eq!(cluster.holder(IP), None);
    assert!(cluster.with_index(|index| index.reservation(&key("team/web")).is_none()));
}

#[test]
fn a_restart_over_correct_reservations_writes_nothing() {
    let mut cluster = Cluster::new();
    cluster.reservation("team/pin", json!({ "serviceName": "web", "clusterIPs": [IP] }));
    cluster.reservation(
        "team/bad",
        json!({ "serviceName": "web", "clusterIPs": ["10.96.08.1"] }),
    );
    cluster.pass(1.0);
    assert_eq!(is(&cluster, "team/bad", "Reserved"), told("False", "Invalid"));
    cluster.restart();
    assert_eq!(cluster.pass(10.0), [""; 0]);
}
