//! EndpointSlices as they are observed.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use smallvec::SmallVec;

use crate::{AddressType, Interned, LabelSet, ObjectKey, PortSet, ResourceVersion, Text, Uid, names};

/// An EndpointSlice as the apiserver last gave it.
///
/// Held whole, because an update in place must give back what others put on the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliceRecord {
    /// Namespace and name.
    pub key: ObjectKey,
    /// `metadata.uid`.
    pub uid: Uid,
    /// `metadata.resourceVersion`.
    pub resource_version: ResourceVersion,
    /// `metadata.labels`.
    pub labels: Interned<LabelSet>,
    /// `metadata.annotations`.
    pub annotations: Vec<(Text, Text)>,
    /// `metadata.ownerReferences`, in order.
    pub owners: SmallVec<[OwnerRef; 1]>,
    /// `metadata.finalizers`, in order.
    pub finalizers: Vec<Text>,
    /// Has a `metadata.deletionTimestamp`.
    pub terminating: bool,
    /// `addressType`; immutable.
    pub address_type: AddressType,
    /// `ports`.
    pub ports: Interned<PortSet>,
    /// `endpoints`, in order.
    pub endpoints: Vec<EndpointRecord>,
    /// Fields that this version does not know, as a JSON object, by their place: of the object and of its metadata.
    /// Given back as they are on an update in place. None in the usual case.
    pub unknown: Option<Box<UnknownFields>>,
}

/// Fields of a slice that this version does not know; JSON objects as text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnknownFields {
    /// Fields beside `metadata`, `addressType`, `ports` and `endpoints`.
    pub object: Option<Box<str>>,
    /// Fields of `metadata` (for instance `generateName`).
    pub metadata: Option<Box<str>>,
}

/// An entry of `metadata.ownerReferences`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerRef {
    /// `apiVersion`
    pub api_version: Text,
    /// `kind`
    pub kind: Text,
    /// `name`
    pub name: Text,
    /// `uid`
    pub uid: Uid,
    /// `controller`
    pub controller: Option<bool>,
    /// `blockOwnerDeletion`
    pub block_owner_deletion: Option<bool>,
}

impl OwnerRef {
    /// The reference of what is made for an object: it goes when that goes, which waits for it where it is deleted in the
    /// foreground (`k8s.io/apimachinery` `pkg/apis/meta/v1/controller_ref.go`, `NewControllerRef`).
    pub fn controller(api_version: &str, kind: &str, name: Text, uid: Uid) -> Self {
        Self {
            api_version: Text::new(api_version),
            kind: Text::new(kind),
            name,
            uid,
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }
}

/// An endpoint of a slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointRecord {
    /// `addresses`, sorted as text.
    pub addresses: SmallVec<[EndpointAddress; 1]>,
    /// `conditions`
    pub conditions: Conditions,
    /// `hostname`
    pub hostname: Option<Text>,
    /// `nodeName`
    pub node: Option<Text>,
    /// `zone`
    pub zone: Option<Text>,
    /// `targetRef`
    pub target: Option<TargetRef>,
    /// `hints`; none where absent or without any zone and node.
    pub hints: Option<Box<Hints>>,
}

/// An address of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EndpointAddress {
    /// An IP address in canonical form.
    Ip(IpAddr),
    /// Text that is no IP address in canonical form, kept as it came.
    Other(Text),
}

impl EndpointAddress {
    /// Reads an address; [`fmt::Display`] gives back exactly what was read.
    pub fn new(value: &str) -> Self {
        match value.parse::<IpAddr>() {
            Ok(address) if address.to_string() == value => Self::Ip(address),
            _ => Self::Other(Text::new(value)),
        }
    }
}

impl fmt::Display for EndpointAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Other(text) => text.fmt(f),
        }
    }
}

/// `conditions` of an endpoint; absent and false differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Conditions {
    /// `ready`
    pub ready: Option<bool>,
    /// `serving`
    pub serving: Option<bool>,
    /// `terminating`
    pub terminating: Option<bool>,
}

/// `targetRef` of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetRef {
    /// `kind`
    pub kind: Text,
    /// `namespace`
    pub namespace: Text,
    /// `name`
    pub name: Text,
    /// `uid`
    pub uid: Uid,
    /// The other fields; none where all of them are absent or empty, as in what the slice controller writes
    /// (`k8s.io/endpointslice/utils.go`, `podToEndpoint`). Mirroring copies them from Endpoints
    /// (kubernetes/kubernetes `pkg/controller/endpointslicemirroring/utils.go`, `addressToEndpoint`).
    pub details: Option<Box<TargetDetails>>,
}

/// What of a `targetRef` is rarely there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TargetDetails {
    /// `apiVersion`, not empty.
    pub api_version: Option<Text>,
    /// `resourceVersion`, not empty.
    pub resource_version: Option<Text>,
    /// `fieldPath`, not empty.
    pub field_path: Option<Text>,
}

impl TargetDetails {
    /// As [`TargetRef::details`] has it: none where nothing is there.
    pub fn boxed(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

impl TargetRef {
    /// `apiVersion`, where it is not empty.
    pub fn api_version(&self) -> Option<&Text> {
        self.details.as_deref()?.api_version.as_ref()
    }

    /// `resourceVersion`, where it is not empty.
    pub fn resource_version(&self) -> Option<&Text> {
        self.details.as_deref()?.resource_version.as_ref()
    }

    /// `fieldPath`, where it is not empty.
    pub fn field_path(&self) -> Option<&Text> {
        self.details.as_deref()?.field_path.as_ref()
    }

    /// Whether two references agree in all but `resourceVersion`: neither an endpoint nor an address is written for that
    /// alone (`k8s.io/endpointslice/util/controller_utils.go`, `EndpointsEqualBeyondHash`; kubernetes/kubernetes
    /// `pkg/controller/endpoint/endpoints_controller.go`, `endpointSubsetsEqualIgnoreResourceVersion`).
    pub fn same_but_for_version(&self, other: &Self) -> bool {
        self.but_for_version() == other.but_for_version()
    }

    fn but_for_version(&self) -> impl PartialEq + Hash {
        let Self {
            kind,
            namespace,
            name,
            uid,
            details: _,
        } = self;
        (kind, namespace, name, uid, self.api_version(), self.field_path())
    }
}

/// Without the `resourceVersion`, so that equal digests are those of [`TargetRef::same_but_for_version`].
impl Hash for TargetRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.but_for_version().hash(state);
    }
}

/// `hints` of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Hints {
    /// Names in `forZones`, in order.
    pub zones: SmallVec<[Text; 1]>,
    /// Names in `forNodes`, in order.
    pub nodes: SmallVec<[Text; 1]>,
}

impl SliceRecord {
    /// Name of the Service this slice belongs to by label; none if the label is absent or empty.
    pub fn service_name(&self) -> Option<&Text> {
        self.labels
            .get(names::LABEL_SERVICE_NAME)
            .filter(|name| !name.is_empty())
    }

    /// Who manages this slice, by label.
    pub fn managed_by(&self) -> Option<&Text> {
        self.labels.get(names::LABEL_MANAGED_BY)
    }

    /// Whether this slice is this manager's, by label ([`names::MANAGER_ENDPOINTSLICE`] and its like).
    pub fn is_managed_by(&self, manager: &str) -> bool {
        self.managed_by().is_some_and(|by| *by == manager)
    }

    /// The Service whose slice this is, if it is this manager's; by labels alone, as managers find their slices again
    /// (`k8s.io/endpointslice/utils.go`, `ServiceControllerKey`).
    pub fn service_of(&self, manager: &str) -> Option<ObjectKey> {
        let name = self.service_name().filter(|_| self.is_managed_by(manager))?;
        Some(ObjectKey::new(self.key.namespace.clone(), name.clone()))
    }

    /// Whether an owner reference names a Service with this UID; its name is not compared
    /// (`k8s.io/endpointslice/utils.go`, `ownedBy`).
    pub fn owned_by_service(&self, uid: &Uid) -> bool {
        self.owners
            .iter()
            .any(|owner| owner.uid == *uid && owner.kind == "Service" && owner.api_version == "v1")
    }
}

#[cfg(test)]
mod tests;
