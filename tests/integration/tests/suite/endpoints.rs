//! v1 Endpoints.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Endpoints, ResourceQuota};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use quaymaster_testkit::objects;
use serde_json::{Value, json};

use crate::harness::{FENCE, Test, USER, fresh_ip, fresh_ipv6, on_each_minor};

on_each_minor!(
    endpoints_follow_the_pods_of_their_service,
    a_terminating_pod_is_taken_out_at_once_and_one_that_is_published_in_any_case_stays,
    pods_with_other_numbers_for_a_port_are_a_subset_of_their_own,
    endpoints_hold_the_primary_family_alone,
    a_headless_service_marks_its_endpoints,
    endpoints_go_with_their_service_and_a_new_service_of_the_name_gets_new_ones,
    a_service_without_a_selector_does_not_inherit_the_endpoints_of_an_earlier_one,
    edited_endpoints_of_a_service_are_put_right,
    deleted_endpoints_of_a_service_are_made_again,
    hand_made_endpoints_of_a_service_without_a_selector_are_left_alone,
    an_external_name_service_gets_endpoints_when_it_becomes_another_type,
    refused_endpoints_are_told_on_the_endpoints,
    one_change_of_a_pod_is_one_write_of_endpoints,
);

const MANAGED: (&str, &str) = ("endpoints.kubernetes.io/managed-by", "endpoint-controller");

fn selector(app: &str) -> BTreeMap<String, String> {
    [("app".to_owned(), app.to_owned())].into()
}

async fn edit(t: &Test, name: &str, patch: Value) -> Endpoints {
    t.endpoints()
        .patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap()
}

/// Writes of Endpoints of this test's namespace by the binary since the mark, once there were none for a while.
async fn writes(t: &Test, mark: quaymaster_testkit::audit::Mark) -> Vec<String> {
    let ours = |entry: &quaymaster_testkit::audit::Entry| {
        entry.user.username == USER
            && entry.is_write()
            && entry.is_complete()
            && entry.resource() == "endpoints"
            && entry.namespace() == t.namespace
            && !entry.name().starts_with(FENCE)
    };
    let quiet = Duration::from_secs(1);
    let entries = t
        .cluster
        .plane
        .audit()
        .wait_quiet(mark, quiet, crate::harness::SOON, ours)
        .await;
    entries.unwrap().iter().map(|entry| entry.verb.clone()).collect()
}

async fn endpoints_follow_the_pods_of_their_service(t: &Test) {
    t.service("web")
        .labels([("team", "blue")])
        .create(&t.client)
        .await
        .unwrap();
    let empty = t.expect_subsets("web", []).await;
    assert_eq!(
        json!(empty.metadata.labels),
        json!({ "team": "blue", MANAGED.0: MANAGED.1 })
    );
    assert_eq!(empty.metadata.owner_references, None);
    t.pod("a", "web").create(&t.client).await.unwrap();
    t.pod("b", "web").unready().create(&t.client).await.unwrap();
    let endpoints = t.expect_subsets("web", ["http:8080 = a b-unready"]).await;
    let address = endpoints.subsets.unwrap()[0].addresses.clone().unwrap().remove(0);
    assert_eq!(address.node_name.as_deref(), Some("node-a"));
    let target = address.target_ref.unwrap();
    assert_eq!(
        (target.kind.as_deref(), target.namespace.as_deref()),
        (Some("Pod"), Some(&*t.namespace))
    );
    assert!(target.uid.is_some());
    t.ready("b", true).await;
    t.expect_subsets("web", ["http:8080 = a b"]).await;
    t.remove("a").await;
    t.expect_subsets("web", ["http:8080 = b"]).await;
    t.patch_service(
        "web",
        json!({"metadata": {"labels": {"team": null, "tier": "front"}}}),
    )
    .await;
    t.patch_service(
        "web",
        json!({"spec": {"ports": [{"name": "http", "port": 80, "targetPort": 9090}]}}),
    )
    .await;
    let endpoints = t.expect_subsets("web", ["http:9090 = b"]).await;
    assert_eq!(
        json!(endpoints.metadata.labels),
        json!({ "tier": "front", MANAGED.0: MANAGED.1 })
    );
}

async fn a_terminating_pod_is_taken_out_at_once_and_one_that_is_published_in_any_case_stays(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    t.service("all")
        .spec(|spec| spec.selector = Some(selector("web")))
        .publish_not_ready()
        .create(&t.client)
        .await
        .unwrap();
    t.pod("a", "web").create(&t.client).await.unwrap();
    t.pod("b", "web").unready().create(&t.client).await.unwrap();
    t.expect_subsets("web", ["http:8080 = a b-unready"]).await;
    t.expect_subsets("all", ["http:8080 = a b"]).await;
    objects::terminate(&t.client, &t.namespace, "a").await.unwrap();
    t.expect_subsets("web", ["http:8080 = b-unready"]).await;
    t.expect_subsets("all", ["http:8080 = a b"]).await;
}

async fn pods_with_other_numbers_for_a_port_are_a_subset_of_their_own(t: &Test) {
    t.bare_service("web")
        .target_port_name("http", 80, "http")
        .port("metrics", 9100, 9100)
        .create(&t.client)
        .await
        .unwrap();
    for (name, number) in [("a", 8080), ("b", 8081), ("c", 8080)] {
        t.pod(name, "web")
            .container_port("http", number)
            .create(&t.client)
            .await
            .unwrap();
    }
    t.pod("d", "web").create(&t.client).await.unwrap();
    t.expect_subsets(
        "web",
        ["http:8080 = a c", "http:8081 = b", "metrics:9100 = a b c d"],
    )
    .await;
}

async fn endpoints_hold_the_primary_family_alone(t: &Test) {
    for (name, families) in [("four", ["IPv4", "IPv6"]), ("six", ["IPv6", "IPv4"])] {
        let service = t.service(name).spec(|spec| spec.selector = Some(selector("web")));
        service.families(families).create(&t.client).await.unwrap();
    }
    t.pod("both", "web")
        .ips([fresh_ip(), fresh_ipv6()])
        .create(&t.client)
        .await
        .unwrap();
    t.pod("only-six", "web")
        .ip(fresh_ipv6())
        .create(&t.client)
        .await
        .unwrap();
    let four = t.expect_subsets("four", ["http:8080 = both"]).await;
    let six = t.expect_subsets("six", ["http:8080 = both only-six"]).await;
    let is_six = |endpoints: &Endpoints| {
        let subsets = endpoints.subsets.clone().unwrap();
        let addresses = subsets[0].addresses.clone().unwrap();
        addresses
            .iter()
            .map(|address| address.ip.contains(':'))
            .collect::<Vec<_>>()
    };
    assert_eq!((is_six(&four), is_six(&six)), (vec![false], vec![true, true]));
}

async fn a_headless_service_marks_its_endpoints(t: &Test) {
    let label = "service.kubernetes.io/headless";
    t.bare_service("bare").headless().create(&t.client).await.unwrap();
    t.service("web")
        .labels([(label, "mine")])
        .create(&t.client)
        .await
        .unwrap();
    t.pod("a", "bare").create(&t.client).await.unwrap();
    let bare = t.expect_subsets("bare", ["- = a"]).await;
    assert_eq!(bare.metadata.labels.unwrap()[label], "");
    let web = t.expect_subsets("web", []).await;
    assert!(!web.metadata.labels.unwrap().contains_key(label));
}

async fn endpoints_go_with_their_service_and_a_new_service_of_the_name_gets_new_ones(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    t.pod("a", "web").create(&t.client).await.unwrap();
    t.expect_subsets("web", ["http:8080 = a"]).await;
    t.delete_service("web").await;
    t.expect_no_endpoints("web").await;
    for _ in 0..5 {
        t.service("web").create(&t.client).await.unwrap();
        t.expect_subsets("web", ["http:8080 = a"]).await;
        t.delete_service("web").await;
    }
    t.service("web").create(&t.client).await.unwrap();
    // It stays: nobody deletes it for the sake of an earlier Service.
    tokio::time::sleep(Duration::from_secs(2)).await;
    t.expect_subsets("web", ["http:8080 = a"]).await;
}

async fn a_service_without_a_selector_does_not_inherit_the_endpoints_of_an_earlier_one(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    t.pod("a", "web").create(&t.client).await.unwrap();
    t.expect_subsets("web", ["http:8080 = a"]).await;
    t.delete_service("web").await;
    t.service("web")
        .spec(|spec| spec.selector = None)
        .create(&t.client)
        .await
        .unwrap();
    t.expect_no_endpoints("web").await;
}

async fn edited_endpoints_of_a_service_are_put_right(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    t.pod("a", "web").create(&t.client).await.unwrap();
    t.expect_subsets("web", ["http:8080 = a"]).await;
    edit(
        t,
        "web",
        json!({"subsets": [{"addresses": [{"ip": "192.0.2.1"}], "ports": [{"port": 1}]}]}),
    )
    .await;
    t.expect_subsets("web", ["http:8080 = a"]).await;
    edit(
        t,
        "web",
        json!({"subsets": null, "metadata": {"labels": {MANAGED.0: null}}}),
    )
    .await;
    let endpoints = t.expect_subsets("web", ["http:8080 = a"]).await;
    assert_eq!(endpoints.metadata.labels.unwrap()[MANAGED.0], MANAGED.1);
    // What others add beside it stays, and is no reason to write.
    let edited = edit(t, "web", json!({"metadata": {"annotations": {"mine": "kept"}}})).await;
    let mark = t.mark();
    assert_eq!(writes(t, mark).await, [""; 0]);
    let found = t.endpoints().get("web").await.unwrap();
    assert_eq!(found.metadata.resource_version, edited.metadata.resource_version);
    t.ready("a", false).await;
    let endpoints = t.expect_subsets("web", ["http:8080 = a-unready"]).await;
    assert_eq!(endpoints.metadata.annotations.unwrap()["mine"], "kept");
}

async fn deleted_endpoints_of_a_service_are_made_again(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    t.pod("a", "web").create(&t.client).await.unwrap();
    for _ in 0..3 {
        t.expect_subsets("web", ["http:8080 = a"]).await;
        t.endpoints()
            .delete("web", &DeleteParams::default())
            .await
            .unwrap();
    }
    t.expect_subsets("web", ["http:8080 = a"]).await;
}

async fn hand_made_endpoints_of_a_service_without_a_selector_are_left_alone(t: &Test) {
    t.service("web")
        .spec(|spec| spec.selector = None)
        .create(&t.client)
        .await
        .unwrap();
    let hand_made: Endpoints = serde_json::from_value(json!({
        "metadata": { "name": "web" },
        "subsets": [{ "addresses": [{ "ip": "192.0.2.1" }], "ports": [{ "name": "http", "port": 80 }] }],
    }))
    .unwrap();
    let made = t
        .endpoints()
        .create(&PostParams::default(), &hand_made)
        .await
        .unwrap();
    t.patch_service("web", json!({"metadata": {"labels": {"a": "b"}}}))
        .await;
    let mark = t.mark();
    assert_eq!(writes(t, mark).await, [""; 0]);
    let found = t.endpoints().get("web").await.unwrap();
    assert_eq!(found.metadata.resource_version, made.metadata.resource_version);
    // Selected Pods take their place, and stay when the selector goes.
    t.pod("a", "web").create(&t.client).await.unwrap();
    t.patch_service("web", json!({"spec": {"selector": {"app": "web"}}}))
        .await;
    t.expect_subsets("web", ["http:8080 = a"]).await;
    t.patch_service("web", json!({"spec": {"selector": null}})).await;
    // Else the Pod's end might be seen before that the selector went.
    t.all_is_read().await;
    t.remove("a").await;
    let mark = t.mark();
    assert_eq!(writes(t, mark).await, [""; 0]);
    t.expect_subsets("web", ["http:8080 = a"]).await;
    t.delete_service("web").await;
    t.expect_no_endpoints("web").await;
}

async fn an_external_name_service_gets_endpoints_when_it_becomes_another_type(t: &Test) {
    t.service("web")
        .external_name("example.com")
        .create(&t.client)
        .await
        .unwrap();
    t.pod("a", "web").create(&t.client).await.unwrap();
    let mark = t.mark();
    assert_eq!(writes(t, mark).await, [""; 0]);
    t.patch_service(
        "web",
        json!({"spec": {"type": "ClusterIP", "externalName": null}}),
    )
    .await;
    let endpoints = t.expect_subsets("web", ["http:8080 = a"]).await;
    assert!(
        !endpoints
            .metadata
            .labels
            .unwrap()
            .contains_key("service.kubernetes.io/headless")
    );
}

async fn refused_endpoints_are_told_on_the_endpoints(t: &Test) {
    // Without the quota controller nobody fills in what is used, so the status is set here.
    let hard = json!({ "count/endpoints": "0" });
    let quota: ResourceQuota =
        serde_json::from_value(json!({ "metadata": { "name": "none" }, "spec": { "hard": hard } })).unwrap();
    let quotas: Api<ResourceQuota> = Api::namespaced(t.client.clone(), &t.namespace);
    quotas.create(&PostParams::default(), &quota).await.unwrap();
    let status = json!({ "status": { "hard": hard, "used": hard } });
    quotas
        .patch_status("none", &PatchParams::default(), &Patch::Merge(status))
        .await
        .unwrap();
    let object = json!({ "metadata": { "name": "probe" } });
    let probe: Endpoints = serde_json::from_value(object).unwrap();
    t.expect_forbidden(async |dry| t.endpoints().create(dry, &probe).await)
        .await;
    t.service("web").create(&t.client).await.unwrap();
    let event = t.expect_event("web", "FailedToCreateEndpoint", "quota").await;
    let regarding = event.regarding.unwrap();
    assert_eq!(regarding.kind.as_deref(), Some("Endpoints"));
    assert_eq!(regarding.namespace.as_deref(), Some(&*t.namespace));
    quotas.delete("none", &DeleteParams::default()).await.unwrap();
    t.expect_subsets("web", []).await;
}

async fn one_change_of_a_pod_is_one_write_of_endpoints(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    for name in ["a", "b", "c"] {
        t.pod(name, "web").create(&t.client).await.unwrap();
    }
    t.expect_subsets("web", ["http:8080 = a b c"]).await;
    for ready in [false, true] {
        let mark = t.mark();
        t.ready("b", ready).await;
        let wanted = if ready {
            "http:8080 = a b c"
        } else {
            "http:8080 = a b-unready c"
        };
        t.expect_subsets("web", [wanted]).await;
        assert_eq!(writes(t, mark).await, ["update"]);
    }
    let mark = t.mark();
    t.patch_pod(
        "b",
        json!({"metadata": {"annotations": {"x": "y"}, "labels": {"more": "z"}}}),
    )
    .await;
    t.patch_service("web", json!({"metadata": {"annotations": {"x": "y"}}}))
        .await;
    t.ready("b", true).await;
    assert_eq!(writes(t, mark).await, [""; 0]);
}
