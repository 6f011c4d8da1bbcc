//! Where traffic should stay: `trafficDistribution` and topology hints by annotation.

use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde_json::json;

use crate::harness::{Minor, Test, on_each_minor};

on_each_minor!(
    prefer_close_names_each_endpoints_zone,
    prefer_same_zone_and_node_follow_the_version,
    hints_go_when_the_traffic_distribution_goes,
    unready_endpoints_get_no_hint,
    the_annotation_gives_each_zone_its_share_and_says_so,
    the_annotation_without_enough_endpoints_says_why_there_are_no_hints,
    the_annotation_wins_over_the_traffic_distribution,
);

const MODE: &str = "service.kubernetes.io/topology-mode";

/// Each endpoint's Pod with its hints, such as `a zones=zone-a nodes=`, over all slices.
fn hints(slices: &[EndpointSlice]) -> Vec<String> {
    let mut lines: Vec<String> = slices
        .iter()
        .flat_map(|slice| slice.endpoints.iter().flatten())
        .map(|endpoint| {
            let pod = endpoint
                .target_ref
                .as_ref()
                .and_then(|target| target.name.clone())
                .unwrap_or_default();
            let hints = endpoint.hints.clone().unwrap_or_default();
            let zones: Vec<String> = hints
                .for_zones
                .into_iter()
                .flatten()
                .map(|zone| zone.name)
                .collect();
            let nodes: Vec<String> = hints
                .for_nodes
                .into_iter()
                .flatten()
                .map(|node| node.name)
                .collect();
            format!("{pod} zones={} nodes={}", zones.join("+"), nodes.join("+"))
        })
        .collect();
    lines.sort();
    lines
}

async fn expect_hints<const N: usize>(t: &Test, service: &str, wanted: [&str; N]) {
    t.expect_slices(service, &format!("hints {wanted:?}"), |slices| {
        let found = hints(slices);
        if found == wanted {
            Ok(())
        } else {
            Err(format!("{found:?}"))
        }
    })
    .await;
}

async fn pods_on(t: &Test, nodes: &[&str]) {
    for (name, node) in ["a", "b", "c", "d", "e", "f"].iter().zip(nodes) {
        t.pod(name, "web").node(*node).create(&t.client).await.unwrap();
    }
}

async fn prefer_close_names_each_endpoints_zone(t: &Test) {
    pods_on(t, &["node-a", "node-b", "node-b"]).await;
    t.service("web")
        .traffic_distribution("PreferClose")
        .create(&t.client)
        .await
        .unwrap();
    expect_hints(
        t,
        "web",
        [
            "a zones=zone-a nodes=",
            "b zones=zone-b nodes=",
            "c zones=zone-b nodes=",
        ],
    )
    .await;
}

async fn prefer_same_zone_and_node_follow_the_version(t: &Test) {
    pods_on(t, &["node-a", "node-b"]).await;
    let zone = t
        .service("web")
        .traffic_distribution("PreferSameZone")
        .create(&t.client)
        .await;
    let node = t.service("node").selector([("app", "web")]).spec(|spec| {
        spec.selector = Some([("app".to_owned(), "web".to_owned())].into());
    });
    let node = node
        .traffic_distribution("PreferSameNode")
        .create(&t.client)
        .await;
    if t.cluster.minor == Minor::V1_33 {
        // The gate PreferSameTrafficDistribution is off in 1.33: the apiserver does not take the values.
        for refused in [zone, node] {
            let error = refused.unwrap_err().to_string();
            assert!(error.contains("trafficDistribution"), "{error}");
        }
        return;
    }
    zone.unwrap();
    node.unwrap();
    expect_hints(t, "web", ["a zones=zone-a nodes=", "b zones=zone-b nodes="]).await;
    expect_hints(
        t,
        "node",
        ["a zones=zone-a nodes=node-a", "b zones=zone-b nodes=node-b"],
    )
    .await;
}

async fn hints_go_when_the_traffic_distribution_goes(t: &Test) {
    pods_on(t, &["node-a"]).await;
    t.service("web")
        .traffic_distribution("PreferClose")
        .create(&t.client)
        .await
        .unwrap();
    expect_hints(t, "web", ["a zones=zone-a nodes="]).await;
    t.patch_service("web", json!({"spec": {"trafficDistribution": null}}))
        .await;
    expect_hints(t, "web", ["a zones= nodes="]).await;
}

async fn unready_endpoints_get_no_hint(t: &Test) {
    t.pod("a", "web").create(&t.client).await.unwrap();
    t.pod("b", "web").unready().create(&t.client).await.unwrap();
    t.service("web")
        .traffic_distribution("PreferClose")
        .create(&t.client)
        .await
        .unwrap();
    expect_hints(t, "web", ["a zones=zone-a nodes=", "b zones= nodes="]).await;
    t.ready("b", true).await;
    expect_hints(t, "web", ["a zones=zone-a nodes=", "b zones=zone-a nodes="]).await;
}

async fn the_annotation_gives_each_zone_its_share_and_says_so(t: &Test) {
    // Three zones of equal size, three Pods in one of them: each zone gets one.
    pods_on(t, &["node-c", "node-c", "node-c"]).await;
    t.service("web")
        .annotation(MODE, "Auto")
        .create(&t.client)
        .await
        .unwrap();
    t.expect_slices("web", "one hint for each zone", |slices| {
        let hints = hints(slices);
        let mut zones: Vec<&str> = hints.iter().filter_map(|line| line.split(' ').nth(1)).collect();
        zones.sort_unstable();
        if zones == ["zones=zone-a", "zones=zone-b", "zones=zone-c"] {
            Ok(())
        } else {
            Err(format!("{hints:?}"))
        }
    })
    .await;
    let event = t
        .expect_event(
            "web",
            "TopologyAwareHintsEnabled",
            "has been enabled, addressType: IPv4",
        )
        .await;
    assert_eq!(event.type_.as_deref(), Some("Normal"));
    t.patch_service("web", json!({"metadata": {"annotations": {MODE: null}}}))
        .await;
    expect_hints(
        t,
        "web",
        ["a zones= nodes=", "b zones= nodes=", "c zones= nodes="],
    )
    .await;
    let event = t
        .expect_event(
            "web",
            "TopologyAwareHintsDisabled",
            "has been disabled, addressType: IPv4",
        )
        .await;
    assert_eq!(event.type_.as_deref(), Some("Warning"));
}

async fn the_annotation_without_enough_endpoints_says_why_there_are_no_hints(t: &Test) {
    pods_on(t, &["node-a", "node-b"]).await;
    t.service("web")
        .annotation(MODE, "Auto")
        .create(&t.client)
        .await
        .unwrap();
    let text = "Insufficient number of endpoints (2 endpoints, 3 zones), addressType: IPv4";
    let event = t.expect_event("web", "TopologyAwareHintsDisabled", text).await;
    assert_eq!(event.type_.as_deref(), Some("Warning"));
    expect_hints(t, "web", ["a zones= nodes=", "b zones= nodes="]).await;
}

async fn the_annotation_wins_over_the_traffic_distribution(t: &Test) {
    pods_on(t, &["node-a", "node-b"]).await;
    t.service("web")
        .annotation(MODE, "Auto")
        .traffic_distribution("PreferClose")
        .create(&t.client)
        .await
        .unwrap();
    t.expect_event(
        "web",
        "TopologyAwareHintsDisabled",
        "Insufficient number of endpoints",
    )
    .await;
    expect_hints(t, "web", ["a zones= nodes=", "b zones= nodes="]).await;
    t.patch_service("web", json!({"metadata": {"annotations": {MODE: null}}}))
        .await;
    expect_hints(t, "web", ["a zones=zone-a nodes=", "b zones=zone-b nodes="]).await;
}
