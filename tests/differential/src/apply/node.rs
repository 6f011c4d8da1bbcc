//! Nodes.

use k8s_openapi::api::core::v1::Node;
use kube::api::PatchParams;
use kube::{Api, Client, ResourceExt as _};

use super::{create, labels_patch, status_patch};

/// Labels and status have ways of their own.
pub(super) async fn put(client: &Client, old: Option<&Node>, new: &Node) -> kube::Result<()> {
    let nodes: Api<Node> = Api::all(client.clone());
    let name = new.name_any();
    let Some(old) = old else {
        let mut node = new.clone();
        node.metadata.uid = None;
        return create(&nodes, &node).await;
    };
    if old.metadata.labels != new.metadata.labels {
        let patch = labels_patch(&old.metadata, &new.metadata);
        nodes.patch(&name, &PatchParams::default(), &patch).await?;
    }
    if old.status != new.status {
        let patch = status_patch(&old.status, &new.status);
        nodes.patch_status(&name, &PatchParams::default(), &patch).await?;
    }
    Ok(())
}
