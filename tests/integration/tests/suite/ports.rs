//! Ports of slices.

use serde_json::json;

use crate::harness::{Test, on_each_minor};

on_each_minor!(
    a_named_port_with_two_numbers_splits_the_slices,
    a_port_that_no_pod_has_leaves_its_pods_in_a_slice_without_ports,
    a_sidecars_port_is_found_by_name,
    protocols_and_app_protocols_reach_the_slices,
    a_service_port_without_name_has_an_empty_one,
    a_changed_target_port_reaches_every_slice,
    a_port_that_is_added_stands_beside_the_first,
);

async fn a_named_port_with_two_numbers_splits_the_slices(t: &Test) {
    t.bare_service("web")
        .target_port_name("http", 80, "http")
        .create(&t.client)
        .await
        .unwrap();
    t.pod("old", "web")
        .container_port("http", 8080)
        .create(&t.client)
        .await
        .unwrap();
    t.pod("new", "web")
        .container_port("http", 80)
        .create(&t.client)
        .await
        .unwrap();
    t.expect("web", ["IPv4 http:8080 = old", "IPv4 http:80 = new"])
        .await;
    t.remove("old").await;
    t.expect("web", ["IPv4 http:80 = new"]).await;
}

async fn a_port_that_no_pod_has_leaves_its_pods_in_a_slice_without_ports(t: &Test) {
    t.bare_service("web")
        .target_port_name("http", 80, "http")
        .target_port_name("metrics", 90, "metrics")
        .create(&t.client)
        .await
        .unwrap();
    t.pod("none", "web").create(&t.client).await.unwrap();
    t.pod("half", "web")
        .container_port("http", 8080)
        .create(&t.client)
        .await
        .unwrap();
    t.pod("both", "web")
        .container_port("http", 8080)
        .container_port("metrics", 9090)
        .create(&t.client)
        .await
        .unwrap();
    t.expect(
        "web",
        [
            "IPv4 - = none",
            "IPv4 http:8080 = half",
            "IPv4 http:8080 metrics:9090 = both",
        ],
    )
    .await;
}

async fn a_sidecars_port_is_found_by_name(t: &Test) {
    t.bare_service("web")
        .target_port_name("proxy", 80, "proxy")
        .create(&t.client)
        .await
        .unwrap();
    t.pod("a", "web")
        .sidecar_port("proxy", 15001)
        .create(&t.client)
        .await
        .unwrap();
    t.expect("web", ["IPv4 proxy:15001 = a"]).await;
}

async fn protocols_and_app_protocols_reach_the_slices(t: &Test) {
    t.bare_service("web")
        .port("dns", 53, 5353)
        .protocol("UDP")
        .port("dns-tcp", 53, 5353)
        .port("assoc", 90, 90)
        .protocol("SCTP")
        .port("grpc", 50, 50)
        .app_protocol("kubernetes.io/h2c")
        .create(&t.client)
        .await
        .unwrap();
    t.pod("a", "web").create(&t.client).await.unwrap();
    t.expect(
        "web",
        ["IPv4 assoc:90/SCTP dns-tcp:5353 dns:5353/UDP grpc:50(kubernetes.io/h2c) = a"],
    )
    .await;
}

async fn a_service_port_without_name_has_an_empty_one(t: &Test) {
    t.bare_service("web")
        .spec(|spec| {
            spec.ports = Some(vec![k8s_openapi::api::core::v1::ServicePort {
                port: 80,
                ..Default::default()
            }]);
        })
        .create(&t.client)
        .await
        .unwrap();
    t.pod("a", "web").create(&t.client).await.unwrap();
    t.expect("web", ["IPv4 :80 = a"]).await;
}

async fn a_changed_target_port_reaches_every_slice(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    t.pod("a", "web").create(&t.client).await.unwrap();
    let before = t.expect("web", ["IPv4 http:8080 = a"]).await;
    t.patch_service(
        "web",
        json!({"spec": {"ports": [{"name": "http", "port": 80, "targetPort": 9090}]}}),
    )
    .await;
    let after = t.expect("web", ["IPv4 http:9090 = a"]).await;
    assert_eq!(
        before[0].metadata.uid, after[0].metadata.uid,
        "the slice is used again, not replaced"
    );
}

async fn a_port_that_is_added_stands_beside_the_first(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    t.pod("a", "web").create(&t.client).await.unwrap();
    t.expect("web", ["IPv4 http:8080 = a"]).await;
    let ports = json!([{"name": "http", "port": 80, "targetPort": 8080}, {"name": "https", "port": 443, "targetPort": 8443}]);
    t.patch_service("web", json!({"spec": {"ports": ports}})).await;
    t.expect("web", ["IPv4 http:8080 https:8443 = a"]).await;
}
