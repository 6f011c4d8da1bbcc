//! What must hold of slices at every moment, whoever wrote them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};

use crate::check::canonical::service_of;
use crate::rules::desired::Identity;
use crate::rules::slices::{endpoints, identity, name};

#[cfg(test)]
mod tests;

/// `discovery/v1` validation (`k8s.io/kubernetes/pkg/apis/discovery/validation`): addresses of one endpoint.
const MAX_ADDRESSES: usize = 100;
/// The same: endpoints of one slice.
const MAX_ENDPOINTS: usize = 1000;
/// The same: hinted zones, and nodes, of one endpoint.
const MAX_HINTS: usize = 8;

/// A rule a slice breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// `namespace/name` of the slice.
    pub slice: String,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.slice, self.what)
    }
}

/// Checks that every slice is valid, holds one family, has at most `max` endpoints, and that no endpoint of a
/// Service is listed twice in a family.
///
/// A slice that already had more than `max` endpoints in `before` (the slices of an earlier moment, or none) may
/// keep them, but not grow. While a Pod's ports change its endpoint is in two slices for a moment: leave such
/// moments out, or look only at other violations.
pub fn check_invariants(slices: &[EndpointSlice], before: &[EndpointSlice], max: usize) -> Vec<Violation> {
    let sizes: BTreeMap<String, usize> = before
        .iter()
        .map(|slice| (path(slice), endpoints(slice).len()))
        .collect();
    let mut violations = Vec::new();
    let mut seen: BTreeMap<(String, String, Identity), String> = BTreeMap::new();
    for slice in slices {
        let path = path(slice);
        let mut report = |what: String| {
            violations.push(Violation {
                slice: path.clone(),
                what,
            });
        };
        let size = endpoints(slice).len();
        if size > max && sizes.get(&path).is_none_or(|before| size > *before) {
            report(format!("{size} endpoints, more than {max}"));
        }
        if size > MAX_ENDPOINTS {
            report(format!("{size} endpoints, more than the API allows"));
        }
        check_ports(slice, &mut report);
        for endpoint in endpoints(slice) {
            let identity = identity(endpoint);
            check_endpoint(slice, endpoint, &identity, &mut report);
            let key = (service_of(slice), slice.address_type.clone(), identity);
            let (addresses, pod) = (key.2.addresses.join(","), key.2.name.clone());
            if let Some(other) = seen.insert(key, path.clone()) {
                report(format!("endpoint {addresses} ({pod}) is also in {other}"));
            }
        }
    }
    violations
}

fn path(slice: &EndpointSlice) -> String {
    format!(
        "{}/{}",
        slice.metadata.namespace.as_deref().unwrap_or_default(),
        name(slice)
    )
}

fn check_ports(slice: &EndpointSlice, report: &mut impl FnMut(String)) {
    let mut names = BTreeSet::new();
    for port in slice.ports.iter().flatten() {
        if !names.insert(port.name.clone().unwrap_or_default()) {
            report(format!(
                "port name {:?} twice",
                port.name.as_deref().unwrap_or_default()
            ));
        }
        if port.port.is_some_and(|number| !(1..=65535).contains(&number)) {
            report(format!("port number {:?}", port.port));
        }
    }
}

fn check_endpoint(
    slice: &EndpointSlice,
    endpoint: &Endpoint,
    identity: &Identity,
    report: &mut impl FnMut(String),
) {
    if endpoint.addresses.is_empty() || endpoint.addresses.len() > MAX_ADDRESSES {
        report(format!(
            "endpoint {} has {} addresses",
            identity.name,
            endpoint.addresses.len()
        ));
    }
    for address in &endpoint.addresses {
        let family = match (slice.address_type.as_str(), address.parse::<IpAddr>()) {
            ("IPv4", Ok(ip)) => ip.is_ipv4(),
            ("IPv6", Ok(ip)) => ip.is_ipv6(),
            ("FQDN", parsed) => parsed.is_err(),
            _ => false,
        };
        if !family {
            report(format!(
                "address {address:?} in a slice of type {}",
                slice.address_type
            ));
        }
    }
    if endpoint.node_name.as_deref() == Some("") {
        report(format!("endpoint {} has an empty node name", identity.name));
    }
    let hints = endpoint.hints.clone().unwrap_or_default();
    let zones: Vec<String> = hints
        .for_zones
        .into_iter()
        .flatten()
        .map(|zone| zone.name)
        .collect();
    let nodes: Vec<String> = hints
        .for_nodes
        .into_iter()
        .flatten()
        .map(|node| node.name)
        .collect();
    for hinted in [zones, nodes] {
        let distinct: BTreeSet<_> = hinted.iter().collect();
        if distinct.len() != hinted.len() || hinted.len() > MAX_HINTS {
            report(format!("endpoint {} has hints {hinted:?}", identity.name));
        }
    }
}
