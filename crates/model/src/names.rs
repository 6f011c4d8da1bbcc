//! Names that kube-controller-manager fixed for its users: labels, annotations, managers.
//!
//! Consumers match on them, so they are Kubernetes' own and stand here together (`k8s.io/api/discovery/v1`,
//! `k8s.io/api/core/v1/annotation_key_constants.go`, `well_known_labels.go`).

/// Label of a slice: the Service it belongs to.
pub const LABEL_SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Label of a slice: who manages it.
pub const LABEL_MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// Label of a slice whose Service has no cluster IP; its value is empty.
pub const LABEL_HEADLESS: &str = "service.kubernetes.io/headless";
/// Value of [`LABEL_MANAGED_BY`] on slices computed from Pods.
pub const MANAGER_ENDPOINTSLICE: &str = "endpointslice-controller.k8s.io";

/// Label of a Node: its zone.
pub const LABEL_ZONE: &str = "topology.kubernetes.io/zone";
/// Label key of control-plane Nodes.
pub const LABEL_CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";
/// Older label key of control-plane Nodes.
pub const LABEL_MASTER: &str = "node-role.kubernetes.io/master";

/// Annotation of a slice: when the change that it carries was triggered.
pub const ANNOTATION_TRIGGER_TIME: &str = "endpoints.kubernetes.io/last-change-trigger-time";
/// Annotation of a Service that asks for topology hints; older, and wins where both are present.
pub const ANNOTATION_TOPOLOGY_AWARE_HINTS: &str = "service.kubernetes.io/topology-aware-hints";
/// Annotation of a Service that asks for topology hints.
pub const ANNOTATION_TOPOLOGY_MODE: &str = "service.kubernetes.io/topology-mode";

/// The labels of a slice that its Service cannot set.
pub const RESERVED_SLICE_LABELS: [&str; 3] = [LABEL_SERVICE_NAME, LABEL_MANAGED_BY, LABEL_HEADLESS];
