//! The canonical layout of the subsets of Endpoints (`RepackSubsets` in kubernetes `pkg/api/v1/endpoints/util.go`).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use k8s_openapi::api::core::v1::{EndpointAddress, EndpointPort, EndpointSubset, ObjectReference};

use super::ports::PortHash;

#[cfg(test)]
mod tests;

/// What the same address is told by: upstream drops a second one, whatever its other fields say.
type AddressKey = (String, String);

/// A port as upstream's map key: `appProtocol` is a pointer there, so two ports that say the same of it are two ports,
/// unless they came from one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct PortKey {
    name: String,
    port: i32,
    protocol: String,
    pointer: Option<usize>,
}

/// A subset with the place of origin of each `appProtocol`, by which upstream compares it.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// What was read, or computed for one Pod and port.
    pub(crate) subset: EndpointSubset,
    /// For each port the pointer that it holds where it has an `appProtocol`; equal ones are one pointer.
    pub(crate) pointers: Vec<usize>,
}

/// The canonical layout of subsets as they are read from the API, where each port has an `appProtocol` of its own.
pub fn repack(subsets: &[EndpointSubset], hash: PortHash) -> Vec<EndpointSubset> {
    let mut pointer = 0..;
    let origins = subsets.iter().map(|subset| {
        let count = subset.ports.as_ref().map_or(0, Vec::len);
        Origin {
            subset: subset.clone(),
            pointers: pointer.by_ref().take(count).collect(),
        }
    });
    repack_origins(&origins.collect::<Vec<_>>(), hash)
}

/// As [`repack`], of subsets whose ports may share an `appProtocol`.
pub(crate) fn repack_origins(origins: &[Origin], hash: PortHash) -> Vec<EndpointSubset> {
    let mut addresses: BTreeMap<AddressKey, EndpointAddress> = BTreeMap::new();
    let mut ports: BTreeMap<PortKey, (EndpointPort, BTreeMap<AddressKey, bool>)> = BTreeMap::new();
    for Origin { subset, pointers } in origins {
        let own = subset.ports.clone().unwrap_or_default();
        let own: Vec<(EndpointPort, Option<usize>)> = if own.is_empty() {
            vec![(sentinel(), None)]
        } else {
            let pointers = pointers.iter().copied().map(Some);
            own.into_iter().zip(pointers).collect()
        };
        for (port, pointer) in own {
            let key = PortKey {
                name: port.name.clone().unwrap_or_default(),
                port: port.port,
                protocol: port.protocol.clone().unwrap_or_default(),
                pointer: pointer.filter(|_| port.app_protocol.is_some()),
            };
            let (_, set) = ports.entry(key).or_insert_with(|| (port, BTreeMap::new()));
            let ready = subset.addresses.iter().flatten().map(|address| (address, true));
            let not_ready = subset
                .not_ready_addresses
                .iter()
                .flatten()
                .map(|address| (address, false));
            for (address, ready) in ready.chain(not_ready) {
                let key = address_key(address);
                addresses.entry(key.clone()).or_insert_with(|| address.clone());
                // Not ready goes before ready.
                let entry = set.entry(key).or_insert(ready);
                *entry &= ready;
            }
        }
    }

    let mut by_set: BTreeMap<BTreeMap<AddressKey, bool>, Vec<EndpointPort>> = BTreeMap::new();
    for (port, set) in ports.into_values() {
        let ports = by_set.entry(set).or_default();
        if port.port > 0 {
            ports.push(port);
        }
    }
    let mut subsets: Vec<EndpointSubset> = by_set
        .into_iter()
        .map(|(set, mut ports)| {
            // The keys are in upstream's order already: by address as text, without target first.
            let list = |wanted: bool| {
                let of = set.iter().filter(|(_, ready)| **ready == wanted);
                let list: Vec<EndpointAddress> = of.map(|(key, _)| addresses[key].clone()).collect();
                (!list.is_empty()).then_some(list)
            };
            ports.sort_by_key(|port| hash.digest(&format!("(v1.EndpointPort){}", port_text(port))));
            EndpointSubset {
                addresses: list(true),
                not_ready_addresses: list(false),
                ports: (!ports.is_empty()).then_some(ports),
            }
        })
        .collect();
    subsets.sort_by_key(|subset| hash.digest(&subset_text(subset)));
    subsets
}

/// Stands for the port of a subset without ports.
fn sentinel() -> EndpointPort {
    EndpointPort {
        port: -1,
        ..EndpointPort::default()
    }
}

fn address_key(address: &EndpointAddress) -> AddressKey {
    let target = address.target_ref.as_ref();
    let uid = target.and_then(|target| target.uid.clone());
    (address.ip.clone(), uid.unwrap_or_default())
}

/// The text form of `k8s.io/utils/dump.ForHash`, of which the digest orders subsets.
pub(crate) fn subset_text(subset: &EndpointSubset) -> String {
    let addresses = |list: &Option<Vec<EndpointAddress>>| list_text(list.as_deref(), address_text);
    format!(
        "(v1.EndpointSubset){{Addresses:([]v1.EndpointAddress){} NotReadyAddresses:([]v1.EndpointAddress){} \
         Ports:([]v1.EndpointPort){}}}",
        addresses(&subset.addresses),
        addresses(&subset.not_ready_addresses),
        list_text(subset.ports.as_deref(), port_text),
    )
}

fn list_text<T>(list: Option<&[T]>, text: impl Fn(&T) -> String) -> String {
    list.map_or_else(nil, |items| {
        let items: Vec<String> = items.iter().map(text).collect();
        format!("[{}]", items.join(" "))
    })
}

fn port_text(port: &EndpointPort) -> String {
    format!(
        "{{Name:(string){} Port:(int32){} Protocol:(v1.Protocol){} AppProtocol:(*string){}}}",
        port.name.as_deref().unwrap_or_default(),
        port.port,
        port.protocol.as_deref().unwrap_or_default(),
        port.app_protocol.clone().unwrap_or_else(nil),
    )
}

fn address_text(address: &EndpointAddress) -> String {
    format!(
        "{{IP:(string){} Hostname:(string){} NodeName:(*string){} TargetRef:(*v1.ObjectReference){}}}",
        address.ip,
        address.hostname.as_deref().unwrap_or_default(),
        address.node_name.clone().unwrap_or_else(nil),
        address.target_ref.as_ref().map_or_else(nil, target_text),
    )
}

fn target_text(target: &ObjectReference) -> String {
    let fields = [
        ("Kind", "string", &target.kind),
        ("Namespace", "string", &target.namespace),
        ("Name", "string", &target.name),
        ("UID", "types.UID", &target.uid),
        ("APIVersion", "string", &target.api_version),
        ("ResourceVersion", "string", &target.resource_version),
        ("FieldPath", "string", &target.field_path),
    ];
    let mut text = String::new();
    for (name, type_, value) in fields {
        let space = if text.is_empty() { "" } else { " " };
        // Writing to a String cannot fail.
        _ = write!(
            text,
            "{space}{name}:({type_}){}",
            value.as_deref().unwrap_or_default()
        );
    }
    format!("{{{text}}}")
}

fn nil() -> String {
    "<nil>".to_owned()
}
