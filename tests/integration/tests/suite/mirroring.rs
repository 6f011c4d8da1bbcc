//! Endpoints that users write, and the slices that mirror them.

mod alone;

use std::time::Duration;

use k8s_openapi::api::core::v1::Endpoints;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::harness::{Test, Trace, describe_all, on_each_minor};

on_each_minor!(
    custom_endpoints_are_mirrored_through_create_update_and_delete,
    each_shape_of_endpoints_has_its_slices,
    labels_annotations_and_addresses_of_endpoints_reach_their_slice,
    a_selector_that_comes_and_goes_takes_mirrored_slices_away_and_brings_them_back,
    endpoints_left_by_the_endpoints_controller_are_mirrored,
    the_label_and_the_annotation_against_mirroring_are_obeyed,
    mirrored_slices_that_are_edited_or_deleted_are_put_right,
    addresses_that_are_left_out_are_told_on_the_endpoints,
    an_address_that_stays_is_in_some_slice_at_every_revision,
);

const MIRRORED: &str = "endpointslicemirroring-controller.k8s.io";

fn api(t: &Test) -> Api<Endpoints> {
    Api::namespaced(t.client.clone(), &t.namespace)
}

/// A subset with these addresses and one port.
fn subset(ips: &[&str], port: i32) -> Value {
    let addresses: Vec<Value> = ips.iter().map(|ip| json!({"ip": ip})).collect();
    json!({"addresses": addresses, "ports": [{"name": "p", "port": port}]})
}

/// Creates Endpoints, or replaces all of their content.
async fn put(t: &Test, name: &str, metadata: Value, subsets: Value) {
    let mut object =
        json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": subsets});
    object["metadata"]["name"] = json!(name);
    let params = PatchParams::apply("suite").force();
    api(t).patch(name, &params, &Patch::Apply(&object)).await.unwrap();
}

async fn without_selector(t: &Test, name: &str) {
    t.service(name)
        .spec(|spec| spec.selector = None)
        .create(&t.client)
        .await
        .unwrap();
}

fn is_mirrored(slice: &EndpointSlice) -> bool {
    let labels = slice.metadata.labels.as_ref();
    labels.is_some_and(|labels| {
        labels
            .get("endpointslice.kubernetes.io/managed-by")
            .is_some_and(|by| by == MIRRORED)
    })
}

/// The mirrored slices among these: family, port, addresses with `!` after those that are not ready.
fn shown(slices: &[EndpointSlice]) -> Vec<String> {
    let show = |slice: &EndpointSlice| {
        let ports: Vec<String> = slice
            .ports
            .iter()
            .flatten()
            .map(|port| port.port.unwrap_or_default().to_string())
            .collect();
        let mut addresses: Vec<String> = slice
            .endpoints
            .iter()
            .flatten()
            .map(|endpoint| {
                let ready = endpoint
                    .conditions
                    .as_ref()
                    .and_then(|conditions| conditions.ready);
                format!(
                    "{}{}",
                    endpoint.addresses[0],
                    if ready == Some(true) { "" } else { "!" }
                )
            })
            .collect();
        addresses.sort();
        format!(
            "{} {} {}",
            slice.address_type,
            ports.join(","),
            addresses.join(" ")
        )
    };
    let mut shown: Vec<String> = slices
        .iter()
        .filter(|slice| is_mirrored(slice))
        .map(show)
        .collect();
    shown.sort();
    shown
}

/// Waits until the mirrored slices of a Service are these, and gives them.
async fn expect<const N: usize>(t: &Test, service: &str, lines: [&str; N]) -> Vec<EndpointSlice> {
    let slices = t
        .expect_slices(service, &format!("{lines:?} mirrored"), |slices| {
            let found = shown(slices);
            if found == lines {
                Ok(())
            } else {
                Err(format!("{found:?}"))
            }
        })
        .await;
    slices.into_iter().filter(is_mirrored).collect()
}

async fn custom_endpoints_are_mirrored_through_create_update_and_delete(t: &Test) {
    without_selector(t, "db").await;
    put(t, "db", json!({}), json!([subset(&["192.0.2.1"], 5432)])).await;
    let slices = expect(t, "db", ["IPv4 5432 192.0.2.1"]).await;
    let endpoints = api(t).get("db").await.unwrap();
    let owner = &slices[0].metadata.owner_references.as_ref().unwrap()[0];
    assert_eq!(
        (owner.kind.as_str(), Some(&owner.uid)),
        ("Endpoints", endpoints.metadata.uid.as_ref())
    );
    put(
        t,
        "db",
        json!({}),
        json!([subset(&["192.0.2.2", "192.0.2.3"], 5432)]),
    )
    .await;
    let updated = expect(t, "db", ["IPv4 5432 192.0.2.2 192.0.2.3"]).await;
    assert_eq!(updated[0].metadata.uid, slices[0].metadata.uid);
    api(t).delete("db", &DeleteParams::default()).await.unwrap();
    expect(t, "db", []).await;
    // And once more with both at once.
    put(t, "db", json!({}), json!([subset(&["192.0.2.1"], 5432)])).await;
    expect(t, "db", ["IPv4 5432 192.0.2.1"]).await;
    t.delete_service("db").await;
    expect(t, "db", []).await;
}

async fn each_shape_of_endpoints_has_its_slices(t: &Test) {
    without_selector(t, "db").await;
    put(
        t,
        "db",
        json!({}),
        json!([subset(&["192.0.2.1"], 80), subset(&["192.0.2.1"], 80)]),
    )
    .await;
    expect(t, "db", ["IPv4 80 192.0.2.1"]).await;
    put(
        t,
        "db",
        json!({}),
        json!([subset(&["192.0.2.1"], 80), subset(&["192.0.2.2"], 81)]),
    )
    .await;
    expect(t, "db", ["IPv4 80 192.0.2.1", "IPv4 81 192.0.2.2"]).await;
    let both = json!([{
        "addresses": [{"ip": "192.0.2.1", "hostname": "one", "nodeName": "node-a"}, {"ip": "fd00::1"}],
        "notReadyAddresses": [{"ip": "192.0.2.3"}],
        "ports": [{"name": "a", "port": 80}, {"name": "b", "port": 90, "appProtocol": "kubernetes.io/h2c"}],
    }]);
    put(t, "db", json!({}), both).await;
    let slices = t
        .expect_slices("db", "a slice of each family", |slices| {
            // Not their number, which was two before as well.
            let mut families: Vec<&str> = slices.iter().map(|slice| slice.address_type.as_str()).collect();
            families.sort_unstable();
            if families == ["IPv4", "IPv6"] {
                Ok(())
            } else {
                Err(format!("{:?}", describe_all(slices)))
            }
        })
        .await;
    let four = slices.iter().find(|slice| slice.address_type == "IPv4").unwrap();
    let endpoints = four.endpoints.as_ref().unwrap();
    let one = endpoints
        .iter()
        .find(|endpoint| endpoint.addresses == ["192.0.2.1"])
        .unwrap();
    assert_eq!(
        (one.hostname.as_deref(), one.node_name.as_deref()),
        (Some("one"), Some("node-a"))
    );
    let conditions = one.conditions.clone().unwrap();
    assert_eq!(
        (conditions.ready, conditions.serving, conditions.terminating),
        (Some(true), None, None)
    );
    // Endpoints that no Service has, and such of one with a selector, are nobody's business here.
    put(t, "alone", json!({}), json!([subset(&["192.0.2.9"], 80)])).await;
    put(t, "db", json!({}), json!([])).await;
    expect(t, "db", []).await;
    assert!(t.slices("alone").await.is_empty());
}

async fn labels_annotations_and_addresses_of_endpoints_reach_their_slice(t: &Test) {
    without_selector(t, "db").await;
    put(t, "db", json!({}), json!([subset(&["192.0.2.1"], 80)])).await;
    expect(t, "db", ["IPv4 80 192.0.2.1"]).await;
    let metadata = json!({
        "labels": {"team": "quay"},
        "annotations": {
            "note": "x",
            "endpoints.kubernetes.io/last-change-trigger-time": "2026-01-01T00:00:00Z",
            "kubectl.kubernetes.io/last-applied-configuration": "{}",
        },
    });
    put(t, "db", metadata, json!([subset(&["192.0.2.1"], 80)])).await;
    t.expect_slices("db", "the label and the annotation", |slices| {
        let metadata = &slices[0].metadata;
        let labels = metadata.labels.clone().unwrap_or_default();
        let annotations = metadata.annotations.clone().unwrap_or_default();
        let right = labels.get("team").is_some_and(|team| team == "quay")
            && labels.len() == 3
            && annotations.len() == 1
            && annotations.contains_key("note");
        if right {
            Ok(())
        } else {
            Err(format!("{labels:?} {annotations:?}"))
        }
    })
    .await;
    let mark = t.mark();
    put(t, "db", json!({}), json!([subset(&["192.0.2.1"], 80)])).await;
    t.expect_slices("db", "neither of them", |slices| {
        let metadata = &slices[0].metadata;
        let labels = metadata.labels.clone().unwrap_or_default();
        if labels.len() == 2 && metadata.annotations.is_none() {
            Ok(())
        } else {
            Err(format!("{metadata:?}"))
        }
    })
    .await;
    let writes = t.writes_since(mark, Duration::from_secs(1)).await;
    assert_eq!(writes.len(), 1, "{writes:?}");
}

async fn a_selector_that_comes_and_goes_takes_mirrored_slices_away_and_brings_them_back(t: &Test) {
    without_selector(t, "db").await;
    put(t, "db", json!({}), json!([subset(&["192.0.2.1"], 80)])).await;
    expect(t, "db", ["IPv4 80 192.0.2.1"]).await;
    t.patch_service("db", json!({"spec": {"selector": {"app": "nobody"}}}))
        .await;
    expect(t, "db", []).await;
    t.patch_service("db", json!({"spec": {"selector": null}})).await;
    // The Endpoints controller writes them while there is a selector, and might see the next change before this one.
    t.all_is_read().await;
    put(t, "db", json!({}), json!([subset(&["192.0.2.2"], 80)])).await;
    expect(t, "db", ["IPv4 80 192.0.2.2"]).await;
}

async fn endpoints_left_by_the_endpoints_controller_are_mirrored(t: &Test) {
    without_selector(t, "db").await;
    let managed = || json!({"labels": {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}});
    put(t, "db", managed(), json!([subset(&["192.0.2.1"], 80)])).await;
    expect(t, "db", ["IPv4 80 192.0.2.1"]).await;
    put(t, "db", managed(), json!([subset(&["192.0.2.2"], 80)])).await;
    let slices = expect(t, "db", ["IPv4 80 192.0.2.2"]).await;
    let labels = slices[0].metadata.labels.as_ref().unwrap();
    assert_eq!(
        labels["endpoints.kubernetes.io/managed-by"],
        "endpoint-controller"
    );
}

async fn the_label_and_the_annotation_against_mirroring_are_obeyed(t: &Test) {
    without_selector(t, "db").await;
    let subsets = || json!([subset(&["192.0.2.1"], 80)]);
    for against in [
        json!({"labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}),
        json!({"annotations": {"control-plane.alpha.kubernetes.io/leader": "{}"}}),
    ] {
        put(t, "db", json!({}), subsets()).await;
        expect(t, "db", ["IPv4 80 192.0.2.1"]).await;
        put(t, "db", against, subsets()).await;
        expect(t, "db", []).await;
    }
}

async fn mirrored_slices_that_are_edited_or_deleted_are_put_right(t: &Test) {
    without_selector(t, "db").await;
    put(t, "db", json!({}), json!([subset(&["192.0.2.1"], 80)])).await;
    let slices = expect(t, "db", ["IPv4 80 192.0.2.1"]).await;
    let name = slices[0].metadata.name.clone().unwrap();
    t.patch_slice(&name, json!({"endpoints": [{"addresses": ["192.0.2.9"]}]}))
        .await;
    expect(t, "db", ["IPv4 80 192.0.2.1"]).await;
    let uid = slices[0].metadata.uid.clone();
    t.endpoint_slices()
        .delete(&name, &DeleteParams::default())
        .await
        .unwrap();
    t.expect_slices("db", "another slice", |slices| match slices {
        [slice] if slice.metadata.uid != uid => Ok(()),
        others => Err(format!("{} slices", others.len())),
    })
    .await;
}

async fn addresses_that_are_left_out_are_told_on_the_endpoints(t: &Test) {
    without_selector(t, "db").await;
    let ips: Vec<String> = (0..1001)
        .map(|n| format!("10.9.{}.{}", n / 250, n % 250 + 1))
        .collect();
    let ips: Vec<&str> = ips.iter().map(String::as_str).collect();
    put(t, "db", json!({}), json!([subset(&ips, 80)])).await;
    let text = "A max of 1000 addresses can be mirrored to EndpointSlices per Endpoints subset. 1 addresses were skipped";
    t.expect_event("db", "TooManyAddressesToMirror", text).await;
    // It may be told before the slice is stored.
    t.expect_slices("db", "one slice of 1000", |slices| {
        let counts: Vec<usize> = slices
            .iter()
            .map(|slice| slice.endpoints.iter().flatten().count())
            .collect();
        if counts == [1000] {
            Ok(())
        } else {
            Err(format!("{counts:?}"))
        }
    })
    .await;
}

async fn an_address_that_stays_is_in_some_slice_at_every_revision(t: &Test) {
    without_selector(t, "db").await;
    let steps = [
        json!([
            subset(&["192.0.2.1", "192.0.2.2"], 80),
            subset(&["192.0.2.3"], 81)
        ]),
        json!([
            subset(&["192.0.2.1", "192.0.2.2"], 82),
            subset(&["192.0.2.3"], 83)
        ]),
        json!([
            subset(&["192.0.2.1", "192.0.2.3"], 82),
            subset(&["192.0.2.2"], 83)
        ]),
        json!([
            subset(&["192.0.2.2"], 82),
            subset(&["192.0.2.1", "192.0.2.3"], 83)
        ]),
        json!([
            subset(&["192.0.2.1"], 80),
            subset(&["192.0.2.2"], 81),
            subset(&["192.0.2.3"], 82)
        ]),
        json!([subset(&["192.0.2.1", "192.0.2.2", "192.0.2.3"], 80)]),
    ];
    put(t, "db", json!({}), steps[0].clone()).await;
    expect(t, "db", ["IPv4 80 192.0.2.1 192.0.2.2", "IPv4 81 192.0.2.3"]).await;
    let trace = Trace::begin(&t.client, &t.namespace).await;
    for round in 0..4 {
        for step in &steps[1..] {
            put(t, "db", json!({}), step.clone()).await;
            if round % 2 == 0 {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
    expect(t, "db", ["IPv4 80 192.0.2.1 192.0.2.2 192.0.2.3"]).await;
    let revisions = trace.end().await;
    assert!(revisions.len() > 10, "{} revisions", revisions.len());
    for (number, revision) in revisions.iter().enumerate() {
        let slices: Vec<EndpointSlice> = revision.values().cloned().collect();
        let lines = shown(&slices).join("\n");
        for ip in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
            assert!(lines.contains(ip), "revision {number} lacks {ip}:\n{lines}");
        }
    }
}
