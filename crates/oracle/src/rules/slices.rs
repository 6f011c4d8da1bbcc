//! The shape of a slice: labels, owner, a new one, and what makes two of them the same.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::names;
use crate::rules::address::AddressType;
use crate::rules::desired::Identity;
use crate::rules::ports::{PortHash, sort_by_digest};

/// Labels a slice of `service` should have (`setEndpointSliceLabels` in `k8s.io/endpointslice`).
pub(crate) fn wanted_labels(service: &Service) -> BTreeMap<String, String> {
    let mut labels = unreserved(service.metadata.labels.as_ref());
    let cluster_ip = service
        .spec
        .as_ref()
        .and_then(|spec| spec.cluster_ip.as_deref())
        .unwrap_or_default();
    if cluster_ip.is_empty() || cluster_ip == "None" {
        labels.insert(names::HEADLESS.to_owned(), String::new());
    }
    labels.insert(
        names::SERVICE_NAME.to_owned(),
        service.metadata.name.clone().unwrap_or_default(),
    );
    labels.insert(
        names::SLICE_MANAGED_BY.to_owned(),
        names::SLICE_CONTROLLER.to_owned(),
    );
    labels
}

/// Whether the labels of a slice differ enough to be written for their own sake: the reserved ones do not count.
pub(crate) fn labels_differ(slice: &EndpointSlice, service: &Service) -> bool {
    unreserved(slice.metadata.labels.as_ref()) != unreserved(service.metadata.labels.as_ref())
}

fn unreserved(labels: Option<&BTreeMap<String, String>>) -> BTreeMap<String, String> {
    let mut labels = labels.cloned().unwrap_or_default();
    labels.retain(|key, _| !names::is_reserved_on_slices(key));
    labels
}

/// A new slice without endpoints, as it would be posted.
pub(crate) fn new_slice(
    service: &Service,
    address_type: AddressType,
    ports: &[EndpointPort],
) -> EndpointSlice {
    let name = service.metadata.name.clone().unwrap_or_default();
    EndpointSlice {
        address_type: address_type.as_str().to_owned(),
        endpoints: Some(Vec::new()),
        metadata: ObjectMeta {
            generate_name: Some(generate_name(&name)),
            namespace: service.metadata.namespace.clone(),
            labels: Some(wanted_labels(service)),
            owner_references: Some(vec![OwnerReference {
                api_version: "v1".to_owned(),
                kind: "Service".to_owned(),
                name,
                uid: service.metadata.uid.clone().unwrap_or_default(),
                controller: Some(true),
                block_owner_deletion: Some(true),
            }]),
            ..ObjectMeta::default()
        },
        ports: Some(ports.to_vec()),
    }
}

/// Prefix of a slice's name: with a dash unless that makes it longer than a DNS subdomain may be.
pub(crate) fn generate_name(service: &str) -> String {
    /// RFC 1123, as checked by `NameIsDNSSubdomain` in `k8s.io/apimachinery`.
    const MAX_SUBDOMAIN: usize = 253;
    if service.len() < MAX_SUBDOMAIN {
        format!("{service}-")
    } else {
        service.to_owned()
    }
}

/// Whether a slice belongs to exactly this Service, by uid; names are not compared.
pub(crate) fn owned_by(slice: &EndpointSlice, service: &Service) -> bool {
    let uid = service.metadata.uid.as_deref().unwrap_or_default();
    slice
        .metadata
        .owner_references
        .iter()
        .flatten()
        .any(|owner| owner.uid == uid && owner.kind == "Service" && owner.api_version == "v1")
}

/// Whether a slice is what the placeholder of its Service would be. A missing label equals an empty one, and
/// owner references are not compared (a bug fixed after Kubernetes 1.37 by kubernetes/kubernetes#141593).
pub(crate) fn equals_placeholder(slice: &EndpointSlice, placeholder: &EndpointSlice) -> bool {
    let labels = |slice: &EndpointSlice| {
        let mut labels = slice.metadata.labels.clone().unwrap_or_default();
        labels.retain(|_, value| !value.is_empty());
        labels
    };
    slice.metadata.namespace == placeholder.metadata.namespace
        && labels(slice) == labels(placeholder)
        && slice.address_type == placeholder.address_type
        && endpoints(slice).is_empty()
        && slice.ports.iter().all(Vec::is_empty)
}

/// Whether an endpoint of a slice must be written again to become the desired one: what its identity does not
/// already say, without hints (`EndpointsEqualBeyondHash`).
pub(crate) fn differs_beyond_identity(desired: &Endpoint, existing: &Endpoint) -> bool {
    let comparable = |endpoint: &Endpoint| {
        let reference = endpoint.target_ref.clone().map(|mut reference| {
            reference.resource_version = None;
            // Go has no difference between an absent string and an empty one.
            for field in [
                &mut reference.api_version,
                &mut reference.field_path,
                &mut reference.kind,
                &mut reference.name,
                &mut reference.namespace,
                &mut reference.uid,
            ] {
                field.get_or_insert_default();
            }
            reference
        });
        let conditions = endpoint.conditions.clone().unwrap_or_default();
        (
            endpoint.node_name.clone(),
            endpoint.zone.clone(),
            conditions,
            reference,
        )
    };
    comparable(desired) != comparable(existing)
}

/// The endpoints of a slice; `null` is no endpoint.
pub(crate) fn endpoints(slice: &EndpointSlice) -> &[Endpoint] {
    slice.endpoints.as_deref().unwrap_or_default()
}

/// Name of a slice; empty for one not created yet.
pub(crate) fn name(slice: &EndpointSlice) -> String {
    slice.metadata.name.clone().unwrap_or_default()
}

/// What looking at an owned slice does to it upstream: hashing sorts its ports, and each endpoint's addresses, in
/// place, so any later update writes them in that order.
pub(crate) fn sorted_in_place(slice: &EndpointSlice, hash: PortHash) -> EndpointSlice {
    let mut slice = slice.clone();
    if let Some(ports) = &mut slice.ports {
        sort_by_digest(ports, hash);
    }
    for endpoint in slice.endpoints.iter_mut().flatten() {
        endpoint.addresses.sort();
    }
    slice
}

/// Identity of an endpoint within its group.
pub(crate) fn identity(endpoint: &Endpoint) -> Identity {
    let mut addresses = endpoint.addresses.clone();
    addresses.sort();
    let target = endpoint.target_ref.clone().unwrap_or_default();
    Identity {
        addresses,
        hostname: endpoint.hostname.clone().unwrap_or_default(),
        namespace: target.namespace.unwrap_or_default(),
        name: target.name.unwrap_or_default(),
    }
}
