//! Slices that others changed.

use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{DeleteParams, PostParams};
use quaymaster_testkit::eventually;
use serde_json::json;

use crate::harness::{Kubelet, LATER, SOON, Test, on_each_minor};

on_each_minor!(
    edited_endpoints_are_put_right,
    a_deleted_slice_is_made_again,
    a_slice_that_was_taken_away_by_its_label_is_replaced,
    a_foreign_label_on_a_slice_is_removed,
    a_duplicate_of_a_slice_is_cleared_away,
    what_others_put_on_a_slice_survives_an_update,
    a_slice_of_another_manager_is_left_alone,
    a_slice_left_by_an_earlier_service_is_replaced,
    a_service_that_is_deleted_and_made_again_at_once_gets_slices_that_stay,
    a_service_held_by_a_finalizer_gets_no_new_slices,
    a_slice_held_by_a_finalizer_is_replaced_and_not_written_over_and_over,
    a_deleted_namespace_leaves_nothing_and_no_storm_of_errors,
);

fn metadata_of(slice: &EndpointSlice) -> (String, serde_json::Value) {
    (slice.metadata.name.clone().unwrap(), json!(slice.metadata.labels))
}

async fn edited_endpoints_are_put_right(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    t.pod("a", "web").create(&t.client).await.unwrap();
    t.pod("b", "web").create(&t.client).await.unwrap();
    let slices = t.expect("web", ["IPv4 http:8080 = a b"]).await;
    let name = slices[0].metadata.name.clone().unwrap();
    let wrong = json!({"endpoints": [{"addresses": ["192.0.2.1"]}]});
    t.patch_slice(&name, wrong).await;
    t.expect("web", ["IPv4 http:8080 = a b"]).await;
    t.patch_slice(&name, json!({"ports": [{"name": "http", "port": 1}]}))
        .await;
    t.expect("web", ["IPv4 http:8080 = a b"]).await;
    t.patch_slice(&name, json!({"endpoints": null})).await;
    t.expect("web", ["IPv4 http:8080 = a b"]).await;
}

async fn a_deleted_slice_is_made_again(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    t.pod("a", "web").create(&t.client).await.unwrap();
    for _ in 0..3 {
        let slices = t.expect("web", ["IPv4 http:8080 = a"]).await;
        let name = slices[0].metadata.name.clone().unwrap();
        t.endpoint_slices()
            .delete(&name, &DeleteParams::default())
            .await
            .unwrap();
        let old = slices[0].metadata.uid.clone();
        t.expect_slices("web", "a new slice", |slices| match slices {
            [slice] if slice.metadata.uid != old => Ok(()),
            other => Err(format!("{} slices", other.len())),
        })
        .await;
    }
}

async fn a_slice_that_was_taken_away_by_its_label_is_replaced(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    t.pod("a", "web").create(&t.client).await.unwrap();
    for (key, value) in [
        ("kubernetes.io/service-name", "another"),
        ("endpointslice.kubernetes.io/managed-by", "somebody"),
    ] {
        let slices = t.expect("web", ["IPv4 http:8080 = a"]).await;
        let (taken, _) = metadata_of(&slices[0]);
        t.patch_slice(&taken, json!({"metadata": {"labels": {key: value}}}))
            .await;
        t.expect_slices("web", "a slice of ours in its place", |slices| {
            let ours = slices
                .iter()
                .any(|slice| slice.metadata.name.as_deref() != Some(&*taken));
            if ours {
                Ok(())
            } else {
                Err(format!("{} slices", slices.len()))
            }
        })
        .await;
        let left = t.endpoint_slices().get(&taken).await.unwrap();
        assert_eq!(
            left.metadata.labels.unwrap()[key],
            value,
            "what is not ours is left alone"
        );
        t.endpoint_slices()
            .delete(&taken, &DeleteParams::default())
            .await
            .unwrap();
    }
}

async fn a_foreign_label_on_a_slice_is_removed(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    let slices = t.expect("web", ["IPv4 - = none"]).await;
    let (name, labels) = metadata_of(&slices[0]);
    t.patch_slice(&name, json!({"metadata": {"labels": {"foreign": "x"}}}))
        .await;
    t.expect_slices("web", "its own labels", |slices| {
        let (_, found) = metadata_of(&slices[0]);
        if found == labels {
            Ok(())
        } else {
            Err(found.to_string())
        }
    })
    .await;
}

async fn a_duplicate_of_a_slice_is_cleared_away(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    t.pod("a", "web").create(&t.client).await.unwrap();
    t.pod("b", "web").create(&t.client).await.unwrap();
    let slices = t.expect("web", ["IPv4 http:8080 = a b"]).await;
    let mut copy = slices[0].clone();
    copy.metadata.name = Some("a-copy".to_owned());
    copy.metadata.resource_version = None;
    copy.metadata.uid = None;
    t.endpoint_slices()
        .create(&PostParams::default(), &copy)
        .await
        .unwrap();
    // Which of the two stays is nobody's business.
    t.expect("web", ["IPv4 http:8080 = a b"]).await;
}

async fn what_others_put_on_a_slice_survives_an_update(t: &Test) {
    let other: Service = t
        .service("other")
        .spec(|spec| spec.selector = None)
        .create(&t.client)
        .await
        .unwrap();
    t.service("web").create(&t.client).await.unwrap();
    t.pod("a", "web").create(&t.client).await.unwrap();
    let slices = t.expect("web", ["IPv4 http:8080 = a"]).await;
    let (name, _) = metadata_of(&slices[0]);
    let mut owners = json!(slices[0].metadata.owner_references);
    let more = json!({"apiVersion": "v1", "kind": "Service", "name": "other", "uid": other.metadata.uid});
    owners.as_array_mut().unwrap().push(more);
    let patched = t
        .patch_slice(
            &name,
            json!({"metadata": {
                "annotations": {"example.org/note": "kept"},
                "finalizers": ["example.org/hold"],
                "ownerReferences": owners,
            }}),
        )
        .await;
    t.pod("b", "web").create(&t.client).await.unwrap();
    let slices = t.expect("web", ["IPv4 http:8080 = a b"]).await;
    let metadata = &slices[0].metadata;
    assert_eq!(metadata.uid, patched.metadata.uid);
    assert_eq!(metadata.annotations.as_ref().unwrap()["example.org/note"], "kept");
    assert_eq!(metadata.finalizers, patched.metadata.finalizers);
    assert_eq!(metadata.owner_references, patched.metadata.owner_references);
    t.patch_slice(&name, json!({"metadata": {"finalizers": null}}))
        .await;
}

async fn a_slice_of_another_manager_is_left_alone(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    t.pod("a", "web").create(&t.client).await.unwrap();
    t.expect("web", ["IPv4 http:8080 = a"]).await;
    let foreign: EndpointSlice = serde_json::from_value(json!({
        "metadata": {"name": "foreign", "labels": {
            "kubernetes.io/service-name": "web", "endpointslice.kubernetes.io/managed-by": "example.org"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["192.0.2.1"], "conditions": {"ready": true}}],
        "ports": [{"name": "http", "port": 1}],
    }))
    .unwrap();
    let made = t
        .endpoint_slices()
        .create(&PostParams::default(), &foreign)
        .await
        .unwrap();
    t.pod("b", "web").create(&t.client).await.unwrap();
    t.expect("web", ["IPv4 http:1 = NOBODY-INCOMPLETE", "IPv4 http:8080 = a b"])
        .await;
    t.delete_service("web").await;
    eventually(SOON, "our slice to go with its Service", async || {
        t.slices("web").await.len() == 1
    })
    .await;
    assert_eq!(t.endpoint_slices().get("foreign").await.unwrap(), made);
}

async fn a_slice_left_by_an_earlier_service_is_replaced(t: &Test) {
    let left: EndpointSlice = serde_json::from_value(json!({
        "metadata": {"name": "left", "finalizers": ["example.org/hold"], "labels": {
            "kubernetes.io/service-name": "web",
            "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}},
        "addressType": "IPv4",
        "endpoints": [],
        "ports": [],
    }))
    .unwrap();
    t.endpoint_slices()
        .create(&PostParams::default(), &left)
        .await
        .unwrap();
    let service = t.service("web").create(&t.client).await.unwrap();
    t.expect_slices("web", "a slice that belongs to the new Service", |slices| {
        let owned = |slice: &&EndpointSlice| {
            slice
                .metadata
                .owner_references
                .iter()
                .flatten()
                .any(|owner| Some(&owner.uid) == service.metadata.uid.as_ref())
        };
        if slices.iter().filter(owned).count() == 1 {
            Ok(())
        } else {
            Err(format!("{} slices", slices.len()))
        }
    })
    .await;
    t.patch_slice("left", json!({"metadata": {"finalizers": null}}))
        .await;
    t.expect("web", ["IPv4 - = none"]).await;
}

async fn a_service_that_is_deleted_and_made_again_at_once_gets_slices_that_stay(t: &Test) {
    t.pod("a", "web").create(&t.client).await.unwrap();
    for _ in 0..5 {
        t.service("web").create(&t.client).await.unwrap();
        t.expect_slices("web", "a slice", |slices| {
            if slices.is_empty() {
                Err("none".to_owned())
            } else {
                Ok(())
            }
        })
        .await;
        t.delete_service("web").await;
    }
    let service = t.service("web").create(&t.client).await.unwrap();
    let uid = service.metadata.uid.unwrap();
    let right = async || {
        let slices = t.slices("web").await;
        match &slices[..] {
            [slice]
                if slice
                    .metadata
                    .owner_references
                    .iter()
                    .flatten()
                    .all(|owner| owner.uid == uid) =>
            {
                if crate::harness::describe(slice) == "IPv4 http:8080 = a" {
                    Ok(())
                } else {
                    Err("wrong content".to_owned())
                }
            }
            other => Err(format!("{} slices", other.len())),
        }
    };
    eventually(LATER, "one slice, of the last Service", right).await;
    // The garbage collector has taken what belonged to the earlier ones; what is there now is not taken.
    let mark = t.mark();
    let writes = t.writes_since(mark, Duration::from_secs(2)).await;
    assert!(writes.is_empty(), "{writes:?}");
    right().await.unwrap();
}

async fn a_service_held_by_a_finalizer_gets_no_new_slices(t: &Test) {
    let mut service = t.service("web").build();
    service.metadata.finalizers = Some(vec!["example.org/hold".to_owned()]);
    t.services()
        .create(&PostParams::default(), &service)
        .await
        .unwrap();
    t.pod("a", "web")
        .container_port("x", 1)
        .create(&t.client)
        .await
        .unwrap();
    t.expect("web", ["IPv4 http:8080 = a"]).await;
    t.delete_service("web").await;
    // Changes still reach the slices that there are.
    t.pod("b", "web").create(&t.client).await.unwrap();
    t.expect("web", ["IPv4 http:8080 = a b"]).await;
    // That tells nothing of the Service, which comes by another watch.
    t.all_is_read().await;
    let mark = t.mark();
    let name = t.slice("web").await.metadata.name.unwrap();
    t.endpoint_slices()
        .delete(&name, &DeleteParams::default())
        .await
        .unwrap();
    let writes = t.writes_since(mark, Duration::from_secs(2)).await;
    assert!(writes.is_empty(), "{writes:?}");
    t.expect("web", []).await;
    t.patch_service("web", json!({"metadata": {"finalizers": null}}))
        .await;
}

async fn a_slice_held_by_a_finalizer_is_replaced_and_not_written_over_and_over(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    t.pod("a", "web").create(&t.client).await.unwrap();
    let slices = t.expect("web", ["IPv4 http:8080 = a"]).await;
    let (name, _) = metadata_of(&slices[0]);
    t.patch_slice(&name, json!({"metadata": {"finalizers": ["example.org/hold"]}}))
        .await;
    let mark = t.mark();
    t.endpoint_slices()
        .delete(&name, &DeleteParams::default())
        .await
        .unwrap();
    t.expect("web", ["IPv4 http:8080 = a", "IPv4 http:8080 = a"])
        .await;
    let writes = t.writes_since(mark, Duration::from_secs(2)).await;
    assert_eq!(writes.len(), 1, "{writes:?}");
    t.patch_slice(&name, json!({"metadata": {"finalizers": null}}))
        .await;
    t.expect("web", ["IPv4 http:8080 = a"]).await;
}

async fn a_deleted_namespace_leaves_nothing_and_no_storm_of_errors(t: &Test) {
    let doomed = Test::new(t.cluster, "doomed").await;
    for app in ["web", "api", "db"] {
        doomed.service(app).create(&t.client).await.unwrap();
        for n in 0..5 {
            doomed
                .pod(&format!("{app}-{n}"), app)
                .create(&t.client)
                .await
                .unwrap();
        }
    }
    doomed
        .expect("web", ["IPv4 http:8080 = web-0 web-1 web-2 web-3 web-4"])
        .await;
    doomed
        .expect("db", ["IPv4 http:8080 = db-0 db-1 db-2 db-3 db-4"])
        .await;
    let mark = t.mark();
    let namespaces: kube::Api<k8s_openapi::api::core::v1::Namespace> = kube::Api::all(t.client.clone());
    namespaces
        .delete(&doomed.namespace, &DeleteParams::default())
        .await
        .unwrap();
    let _kubelet = Kubelet::of(&t.client, &doomed.namespace);
    eventually(LATER, "the namespace to be gone", async || {
        namespaces.get_opt(&doomed.namespace).await.unwrap().is_none()
    })
    .await;
    let writes = doomed.writes_since(mark, Duration::from_secs(1)).await;
    let refused = |is_creation: bool| {
        let refused = writes.iter().filter(|entry| entry.code() >= 400);
        refused
            .filter(|entry| (entry.verb == "create") == is_creation)
            .count()
    };
    assert!(
        refused(true) <= 3,
        "at most one refusal for each Service: {writes:#?}"
    );
    // A Pod goes while its slice does.
    assert!(refused(false) <= 3, "at most one for each slice: {writes:#?}");
    let manager = t.cluster.manager.lock().unwrap();
    let log = manager.as_ref().unwrap().log();
    let about = |line: &&str| line.contains(&doomed.namespace) && !line.contains("\"level\":\"INFO\"");
    assert!(
        log.lines().filter(about).count() <= 3,
        "{:?}",
        log.lines().filter(about).collect::<Vec<_>>()
    );
}
