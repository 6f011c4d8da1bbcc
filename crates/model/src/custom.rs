//! Custom resources.

use std::sync::Arc;

use crate::{ObjectKey, ResourceVersion, Text, Timestamp, Uid};

/// A custom resource as the apiserver last gave it. What its spec `S` and its status `T` are is not known here; both are
/// shared, so that whoever keeps them copies nothing.
#[derive(Debug, PartialEq, Eq)]
pub struct CustomRecord<S, T> {
    /// Namespace and name; the namespace of a cluster-scoped one is empty.
    pub key: ObjectKey,
    /// `metadata.uid`.
    pub uid: Uid,
    /// `metadata.resourceVersion`.
    pub resource_version: ResourceVersion,
    /// `metadata.generation`: grows with each change of the spec.
    pub generation: i64,
    /// `metadata.creationTimestamp`.
    pub created: Option<Timestamp>,
    /// `metadata.deletionTimestamp`.
    pub deleted: Option<Timestamp>,
    /// `metadata.finalizers`, in order.
    pub finalizers: Vec<Text>,
    /// `spec`
    pub spec: Arc<S>,
    /// `status`; its default where it is absent.
    pub status: Arc<T>,
}

// Derived, this would ask that specs can be cloned.
impl<S, T> Clone for CustomRecord<S, T> {
    fn clone(&self) -> Self {
        Self {
            key: self.key.clone(),
            uid: self.uid.clone(),
            resource_version: self.resource_version.clone(),
            generation: self.generation,
            created: self.created,
            deleted: self.deleted,
            finalizers: self.finalizers.clone(),
            spec: Arc::clone(&self.spec),
            status: Arc::clone(&self.status),
        }
    }
}
