//! A generated cluster as a real apiserver takes it: names of its own, and nothing that the apiserver allocates.

use k8s_openapi::api::core::v1::{Node, Pod, Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use quaymaster_oracle::generate::{Action, Cluster, Key, Object, Scenario, Size, Step, Typed as _, generate};
use quaymaster_oracle::names::{TOPOLOGY_HINTS, TOPOLOGY_MODE, ZONE};
use quaymaster_oracle::slices::{NULL_EQUALS_EMPTY, PREFER_SAME};

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
    /// The cluster of a seed, for a control plane of this minor (37 for 1.37).
    pub(crate) fn generate(seed: u64, size: Size, minor: u32) -> Self {
        Self::of(generate(seed, size), format!("s{seed}-"), minor)
    }

    /// A scenario under names of its own; the prefix ends with a dash and has no other.
    pub(crate) fn of(scenario: Scenario, prefix: String, minor: u32) -> Self {
        let Scenario { seed, cluster, steps } = scenario;
        let rename = Rename { prefix, minor };
        Self {
            seed,
            cluster: rename.cluster(&cluster),
            steps: steps.into_iter().map(|step| rename.step(step)).collect(),
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

struct Rename {
    prefix: String,
    minor: u32,
}

impl Rename {
    fn cluster(&self, cluster: &Cluster) -> Cluster {
        let objects = cluster.objects().map(|object| self.object(object.clone()));
        Cluster::of(objects, cluster.version)
    }

    fn step(&self, step: Step) -> Step {
        let action = match step.action {
            Action::Put(object) => Action::Put(self.object(object)),
            Action::Delete(key) => Action::Delete(self.key(key)),
            Action::EditSlice(mut edit) => {
                edit.namespace = self.name(&edit.namespace);
                Action::EditSlice(edit)
            }
        };
        Step {
            kind: step.kind,
            action,
        }
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
            Object::EndpointSlice(_) => {}
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

    /// Addresses and node ports are the apiserver's to give; an update without them keeps those there are.
    fn service(&self, service: &mut Service) {
        let spec = service.spec.get_or_insert_default();
        if spec.cluster_ip.as_deref() != Some("None") {
            spec.cluster_ip = None;
            spec.cluster_ips = None;
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
