//! What is to be written, and what became of it.

use std::sync::Arc;

use quaymaster_model::slice::UnknownFields;
use quaymaster_model::{
    AddressType, EndpointPort, EndpointRecord, LabelSet, ObjectKey, OwnerRef, ResourceVersion, SliceRecord,
    Text, Timestamp, Uid,
};

/// Identifies a write among those of one Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WriteId(pub u64);

/// One call to the apiserver.
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

/// What became of a write.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// A create or update succeeded; the object as the apiserver returned it, whatever became of it since: what the write
    /// itself stored tells an admission policy's doing from somebody's edit.
    Stored(Arc<SliceRecord>),
    /// The slice is gone: a delete succeeded or found nothing.
    Deleted,
    /// A delete was accepted but a finalizer holds the object back.
    Deleting,
    /// Nothing is known to have changed.
    Failed(Failure),
}

/// What follows from an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// Nothing in particular.
    Done,
    /// The write is none of this state's: an earlier state of the Service sent it. What became of the slice is not known
    /// here until it is told by `slice_seen` or `slice_gone`.
    Unknown,
    /// The write failed. To be planned again after a pause.
    Retry,
    /// The apiserver stored something other than what was sent, as a mutating admission policy makes it do, and has not
    /// done so with this slice before. The slice counts as written until its content is to change or somebody else
    /// changes it; to be told once, nothing needs to be tried again.
    Altered,
}

/// Why a write failed, as far as it matters for what is decided next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// A create found the name taken.
    NameTaken,
    /// An update found no such object.
    Missing,
    /// The namespace is being deleted: no create can succeed any more.
    NamespaceTerminating,
    /// Anything else, including a conflict and an unknown result: to be tried again.
    Other,
}
