//! What others do to objects that controllers keep, as these are then.

use k8s_openapi::api::core::v1::Endpoints;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::ServiceCIDR;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use quaymaster_oracle::generate::{CidrEdit, EndpointsEdit, EndpointsWrite, SliceEdit};
use quaymaster_oracle::slices::Write;

use super::{Edits, delete_kept, gone};

/// Conflicts after which an edit is left out.
const ATTEMPTS: usize = 4;

/// Edits a slice as it is now. Which one is decided by content, not by name, so that both sides edit the same one
/// where their packing is the same. A conflict with the controller means that it was faster; the edit is made again.
pub(super) async fn slice(client: &Client, edit: &SliceEdit) -> kube::Result<Edits> {
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), &edit.namespace);
    let params = PostParams::default();
    for _ in 0..ATTEMPTS {
        let mut found = slices.list(&ListParams::default()).await?.items;
        found.sort_by_cached_key(content_key);
        let result = match edit.write(&found) {
            None => return Ok(Edits::default()),
            Some(Write::Create(slice)) => slices
                .create(&params, &slice)
                .await
                .map(|stored| Edits::written(&stored)),
            Some(Write::Update(slice)) => {
                let stored = slices.replace(&slice.name_any(), &params, &slice).await;
                stored.map(|stored| Edits::written(&stored))
            }
            Some(Write::Delete(slice)) => delete_kept(&slices, &slice.name_any()).await,
        };
        match result {
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            result => return result,
        }
    }
    Ok(Edits::default())
}

/// Edits Endpoints as they are now, where a controller keeps them.
pub(super) async fn endpoints(client: &Client, edit: &EndpointsEdit) -> kube::Result<Edits> {
    let endpoints: Api<Endpoints> = Api::namespaced(client.clone(), &edit.namespace);
    for _ in 0..ATTEMPTS {
        let Some(found) = gone(endpoints.get(&edit.service).await)? else {
            return Ok(Edits::default());
        };
        let result = match edit.write(&found) {
            None => return Ok(Edits::default()),
            Some(EndpointsWrite::Update(edited)) => {
                let stored = endpoints
                    .replace(&edit.service, &PostParams::default(), &edited)
                    .await;
                stored.map(|stored| Edits::written(&stored))
            }
            Some(EndpointsWrite::Delete) => delete_kept(&endpoints, &edit.service).await,
        };
        match result {
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            result => return result,
        }
    }
    Ok(Edits::default())
}

/// Edits a ServiceCIDR as it is now.
pub(super) async fn cidr(client: &Client, edit: &CidrEdit) -> kube::Result<Edits> {
    let cidrs: Api<ServiceCIDR> = Api::all(client.clone());
    let params = PostParams::default();
    for _ in 0..ATTEMPTS {
        let Some(found) = gone(cidrs.get(&edit.name).await)? else {
            return Ok(Edits::default());
        };
        let Some(edited) = edit.edited(&found) else {
            return Ok(Edits::default());
        };
        let result = if edit.is_of_status() {
            cidrs.replace_status(&edit.name, &params, &edited).await
        } else {
            cidrs.replace(&edit.name, &params, &edited).await
        };
        match result {
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            result => return result.map(|stored| Edits::written(&stored)),
        }
    }
    Ok(Edits::default())
}

/// Family, ports and Pods.
fn content_key(slice: &EndpointSlice) -> String {
    let mut pods: Vec<&str> = slice
        .endpoints
        .iter()
        .flatten()
        .filter_map(|endpoint| endpoint.target_ref.as_ref()?.name.as_deref())
        .collect();
    pods.sort_unstable();
    let mut ports: Vec<String> = slice
        .ports
        .iter()
        .flatten()
        .map(|port| format!("{:?}{:?}", port.name, port.port))
        .collect();
    ports.sort_unstable();
    format!("{}{ports:?}{pods:?}", slice.address_type)
}
