//! ServiceCIDRs and IPAddresses: where ClusterIPs come from, and which are in use (KEP-1880).

use std::net::IpAddr;

use ipnet::IpNet;
use smallvec::SmallVec;

use crate::{Interned, IpFamily, LabelSet, ObjectKey, ResourceVersion, Text, Timestamp, Uid, names};

/// A ServiceCIDR as the apiserver last gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceCidrRecord {
    /// Its name; the namespace is empty.
    pub key: ObjectKey,
    /// `metadata.uid`.
    pub uid: Uid,
    /// `metadata.resourceVersion`.
    pub resource_version: ResourceVersion,
    /// `metadata.finalizers`, in order.
    pub finalizers: Vec<Text>,
    /// `metadata.deletionTimestamp`.
    pub deleted: Option<Timestamp>,
    /// `spec.cidrs` that could be parsed, in order: one or two, of different families.
    pub cidrs: SmallVec<[IpNet; 2]>,
    /// The condition of type `Ready`, if there is one.
    pub ready: Option<Condition>,
}

/// What of a condition is compared before it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// `status`: `True`, `False` or `Unknown`.
    pub status: Text,
    /// `reason`; may be empty.
    pub reason: Text,
    /// `message`
    pub message: Text,
}

/// An IPAddress as the apiserver last gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpAddressRecord {
    /// Its name, which is the address in canonical form; the namespace is empty.
    pub key: ObjectKey,
    /// `metadata.uid`.
    pub uid: Uid,
    /// `metadata.resourceVersion`.
    pub resource_version: ResourceVersion,
    /// `metadata.labels`.
    pub labels: Interned<LabelSet>,
    /// The address; none where the name is no address, which the API refuses.
    pub address: Option<IpAddr>,
    /// `metadata.finalizers`, in order.
    pub finalizers: Vec<Text>,
    /// `metadata.deletionTimestamp`.
    pub deleted: Option<Timestamp>,
    /// `spec.parentRef`; none where it is absent, which the API refuses.
    pub parent: Option<ParentRef>,
    /// The annotation [`names::ANNOTATION_RELEASED_AT`], as it came.
    pub released_at: Option<Text>,
}

/// What an IPAddress is for. The API does not check that there is such an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ParentRef {
    /// API group; empty for the core group.
    pub group: Text,
    /// Plural name: `services`.
    pub resource: Text,
    /// Namespace; empty for what is in none.
    pub namespace: Text,
    /// Name.
    pub name: Text,
}

impl ParentRef {
    /// The Service that it names; none if it names something else.
    pub fn service(&self) -> Option<ObjectKey> {
        let is_service = self.group.is_empty() && *self.resource == *"services";
        is_service.then(|| ObjectKey::new(self.namespace.clone(), self.name.clone()))
    }
}

impl IpAddressRecord {
    /// Whether it belongs to the apiserver's allocator of ClusterIPs, by label.
    pub fn is_of_allocator(&self) -> bool {
        let by = self.labels.get(names::LABEL_IPADDRESS_MANAGED_BY);
        by.is_some_and(|by| *by == *names::MANAGER_IP_ALLOCATOR)
    }

    /// The family that its label claims.
    pub fn labelled_family(&self) -> Option<IpFamily> {
        match self.labels.get(names::LABEL_IP_FAMILY)?.as_str() {
            "IPv4" => Some(IpFamily::V4),
            "IPv6" => Some(IpFamily::V6),
            _ => None,
        }
    }
}
