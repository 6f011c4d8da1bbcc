//! What a Pod offers to a Service that selects it: the rules that slices and Endpoints share.

use std::net::IpAddr;

use quaymaster_model::{IpFamily, PodRecord, ServicePort, ServiceRecord, TargetPort, Text};
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

/// The hostname under which the Pod is to be found: its `spec.hostname`, if its `spec.subdomain` is the Service's name
/// and both are in one namespace (`k8s.io/endpointslice/util/controller_utils.go`, `ShouldSetHostname`).
pub fn hostname<'a>(service: &ServiceRecord, pod: &'a PodRecord) -> Option<&'a Text> {
    let names = pod.hostname.as_deref()?;
    (names.subdomain == service.key.name && pod.key.namespace == service.key.namespace)
        .then_some(&names.hostname)
}

#[cfg(test)]
mod tests;
