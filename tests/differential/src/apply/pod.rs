//! Pods, as scheduler and kubelet change them.

use http::Request;
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use kube::api::{DeleteParams, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};

use super::{create, gone, labels_patch, status_patch};

/// Grace of a Pod that stays terminating until a step deletes it: longer than any run.
const LONG_GRACE_SECONDS: u32 = 86_400;

pub(super) async fn put(client: &Client, old: Option<&Pod>, new: &Pod) -> kube::Result<()> {
    let (namespace, name) = (new.namespace().unwrap_or_default(), new.name_any());
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    match old {
        None => {
            let mut body = new.clone();
            body.metadata.uid = None;
            body.metadata.deletion_timestamp = None;
            body.metadata.deletion_grace_period_seconds = None;
            body.status = None;
            create(&pods, &body).await?;
        }
        Some(old) => {
            if old.metadata.labels != new.metadata.labels {
                let patch = labels_patch(&old.metadata, &new.metadata);
                pods.patch(&name, &PatchParams::default(), &patch).await?;
            }
            let node = |pod: &Pod| pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
            if let Some(node) = node(new).filter(|_| node(old).is_none()) {
                bind(client, &namespace, &name, &node).await?;
            }
        }
    }
    let was_terminating = old.is_some_and(|old| old.metadata.deletion_timestamp.is_some());
    let delete = new.metadata.deletion_timestamp.is_some() && !was_terminating;
    // The apiserver removes a Pod that has finished, or has no node, at once.
    if delete {
        let grace = DeleteParams::default().grace_period(LONG_GRACE_SECONDS);
        pods.delete(&name, &grace).await?;
    }
    let pending = |pod: &Pod| pod.status.as_ref().is_none_or(|status| status.pod_ips.is_none());
    let changed = old.map_or(!pending(new), |old| old.status != new.status);
    if changed {
        let none = PodStatus::default();
        let before = old.and_then(|old| old.status.as_ref()).unwrap_or(&none);
        let patch = status_patch(before, &new.status);
        pods.patch_status(&name, &PatchParams::default(), &patch).await?;
    }
    Ok(())
}

/// At once.
pub(super) async fn delete(client: &Client, namespace: &str, name: &str) -> kube::Result<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    gone(pods.delete(name, &DeleteParams::default().grace_period(0)).await).map(drop)
}

/// What a scheduler does.
async fn bind(client: &Client, namespace: &str, name: &str, node: &str) -> kube::Result<()> {
    let body = json!({
        "apiVersion": "v1", "kind": "Binding",
        "metadata": { "name": name, "namespace": namespace },
        "target": { "apiVersion": "v1", "kind": "Node", "name": node },
    });
    let request = Request::post(format!("/api/v1/namespaces/{namespace}/pods/{name}/binding"))
        .header("content-type", "application/json")
        .body(body.to_string().into_bytes())
        .map_err(kube::Error::HttpError)?;
    client.request::<Value>(request).await?;
    Ok(())
}
