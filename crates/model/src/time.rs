//! Timestamps as Kubernetes stores them.

/// Seconds since the Unix epoch: `metav1.Time` has no finer resolution on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(pub i64);
