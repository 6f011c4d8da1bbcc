//! Which ports a Pod serves for a Service, and the order upstream writes them in.

use std::fmt::Write;

use k8s_openapi::api::core::v1::{Container, Pod, Service, ServicePort};
use k8s_openapi::api::discovery::v1::EndpointPort;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use md5::{Digest, Md5};

use crate::rules::minors::FNV_ORDER;

#[cfg(test)]
mod tests;

/// One port of a slice, with every field that tells it from another.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortKey {
    /// `name`; the API server defaults it to the empty string.
    pub name: Option<String>,
    /// `protocol`; the API server defaults it to `TCP`.
    pub protocol: Option<String>,
    /// `port`.
    pub port: Option<i32>,
    /// `appProtocol`.
    pub app_protocol: Option<String>,
}

impl From<&EndpointPort> for PortKey {
    fn from(port: &EndpointPort) -> Self {
        let EndpointPort {
            app_protocol,
            name,
            port,
            protocol,
        } = port.clone();
        Self {
            name,
            protocol,
            port,
            app_protocol,
        }
    }
}

impl From<PortKey> for EndpointPort {
    fn from(key: PortKey) -> Self {
        let PortKey {
            name,
            protocol,
            port,
            app_protocol,
        } = key;
        Self {
            app_protocol,
            name,
            port,
            protocol,
        }
    }
}

/// The hash whose digest orders the ports of a new slice, and ports and subsets of Endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortHash {
    /// MD5, before [`FNV_ORDER`].
    Md5,
    /// 128-bit FNV-1a, from then on.
    Fnv1a128,
}

impl PortHash {
    /// The hash a controller of Kubernetes 1.`minor` uses.
    pub fn of(minor: u32) -> Self {
        if minor >= FNV_ORDER {
            Self::Fnv1a128
        } else {
            Self::Md5
        }
    }

    /// The digest of a text.
    pub(crate) fn digest(self, text: &str) -> [u8; 16] {
        match self {
            Self::Md5 => Md5::digest(text.as_bytes()).into(),
            Self::Fnv1a128 => fnv1a_128(text.as_bytes()).to_be_bytes(),
        }
    }
}

/// Digest of the text upstream prints for a port; ports are written in ascending order of it.
pub fn port_digest(port: &PortKey, hash: PortHash) -> [u8; 16] {
    hash.digest(&dump(port))
}

/// The text form of `k8s.io/utils/dump.ForHash` for a `discovery/v1` port.
fn dump(port: &PortKey) -> String {
    let nil = || "<nil>".to_owned();
    let mut text = "(v1.EndpointPort){Name:(*string)".to_owned();
    text += &port.name.clone().unwrap_or_else(nil);
    text += " Protocol:(*v1.Protocol)";
    text += &port.protocol.clone().unwrap_or_else(nil);
    text += " Port:(*int32)";
    match port.port {
        // Writing to a String cannot fail.
        Some(number) => _ = write!(text, "{number}"),
        None => text += &nil(),
    }
    text += " AppProtocol:(*string)";
    text += &port.app_protocol.clone().unwrap_or_else(nil);
    text.push('}');
    text
}

/// FNV-1a with 128 bits (draft-eastlake-fnv, section 5).
fn fnv1a_128(bytes: &[u8]) -> u128 {
    const OFFSET_BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = (1 << 88) + 0x13b;
    bytes.iter().fold(OFFSET_BASIS, |hash, byte| {
        (hash ^ u128::from(*byte)).wrapping_mul(PRIME)
    })
}

/// Puts ports into the order upstream writes them in.
pub(crate) fn sort_by_digest(ports: &mut [EndpointPort], hash: PortHash) {
    ports.sort_by_key(|port| port_digest(&PortKey::from(port), hash));
}

/// The ports of a slice as a set: sorted, `null` like empty.
pub(crate) fn port_set(ports: Option<&Vec<EndpointPort>>) -> Vec<PortKey> {
    let mut set: Vec<_> = ports.into_iter().flatten().map(PortKey::from).collect();
    set.sort();
    set
}

/// The ports of `service` that resolve for `pod`, in the Service's order (`getEndpointPorts` in
/// `k8s.io/endpointslice`). Empty when none resolves: the Pod is an endpoint all the same.
pub(crate) fn pod_ports(service: &Service, pod: &Pod) -> Vec<EndpointPort> {
    let ports = service
        .spec
        .as_ref()
        .and_then(|spec| spec.ports.as_deref())
        .unwrap_or_default();
    ports
        .iter()
        .filter_map(|port| {
            Some(EndpointPort {
                name: Some(port.name.clone().unwrap_or_default()),
                protocol: Some(port.protocol.clone().unwrap_or_default()),
                port: Some(find_port(pod, port)?),
                app_protocol: port.app_protocol.clone(),
            })
        })
        .collect()
}

/// The number behind a `targetPort`: a number stands for itself, a name is looked up in the containers and then
/// in the sidecars (init containers with `restartPolicy: Always`), always with the Service port's protocol.
pub(crate) fn find_port(pod: &Pod, service_port: &ServicePort) -> Option<i32> {
    let name = match &service_port.target_port {
        // Without a value Go holds the zero IntOrString, which is the number 0.
        None => return Some(0),
        Some(IntOrString::Int(number)) => return Some(*number),
        Some(IntOrString::String(name)) => name,
    };
    let spec = pod.spec.as_ref()?;
    let sidecars = spec
        .init_containers
        .iter()
        .flatten()
        .filter(|container| container.restart_policy.as_deref() == Some("Always"));
    spec.containers.iter().chain(sidecars).find_map(|container| {
        named_port(
            container,
            name,
            service_port.protocol.as_deref().unwrap_or_default(),
        )
    })
}

fn named_port(container: &Container, name: &str, protocol: &str) -> Option<i32> {
    container
        .ports
        .iter()
        .flatten()
        .find(|port| {
            port.name.as_deref().unwrap_or_default() == name
                && port.protocol.as_deref().unwrap_or_default() == protocol
        })
        .map(|port| port.container_port)
}
