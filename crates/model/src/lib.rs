//! What Quaymaster remembers of a cluster: compact records of the objects it reads, and the rules that depend on
//! the Kubernetes version.
//!
//! Everything here is pure data: no client, no clock, no runtime. Strings, label sets and port lists are shared
//! through an [`Interner`], which forgets them again when the last record that uses them is gone.

pub mod custom;
pub mod digest;
pub mod endpoints;
pub mod intern;
pub mod ip;
pub mod key;
pub mod labels;
pub mod names;
pub mod namespace;
pub mod network;
pub mod node;
pub mod pod;
pub mod port;
pub mod rules;
pub mod selector;
pub mod service;
pub mod slice;
pub mod time;
pub mod uid;
pub mod version;
pub mod write;

pub use custom::CustomRecord;
pub use endpoints::{EndpointsRecord, Subset, SubsetAddress, SubsetPort};
pub use intern::{Interned, Interner, InternerSizes, Text};
pub use key::ObjectKey;
pub use labels::LabelSet;
pub use namespace::NamespaceRecord;
pub use network::{Condition, IpAddressRecord, ParentRef, ServiceCidrRecord};
pub use node::NodeRecord;
pub use pod::{ContainerPort, PodFlags, PodHostname, PodRecord};
pub use port::{AddressType, EndpointPort, PortSet, Protocol};
pub use rules::{KubernetesVersion, UpstreamRules};
pub use selector::Selector;
pub use service::{
    ClusterAddress, ClusterIp, IpFamily, IpFamilyPolicy, PoolNames, ServicePort, ServiceRecord, ServiceType,
    TargetPort, TrafficDistribution,
};
pub use slice::{
    Conditions, EndpointAddress, EndpointRecord, Hints, OwnerRef, SliceRecord, TargetDetails, TargetRef,
};
pub use time::Timestamp;
pub use uid::Uid;
pub use version::ResourceVersion;
