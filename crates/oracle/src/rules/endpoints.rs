//! The v1 Endpoints of a Service (`pkg/controller/endpoint/endpoints_controller.go` and `pkg/api/v1/endpoints/util.go` in
//! kubernetes/kubernetes).

use std::collections::BTreeMap;
use std::fmt::Write;

use k8s_openapi::api::core::v1::{EndpointAddress, EndpointPort, EndpointSubset, Pod, Service};

use crate::rules::address::{AddressType, canonical_ip};
use crate::rules::desired::{Rules, managed};
use crate::rules::names;
use crate::rules::pods::{self, eligible, selects};
use crate::rules::ports::{PortHash, pod_ports, text_digest};

#[cfg(test)]
mod tests;

/// More addresses than these are cut off.
const CAPACITY: usize = 1000;

/// What the Endpoints of a Service should say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DesiredEndpoints {
    /// `subsets`, as they are written.
    pub subsets: Vec<EndpointSubset>,
    /// All labels.
    pub labels: BTreeMap<String, String>,
    /// Addresses were cut off, which an annotation says.
    pub truncated: bool,
}

/// The Endpoints that `service` should have; none if the controller does not look after it. `pods` are all Pods of its
/// namespace.
pub fn endpoints(service: &Service, pods: &[Pod], rules: Rules) -> Option<DesiredEndpoints> {
    if !managed(service) {
        return None;
    }
    let hash = PortHash::of(rules.minor);
    let mut subsets = repack(exploded(service, pods), hash);
    let truncated = truncate(&mut subsets);
    Some(DesiredEndpoints {
        subsets,
        labels: labels(service),
        truncated,
    })
}

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

/// Addresses, and whether each is ready.
type Members = Vec<(EndpointAddress, bool)>;

/// An address with one port, or none, and whether it is ready: a subset of its own for each port of each Pod.
type Single = (Option<EndpointPort>, EndpointAddress, bool);

fn exploded(service: &Service, pods: &[Pod]) -> Vec<Single> {
    let spec = service.spec.clone().unwrap_or_default();
    let all = spec.publish_not_ready_addresses.unwrap_or(false);
    let mut singles = Vec::new();
    for pod in pods.iter().filter(|pod| selects(service, pod) && eligible(pod)) {
        if pod.metadata.deletion_timestamp.is_some() && !all {
            continue;
        }
        let family = primary_family(service, pod);
        let status = pod.status.clone().unwrap_or_default();
        let found = status.pod_ips.iter().flatten().map(|ip| canonical_ip(&ip.ip));
        let Some((_, ip)) = found.into_iter().find(|(of, _)| *of == family) else {
            continue;
        };
        // Which family is asked for here does not matter: hostname, node and target are the same in both.
        let endpoint = pods::endpoint(pod, None, service, family);
        let address = EndpointAddress {
            ip,
            hostname: endpoint.hostname,
            node_name: endpoint.node_name,
            target_ref: endpoint.target_ref,
        };
        let ready = all
            || endpoint
                .conditions
                .is_some_and(|conditions| conditions.serving == Some(true));
        if spec.ports.iter().flatten().next().is_none() {
            if spec.cluster_ip.as_deref() == Some("None") {
                singles.push((None, address, ready));
            }
            continue;
        }
        for port in pod_ports(service, pod) {
            let port = EndpointPort {
                // An empty one is left out.
                name: port.name.filter(|name| !name.is_empty()),
                protocol: port.protocol,
                port: port.port.unwrap_or_default(),
                app_protocol: port.app_protocol,
            };
            singles.push((Some(port), address.clone(), ready));
        }
    }
    singles
}

fn primary_family(service: &Service, pod: &Pod) -> AddressType {
    let spec = service.spec.clone().unwrap_or_default();
    let named = spec.ip_families.iter().flatten().next();
    if let Some(family) = named.and_then(|name| AddressType::parse(name)) {
        return family;
    }
    match spec.cluster_ip.as_deref() {
        None | Some("" | "None") => {
            let status = pod.status.clone().unwrap_or_default();
            canonical_ip(&status.pod_ip.unwrap_or_default()).0
        }
        Some(address) => canonical_ip(address).0,
    }
}

/// Of one Service, so that ports may be compared by value. No Pod is there twice, so that no address is both ready and not.
fn repack(singles: Vec<Single>, hash: PortHash) -> Vec<EndpointSubset> {
    // Ports by their text, which says all of them.
    let mut by_port: BTreeMap<String, (Option<EndpointPort>, Members)> = BTreeMap::new();
    for (port, address, ready) in singles {
        let text = port
            .as_ref()
            .map(|port| print_port(port, true))
            .unwrap_or_default();
        let (_, addresses) = by_port.entry(text).or_insert_with(|| (port, Vec::new()));
        addresses.push((address, ready));
    }
    let mut by_addresses: BTreeMap<String, EndpointSubset> = BTreeMap::new();
    for (port, mut addresses) in by_port.into_values() {
        addresses.sort_by_key(|(address, _)| (address.ip.clone(), uid(address)));
        let text = addresses
            .iter()
            .map(|(address, ready)| format!("{}{ready}", print_address(address)));
        let part = |wanted: bool| {
            let some: Vec<_> = addresses
                .iter()
                .filter(|(_, ready)| *ready == wanted)
                .map(|(address, _)| address.clone())
                .collect();
            (!some.is_empty()).then_some(some)
        };
        let subset = by_addresses
            .entry(text.collect())
            .or_insert_with(|| EndpointSubset {
                addresses: part(true),
                not_ready_addresses: part(false),
                ports: None,
            });
        if let Some(port) = port.filter(|port| port.port > 0) {
            subset.ports.get_or_insert_default().push(port);
        }
    }
    let mut subsets: Vec<EndpointSubset> = by_addresses.into_values().collect();
    for subset in &mut subsets {
        if let Some(ports) = &mut subset.ports {
            ports.sort_by_key(|port| text_digest(&print_port(port, true), hash));
        }
    }
    subsets.sort_by_key(|subset| text_digest(&print_subset(subset), hash));
    subsets
}

fn uid(address: &EndpointAddress) -> Option<String> {
    let target = address.target_ref.as_ref()?;
    Some(target.uid.clone().unwrap_or_default())
}

/// As many as `usize` holds are exact in a double, far beyond what a cluster has.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small numbers"
)]
fn share(count: usize, total: usize, most: usize) -> usize {
    (count as f64 / total as f64 * most as f64).ceil() as usize
}

fn truncate(subsets: &mut [EndpointSubset]) -> bool {
    let length = |list: &Option<Vec<EndpointAddress>>| list.as_ref().map_or(0, Vec::len);
    let ready: usize = subsets.iter().map(|subset| length(&subset.addresses)).sum();
    let others: usize = subsets
        .iter()
        .map(|subset| length(&subset.not_ready_addresses))
        .sum();
    if ready + others <= CAPACITY {
        return false;
    }
    let too_many_ready = ready > CAPACITY;
    let (total, most) = if too_many_ready {
        (ready, CAPACITY)
    } else {
        (others, CAPACITY - ready)
    };
    let mut left = most;
    for subset in subsets {
        if too_many_ready {
            subset.not_ready_addresses = None;
        }
        let list = if too_many_ready {
            &mut subset.addresses
        } else {
            &mut subset.not_ready_addresses
        };
        let kept = share(length(list), total, most).min(left).min(length(list));
        left -= kept;
        if let Some(addresses) = list {
            addresses.truncate(kept);
        }
        if kept == 0 {
            *list = None;
        }
    }
    true
}

fn print_subset(subset: &EndpointSubset) -> String {
    let addresses = |list: &Option<Vec<EndpointAddress>>| print_list(list.as_deref(), print_address);
    let ports = print_list(subset.ports.as_deref(), |port| print_port(port, false));
    format!(
        "(v1.EndpointSubset){{Addresses:([]v1.EndpointAddress){} NotReadyAddresses:([]v1.EndpointAddress){} \
         Ports:([]v1.EndpointPort){ports}}}",
        addresses(&subset.addresses),
        addresses(&subset.not_ready_addresses),
    )
}

fn print_list<T>(list: Option<&[T]>, print: impl Fn(&T) -> String) -> String {
    match list {
        None => "<nil>".to_owned(),
        Some(items) => format!("[{}]", items.iter().map(print).collect::<Vec<_>>().join(" ")),
    }
}

fn print_port(port: &EndpointPort, typed: bool) -> String {
    let mut text = if typed { "(v1.EndpointPort)" } else { "" }.to_owned();
    // Writing to a String cannot fail.
    _ = write!(
        text,
        "{{Name:(string){} Port:(int32){} Protocol:(v1.Protocol){} AppProtocol:(*string){}}}",
        port.name.as_deref().unwrap_or_default(),
        port.port,
        port.protocol.as_deref().unwrap_or_default(),
        port.app_protocol.as_deref().unwrap_or("<nil>"),
    );
    text
}

fn print_address(address: &EndpointAddress) -> String {
    let empty = |text: &Option<String>| text.clone().unwrap_or_default();
    let target = address.target_ref.as_ref().map_or_else(
        || "<nil>".to_owned(),
        |target| {
            format!(
                "{{Kind:(string){} Namespace:(string){} Name:(string){} UID:(types.UID){} APIVersion:(string){} \
                 ResourceVersion:(string){} FieldPath:(string){}}}",
                empty(&target.kind),
                empty(&target.namespace),
                empty(&target.name),
                empty(&target.uid),
                empty(&target.api_version),
                empty(&target.resource_version),
                empty(&target.field_path),
            )
        },
    );
    format!(
        "{{IP:(string){} Hostname:(string){} NodeName:(*string){} TargetRef:(*v1.ObjectReference){target}}}",
        address.ip,
        empty(&address.hostname),
        address.node_name.as_deref().unwrap_or("<nil>"),
    )
}
