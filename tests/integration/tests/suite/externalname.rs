//! Services that select no Pods: mistakes that are told.

mod alone;

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::events::v1::Event;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client};
use quaymaster_testkit::eventually;
use serde_json::{Value, json};

use crate::harness::{SOON, Test, on_each_minor};

on_each_minor!(
    each_mistake_in_an_external_name_is_told_once,
    a_slice_made_by_hand_is_told_what_it_lacks,
    a_target_that_goes_is_told_to_those_who_name_it,
);

/// Longer than a mistake waits before it is told.
const TOLD: Duration = Duration::from_secs(13);

/// Events of this controller in a namespace: how often each reason was told of each object.
async fn told(client: &Client, namespace: &str) -> BTreeMap<String, usize> {
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    let mut told = BTreeMap::new();
    for event in events.list(&ListParams::default()).await.unwrap() {
        if event.reporting_controller.as_deref() == Some("externalname-controller") {
            let name = event.regarding.and_then(|object| object.name).unwrap();
            let reason = event.reason.unwrap();
            *told.entry(format!("{reason} of {name}")).or_default() += 1;
            assert_eq!(event.type_.as_deref(), Some("Warning"));
            assert!(event.series.is_none());
        }
    }
    told
}

async fn expect_told(t: &Test, expected: &[&str]) {
    let expected: BTreeMap<String, usize> = expected.iter().map(|one| ((*one).to_owned(), 1)).collect();
    eventually(SOON, &format!("{expected:?}"), async || {
        let found = told(&t.client, &t.namespace).await;
        if found == expected {
            Ok(())
        } else {
            Err(format!("{found:?}"))
        }
    })
    .await;
}

async fn external(t: &Test, name: &str, target: &str) {
    let service = t.bare_service(name).external_name(target);
    service.create(&t.client).await.unwrap();
}

async fn each_mistake_in_an_external_name_is_told_once(t: &Test) {
    let inside = |name: &str| format!("{name}.{}.svc.cluster.local", t.namespace);
    external(t, "right", "example.org").await;
    external(t, "alias", &inside("right")).await;
    external(t, "address", "192.0.2.1").await;
    external(t, "dot", "example.org.").await;
    external(t, "missing", &inside("nobody")).await;
    external(t, "one", &inside("other")).await;
    external(t, "other", &inside("one")).await;
    let ports = t.service("ports").external_name("example.org");
    ports.create(&t.client).await.unwrap();
    let expected = [
        "ExternalNameIsIPAddress of address",
        "ExternalNameTrailingDot of dot",
        "ExternalNameTargetMissing of missing",
        "ExternalNameLoop of one",
        "ExternalNameLoop of other",
        "ExternalNamePortsUnused of ports",
    ];
    expect_told(t, &expected).await;
    // What changes of a Service and is not wrong does not tell it again.
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    for name in ["address", "dot", "missing", "ports"] {
        t.patch_service(name, label.clone()).await;
    }
    tokio::time::sleep(TOLD).await;
    expect_told(t, &expected).await;
}

async fn a_target_that_goes_is_told_to_those_who_name_it(t: &Test) {
    t.service("db").create(&t.client).await.unwrap();
    external(t, "web", &format!("db.{}.svc.cluster.local.", t.namespace)).await;
    expect_told(t, &["ExternalNameTrailingDot of web"]).await;
    t.delete_service("db").await;
    let both = [
        "ExternalNameTrailingDot of web",
        "ExternalNameTargetMissing of web",
    ];
    expect_told(t, &both).await;
}

async fn by_hand(t: &Test, name: &str, labels: Value, port: &str) {
    let slice = json!({
        "metadata": {"name": name, "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["192.0.2.1"]}],
        "ports": [{"name": port, "port": 80}],
    });
    let slice: EndpointSlice = serde_json::from_value(slice).unwrap();
    t.endpoint_slices()
        .create(&PostParams::default(), &slice)
        .await
        .unwrap();
}

async fn a_slice_made_by_hand_is_told_what_it_lacks(t: &Test) {
    t.service("db")
        .spec(|spec| spec.selector = None)
        .create(&t.client)
        .await
        .unwrap();
    let of_db = json!({"kubernetes.io/service-name": "db"});
    by_hand(t, "right", of_db.clone(), "http").await;
    by_hand(t, "port", of_db, "sql").await;
    by_hand(t, "label", json!({"app": "db"}), "http").await;
    let expected = [
        "PortNamesMatchNoServicePort of port",
        "ServiceNameLabelMissing of label",
    ];
    expect_told(t, &expected).await;
}
