//! What Endpoints say, as slices say it (kubernetes/kubernetes `pkg/controller/endpointslicemirroring/reconciler.go`,
//! `reconcile`; `reconciler_helpers.go`, `desiredCalc`; `utils.go`, `addressToEndpoint`).

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use quaymaster_model::ip::parse_ip;
use quaymaster_model::rules::PortOrder;
use quaymaster_model::{
    Conditions, EndpointAddress, EndpointPort, EndpointRecord, IpFamily, PortSet, Subset, SubsetAddress,
    SubsetPort,
};
use smallvec::smallvec;

const FAMILIES: [IpFamily; 2] = [IpFamily::V4, IpFamily::V6];

/// What one slice is to hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    pub(crate) family: IpFamily,
    pub(crate) ports: PortSet,
    /// Each [`Identity`] once. Without any there is to be no slice.
    pub(crate) endpoints: Vec<EndpointRecord>,
}

/// What all slices are to hold.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Desired {
    /// One for each set of ports in each family, sorted by ports and family.
    pub(crate) groups: Vec<Group>,
    /// Addresses that are no IP addresses.
    pub(crate) invalid: usize,
    /// Addresses that are left out, those among them.
    pub(crate) skipped: usize,
}

impl Desired {
    /// The subsets, repacked, become groups: of each at most `most` addresses are taken, ready ones first, whatever their
    /// family. So each group becomes one slice.
    ///
    /// Two subsets may still have equal ports, where these have an `appProtocol` ([`quaymaster_subsets::repack`]). Of an
    /// address in both, the later one counts, as upstream. Together they are cut at `most` as well, and those over it
    /// are left out like others; upstream writes an arbitrary choice of them on every sync.
    pub(crate) fn of(subsets: &[Subset], most: usize, order: PortOrder) -> Self {
        let mut desired = Self::default();
        let mut groups: BTreeMap<(PortSet, IpFamily), Vec<EndpointRecord>> = BTreeMap::new();
        for subset in quaymaster_subsets::repack(subsets, order) {
            let ports = PortSet::new(subset.ports.iter().map(port));
            let ready = subset.ready.iter().map(|address| (address, true));
            let not_ready = subset.not_ready.iter().map(|address| (address, false));
            let mut taken = 0;
            let mut of_family = FAMILIES.map(|_| Vec::new());
            for (address, ready) in ready.chain(not_ready) {
                if taken == most {
                    break;
                }
                match ip(&address.ip) {
                    Some(ip) => {
                        taken += 1;
                        of_family[usize::from(!ip.is_ipv4())].push(endpoint(address, ip, ready));
                    }
                    None => desired.invalid += 1,
                }
            }
            desired.skipped += subset.ready.len() + subset.not_ready.len() - taken;
            for (family, endpoints) in FAMILIES.into_iter().zip(of_family) {
                groups
                    .entry((ports.clone(), family))
                    .or_default()
                    .extend(endpoints);
            }
        }
        desired
            .groups
            .extend(groups.into_iter().map(|((ports, family), endpoints)| {
                let mut endpoints = each_once(endpoints);
                desired.skipped += endpoints.len().saturating_sub(most);
                endpoints.truncate(most);
                Group {
                    family,
                    ports,
                    endpoints,
                }
            }));
        desired
    }

    /// Number of endpoints in all groups.
    pub(crate) fn endpoints(&self) -> usize {
        self.groups.iter().map(|group| group.endpoints.len()).sum()
    }

    /// Number of slices that hold them.
    pub(crate) fn slices(&self) -> usize {
        self.groups
            .iter()
            .filter(|group| !group.endpoints.is_empty())
            .count()
    }
}

/// By what an endpoint is found again, whatever its condition (`k8s.io/endpointslice/util/endpointset.go`,
/// `hashEndpoint`). What is absent is as what is empty.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity<'a> {
    addresses: &'a [EndpointAddress],
    hostname: &'a str,
    namespace: &'a str,
    name: &'a str,
}

impl<'a> Identity<'a> {
    pub(crate) fn of(endpoint: &'a EndpointRecord) -> Self {
        let target = endpoint.target.as_ref();
        Self {
            addresses: &endpoint.addresses,
            hostname: endpoint.hostname.as_deref().unwrap_or_default(),
            namespace: target.map_or("", |target| &target.namespace),
            name: target.map_or("", |target| &target.name),
        }
    }
}

/// Of endpoints with one identity the last.
fn each_once(mut endpoints: Vec<EndpointRecord>) -> Vec<EndpointRecord> {
    let mut last = HashMap::with_capacity(endpoints.len());
    for (at, endpoint) in endpoints.iter().enumerate() {
        last.insert(Identity::of(endpoint), at);
    }
    if last.len() < endpoints.len() {
        let mut stays = vec![false; endpoints.len()];
        for at in last.into_values() {
            stays[at] = true;
        }
        let mut stays = stays.into_iter();
        endpoints.retain(|_| stays.next().unwrap_or_default());
    }
    endpoints
}

fn ip(address: &EndpointAddress) -> Option<IpAddr> {
    match address {
        EndpointAddress::Ip(ip) => Some(ip.to_canonical()),
        EndpointAddress::Other(text) => parse_ip(text),
    }
}

fn endpoint(address: &SubsetAddress, ip: IpAddr, ready: bool) -> EndpointRecord {
    EndpointRecord {
        addresses: smallvec![EndpointAddress::Ip(ip)],
        conditions: Conditions {
            ready: Some(ready),
            serving: None,
            terminating: None,
        },
        hostname: address.hostname.clone(),
        node: address.node.clone(),
        zone: None,
        target: address.target.as_deref().cloned(),
        hints: None,
    }
}

fn port(port: &SubsetPort) -> EndpointPort {
    EndpointPort {
        name: Some(port.name.clone()),
        protocol: Some(port.protocol.clone()),
        port: Some(port.port),
        app_protocol: port.app_protocol.clone(),
    }
}

#[cfg(test)]
mod tests;
