//! Whether the slices of a Service are what a step wants, judged by what the API shows alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::cluster::{PodSeen, SliceSeen, Snapshot};
use super::steps::{Group, Want};

/// Upstream's name for who looks after these slices; quaymaster keeps it.
const MANAGER: &str = "endpointslice-controller.k8s.io";

/// What earlier steps saw.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The ClusterIP of each Service, which never changes.
    cluster_ips: HashMap<String, String>,
    /// Addresses of deleted Pods, which never come back.
    pub(crate) gone: BTreeSet<String>,
}

/// `Err` says what is not as it should be.
pub(crate) fn check(want: &Want, snapshot: &Snapshot, memory: &mut Memory) -> Result<(), String> {
    let name = want.service;
    let service = snapshot
        .services
        .get(name)
        .ok_or_else(|| format!("there is no Service {name}"))?;
    if service.cluster_ip.is_empty() {
        return Err(format!("{name} has no ClusterIP"));
    }
    let known = memory
        .cluster_ips
        .entry(name.to_owned())
        .or_insert_with(|| service.cluster_ip.clone());
    if *known != service.cluster_ip {
        return Err(format!(
            "the ClusterIP of {name} was {known} and is {}",
            service.cluster_ip
        ));
    }
    let slices = snapshot.slices_of(name);
    for slice in &slices {
        if slice.managed_by != MANAGER {
            return Err(format!("{} is managed by {:?}", slice.name, slice.managed_by));
        }
        if !slice.owners.contains(&service.uid) {
            return Err(format!("{} is not owned by its Service", slice.name));
        }
        let mut addresses = slice.endpoints.iter().flat_map(|endpoint| &endpoint.addresses);
        if let Some(gone) = addresses.find(|address| memory.gone.contains(*address)) {
            return Err(format!(
                "{} still has {gone}, the address of a deleted Pod",
                slice.name
            ));
        }
    }
    if want.groups.is_empty() {
        return placeholder(name, &slices);
    }
    let mut by_ports: BTreeMap<Vec<&str>, Vec<&SliceSeen>> = BTreeMap::new();
    for slice in &slices {
        let ports = slice.ports.iter().map(String::as_str).collect();
        by_ports.entry(ports).or_default().push(slice);
    }
    for group in &want.groups {
        let slices = by_ports.remove(&group.ports).unwrap_or_default();
        check_group(group, &slices, snapshot)
            .map_err(|wrong| format!("{name}, {:?}: {wrong}", group.ports))?;
    }
    match by_ports.into_keys().next() {
        Some(ports) => Err(format!(
            "{name} has a slice with the ports {ports:?}, which no Pod has"
        )),
        None => Ok(()),
    }
}

fn placeholder(name: &str, slices: &[&SliceSeen]) -> Result<(), String> {
    match slices {
        [only] if only.endpoints.is_empty() => Ok(()),
        [only] => Err(format!("{} has {} endpoints", only.name, only.endpoints.len())),
        _ => Err(format!("{name} has {} slices, not one", slices.len())),
    }
}

fn check_group(group: &Group, slices: &[&SliceSeen], snapshot: &Snapshot) -> Result<(), String> {
    // Few Pods: more than one slice for them would be wrong.
    let [slice] = slices else {
        return Err(format!("{} slices, not one", slices.len()));
    };
    let pods: BTreeMap<&str, &PodSeen> = snapshot
        .pods_of(group.selector)
        .into_iter()
        .map(|pod| (pod.name.as_str(), pod))
        .collect();
    let mut seen = BTreeSet::new();
    for endpoint in &slice.endpoints {
        let name = endpoint.pod.as_str();
        let pod = pods
            .get(name)
            .ok_or_else(|| format!("{name} is no Pod with the labels {:?}", group.selector))?;
        if !seen.insert(name) {
            return Err(format!("{name} stands there twice"));
        }
        if Some(endpoint.addresses.as_slice()) != pod.address.as_ref().map(std::slice::from_ref) {
            return Err(format!(
                "{name} has the address {:?}, not {:?}",
                pod.address, endpoint.addresses
            ));
        }
        if endpoint.node != pod.node || endpoint.zone.is_none() {
            return Err(format!(
                "{name} is on {:?}, not {:?} in {:?}",
                pod.node, endpoint.node, endpoint.zone
            ));
        }
        let wanted = (pod.ready && !pod.terminating, pod.ready, pod.terminating);
        if (endpoint.ready, endpoint.serving, endpoint.terminating) != wanted {
            return Err(format!("the conditions of {name} are not those of its Pod"));
        }
    }
    let ready = slice.endpoints.iter().filter(|endpoint| endpoint.ready).count();
    let unready = slice.endpoints.len() - ready;
    if (ready, unready) != (group.ready, group.unready) {
        return Err(format!(
            "{ready} ready and {unready} others, not {} and {}",
            group.ready, group.unready
        ));
    }
    if seen.len() != pods.len() {
        return Err(format!("{} of {} Pods", seen.len(), pods.len()));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
