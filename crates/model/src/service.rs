//! Services.

use std::net::IpAddr;

use smallvec::SmallVec;

use crate::{
    AddressType, Interned, LabelSet, ObjectKey, Protocol, ResourceVersion, Selector, Text, Timestamp, Uid,
    ip::parse_ip,
};

/// What the controllers read of a Service.
#[expect(clippy::struct_excessive_bools, reason = "each is a field of the API")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRecord {
    /// Namespace and name.
    pub key: ObjectKey,
    /// `metadata.uid`.
    pub uid: Uid,
    /// `metadata.resourceVersion`.
    pub resource_version: ResourceVersion,
    /// `metadata.labels`.
    pub labels: Interned<LabelSet>,
    /// `metadata.creationTimestamp`.
    pub created: Option<Timestamp>,
    /// Has a `metadata.deletionTimestamp`.
    pub terminating: bool,
    /// `spec.type`.
    pub kind: ServiceType,
    /// `spec.selector`; none if absent or empty.
    pub selector: Option<Selector>,
    /// `spec.externalName`, not empty.
    pub external_name: Option<Text>,
    /// `spec.ports`, in order.
    pub ports: Vec<ServicePort>,
    /// `spec.clusterIP`.
    pub cluster_ip: ClusterAddress,
    /// `spec.ipFamilies`, in order; unknown families are left out.
    pub ip_families: Vec<IpFamily>,
    /// `spec.publishNotReadyAddresses`.
    pub publish_not_ready: bool,
    /// `spec.trafficDistribution`.
    pub traffic_distribution: Option<Text>,
    /// Topology hints are asked for by annotation: [`ServiceRecord::asks_for_hints`].
    pub topology_auto: bool,
    /// `spec.clusterIPs`, in order, without `None`; where they are absent, `spec.clusterIP`.
    pub cluster_ips: SmallVec<[ClusterIp; 1]>,
    /// `spec.healthCheckNodePort`; 0 where there is none.
    pub health_check_node_port: u16,
    /// `spec.allocateLoadBalancerNodePorts`.
    pub allocate_node_ports: Option<bool>,
    /// `spec.externalTrafficPolicy` is `Local`.
    pub external_traffic_policy_local: bool,
    /// `spec.ipFamilyPolicy`; none if absent or not known.
    pub ip_family_policy: Option<IpFamilyPolicy>,
    /// The pools that annotations ask for; none in the usual case. See [`ServiceRecord::pool`].
    pub pools: Option<Box<PoolNames>>,
}

impl ServiceRecord {
    /// Whether annotations ask for topology hints: `service.kubernetes.io/topology-aware-hints` or, where that is absent,
    /// `service.kubernetes.io/topology-mode` is `Auto` or `auto`. None is an absent annotation, which differs from an
    /// empty one (`k8s.io/endpointslice/reconciler.go`, `hintsEnabled`).
    pub fn asks_for_hints(topology_aware_hints: Option<&str>, topology_mode: Option<&str>) -> bool {
        matches!(topology_aware_hints.or(topology_mode), Some("Auto" | "auto"))
    }

    /// [`ServiceRecord::traffic_distribution`], read.
    pub fn distribution(&self) -> TrafficDistribution {
        let value = self.traffic_distribution.as_deref();
        TrafficDistribution::SET
            .into_iter()
            .find(|known| value == Some(known.label()))
            .unwrap_or(TrafficDistribution::None)
    }

    /// The pool that its ClusterIPs are to come from, by annotation.
    pub fn pool(&self) -> Option<&Text> {
        self.pools.as_ref()?.pool.as_ref()
    }

    /// The pool that its node ports are to come from, by annotation.
    pub fn node_port_pool(&self) -> Option<&Text> {
        self.pools.as_ref()?.node_port_pool.as_ref()
    }

    /// Whether two records of a Service differ in nothing but `metadata.resourceVersion`: between them something was
    /// written that no controller reads, such as the status.
    pub fn same_but_for_version(&self, other: &Self) -> bool {
        self.differs(other) == Difference::None
    }

    /// Whether two records of a Service differ in nothing but `metadata.resourceVersion` and what matters to the allocation
    /// of addresses and node ports alone. To whoever keeps endpoints they are the same.
    pub fn same_but_for_allocation(&self, other: &Self) -> bool {
        self.differs(other) <= Difference::Allocation
    }

    fn differs(&self, other: &Self) -> Difference {
        // A field that is added must be added here: an update that changes it alone would be overlooked.
        let Self {
            key,
            uid,
            resource_version: _,
            labels,
            created,
            terminating,
            kind,
            selector,
            external_name,
            ports,
            cluster_ip,
            ip_families,
            publish_not_ready,
            traffic_distribution,
            topology_auto,
            cluster_ips,
            health_check_node_port,
            allocate_node_ports,
            external_traffic_policy_local,
            ip_family_policy,
            pools,
        } = self;
        let same_object = *key == other.key && *uid == other.uid && *created == other.created;
        let same_metadata = *labels == other.labels && *terminating == other.terminating;
        let same_backends = *selector == other.selector
            && ServicePort::same_but_for_node_ports(ports, &other.ports)
            && *publish_not_ready == other.publish_not_ready;
        let same_network = *kind == other.kind
            && *external_name == other.external_name
            && *cluster_ip == other.cluster_ip
            && *ip_families == other.ip_families;
        let same_hints =
            *traffic_distribution == other.traffic_distribution && *topology_auto == other.topology_auto;
        if !(same_object && same_metadata && same_backends && same_network && same_hints) {
            return Difference::Endpoints;
        }
        let same_addresses = *cluster_ips == other.cluster_ips
            && *ip_family_policy == other.ip_family_policy
            && *pools == other.pools;
        let same_node_ports = *ports == other.ports
            && *health_check_node_port == other.health_check_node_port
            && *allocate_node_ports == other.allocate_node_ports
            && *external_traffic_policy_local == other.external_traffic_policy_local;
        if same_addresses && same_node_ports {
            Difference::None
        } else {
            Difference::Allocation
        }
    }
}

/// To whom a difference between two records of a Service matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    /// To nobody.
    None,
    /// To the allocation of addresses and node ports.
    Allocation,
    /// To endpoints, and perhaps to allocation as well.
    Endpoints,
}

/// `spec.trafficDistribution` of a Service. The apiserver admits no other values; older ones not all of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrafficDistribution {
    /// Not set, or not known.
    None,
    /// `PreferClose`
    PreferClose,
    /// `PreferSameZone`
    PreferSameZone,
    /// `PreferSameNode`
    PreferSameNode,
}

impl TrafficDistribution {
    /// All values but none.
    pub const SET: [Self; 3] = [Self::PreferClose, Self::PreferSameZone, Self::PreferSameNode];

    /// The value as the API has it; empty for none. Also the metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::None => "",
            Self::PreferClose => "PreferClose",
            Self::PreferSameZone => "PreferSameZone",
            Self::PreferSameNode => "PreferSameNode",
        }
    }
}

/// `spec.type` of a Service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ServiceType {
    /// `ClusterIP`, also where absent.
    ClusterIp,
    /// `NodePort`
    NodePort,
    /// `LoadBalancer`
    LoadBalancer,
    /// `ExternalName`
    ExternalName,
    /// Anything else, kept as it came.
    Other(Text),
}

/// `spec.clusterIP` of a Service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ClusterAddress {
    /// Empty: not allocated, or ExternalName.
    Unset,
    /// `None`: headless.
    None,
    /// An address.
    Ip(IpAddr),
    /// Neither, kept as it came.
    Other(Text),
}

impl ClusterAddress {
    /// Reads the API's spelling.
    pub fn new(value: &str) -> Self {
        match value {
            "" => Self::Unset,
            "None" => Self::None,
            other => other
                .parse()
                .map_or_else(|_| Self::Other(Text::new(other)), Self::Ip),
        }
    }
}

/// An entry of `spec.clusterIPs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClusterIp {
    /// The address.
    pub address: IpAddr,
    /// It is spelled as its IPAddress is named. Of another spelling (`fd00:0::1`, leading zeros) the apiserver's repair loop
    /// does not find the Service and frees the address under it
    /// (`pkg/registry/core/service/ipallocator/controller/repairip.go`).
    pub canonical: bool,
}

impl ClusterIp {
    /// Reads the API's spelling; none if it is no address, such as `None`.
    pub fn new(value: &str) -> Option<Self> {
        let address = parse_ip(value)?;
        Some(Self {
            address,
            canonical: address.to_string() == value,
        })
    }
}

/// `spec.ipFamilyPolicy` of a Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IpFamilyPolicy {
    /// `SingleStack`
    SingleStack,
    /// `PreferDualStack`
    PreferDualStack,
    /// `RequireDualStack`
    RequireDualStack,
}

impl IpFamilyPolicy {
    /// Reads the API's spelling.
    pub fn new(value: &str) -> Option<Self> {
        match value {
            "SingleStack" => Some(Self::SingleStack),
            "PreferDualStack" => Some(Self::PreferDualStack),
            "RequireDualStack" => Some(Self::RequireDualStack),
            _ => None,
        }
    }
}

/// The pools that a Service asks for by annotation. In a box, since few do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct PoolNames {
    /// [`names::ANNOTATION_POOL`](crate::names::ANNOTATION_POOL), not empty.
    pub pool: Option<Text>,
    /// [`names::ANNOTATION_NODE_PORT_POOL`](crate::names::ANNOTATION_NODE_PORT_POOL), not empty.
    pub node_port_pool: Option<Text>,
}

impl PoolNames {
    /// As records hold it: none if there is none.
    pub fn boxed(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

/// An entry of `spec.ipFamilies`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IpFamily {
    /// `IPv4`
    V4,
    /// `IPv6`
    V6,
}

impl IpFamily {
    /// Family of an address.
    pub fn of(address: &IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// The type of the slices that carry addresses of this family.
    pub fn address_type(self) -> AddressType {
        match self {
            Self::V4 => AddressType::IPv4,
            Self::V6 => AddressType::IPv6,
        }
    }
}

/// A port of a Service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServicePort {
    /// Name; empty where absent.
    pub name: Text,
    /// Protocol, `TCP` where absent.
    pub protocol: Protocol,
    /// `port`
    pub port: i32,
    /// `targetPort`
    pub target: TargetPort,
    /// `appProtocol`
    pub app_protocol: Option<Text>,
    /// `nodePort`; 0 where there is none.
    pub node_port: u16,
}

impl ServicePort {
    /// Whether these are the same ports, whatever their node ports: to whoever keeps endpoints.
    pub fn same_but_for_node_ports(ports: &[Self], others: &[Self]) -> bool {
        let same = |(one, other): (&Self, &Self)| {
            let Self {
                name,
                protocol,
                port,
                target,
                app_protocol,
                node_port: _,
            } = one;
            *name == other.name
                && *protocol == other.protocol
                && *port == other.port
                && *target == other.target
                && *app_protocol == other.app_protocol
        };
        ports.len() == others.len() && ports.iter().zip(others).all(same)
    }
}

/// `targetPort` of a Service port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TargetPort {
    /// A number, taken as it is. The API defaults an absent one to `port`, decoding to 0.
    Number(i32),
    /// The name of a container port.
    Name(Text),
}

impl ServiceRecord {
    /// Whether the Service has no cluster IP: `None` or empty. Such Services' slices carry the headless label.
    pub fn without_cluster_ip(&self) -> bool {
        matches!(self.cluster_ip, ClusterAddress::None | ClusterAddress::Unset)
    }

    /// Whether the slice controller keeps slices for this Service: it has a selector and is not ExternalName.
    /// Of all others nothing is touched, not even slices that are left over.
    pub fn selects_pods(&self) -> bool {
        self.selector.is_some() && self.kind != ServiceType::ExternalName
    }

    /// The families of slices that this Service has
    /// (`k8s.io/endpointslice/utils.go`, `getAddressTypesForService`).
    pub fn slice_families(&self) -> &[IpFamily] {
        const V4: &[IpFamily] = &[IpFamily::V4];
        const V6: &[IpFamily] = &[IpFamily::V6];
        const BOTH: &[IpFamily] = &[IpFamily::V4, IpFamily::V6];
        if !self.ip_families.is_empty() {
            return &self.ip_families;
        }
        match &self.cluster_ip {
            ClusterAddress::Ip(address) if address.is_ipv6() => V6,
            // Upstream takes whatever it cannot parse for IPv4.
            ClusterAddress::Ip(_) | ClusterAddress::Other(_) => V4,
            ClusterAddress::None | ClusterAddress::Unset => BOTH,
        }
    }
}

#[cfg(test)]
mod tests;
