//! A generated cluster as a real apiserver takes it: names of its own, and nothing that the apiserver allocates.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use k8s_openapi::api::core::v1::{Endpoints, Node, Pod, Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use quaymaster_oracle::generate::{
    Action, Cluster, Key, Kind, Object, SPACE, Scenario, Size, Step, Typed as _, generate,
};
use quaymaster_oracle::minors::{NULL_EQUALS_EMPTY, PREFER_SAME, STRICT_ADDRESSES};
use quaymaster_oracle::names::{SLICE_CONTROLLER, TOPOLOGY_HINTS, TOPOLOGY_MODE, ZONE};

use crate::controllers::{Controller, Controllers};

/// Addresses of Services, but for those of ServiceCIDRs: the largest ranges that an apiserver takes.
pub(crate) const MAIN_RANGES: [&str; 2] = ["10.96.0.0/12", "fd00:96::/108"];
/// Where they begin.
const MAIN_FOUR: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 0);
const MAIN_SIX: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x96, 0, 0, 0, 0, 0, 0);

/// The label that the generator and the apiserver put on nodes.
const HOSTNAME: &str = "kubernetes.io/hostname";

/// A scenario under names that no other seed has.
#[derive(Clone, Debug)]
pub(crate) struct World {
    /// The seed.
    pub(crate) seed: u64,
    /// What names of its namespaces and nodes begin with.
    pub(crate) prefix: String,
    /// The cluster at the start.
    pub(crate) cluster: Cluster,
    /// What happens then.
    pub(crate) steps: Vec<Step>,
}

impl World {
    /// The cluster of a seed, for a control plane of this minor (37 for 1.37), as one of the clusters there. What these
    /// controllers have nothing to do with is left out.
    pub(crate) fn generate(
        seed: u64,
        size: Size,
        index: usize,
        minor: u32,
        controllers: &Controllers,
    ) -> Self {
        Self::of(
            generate(seed, size),
            Self::prefix_of(seed),
            index,
            minor,
            controllers,
        )
    }

    /// What names of the cluster of a seed begin with.
    pub(crate) fn prefix_of(seed: u64) -> String {
        format!("s{seed}-")
    }

    /// A scenario under names of its own; the prefix ends with a dash and has no other.
    pub(crate) fn of(
        scenario: Scenario,
        prefix: String,
        index: usize,
        minor: u32,
        controllers: &Controllers,
    ) -> Self {
        let Scenario { seed, cluster, steps } = scenario;
        let rename = Rename {
            prefix,
            index,
            of_six: of_six(&cluster, &steps),
            minor,
            controllers,
        };
        Self {
            seed,
            cluster: rename.cluster(&cluster),
            steps: steps.into_iter().filter_map(|step| rename.step(step)).collect(),
            prefix: rename.prefix,
        }
    }

    /// Whether every node there ever is has a zone and CPU: one without them takes topology hints from all clusters
    /// beside it.
    pub(crate) fn zoned(&self) -> bool {
        let put = self.steps.iter().filter_map(|step| match &step.action {
            Action::Put(object) => Node::of(object),
            _ => None,
        });
        self.cluster.all::<Node>().chain(put).all(has_zone_and_cpu)
    }

    /// The namespaces of this seed that any object is in.
    pub(crate) fn namespaces(&self) -> Vec<String> {
        let of_steps = self.steps.iter().map(|step| match &step.action {
            Action::Put(object) => object.key().namespace,
            Action::Delete(key) => key.namespace.clone(),
            Action::EditSlice(edit) => edit.namespace.clone(),
            Action::EditEndpoints(edit) => edit.namespace.clone(),
            Action::EditCidr(_) => String::new(),
        });
        let mut names: Vec<String> = self
            .cluster
            .keys()
            .map(|key| key.namespace.clone())
            .chain(of_steps)
            .collect();
        names.retain(|name| !name.is_empty());
        names.sort();
        names.dedup();
        names
    }

    /// Whether a namespace, or an object that is in none, is of this cluster.
    pub(crate) fn has(&self, name: &str) -> bool {
        name.starts_with(&self.prefix)
    }
}

fn has_zone_and_cpu(node: &Node) -> bool {
    let labels = node.metadata.labels.as_ref();
    let zone = labels
        .and_then(|labels| labels.get(ZONE))
        .is_some_and(|zone| !zone.is_empty());
    let cpu = node
        .status
        .as_ref()
        .and_then(|status| status.allocatable.as_ref()?.get("cpu"))
        .is_some_and(|cpu| cpu.0 != "0");
    zone && cpu
}

/// Addresses of its own, and names, for a cluster among others on one control plane.
struct Rename<'a> {
    prefix: String,
    /// Its place among the clusters of the control plane.
    index: usize,
    /// Addresses of IPv6 of its Services, by which of them each is.
    of_six: BTreeMap<String, usize>,
    minor: u32,
    controllers: &'a Controllers,
}

/// Numbers the IPv6 addresses that Services ever have.
fn of_six(cluster: &Cluster, steps: &[Step]) -> BTreeMap<String, usize> {
    let put = steps.iter().filter_map(|step| match &step.action {
        Action::Put(object) => Service::of(object),
        _ => None,
    });
    let specs = cluster
        .all::<Service>()
        .chain(put)
        .filter_map(|service| service.spec.as_ref());
    let addresses = specs.flat_map(|spec| spec.cluster_ips.iter().flatten().chain(&spec.cluster_ip));
    let all: BTreeSet<String> = addresses
        .filter(|address| address.contains(':'))
        .cloned()
        .collect();
    all.into_iter().zip(0..).collect()
}

impl Rename<'_> {
    /// Whether what an object is about is compared in this run.
    fn concerns(&self, kind: Kind) -> bool {
        let any = |controllers: &[Controller]| controllers.iter().any(|one| self.controllers.has(*one));
        match kind {
            Kind::Endpoints => any(&[Controller::Endpoints, Controller::Mirroring]),
            Kind::ServiceCIDR | Kind::IPAddress => any(&[Controller::ServiceCidr]),
            Kind::Node | Kind::Service | Kind::EndpointSlice | Kind::Pod => true,
        }
    }

    fn cluster(&self, cluster: &Cluster) -> Cluster {
        let objects = cluster.objects().filter(|object| self.concerns(object.kind()));
        Cluster::of(objects.map(|object| self.object(object.clone())), cluster.version)
    }

    /// The step under other names; `None` where it concerns nothing of this run.
    fn step(&self, step: Step) -> Option<Step> {
        let action = match step.action {
            Action::Put(object) => self
                .concerns(object.kind())
                .then(|| Action::Put(self.object(object))),
            Action::Delete(key) => self.concerns(key.kind).then(|| Action::Delete(self.key(key))),
            Action::EditSlice(mut edit) => {
                edit.namespace = self.name(&edit.namespace);
                let keeper = if edit.manager == SLICE_CONTROLLER {
                    Controller::EndpointSlice
                } else {
                    Controller::Mirroring
                };
                self.controllers.has(keeper).then_some(Action::EditSlice(edit))
            }
            Action::EditEndpoints(mut edit) => {
                edit.namespace = self.name(&edit.namespace);
                self.controllers
                    .has(Controller::Endpoints)
                    .then_some(Action::EditEndpoints(edit))
            }
            Action::EditCidr(mut edit) => {
                edit.name = self.name(&edit.name);
                self.controllers
                    .has(Controller::ServiceCidr)
                    .then_some(Action::EditCidr(edit))
            }
        };
        Some(Step {
            kind: step.kind,
            action: action?,
        })
    }

    fn key(&self, mut key: Key) -> Key {
        let part = if key.namespace.is_empty() {
            &mut key.name
        } else {
            &mut key.namespace
        };
        *part = self.name(part);
        key
    }

    fn object(&self, mut object: Object) -> Object {
        let Key { namespace, name, .. } = self.key(object.key());
        let metadata = object.metadata_mut();
        metadata.namespace = (!namespace.is_empty()).then_some(namespace);
        metadata.name = Some(name);
        metadata.resource_version = None;
        metadata.creation_timestamp = None;
        match &mut object {
            Object::Node(node) => node_labels(node),
            Object::Pod(pod) => self.pod(pod),
            Object::Service(service) => self.service(service),
            Object::Endpoints(endpoints) => self.endpoints(endpoints),
            Object::ServiceCIDR(cidr) => {
                for range in cidr
                    .spec
                    .iter_mut()
                    .flat_map(|spec| spec.cidrs.iter_mut().flatten())
                {
                    *range = self.held_address(range);
                }
            }
            Object::EndpointSlice(_) | Object::IPAddress(_) => {}
        }
        object
    }

    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn pod(&self, pod: &mut Pod) {
        if let Some(node) = pod.spec.as_mut().and_then(|spec| spec.node_name.as_mut()) {
            *node = self.name(node);
        }
    }

    fn endpoints(&self, endpoints: &mut Endpoints) {
        for subset in endpoints.subsets.iter_mut().flatten() {
            let lists = [&mut subset.addresses, &mut subset.not_ready_addresses];
            for address in lists.into_iter().flatten().flatten() {
                if self.minor >= STRICT_ADDRESSES {
                    address.ip = strict(&address.ip);
                }
                address.node_name = address.node_name.as_ref().map(|name| self.name(name));
                let namespace = address
                    .target_ref
                    .as_mut()
                    .and_then(|target| target.namespace.as_mut());
                if let Some(namespace) = namespace {
                    *namespace = self.name(namespace);
                }
            }
        }
    }

    /// Addresses are given, so that they are the same on every control plane and none comes from a ServiceCIDR by chance;
    /// node ports are the apiserver's to give, and an update without them keeps those there are.
    fn service(&self, service: &mut Service) {
        let spec = service.spec.get_or_insert_default();
        for address in spec.cluster_ips.iter_mut().flatten().chain(&mut spec.cluster_ip) {
            if address != "None" {
                *address = self.service_address(address);
            }
        }
        for port in spec.ports.iter_mut().flatten() {
            port.node_port = None;
        }
        if self.minor < NULL_EQUALS_EMPTY {
            give_every_pod_a_port(spec);
        }
        let known = match spec.traffic_distribution.as_deref() {
            Some("PreferSameZone" | "PreferSameNode") if self.minor < PREFER_SAME => Some("PreferClose"),
            Some(known @ ("PreferClose" | "PreferSameZone" | "PreferSameNode")) => Some(known),
            _ => None,
        };
        spec.traffic_distribution = known.map(str::to_owned);
        // Both annotations with different values are refused; the older one wins where both are.
        if let Some(annotations) = &mut service.metadata.annotations
            && let Some(older) = annotations.get(TOPOLOGY_HINTS).cloned()
            && let Some(newer) = annotations.get_mut(TOPOLOGY_MODE)
        {
            *newer = older;
        }
    }

    /// The address of a Service as the generator gives it, in the part of the main range that is this cluster's, or in its
    /// ServiceCIDRs where there are any.
    fn service_address(&self, address: &str) -> String {
        /// Addresses of a cluster in the main range.
        const EACH: usize = 1 << 14;
        /// The first of them that are not given: the apiserver has one of its own.
        const FREE: usize = 256;
        /// No more clusters than these have addresses of IPv6, one after the other: before 1.34 an apiserver gives out no more
        /// of a range than 16 bits can say (gate `DisableAllocatorDualWrite`).
        const SIDE_BY_SIDE: usize = 64;
        /// Where those of ServiceCIDRs go when there are none.
        const HELD: usize = 15_000;
        let held = SPACE.iter().any(|space| address.starts_with(space));
        if held && self.concerns(Kind::ServiceCIDR) {
            return self.held_address(address);
        }
        if let Some(number) = self.of_six.get(address) {
            let number = u16::try_from(FREE + number * SIDE_BY_SIDE + self.index).unwrap_or(0);
            let [first, second, ..] = MAIN_SIX.segments();
            return Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, number).to_string();
        }
        let number = match address.parse() {
            Ok(IpAddr::V4(address)) => {
                let [.., high, low] = address.octets().map(usize::from);
                high * 250 + low - 1
            }
            _ => 0,
        };
        let number = self.index * EACH + FREE + number + if held { HELD } else { 0 };
        Ipv4Addr::from(u32::from(MAIN_FOUR) + u32::try_from(number).unwrap_or(0)).to_string()
    }

    /// An address or range of the scenario's ServiceCIDRs, moved to where no other cluster has any.
    fn held_address(&self, text: &str) -> String {
        let [four, six] = SPACE;
        if let Some(rest) = text.strip_prefix(four) {
            format!("172.{}.{}.{rest}", 16 + self.index / 256, self.index % 256)
        } else if let Some(rest) = text.strip_prefix(six) {
            format!("{six}{:x}:{rest}", self.index + 1)
        } else {
            text.to_owned()
        }
    }
}

/// An IPv4 address in the one form that newer API servers take.
fn strict(ip: &str) -> String {
    let plain = ip.strip_prefix("::ffff:").unwrap_or(ip);
    if plain.contains(':') {
        return plain.to_owned();
    }
    let octets = plain.split('.').map(|octet| octet.trim_start_matches('0'));
    let octets: Vec<&str> = octets
        .map(|octet| if octet.is_empty() { "0" } else { octet })
        .collect();
    octets.join(".")
}

/// A node is labelled with its name.
fn node_labels(node: &mut Node) {
    let name = node.metadata.name.clone().unwrap_or_default();
    if let Some(hostname) = node
        .metadata
        .labels
        .as_mut()
        .and_then(|labels| labels.get_mut(HOSTNAME))
    {
        *hostname = name;
    }
}

/// Adds a port by number where a Pod might have none of the ports, so that no slice is without ports.
fn give_every_pod_a_port(spec: &mut ServiceSpec) {
    const NUMBER: i32 = 9000;
    if spec.type_.as_deref() == Some("ExternalName") {
        return;
    }
    let ports = spec.ports.get_or_insert_default();
    let by_number = |port: &ServicePort| !matches!(port.target_port, Some(IntOrString::String(_)));
    if ports.iter().any(by_number) {
        return;
    }
    // Only a single port may go without name.
    for port in &mut *ports {
        port.name.get_or_insert_with(|| "first".to_owned());
    }
    ports.push(ServicePort {
        name: Some("by-number".to_owned()),
        port: NUMBER,
        protocol: Some("TCP".to_owned()),
        target_port: Some(IntOrString::Int(NUMBER)),
        ..ServicePort::default()
    });
}
