//! Services.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::PostParams;
use kube::{Api, Client};

use super::pairs;

/// A Service to be built; without further words a `ClusterIP` Service without ports, in the namespace `default`.
#[derive(Debug, Clone)]
#[must_use]
pub struct ServiceBuilder {
    service: Service,
    spec: ServiceSpec,
}

/// Begins a Service of this name.
pub fn service(name: impl Into<String>) -> ServiceBuilder {
    let mut service = Service::default();
    service.metadata.name = Some(name.into());
    service.metadata.namespace = Some("default".to_owned());
    ServiceBuilder {
        service,
        spec: ServiceSpec::default(),
    }
}

impl ServiceBuilder {
    /// The namespace.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.service.metadata.namespace = Some(namespace.into());
        self
    }

    /// Labels, beside those given before.
    pub fn labels<K: Into<String>, V: Into<String>>(
        mut self,
        labels: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.service
            .metadata
            .labels
            .get_or_insert_default()
            .extend(pairs(labels));
        self
    }

    /// One more annotation.
    pub fn annotation(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.service
            .metadata
            .annotations
            .get_or_insert_default()
            .insert(key.into(), value.into());
        self
    }

    /// The selector, beside pairs given before; an empty one differs from none.
    pub fn selector<K: Into<String>, V: Into<String>>(
        mut self,
        selector: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.spec.selector.get_or_insert_default().extend(pairs(selector));
        self
    }

    /// A TCP port that leads to a number; an empty name leaves the port unnamed.
    pub fn port(self, name: &str, port: u16, target: u16) -> Self {
        self.push_port(name, port, IntOrString::Int(target.into()))
    }

    /// A TCP port that leads to the container port of this name.
    pub fn target_port_name(self, name: &str, port: u16, target: impl Into<String>) -> Self {
        self.push_port(name, port, IntOrString::String(target.into()))
    }

    /// The protocol of the port given last: `TCP`, `UDP` or `SCTP`.
    pub fn protocol(mut self, protocol: impl Into<String>) -> Self {
        if let Some(port) = self.spec.ports.get_or_insert_default().last_mut() {
            port.protocol = Some(protocol.into());
        }
        self
    }

    /// The application protocol of the port given last.
    pub fn app_protocol(mut self, protocol: impl Into<String>) -> Self {
        if let Some(port) = self.spec.ports.get_or_insert_default().last_mut() {
            port.app_protocol = Some(protocol.into());
        }
        self
    }

    /// No address: `clusterIP: None`.
    pub fn headless(mut self) -> Self {
        self.spec.cluster_ip = Some("None".to_owned());
        self
    }

    /// The type, such as `NodePort`.
    pub fn type_(mut self, r#type: impl Into<String>) -> Self {
        self.spec.type_ = Some(r#type.into());
        self
    }

    /// An `ExternalName` Service that stands for this name.
    pub fn external_name(mut self, name: impl Into<String>) -> Self {
        self.spec.external_name = Some(name.into());
        self.type_("ExternalName")
    }

    /// The traffic distribution, such as `PreferClose`.
    pub fn traffic_distribution(mut self, distribution: impl Into<String>) -> Self {
        self.spec.traffic_distribution = Some(distribution.into());
        self
    }

    /// Publishes addresses of Pods that are not ready, too.
    pub fn publish_not_ready(mut self) -> Self {
        self.spec.publish_not_ready_addresses = Some(true);
        self
    }

    /// The address families, `IPv4` or `IPv6`, the primary first; two of them ask for dual stack.
    pub fn families<S: Into<String>>(mut self, families: impl IntoIterator<Item = S>) -> Self {
        let families: Vec<String> = families.into_iter().map(Into::into).collect();
        let policy = if families.len() > 1 {
            "RequireDualStack"
        } else {
            "SingleStack"
        };
        self.spec.ip_family_policy = Some(policy.to_owned());
        self.spec.ip_families = Some(families);
        self
    }

    /// Any other change of the spec.
    pub fn spec(mut self, change: impl FnOnce(&mut ServiceSpec)) -> Self {
        change(&mut self.spec);
        self
    }

    /// The object.
    pub fn build(self) -> Service {
        Service {
            spec: Some(self.spec),
            ..self.service
        }
    }

    /// Creates it and gives it as the apiserver answered.
    pub async fn create(self, client: &Client) -> kube::Result<Service> {
        let service = self.build();
        let namespace = service.metadata.namespace.clone().unwrap_or_default();
        Api::namespaced(client.clone(), &namespace)
            .create(&PostParams::default(), &service)
            .await
    }

    fn push_port(mut self, name: &str, port: u16, target: IntOrString) -> Self {
        self.spec.ports.get_or_insert_default().push(ServicePort {
            name: (!name.is_empty()).then(|| name.to_owned()),
            port: port.into(),
            target_port: Some(target),
            protocol: Some("TCP".to_owned()),
            ..ServicePort::default()
        });
        self
    }
}
