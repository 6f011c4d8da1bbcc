//! What is to be written, and what became of it.

use std::sync::Arc;

use quaymaster_model::SliceRecord;

pub use quaymaster_model::write::{Op, SliceDraft, Write, WriteId};

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
