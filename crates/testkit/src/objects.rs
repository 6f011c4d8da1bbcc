//! Builders of objects that a real apiserver accepts without a kubelet, and helpers for their life.

mod node;
mod pod;
mod service;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;

pub use node::{NodeBuilder, node};
pub use pod::{PodBuilder, pod};
pub use service::{ServiceBuilder, service};

/// The grace period of a Pod that should stay terminating: longer than any test.
const LONG_GRACE_SECONDS: u32 = 3600;

/// Turns a Pod's Ready condition on or off, as a kubelet would; other conditions stay.
pub async fn set_ready(client: &Client, namespace: &str, name: &str, ready: bool) -> kube::Result<Pod> {
    let condition = json!({
        "type": "Ready",
        "status": if ready { "True" } else { "False" },
        "lastTransitionTime": Timestamp::now().to_string(),
    });
    patch_status(client, namespace, name, json!({ "conditions": [condition] })).await
}

/// Sets a Pod's phase, such as `Succeeded`.
pub async fn set_phase(client: &Client, namespace: &str, name: &str, phase: &str) -> kube::Result<Pod> {
    patch_status(client, namespace, name, json!({ "phase": phase })).await
}

/// Deletes a Pod with a grace period longer than any test: it stays, terminating, until [`delete_now`].
///
/// Only a Pod with a node stays; the apiserver removes others at once.
pub async fn terminate(client: &Client, namespace: &str, name: &str) -> kube::Result<()> {
    let params = DeleteParams::default().grace_period(LONG_GRACE_SECONDS);
    Api::<Pod>::namespaced(client.clone(), namespace)
        .delete(name, &params)
        .await?;
    Ok(())
}

/// Deletes a Pod without a grace period, as a kubelet does when all containers have ended: it is gone at once.
pub async fn delete_now(client: &Client, namespace: &str, name: &str) -> kube::Result<()> {
    let params = DeleteParams::default().grace_period(0);
    Api::<Pod>::namespaced(client.clone(), namespace)
        .delete(name, &params)
        .await?;
    Ok(())
}

/// A strategic merge patch of the status: conditions are merged by type.
async fn patch_status(
    client: &Client,
    namespace: &str,
    name: &str,
    status: serde_json::Value,
) -> kube::Result<Pod> {
    let patch = Patch::Strategic(json!({ "status": status }));
    Api::namespaced(client.clone(), namespace)
        .patch_status(name, &PatchParams::default(), &patch)
        .await
}

/// Owned pairs for labels, annotations and selectors.
fn pairs<K: Into<String>, V: Into<String>>(
    items: impl IntoIterator<Item = (K, V)>,
) -> BTreeMap<String, String> {
    items
        .into_iter()
        .map(|(key, value)| (key.into(), value.into()))
        .collect()
}
