//! Which Pods are endpoints, and what of them is shown.

use kube::api::{Patch, PatchParams};
use quaymaster_testkit::{node, objects};
use serde_json::json;

use crate::harness::{Test, fresh_ip, on_each_minor};

on_each_minor!(
    a_pod_that_has_ended_is_no_endpoint,
    a_pod_gets_in_with_its_address,
    an_endpoint_tells_pod_node_and_zone,
    a_pod_on_an_unknown_node_waits_for_the_node,
    a_pod_on_an_unknown_node_does_not_wait_where_unready_pods_are_published,
    two_pods_with_one_address_are_two_endpoints,
    a_pod_that_is_replaced_under_its_name_is_told_apart,
);

async fn a_pod_that_has_ended_is_no_endpoint(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    for name in ["a", "b", "c"] {
        t.pod(name, "web").create(&t.client).await.unwrap();
    }
    t.expect("web", ["IPv4 http:8080 = a b c"]).await;
    for (name, phase) in [("a", "Succeeded"), ("b", "Failed")] {
        t.ready(name, false).await;
        objects::set_phase(&t.client, &t.namespace, name, phase)
            .await
            .unwrap();
    }
    t.expect("web", ["IPv4 http:8080 = c"]).await;
}

async fn a_pod_gets_in_with_its_address(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    let pod = t.pod("a", "web").ips([] as [&str; 0]);
    pod.create(&t.client).await.unwrap();
    t.pod("b", "web").create(&t.client).await.unwrap();
    t.expect("web", ["IPv4 http:8080 = b"]).await;
    let ip = fresh_ip();
    let status = json!({"status": {"podIP": ip, "podIPs": [{"ip": ip}]}});
    t.pods()
        .patch_status("a", &PatchParams::default(), &Patch::Merge(status))
        .await
        .unwrap();
    t.expect("web", ["IPv4 http:8080 = a b"]).await;
}

async fn an_endpoint_tells_pod_node_and_zone(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    let pod = t.pod("a", "web").node("node-b").create(&t.client).await.unwrap();
    let slices = t.expect("web", ["IPv4 http:8080 = a"]).await;
    let endpoint = serde_json::to_value(&slices[0].endpoints.as_ref().unwrap()[0]).unwrap();
    let wanted = json!({
        "addresses": [pod.status.unwrap().pod_ip],
        "conditions": {"ready": true, "serving": true, "terminating": false},
        "nodeName": "node-b",
        "zone": "zone-b",
        "targetRef": {"kind": "Pod", "name": "a", "namespace": t.namespace, "uid": pod.metadata.uid},
    });
    assert_eq!(endpoint, wanted);
}

/// Made so that it counts for no other test's hints.
async fn late_node(t: &Test, name: &str) {
    let node = node(name)
        .labels([("node-role.kubernetes.io/control-plane", "")])
        .zone("zone-late")
        .ready();
    node.create(&t.client).await.unwrap();
}

async fn a_pod_on_an_unknown_node_waits_for_the_node(t: &Test) {
    let late = format!("late-{}", t.namespace);
    t.service("web").create(&t.client).await.unwrap();
    t.pod("here", "web").create(&t.client).await.unwrap();
    t.pod("there", "web").node(&late).create(&t.client).await.unwrap();
    t.expect("web", ["IPv4 http:8080 = here"]).await;
    late_node(t, &late).await;
    let slices = t.expect("web", ["IPv4 http:8080 = here there"]).await;
    let zones: Vec<_> = slices[0]
        .endpoints
        .iter()
        .flatten()
        .filter_map(|endpoint| endpoint.zone.clone())
        .collect();
    assert!(zones.contains(&"zone-late".to_owned()), "{zones:?}");
}

async fn a_pod_on_an_unknown_node_does_not_wait_where_unready_pods_are_published(t: &Test) {
    t.service("web")
        .publish_not_ready()
        .create(&t.client)
        .await
        .unwrap();
    t.pod("there", "web")
        .node("nowhere")
        .create(&t.client)
        .await
        .unwrap();
    let slices = t.expect("web", ["IPv4 http:8080 = there"]).await;
    let endpoint = &slices[0].endpoints.as_ref().unwrap()[0];
    assert_eq!(
        (endpoint.node_name.as_deref(), endpoint.zone.as_deref()),
        (Some("nowhere"), None)
    );
}

async fn two_pods_with_one_address_are_two_endpoints(t: &Test) {
    let ip = fresh_ip();
    t.service("web").create(&t.client).await.unwrap();
    t.pod("old", "web")
        .ip(&ip)
        .terminating()
        .create(&t.client)
        .await
        .unwrap();
    t.pod("new", "web").ip(&ip).create(&t.client).await.unwrap();
    t.expect("web", ["IPv4 http:8080 = new old-draining"]).await;
}

async fn a_pod_that_is_replaced_under_its_name_is_told_apart(t: &Test) {
    let ip = fresh_ip();
    t.service("web").create(&t.client).await.unwrap();
    t.pod("a", "web").ip(&ip).create(&t.client).await.unwrap();
    t.expect("web", ["IPv4 http:8080 = a"]).await;
    t.remove("a").await;
    let successor = t.pod("a", "web").ip(&ip).create(&t.client).await.unwrap();
    t.expect_slices("web", "the successor's uid", |slices| {
        let target = slices[0]
            .endpoints
            .iter()
            .flatten()
            .next()
            .and_then(|endpoint| endpoint.target_ref.clone());
        let uid = target.and_then(|target| target.uid);
        if uid == successor.metadata.uid {
            Ok(())
        } else {
            Err(format!("{uid:?}"))
        }
    })
    .await;
}
