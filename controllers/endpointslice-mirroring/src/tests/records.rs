//! Records for tests of what decides.

use std::sync::Arc;

use quaymaster_model::{
    AddressType, Conditions, EndpointAddress, EndpointPort, EndpointRecord, EndpointsRecord, Interned,
    LabelSet, PortSet, Protocol, ResourceVersion, SliceRecord, Subset, SubsetAddress, SubsetPort, Text, Uid,
};
use smallvec::{SmallVec, smallvec};

use super::cluster::{NAME, key};

pub(crate) fn address(ip: &str) -> SubsetAddress {
    SubsetAddress {
        ip: EndpointAddress::new(ip),
        hostname: None,
        node: None,
        target: None,
    }
}

pub(crate) fn port(name: &str, port: i32) -> SubsetPort {
    SubsetPort {
        name: Text::new(name),
        port,
        protocol: Protocol::Tcp,
        app_protocol: None,
    }
}

pub(crate) fn subset(ready: &[&str], not_ready: &[&str], ports: &[SubsetPort]) -> Subset {
    let addresses = |ips: &[&str]| ips.iter().map(|ip| address(ip)).collect();
    Subset {
        ready: addresses(ready),
        not_ready: addresses(not_ready),
        ports: ports.to_vec(),
    }
}

pub(crate) fn endpoint(ip: &str, ready: bool) -> EndpointRecord {
    EndpointRecord {
        addresses: smallvec![EndpointAddress::new(ip)],
        conditions: Conditions {
            ready: Some(ready),
            serving: None,
            terminating: None,
        },
        hostname: None,
        node: None,
        zone: None,
        target: None,
        hints: None,
    }
}

pub(crate) fn port_set(number: i32) -> PortSet {
    PortSet::new([EndpointPort {
        name: Some(Text::new("")),
        protocol: Some(Protocol::Tcp),
        port: Some(number),
        app_protocol: None,
    }])
}

pub(crate) fn labels(pairs: &[(&str, &str)]) -> Interned<LabelSet> {
    let pairs = pairs
        .iter()
        .map(|(key, value)| (Text::new(key), Text::new(value)));
    Interned::from_value(LabelSet::new(pairs))
}

pub(crate) fn annotations(pairs: &[(&str, &str)]) -> Vec<(Text, Text)> {
    pairs
        .iter()
        .map(|(key, value)| (Text::new(key), Text::new(value)))
        .collect()
}

pub(crate) fn endpoints(subsets: Vec<Subset>) -> EndpointsRecord {
    EndpointsRecord {
        key: key(NAME),
        uid: Uid::new("uid-db"),
        resource_version: ResourceVersion::new("7"),
        labels: labels(&[]),
        annotations: Vec::new(),
        owners: SmallVec::new(),
        finalizers: Vec::new(),
        terminating: false,
        digest: quaymaster_subsets::digest(&subsets),
        addresses: 0,
        subsets: Some(subsets.into_boxed_slice()),
        unknown: None,
    }
}

/// A slice without metadata of its own.
pub(crate) fn slice(
    name: &str,
    address_type: &str,
    ports: PortSet,
    endpoints: Vec<EndpointRecord>,
) -> Arc<SliceRecord> {
    Arc::new(SliceRecord {
        key: key(name),
        uid: Uid::new(&format!("uid-{name}")),
        resource_version: ResourceVersion::new("7"),
        labels: labels(&[]),
        annotations: Vec::new(),
        owners: SmallVec::new(),
        finalizers: Vec::new(),
        terminating: false,
        address_type: AddressType::new(address_type),
        ports: Interned::from_value(ports),
        endpoints,
        unknown: None,
    })
}
