//! Services.

use k8s_openapi::api::core::v1::Service;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;

use super::{create, gone};

fn api(client: &Client, service: &Service) -> Api<Service> {
    Api::namespaced(client.clone(), &service.namespace().unwrap_or_default())
}

/// One that is being deleted is deleted; its finalizer holds it.
pub(super) async fn put(client: &Client, old: Option<&Service>, new: &Service) -> kube::Result<()> {
    let services = api(client, new);
    let name = new.name_any();
    let mut body = new.clone();
    body.metadata.uid = None;
    body.metadata.deletion_timestamp = None;
    body.metadata.deletion_grace_period_seconds = None;
    match old {
        Some(_) => _ = services.replace(&name, &PostParams::default(), &body).await?,
        None => create(&services, &body).await?,
    }
    let was_terminating = old.is_some_and(|old| old.metadata.deletion_timestamp.is_some());
    if new.metadata.deletion_timestamp.is_some() && !was_terminating {
        services.delete(&name, &DeleteParams::default()).await?;
    }
    Ok(())
}

/// Whatever holds it.
pub(super) async fn delete(client: &Client, old: &Service) -> kube::Result<()> {
    let services = api(client, old);
    let name = old.name_any();
    if old.metadata.finalizers.is_some() {
        let patch = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
        gone(services.patch(&name, &PatchParams::default(), &patch).await)?;
    }
    gone(services.delete(&name, &DeleteParams::default()).await).map(drop)
}
