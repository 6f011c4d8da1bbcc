//! Keys and values of the Kubernetes API the controller reads or writes (`k8s.io/api`: `core/v1`,
//! `discovery/v1`).

pub(crate) const SERVICE_NAME: &str = "kubernetes.io/service-name";
pub(crate) const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
pub(crate) const CONTROLLER: &str = "endpointslice-controller.k8s.io";
pub(crate) const HEADLESS: &str = "service.kubernetes.io/headless";
pub(crate) const TRIGGER_TIME: &str = "endpoints.kubernetes.io/last-change-trigger-time";
/// Deprecated, and yet it wins over [`TOPOLOGY_MODE`] when both are present.
pub(crate) const TOPOLOGY_HINTS: &str = "service.kubernetes.io/topology-aware-hints";
pub(crate) const TOPOLOGY_MODE: &str = "service.kubernetes.io/topology-mode";
pub(crate) const ZONE: &str = "topology.kubernetes.io/zone";
/// Nodes with one of these labels, whatever its value, do not count for the CPU share of a zone.
pub(crate) const EXCLUDED_NODE_LABELS: [&str; 2] = [
    "node-role.kubernetes.io/control-plane",
    "node-role.kubernetes.io/master",
];

/// Labels of a slice that are the controller's own and are never copied from the Service.
pub(crate) fn is_reserved_label(key: &str) -> bool {
    key == SERVICE_NAME || key == MANAGED_BY || key == HEADLESS
}
