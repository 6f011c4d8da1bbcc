//! What the slices should be, computed from the layout alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use k8s_openapi::api::core::v1::Endpoints;
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
            .map(|number| {
                let pod = (!backed.custom).then(|| backed.pod_name(number));
                (pod.unwrap_or_default(), address(number))
            })
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
    if let Some(key) = seen.into_keys().next() {
        return Ok(Some(format!("{key:?} is no Service of ours")));
    }
    if layout.family {
        endpoints(client, layout).await
    } else {
        Ok(None)
    }
}

/// The same of Endpoints, of which at most 1,000 addresses are kept, and which of them is left open.
async fn endpoints(client: &Client, layout: &Layout) -> Result<Option<String>> {
    let api: Api<Endpoints> = Api::all(client.clone());
    let mut seen: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for endpoints in api.list(&ListParams::default()).await? {
        let key = (
            endpoints.metadata.namespace.unwrap_or_default(),
            endpoints.metadata.name.unwrap_or_default(),
        );
        let addresses = endpoints
            .subsets
            .into_iter()
            .flatten()
            .filter_map(|subset| subset.addresses);
        seen.insert(key, addresses.flatten().map(|address| address.ip).collect());
    }
    for backed in &layout.services {
        let wanted: BTreeSet<String> = backed.pods.clone().map(address).collect();
        let key = (backed.namespace.clone(), backed.name.clone());
        let found = seen.remove(&key).unwrap_or_default();
        let once: BTreeSet<String> = found.iter().cloned().collect();
        if once.len() != found.len() || once.len() != wanted.len().min(1_000) || !once.is_subset(&wanted) {
            return Ok(Some(format!(
                "the Endpoints {}/{} have {} addresses for {} Pods, or others",
                backed.namespace,
                backed.name,
                found.len(),
                wanted.len()
            )));
        }
    }
    Ok(None)
}
