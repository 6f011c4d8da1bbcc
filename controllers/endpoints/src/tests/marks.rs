//! What a change marks, and how urgent it is.
//!
//! | Rule | Test |
//! |---|---|
//! | Pods that matter | `a_pod_marks_the_services_that_it_left_and_joined`, `what_shows_in_endpoints_marks`, `what_does_not_show_in_endpoints_marks_nothing` |
//! | urgency | `only_what_takes_traffic_from_a_pod_is_urgent` |
//! | batches | `changes_of_pods_wait_for_the_batch_period_and_those_of_services_do_not` |
//! | Services | `a_write_of_the_services_status_marks_nothing`, `what_only_allocation_reads_of_a_service_marks_nothing` |
//! | start | `services_pods_and_endpoints_are_read_before_anything_is_written` |

use std::time::Duration;

use quaymaster_engine::Controller as _;
use quaymaster_model::{Interned, LabelSet, PodFlags, PodRecord, Uid};
use quaymaster_queue::Priority;
use quaymaster_world::Kind;
use serde_json::{Value, json};

use super::cluster::{Cluster, key, mark_of, plain};
use crate::view;

fn settled() -> Cluster {
    let mut cluster = Cluster::new();
    for app in ["web", "db"] {
        let mut spec = plain();
        spec["selector"] = json!({ "app": app });
        cluster.service(app, spec);
    }
    cluster.pod("web-1", "10.0.0.1");
    cluster.begin();
    cluster.settle();
    cluster
}

#[test]
fn a_pod_marks_the_services_that_it_left_and_joined() {
    let mut cluster = settled();
    cluster.pod_with("web-1", "10.0.0.1", |pod| {
        pod["metadata"]["labels"] = json!({ "app": "db" });
    });
    assert_eq!(cluster.take_marked(), ["web", "db"]);
    cluster.pod_with("web-1", "10.0.0.2", |pod| {
        pod["metadata"]["labels"] = json!({ "app": "db" });
    });
    assert_eq!(cluster.take_marked(), ["db"]);
    cluster.delete_pod("web-1");
    assert_eq!(cluster.take_marked(), ["db"]);
}

#[test]
fn what_does_not_show_in_endpoints_marks_nothing() {
    let mut cluster = settled();
    let changes: [fn(&mut Value); 5] = [
        |pod| pod["metadata"]["labels"] = json!({ "app": "web", "version": "2" }),
        |pod| pod["metadata"]["annotations"] = json!({ "a": "b" }),
        |pod| pod["status"]["conditions"][0]["lastTransitionTime"] = json!("2026-01-01T00:00:00Z"),
        |pod| pod["status"]["phase"] = json!("Pending"),
        |pod| pod["spec"]["hostname"] = json!("without-a-subdomain"),
    ];
    for change in changes {
        cluster.pod_with("web-1", "10.0.0.1", change);
        assert!(cluster.take_marked().is_empty());
    }
    // Of Pods that are not published at all.
    cluster.pod_with("web-2", "10.0.0.2", |pod| {
        pod["status"] = json!({ "phase": "Pending" });
    });
    cluster.pod_with("web-2", "10.0.0.2", |pod| {
        pod["status"]["phase"] = json!("Failed");
    });
    cluster.delete_pod("web-2");
    assert!(cluster.take_marked().is_empty());
}

#[test]
fn what_shows_in_endpoints_marks() {
    let mut cluster = settled();
    let changes: [fn(&mut Value); 6] = [
        |pod| pod["status"]["conditions"][0]["status"] = json!("False"),
        |pod| pod["spec"]["nodeName"] = json!("node-2"),
        |pod| pod["spec"] = json!({ "hostname": "h", "subdomain": "web", "nodeName": "node-2" }),
        |pod| pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"),
        |pod| {
            pod["spec"]["containers"] =
                json!([{ "name": "c", "ports": [{ "name": "p", "containerPort": 1 }] }]);
        },
        |pod| pod["status"]["podIPs"] = json!([{ "ip": "10.0.0.7" }]),
    ];
    for change in changes {
        cluster.pod_with("web-1", "10.0.0.1", change);
        assert_eq!(cluster.take_marked(), ["web"]);
        cluster.pod("web-1", "10.0.0.1");
        assert_eq!(cluster.take_marked(), ["web"], "and back");
    }
}

#[test]
fn a_write_of_the_services_status_marks_nothing() {
    let mut cluster = settled();
    cluster.service("web", plain());
    assert!(cluster.take_marked().is_empty());
}

#[test]
fn what_only_allocation_reads_of_a_service_marks_nothing() {
    let changes: [fn(&mut Value); 7] = [
        |service| service["spec"]["ports"][0]["nodePort"] = json!(30_000),
        |service| service["spec"]["clusterIPs"] = json!(["10.1.0.1", "fd00::1"]),
        |service| service["spec"]["healthCheckNodePort"] = json!(30_001),
        |service| service["spec"]["allocateLoadBalancerNodePorts"] = json!(false),
        |service| service["spec"]["externalTrafficPolicy"] = json!("Local"),
        |service| service["spec"]["ipFamilyPolicy"] = json!("PreferDualStack"),
        |service| service["metadata"]["annotations"] = json!({ "quaymaster.io/pool": "blue" }),
    ];
    let mut cluster = settled();
    for change in changes {
        cluster.service_with("web", plain(), change);
        assert!(cluster.take_marked().is_empty());
    }
    cluster.service_with("web", plain(), |service| {
        service["spec"]["ports"][0]["nodePort"] = json!(30_000);
        service["spec"]["ports"][0]["targetPort"] = json!(8081);
    });
    assert_eq!(cluster.take_marked(), ["web"], "the target port as well");
}

fn pod(ready: bool, terminating: bool) -> PodRecord {
    PodRecord {
        key: key("web-1"),
        uid: Uid::new("u"),
        node: None,
        labels: Interned::from_value(LabelSet::empty()),
        ports: Interned::from_list(Vec::new()),
        addresses: std::iter::once("10.0.0.1".parse().unwrap()).collect(),
        hostname: None,
        ready_since: None,
        flags: PodFlags {
            ready,
            terminating,
            finished: false,
            has_address: true,
        },
    }
}

#[test]
fn only_what_takes_traffic_from_a_pod_is_urgent() {
    let (ready, other, going) = (pod(true, false), pod(false, false), pod(true, true));
    for (before, after, expected) in [
        (Some(&ready), None, Priority::Urgent),
        (Some(&ready), Some(&other), Priority::Urgent),
        (Some(&ready), Some(&going), Priority::Urgent),
        (Some(&ready), Some(&ready), Priority::Normal),
        (Some(&other), None, Priority::Normal),
        (Some(&other), Some(&ready), Priority::Normal),
        (None, Some(&ready), Priority::Normal),
        (None, Some(&other), Priority::Normal),
    ] {
        assert_eq!(view::priority(before, after), expected, "{before:?} {after:?}");
    }
}

#[test]
fn changes_of_pods_wait_for_the_batch_period_and_those_of_services_do_not() {
    let mut cluster = settled();
    let period = Duration::from_secs(5);
    cluster.controller.options.batch_period = period;
    cluster.pod("web-2", "10.0.0.2");
    let expected = mark_of("web", Priority::Normal, period);
    assert_eq!(format!("{:?}", cluster.take_dirty()), format!("{expected:?}"));
    cluster.delete_pod("web-2");
    let expected = mark_of("web", Priority::Urgent, period);
    assert_eq!(format!("{:?}", cluster.take_dirty()), format!("{expected:?}"));
    cluster.service_with("web", plain(), |service| {
        service["metadata"]["labels"] = json!({ "a": "b" });
    });
    let expected = mark_of("web", Priority::Normal, Duration::ZERO);
    assert_eq!(format!("{:?}", cluster.take_dirty()), format!("{expected:?}"));
}

/// What it reads is watched for its sake, and it does not begin before all of it was read
/// (`TestWaitsForAllInformersToBeSynced2` upstream).
#[test]
fn services_pods_and_endpoints_are_read_before_anything_is_written() {
    let cluster = Cluster::new();
    assert_eq!(
        cluster.controller.reads(),
        [Kind::Service, Kind::Pod, Kind::Endpoints]
    );
}
