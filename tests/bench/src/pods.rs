//! Pods as clusters have them: what a reader must skip is part of what a change costs.

use serde_json::{Value, json};

/// Variables of the environment of each of the two containers.
const VARIABLES: usize = 12;

/// What makes one Pod differ from another.
#[derive(Debug, Clone)]
pub struct PodShape<'a> {
    /// Namespace.
    pub namespace: &'a str,
    /// Name.
    pub name: &'a str,
    /// Value of the label `app`, which the Service selects.
    pub app: &'a str,
    /// The Node it runs on.
    pub node: &'a str,
}

/// A Pod as a Deployment's template and admission leave it, without status: two containers with environment, probes,
/// resources and mounts, labels, annotations, tolerations.
pub fn spec(shape: &PodShape<'_>) -> Value {
    let PodShape {
        namespace,
        name,
        app,
        node,
    } = shape;
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "generateName": format!("{app}-7d4b9c6f58-"),
            "labels": {
                "app": app,
                "app.kubernetes.io/part-of": "shop",
                "app.kubernetes.io/version": "2.14.3",
                "pod-template-hash": "7d4b9c6f58",
            },
            "annotations": {
                "prometheus.io/scrape": "true",
                "prometheus.io/port": "9090",
                "checksum/config": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            },
        },
        "spec": {
            "nodeName": node,
            "serviceAccountName": "default",
            "containers": [container("app", 8080), container("proxy", 15090)],
            "tolerations": [
                {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute",
                    "tolerationSeconds": 300},
                {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute",
                    "tolerationSeconds": 300},
            ],
            "volumes": [
                {"name": "config", "configMap": {"name": format!("{app}-config")}},
                {"name": "scratch", "emptyDir": {}},
            ],
        },
    })
}

fn container(name: &str, port: u16) -> Value {
    let variables: Vec<Value> = (0..VARIABLES)
        .map(|number| {
            json!({
                "name": format!("SETTING_{number}"),
                "value": format!("https://backend-{number}.shop.svc.cluster.local:8443/v1/{name}"),
            })
        })
        .collect();
    json!({
        "name": name,
        "image": "registry.invalid/shop/frontend:2.14.3",
        "ports": [{"name": "http", "containerPort": port, "protocol": "TCP"}],
        "env": variables,
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": port}, "periodSeconds": 10},
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": port}, "periodSeconds": 10},
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/app", "readOnly": true},
            {"name": "scratch", "mountPath": "/tmp"},
        ],
    })
}

/// The status that a kubelet reports, with both containers running.
pub fn status(ip: &str, ready: bool, since: &str) -> Value {
    let text = if ready { "True" } else { "False" };
    let condition = |r#type: &str, status: &str| json!({"type": r#type, "status": status, "lastProbeTime": null, "lastTransitionTime": since});
    let container = |name: &str| {
        json!({
            "name": name,
            "ready": ready,
            "started": true,
            "restartCount": 0,
            "image": "registry.invalid/shop/frontend:2.14.3",
            "imageID": "registry.invalid/shop/frontend@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "containerID": "containerd://5b1c8bd2f5a1f0f25b6e4f3a9b0a4c9c3c5d0d7a1d2a5b8e7f6c4d3b2a190817",
            "state": {"running": {"startedAt": since}},
        })
    };
    json!({
        "phase": "Running",
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "hostIP": "192.0.2.10",
        "startTime": since,
        "conditions": [
            condition("PodReadyToStartContainers", "True"),
            condition("Initialized", "True"),
            condition("Ready", text),
            condition("ContainersReady", text),
            condition("PodScheduled", "True"),
        ],
        "containerStatuses": [container("app"), container("proxy")],
    })
}

/// The address of the Pod with this number; all differ.
pub fn address(number: usize) -> String {
    format!(
        "10.{}.{}.{}",
        64 + (number >> 16),
        (number >> 8) & 0xff,
        number & 0xff
    )
}
