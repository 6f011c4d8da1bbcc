//! What a slice's metadata is made of.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use crate::harness::{Test, on_each_minor};

on_each_minor!(
    labels_of_the_service_reach_its_slices_and_reserved_ones_do_not,
    a_changed_label_is_mirrored_and_a_removed_one_vanishes,
    annotations_of_the_service_are_not_copied,
    a_slice_is_owned_by_its_service_and_named_after_it,
    the_trigger_time_tells_when_the_cause_of_a_write_happened,
);

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

const MANAGED: (&str, &str) = (
    "endpointslice.kubernetes.io/managed-by",
    "endpointslice-controller.k8s.io",
);
const NAME: (&str, &str) = ("kubernetes.io/service-name", "web");

async fn labels_of_the_service_reach_its_slices_and_reserved_ones_do_not(t: &Test) {
    t.service("web")
        .labels([
            ("team", "quay"),
            ("kubernetes.io/service-name", "another"),
            ("endpointslice.kubernetes.io/managed-by", "me"),
            ("service.kubernetes.io/headless", "x"),
        ])
        .create(&t.client)
        .await
        .unwrap();
    let slices = t.expect("web", ["IPv4 - = none"]).await;
    assert_eq!(
        slices[0].metadata.labels,
        Some(pairs(&[("team", "quay"), MANAGED, NAME]))
    );
}

async fn a_changed_label_is_mirrored_and_a_removed_one_vanishes(t: &Test) {
    t.service("web")
        .labels([("team", "quay"), ("gone", "soon")])
        .create(&t.client)
        .await
        .unwrap();
    t.pod("a", "web").create(&t.client).await.unwrap();
    t.expect("web", ["IPv4 http:8080 = a"]).await;
    t.patch_service(
        "web",
        json!({"metadata": {"labels": {"team": "master", "gone": null, "new": "now"}}}),
    )
    .await;
    let wanted = pairs(&[("team", "master"), ("new", "now"), MANAGED, NAME]);
    t.expect_slices("web", "the new labels", |slices| {
        let labels = slices[0].metadata.labels.clone().unwrap_or_default();
        if labels == wanted {
            Ok(())
        } else {
            Err(format!("{labels:?}"))
        }
    })
    .await;
}

async fn annotations_of_the_service_are_not_copied(t: &Test) {
    t.service("web")
        .annotation("example.org/secret", "1")
        .create(&t.client)
        .await
        .unwrap();
    let slices = t.expect("web", ["IPv4 - = none"]).await;
    let annotations = slices[0].metadata.annotations.clone().unwrap_or_default();
    assert_eq!(
        annotations.keys().collect::<Vec<_>>(),
        ["endpoints.kubernetes.io/last-change-trigger-time"]
    );
}

async fn a_slice_is_owned_by_its_service_and_named_after_it(t: &Test) {
    let service = t.service("web").create(&t.client).await.unwrap();
    let slices = t.expect("web", ["IPv4 - = none"]).await;
    let metadata = &slices[0].metadata;
    let owners = serde_json::to_value(&metadata.owner_references).unwrap();
    let wanted = json!([{"apiVersion": "v1", "kind": "Service", "name": "web", "uid": service.metadata.uid,
        "controller": true, "blockOwnerDeletion": true}]);
    assert_eq!(owners, wanted);
    let name = metadata.name.as_ref().unwrap();
    assert!(name.starts_with("web-") && name.len() > "web-".len(), "{name}");
    assert_eq!(metadata.finalizers, None);
}

async fn the_trigger_time_tells_when_the_cause_of_a_write_happened(t: &Test) {
    const KEY: &str = "endpoints.kubernetes.io/last-change-trigger-time";
    let time = |slice: &k8s_openapi::api::discovery::v1::EndpointSlice| -> Option<Timestamp> {
        let annotations = slice.metadata.annotations.as_ref()?;
        Some(annotations.get(KEY)?.parse().expect("RFC 3339"))
    };
    let service = t.service("web").create(&t.client).await.unwrap();
    let slices = t.expect("web", ["IPv4 - = none"]).await;
    let created = service.metadata.creation_timestamp.unwrap().0;
    assert_eq!(
        time(&slices[0]),
        Some(created),
        "the first write is due to the Service"
    );

    // Conditions have whole seconds, and only a later one counts as a cause.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let pod = t.pod("a", "web").create(&t.client).await.unwrap();
    let ready = pod.status.unwrap().conditions.unwrap()[0]
        .last_transition_time
        .clone()
        .unwrap()
        .0;
    let slices = t.expect("web", ["IPv4 http:8080 = a"]).await;
    assert!(ready > created);
    assert_eq!(time(&slices[0]), Some(ready), "the second one is due to the Pod");

    t.patch_service("web", json!({"metadata": {"labels": {"new": "label"}}}))
        .await;
    t.expect_slices("web", "no trigger time", |slices| match time(&slices[0]) {
        None => Ok(()),
        Some(time) => Err(time.to_string()),
    })
    .await;
}
