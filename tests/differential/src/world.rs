//! A generated cluster as a real apiserver takes it: names of its own, and nothing that the apiserver allocates.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, Pod, Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use quaymaster_oracle::generate::{Action, Cluster, Scenario, Size, Step, generate};
use quaymaster_oracle::names::{TOPOLOGY_HINTS, TOPOLOGY_MODE, ZONE};
use quaymaster_oracle::{NULL_EQUALS_EMPTY, PREFER_SAME};

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
        Self::of(generate(seed, size), Self::prefix_of(seed), minor)
    }

    /// What names of the cluster of a seed begin with.
    pub(crate) fn prefix_of(seed: u64) -> String {
        format!("s{seed}-")
    }

    /// A scenario under names of its own; the prefix ends with a dash and has no other.
    pub(crate) fn of(scenario: Scenario, prefix: String, minor: u32) -> Self {
        let Scenario { seed, cluster, steps } = scenario;
        let rename = Rename { prefix, minor };
        Self {
            seed,
            cluster: rename.cluster(cluster),
            steps: steps.into_iter().map(|step| rename.step(step)).collect(),
            prefix: rename.prefix,
        }
    }

    /// Whether every node there ever is has a zone and CPU: one without them takes topology hints from all clusters
    /// beside it.
    pub(crate) fn zoned(&self) -> bool {
        let put = self.steps.iter().filter_map(|step| match &step.action {
            Action::PutNode(node) => Some(node.as_ref()),
            _ => None,
        });
        self.cluster.nodes.values().chain(put).all(has_zone_and_cpu)
    }

    /// The namespaces of this seed that any object is in.
    pub(crate) fn namespaces(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for step in &self.steps {
            names.extend(namespace_of(&step.action));
        }
        names.extend(
            self.cluster
                .services
                .keys()
                .map(|(namespace, _)| namespace.clone()),
        );
        names.extend(self.cluster.pods.keys().map(|(namespace, _)| namespace.clone()));
        names.sort();
        names.dedup();
        names
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

fn namespace_of(action: &Action) -> Option<String> {
    match action {
        Action::PutNode(_) | Action::DeleteNode { .. } => None,
        Action::PutService(service) => service.metadata.namespace.clone(),
        Action::PutPod(pod) => pod.metadata.namespace.clone(),
        Action::DeleteService { namespace, .. } | Action::DeletePod { namespace, .. } => {
            Some(namespace.clone())
        }
        Action::EditSlice(edit) => Some(edit.namespace.clone()),
    }
}

struct Rename {
    prefix: String,
    minor: u32,
}

impl Rename {
    fn cluster(&self, cluster: Cluster) -> Cluster {
        let key = |(namespace, name): (String, String)| (self.name(&namespace), name);
        Cluster {
            nodes: cluster
                .nodes
                .into_iter()
                .map(|(name, node)| (self.name(&name), self.node(node)))
                .collect(),
            services: cluster
                .services
                .into_iter()
                .map(|(at, service)| (key(at), self.service(service)))
                .collect::<BTreeMap<_, _>>(),
            pods: cluster
                .pods
                .into_iter()
                .map(|(at, pod)| (key(at), self.pod(pod)))
                .collect(),
            version: cluster.version,
        }
    }

    fn step(&self, step: Step) -> Step {
        let action = match step.action {
            Action::PutNode(node) => Action::PutNode(Box::new(self.node(*node))),
            Action::DeleteNode { name } => Action::DeleteNode {
                name: self.name(&name),
            },
            Action::PutService(service) => Action::PutService(Box::new(self.service(*service))),
            Action::DeleteService { namespace, name } => Action::DeleteService {
                namespace: self.name(&namespace),
                name,
            },
            Action::PutPod(pod) => Action::PutPod(Box::new(self.pod(*pod))),
            Action::DeletePod { namespace, name } => Action::DeletePod {
                namespace: self.name(&namespace),
                name,
            },
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

    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn metadata(&self, metadata: &mut ObjectMeta) {
        if let Some(namespace) = &mut metadata.namespace {
            *namespace = self.name(namespace);
        }
        metadata.resource_version = None;
        metadata.creation_timestamp = None;
    }

    fn node(&self, mut node: Node) -> Node {
        self.metadata(&mut node.metadata);
        let name = self.name(node.metadata.name.as_deref().unwrap_or_default());
        if let Some(hostname) = node
            .metadata
            .labels
            .as_mut()
            .and_then(|labels| labels.get_mut(HOSTNAME))
        {
            hostname.clone_from(&name);
        }
        node.metadata.name = Some(name);
        node
    }

    fn pod(&self, mut pod: Pod) -> Pod {
        self.metadata(&mut pod.metadata);
        if let Some(node) = pod.spec.as_mut().and_then(|spec| spec.node_name.as_mut()) {
            *node = self.name(node);
        }
        pod
    }

    /// Addresses and node ports are the apiserver's to give; an update without them keeps those there are.
    fn service(&self, mut service: Service) -> Service {
        self.metadata(&mut service.metadata);
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
        service
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
