//! Mistakes in Services that select no Pods, and in what is made for them by hand.
//!
//! The apiserver admits all of these, and nothing ever tells of them: names just do not resolve, or connections fail.

use quaymaster_model::ip::parse_ip;
use quaymaster_model::{
    EndpointPort, ObjectKey, Protocol, ServicePort, ServiceRecord, ServiceType, SliceRecord, names,
};

use crate::domain::{ClusterDomain, Target};

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// The external name is an IP address: DNS answers with a name that nobody resolves.
    IpAddress,
    /// The external name ends with a dot.
    TrailingDot,
    /// The external name is that of a Service of this cluster which does not exist.
    TargetMissing,
    /// External names lead in a circle.
    Loop,
    /// An ExternalName Service has ports.
    Ports,
    /// A slice that was made by hand names no Service.
    NoServiceName,
    /// A slice that was made by hand has no port of its Service.
    PortNames,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 7] = [
        Self::IpAddress,
        Self::TrailingDot,
        Self::TargetMissing,
        Self::Loop,
        Self::Ports,
        Self::NoServiceName,
        Self::PortNames,
    ];

    /// Reason of its Event.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::IpAddress => "ExternalNameIsIPAddress",
            Self::TrailingDot => "ExternalNameTrailingDot",
            Self::TargetMissing => "ExternalNameTargetMissing",
            Self::Loop => "ExternalNameLoop",
            Self::Ports => "ExternalNamePortsUnused",
            Self::NoServiceName => "ServiceNameLabelMissing",
            Self::PortNames => "PortNamesMatchNoServicePort",
        }
    }

    /// Label in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::IpAddress => "ip_address",
            Self::TrailingDot => "trailing_dot",
            Self::TargetMissing => "target_missing",
            Self::Loop => "loop",
            Self::Ports => "ports",
            Self::NoServiceName => "no_service_name",
            Self::PortNames => "port_names",
        }
    }
}

/// A mistake, and what is said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub cause: Cause,
    /// For people.
    pub note: String,
}

fn finding(cause: Cause, note: String) -> Finding {
    Finding { cause, note }
}

/// Names followed from one Service at most. Resolvers give up far earlier, and nobody can make a look cost more.
pub const MOST_STEPS: usize = 32;

/// What is wrong with a Service. `find` gives the Service of a name, if there is one.
pub fn of_service<'a>(
    service: &'a ServiceRecord,
    domain: &ClusterDomain,
    find: impl Fn(&ObjectKey) -> Option<&'a ServiceRecord>,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let Some(name) = external_name(service).filter(|_| !service.terminating) else {
        return found;
    };
    let without_dot = name.trim_end_matches('.');
    if parse_ip(without_dot).is_some() {
        found.push(finding(
            Cause::IpAddress,
            format!(
                "externalName {name} is an IP address: the cluster's DNS answers with it as a name, which nobody resolves; \
                 for an address, make a Service without a selector and an EndpointSlice"
            ),
        ));
    }
    if name.len() > without_dot.len() {
        found.push(finding(
            Cause::TrailingDot,
            format!(
                "externalName {name} ends with a dot: consumers that compare it with a certificate, or send it as a host, \
                 take the dot along; write {without_dot}"
            ),
        ));
    }
    found.extend(of_target(service, name, domain, find));
    if !service.ports.is_empty() {
        let ports: Vec<String> = service.ports.iter().map(|port| port.port.to_string()).collect();
        found.push(finding(
            Cause::Ports,
            format!(
                "spec.ports ({}) of this ExternalName Service is read neither by the cluster's DNS nor by kube-proxy: clients \
                 reach {name} at whatever port they name themselves",
                ports.join(", ")
            ),
        ));
    }
    found
}

/// The name that a Service stands for, if it is of the type that stands for one.
pub fn external_name(service: &ServiceRecord) -> Option<&str> {
    let name = service.external_name.as_deref()?;
    (service.kind == ServiceType::ExternalName).then_some(name)
}

fn of_target<'a>(
    service: &'a ServiceRecord,
    name: &str,
    domain: &ClusterDomain,
    find: impl Fn(&ObjectKey) -> Option<&'a ServiceRecord>,
) -> Option<Finding> {
    let target = domain.target(name);
    if target == Target::Nothing {
        let note = format!(
            "externalName {name} is no Service: names of Services are NAME.NAMESPACE.{}",
            domain.services()
        );
        return Some(finding(Cause::TargetMissing, note));
    }
    let of = target.service()?;
    if find(of).is_none() {
        let note = format!("externalName {name}: there is no Service {of}");
        return Some(finding(Cause::TargetMissing, note));
    }
    let circle = circle(service, domain, find)?;
    let way: Vec<String> = circle.iter().map(ToString::to_string).collect();
    let note = format!("external names lead in a circle: {}", way.join(" -> "));
    Some(finding(Cause::Loop, note))
}

/// The way of a Service's external name, if it comes back to a Service that it has passed: up to that one.
fn circle<'a>(
    service: &'a ServiceRecord,
    domain: &ClusterDomain,
    find: impl Fn(&ObjectKey) -> Option<&'a ServiceRecord>,
) -> Option<Vec<ObjectKey>> {
    let mut way = vec![service.key.clone()];
    let mut at = service;
    while way.len() <= MOST_STEPS {
        let Target::Service(next) = domain.target(external_name(at)?) else {
            return None;
        };
        let passed = way.contains(&next);
        way.push(next);
        if passed {
            return Some(way);
        }
        at = find(way.last()?)?;
    }
    None
}

/// Whether nobody but a person keeps a slice, as far as can be told: none of Kubernetes' controllers, and no other program
/// that says so. The label `managed-by` alone says nothing, since people are told to set it as well.
pub fn is_hand_made(slice: &SliceRecord) -> bool {
    !slice.is_managed_by(names::MANAGER_ENDPOINTSLICE)
        && !slice.is_managed_by(names::MANAGER_MIRRORING)
        && !slice.owners.iter().any(|owner| owner.controller == Some(true))
}

/// Label of slices of other clusters, which name their `ServiceImport` and on purpose no Service (KEP-1645).
const LABEL_SERVICE_IMPORT: &str = "multicluster.kubernetes.io/service-name";

/// What is wrong with a slice. `service` is the Service that it names, if there is one.
pub fn of_slice(slice: &SliceRecord, service: Option<&ServiceRecord>) -> Option<Finding> {
    if slice.terminating || !is_hand_made(slice) {
        return None;
    }
    if slice.service_name().is_none() {
        let is_imported = slice.labels.get(LABEL_SERVICE_IMPORT).is_some();
        let note = format!(
            "this EndpointSlice names no Service and nobody uses it: the label {} is to be the name of one",
            names::LABEL_SERVICE_NAME
        );
        return (!is_imported).then(|| finding(Cause::NoServiceName, note));
    }
    let service = service.filter(|service| is_kept_by_hand(service) && !service.terminating)?;
    let (wanted, given) = (&service.ports, slice.ports.ports());
    let fits = |port: &EndpointPort| wanted.iter().any(|wanted| is_same(wanted, port));
    if wanted.is_empty() || given.is_empty() || given.iter().any(fits) {
        return None;
    }
    let given: Vec<String> = given
        .iter()
        .map(|port| shown(name_of(port), protocol_of(port)))
        .collect();
    let wanted: Vec<String> = wanted
        .iter()
        .map(|port| shown(&port.name, &port.protocol))
        .collect();
    let note = format!(
        "no port of this EndpointSlice ({}) is one of Service {} ({}), by name and protocol: whoever looks for a port of the \
         Service finds nothing here",
        given.join(", "),
        service.key,
        wanted.join(", ")
    );
    Some(finding(Cause::PortNames, note))
}

/// Whether a Service has endpoints that no controller computes.
fn is_kept_by_hand(service: &ServiceRecord) -> bool {
    service.selector.is_none() && service.kind != ServiceType::ExternalName
}

/// By name and protocol, as kube-proxy finds them (kubernetes/kubernetes `pkg/proxy/endpointslicecache.go`,
/// `endpointInfoByServicePort`).
fn is_same(wanted: &ServicePort, given: &EndpointPort) -> bool {
    *wanted.name == *name_of(given) && wanted.protocol == *protocol_of(given)
}

fn name_of(port: &EndpointPort) -> &str {
    port.name.as_deref().unwrap_or_default()
}

fn protocol_of(port: &EndpointPort) -> &Protocol {
    port.protocol.as_ref().unwrap_or(&Protocol::Tcp)
}

fn shown(name: &str, protocol: &Protocol) -> String {
    let name = if name.is_empty() { "without a name" } else { name };
    format!("{name} {protocol}")
}
