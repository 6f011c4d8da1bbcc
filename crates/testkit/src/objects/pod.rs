//! Pods.

use k8s_openapi::api::core::v1::{Container, ContainerPort, Pod, PodCondition, PodIP, PodSpec, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

use super::{LONG_GRACE_SECONDS, pairs, terminate};

/// The image of each container; nothing ever pulls it.
const IMAGE: &str = "registry.invalid/none";

/// A Pod to be built; without further words one without node, address and status, in the namespace `default`.
#[derive(Debug, Clone)]
#[must_use]
pub struct PodBuilder {
    pod: Pod,
    spec: PodSpec,
    app: Container,
    status: PodStatus,
    terminating: bool,
}

/// Begins a Pod of this name.
pub fn pod(name: impl Into<String>) -> PodBuilder {
    let mut pod = Pod::default();
    pod.metadata.name = Some(name.into());
    pod.metadata.namespace = Some("default".to_owned());
    let app = container("app");
    PodBuilder {
        pod,
        spec: PodSpec::default(),
        app,
        status: PodStatus::default(),
        terminating: false,
    }
}

impl PodBuilder {
    /// The namespace.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.pod.metadata.namespace = Some(namespace.into());
        self
    }

    /// Labels, beside those given before.
    pub fn labels<K: Into<String>, V: Into<String>>(
        mut self,
        labels: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.pod
            .metadata
            .labels
            .get_or_insert_default()
            .extend(pairs(labels));
        self
    }

    /// One more annotation.
    pub fn annotation(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.pod
            .metadata
            .annotations
            .get_or_insert_default()
            .insert(key.into(), value.into());
        self
    }

    /// One more owner; the garbage collector deletes the Pod when none of its owners exists.
    pub fn owner(mut self, owner: OwnerReference) -> Self {
        self.pod
            .metadata
            .owner_references
            .get_or_insert_default()
            .push(owner);
        self
    }

    /// The node it runs on, which need not exist.
    pub fn node(mut self, node: impl Into<String>) -> Self {
        self.spec.node_name = Some(node.into());
        self
    }

    /// Its one address.
    pub fn ip(self, ip: impl Into<String>) -> Self {
        self.ips([ip])
    }

    /// Its addresses, at most one of each family; the first is the primary.
    pub fn ips<S: Into<String>>(mut self, ips: impl IntoIterator<Item = S>) -> Self {
        let ips: Vec<PodIP> = ips.into_iter().map(|ip| PodIP { ip: ip.into() }).collect();
        self.status.pod_ip = ips.first().map(|first| first.ip.clone());
        self.status.pod_ips = Some(ips);
        self
    }

    /// Running and Ready.
    pub fn ready(self) -> Self {
        self.phase("Running").condition("Ready", true)
    }

    /// Running, but not Ready.
    pub fn unready(self) -> Self {
        self.phase("Running").condition("Ready", false)
    }

    /// The phase, such as `Succeeded`.
    pub fn phase(mut self, phase: impl Into<String>) -> Self {
        self.status.phase = Some(phase.into());
        self
    }

    /// A condition; it replaces an earlier one of its type.
    pub fn condition(mut self, r#type: impl Into<String>, on: bool) -> Self {
        let r#type = r#type.into();
        let conditions = self.status.conditions.get_or_insert_default();
        conditions.retain(|condition| condition.type_ != r#type);
        conditions.push(PodCondition {
            type_: r#type,
            status: if on { "True" } else { "False" }.to_owned(),
            last_transition_time: Some(Time(Timestamp::now())),
            ..PodCondition::default()
        });
        self
    }

    /// Already deleted, with a grace period longer than any test. Needs a node, or the apiserver removes it.
    pub fn terminating(mut self) -> Self {
        self.terminating = true;
        self
    }

    /// A TCP port of the app container.
    pub fn container_port(self, name: &str, port: u16) -> Self {
        self.container_port_of("TCP", name, port)
    }

    /// A port of the app container with another protocol.
    pub fn container_port_of(mut self, protocol: &str, name: &str, port: u16) -> Self {
        self.app
            .ports
            .get_or_insert_default()
            .push(container_port(protocol, name, port));
        self
    }

    /// A TCP port of a sidecar: an init container that restarts always.
    pub fn sidecar_port(mut self, name: &str, port: u16) -> Self {
        let containers = self.spec.init_containers.get_or_insert_default();
        containers.push(Container {
            restart_policy: Some("Always".to_owned()),
            ports: Some(vec![container_port("TCP", name, port)]),
            ..container(&format!("sidecar-{}", containers.len()))
        });
        self
    }

    /// The host name in the Pod's DNS name.
    pub fn hostname(mut self, hostname: impl Into<String>) -> Self {
        self.spec.hostname = Some(hostname.into());
        self
    }

    /// The headless Service under whose DNS name the Pod has one.
    pub fn subdomain(mut self, subdomain: impl Into<String>) -> Self {
        self.spec.subdomain = Some(subdomain.into());
        self
    }

    /// In its node's network.
    pub fn host_network(mut self) -> Self {
        self.spec.host_network = Some(true);
        self
    }

    /// Any other change of the spec.
    pub fn spec(mut self, change: impl FnOnce(&mut PodSpec)) -> Self {
        change(&mut self.spec);
        self
    }

    /// The object, with status, and with a deletion timestamp where it is terminating.
    pub fn build(mut self) -> Pod {
        // The app container is first, whatever else the spec got.
        self.spec.containers.insert(0, self.app);
        self.pod.spec = Some(self.spec);
        self.pod.status = (self.status != PodStatus::default()).then_some(self.status);
        if self.terminating {
            self.pod.metadata.deletion_timestamp = Some(Time(Timestamp::now()));
            self.pod.metadata.deletion_grace_period_seconds = Some(LONG_GRACE_SECONDS.into());
        }
        self.pod
    }

    /// Creates it, sets its status and deletes it where it is terminating: as many requests as that takes. Gives it
    /// as the apiserver answered last.
    pub async fn create(self, client: &Client) -> kube::Result<Pod> {
        let terminating = self.terminating;
        let mut pod = self.build();
        pod.metadata.deletion_timestamp = None;
        pod.metadata.deletion_grace_period_seconds = None;
        let name = pod.metadata.name.clone().unwrap_or_default();
        let namespace = pod.metadata.namespace.clone().unwrap_or_default();
        let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
        // The apiserver drops the status of a creation.
        let status = pod.status.take();
        let mut created = pods.create(&PostParams::default(), &pod).await?;
        if let Some(status) = status {
            let patch = Patch::Merge(json!({ "status": status }));
            created = pods.patch_status(&name, &PatchParams::default(), &patch).await?;
        }
        if terminating {
            terminate(client, &namespace, &name).await?;
            created = pods.get(&name).await?;
        }
        Ok(created)
    }
}

fn container(name: &str) -> Container {
    Container {
        name: name.to_owned(),
        image: Some(IMAGE.to_owned()),
        ..Container::default()
    }
}

fn container_port(protocol: &str, name: &str, port: u16) -> ContainerPort {
    ContainerPort {
        name: (!name.is_empty()).then(|| name.to_owned()),
        container_port: port.into(),
        protocol: Some(protocol.to_owned()),
        ..ContainerPort::default()
    }
}
