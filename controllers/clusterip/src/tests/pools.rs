//! The status of pools.

use quaymaster_world::Kind;
use serde_json::json;

use super::cluster::Cluster;

const POOL: Kind = Kind::ServiceIpPool;

fn condition(cluster: &Cluster, pool: &str, of: &str) -> (String, String, String) {
    cluster.condition(POOL, pool, of)
}

#[test]
fn a_pool_tells_what_it_has_and_how_much_of_it_is_used() {
    let mut cluster = Cluster::new();
    cluster.pool(
        "blue",
        json!({ "cidrs": ["10.96.8.0/28", "fd00:10:96::100/120"], "exclude": ["10.96.8.1"] }),
    );
    cluster.service("team/web", &["10.96.8.3"]);
    cluster.pass(10.0);
    let status = &cluster.get(POOL, "blue").unwrap()["status"];
    assert_eq!(status["observedGeneration"], 1);
    assert_eq!(status["effectiveCIDRs"][0], "10.96.8.2/31");
    assert_eq!(status["ipv4"]["capacity"], "13");
    assert_eq!(status["ipv4"]["used"], "1");
    assert_eq!(status["ipv4"]["free"], "12");
    assert_eq!(status["ipv6"]["capacity"], "255");
    for (of, is, why) in [
        ("Ready", "True", "Serving"),
        ("Overlapping", "False", "NoOverlap"),
        ("ServiceCIDRReady", "True", "InServiceCIDR"),
        ("CapacityLow", "False", "BelowWarnPercent"),
        ("Exhausted", "False", "NotExhausted"),
        ("Draining", "False", "NotDraining"),
    ] {
        let (status, reason, _) = condition(&cluster, "blue", of);
        assert_eq!((status.as_str(), reason.as_str()), (is, why), "{of}");
    }
}

#[test]
fn a_restart_over_a_correct_status_writes_and_tells_nothing() {
    let mut cluster = Cluster::new();
    cluster.pool("old", json!({ "cidrs": ["10.96.8.0/30"] }));
    cluster.pass(1.0);
    cluster.pool("young", json!({ "cidrs": ["10.96.8.0/29"] }));
    cluster.service("team/a", &["10.96.8.1"]);
    cluster.service("team/b", &["10.96.8.2"]);
    let told = cluster.pass(20.0);
    assert!(
        told.iter().any(|line| line.starts_with("PoolExhausted old")),
        "{told:#?}"
    );
    cluster.restart();
    assert_eq!(cluster.pass(20.0), [""; 0]);
}

#[test]
fn numbers_that_change_again_and_again_are_written_every_few_seconds() {
    let mut cluster = Cluster::new();
    cluster.pool("blue", json!({ "cidrs": ["10.96.8.0/24"] }));
    cluster.pass(10.0);
    let mut writes = 0;
    for number in 1..=30 {
        cluster.service(&format!("team/s{number}"), &[&format!("10.96.8.{number}")]);
        writes += cluster.pass(0.2).len();
    }
    assert!((1..=3).contains(&writes), "{writes} writes in 6 s");
    cluster.pass(5.0);
    assert_eq!(cluster.get(POOL, "blue").unwrap()["status"]["ipv4"]["used"], "30");
}

#[test]
fn an_exhausted_pool_tells_so_at_once_and_once() {
    let mut cluster = Cluster::new();
    cluster.pool(
        "blue",
        json!({ "cidrs": ["10.96.8.0/30"], "quarantine": { "enforce": "Off" } }),
    );
    cluster.pass(10.0);
    cluster.service("team/a", &["10.96.8.1"]);
    cluster.work();
    cluster.service("team/b", &["10.96.8.2"]);
    let told = cluster.work();
    let events: Vec<&String> = told.iter().filter(|line| line.starts_with("Pool")).collect();
    assert_eq!(events.len(), 2, "{told:#?}");
    let (status, _, message) = condition(&cluster, "blue", "Exhausted");
    assert_eq!(status, "True");
    assert!(
        message.contains("of 2 IPv4 addresses of ServiceIPPool blue none is free"),
        "{message}"
    );
    assert_eq!(
        condition(&cluster, "blue", "CapacityLow").1,
        "AboveCriticalPercent"
    );
    assert_eq!(
        cluster
            .pass(10.0)
            .iter()
            .filter(|line| line.starts_with("Pool"))
            .count(),
        0
    );
    // It becomes so again.
    cluster.delete_service("team/b");
    cluster.pass(10.0);
    assert_eq!(condition(&cluster, "blue", "Exhausted").0, "False");
    cluster.service("team/c", &["10.96.8.2"]);
    assert!(
        cluster
            .pass(10.0)
            .iter()
            .any(|line| line.starts_with("PoolExhausted"))
    );
}

#[test]
fn of_pools_that_overlap_the_younger_names_the_older_and_says_what_to_do() {
    let mut cluster = Cluster::new();
    cluster.pool("red", json!({ "cidrs": ["10.96.8.0/25"] }));
    cluster.pass(1.0);
    cluster.pool("blue", json!({ "cidrs": ["10.96.8.0/24"] }));
    cluster.pool("green", json!({ "cidrs": ["10.96.8.0/26"] }));
    let told = cluster.pass(1.0);
    assert!(
        told.iter().any(|line| line.starts_with("PoolOverlap blue: ")),
        "{told:#?}"
    );
    let (status, _, message) = condition(&cluster, "blue", "Overlapping");
    assert_eq!(status, "True");
    assert!(message.contains("ServiceIPPool red, which is older"), "{message}");
    assert_eq!(condition(&cluster, "blue", "Ready").0, "True");
    assert_eq!(condition(&cluster, "red", "Overlapping").0, "False");
    let (status, reason, _) = condition(&cluster, "green", "Ready");
    assert_eq!((status.as_str(), reason.as_str()), ("False", "Overlapping"));
    cluster.delete(POOL, "red");
    cluster.pass(1.0);
    assert_eq!(condition(&cluster, "blue", "Overlapping").0, "False");
}

#[test]
fn what_keeps_a_pool_from_serving_is_told_with_the_way_out() {
    let mut cluster = Cluster::new();
    cluster.put(Kind::ServiceCidr, "short", json!({ "cidrs": ["fd01::/48"] }));
    for (spec, reason, part) in [
        (
            json!({ "cidrs": ["10.99.0.0/24"] }),
            "OutsideServiceCIDR",
            "no ServiceCIDR has 10.99.0.0/24 of ServiceIPPool p: create one",
        ),
        (
            json!({ "cidrs": ["fd01::100/120"] }),
            "OutsideServiceCIDR",
            "ServiceCIDR short (fd01::/48) is shorter than /64",
        ),
        (json!({ "cidrs": ["10.96.1.0/33"] }), "Invalid", "spec.cidrs[0]: "),
        (
            json!({ "cidrs": ["10.96.1.0/24"], "state": "Disabled" }),
            "Disabled",
            "spec.state",
        ),
        (
            json!({ "cidrs": ["10.96.1.0/24"], "state": "Draining" }),
            "Draining",
            "spec.state",
        ),
        (
            json!({ "cidrs": ["10.96.1.0/24"], "exclude": ["10.96.0.0/16"] }),
            "Empty",
            "spec.exclude",
        ),
    ] {
        cluster.pool("p", spec);
        cluster.pass(1.0);
        let (status, found, message) = condition(&cluster, "p", "Ready");
        assert_eq!((status.as_str(), found.as_str()), ("False", reason), "{message}");
        assert!(
            message.contains(part) && message.contains("ServiceIPPool p"),
            "{message}"
        );
    }
    cluster.pool("p", json!({ "cidrs": ["10.96.1.0/24", "10.99.0.0/24"] }));
    cluster.pass(1.0);
    assert_eq!(condition(&cluster, "p", "Ready").1, "Serving");
    assert_eq!(
        condition(&cluster, "p", "ServiceCIDRReady").1,
        "OutsideServiceCIDR"
    );
    cluster.put(Kind::ServiceCidr, "more", json!({ "cidrs": ["10.99.0.0/16"] }));
    cluster.pass(1.0);
    assert_eq!(condition(&cluster, "p", "ServiceCIDRReady").0, "True");
}

#[test]
fn a_draining_pool_says_how_many_are_left() {
    let mut cluster = Cluster::new();
    cluster.pool(
        "p",
        json!({ "cidrs": ["10.96.1.0/24"], "state": "Draining", "quarantine": { "seconds": 0 } }),
    );
    cluster.service("team/a", &["10.96.1.1"]);
    cluster.pass(10.0);
    let (status, reason, message) = condition(&cluster, "p", "Draining");
    assert_eq!((status.as_str(), reason.as_str()), ("True", "InUse"));
    assert!(message.contains("1 addresses of ServiceIPPool p"), "{message}");
    cluster.delete_service("team/a");
    cluster.pass(10.0);
    assert_eq!(condition(&cluster, "p", "Draining").1, "Drained");
}
