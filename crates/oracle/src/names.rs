//! Keys and values of the Kubernetes API that controllers read or write (`k8s.io/api`: `core/v1`, `discovery/v1`,
//! `networking/v1`; kubernetes `pkg/controller/endpoint`, `pkg/controller/servicecidrs`).

/// What keys of annotations begin with that generated edits put on objects; no Service has one.
pub const EDITS: &str = "edits.example.com/";
/// Label of a slice: its Service.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Label of a slice: who keeps it.
pub const SLICE_MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// Value of [`SLICE_MANAGED_BY`]: the controller of slices.
pub const SLICE_CONTROLLER: &str = "endpointslice-controller.k8s.io";
/// Value of [`SLICE_MANAGED_BY`]: the controller that mirrors Endpoints.
pub const MIRRORING_CONTROLLER: &str = "endpointslicemirroring-controller.k8s.io";
/// Label of Endpoints: who keeps them.
pub const ENDPOINTS_MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
/// Value of [`ENDPOINTS_MANAGED_BY`]: the controller of Endpoints.
pub const ENDPOINTS_CONTROLLER: &str = "endpoint-controller";
/// Label of Endpoints that are not mirrored, with the value `true`.
pub const SKIP_MIRROR: &str = "endpointslice.kubernetes.io/skip-mirror";
/// Annotation of Endpoints that are a lock, whatever its value.
pub const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";
/// Annotation of kubectl, never mirrored.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Annotation of Endpoints with more addresses than fit.
pub const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";
/// Value of [`OVER_CAPACITY`].
pub const TRUNCATED: &str = "truncated";
/// Finalizer of ServiceCIDRs.
pub const SERVICE_CIDR_FINALIZER: &str = "networking.k8s.io/service-cidr-finalizer";
/// Label of IPAddresses: who keeps them.
pub const ADDRESS_MANAGED_BY: &str = "ipaddress.kubernetes.io/managed-by";
/// Value of [`ADDRESS_MANAGED_BY`]: the allocator in the API server.
pub const ALLOCATOR: &str = "ipallocator.k8s.io";
/// Label of IPAddresses: their family.
pub const ADDRESS_FAMILY: &str = "ipaddress.kubernetes.io/ip-family";
/// Label of the slices and Endpoints of a headless Service.
pub const HEADLESS: &str = "service.kubernetes.io/headless";
/// Annotation of slices and Endpoints: when the change came about that it was written for.
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
pub const RESERVED_ON_SLICES: [&str; 3] = [SERVICE_NAME, SLICE_MANAGED_BY, HEADLESS];

/// Whether a label is the controller's own.
pub(crate) fn is_reserved_on_slices(key: &str) -> bool {
    RESERVED_ON_SLICES.contains(&key)
}
