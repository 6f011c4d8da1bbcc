//! Services.

use std::time::Duration;

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
        Some(_) => replace(&services, &name, body).await?,
        None => create_in_range(&services, &body).await?,
    }
    let was_terminating = old.is_some_and(|old| old.metadata.deletion_timestamp.is_some());
    if new.metadata.deletion_timestamp.is_some() && !was_terminating {
        services.delete(&name, &DeleteParams::default()).await?;
    }
    Ok(())
}

/// Replaces what is stored now, by its version: without one, the apiserver tries its own older copy first, allocates the
/// address that the update adds, sees that the copy is old, and refuses the update at its second try, as the address is
/// allocated already.
async fn replace(services: &Api<Service>, name: &str, mut body: Service) -> kube::Result<()> {
    body.metadata.resource_version = services.get_metadata(name).await?.metadata.resource_version;
    services
        .replace(name, &PostParams::default(), &body)
        .await
        .map(drop)
}

/// Creates one whose address may be of a ServiceCIDR that the apiserver has yet to notice.
async fn create_in_range(services: &Api<Service>, body: &Service) -> kube::Result<()> {
    const ATTEMPTS: u32 = 40;
    const PAUSE: Duration = Duration::from_millis(100);
    /// What the apiserver says to an address in no range (`pkg/registry/core/service/storage/alloc.go`).
    const NO_RANGE: &str = "does not match the current range";
    for _ in 1..ATTEMPTS {
        match create(services, body).await {
            Err(kube::Error::Api(status)) if status.message.contains(NO_RANGE) => {
                tokio::time::sleep(PAUSE).await;
            }
            result => return result,
        }
    }
    create(services, body).await
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
