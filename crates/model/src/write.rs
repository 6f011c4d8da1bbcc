//! Slices that are to be written: what a decision comes to.

use std::sync::Arc;

use crate::slice::UnknownFields;
use crate::{
    AddressType, EndpointPort, EndpointRecord, LabelSet, ObjectKey, OwnerRef, ResourceVersion, Text,
    Timestamp, Uid,
};

/// Identifies a write among those of one key of a controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WriteId(pub u64);

/// One call to the apiserver about a slice.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// To be given back with the outcome.
    pub id: WriteId,
    /// Namespace and name of the slice.
    pub key: ObjectKey,
    /// What is to be done.
    pub op: Op,
}

/// What is to be done to a slice.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// POST
    Create(SliceDraft),
    /// PUT, only over the version that was observed.
    Update {
        /// The whole new object.
        draft: SliceDraft,
        /// The object must still be this one ...
        uid: Uid,
        /// ... in this version.
        resource_version: ResourceVersion,
    },
    /// DELETE, only of the version that was observed.
    Delete {
        /// The object must still be this one ...
        uid: Uid,
        /// ... in this version.
        resource_version: ResourceVersion,
    },
}

/// The content of a slice to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct SliceDraft {
    /// `metadata.labels`
    pub labels: LabelSet,
    /// `metadata.annotations` without the trigger time.
    pub annotations: Vec<(Text, Text)>,
    /// The trigger-time annotation.
    pub trigger: Option<Timestamp>,
    /// `metadata.ownerReferences`
    pub owners: Vec<OwnerRef>,
    /// `metadata.finalizers`
    pub finalizers: Vec<Text>,
    /// `addressType`
    pub address_type: AddressType,
    /// `ports`, in the order in which they are to be written.
    pub ports: Vec<EndpointPort>,
    /// `endpoints`
    pub endpoints: Arc<Vec<EndpointRecord>>,
    /// Fields that this version does not know, of an updated slice.
    pub unknown: Option<Box<UnknownFields>>,
}
