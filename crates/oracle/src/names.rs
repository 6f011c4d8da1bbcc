//! Keys and values of the Kubernetes API the controller reads or writes (`k8s.io/api`: `core/v1`,
//! `discovery/v1`).

/// Label of a slice: its Service.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Label of a slice: who keeps it.
pub const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY`]: this controller.
pub const CONTROLLER: &str = "endpointslice-controller.k8s.io";
/// Label of the slices of a headless Service.
pub const HEADLESS: &str = "service.kubernetes.io/headless";
/// Annotation of a slice: when the change came about that it was written for.
pub const TRIGGER_TIME: &str = "endpoints.kubernetes.io/last-change-trigger-time";
/// Deprecated, and yet it wins over [`TOPOLOGY_MODE`] when both are present.
pub const TOPOLOGY_HINTS: &str = "service.kubernetes.io/topology-aware-hints";
/// Annotation of a Service that turns topology hints on.
pub const TOPOLOGY_MODE: &str = "service.kubernetes.io/topology-mode";
/// Label of a node: its zone.
pub const ZONE: &str = "topology.kubernetes.io/zone";
/// Nodes with one of these labels, whatever its value, do not count for the CPU share of a zone.
pub const EXCLUDED_NODE_LABELS: [&str; 2] = [
    "node-role.kubernetes.io/control-plane",
    "node-role.kubernetes.io/master",
];

/// Labels of a slice that are the controller's own and are never copied from the Service.
pub const RESERVED: [&str; 3] = [SERVICE_NAME, MANAGED_BY, HEADLESS];

/// Whether a label is the controller's own.
pub(crate) fn is_reserved_label(key: &str) -> bool {
    RESERVED.contains(&key)
}
