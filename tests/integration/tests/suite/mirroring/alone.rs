//! kube-controller-manager and this binary change places over mirrored slices, on a control plane of their own.

use k8s_openapi::api::core::v1::Endpoints;
use kube::Api;
use kube::api::PostParams;
use quaymaster_testkit::ControlPlane;
use quaymaster_testkit::audit::Mark;
use serde_json::json;

use super::subset;
use crate::harness::{Cluster, Minor, alone_on_each_minor, slice_writes};

alone_on_each_minor!(mirroring_changes_hands_without_a_write);

const CONTROLLER: [&str; 1] = ["endpointslice-mirroring-controller"];
const FAST: [&str; 2] = ["--kube-api-qps=500", "--kube-api-burst=1000"];

/// Endpoints of many shapes, each with its Service.
async fn shapes(plane: &ControlPlane, minor: Minor) -> String {
    let namespace = plane.namespace("mirrored").await.unwrap();
    let client = plane.client().await.unwrap();
    let many: Vec<String> = (0..1001)
        .map(|n| format!("10.9.{}.{}", n / 250, n % 250 + 1))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let h2c = json!({"addresses": [{"ip": "192.0.2.1"}], "ports": [{"name": "p", "port": 80, "appProtocol": "kubernetes.io/h2c"}]});
    let mut all = vec![
        ("one", json!({}), json!([subset(&["192.0.2.1"], 80)])),
        (
            "two",
            json!({}),
            json!([subset(&["192.0.2.1"], 80), subset(&["192.0.2.2", "fd00::2"], 81)]),
        ),
        (
            "dual",
            json!({"labels": {"a": "b"}, "annotations": {"c": "d"}}),
            json!([subset(&["192.0.2.1", "fd00::1"], 80)]),
        ),
        ("h2c", json!({}), json!([h2c])),
        (
            "ports",
            json!({}),
            json!([{
                "addresses": [{"ip": "192.0.2.1", "hostname": "h", "nodeName": "node-a",
                    "targetRef": {"kind": "Pod", "name": "x", "uid": "u", "resourceVersion": "7", "fieldPath": "spec"}}],
                "notReadyAddresses": [{"ip": "192.0.2.2"}],
                "ports": [{"name": "http", "port": 80}, {"name": "https", "port": 443}, {"name": "dns", "port": 53, "protocol": "UDP"}],
            }]),
        ),
        ("many", json!({}), json!([subset(&many, 80)])),
        (
            "managed",
            json!({"labels": {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}}),
            json!([subset(&["192.0.2.1"], 80)]),
        ),
        (
            "skipped",
            json!({"labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}),
            json!([subset(&["192.0.2.1"], 80)]),
        ),
        ("empty", json!({}), json!([])),
    ];
    // Before 1.36 kube-controller-manager writes slices without ports for ever (kubernetes/kubernetes#133474).
    if minor != Minor::V1_33 {
        all.push((
            "portless",
            json!({}),
            json!([{"addresses": [{"ip": "192.0.2.1"}]}]),
        ));
    }
    for (name, metadata, subsets) in all {
        let service = json!({"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}});
        let services: Api<k8s_openapi::api::core::v1::Service> = Api::namespaced(client.clone(), &namespace);
        services
            .create(&PostParams::default(), &serde_json::from_value(service).unwrap())
            .await
            .unwrap();
        let mut object = json!({"metadata": metadata, "subsets": subsets});
        object["metadata"]["name"] = json!(name);
        let endpoints: Api<Endpoints> = Api::namespaced(client.clone(), &namespace);
        endpoints
            .create(&PostParams::default(), &serde_json::from_value(object).unwrap())
            .await
            .unwrap();
    }
    namespace
}

/// How many slices kube-controller-manager writes when it is started and nothing has changed.
async fn kcm_over(plane: &ControlPlane) -> usize {
    let mark = plane.audit().mark().unwrap();
    let kcm = plane.start_kcm_with(&CONTROLLER, &FAST).await.unwrap();
    let writes = slice_writes(plane, mark, "kube-controller-manager/").await;
    kcm.stop().await.unwrap();
    writes.len()
}

async fn wrote(plane: &ControlPlane, mark: Mark) -> usize {
    slice_writes(plane, mark, "quaymaster/").await.len()
}

async fn mirroring_changes_hands_without_a_write(minor: Minor) {
    let cluster = Cluster::start(minor, |builder| builder).await;
    let plane = &cluster.plane;
    let mark = plane.audit().mark().unwrap();
    let kcm = plane.start_kcm_with(&CONTROLLER, &FAST).await.unwrap();
    shapes(plane, minor).await;
    assert!(
        !slice_writes(plane, mark, "kube-controller-manager/")
            .await
            .is_empty()
    );
    kcm.stop().await.unwrap();
    assert_eq!(kcm_over(plane).await, 0, "it rests over slices of its own");

    let mark = plane.audit().mark().unwrap();
    let manager = cluster.manager().await;
    assert_eq!(
        wrote(plane, mark).await,
        0,
        "what kube-controller-manager wrote is left as it is"
    );
    // Slices that this binary made.
    let mark = plane.audit().mark().unwrap();
    shapes(plane, minor).await;
    assert!(wrote(plane, mark).await > 0);
    manager.stop().await;
    let mark = plane.audit().mark().unwrap();
    let manager = cluster.manager().await;
    assert_eq!(wrote(plane, mark).await, 0, "a restart writes nothing");
    manager.stop().await;
    assert_eq!(
        kcm_over(plane).await,
        0,
        "what this binary wrote is left as it is"
    );
}
