//! What a Pod offers to a Service that selects it: the rules that slices and Endpoints share.

use std::net::IpAddr;

use quaymaster_model::{
    ClusterAddress, IpFamily, PodRecord, ServicePort, ServiceRecord, TargetPort, TargetRef, Text,
};
use smallvec::SmallVec;

/// Whether the Pod may be published at all: it has not ended and has an address. A Pod that is being deleted counts
/// only `with_terminating`: always for slices, and for Endpoints of Services that publish Pods which are not ready
/// (`k8s.io/endpointslice/util/controller_utils.go`, `ShouldPodBeInEndpoints`).
pub fn backs(pod: &PodRecord, with_terminating: bool) -> bool {
    !pod.flags.finished && pod.flags.has_address && (with_terminating || !pod.flags.terminating)
}

/// The number that a port of a Service has on this Pod; none if the Pod does not have it. A target by number is that
/// number, whether or not a container declares it; a target by name is the first container port of that name and
/// protocol (`k8s.io/endpointslice/utils.go`, `findPort`).
pub fn port_number(port: &ServicePort, pod: &PodRecord) -> Option<i32> {
    match &port.target {
        TargetPort::Number(number) => Some(*number),
        TargetPort::Name(name) => pod.named_port(name, &port.protocol),
    }
}

/// The addresses of the Pod that are of this family, sorted as text, so that what is published does not depend on
/// their order in the Pod's status.
pub fn addresses(pod: &PodRecord, family: IpFamily) -> SmallVec<[IpAddr; 1]> {
    let mut found: SmallVec<[IpAddr; 1]> = pod
        .addresses
        .iter()
        .filter(|address| IpFamily::of(address) == family)
        .copied()
        .collect();
    if found.len() > 1 {
        found.sort_by_cached_key(ToString::to_string);
    }
    found
}

/// The one address of the Pod that Endpoints have: the first of the Service's primary family. That is the first of its
/// families; where it has none, as in objects of long ago, that of its cluster IP, else that of the Pod's first address
/// (kubernetes/kubernetes `pkg/controller/endpoint/endpoints_controller.go`, `podToEndpointAddressForService`).
pub fn primary_address(service: &ServiceRecord, pod: &PodRecord) -> Option<IpAddr> {
    let family = match (service.ip_families.first(), &service.cluster_ip) {
        (Some(family), _) => *family,
        (None, ClusterAddress::Ip(address)) => IpFamily::of(address),
        // Upstream takes whatever it cannot parse for IPv4.
        (None, ClusterAddress::Other(_)) => IpFamily::V4,
        (None, ClusterAddress::None | ClusterAddress::Unset) => IpFamily::of(pod.addresses.first()?),
    };
    pod.addresses
        .iter()
        .find(|address| IpFamily::of(address) == family)
        .copied()
}

/// The reference to the Pod that goes with its addresses.
pub fn target(pod: &PodRecord) -> TargetRef {
    TargetRef {
        kind: pod_kind(),
        namespace: pod.key.namespace.clone(),
        name: pod.key.name.clone(),
        uid: pod.uid.clone(),
        details: None,
    }
}

/// The kind of every target, shared by all endpoints.
fn pod_kind() -> Text {
    thread_local! {
        static POD: Text = Text::new("Pod");
    }
    POD.with(Text::clone)
}

/// The hostname under which the Pod is to be found: its `spec.hostname`, if its `spec.subdomain` is the Service's name
/// and both are in one namespace (`k8s.io/endpointslice/util/controller_utils.go`, `ShouldSetHostname`).
pub fn hostname<'a>(service: &ServiceRecord, pod: &'a PodRecord) -> Option<&'a Text> {
    let names = pod.hostname.as_deref()?;
    (names.subdomain == service.key.name && pod.key.namespace == service.key.namespace)
        .then_some(&names.hostname)
}

#[cfg(test)]
mod tests;
