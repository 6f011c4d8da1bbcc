//! One change to a cluster.

use super::edit::{CidrEdit, EndpointsEdit, SliceEdit};
use super::object::{Key, Object};

/// One change. Every one holds all it needs, so that dropping others leaves it meaningful.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What the generator had in mind.
    pub kind: StepKind,
    /// What is done.
    pub action: Action,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Creates or replaces an object. A different uid means it was deleted and created again.
    Put(Object),
    /// Deletes an object; nothing if there is none.
    Delete(Key),
    /// Changes a slice behind the controller's back. Not part of the cluster: the caller applies it to the slices
    /// as they are then.
    EditSlice(SliceEdit),
    /// Changes Endpoints behind the controller's back, likewise.
    EditEndpoints(EndpointsEdit),
    /// Changes a ServiceCIDR behind the controller's back, likewise.
    EditCidr(CidrEdit),
}

impl Action {
    /// `namespace/name` of what it changes, the name alone of what is in no namespace, and of the Service where it edits a
    /// slice.
    pub fn path(&self) -> String {
        match self {
            Self::Put(object) => object.key().path(),
            Self::Delete(key) => key.path(),
            Self::EditSlice(edit) => format!("{}/{}", edit.namespace, edit.service),
            Self::EditEndpoints(edit) => format!("{}/{}", edit.namespace, edit.service),
            Self::EditCidr(edit) => edit.name.clone(),
        }
    }
}

impl Action {
    /// What it does to an object as that is then; nothing where it does not edit one.
    pub fn edit(&self) -> Option<String> {
        match self {
            Self::Put(_) | Self::Delete(_) => None,
            Self::EditSlice(edit) => Some(format!("{:?} of a slice", edit.kind)),
            Self::EditEndpoints(edit) => Some(format!("{:?} of Endpoints", edit.kind)),
            Self::EditCidr(edit) => Some(format!("{:?} of a ServiceCIDR", edit.kind)),
        }
    }
}

impl Step {
    /// A step that creates or replaces an object.
    pub(super) fn put(kind: StepKind, object: impl Into<Object>) -> Self {
        Self {
            kind,
            action: Action::Put(object.into()),
        }
    }

    /// A step that deletes an object.
    pub(super) fn delete(kind: StepKind, key: Key) -> Self {
        Self {
            kind,
            action: Action::Delete(key),
        }
    }
}

macro_rules! listed_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
        }
    };
}
pub(super) use listed_enum;

listed_enum! {
    /// Kinds of steps, to see that all occur.
    StepKind {
        /// A new node, with or without a zone; sometimes one that Pods already name.
        NodeAdded,
        /// A node is gone while Pods still name it.
        NodeRemoved,
        /// A node's zone label changes, appears or vanishes.
        NodeZoneChanged,
        /// A node becomes ready or unready.
        NodeReadinessFlipped,
        /// A new Service of any shape.
        ServiceAdded,
        /// A Service is gone.
        ServiceDeleted,
        /// A Service is there again under its old name, with a new uid.
        ServiceRecreated,
        /// A Service has a deletion timestamp, held by a finalizer.
        ServiceTerminating,
        /// Another selector.
        SelectorChanged,
        /// No selector any more.
        SelectorRemoved,
        /// A selector where there was none.
        SelectorAdded,
        /// Ports added, removed, renumbered or renamed, or another target.
        PortsChanged,
        /// Other labels on a Service, reserved ones included.
        ServiceLabelsChanged,
        /// Another type that keeps the cluster IP.
        TypeToNodePort,
        /// The type becomes `ExternalName`; cluster IP and families go.
        TypeToExternalName,
        /// The type was `ExternalName`; cluster IP and families appear.
        TypeFromExternalName,
        /// A second family.
        FamilyAdded,
        /// No second family any more.
        FamilyRemoved,
        /// `publishNotReadyAddresses` changes.
        PublishNotReadyFlipped,
        /// `trafficDistribution` changes.
        TrafficDistributionChanged,
        /// The annotations for topology hints change.
        TopologyAnnotationChanged,
        /// A new Pod, pending and without an address.
        PodAdded,
        /// A Pod is scheduled and gets its addresses.
        PodStarted,
        /// A Pod starts with an address another Pod object still has.
        AddressReused,
        /// A Pod becomes ready.
        PodReady,
        /// A Pod is no longer ready.
        PodUnready,
        /// A Pod gets a deletion timestamp.
        PodTerminating,
        /// A terminating Pod is no longer ready.
        TerminatingUnready,
        /// A Pod succeeds or fails.
        PodFinished,
        /// A Pod is gone.
        PodDeleted,
        /// A Pod is there again under its old name, with a new uid.
        PodRecreated,
        /// A Pod is replaced at once by one of the same name, node and addresses, with a new uid, as a static Pod may be.
        PodReplaced,
        /// A Pod's labels change.
        PodLabelsChanged,
        /// A Pod gets other addresses, after its sandbox was made anew.
        PodAddressChanged,
        /// Someone edits, deletes or adds a slice.
        SliceEdited,
        /// Someone edits or deletes a mirrored slice.
        MirroredSliceEdited,
        /// Endpoints appear.
        EndpointsAdded,
        /// Endpoints get other addresses.
        EndpointsChanged,
        /// Endpoints get other labels and annotations.
        EndpointsRelabelled,
        /// Endpoints are gone.
        EndpointsDeleted,
        /// Endpoints are there again under their old name, with a new uid.
        EndpointsRecreated,
        /// Someone edits or deletes Endpoints that a controller keeps.
        EndpointsEdited,
        /// A ServiceCIDR appears.
        CidrAdded,
        /// A ServiceCIDR is deleted, which addresses may hold up.
        CidrDeleted,
        /// A ServiceCIDR gets a range of the other family.
        CidrFamilyAdded,
        /// Someone edits what a controller keeps of a ServiceCIDR.
        CidrEdited,
        /// A Service with an address of a ServiceCIDR appears.
        ServiceInRange,
    }
}
