//! v1 Endpoints as they are observed.

use smallvec::SmallVec;

use crate::slice::UnknownFields;
use crate::{EndpointAddress, Interned, LabelSet, ObjectKey, OwnerRef, Protocol, ResourceVersion, TargetRef};
use crate::{Text, Uid, names};

/// An Endpoints object as the apiserver last gave it.
///
/// Its metadata is held whole, since an update must give back what others put on the object. Its content is held whole
/// only where somebody may need it: what the Endpoints controller itself wrote is computed from Pods again, and a digest
/// tells whether it is still that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointsRecord {
    /// Namespace and name; the name is that of the Service.
    pub key: ObjectKey,
    /// `metadata.uid`.
    pub uid: Uid,
    /// `metadata.resourceVersion`.
    pub resource_version: ResourceVersion,
    /// `metadata.labels`.
    pub labels: Interned<LabelSet>,
    /// `metadata.annotations`, sorted by key.
    pub annotations: Vec<(Text, Text)>,
    /// `metadata.ownerReferences`, in order.
    pub owners: SmallVec<[OwnerRef; 1]>,
    /// `metadata.finalizers`, in order.
    pub finalizers: Vec<Text>,
    /// Has a `metadata.deletionTimestamp`.
    pub terminating: bool,
    /// `subsets`, as they came; none where the object is held by its digest alone: it carries the label of the Endpoints
    /// controller ([`EndpointsRecord::is_managed`]).
    pub subsets: Option<Box<[Subset]>>,
    /// Tells contents apart: equal for subsets that are equal once repacked, whatever their order.
    pub digest: u128,
    /// Addresses of all subsets, ready or not, counted once for each subset.
    pub addresses: u32,
    /// Fields that this version does not know, as in [`SliceRecord`](crate::SliceRecord). None in the usual case.
    pub unknown: Option<Box<UnknownFields>>,
}

impl EndpointsRecord {
    /// Whether it carries the label of the Endpoints controller (since Kubernetes 1.33, kubernetes/kubernetes#130564).
    /// Anybody may set that label, so nothing is deleted for it alone without a look at the Service.
    pub fn is_managed(&self) -> bool {
        let by = self.labels.get(names::LABEL_ENDPOINTS_MANAGED_BY);
        by.is_some_and(|by| *by == *names::MANAGER_ENDPOINTS)
    }

    /// The record as it is to be held: without its subsets where it is managed.
    #[must_use]
    pub fn to_be_held(mut self) -> Self {
        if self.is_managed() {
            self.subsets = None;
        }
        self
    }

    /// As [`EndpointsRecord::to_be_held`], of one that others go on to use.
    #[must_use]
    pub fn held(&self) -> Self {
        let Self {
            key,
            uid,
            resource_version,
            labels,
            annotations,
            owners,
            finalizers,
            terminating,
            subsets,
            digest,
            addresses,
            unknown,
        } = self;
        Self {
            key: key.clone(),
            uid: uid.clone(),
            resource_version: resource_version.clone(),
            labels: labels.clone(),
            annotations: annotations.clone(),
            owners: owners.clone(),
            finalizers: finalizers.clone(),
            terminating: *terminating,
            subsets: subsets.as_ref().filter(|_| !self.is_managed()).cloned(),
            digest: *digest,
            addresses: *addresses,
            unknown: unknown.clone(),
        }
    }

    /// Value of an annotation.
    pub fn annotation(&self, key: &str) -> Option<&Text> {
        let found = self.annotations.iter().find(|(name, _)| *name == *key);
        found.map(|(_, value)| value)
    }

    /// Whether it is a lock of leader election, by the annotation alone: nobody mirrors it or sweeps it away.
    pub fn is_leader_lock(&self) -> bool {
        self.annotation(names::ANNOTATION_LEADER).is_some()
    }
}

/// An entry of `subsets`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subset {
    /// `addresses`
    pub ready: Vec<SubsetAddress>,
    /// `notReadyAddresses`
    pub not_ready: Vec<SubsetAddress>,
    /// `ports`
    pub ports: Vec<SubsetPort>,
}

/// An address of a subset.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SubsetAddress {
    /// `ip`
    pub ip: EndpointAddress,
    /// `hostname`, not empty.
    pub hostname: Option<Text>,
    /// `nodeName`; may be present and empty.
    pub node: Option<Text>,
    /// `targetRef`
    pub target: Option<Box<TargetRef>>,
}

/// A port of a subset (`core/v1` `EndpointPort`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubsetPort {
    /// `name`; empty where absent.
    pub name: Text,
    /// `port`
    pub port: i32,
    /// `protocol`; the API turns an absent one into `TCP`.
    pub protocol: Protocol,
    /// `appProtocol`
    pub app_protocol: Option<Text>,
}
