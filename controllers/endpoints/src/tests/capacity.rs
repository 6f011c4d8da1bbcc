//! More than a thousand addresses.
//!
//! | Rule | Test |
//! |---|---|
//! | cut | `what_is_more_than_a_thousand_is_left_out_and_an_annotation_says_so` |
//! | cut objects that are right | `truncated_endpoints_are_not_written_again` |
//! | cut to nothing | `a_cut_that_leaves_a_subset_nothing_is_stored_without_it` |
//! | annotation | `the_annotation_goes_with_its_reason`, `a_wrong_annotation_is_put_right` |

use serde_json::{Value, json};

use super::cluster::{Cluster, plain};

const ANNOTATION: &str = "endpoints.kubernetes.io/over-capacity";

/// A Service with so many Pods that are ready, and so many that are not.
fn with_pods(ready: usize, others: usize) -> Cluster {
    let mut cluster = Cluster::new();
    cluster.service("web", plain());
    for number in 0..ready + others {
        pod(&mut cluster, number, number < ready);
    }
    cluster.begin();
    assert_eq!(cluster.settle(), ["create web"]);
    cluster
}

fn pod(cluster: &mut Cluster, number: usize, ready: bool) {
    let ip = format!("10.0.{}.{}", number / 250, number % 250 + 1);
    cluster.pod_with(&format!("web-{number}"), &ip, |pod| {
        pod["status"]["conditions"][0]["status"] = json!(if ready { "True" } else { "False" });
    });
}

/// Numbers of addresses that are ready and not, and the annotation.
fn stored(cluster: &Cluster) -> (usize, usize, &Value) {
    let endpoints = cluster.stored("web");
    let count = |list| endpoints["subsets"][0][list].as_array().map_or(0, Vec::len);
    let annotation = &endpoints["metadata"]["annotations"][ANNOTATION];
    (count("addresses"), count("notReadyAddresses"), annotation)
}

#[test]
fn what_is_more_than_a_thousand_is_left_out_and_an_annotation_says_so() {
    let truncated = json!("truncated");
    for (pods, left, annotation) in [
        ((0, 0), (0, 0), &Value::Null),
        ((997, 4), (997, 3), &truncated),
        ((1000, 0), (1000, 0), &Value::Null),
        ((1000, 10), (1000, 0), &truncated),
        ((1001, 10), (1000, 0), &truncated),
    ] {
        let cluster = with_pods(pods.0, pods.1);
        assert_eq!(stored(&cluster), (left.0, left.1, annotation), "{pods:?}");
    }
}

/// kube-controller-manager writes them on every sync (kubernetes/kubernetes#127370).
#[test]
fn truncated_endpoints_are_not_written_again() {
    let mut cluster = with_pods(1001, 0);
    let shown = |cluster: &mut Cluster, count: u32| {
        let line = format!("quaymaster_endpoints_truncated {count}");
        let metrics = cluster.metrics();
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    };
    shown(&mut cluster, 1);
    cluster.restart();
    assert_eq!(cluster.settle(), [""; 0]);
    shown(&mut cluster, 1);
    // The last as text, which is the one that is left out.
    pod(&mut cluster, 1000, false);
    assert_eq!(cluster.settle(), [""; 0]);
    pod(&mut cluster, 0, false);
    assert_eq!(cluster.settle(), ["update web"]);
    assert_eq!(stored(&cluster), (999, 1, &json!("truncated")));
    cluster.delete_pod("web-0");
    assert_eq!(cluster.settle(), ["update web"]);
    assert_eq!(stored(&cluster), (999, 1, &Value::Null));
    shown(&mut cluster, 0);
}

/// The API refuses a subset without addresses, and kube-controller-manager asks for it.
#[test]
fn a_cut_that_leaves_a_subset_nothing_is_stored_without_it() {
    let mut cluster = Cluster::new();
    let port = json!({"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"});
    let mut spec = plain();
    spec["ports"] = json!([port]);
    cluster.service("web", spec);
    for number in 0..1010 {
        let ip = format!("10.0.{}.{}", number / 250, number % 250 + 1);
        cluster.pod_with(&format!("web-{number}"), &ip, |pod| {
            let ports = json!([{"name": "http", "containerPort": 1000 + number, "protocol": "TCP"}]);
            pod["spec"]["containers"] = json!([{"name": "web", "ports": ports}]);
        });
    }
    cluster.begin();
    assert_eq!(cluster.settle(), ["create web"]);
    let subsets = cluster.stored("web")["subsets"].clone();
    let subsets = subsets.as_array().unwrap();
    assert_eq!(subsets.len(), 1000);
    assert!(
        subsets
            .iter()
            .all(|subset| subset["addresses"].as_array().is_some_and(|all| all.len() == 1))
    );
    cluster.restart();
    assert_eq!(cluster.settle(), [""; 0]);
}

#[test]
fn the_annotation_goes_with_its_reason() {
    let mut cluster = with_pods(1001, 0);
    cluster.delete_pod("web-0");
    assert_eq!(cluster.settle(), ["update web"]);
    assert_eq!(stored(&cluster), (1000, 0, &Value::Null));
}

#[test]
fn a_wrong_annotation_is_put_right() {
    let truncated = json!("truncated");
    for (pods, wrong, right) in [
        (2, json!("truncated"), &Value::Null),
        (2, json!("warning"), &Value::Null),
        (1000, json!("truncated"), &Value::Null),
        (1001, json!("warning"), &truncated),
        (1001, Value::Null, &truncated),
    ] {
        let mut cluster = with_pods(pods, 0);
        cluster.edit("web", |endpoints| {
            let annotations = endpoints["metadata"]["annotations"].as_object_mut().unwrap();
            annotations.remove(ANNOTATION);
            if !wrong.is_null() {
                annotations.insert(ANNOTATION.to_owned(), wrong.clone());
            }
        });
        cluster.tell_endpoints("web");
        cluster.restart();
        assert_eq!(cluster.settle(), ["update web"], "{pods} {wrong}");
        assert_eq!(stored(&cluster).2, right);
    }
}
