//! What differs between Kubernetes versions, in one value.

use std::fmt;

/// Minor version of Kubernetes 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KubernetesVersion {
    /// `37` for 1.37.
    pub minor: u32,
}

impl fmt::Display for KubernetesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.minor)
    }
}

/// Oldest version this build supports.
pub const OLDEST_SUPPORTED: KubernetesVersion = KubernetesVersion { minor: 33 };
/// Newest version this build was tested with.
pub const NEWEST_TESTED: KubernetesVersion = KubernetesVersion { minor: 37 };

/// The rules of the apiserver's version. The only place where versions make a difference: everything else asks this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamRules {
    /// Which digest orders the ports of a slice, and the ports and subsets of Endpoints.
    pub port_order: PortOrder,
    /// `trafficDistribution: PreferSameZone` and `PreferSameNode` are known: the gate
    /// `PreferSameTrafficDistribution` is on by default since 1.34 (KEP-3015).
    pub prefer_same: bool,
    /// The apiserver deletes the Endpoints of a Service with it, up to 1.36. From 1.37 on only the Endpoints controller
    /// does.
    pub apiserver_deletes_endpoints: bool,
    /// The apiserver keeps a bitmap of ClusterIPs beside IPAddress objects, unless it is told
    /// `--feature-gates=DisableAllocatorDualWrite=true`: up to 1.33. An address that is asked for while an object of another manager
    /// holds it is lost in it.
    pub cluster_ip_bitmap: bool,
}

/// Digest that orders the ports of a slice, and the ports and subsets of Endpoints (kubernetes/kubernetes#133511).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortOrder {
    /// Up to 1.34.
    Md5,
    /// 128-bit FNV-1a, since 1.35.
    Fnv128a,
}

impl UpstreamRules {
    /// The rules of a version. Versions newer than the newest tested have its rules.
    pub fn of(version: KubernetesVersion) -> Self {
        Self {
            port_order: if version.minor >= 35 {
                PortOrder::Fnv128a
            } else {
                PortOrder::Md5
            },
            prefer_same: version.minor >= 34,
            apiserver_deletes_endpoints: version.minor < 37,
            cluster_ip_bitmap: version.minor < 34,
        }
    }
}
