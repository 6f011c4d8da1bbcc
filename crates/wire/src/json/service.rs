//! Services.

use std::fmt;

use quaymaster_model::ip::parse_ip;
use quaymaster_model::{
    ClusterAddress, ClusterIp, Interner, IpFamily, IpFamilyPolicy, PoolNames, Protocol, ResourceVersion,
    Selector, ServicePort, ServiceRecord, ServiceType, TargetPort,
};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use smallvec::SmallVec;

use super::read::{Decoded, Meta, Read};
use super::time::timestamp;
use super::value::{Folded, List, NoList, Pairs, Str, object, or_default, where_present};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Service<'a> {
    #[serde(borrow, deserialize_with = "object")]
    metadata: Meta<'a, NoList<Annotations<'a>>>,
    #[serde(borrow, deserialize_with = "object")]
    spec: Spec<'a>,
}

/// The annotations that ask for topology hints, of which an absent key and an empty value differ, and those that name pools.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Annotations<'a> {
    #[serde(
        borrow,
        rename = "service.kubernetes.io/topology-aware-hints",
        deserialize_with = "where_present"
    )]
    topology_aware_hints: Option<Str<'a>>,
    #[serde(
        borrow,
        rename = "service.kubernetes.io/topology-mode",
        deserialize_with = "where_present"
    )]
    topology_mode: Option<Str<'a>>,
    #[serde(borrow, rename = "quaymaster.io/pool")]
    pool: Str<'a>,
    #[serde(borrow, rename = "quaymaster.io/nodeport-pool")]
    node_port_pool: Str<'a>,
}

impl Annotations<'_> {
    fn pools(&self, interner: &Interner) -> Option<Box<PoolNames>> {
        let text = |value: &Str<'_>| value.non_empty().map(|name| interner.text(name));
        PoolNames {
            pool: text(&self.pool),
            node_port_pool: text(&self.node_port_pool),
        }
        .boxed()
    }

    fn topology_auto(&self) -> bool {
        ServiceRecord::asks_for_hints(
            self.topology_aware_hints.as_deref(),
            self.topology_mode.as_deref(),
        )
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow)]
    selector: Pairs<'a>,
    #[serde(borrow)]
    external_name: Str<'a>,
    #[serde(borrow)]
    ports: List<Port<'a>>,
    #[serde(borrow, rename = "clusterIP")]
    cluster_ip: Str<'a>,
    #[serde(borrow)]
    ip_families: List<Str<'a>>,
    #[serde(deserialize_with = "or_default")]
    publish_not_ready_addresses: bool,
    #[serde(borrow)]
    traffic_distribution: Option<Str<'a>>,
    #[serde(borrow, rename = "clusterIPs")]
    cluster_ips: Folded<SmallVec<[Str<'a>; 1]>>,
    #[serde(deserialize_with = "or_default")]
    health_check_node_port: i32,
    allocate_load_balancer_node_ports: Option<bool>,
    #[serde(borrow)]
    external_traffic_policy: Str<'a>,
    #[serde(borrow)]
    ip_family_policy: Str<'a>,
}

impl Spec<'_> {
    /// The apiserver fills `clusterIPs` in where it stored a Service without (`defaultOnReadService`); what is held of an
    /// address should not hang on that.
    fn cluster_ips(&self) -> SmallVec<[ClusterIp; 1]> {
        let listed = &self.cluster_ips.0;
        if listed.is_empty() {
            return ClusterIp::new(&self.cluster_ip).into_iter().collect();
        }
        listed.iter().filter_map(|value| ClusterIp::new(value)).collect()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Port<'a> {
    #[serde(borrow)]
    name: Str<'a>,
    #[serde(borrow)]
    protocol: Str<'a>,
    #[serde(rename = "port", deserialize_with = "or_default")]
    number: i32,
    #[serde(borrow, rename = "targetPort")]
    target: IntOrString<'a>,
    #[serde(borrow)]
    app_protocol: Option<Str<'a>>,
    #[serde(rename = "nodePort", deserialize_with = "or_default")]
    on_nodes: i32,
}

/// A number or a name (`k8s.io/apimachinery/pkg/util/intstr`); `null` is the number 0.
#[derive(Debug)]
enum IntOrString<'a> {
    Int(i32),
    String(Str<'a>),
}

impl Default for IntOrString<'_> {
    fn default() -> Self {
        Self::Int(0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for IntOrString<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl Either {
            fn int<E: Error>(value: impl TryInto<i32>) -> Result<IntOrString<'static>, E> {
                value
                    .try_into()
                    .map(IntOrString::Int)
                    .map_err(|_| E::custom("a port number does not fit 32 bits"))
            }
        }

        impl<'de> Visitor<'de> for Either {
            type Value = IntOrString<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a string")
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
                Self::int(value)
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
                Self::int(value)
            }

            fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Self::Value, E> {
                Ok(IntOrString::String(Str::from(value)))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
                Ok(IntOrString::String(Str::from(value.to_owned())))
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(IntOrString::default())
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl Service<'_> {
    fn record(&self, interner: &Interner) -> Option<ServiceRecord> {
        let Self { metadata, spec } = self;
        let traffic_distribution = spec.traffic_distribution.as_ref();
        Some(ServiceRecord {
            key: metadata.key(interner)?,
            uid: metadata.uid(),
            resource_version: ResourceVersion::new(&metadata.resource_version),
            labels: metadata.labels.label_set(interner),
            created: timestamp(&metadata.creation_timestamp),
            terminating: metadata.deletion_timestamp.0,
            kind: service_type(&spec.kind, interner),
            selector: Selector::new(spec.selector.label_set(interner)),
            external_name: spec.external_name.non_empty().map(|name| interner.text(name)),
            ports: spec.ports.0.iter().map(|port| port.record(interner)).collect(),
            cluster_ip: cluster_address(&spec.cluster_ip),
            ip_families: spec
                .ip_families
                .0
                .iter()
                .filter_map(|family| ip_family(family))
                .collect(),
            publish_not_ready: spec.publish_not_ready_addresses,
            traffic_distribution: traffic_distribution.map(|value| interner.text(value)),
            topology_auto: metadata.annotations.0.topology_auto(),
            cluster_ips: spec.cluster_ips(),
            health_check_node_port: node_port(spec.health_check_node_port),
            allocate_node_ports: spec.allocate_load_balancer_node_ports,
            external_traffic_policy_local: &*spec.external_traffic_policy == "Local",
            ip_family_policy: IpFamilyPolicy::new(&spec.ip_family_policy),
            pools: metadata.annotations.0.pools(interner),
        })
    }
}

impl Port<'_> {
    fn record(&self, interner: &Interner) -> ServicePort {
        ServicePort {
            name: interner.text(&self.name),
            protocol: Protocol::new(&self.protocol),
            port: self.number,
            target: match &self.target {
                IntOrString::Int(number) => TargetPort::Number(*number),
                IntOrString::String(name) => TargetPort::Name(interner.text(name)),
            },
            app_protocol: self.app_protocol.as_ref().map(|value| interner.text(value)),
            node_port: node_port(self.on_nodes),
        }
    }
}

fn service_type(value: &str, interner: &Interner) -> ServiceType {
    match value {
        "" | "ClusterIP" => ServiceType::ClusterIp,
        "NodePort" => ServiceType::NodePort,
        "LoadBalancer" => ServiceType::LoadBalancer,
        "ExternalName" => ServiceType::ExternalName,
        other => ServiceType::Other(interner.text(other)),
    }
}

/// What is no port is taken for none: the apiserver stores only those of its range.
fn node_port(value: i32) -> u16 {
    u16::try_from(value).unwrap_or(0)
}

fn ip_family(value: &str) -> Option<IpFamily> {
    match value {
        "IPv4" => Some(IpFamily::V4),
        "IPv6" => Some(IpFamily::V6),
        _ => None,
    }
}

/// Stored Services may carry leading zeros, which upstream ignores here as in Pods.
fn cluster_address(value: &str) -> ClusterAddress {
    parse_ip(value).map_or_else(|| ClusterAddress::new(value), ClusterAddress::Ip)
}

impl Read for ServiceRecord {
    fn read<'de, D: Deserializer<'de>>(
        deserializer: D,
        interner: &Interner,
    ) -> Result<Decoded<'de, Self>, D::Error> {
        let service = object::<_, Service<'_>>(deserializer)?;
        Ok(Decoded {
            record: service.record(interner),
            version: service.metadata.resource_version,
        })
    }
}
