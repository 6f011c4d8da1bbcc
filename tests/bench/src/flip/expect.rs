//! What the slices should be, computed from the layout alone.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::ListParams;
use kube::{Api, Client};

use super::cluster::{Layout, address};

/// The label that names a slice's Service.
const SERVICE: &str = "kubernetes.io/service-name";
/// Port that `http` of the Pods' containers leads to.
const PORT: i32 = 8080;
/// How often all slices are looked at.
const POLL: Duration = Duration::from_millis(500);

/// Waits until every Service has each of its Pods once, ready, at its address and Node, and nothing else.
pub(crate) async fn wait(client: &Client, layout: &Layout, limit: Duration) -> Result<()> {
    let begun = Instant::now();
    loop {
        let Some(wrong) = check(client, layout).await? else {
            return Ok(());
        };
        if begun.elapsed() > limit {
            bail!("after {limit:?} the slices are still not right: {wrong}");
        }
        tokio::time::sleep(POLL).await;
    }
}

/// What is wrong first, if anything.
async fn check(client: &Client, layout: &Layout) -> Result<Option<String>> {
    let api: Api<EndpointSlice> = Api::all(client.clone());
    let mut seen: BTreeMap<(String, String), Vec<(String, String)>> = BTreeMap::new();
    for slice in api.list(&ListParams::default()).await? {
        let namespace = slice.metadata.namespace.unwrap_or_default();
        let Some(service) = slice
            .metadata
            .labels
            .and_then(|mut labels| labels.remove(SERVICE))
        else {
            continue;
        };
        let ports: Vec<Option<i32>> = slice.ports.iter().flatten().map(|port| port.port).collect();
        let of_service = seen.entry((namespace, service)).or_default();
        for endpoint in slice.endpoints.unwrap_or_default() {
            let ready = endpoint.conditions.and_then(|conditions| conditions.ready);
            if ready != Some(true) || ports != [Some(PORT)] {
                return Ok(Some(format!(
                    "{:?} is not ready, or has the ports {ports:?}",
                    endpoint.target_ref
                )));
            }
            let pod = endpoint.target_ref.and_then(|target| target.name);
            of_service.push((pod.unwrap_or_default(), endpoint.addresses.join(",")));
        }
    }
    for backed in &layout.services {
        let mut wanted: Vec<(String, String)> = backed
            .pods
            .clone()
            .map(|number| (backed.pod_name(number), address(number)))
            .collect();
        let key = (backed.namespace.clone(), backed.name.clone());
        let mut found = seen.remove(&key).unwrap_or_default();
        wanted.sort();
        found.sort();
        if wanted != found {
            return Ok(Some(format!(
                "{}/{} has {} endpoints instead of {}, or others",
                backed.namespace,
                backed.name,
                found.len(),
                wanted.len()
            )));
        }
    }
    seen.retain(|(namespace, _), _| layout.namespaces.contains(namespace));
    Ok(seen
        .into_keys()
        .next()
        .map(|key| format!("{key:?} is no Service of ours")))
}
