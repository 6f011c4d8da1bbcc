//! Nodes.

use crate::Text;

/// What the controllers read of a Node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRecord {
    /// Name of the Node.
    pub name: Text,
    /// Label `topology.kubernetes.io/zone`, if present and not empty.
    pub zone: Option<Text>,
    /// Condition `Ready` has status `True`.
    pub ready: bool,
    /// Carries the label key `node-role.kubernetes.io/control-plane` or `node-role.kubernetes.io/master`.
    pub control_plane: bool,
    /// `status.allocatable.cpu` in thousandths of a CPU, rounded up; 0 if absent or unreadable.
    pub allocatable_cpu_millis: u64,
}
