//! Pods.

use std::net::IpAddr;

use smallvec::SmallVec;

use crate::{Interned, LabelSet, ObjectKey, Protocol, Text, Timestamp, Uid};

/// What the controllers read of a Pod. Most of it is shared with the other Pods of its workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodRecord {
    /// Namespace and name.
    pub key: ObjectKey,
    /// `metadata.uid`.
    pub uid: Uid,
    /// `spec.nodeName`, if not empty.
    pub node: Option<Text>,
    /// `metadata.labels`.
    pub labels: Interned<LabelSet>,
    /// Named ports that a Service may refer to, in the order in which they are searched: the ports of
    /// `spec.containers`, then those of `spec.initContainers` with `restartPolicy: Always` (sidecars).
    pub ports: Interned<[ContainerPort]>,
    /// `status.podIPs` that could be parsed, in order and in canonical form. An entry with leading zeros is read
    /// as decimal, as upstream does (`k8s.io/utils/net.ParseIPSloppy`).
    pub addresses: SmallVec<[IpAddr; 1]>,
    /// `spec.hostname` and `spec.subdomain`, where both are set.
    pub hostname: Option<Box<PodHostname>>,
    /// `lastTransitionTime` of the condition `Ready`, if there is one.
    pub ready_since: Option<Timestamp>,
    /// The yes-or-no facts.
    pub flags: PodFlags,
}

/// Yes-or-no facts of a Pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent facts, each read by name"
)]
pub struct PodFlags {
    /// Condition `Ready` has status `True`.
    pub ready: bool,
    /// Has a `metadata.deletionTimestamp`.
    pub terminating: bool,
    /// Phase is `Succeeded` or `Failed`.
    pub finished: bool,
    /// `status.podIP` or `status.podIPs` is not empty, even if nothing in it could be parsed.
    pub has_address: bool,
}

/// The DNS name a Pod asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodHostname {
    /// `spec.hostname`, not empty.
    pub hostname: Text,
    /// `spec.subdomain`, not empty.
    pub subdomain: Text,
}

/// A named port of a container.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ContainerPort {
    /// Name, not empty: ports without a name cannot be referred to and are not kept.
    pub name: Text,
    /// Protocol, `TCP` where absent.
    pub protocol: Protocol,
    /// `containerPort`.
    pub number: i32,
}

impl PodRecord {
    /// Number of the first container port with this name and protocol, regular containers before sidecars.
    pub fn named_port(&self, name: &str, protocol: &Protocol) -> Option<i32> {
        self.ports
            .iter()
            .find(|port| port.name == *name && port.protocol == *protocol)
            .map(|port| port.number)
    }
}
