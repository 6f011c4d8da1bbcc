//! Endpoints of a Service with a selector, and one sync of their controller (`syncService` in kubernetes
//! `pkg/controller/endpoint/endpoints_controller.go`).

use std::borrow::Borrow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{EndpointAddress, EndpointPort, EndpointSubset, Endpoints, Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::names;
use crate::rules::address::{AddressType, canonical_ip};
use crate::rules::desired::{Rules, managed};
use crate::rules::minors::EQUAL_AFTER_REPACKING;
use crate::rules::pods::{eligible, endpoint, is_ready, selects};
use crate::rules::ports::{PortHash, find_port};
use crate::rules::repack::{Origin, repack, repack_origins};

#[cfg(test)]
mod tests;

/// Most addresses of an object, ready or not, over all subsets (`maxCapacity`).
pub const CAPACITY: usize = 1000;

/// What the Endpoints of a Service should say, up to annotations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desired {
    /// In upstream's order, and truncated, without those that nothing is left of.
    pub subsets: Vec<EndpointSubset>,
    /// Whether there were more than [`CAPACITY`] addresses.
    pub truncated: bool,
    /// Whether upstream asks for what the API refuses, a subset of which all addresses were cut off, and so writes nothing.
    pub refused: bool,
    /// All labels.
    pub labels: BTreeMap<String, String>,
}

/// What the Endpoints of `service` should say; `None` where the controller does not look after it, so that whatever
/// exists stays. `pods` are all Pods of its namespace; others are ignored.
pub fn desired(service: &Service, pods: &[impl Borrow<Pod>], rules: Rules) -> Option<Desired> {
    if !managed(service) {
        return None;
    }
    let subsets = repack_origins(&origins(service, pods), PortHash::of(rules.minor));
    let (mut subsets, truncated) = truncate(subsets);
    let before = subsets.len();
    let has = |list: &Option<Vec<EndpointAddress>>| list.as_ref().is_some_and(|list| !list.is_empty());
    subsets.retain(|subset| has(&subset.addresses) || has(&subset.not_ready_addresses));
    Some(Desired {
        refused: subsets.len() < before,
        subsets,
        truncated,
        labels: labels(service),
    })
}

/// For each Pod and port a subset of its own.
fn origins(service: &Service, pods: &[impl Borrow<Pod>]) -> Vec<Origin> {
    let spec = service.spec.clone().unwrap_or_default();
    let publish = spec.publish_not_ready_addresses.unwrap_or(false);
    let service_ports = spec.ports.unwrap_or_default();
    let headless = spec.cluster_ip.as_deref() == Some("None");
    let mut origins = Vec::new();
    let pods = pods.iter().map(Borrow::borrow);
    for pod in pods.filter(|pod| selects(service, pod) && eligible(pod)) {
        // Terminating Pods count as ready where those that are not ready are published, and else not at all.
        if pod.metadata.deletion_timestamp.is_some() && !publish {
            continue;
        }
        let Some(address) = address(service, pod) else {
            continue;
        };
        let mut add = |port: Option<(EndpointPort, usize)>| {
            let (ready, not_ready) = if publish || is_ready(pod) {
                (Some(vec![address.clone()]), None)
            } else {
                (None, Some(vec![address.clone()]))
            };
            let (ports, pointers) = port.into_iter().unzip::<_, _, Vec<_>, _>();
            origins.push(Origin {
                subset: EndpointSubset {
                    addresses: ready,
                    not_ready_addresses: not_ready,
                    ports: Some(ports),
                },
                pointers,
            });
        };
        if service_ports.is_empty() && headless {
            add(None);
        }
        for (index, service_port) in service_ports.iter().enumerate() {
            if let Some(port) = find_port(pod, service_port) {
                let port = EndpointPort {
                    app_protocol: service_port.app_protocol.clone(),
                    name: service_port.name.clone(),
                    port,
                    protocol: service_port.protocol.clone(),
                };
                add(Some((port, index)));
            }
        }
    }
    origins
}

/// The Pod's address of the Service's primary family, with all that Endpoints say of it.
fn address(service: &Service, pod: &Pod) -> Option<EndpointAddress> {
    let family = primary_family(service, pod);
    let addresses = pod.status.as_ref()?.pod_ips.iter().flatten();
    let mut addresses = addresses.map(|address| canonical_ip(&address.ip));
    let (_, ip) = addresses.find(|(found, _)| *found == family)?;
    let endpoint = endpoint(pod, None, service, family);
    Some(EndpointAddress {
        hostname: endpoint.hostname,
        ip,
        // Present even when it is empty, which the API refuses.
        node_name: Some(
            pod.spec
                .as_ref()
                .and_then(|spec| spec.node_name.clone())
                .unwrap_or_default(),
        ),
        target_ref: endpoint.target_ref,
    })
}

/// The family whose addresses are published.
pub(crate) fn primary_family(service: &Service, pod: &Pod) -> AddressType {
    let spec = service.spec.as_ref();
    let first = spec.and_then(|spec| spec.ip_families.as_ref()?.first());
    if let Some(first) = first.and_then(|family| AddressType::parse(family)) {
        return first;
    }
    let cluster_ip = spec.and_then(|spec| spec.cluster_ip.as_deref());
    let pod_ip = || pod.status.as_ref().and_then(|status| status.pod_ip.as_deref());
    let decides = cluster_ip
        .filter(|ip| !ip.is_empty() && *ip != "None")
        .or_else(pod_ip);
    decides.map_or(AddressType::IPv4, |ip| canonical_ip(ip).0)
}

/// Cuts what is above [`CAPACITY`], and says whether there was anything: ready addresses go before others, and subsets
/// share the room by their size.
fn truncate(mut subsets: Vec<EndpointSubset>) -> (Vec<EndpointSubset>, bool) {
    let count = |list: &Option<Vec<EndpointAddress>>| list.as_ref().map_or(0, Vec::len);
    let ready: usize = subsets.iter().map(|subset| count(&subset.addresses)).sum();
    let not_ready: usize = subsets
        .iter()
        .map(|subset| count(&subset.not_ready_addresses))
        .sum();
    if ready + not_ready <= CAPACITY {
        return (subsets, false);
    }
    let of_ready = ready > CAPACITY;
    let (total, budget) = if of_ready {
        (ready, CAPACITY)
    } else {
        (not_ready, CAPACITY - ready)
    };
    let mut left = budget;
    for subset in &mut subsets {
        let list = if of_ready {
            &mut subset.addresses
        } else {
            &mut subset.not_ready_addresses
        };
        let share = share(count(list), total, budget).min(left);
        if let Some(list) = list {
            list.truncate(share);
        }
        left -= count(list);
        if of_ready {
            subset.not_ready_addresses = None;
        }
    }
    (subsets, true)
}

/// The part of `budget` for so many of `total`, rounded up, in the arithmetic of upstream.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of addresses, in IEEE doubles as upstream has them"
)]
fn share(count: usize, total: usize, budget: usize) -> usize {
    (count as f64 / total as f64 * budget as f64).ceil() as usize
}

/// The labels that a controller writes.
fn labels(service: &Service) -> BTreeMap<String, String> {
    let mut labels = service.metadata.labels.clone().unwrap_or_default();
    let cluster_ip = service.spec.as_ref().and_then(|spec| spec.cluster_ip.as_deref());
    if matches!(cluster_ip, None | Some("" | "None")) {
        labels.insert(names::HEADLESS.to_owned(), String::new());
    } else {
        labels.remove(names::HEADLESS);
    }
    labels.insert(
        names::ENDPOINTS_MANAGED_BY.to_owned(),
        names::ENDPOINTS_CONTROLLER.to_owned(),
    );
    labels
}

/// What one sync writes over `current`, by a controller whose trigger time for it is `trigger_time`: the whole object, with
/// the resource version it was read with, or without any where it is created. `None` where nothing is written.
///
/// What upstream writes although it changes nothing, it writes here, too: truncated objects, and those of Services with
/// labels that are reserved on Endpoints.
pub fn reconcile(
    service: &Service,
    pods: &[impl Borrow<Pod>],
    current: Option<&Endpoints>,
    trigger_time: Option<Timestamp>,
    rules: Rules,
) -> Option<Endpoints> {
    let desired = desired(service, pods, rules)?;
    if current.is_some_and(|current| looks_right(service, pods, current, rules)) {
        return None;
    }
    let mut metadata = current.map_or_else(
        || ObjectMeta {
            name: service.metadata.name.clone(),
            namespace: service.metadata.namespace.clone(),
            ..ObjectMeta::default()
        },
        |current| current.metadata.clone(),
    );
    metadata.labels = Some(desired.labels);
    let annotations = metadata.annotations.get_or_insert_default();
    match trigger_time {
        Some(time) => _ = annotations.insert(names::TRIGGER_TIME.to_owned(), time.to_string()),
        None => _ = annotations.remove(names::TRIGGER_TIME),
    }
    if desired.truncated {
        annotations.insert(names::OVER_CAPACITY.to_owned(), names::TRUNCATED.to_owned());
    } else {
        annotations.remove(names::OVER_CAPACITY);
    }
    Some(Endpoints {
        metadata,
        subsets: Some(desired.subsets),
    })
}

/// Whether upstream leaves an object as it is.
fn looks_right(service: &Service, pods: &[impl Borrow<Pod>], current: &Endpoints, rules: Rules) -> bool {
    let hash = PortHash::of(rules.minor);
    let wanted = repack_origins(&origins(service, pods), hash);
    let found = current.subsets.clone().unwrap_or_default();
    let equal =
        same(&found, &wanted) || rules.minor >= EQUAL_AFTER_REPACKING && same(&repack(&found, hash), &wanted);
    let addresses = found.iter().map(|subset| {
        let count = |list: &Option<Vec<EndpointAddress>>| list.as_ref().map_or(0, Vec::len);
        count(&subset.addresses) + count(&subset.not_ready_addresses)
    });
    let annotations = current.metadata.annotations.as_ref();
    let capacity = addresses.sum::<usize>() <= CAPACITY
        && !annotations.is_some_and(|all| all.contains_key(names::OVER_CAPACITY));
    equal && capacity && labels_look_right(service, current)
}

/// Whether labels are what upstream takes for the Service's, which a Service with a reserved label never has.
fn labels_look_right(service: &Service, current: &Endpoints) -> bool {
    let own = [names::HEADLESS, names::ENDPOINTS_MANAGED_BY];
    let labels = current.metadata.labels.clone().unwrap_or_default();
    let wanted = service.metadata.labels.clone().unwrap_or_default();
    let manager = labels.get(names::ENDPOINTS_MANAGED_BY).map(String::as_str);
    let mut others = labels.clone();
    others.retain(|key, _| !own.contains(&key.as_str()));
    manager == Some(names::ENDPOINTS_CONTROLLER) && others == wanted
}

/// Whether subsets are equal in their order; absent and empty are alike, and versions of targets do not count.
fn same(left: &[EndpointSubset], right: &[EndpointSubset]) -> bool {
    let plain = |subsets: &[EndpointSubset]| subsets.iter().cloned().map(plain).collect::<Vec<_>>();
    plain(left) == plain(right)
}

/// A subset in which absent and empty are the same.
pub(crate) fn plain(mut subset: EndpointSubset) -> EndpointSubset {
    let EndpointSubset {
        addresses,
        not_ready_addresses,
        ports,
    } = &mut subset;
    for list in [addresses, not_ready_addresses] {
        for address in list.get_or_insert_default() {
            address.hostname.get_or_insert_default();
            if let Some(target) = &mut address.target_ref {
                target.resource_version = None;
                for field in [
                    &mut target.api_version,
                    &mut target.field_path,
                    &mut target.kind,
                    &mut target.name,
                    &mut target.namespace,
                    &mut target.uid,
                ] {
                    field.get_or_insert_default();
                }
            }
        }
    }
    for port in ports.get_or_insert_default() {
        port.name.get_or_insert_default();
        port.protocol.get_or_insert_default();
    }
    subset
}
