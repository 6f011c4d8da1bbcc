//! What goes when a cluster does without an Endpoints controller.

use std::time::Duration;

use quaymaster_engine::Verdict;
use quaymaster_runtime::api::{Verb, WriteError};
use quaymaster_runtime::metrics::Registry;
use serde_json::{Value, json};

use super::cluster::{Cluster, plain};
use crate::Cleanup;

const MANAGED: &str = "endpoints.kubernetes.io/managed-by";

fn left() -> Value {
    json!({ "metadata": { "labels": { MANAGED: "endpoint-controller" } } })
}

fn without_selector() -> Value {
    let mut spec = plain();
    spec["selector"] = Value::Null;
    spec
}

fn cluster() -> Cluster<Cleanup> {
    Cluster::with(Cleanup::new(Duration::from_mins(10)), Registry::new())
}

#[test]
fn only_managed_endpoints_of_services_that_select_pods_go() {
    let mut cluster = cluster();
    for name in ["web", "by-hand", "by-another", "lock"] {
        cluster.service(name, plain());
    }
    cluster.service("bare", without_selector());
    cluster.service(
        "external",
        json!({ "type": "ExternalName", "selector": { "app": "web" } }),
    );
    cluster.put("web", &left());
    cluster.put("by-hand", &json!({}));
    cluster.put(
        "by-another",
        &json!({ "metadata": { "labels": { MANAGED: "somebody" } } }),
    );
    let mut lock = left();
    lock["metadata"]["annotations"] = json!({ "control-plane.alpha.kubernetes.io/leader": "" });
    cluster.put("lock", &lock);
    for name in ["bare", "external", "without-a-service"] {
        cluster.put(name, &left());
    }
    cluster.begin();
    assert_eq!(cluster.settle(), ["get web", "delete web"]);
    assert_eq!(*cluster.stored("web"), Value::Null);
}

#[test]
fn what_somebody_writes_in_the_time_of_grace_stays() {
    let mut cluster = cluster();
    cluster.service("web", plain());
    cluster.put("web", &left());
    cluster.begin();
    cluster.edit("web", |endpoints| {
        endpoints["subsets"] = json!([{ "addresses": [{ "ip": "10.0.0.1" }] }]);
    });
    cluster.tell_endpoints("web");
    assert_eq!(cluster.settle(), [""; 0]);
    cluster.begin_term();
    assert_eq!(
        cluster.settle(),
        ["get web", "delete web"],
        "a new term looks anew"
    );
}

#[test]
fn a_service_that_has_lost_its_selector_keeps_its_endpoints() {
    let mut cluster = cluster();
    cluster.service("web", plain());
    cluster.put("web", &left());
    cluster.begin();
    cluster.store_service("web", without_selector(), |_| ());
    assert_eq!(cluster.settle(), ["get web"], "the watch has not told of it");
    let mut cluster = cluster_with_web();
    cluster.service("web", without_selector());
    assert_eq!(cluster.settle(), [""; 0]);
}

fn cluster_with_web() -> Cluster<Cleanup> {
    let mut cluster = cluster();
    cluster.service("web", plain());
    cluster.put("web", &left());
    cluster.begin();
    cluster
}

#[test]
fn what_changes_right_before_its_deletion_stays_and_a_failure_is_tried_again() {
    let mut cluster = cluster_with_web();
    let mut question = cluster.send("web").unwrap();
    let outcome = cluster.carry_out(&mut question);
    assert_eq!(cluster.answer(&question, outcome), Verdict::Again);
    let deletion = cluster.send("web").unwrap();
    assert_eq!(deletion.verb, Verb::Delete);
    assert!(cluster.send("web").is_none(), "one request at a time");
    let failed = Err(WriteError::Aborted);
    assert_eq!(cluster.answer(&deletion, failed), Verdict::Retry { notice: None });
    assert_eq!(cluster.send_and_store("web"), Verb::Get, "it is asked again");
    let mut deletion = cluster.send("web").unwrap();
    cluster.edit("web", |_| ());
    let outcome = cluster.carry_out(&mut deletion);
    assert!(matches!(outcome, Err(WriteError::Conflict { .. })));
    assert_eq!(cluster.answer(&deletion, outcome), Verdict::Done);
    assert!(cluster.send("web").is_none());
}
