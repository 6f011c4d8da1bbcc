//! Which values a request lacks that the apiserver would choose.
//!
//! It follows `pkg/registry/core/service/storage/alloc.go` of kubernetes: what is carried over from the Service as it is, what
//! families a Service has, and what is allocated.

use quaymaster_model::{IpFamily, ServiceType};
use smallvec::SmallVec;

use crate::service::Service;

/// What a cluster serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Families {
    /// The family of Services that name none.
    pub default: IpFamily,
    /// It has addresses of both families.
    pub both: bool,
    /// All ClusterIPs are of one ServiceCIDR, which is not being deleted.
    pub single_cidr: bool,
}

/// Which values a request lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// All ClusterIPs that the Service is to have, in order; nothing where it lacks none.
    pub cluster_ips: SmallVec<[ClusterIp; 2]>,
    /// Node ports.
    pub node_ports: Vec<NodePort>,
    /// A port for health checks.
    pub health_check: bool,
    /// Node ports that the Service has, or had until now: a port that is chosen is none of these.
    pub in_use: Vec<u16>,
}

/// One of the ClusterIPs of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterIp {
    /// It is there, as it is written.
    Given(String),
    /// One of this family is to be chosen.
    Wanted(IpFamily),
}

/// A node port that is to be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePort {
    /// The number of the ports.
    pub port: i32,
    /// Their places in `spec.ports`: ports with one number (of TCP and of UDP) share it.
    pub places: Vec<usize>,
    /// One of them has it already.
    pub given: Option<u16>,
}

impl Needs {
    /// Whether it lacks nothing.
    pub fn is_empty(&self) -> bool {
        self.cluster_ips.is_empty() && self.node_ports.is_empty() && !self.health_check
    }

    /// What a request lacks; without an `old` object it creates the Service.
    pub fn of(object: &Service, old: Option<&Service>, families: Families) -> Self {
        let mut in_use = ports_of(object);
        in_use.extend(old.into_iter().flat_map(ports_of));
        Self {
            cluster_ips: cluster_ips(object, old, families).unwrap_or_default(),
            node_ports: node_ports(object, old),
            health_check: object.has_health_check()
                && object.spec.health_check_node_port == 0
                && !old.is_some_and(|old| old.has_health_check() && old.spec.health_check_node_port != 0),
            in_use,
        }
    }
}

fn ports_of(service: &Service) -> Vec<u16> {
    let ports = service.spec.ports.iter().map(|port| port.node_port);
    let all = ports.chain([service.spec.health_check_node_port]);
    all.filter_map(|port| u16::try_from(port).ok())
        .filter(|port| *port != 0)
        .collect()
}

/// All ClusterIPs in order, where one is lacking.
fn cluster_ips(
    object: &Service,
    old: Option<&Service>,
    families: Families,
) -> Option<SmallVec<[ClusterIp; 2]>> {
    if object.kind() == ServiceType::ExternalName || object.is_headless() {
        return None;
    }
    let mut given = object.cluster_ips();
    let old = old.filter(|old| old.kind() != ServiceType::ExternalName);
    if let Some(old) = old {
        if old.is_headless() {
            return None;
        }
        // What the client leaves out is carried over.
        if given.is_empty() {
            given = old.cluster_ips();
        }
        if given.is_empty() || old.cluster_ips().len() > 1 || stays(object, old, &given) {
            return None;
        }
    }
    let wanted = wanted(object, old, &given, families);
    if wanted.len() <= given.len() {
        return None;
    }
    let given = given.into_iter().map(|ip| ClusterIp::Given(ip.to_owned()));
    let have = given.len();
    let missing = wanted.into_iter().skip(have).map(ClusterIp::Wanted);
    Some(given.chain(missing).collect())
}

/// Whether a Service that prefers both families stays with the one that it has, since nothing about that is changed
/// (`isMatchingPreferDualStackClusterIPFields`): its cluster may have had no other when it was made.
fn stays(object: &Service, old: &Service, given: &[&str]) -> bool {
    const PREFERS: &str = "PreferDualStack";
    let before = old.spec.ip_family_policy.as_str();
    object.spec.ip_family_policy == PREFERS
        && (before == PREFERS || before.is_empty())
        && object.kind() == old.kind()
        && given == old.cluster_ips()
        && object.spec.ip_families == old.spec.ip_families
}

/// The families that the Service is to have, in order.
fn wanted(
    object: &Service,
    old: Option<&Service>,
    given: &[&str],
    families: Families,
) -> SmallVec<[IpFamily; 2]> {
    let mut wanted: SmallVec<[IpFamily; 2]> = object.ip_families().into();
    if wanted.is_empty() {
        let of_ip = given
            .first()
            .and_then(|ip| ip.parse().ok())
            .map(|ip| IpFamily::of(&ip));
        wanted.push(of_ip.unwrap_or(families.default));
    }
    let policy = match (object.spec.ip_family_policy.as_str(), old) {
        ("", Some(old)) => old.spec.ip_family_policy.as_str(),
        (policy, _) => policy,
    };
    match policy {
        // In a cluster of one family the apiserver refuses what requires two, and gives one to what prefers them.
        "PreferDualStack" | "RequireDualStack" if families.both => {
            if let [one] = wanted.as_slice() {
                let other = if *one == IpFamily::V4 {
                    IpFamily::V6
                } else {
                    IpFamily::V4
                };
                wanted.push(other);
            }
        }
        _ => wanted.truncate(1),
    }
    wanted
}

/// The node ports that the apiserver would choose, after what it carries over by name.
fn node_ports(object: &Service, old: Option<&Service>) -> Vec<NodePort> {
    if !object.wants_node_ports() {
        return Vec::new();
    }
    let carried = carried(object, old);
    let mut lacking: Vec<NodePort> = Vec::new();
    for (place, port) in object.spec.ports.iter().enumerate() {
        if carried[place] != 0 {
            continue;
        }
        let number = port.number;
        if let Some(twin) = lacking.iter_mut().find(|lacking| lacking.port == number) {
            twin.places.push(place);
            continue;
        }
        let twins = object.spec.ports.iter().zip(&carried);
        let given = twins
            .filter(|(twin, carried)| twin.number == number && **carried != 0)
            .find_map(|(_, carried)| u16::try_from(*carried).ok());
        lacking.push(NodePort {
            port: number,
            places: vec![place],
            given,
        });
    }
    lacking
}

/// The node port of each port as the apiserver has it before it allocates (`patchAllocatedValues`): of a port without one that of
/// the port of its name before, unless that number is still used in the new object.
fn carried(object: &Service, old: Option<&Service>) -> Vec<i64> {
    let ports = &object.spec.ports;
    let Some(old) = old.filter(|old| old.wants_node_ports()) else {
        return ports.iter().map(|port| port.node_port).collect();
    };
    let still_used = |number: i64| ports.iter().any(|port| port.node_port == number);
    let before = |name: &str| {
        // Of several of a name the last, as in upstream's map.
        let named = old.spec.ports.iter().rev().find(|port| port.name == name);
        named.map_or(0, |port| port.node_port)
    };
    let of = |name: &str| {
        Some(before(name))
            .filter(|number| !still_used(*number))
            .unwrap_or(0)
    };
    ports
        .iter()
        .map(|port| match port.node_port {
            0 => of(&port.name),
            given => given,
        })
        .collect()
}

#[cfg(test)]
mod tests;
