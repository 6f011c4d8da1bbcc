//! Pods, and their life.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, HostIP, Node, Pod, PodCondition, PodIP, PodSpec, PodStatus, Service,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Generator;
use super::nodes::LATE_NODES;
use super::object::{Key, Object};
use super::ports::wide_names;
use super::step::{Step, StepKind};

/// Values of the three labels that selectors are made of.
pub(super) const LABELS: [(&str, &[&str]); 3] = [
    ("app", &["web", "db", "dns"]),
    ("tier", &["front", "back"]),
    ("version", &["v1", "v2"]),
];

/// A label of all Pods of large clusters.
pub(super) const OF_ALL: (&str, &str) = ("part-of", "all");

/// The grace period a Pod has by default.
const GRACE_SECONDS: i64 = 30;

impl Generator {
    /// A Pod that was just created: pending, without an address, mostly without a node.
    pub(super) fn new_pod(&mut self) -> Step {
        let mut namespace = self.namespace();
        // Large ones have a namespace that is large.
        if self.numbers.namespaces > 2 && self.rng.chance(85) {
            "ns-0".clone_into(&mut namespace);
        }
        let serial = self.serial();
        let pod = self.pending_pod(namespace, format!("pod-{serial}"));
        Step::put(StepKind::PodAdded, pod)
    }

    fn pending_pod(&mut self, namespace: String, name: String) -> Pod {
        let serial = self.serial();
        let (hostname, subdomain) = if self.rng.chance(20) {
            let of = |service: &&Service| service.metadata.namespace.as_ref() == Some(&namespace);
            let services = self.cluster.all::<Service>().filter(of);
            let services: Vec<String> = services
                .filter_map(|service| service.metadata.name.clone())
                .collect();
            // Only a subdomain that is the Service's name gives the endpoint its hostname.
            let subdomain = self.rng.pick_opt(&services).cloned();
            (
                Some(name.clone()),
                if self.rng.chance(80) { subdomain } else { None },
            )
        } else {
            (None, None)
        };
        let (containers, init_containers) = self.containers();
        let host_network = self.rng.chance(6).then_some(true);
        Pod {
            metadata: ObjectMeta {
                namespace: Some(namespace),
                name: Some(name),
                uid: Some(format!("pod-uid-{serial}")),
                labels: Some(self.pod_labels()),
                ..ObjectMeta::default()
            },
            spec: Some(PodSpec {
                containers,
                init_containers,
                host_network,
                hostname,
                subdomain,
                restart_policy: Some("Always".to_owned()),
                ..PodSpec::default()
            }),
            status: Some(PodStatus {
                phase: Some("Pending".to_owned()),
                ..PodStatus::default()
            }),
        }
    }

    fn pod_labels(&mut self) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::new();
        if self.numbers.namespaces > 2 {
            labels.insert(OF_ALL.0.to_owned(), OF_ALL.1.to_owned());
        }
        for (name, values) in LABELS {
            // The first value is the most frequent, so that some Service is large.
            let index = if self.rng.chance(50) {
                0
            } else {
                self.rng.below(values.len())
            };
            if self.rng.chance(90) {
                labels.insert(name.to_owned(), values[index].to_owned());
            }
        }
        labels
    }

    /// Containers whose named ports differ from Pod to Pod, and sometimes a sidecar or a plain init container.
    fn containers(&mut self) -> (Vec<Container>, Option<Vec<Container>>) {
        let port = |name: &str, number: i32, protocol: &str| ContainerPort {
            name: Some(name.to_owned()),
            container_port: number,
            protocol: Some(protocol.to_owned()),
            ..ContainerPort::default()
        };
        let container = |name: &str, ports: Vec<ContainerPort>, restart_policy: Option<&str>| Container {
            name: name.to_owned(),
            image: Some("registry.k8s.io/pause:3.10".to_owned()),
            ports: (!ports.is_empty()).then_some(ports),
            restart_policy: restart_policy.map(str::to_owned),
            ..Container::default()
        };
        let mut ports = Vec::new();
        if self.rng.chance(85) {
            let number = if self.rng.chance(80) {
                8080
            } else {
                self.rng.pick([8081, 9090])
            };
            ports.push(port("http", number, "TCP"));
        }
        if self.rng.chance(50) {
            ports.push(port("dns", 53, "UDP"));
            ports.push(port("dns-tcp", 53, "TCP"));
        }
        if self.wide {
            for (name, number) in wide_names() {
                if self.rng.chance(50) {
                    ports.push(port(&name, number, "TCP"));
                }
            }
        }
        let mut containers = vec![container("main", ports, None)];
        if self.rng.chance(30) {
            containers.push(container("exporter", vec![port("metrics", 9100, "TCP")], None));
        }
        let init = match self.rng.below(10) {
            0 => Some(container(
                "proxy",
                vec![port("side", 15001, "TCP"), port("http", 15002, "TCP")],
                Some("Always"),
            )),
            // Its ports count for nothing: it has ended before the Pod is ready.
            1 => Some(container("setup", vec![port("side", 15003, "TCP")], None)),
            _ => None,
        };
        (containers, init.map(|container| vec![container]))
    }

    /// Any change of any Pod.
    pub(super) fn change_pod(&mut self) -> Option<Step> {
        let pods: Vec<&Pod> = self.cluster.all().collect();
        let pod = (*self.rng.pick_opt(&pods)?).clone();
        if self.rng.chance(12) {
            let mut pod = pod;
            pod.metadata.labels = Some(self.pod_labels());
            return Some(Step::put(StepKind::PodLabelsChanged, pod));
        }
        Some(self.advance(pod))
    }

    /// The next event in a Pod's life.
    pub(super) fn advance(&mut self, pod: Pod) -> Step {
        let status = pod.status.clone().unwrap_or_default();
        if matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
            return self.delete_pod(&pod);
        }
        let ready = is_ready(&pod);
        if pod.metadata.deletion_timestamp.is_some() {
            return match (ready, self.rng.below(10)) {
                (true, 0..5) => self.set_ready(pod, false, StepKind::TerminatingUnready),
                (_, 9) => finish(pod, "Succeeded"),
                _ => self.delete_pod(&pod),
            };
        }
        if status.pod_ips.is_none() {
            return self.start(pod);
        }
        match self.rng.below(20) {
            0..13 if !ready => self.set_ready(pod, true, StepKind::PodReady),
            13..15 if !ready => finish(pod, "Failed"),
            0..7 => self.set_ready(pod, false, StepKind::PodUnready),
            7 => {
                let mut pod = pod;
                pod.metadata.uid = Some(format!("pod-uid-{}", self.serial()));
                Step::put(StepKind::PodReplaced, pod)
            }
            8..10 => {
                let mut pod = pod;
                self.assign_addresses(&mut pod);
                Step::put(StepKind::PodAddressChanged, pod)
            }
            10 => finish(pod, "Succeeded"),
            _ => {
                let mut pod = pod;
                pod.metadata.deletion_timestamp = Some(self.cluster.now());
                pod.metadata.deletion_grace_period_seconds = Some(GRACE_SECONDS);
                Step::put(StepKind::PodTerminating, pod)
            }
        }
    }

    fn delete_pod(&mut self, pod: &Pod) -> Step {
        let Key { namespace, name, .. } = Object::from(pod.clone()).key();
        if self.rng.chance(25) {
            // As a StatefulSet does: the same name, another Pod.
            let again = self.pending_pod(namespace.clone(), name.clone());
            self.later.push_back(Step::put(StepKind::PodRecreated, again));
        }
        Step::delete(StepKind::PodDeleted, Key::of::<Pod>(&namespace, &name))
    }

    /// Scheduled, with addresses, not ready yet. Sometimes on a node that does not exist.
    fn start(&mut self, mut pod: Pod) -> Step {
        let nodes = self.cluster.all::<Node>();
        let nodes: Vec<String> = nodes.filter_map(|node| node.metadata.name.clone()).collect();
        let known = self.rng.pick_opt(&nodes).cloned();
        let node = known
            .filter(|_| self.rng.chance(94))
            .unwrap_or_else(|| self.rng.pick(LATE_NODES).to_owned());
        pod.spec.get_or_insert_default().node_name = Some(node);
        let reused = self.rng.chance(10).then(|| self.left_over_addresses()).flatten();
        let kind = if let Some((pod_ip, pod_ips)) = reused {
            let status = pod.status.get_or_insert_default();
            status.pod_ip = Some(pod_ip);
            status.pod_ips = Some(pod_ips);
            StepKind::AddressReused
        } else {
            self.assign_addresses(&mut pod);
            StepKind::PodStarted
        };
        pod.status.get_or_insert_default().phase = Some("Running".to_owned());
        self.set_ready(pod, false, kind)
    }

    /// Addresses of a Pod object that will not need them much longer.
    fn left_over_addresses(&mut self) -> Option<(String, Vec<PodIP>)> {
        let leaving: Vec<(String, Vec<PodIP>)> = self
            .cluster
            .all::<Pod>()
            .filter(|pod| {
                let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
                pod.metadata.deletion_timestamp.is_some() || matches!(phase, Some("Succeeded" | "Failed"))
            })
            .filter(|pod| pod.spec.as_ref().and_then(|spec| spec.host_network) != Some(true))
            .filter_map(|pod| {
                let status = pod.status.clone()?;
                Some((status.pod_ip?, status.pod_ips?))
            })
            .collect();
        self.rng.pick_opt(&leaving).cloned()
    }

    fn assign_addresses(&mut self, pod: &mut Pod) {
        self.next_address += 1;
        let number = self.next_address;
        let spec = pod.spec.clone().unwrap_or_default();
        let node = spec
            .node_name
            .as_ref()
            .and_then(|name| self.cluster.get::<Node>("", name));
        let host_ip = node
            .and_then(|node| node.status.as_ref()?.addresses.as_ref()?.first())
            .map_or_else(|| "192.168.255.1".to_owned(), |address| address.address.clone());
        let four = if spec.host_network == Some(true) {
            host_ip.clone()
        } else {
            format!(
                "10.{}.{}.{}",
                128 + number / 62_500,
                number / 250 % 250,
                number % 250 + 1
            )
        };
        let six = format!("fd00:10::{number:x}");
        let addresses = match (self.dual_stack, self.rng.below(10)) {
            (true, 0) => vec![six],
            (true, 1) | (false, _) => vec![four],
            (true, _) => vec![four, six],
        };
        let status = pod.status.get_or_insert_default();
        status.host_ip = Some(host_ip.clone());
        status.host_ips = Some(vec![HostIP { ip: host_ip }]);
        status.pod_ip = addresses.first().cloned();
        status.pod_ips = Some(addresses.into_iter().map(|ip| PodIP { ip }).collect());
    }

    fn set_ready(&mut self, mut pod: Pod, ready: bool, kind: StepKind) -> Step {
        let condition = |type_: &str, status: bool| PodCondition {
            type_: type_.to_owned(),
            status: if status { "True" } else { "False" }.to_owned(),
            last_transition_time: Some(self.cluster.now()),
            ..PodCondition::default()
        };
        pod.status.get_or_insert_default().conditions =
            Some(vec![condition("PodScheduled", true), condition("Ready", ready)]);
        Step::put(kind, pod)
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// A finished Pod keeps its addresses in its status, which must not be published any more.
fn finish(mut pod: Pod, phase: &str) -> Step {
    let status = pod.status.get_or_insert_default();
    status.phase = Some(phase.to_owned());
    for condition in status
        .conditions
        .iter_mut()
        .flatten()
        .filter(|condition| condition.type_ == "Ready")
    {
        "False".clone_into(&mut condition.status);
    }
    Step::put(StepKind::PodFinished, pod)
}
