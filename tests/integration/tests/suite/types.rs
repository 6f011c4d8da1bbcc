//! Types of Services and families of addresses.

use std::time::Duration;

use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::PostParams;
use serde_json::json;

use crate::harness::{Test, describe_all, fresh_ip, fresh_ipv6, on_each_minor};

on_each_minor!(
    a_dual_stack_service_has_slices_of_both_families,
    a_second_family_comes_and_goes,
    a_headless_service_of_one_family_takes_addresses_of_it_alone,
    a_pod_without_an_address_of_the_family_is_left_out,
    an_external_name_has_no_slices_and_a_service_without_selector_is_left_alone,
    slices_stay_when_a_service_turns_into_an_external_name_and_are_used_when_it_turns_back,
    a_deleted_service_may_come_back_as_an_external_name_without_slices,
    the_service_of_the_apiserver_is_never_touched,
);

async fn dual_pod(t: &Test, name: &str) {
    t.pod(name, "web")
        .ips([fresh_ip(), fresh_ipv6()])
        .create(&t.client)
        .await
        .unwrap();
}

async fn a_dual_stack_service_has_slices_of_both_families(t: &Test) {
    t.service("web")
        .families(["IPv6", "IPv4"])
        .create(&t.client)
        .await
        .unwrap();
    t.expect("web", ["IPv4 - = none", "IPv6 - = none"]).await;
    dual_pod(t, "a").await;
    t.pod("four", "web").create(&t.client).await.unwrap();
    let slices = t
        .expect("web", ["IPv4 http:8080 = a four", "IPv6 http:8080 = a"])
        .await;
    for slice in slices {
        for address in slice
            .endpoints
            .iter()
            .flatten()
            .flat_map(|endpoint| &endpoint.addresses)
        {
            assert_eq!(address.contains(':'), slice.address_type == "IPv6", "{address}");
        }
    }
}

async fn a_second_family_comes_and_goes(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    dual_pod(t, "a").await;
    t.expect("web", ["IPv4 http:8080 = a"]).await;
    t.patch_service("web", json!({"spec": {"ipFamilyPolicy": "RequireDualStack"}}))
        .await;
    t.expect("web", ["IPv4 http:8080 = a", "IPv6 http:8080 = a"])
        .await;
    let one = json!({"spec": {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"], "clusterIPs": null}});
    let address = t.services().get("web").await.unwrap().spec.unwrap().cluster_ip;
    let mut patch = one;
    patch["spec"]["clusterIPs"] = json!([address]);
    t.patch_service("web", patch).await;
    t.expect("web", ["IPv4 http:8080 = a"]).await;
}

async fn a_headless_service_of_one_family_takes_addresses_of_it_alone(t: &Test) {
    t.service("web")
        .headless()
        .families(["IPv6"])
        .create(&t.client)
        .await
        .unwrap();
    dual_pod(t, "a").await;
    let slices = t.expect("web", ["IPv6 http:8080 = a"]).await;
    let addresses = &slices[0].endpoints.as_ref().unwrap()[0].addresses;
    assert!(
        addresses.len() == 1 && addresses[0].starts_with("fd00:"),
        "{addresses:?}"
    );
}

async fn a_pod_without_an_address_of_the_family_is_left_out(t: &Test) {
    t.service("web")
        .families(["IPv6"])
        .create(&t.client)
        .await
        .unwrap();
    t.pod("four", "web").create(&t.client).await.unwrap();
    t.pod("six", "web")
        .ip(fresh_ipv6())
        .create(&t.client)
        .await
        .unwrap();
    t.expect("web", ["IPv6 http:8080 = six"]).await;
}

async fn an_external_name_has_no_slices_and_a_service_without_selector_is_left_alone(t: &Test) {
    t.pod("a", "out").create(&t.client).await.unwrap();
    t.service("out")
        .external_name("example.org")
        .create(&t.client)
        .await
        .unwrap();
    t.service("manual")
        .spec(|spec| spec.selector = None)
        .create(&t.client)
        .await
        .unwrap();
    let by_hand: EndpointSlice = serde_json::from_value(json!({
        "metadata": {"name": "by-hand", "labels": {"kubernetes.io/service-name": "manual"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["192.0.2.1"]}],
        "ports": [{"name": "http", "port": 80}],
    }))
    .unwrap();
    let made = t
        .endpoint_slices()
        .create(&PostParams::default(), &by_hand)
        .await
        .unwrap();
    t.service("after").create(&t.client).await.unwrap();
    t.expect("after", ["IPv4 - = none"]).await;
    assert!(t.slices("out").await.is_empty());
    assert_eq!(t.slice("manual").await, made);
}

async fn slices_stay_when_a_service_turns_into_an_external_name_and_are_used_when_it_turns_back(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    t.pod("a", "web").create(&t.client).await.unwrap();
    let before = t.expect("web", ["IPv4 http:8080 = a"]).await;
    let mark = t.mark();
    let out = json!({"spec": {"type": "ExternalName", "externalName": "example.org", "clusterIP": null, "clusterIPs": null,
        "ipFamilies": null, "ipFamilyPolicy": null, "internalTrafficPolicy": null}});
    t.patch_service("web", out).await;
    // Else the Pod might be seen before the type.
    t.all_is_read().await;
    t.pod("b", "web").create(&t.client).await.unwrap();
    let writes = t.writes_since(mark, Duration::from_secs(1)).await;
    assert!(writes.is_empty(), "{writes:?}");
    assert_eq!(describe_all(&t.slices("web").await), ["IPv4 http:8080 = a"]);
    t.patch_service(
        "web",
        json!({"spec": {"type": "ClusterIP", "externalName": null}}),
    )
    .await;
    let after = t.expect("web", ["IPv4 http:8080 = a b"]).await;
    assert_eq!(before[0].metadata.uid, after[0].metadata.uid);
}

async fn a_deleted_service_may_come_back_as_an_external_name_without_slices(t: &Test) {
    t.service("numbers-api").create(&t.client).await.unwrap();
    t.pod("a", "numbers-api").create(&t.client).await.unwrap();
    t.expect("numbers-api", ["IPv4 http:8080 = a"]).await;
    t.delete_service("numbers-api").await;
    t.service("numbers-api")
        .external_name("example.org")
        .create(&t.client)
        .await
        .unwrap();
    t.expect("numbers-api", []).await;
}

async fn the_service_of_the_apiserver_is_never_touched(t: &Test) {
    let ours = |entry: &&quaymaster_testkit::audit::Entry| {
        entry.user.username == crate::harness::USER && entry.is_write() && entry.namespace() == "default"
    };
    let entries = t.cluster.plane.audit().entries().unwrap();
    assert_eq!(entries.iter().filter(ours).count(), 0);
}
