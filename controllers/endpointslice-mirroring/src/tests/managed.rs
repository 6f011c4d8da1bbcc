//! Endpoints that the Endpoints controller left when the selector of their Service was removed: the world holds a digest of
//! them alone.

use quaymaster_engine::Verdict;
use quaymaster_runtime::api::{Verb, WriteError};
use serde_json::{Value, json};

use super::cluster::{Cluster, subset};

fn managed() -> Value {
    json!({ "labels": { "endpoints.kubernetes.io/managed-by": "endpoint-controller" } })
}

fn one(ip: &str) -> Value {
    json!([subset(&[ip], &[], &[("", 80)])])
}

/// A Service whose selector is removed.
fn left() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.service(json!({ "selector": { "app": "db" } }));
    cluster.endpoints_with(managed(), one("10.0.0.1"));
    cluster.begin();
    assert!(cluster.write_all().is_empty());
    cluster.service(json!({}));
    assert_eq!(cluster.take_marked(), 1);
    cluster
}

#[test]
fn what_they_say_is_asked_for_once_and_mirrored() {
    let mut cluster = left();
    assert_eq!(cluster.write_all(), [Verb::Get, Verb::Create]);
    assert_eq!(cluster.shown(), ["IPv4 :80 = 10.0.0.1"]);
    let labels = &cluster.slices()[0]["metadata"]["labels"];
    assert_eq!(
        labels["endpoints.kubernetes.io/managed-by"],
        "endpoint-controller"
    );
    // What others do to the slice is put right without asking again.
    let name = cluster.only_slice();
    cluster.edited(&name, |slice| slice["endpoints"] = json!([]));
    assert_eq!(cluster.write_all(), [Verb::Update]);
}

#[test]
fn they_are_asked_for_again_when_they_change() {
    let mut cluster = left();
    cluster.write_all();
    cluster.endpoints_with(managed(), one("10.0.0.2"));
    assert_eq!(cluster.write_all(), [Verb::Get, Verb::Update]);
    assert_eq!(cluster.shown(), ["IPv4 :80 = 10.0.0.2"]);
    // Not where another label or annotation is all that changed.
    let mut metadata = managed();
    metadata["annotations"] = json!({ "note": "x" });
    cluster.endpoints_with(metadata, one("10.0.0.2"));
    assert_eq!(cluster.write_all(), [Verb::Update]);
    assert_eq!(
        cluster.slices()[0]["metadata"]["annotations"],
        json!({ "note": "x" })
    );
}

#[test]
fn nothing_is_written_of_what_the_watch_has_not_told_yet() {
    let mut cluster = left();
    let get = cluster.send();
    cluster.store_endpoints(managed(), one("10.0.0.2"));
    assert!(matches!(cluster.answer_content(&get), Verdict::Again));
    assert!(cluster.write_all().is_empty());
    cluster.tell_endpoints();
    assert_eq!(cluster.write_all(), [Verb::Create]);
    assert_eq!(cluster.shown(), ["IPv4 :80 = 10.0.0.2"]);
}

#[test]
fn what_they_said_before_the_watch_told_of_a_change_is_asked_for_again() {
    let mut cluster = left();
    let get = cluster.send();
    cluster.store_endpoints(managed(), one("10.0.0.2"));
    cluster.tell_endpoints();
    cluster.store_endpoints(managed(), one("10.0.0.1"));
    assert!(matches!(cluster.answer_content(&get), Verdict::Again));
    cluster.store_endpoints(managed(), one("10.0.0.2"));
    assert_eq!(cluster.write_all(), [Verb::Get, Verb::Create]);
    assert_eq!(cluster.shown(), ["IPv4 :80 = 10.0.0.2"]);
}

#[test]
fn a_question_that_fails_is_asked_again() {
    let mut cluster = left();
    let get = cluster.send();
    let verdict = cluster.fail(&get, &WriteError::Aborted);
    assert!(matches!(verdict, Verdict::Retry { notice: None }));
    assert_eq!(cluster.write_all(), [Verb::Get, Verb::Create]);
}

#[test]
fn endpoints_that_are_gone_when_they_are_asked_for_are_left_to_the_watch() {
    let mut cluster = left();
    let get = cluster.send();
    cluster.no_endpoints();
    assert!(matches!(cluster.answer_content(&get), Verdict::Again));
    assert!(cluster.write_all().is_empty());
    assert!(cluster.controller.mirrors.is_empty());
}

#[test]
fn without_the_label_they_are_read_where_they_are() {
    let mut cluster = left();
    cluster.write_all();
    cluster.endpoints(one("10.0.0.3"));
    assert_eq!(cluster.write_all(), [Verb::Update]);
    assert_eq!(cluster.shown(), ["IPv4 :80 = 10.0.0.3"]);
}

/// kubernetes/kubernetes#103576 and #111929: what the other controllers left stays, and the mirrored slices follow the
/// Endpoints.
#[test]
fn slices_of_the_endpointslice_controller_stay_beside_mirrored_ones() {
    let mut cluster = Cluster::new();
    cluster.service(json!({}));
    cluster.endpoints_with(managed(), one("10.0.0.1"));
    cluster.slice("db-left", |slice| {
        slice["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] =
            json!("endpointslice-controller.k8s.io");
        slice["endpoints"] = json!([{ "addresses": ["10.0.0.9"], "conditions": { "ready": true } }]);
    });
    cluster.begin();
    assert_eq!(cluster.write_all(), [Verb::Get, Verb::Create]);
    assert_eq!(cluster.shown(), ["IPv4  = 10.0.0.9", "IPv4 :80 = 10.0.0.1"]);
}
