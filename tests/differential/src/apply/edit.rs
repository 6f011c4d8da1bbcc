//! What others do to objects that controllers keep, as these are then.

use k8s_openapi::api::core::v1::Endpoints;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::ServiceCIDR;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use quaymaster_oracle::generate::{CidrEdit, EndpointsEdit, EndpointsWrite, SliceEdit};
use quaymaster_oracle::slices::Write;

use super::{Edits, Hit, delete_kept, gone};

/// Conflicts after which an edit is left out.
const ATTEMPTS: usize = 4;

/// Edits a slice as it is now. Which one is decided by content, not by name, so that both sides edit the same one
/// where their packing is the same. A conflict with the controller means that it was faster; the edit is made again.
pub(super) async fn slice(client: &Client, edit: &SliceEdit) -> kube::Result<(Edits, Hit)> {
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), &edit.namespace);
    let params = PostParams::default();
    for _ in 0..ATTEMPTS {
        let mut found = slices.list(&ListParams::default()).await?.items;
        found.sort_by_cached_key(content_key);
        let (hit, result) = match edit.write(&found) {
            None => return Ok((Edits::default(), Hit::Nothing)),
            Some(Write::Create(slice)) => {
                let stored = slices.create(&params, &slice).await;
                (
                    slice_in_words(&slice),
                    stored.map(|stored| Edits::written(&stored)),
                )
            }
            Some(Write::Update(slice)) => {
                let before = found.iter().find(|one| one.metadata.name == slice.metadata.name);
                let before = before.unwrap_or(&slice);
                let stored = slices.replace(&slice.name_any(), &params, &slice).await;
                let edits = stored.map(|stored| Edits::written_over(before, &stored));
                (slice_in_words(before), edits)
            }
            Some(Write::Delete(slice)) => {
                let deleted = delete_kept(&slices, &slice.name_any()).await;
                (slice_in_words(&slice), deleted)
            }
        };
        if let Some(result) = unless_overtaken(result) {
            return Ok((result?, Hit::Object(hit)));
        }
    }
    Ok((Edits::default(), Hit::Overtaken))
}

/// Edits Endpoints as they are now, where a controller keeps them.
pub(super) async fn endpoints(client: &Client, edit: &EndpointsEdit) -> kube::Result<(Edits, Hit)> {
    let endpoints: Api<Endpoints> = Api::namespaced(client.clone(), &edit.namespace);
    for _ in 0..ATTEMPTS {
        let Some(found) = gone(endpoints.get(&edit.service).await)? else {
            return Ok((Edits::default(), Hit::Nothing));
        };
        let result = match edit.write(&found) {
            None => return Ok((Edits::default(), Hit::Nothing)),
            Some(EndpointsWrite::Update(edited)) => {
                let stored = endpoints
                    .replace(&edit.service, &PostParams::default(), &edited)
                    .await;
                stored.map(|stored| Edits::written_over(&found, &stored))
            }
            Some(EndpointsWrite::Delete) => delete_kept(&endpoints, &edit.service).await,
        };
        if let Some(result) = unless_overtaken(result) {
            return Ok((result?, Hit::Object(endpoints_in_words(&found))));
        }
    }
    Ok((Edits::default(), Hit::Overtaken))
}

/// Edits a ServiceCIDR as it is now.
pub(super) async fn cidr(client: &Client, edit: &CidrEdit) -> kube::Result<(Edits, Hit)> {
    let cidrs: Api<ServiceCIDR> = Api::all(client.clone());
    let params = PostParams::default();
    for _ in 0..ATTEMPTS {
        let Some(found) = gone(cidrs.get(&edit.name).await)? else {
            return Ok((Edits::default(), Hit::Nothing));
        };
        let Some(edited) = edit.edited(&found) else {
            return Ok((Edits::default(), Hit::Nothing));
        };
        let result = if edit.is_of_status() {
            cidrs.replace_status(&edit.name, &params, &edited).await
        } else {
            cidrs.replace(&edit.name, &params, &edited).await
        };
        if let Some(result) = unless_overtaken(result) {
            let edits = Edits::written_over(&found, &result?);
            return Ok((edits, Hit::Object(cidr_in_words(&found))));
        }
    }
    Ok((Edits::default(), Hit::Overtaken))
}

/// Nothing where the controller was faster.
fn unless_overtaken<T>(result: kube::Result<T>) -> Option<kube::Result<T>> {
    match result {
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => None,
        result => Some(result),
    }
}

/// What a slice holds.
fn slice_in_words(slice: &EndpointSlice) -> String {
    let ports = slice.ports.iter().flatten().map(|port| {
        let number = port.port.map_or("any".to_owned(), |number| number.to_string());
        format!("{}:{number}", port.name.as_deref().unwrap_or_default())
    });
    let pods = slice.endpoints.iter().flatten().map(|endpoint| {
        let target = endpoint.target_ref.as_ref();
        let name = target.and_then(|target| target.name.clone());
        name.unwrap_or_else(|| endpoint.addresses.join(","))
    });
    let (mut ports, mut pods): (Vec<String>, Vec<String>) = (ports.collect(), pods.collect());
    ports.sort_unstable();
    pods.sort_unstable();
    let (family, ports) = (&slice.address_type, ports.join(", "));
    match pods.as_slice() {
        [] => format!("{family} [{ports}], empty"),
        pods => format!("{family} [{ports}] of {}", pods.join(", ")),
    }
}

/// What Endpoints hold.
fn endpoints_in_words(endpoints: &Endpoints) -> String {
    let subsets = endpoints.subsets.iter().flatten();
    let mut addresses: Vec<String> = subsets
        .flat_map(|subset| {
            let ready = subset
                .addresses
                .iter()
                .flatten()
                .map(|address| address.ip.clone());
            let not_ready = subset.not_ready_addresses.iter().flatten();
            ready.chain(not_ready.map(|address| format!("{} (not ready)", address.ip)))
        })
        .collect();
    addresses.sort_unstable();
    if addresses.is_empty() {
        "Endpoints, empty".to_owned()
    } else {
        format!("Endpoints of {}", addresses.join(", "))
    }
}

/// What is kept of a ServiceCIDR.
fn cidr_in_words(cidr: &ServiceCIDR) -> String {
    let finalizers = cidr.metadata.finalizers.iter().flatten();
    let finalizers: Vec<&str> = finalizers.map(String::as_str).collect();
    let status = cidr.status.iter();
    let conditions = status.flat_map(|status| status.conditions.iter().flatten());
    let conditions: Vec<String> = conditions
        .map(|condition| format!("{}={}", condition.type_, condition.status))
        .collect();
    format!(
        "finalizers [{}], conditions [{}]",
        finalizers.join(", "),
        conditions.join(", ")
    )
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
