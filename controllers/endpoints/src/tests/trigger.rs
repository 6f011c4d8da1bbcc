//! The trigger-time annotation.
//!
//! | Rule | Test |
//! |---|---|
//! | new Service | `the_first_endpoints_carry_the_creation_time_of_the_service`, `after_a_restart_the_first_write_carries_the_creation_time_of_the_service` |
//! | earliest change | `a_write_carries_the_earliest_change_it_stems_from` |
//! | nothing newer | `a_write_without_a_newer_change_removes_the_annotation`, `a_change_that_writes_nothing_leaves_no_time_behind` |
//! | other changes | `a_pod_that_went_and_comes_back_brings_its_new_time`, `a_changed_service_has_no_time_of_its_change`, `a_service_that_is_made_again_brings_its_own_creation_time` |
//! | failed writes | `the_time_of_a_failed_write_goes_into_the_next_of_endpoints` |

use quaymaster_engine::Verdict;
use quaymaster_runtime::api::WriteError;
use serde_json::{Value, json};

use super::cluster::{Cluster, plain};

const ANNOTATION: &str = "endpoints.kubernetes.io/last-change-trigger-time";

fn settled() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.service("web", plain());
    since(&mut cluster, 1, "True", "2026-01-01T00:00:01Z");
    since(&mut cluster, 2, "True", "2026-01-01T00:00:02Z");
    cluster.begin();
    assert_eq!(cluster.settle(), ["create web"]);
    cluster
}

/// A Pod that is ready or not since then.
fn since(cluster: &mut Cluster, number: u8, ready: &str, time: &str) {
    cluster.pod_with(&format!("web-{number}"), &format!("10.0.0.{number}"), |pod| {
        pod["status"]["conditions"] =
            json!([{ "type": "Ready", "status": ready, "lastTransitionTime": time }]);
    });
}

fn annotation(cluster: &Cluster) -> &Value {
    &cluster.stored("web")["metadata"]["annotations"][ANNOTATION]
}

#[test]
fn the_first_endpoints_carry_the_creation_time_of_the_service() {
    assert_eq!(annotation(&settled()), "2026-01-01T00:00:00Z");
}

#[test]
fn after_a_restart_the_first_write_carries_the_creation_time_of_the_service() {
    let mut cluster = settled();
    cluster.restart();
    since(&mut cluster, 1, "False", "2026-01-01T01:00:00Z");
    assert_eq!(cluster.settle(), ["update web"]);
    assert_eq!(annotation(&cluster), "2026-01-01T00:00:00Z");
}

#[test]
fn a_write_carries_the_earliest_change_it_stems_from() {
    let mut cluster = settled();
    since(&mut cluster, 1, "False", "2026-01-01T01:00:10Z");
    since(&mut cluster, 2, "False", "2026-01-01T01:00:05Z");
    since(&mut cluster, 3, "True", "2026-01-01T01:00:07Z");
    assert_eq!(cluster.settle(), ["update web"]);
    assert_eq!(
        annotation(&cluster),
        "2026-01-01T01:00:05Z",
        "it takes the place of the older one"
    );
    since(&mut cluster, 1, "True", "2026-01-01T02:00:00Z");
    assert_eq!(cluster.settle(), ["update web"]);
    assert_eq!(
        annotation(&cluster),
        "2026-01-01T02:00:00Z",
        "the older time is spent"
    );
}

#[test]
fn a_write_without_a_newer_change_removes_the_annotation() {
    let mut cluster = settled();
    cluster.delete_pod("web-1");
    assert_eq!(cluster.settle(), ["update web"]);
    assert_eq!(*annotation(&cluster), Value::Null);
    cluster.restart();
    assert_eq!(
        cluster.settle(),
        [""; 0],
        "a missing annotation alone is no reason to write"
    );
}

#[test]
fn a_change_that_writes_nothing_leaves_no_time_behind() {
    let mut cluster = settled();
    // It goes and comes before anything is written.
    since(&mut cluster, 1, "False", "2026-01-01T01:00:00Z");
    since(&mut cluster, 1, "True", "2026-01-01T01:00:01Z");
    assert_eq!(cluster.settle(), [""; 0]);
    cluster.delete_pod("web-2");
    assert_eq!(cluster.settle(), ["update web"]);
    assert_eq!(*annotation(&cluster), Value::Null);
}

/// kube-controller-manager removes the annotation then.
#[test]
fn the_time_of_a_failed_write_goes_into_the_next_of_endpoints() {
    let mut cluster = settled();
    since(&mut cluster, 1, "False", "2026-01-01T01:00:00Z");
    let request = cluster.send("web").unwrap();
    since(&mut cluster, 2, "False", "2026-01-01T01:00:05Z");
    let refused = WriteError::Conflict {
        message: "no".to_owned(),
    };
    assert!(matches!(
        cluster.answer(&request, Err(refused)),
        Verdict::Retry { .. }
    ));
    assert_eq!(cluster.settle(), ["update web"]);
    assert_eq!(annotation(&cluster), "2026-01-01T01:00:00Z");
}

#[test]
fn a_pod_that_went_and_comes_back_brings_its_new_time() {
    let mut cluster = settled();
    cluster.delete_pod("web-2");
    cluster.settle();
    since(&mut cluster, 2, "True", "2026-01-01T01:00:00Z");
    assert_eq!(cluster.settle(), ["update web"]);
    assert_eq!(annotation(&cluster), "2026-01-01T01:00:00Z");
}

#[test]
fn a_changed_service_has_no_time_of_its_change() {
    let mut cluster = settled();
    let mut spec = plain();
    spec["ports"] = json!([{ "port": 80, "targetPort": 9090 }]);
    cluster.service("web", spec);
    assert_eq!(cluster.settle(), ["update web"]);
    assert_eq!(*annotation(&cluster), Value::Null);
}

#[test]
fn a_service_that_is_made_again_brings_its_own_creation_time() {
    let mut cluster = settled();
    cluster.delete_service("web");
    cluster.settle();
    cluster.service_with("web", plain(), |service| {
        service["metadata"]["uid"] = json!("uid-of-the-second");
        service["metadata"]["creationTimestamp"] = json!("2026-01-01T03:00:00Z");
    });
    assert_eq!(cluster.settle(), ["create web"]);
    assert_eq!(annotation(&cluster), "2026-01-01T03:00:00Z");
}
