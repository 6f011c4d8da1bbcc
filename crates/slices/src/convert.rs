//! From a Pod to an endpoint (`k8s.io/endpointslice/utils.go`: `podToEndpoint`, `getEndpointPorts`).

use quaymaster_membership::backing;
use quaymaster_model::{
    Conditions, EndpointAddress, EndpointPort, EndpointRecord, Hints, IpFamily, NodeRecord, PodRecord,
    PortSet, ServiceRecord, Text, TrafficDistribution, UpstreamRules,
};
use smallvec::{SmallVec, smallvec};

/// How hints of the endpoints of a Service come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HintMode {
    /// No hints; present ones are removed.
    Off,
    /// `spec.trafficDistribution`: each ready endpoint is hinted to its own zone and, if `nodes`, to its own Node.
    OwnPlace {
        /// `PreferSameNode`
        nodes: bool,
    },
    /// By annotation: zones get shares of the endpoints, see [`crate::topology`].
    Auto,
}

impl HintMode {
    /// The annotation wins over the field (`k8s.io/endpointslice/reconciler.go`, `reconcileByAddressType`). Values that
    /// the version does not know count as none.
    pub fn of(service: &ServiceRecord, rules: UpstreamRules) -> Self {
        if service.topology_auto {
            return Self::Auto;
        }
        match service.distribution() {
            TrafficDistribution::PreferClose => Self::OwnPlace { nodes: false },
            TrafficDistribution::PreferSameZone if rules.prefer_same => Self::OwnPlace { nodes: false },
            TrafficDistribution::PreferSameNode if rules.prefer_same => Self::OwnPlace { nodes: true },
            _ => Self::Off,
        }
    }
}

/// The ports that this Pod offers to the Service, as the ports of the slice that is to hold it. A Service port that
/// the Pod does not have is left out; with none left the Pod still is an endpoint, without ports.
pub fn ports(service: &ServiceRecord, pod: &PodRecord) -> PortSet {
    PortSet::new(service.ports.iter().filter_map(|port| {
        let number = backing::port_number(port, pod)?;
        Some(EndpointPort {
            name: Some(port.name.clone()),
            protocol: Some(port.protocol.clone()),
            port: Some(number),
            app_protocol: port.app_protocol.clone(),
        })
    }))
}

/// The addresses of the Pod that are of this family, as an endpoint has them.
pub fn addresses(pod: &PodRecord, family: IpFamily) -> SmallVec<[EndpointAddress; 1]> {
    backing::addresses(pod, family)
        .into_iter()
        .map(EndpointAddress::Ip)
        .collect()
}

/// Whether the Pod is left out because its Node is not known. Whoever publishes Pods that are not ready has asked for
/// such Pods, too (kubernetes/kubernetes#110639).
pub fn lacks_node(service: &ServiceRecord, node: Option<&NodeRecord>) -> bool {
    node.is_none() && !service.publish_not_ready
}

/// The endpoint of an eligible Pod in slices of this family; none if it has no address of the family. Under
/// [`HintMode::Auto`] it has no hints yet.
pub fn endpoint(
    service: &ServiceRecord,
    pod: &PodRecord,
    node: Option<&NodeRecord>,
    family: IpFamily,
    mode: HintMode,
) -> Option<EndpointRecord> {
    let addresses = addresses(pod, family);
    if addresses.is_empty() {
        return None;
    }
    let serving = pod.flags.ready;
    let terminating = pod.flags.terminating;
    let ready = service.publish_not_ready || (serving && !terminating);
    let zone = node.and_then(|node| node.zone.clone());
    let hints = match mode {
        HintMode::OwnPlace { nodes } if ready => {
            own_place(zone.as_ref(), pod.node.as_ref().filter(|_| nodes))
        }
        _ => None,
    };
    Some(EndpointRecord {
        addresses,
        conditions: Conditions {
            ready: Some(ready),
            serving: Some(serving),
            terminating: Some(terminating),
        },
        hostname: backing::hostname(service, pod).cloned(),
        node: pod.node.clone(),
        zone,
        target: Some(backing::target(pod)),
        hints,
    })
}

fn own_place(zone: Option<&Text>, node: Option<&Text>) -> Option<Box<Hints>> {
    if zone.is_none() && node.is_none() {
        return None;
    }
    let list = |name: Option<&Text>| name.map_or_else(SmallVec::new, |name| smallvec![name.clone()]);
    Some(Box::new(Hints {
        zones: list(zone),
        nodes: list(node),
    }))
}

/// Whether two endpoints are the same one, perhaps in another condition: addresses, hostname and target agree
/// (`k8s.io/endpointslice/util/endpointset.go`, `hashEndpoint`). UIDs may differ: a replaced Pod of the same name and
/// address is updated in place.
pub fn same_identity(a: &EndpointRecord, b: &EndpointRecord) -> bool {
    same_pod_and_address(a, b) && a.hostname == b.hostname
}

/// The same, whatever the hostname.
pub(crate) fn same_pod_and_address(a: &EndpointRecord, b: &EndpointRecord) -> bool {
    fn target(endpoint: &EndpointRecord) -> Option<(&Text, &Text)> {
        let target = endpoint.target.as_ref()?;
        Some((&target.namespace, &target.name))
    }
    a.addresses == b.addresses && target(a) == target(b)
}

/// Whether an observed endpoint must be rewritten to become the desired one, hints apart
/// (`k8s.io/endpointslice/util/controller_utils.go`, `EndpointsEqualBeyondHash`).
pub fn differs(desired: &EndpointRecord, observed: &EndpointRecord) -> bool {
    let same_target = match (&desired.target, &observed.target) {
        (Some(desired), Some(observed)) => desired.same_but_for_version(observed),
        (None, None) => true,
        _ => false,
    };
    desired.node != observed.node
        || desired.zone != observed.zone
        || desired.conditions != observed.conditions
        || !same_target
}

/// Whether the hints of an observed endpoint must be rewritten. Hints of endpoints that are not ready are nobody's
/// business under `trafficDistribution`; without it, any hint is removed.
pub fn hints_differ(desired: &EndpointRecord, observed: &EndpointRecord, mode: HintMode) -> bool {
    match mode {
        HintMode::Off => observed.hints.is_some(),
        HintMode::OwnPlace { .. } => {
            desired.conditions.ready == Some(true) && desired.hints != observed.hints
        }
        HintMode::Auto => false,
    }
}
