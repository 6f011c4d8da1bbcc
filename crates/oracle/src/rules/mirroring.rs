//! Slices that mirror Endpoints of Services without selector, and one sync of their controller (kubernetes
//! `pkg/controller/endpointslicemirroring`).

use std::collections::{BTreeMap, VecDeque};

use k8s_openapi::api::core::v1::{EndpointAddress, EndpointSubset, Endpoints, Service};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::names;
use crate::rules::address::{AddressType, canonical_ip};
use crate::rules::desired::{DesiredGroup, DesiredKey, Identity};
use crate::rules::ports::{PortHash, port_set};
use crate::rules::reconcile::{Event, Outcome, Write};
use crate::rules::repack::repack;
use crate::rules::slices::{
    differs_beyond_identity, endpoints as endpoints_of, generate_name, identity, name,
};

#[cfg(test)]
mod tests;

/// How a controller is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// `--mirroring-max-endpoints-per-subset`, 1 to 1000; upstream's default is 1000.
    pub max_endpoints_per_subset: usize,
    /// Minor version of the control plane: 37 for Kubernetes 1.37.
    pub minor: u32,
}

/// Annotations that are not mirrored.
const NOT_MIRRORED: [&str; 2] = [names::TRIGGER_TIME, names::LAST_APPLIED];

/// What the slices of mirrored Endpoints should say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desired {
    /// Groups by family and set of ports; those without endpoints have no slice.
    pub groups: BTreeMap<DesiredKey, DesiredGroup>,
    /// Addresses that are none.
    pub invalid: usize,
    /// Addresses that are left out, those among them.
    pub skipped: usize,
    /// Whether a group has more endpoints than one slice may: subsets that stayed apart come together again, and upstream
    /// takes any of them.
    pub overfull: bool,
}

/// Whether Endpoints are mirrored at all, as far as they decide that themselves.
pub fn is_mirrored(endpoints: &Endpoints) -> bool {
    let labels = endpoints.metadata.labels.as_ref();
    let annotations = endpoints.metadata.annotations.as_ref();
    labels
        .and_then(|labels| labels.get(names::SKIP_MIRROR))
        .map(String::as_str)
        != Some("true")
        && !annotations.is_some_and(|annotations| annotations.contains_key(names::LEADER))
}

/// Whether the Service of that name lets its Endpoints be mirrored. Its type does not matter.
pub fn allows_mirroring(service: &Service) -> bool {
    service.spec.as_ref().is_none_or(|spec| spec.selector.is_none())
}

/// What the slices of Endpoints should say that are mirrored.
pub fn desired(endpoints: &Endpoints, config: Config) -> Desired {
    let mut desired = Desired::default();
    let subsets = endpoints.subsets.clone().unwrap_or_default();
    for subset in repack(&subsets, PortHash::of(config.minor)) {
        let ports = slice_ports(&subset);
        let group = |address_type| DesiredKey {
            address_type,
            ports: port_set(Some(&ports)),
        };
        for address_type in [AddressType::IPv4, AddressType::IPv6] {
            desired
                .groups
                .entry(group(address_type))
                .or_default()
                .ports
                .clone_from(&ports);
        }
        let ready = subset.addresses.iter().flatten().map(|address| (address, true));
        let not_ready = subset
            .not_ready_addresses
            .iter()
            .flatten()
            .map(|address| (address, false));
        let all: Vec<_> = ready.chain(not_ready).collect();
        let mut taken = 0;
        for (address, ready) in &all {
            if taken == config.max_endpoints_per_subset {
                break;
            }
            let Some((address_type, endpoint)) = endpoint(address, *ready) else {
                desired.invalid += 1;
                continue;
            };
            let group = desired.groups.entry(group(address_type)).or_default();
            // Of two that are told alike the last one counts.
            group.endpoints.insert(identity(&endpoint), endpoint);
            taken += 1;
        }
        desired.skipped += all.len() - taken;
    }
    let max = config.max_endpoints_per_subset;
    desired.overfull = desired.groups.values().any(|group| group.endpoints.len() > max);
    desired
}

impl Desired {
    /// Slices that say so; they have no names. An overfull group has the first of its endpoints.
    pub fn as_slices(&self, endpoints: &Endpoints, config: Config) -> Vec<EndpointSlice> {
        let filled = self
            .groups
            .iter()
            .filter(|(_, group)| !group.endpoints.is_empty());
        filled
            .map(|(key, group)| new_slice(endpoints, key.address_type, group, config))
            .collect()
    }
}

pub(crate) fn slice_ports(subset: &EndpointSubset) -> Vec<EndpointPort> {
    let ports = subset.ports.iter().flatten();
    ports
        .map(|port| EndpointPort {
            app_protocol: port.app_protocol.clone(),
            name: Some(port.name.clone().unwrap_or_default()),
            port: Some(port.port),
            protocol: Some(port.protocol.clone().unwrap_or_default()),
        })
        .collect()
}

/// The endpoint that an address becomes, with its family; `None` for what is no IP.
fn endpoint(address: &EndpointAddress, ready: bool) -> Option<(AddressType, Endpoint)> {
    let (address_type, ip) = canonical_ip(&address.ip);
    let endpoint = Endpoint {
        addresses: vec![ip.clone()],
        conditions: Some(EndpointConditions {
            ready: Some(ready),
            serving: None,
            terminating: None,
        }),
        hostname: address.hostname.clone().filter(|hostname| !hostname.is_empty()),
        node_name: address.node_name.clone(),
        target_ref: address.target_ref.clone(),
        ..Endpoint::default()
    };
    (ip != "<nil>").then_some((address_type, endpoint))
}

fn new_slice(
    endpoints: &Endpoints,
    address_type: AddressType,
    group: &DesiredGroup,
    config: Config,
) -> EndpointSlice {
    let metadata = &endpoints.metadata;
    let name = metadata.name.clone().unwrap_or_default();
    let mut labels = metadata.labels.clone().unwrap_or_default();
    labels.insert(names::SERVICE_NAME.to_owned(), name.clone());
    labels.insert(
        names::SLICE_MANAGED_BY.to_owned(),
        names::MIRRORING_CONTROLLER.to_owned(),
    );
    EndpointSlice {
        address_type: address_type.as_str().to_owned(),
        endpoints: Some(
            group
                .endpoints
                .values()
                .take(config.max_endpoints_per_subset)
                .cloned()
                .collect(),
        ),
        metadata: ObjectMeta {
            generate_name: Some(generate_name(&name)),
            namespace: metadata.namespace.clone(),
            labels: Some(labels),
            annotations: Some(mirrored_annotations(endpoints)),
            owner_references: Some(vec![OwnerReference {
                api_version: "v1".to_owned(),
                kind: "Endpoints".to_owned(),
                name,
                uid: metadata.uid.clone().unwrap_or_default(),
                controller: Some(true),
                block_owner_deletion: Some(true),
            }]),
            ..ObjectMeta::default()
        },
        ports: Some(group.ports.clone()),
    }
}

fn mirrored_annotations(endpoints: &Endpoints) -> BTreeMap<String, String> {
    let mut annotations = endpoints.metadata.annotations.clone().unwrap_or_default();
    annotations.retain(|key, _| !NOT_MIRRORED.contains(&key.as_str()));
    annotations
}

/// One sync of the Endpoints of a name, which may be gone, by a controller whose cache is up to date. `existing` are all
/// slices of the namespace.
///
/// Which of several slices of a group stays is arbitrary upstream; here it is the first by name. Where slices are made of
/// others, which pairs are made is arbitrary, too; they are made as upstream means it, by family.
pub fn reconcile(
    name_: &str,
    endpoints: Option<&Endpoints>,
    service: Option<&Service>,
    existing: &[EndpointSlice],
    config: Config,
) -> Outcome {
    let mut existing: Vec<&EndpointSlice> = existing.iter().filter(|slice| is_of(slice, name_)).collect();
    existing.sort_by_key(|slice| name(slice));
    let mirrored =
        endpoints.filter(|endpoints| is_mirrored(endpoints) && service.is_some_and(allows_mirroring));
    let Some(endpoints) = mirrored else {
        return Outcome {
            writes: existing.into_iter().cloned().map(Write::Delete).collect(),
            ..Outcome::default()
        };
    };
    let desired = desired(endpoints, config);
    let mut groups: BTreeMap<(String, Vec<_>), Vec<&EndpointSlice>> = BTreeMap::new();
    for slice in existing {
        let key = (slice.address_type.clone(), port_set(slice.ports.as_ref()));
        groups.entry(key).or_default().push(slice);
    }
    let (mut create, mut update, mut delete) = (Vec::new(), Vec::new(), Vec::new());
    for (key, group) in desired
        .groups
        .iter()
        .filter(|(_, group)| !group.endpoints.is_empty())
    {
        let existing = groups.remove(&(key.address_type.as_str().to_owned(), key.ports.clone()));
        let mut existing = existing.unwrap_or_default().into_iter();
        let new = new_slice(endpoints, key.address_type, group, config);
        match existing.next() {
            None => create.push(new),
            Some(kept) if looks_right(endpoints, kept, &group.endpoints) => {}
            Some(kept) => update.push(named(new, kept)),
        }
        delete.extend(existing);
    }
    delete.extend(groups.into_values().flatten());
    let mut doomed: VecDeque<&EndpointSlice> = delete.into();
    let mut created = Vec::new();
    for new in create {
        let recycled = doomed
            .iter()
            .position(|slice| slice.address_type == new.address_type);
        match recycled.and_then(|index| doomed.remove(index)) {
            Some(slice) => update.push(named(new, slice)),
            None => created.push(new),
        }
    }
    if endpoints.metadata.deletion_timestamp.is_some() {
        created.clear();
    }
    let deletes = doomed.into_iter().cloned().map(Write::Delete);
    Outcome {
        writes: created
            .into_iter()
            .map(Write::Create)
            .chain(update.into_iter().map(Write::Update))
            .chain(deletes)
            .collect(),
        events: events(&desired, config),
        ..Outcome::default()
    }
}

/// A slice under the name of another.
fn named(mut new: EndpointSlice, old: &EndpointSlice) -> EndpointSlice {
    new.metadata.generate_name = None;
    new.metadata.name.clone_from(&old.metadata.name);
    new
}

/// Whether a slice mirrors the Endpoints of this name, by its labels.
fn is_of(slice: &EndpointSlice, endpoints: &str) -> bool {
    let label = |key: &str| slice.metadata.labels.as_ref()?.get(key).map(String::as_str);
    label(names::SERVICE_NAME) == Some(endpoints)
        && label(names::SLICE_MANAGED_BY) == Some(names::MIRRORING_CONTROLLER)
}

/// Whether upstream leaves a slice as it is: hints, and owners that are no Endpoints of this name, do not count.
fn looks_right(endpoints: &Endpoints, slice: &EndpointSlice, wanted: &BTreeMap<Identity, Endpoint>) -> bool {
    let known = |endpoint: &&Endpoint| wanted.contains_key(&identity(endpoint));
    let matching = endpoints_of(slice).iter().filter(known).count();
    let changed = |endpoint: &Endpoint| {
        let wanted = wanted.get(&identity(endpoint));
        wanted.is_none_or(|wanted| differs_beyond_identity(wanted, endpoint))
    };
    let mut labels = slice.metadata.labels.clone().unwrap_or_default();
    labels.remove(names::SERVICE_NAME);
    labels.remove(names::SLICE_MANAGED_BY);
    let metadata = &endpoints.metadata;
    let replaced = slice.metadata.owner_references.iter().flatten().any(|owner| {
        owner.kind == "Endpoints"
            && Some(&owner.name) == metadata.name.as_ref()
            && Some(&owner.uid) != metadata.uid.as_ref()
    });
    // An endpoint that stands twice counts twice, and may make up for one that is missing.
    matching == wanted.len()
        && !endpoints_of(slice).iter().any(changed)
        && labels == metadata.labels.clone().unwrap_or_default()
        && slice.metadata.annotations.clone().unwrap_or_default() == mirrored_annotations(endpoints)
        && !replaced
}

fn events(desired: &Desired, config: Config) -> Vec<Event> {
    let mut events = Vec::new();
    let warning = |reason, message| Event::new("Warning", reason, message);
    if desired.invalid > 0 {
        let message = format!(
            "Skipped {} invalid IP addresses when mirroring to EndpointSlices",
            desired.invalid
        );
        events.push(warning("InvalidIPAddress", message));
    }
    if desired.skipped > desired.invalid {
        let message = format!(
            "A max of {} addresses can be mirrored to EndpointSlices per Endpoints subset. {} addresses were skipped",
            config.max_endpoints_per_subset, desired.skipped
        );
        events.push(warning("TooManyAddressesToMirror", message));
    }
    events
}
