//! Namespaces.

use crate::{Interned, LabelSet, Text};

/// What the controllers read of a Namespace. Like a Node it is known by its name: of one that was deleted and created again
/// nothing else is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceRecord {
    /// Name.
    pub name: Text,
    /// `metadata.labels`. The apiserver sets `kubernetes.io/metadata.name` to the name.
    pub labels: Interned<LabelSet>,
    /// Has a `metadata.deletionTimestamp`: nothing can be created in it any more.
    pub terminating: bool,
}
