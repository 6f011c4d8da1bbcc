//! What needs a write, and what is kept by it.
//!
//! | Rule | Test |
//! |---|---|
//! | nothing to do | `a_restart_over_what_was_written_writes_nothing`, `the_way_in_which_subsets_are_said_is_no_reason_to_write` |
//! | empty | `null_and_empty_subsets_are_the_same` |
//! | content | `each_wrong_field_of_the_content_is_put_right`, `another_version_of_a_pod_is_no_change` |
//! | labels | `labels_are_those_of_the_service`, `a_wrong_headless_label_alone_writes_nothing`, `a_service_that_carries_the_reserved_labels_is_written_once` |
//! | annotations | `annotations_of_others_stay_and_those_of_the_service_are_not_copied` |
//! | all else | `owners_finalizers_and_unknown_fields_stay` |
//! | edits | `what_somebody_edits_is_put_right_at_once`, `what_somebody_adds_beside_it_is_left_alone`, `endpoints_that_somebody_deletes_are_made_again` |

use quaymaster_runtime::api::Verb;
use serde_json::{Value, json};

use super::cluster::{Cluster, plain};

fn settled() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.service_with("web", plain(), |service| {
        service["metadata"]["labels"] = json!({ "team": "blue" });
        service["metadata"]["annotations"] = json!({ "of-the-service": "x" });
    });
    cluster.pod("web-1", "10.0.0.1");
    cluster.pod("web-2", "10.0.0.2");
    cluster.pod_with("web-3", "10.0.0.3", |pod| pod["status"]["conditions"] = json!([]));
    cluster.begin();
    assert_eq!(cluster.settle(), ["create web"]);
    cluster
}

#[test]
fn a_restart_over_what_was_written_writes_nothing() {
    let mut cluster = settled();
    cluster.restart();
    assert_eq!(cluster.settle(), [""; 0]);
}

#[test]
fn the_way_in_which_subsets_are_said_is_no_reason_to_write() {
    let mut cluster = settled();
    cluster.edit("web", |endpoints| {
        let subset = endpoints["subsets"][0].clone();
        let one = |list: &str, at: usize| json!({ list: [subset[list][at]], "ports": subset["ports"] });
        endpoints["subsets"] = json!([
            one("notReadyAddresses", 0),
            {},
            one("addresses", 1),
            one("addresses", 0),
            { "ports": subset["ports"] },
        ]);
    });
    cluster.tell_endpoints("web");
    cluster.restart();
    assert_eq!(cluster.settle(), [""; 0]);
}

#[test]
fn null_and_empty_subsets_are_the_same() {
    for subsets in [Value::Null, json!([])] {
        let mut cluster = Cluster::new();
        cluster.service("web", plain());
        let labels = json!({ "labels": { "endpoints.kubernetes.io/managed-by": "endpoint-controller" } });
        cluster.put("web", &json!({ "metadata": labels, "subsets": subsets }));
        cluster.begin();
        assert_eq!(cluster.settle(), [""; 0]);
    }
}

#[test]
fn each_wrong_field_of_the_content_is_put_right() {
    let edits: [fn(&mut Value); 9] = [
        |subset| subset["addresses"][0]["ip"] = json!("10.0.0.9"),
        |subset| subset["addresses"][0]["nodeName"] = json!("node-2"),
        |subset| subset["addresses"][0]["hostname"] = json!("h"),
        |subset| subset["addresses"][0]["targetRef"]["uid"] = json!("uid-of-another"),
        |subset| subset["addresses"][0]["targetRef"]["fieldPath"] = json!("x"),
        |subset| subset["notReadyAddresses"] = Value::Null,
        |subset| subset["ports"][0]["port"] = json!(8081),
        |subset| subset["ports"][0]["appProtocol"] = json!("h2c"),
        |subset| *subset = json!({}),
    ];
    for edit in edits {
        let mut cluster = settled();
        let right = cluster.stored("web")["subsets"].clone();
        cluster.edit("web", |endpoints| edit(&mut endpoints["subsets"][0]));
        cluster.tell_endpoints("web");
        cluster.restart();
        assert_eq!(cluster.settle(), ["update web"]);
        assert_eq!(cluster.stored("web")["subsets"], right);
    }
}

/// kube-controller-manager once wrote the resourceVersion of the Pod, and does not write for it alone.
#[test]
fn another_version_of_a_pod_is_no_change() {
    let mut cluster = settled();
    cluster.edit("web", |endpoints| {
        endpoints["subsets"][0]["addresses"][0]["targetRef"]["resourceVersion"] = json!("7");
    });
    cluster.tell_endpoints("web");
    cluster.restart();
    assert_eq!(cluster.settle(), [""; 0]);
    cluster.pod("web-1", "10.0.0.1");
    assert_eq!(cluster.settle(), [""; 0]);
}

#[test]
fn labels_are_those_of_the_service() {
    let mut cluster = settled();
    let labels = |cluster: &Cluster| cluster.stored("web")["metadata"]["labels"].clone();
    let managed = json!({ "team": "blue", "endpoints.kubernetes.io/managed-by": "endpoint-controller" });
    assert_eq!(labels(&cluster), managed);
    for wrong in [
        json!({ "team": "red", "endpoints.kubernetes.io/managed-by": "endpoint-controller" }),
        json!({ "endpoints.kubernetes.io/managed-by": "endpoint-controller" }),
        json!({ "team": "blue", "more": "", "endpoints.kubernetes.io/managed-by": "endpoint-controller" }),
        json!({ "team": "blue", "endpoints.kubernetes.io/managed-by": "somebody" }),
        json!({ "team": "blue" }),
    ] {
        cluster.edit("web", |endpoints| endpoints["metadata"]["labels"] = wrong);
        cluster.tell_endpoints("web");
        cluster.restart();
        assert_eq!(cluster.settle(), ["update web"]);
        assert_eq!(labels(&cluster), managed);
    }
    cluster.service_with("web", plain(), |service| {
        service["metadata"]["labels"] = json!({ "app": "shop", "team": "green" });
    });
    assert_eq!(cluster.settle(), ["update web"]);
    assert_eq!(
        labels(&cluster),
        json!({ "app": "shop", "team": "green", "endpoints.kubernetes.io/managed-by": "endpoint-controller" })
    );
}

#[test]
fn a_wrong_headless_label_alone_writes_nothing() {
    let mut cluster = settled();
    let headless = "service.kubernetes.io/headless";
    cluster.edit("web", |endpoints| {
        endpoints["metadata"]["labels"][headless] = json!("");
    });
    cluster.tell_endpoints("web");
    assert_eq!(cluster.settle(), [""; 0], "told while it runs");
    cluster.restart();
    assert_eq!(cluster.settle(), [""; 0], "found at the start");
    cluster.delete_pod("web-1");
    assert_eq!(cluster.settle(), ["update web"]);
    assert_eq!(cluster.stored("web")["metadata"]["labels"][headless], Value::Null);
}

#[test]
fn a_headless_service_has_a_label_that_says_so() {
    for (cluster_ip, own) in [
        ("None", json!({})),
        ("", json!({})),
        ("None", json!({ "service.kubernetes.io/headless": "mine" })),
    ] {
        let mut cluster = Cluster::new();
        let mut spec = plain();
        spec["clusterIP"] = json!(cluster_ip);
        cluster.service_with("web", spec, |service| service["metadata"]["labels"] = own.clone());
        cluster.pod("web-1", "10.0.0.1");
        cluster.begin();
        cluster.settle();
        let labels = &cluster.stored("web")["metadata"]["labels"];
        assert_eq!(
            labels["service.kubernetes.io/headless"], "",
            "{cluster_ip:?} {own}"
        );
    }
}

/// kube-controller-manager counts them, and writes on every sync.
#[test]
fn a_service_that_carries_the_reserved_labels_is_written_once() {
    let mut cluster = Cluster::new();
    cluster.service_with("web", plain(), |service| {
        service["metadata"]["labels"] = json!({
            "service.kubernetes.io/headless": "yes",
            "endpoints.kubernetes.io/managed-by": "me",
            "team": "blue",
        });
    });
    cluster.begin();
    assert_eq!(cluster.settle(), ["create web"]);
    assert_eq!(
        cluster.stored("web")["metadata"]["labels"],
        json!({ "team": "blue", "endpoints.kubernetes.io/managed-by": "endpoint-controller" })
    );
    cluster.restart();
    assert_eq!(cluster.settle(), [""; 0]);
}

#[test]
fn annotations_of_others_stay_and_those_of_the_service_are_not_copied() {
    let mut cluster = settled();
    cluster.edit("web", |endpoints| {
        endpoints["metadata"]["annotations"]["mine"] = json!("kept");
    });
    cluster.tell_endpoints("web");
    assert_eq!(cluster.settle(), [""; 0]);
    cluster.delete_pod("web-1");
    assert_eq!(cluster.settle(), ["update web"]);
    assert_eq!(
        cluster.stored("web")["metadata"]["annotations"],
        json!({ "mine": "kept" })
    );
}

#[test]
fn owners_finalizers_and_unknown_fields_stay() {
    let mut cluster = settled();
    let owner = json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "u" });
    cluster.edit("web", |endpoints| {
        endpoints["metadata"]["ownerReferences"] = json!([owner]);
        endpoints["metadata"]["finalizers"] = json!(["example.com/f"]);
        endpoints["metadata"]["later"] = json!({ "a": 1 });
        endpoints["extra"] = json!([true]);
    });
    cluster.tell_endpoints("web");
    cluster.delete_pod("web-1");
    assert_eq!(cluster.settle(), ["update web"]);
    let stored = cluster.stored("web");
    assert_eq!(stored["metadata"]["ownerReferences"], json!([owner]));
    assert_eq!(stored["metadata"]["finalizers"], json!(["example.com/f"]));
    assert_eq!(
        (&stored["metadata"]["later"], &stored["extra"]),
        (&json!({ "a": 1 }), &json!([true]))
    );
}

#[test]
fn what_somebody_edits_is_put_right_at_once() {
    let edits: [fn(&mut Value); 4] = [
        |endpoints| endpoints["subsets"] = json!([]),
        |endpoints| endpoints["metadata"]["labels"]["more"] = json!("x"),
        |endpoints| {
            endpoints["metadata"]["annotations"]["endpoints.kubernetes.io/over-capacity"] = json!("warning");
        },
        // The apiserver shows it as no longer managed, and its content whole.
        |endpoints| endpoints["metadata"]["labels"] = json!({ "team": "blue" }),
    ];
    for edit in edits {
        let mut cluster = settled();
        let right = cluster.stored("web").clone();
        cluster.edit("web", edit);
        cluster.tell_endpoints("web");
        let repaired: Vec<String> = cluster
            .take_dirty()
            .repaired()
            .map(|key| key.name.to_string())
            .collect();
        assert_eq!(repaired, ["web"], "slower where it happens again and again");
        assert_eq!(cluster.send_and_store("web"), Verb::Update);
        assert_eq!(cluster.stored("web")["subsets"], right["subsets"]);
        assert_eq!(
            cluster.stored("web")["metadata"]["labels"],
            right["metadata"]["labels"]
        );
    }
}

#[test]
fn what_somebody_adds_beside_it_is_left_alone() {
    let mut cluster = settled();
    cluster.edit("web", |endpoints| {
        endpoints["metadata"]["annotations"]["mine"] = json!("x");
    });
    cluster.tell_endpoints("web");
    assert!(cluster.take_marked().is_empty(), "nothing is even computed");
}

#[test]
fn endpoints_that_somebody_deletes_are_made_again() {
    let mut cluster = settled();
    cluster.delete_endpoints("web");
    assert_eq!(cluster.settle(), ["create web"]);
    assert_eq!(
        cluster.stored("web")["subsets"][0]["addresses"][1]["ip"],
        "10.0.0.2"
    );
}
