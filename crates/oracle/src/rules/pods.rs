//! From a Pod to an endpoint.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, ObjectReference, Pod, PodCondition, Service};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions};

use crate::names;
use crate::rules::address::{AddressType, pod_addresses};

#[cfg(test)]
mod tests;

/// Whether `service` selects `pod`. No selector selects nothing; an empty one, which no API server stores,
/// selects every Pod of the namespace.
pub fn selects(service: &Service, pod: &Pod) -> bool {
    let Some(selector) = service.spec.as_ref().and_then(|spec| spec.selector.as_ref()) else {
        return false;
    };
    let none = BTreeMap::new();
    let labels = pod.metadata.labels.as_ref().unwrap_or(&none);
    service.metadata.namespace == pod.metadata.namespace
        && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// Whether a Pod may be an endpoint at all: not finished, and with an address. Terminating Pods may
/// (`ShouldPodBeInEndpoints` in `k8s.io/endpointslice/util`).
pub(crate) fn eligible(pod: &Pod) -> bool {
    let Some(status) = &pod.status else {
        return false;
    };
    let finished = matches!(status.phase.as_deref(), Some("Failed" | "Succeeded"));
    let has_address = status.pod_ip.as_ref().is_some_and(|ip| !ip.is_empty())
        || status
            .pod_ips
            .as_ref()
            .is_some_and(|addresses| !addresses.is_empty());
    !finished && has_address
}

/// The first condition of type `Ready`.
pub(crate) fn ready_condition(pod: &Pod) -> Option<&PodCondition> {
    pod.status
        .as_ref()?
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "Ready")
}

pub(crate) fn is_ready(pod: &Pod) -> bool {
    ready_condition(pod).is_some_and(|condition| condition.status == "True")
}

/// The endpoint a Pod becomes in one family, without hints. Its addresses are empty when the Pod has none of that
/// family; such an endpoint is not published.
pub(crate) fn endpoint(
    pod: &Pod,
    node: Option<&Node>,
    service: &Service,
    address_type: AddressType,
) -> Endpoint {
    let spec = pod.spec.as_ref();
    let publish_not_ready = service
        .spec
        .as_ref()
        .and_then(|spec| spec.publish_not_ready_addresses)
        .unwrap_or(false);
    let serving = is_ready(pod);
    let terminating = pod.metadata.deletion_timestamp.is_some();
    let subdomain = spec
        .and_then(|spec| spec.subdomain.as_deref())
        .unwrap_or_default();
    let hostname = spec.and_then(|spec| spec.hostname.clone()).filter(|hostname| {
        !hostname.is_empty()
            && subdomain == service.metadata.name.as_deref().unwrap_or_default()
            && service.metadata.namespace == pod.metadata.namespace
    });
    Endpoint {
        addresses: pod
            .status
            .as_ref()
            .map(|status| pod_addresses(status, address_type))
            .unwrap_or_default(),
        conditions: Some(EndpointConditions {
            ready: Some(publish_not_ready || (serving && !terminating)),
            serving: Some(serving),
            terminating: Some(terminating),
        }),
        deprecated_topology: None,
        hints: None,
        hostname,
        node_name: spec
            .and_then(|spec| spec.node_name.clone())
            .filter(|name| !name.is_empty()),
        target_ref: Some(ObjectReference {
            kind: Some("Pod".to_owned()),
            namespace: pod.metadata.namespace.clone(),
            name: pod.metadata.name.clone(),
            uid: pod.metadata.uid.clone(),
            ..ObjectReference::default()
        }),
        zone: node.and_then(zone),
    }
}

/// The zone of a node; an empty label is none.
pub(crate) fn zone(node: &Node) -> Option<String> {
    node.metadata
        .labels
        .as_ref()?
        .get(names::ZONE)
        .filter(|zone| !zone.is_empty())
        .cloned()
}

/// The node of that name.
pub(crate) fn node<'a, N: Borrow<Node>>(nodes: &'a [N], name: &str) -> Option<&'a Node> {
    nodes
        .iter()
        .map(N::borrow)
        .find(|node| node.metadata.name.as_deref() == Some(name))
}
