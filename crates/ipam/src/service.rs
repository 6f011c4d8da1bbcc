//! What an admission request says of a Service.

use std::collections::BTreeMap;

use quaymaster_model::{IpFamily, LabelSet, ServiceType, Text};
use serde::{Deserialize, Deserializer};

/// A Service of a request: before the apiserver has filled in what it chooses.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Service {
    /// `metadata`
    #[serde(deserialize_with = "or_default")]
    pub metadata: Metadata,
    /// `spec`
    #[serde(deserialize_with = "or_default")]
    pub spec: Spec,
}

/// `metadata`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// Empty on an update by PUT, and on creation.
    #[serde(deserialize_with = "or_default")]
    pub uid: String,
    /// `labels`
    #[serde(deserialize_with = "or_default")]
    pub labels: BTreeMap<String, String>,
    /// `annotations`
    #[serde(deserialize_with = "or_default")]
    pub annotations: BTreeMap<String, String>,
}

/// `spec`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Spec {
    /// `type`, as it came.
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub kind: String,
    /// `clusterIP`
    #[serde(rename = "clusterIP", deserialize_with = "or_default")]
    pub cluster_ip: String,
    /// `clusterIPs`
    #[serde(rename = "clusterIPs", deserialize_with = "or_default")]
    pub cluster_ips: Vec<String>,
    /// `ipFamilies`
    #[serde(deserialize_with = "or_default")]
    pub ip_families: Vec<String>,
    /// `ipFamilyPolicy`
    #[serde(deserialize_with = "or_default")]
    pub ip_family_policy: String,
    /// `ports`
    #[serde(deserialize_with = "or_default")]
    pub ports: Vec<Port>,
    /// `externalTrafficPolicy`
    #[serde(deserialize_with = "or_default")]
    pub external_traffic_policy: String,
    /// `healthCheckNodePort`; 0 for none.
    #[serde(deserialize_with = "or_default")]
    pub health_check_node_port: i64,
    /// `allocateLoadBalancerNodePorts`
    pub allocate_load_balancer_node_ports: Option<bool>,
}

/// An entry of `spec.ports`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Port {
    /// `name`
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// `port`
    #[serde(rename = "port", deserialize_with = "or_default")]
    pub number: i32,
    /// `nodePort`; 0 for none.
    #[serde(deserialize_with = "or_default")]
    pub node_port: i64,
}

impl Service {
    /// Reads the JSON of a request.
    pub fn read(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// `spec.type`
    pub fn kind(&self) -> ServiceType {
        match self.spec.kind.as_str() {
            "" | "ClusterIP" => ServiceType::ClusterIp,
            "NodePort" => ServiceType::NodePort,
            "LoadBalancer" => ServiceType::LoadBalancer,
            "ExternalName" => ServiceType::ExternalName,
            other => ServiceType::Other(Text::new(other)),
        }
    }

    /// Whether it is to have no ClusterIP.
    pub fn is_headless(&self) -> bool {
        let first = self.spec.cluster_ips.first().map_or("", String::as_str);
        self.spec.cluster_ip == "None" || first == "None"
    }

    /// Its ClusterIPs as they are written; of `clusterIP` alone that one.
    pub fn cluster_ips(&self) -> Vec<&str> {
        let several = self.spec.cluster_ips.iter().map(String::as_str);
        let one = Some(self.spec.cluster_ip.as_str()).filter(|ip| !ip.is_empty());
        let all: Vec<&str> = several.collect();
        if all.is_empty() {
            one.into_iter().collect()
        } else {
            all
        }
    }

    /// `spec.ipFamilies`, as far as they are known.
    pub fn ip_families(&self) -> Vec<IpFamily> {
        let families = self.spec.ip_families.iter();
        families
            .filter_map(|family| match family.as_str() {
                "IPv4" => Some(IpFamily::V4),
                "IPv6" => Some(IpFamily::V6),
                _ => None,
            })
            .collect()
    }

    /// Whether the apiserver chooses node ports for it, and carries them over (upstream's `needsNodePort` in
    /// `pkg/registry/core/service/storage/storage.go`).
    pub fn wants_node_ports(&self) -> bool {
        match self.kind() {
            ServiceType::NodePort => true,
            ServiceType::LoadBalancer => self.spec.allocate_load_balancer_node_ports != Some(false),
            _ => false,
        }
    }

    /// Whether it has a port for health checks (upstream's `needsHCNodePort`).
    pub fn has_health_check(&self) -> bool {
        self.kind() == ServiceType::LoadBalancer && self.spec.external_traffic_policy == "Local"
    }

    /// Its labels.
    pub fn labels(&self) -> LabelSet {
        let labels = self.metadata.labels.iter();
        LabelSet::new(labels.map(|(key, value)| (Text::new(key), Text::new(value))))
    }

    /// The value of an annotation, if it is not empty.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        let value = self.metadata.annotations.get(key)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }
}

/// What is absent and what is `null` are the same to the apiserver.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_null_is_read_as_absent() {
        let json = br#"{"metadata":{"uid":null,"labels":null,"creationTimestamp":null},"spec":{"type":null,"clusterIP":null,
            "clusterIPs":null,"ports":[{"port":80,"nodePort":null,"name":null}],"healthCheckNodePort":null}}"#;
        let service = Service::read(json).unwrap();
        assert_eq!(service.kind(), ServiceType::ClusterIp);
        assert_eq!(
            (service.cluster_ips().len(), service.spec.ports[0].node_port),
            (0, 0)
        );
        assert!(Service::read(b"{}").is_ok() && Service::read(b"[1]").is_err());
    }

    #[test]
    fn one_cluster_ip_is_the_first_of_several() {
        let of = |spec: &str| Service::read(format!(r#"{{"spec":{spec}}}"#).as_bytes()).unwrap();
        assert_eq!(of(r#"{"clusterIP":"10.0.0.1"}"#).cluster_ips(), ["10.0.0.1"]);
        let both = of(r#"{"clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1","fd00::1"]}"#);
        assert_eq!(both.cluster_ips(), ["10.0.0.1", "fd00::1"]);
        assert!(
            of(r#"{"clusterIP":"None"}"#).is_headless() && of(r#"{"clusterIPs":["None"]}"#).is_headless()
        );
        assert!(!both.is_headless());
    }
}
