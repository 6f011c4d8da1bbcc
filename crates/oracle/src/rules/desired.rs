//! Which endpoints a Service should have, whatever slices exist.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointPort, EndpointSlice};

use crate::check::canonical::GroupKey;
use crate::names;
use crate::rules::address::{AddressType, address_types};
use crate::rules::hints;
use crate::rules::pods::{self, eligible, selects};
use crate::rules::ports::{PortHash, PortKey, pod_ports, port_set, sort_by_digest};
use crate::rules::slices::{identity, new_slice};

#[cfg(test)]
mod tests;

/// What differs between Kubernetes versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Minor version of the control plane: 37 for Kubernetes 1.37.
    pub minor: u32,
}

/// What makes two endpoints of one group the same one; everything else of it may change in place
/// (`endpointHashObj` in `k8s.io/endpointslice/util`).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// Addresses, sorted as text.
    pub addresses: Vec<String>,
    /// `hostname`, or empty.
    pub hostname: String,
    /// Namespace of the target, or empty.
    pub namespace: String,
    /// Name of the target, or empty.
    pub name: String,
}

/// Endpoints with the same address type and the same set of ports share slices; no others do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DesiredKey {
    /// Family of the addresses.
    pub address_type: AddressType,
    /// The set of ports, sorted.
    pub ports: Vec<PortKey>,
}

/// The desired content of one group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DesiredGroup {
    /// Ports in the order a new slice has them.
    pub ports: Vec<EndpointPort>,
    /// Endpoints with all fields. May be empty: a Pod has these ports, but lacks a node or an address of the
    /// family. Existing empty slices of such a group stay.
    pub endpoints: BTreeMap<Identity, Endpoint>,
}

/// A Pod left out because its node does not exist, which makes the sync fail.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SkippedPod {
    /// Name of the Pod.
    pub pod: String,
    /// `spec.nodeName`, possibly empty.
    pub node: String,
}

/// What the slices of a Service should say, up to packing, names and topology hints by annotation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desired {
    /// Whether the controller looks after this Service at all. If not, whatever exists stays, and the rest of
    /// this value is empty.
    pub managed: bool,
    /// The address types the Service is served in. Slices of any other type go.
    pub address_types: BTreeSet<AddressType>,
    /// Groups with at least one eligible Pod, which may have no endpoints.
    pub groups: BTreeMap<DesiredKey, DesiredGroup>,
    /// Pods left out for want of their node.
    pub skipped: BTreeSet<SkippedPod>,
    /// Address types without any endpoint. Each has one placeholder (an empty slice without ports), unless empty
    /// slices of its own empty groups exist already, which then stay in its place.
    pub placeholders: BTreeSet<AddressType>,
}

impl Desired {
    /// Groups that some Pod is of, none of which is an endpoint: an empty slice of such a group stays where it is once there.
    /// `service` is `namespace/name`.
    pub fn empty_groups(&self, service: &str) -> BTreeSet<GroupKey> {
        let empty = self.groups.iter().filter(|(_, group)| group.endpoints.is_empty());
        empty
            .map(|(key, _)| GroupKey {
                service: service.to_owned(),
                managed_by: names::SLICE_CONTROLLER.to_owned(),
                address_type: key.address_type.as_str().to_owned(),
                ports: key.ports.clone(),
            })
            .collect()
    }

    /// Slices that say so, however many endpoints come into one: for each group with endpoints, and for each
    /// placeholder. They have no names.
    pub fn as_slices(&self, service: &Service) -> Vec<EndpointSlice> {
        let filled = self
            .groups
            .iter()
            .filter(|(_, group)| !group.endpoints.is_empty());
        let filled = filled.map(|(key, group)| EndpointSlice {
            endpoints: Some(group.endpoints.values().cloned().collect()),
            ..new_slice(service, key.address_type, &group.ports)
        });
        let empty = self
            .placeholders
            .iter()
            .map(|address_type| new_slice(service, *address_type, &[]));
        filled.chain(empty).collect()
    }
}

/// The endpoints `service` should have. `pods` are all Pods of its namespace (others are ignored), `nodes` all
/// nodes. Hints are those of `trafficDistribution`; hints by annotation depend on history and are left out.
pub fn desired<P: Borrow<Pod>, N: Borrow<Node>>(
    service: &Service,
    pods: &[P],
    nodes: &[N],
    rules: Rules,
) -> Desired {
    let mut desired = Desired::default();
    if !managed(service) {
        return desired;
    }
    desired.managed = true;
    desired.address_types = address_types(service);
    for &address_type in &desired.address_types {
        let (groups, skipped) = family(service, pods, nodes, address_type, rules);
        if groups.values().all(|group| group.endpoints.is_empty()) {
            desired.placeholders.insert(address_type);
        }
        desired.skipped.extend(skipped);
        for (ports, mut group) in groups {
            for endpoint in group.endpoints.values_mut() {
                hints::set_wanted(service, endpoint, rules);
            }
            desired.groups.insert(DesiredKey { address_type, ports }, group);
        }
    }
    desired
}

/// Whether the controller writes slices for a Service: not `ExternalName`, and with a selector.
pub fn managed(service: &Service) -> bool {
    service
        .spec
        .as_ref()
        .is_some_and(|spec| spec.type_.as_deref() != Some("ExternalName") && spec.selector.is_some())
}

/// Groups and skipped Pods of one family, without hints.
pub(crate) fn family<P: Borrow<Pod>, N: Borrow<Node>>(
    service: &Service,
    pods: &[P],
    nodes: &[N],
    address_type: AddressType,
    rules: Rules,
) -> (BTreeMap<Vec<PortKey>, DesiredGroup>, Vec<SkippedPod>) {
    let publish_not_ready = service
        .spec
        .as_ref()
        .and_then(|spec| spec.publish_not_ready_addresses)
        .unwrap_or(false);
    let mut groups: BTreeMap<Vec<PortKey>, DesiredGroup> = BTreeMap::new();
    let mut skipped = Vec::new();
    let pods = pods.iter().map(P::borrow);
    for pod in pods.filter(|pod| selects(service, pod) && eligible(pod)) {
        let mut ports = pod_ports(service, pod);
        sort_by_digest(&mut ports, PortHash::of(rules.minor));
        // The group exists from here on, whatever becomes of this Pod.
        let group = groups.entry(port_set(Some(&ports))).or_default();
        group.ports = ports;

        let node_name = pod
            .spec
            .as_ref()
            .and_then(|spec| spec.node_name.clone())
            .unwrap_or_default();
        let node = pods::node(nodes, &node_name);
        if node.is_none() && !publish_not_ready {
            let pod = pod.metadata.name.clone().unwrap_or_default();
            skipped.push(SkippedPod { pod, node: node_name });
            continue;
        }
        let endpoint = pods::endpoint(pod, node, service, address_type);
        if !endpoint.addresses.is_empty() {
            group.endpoints.insert(identity(&endpoint), endpoint);
        }
    }
    (groups, skipped)
}
