//! Names that kube-controller-manager fixed for its users: labels, annotations, managers, event sources, metrics. And our
//! own, under `quaymaster.io`, which no Kubernetes has.
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

/// Value of [`LABEL_MANAGED_BY`] on slices that mirror Endpoints.
pub const MANAGER_MIRRORING: &str = "endpointslicemirroring-controller.k8s.io";
/// Label of Endpoints: who manages them.
pub const LABEL_ENDPOINTS_MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
/// Value of [`LABEL_ENDPOINTS_MANAGED_BY`] on Endpoints computed from Pods.
pub const MANAGER_ENDPOINTS: &str = "endpoint-controller";
/// Label of Endpoints that are not to be mirrored, where its value is exactly `true`.
pub const LABEL_SKIP_MIRROR: &str = "endpointslice.kubernetes.io/skip-mirror";
/// Annotation of Endpoints that serve as a lock of leader election, whatever its value.
pub const ANNOTATION_LEADER: &str = "control-plane.alpha.kubernetes.io/leader";
/// Annotation of Endpoints of which addresses were left out; its value is [`OVER_CAPACITY_TRUNCATED`].
pub const ANNOTATION_OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";
/// See [`ANNOTATION_OVER_CAPACITY`].
pub const OVER_CAPACITY_TRUNCATED: &str = "truncated";
/// Annotation that kubectl keeps the last applied object in.
pub const ANNOTATION_LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Finalizer of ServiceCIDRs.
pub const FINALIZER_SERVICE_CIDR: &str = "networking.k8s.io/service-cidr-finalizer";
/// Label of an IPAddress: who manages it.
pub const LABEL_IPADDRESS_MANAGED_BY: &str = "ipaddress.kubernetes.io/managed-by";
/// Value of [`LABEL_IPADDRESS_MANAGED_BY`] of the apiserver's allocator.
pub const MANAGER_IP_ALLOCATOR: &str = "ipallocator.k8s.io";
/// Value of [`LABEL_IPADDRESS_MANAGED_BY`] of IPAddresses of ours, which keep addresses from being given.
pub const MANAGER_HOLD: &str = "quaymaster.io";
/// Label of an IPAddress: `IPv4` or `IPv6`.
pub const LABEL_IP_FAMILY: &str = "ipaddress.kubernetes.io/ip-family";

/// Annotation of a Service: the pool that its ClusterIPs are to come from.
pub const ANNOTATION_POOL: &str = "quaymaster.io/pool";
/// Annotation of a Service: the pool that its node ports are to come from.
pub const ANNOTATION_NODE_PORT_POOL: &str = "quaymaster.io/nodeport-pool";
/// Annotation of an IPAddress that holds an address back: when it was released, as RFC 3339.
pub const ANNOTATION_RELEASED_AT: &str = "quaymaster.io/released-at";
/// Label of an IPAddress that holds a released address back: the namespace of the Service that had it.
pub const LABEL_RELEASED_BY_NAMESPACE: &str = "quaymaster.io/service-namespace";
/// Label of an IPAddress that holds a released address back: the name of the Service that had it.
pub const LABEL_RELEASED_BY_NAME: &str = "quaymaster.io/service-name";

/// Component of the Events of the Endpoints controller.
pub const REPORTER_ENDPOINTS: &str = "endpoint-controller";
/// Component of the Events of the mirroring controller.
pub const REPORTER_MIRRORING: &str = "endpoint-slice-mirroring-controller";
/// Component of the Events of the ServiceCIDR controller, and the field manager of its writes.
pub const REPORTER_SERVICE_CIDR: &str = "service-cidr-controller";
/// [`metrics::QUEUE_NAME`] of the Endpoints controller's Services.
pub const QUEUE_ENDPOINTS: &str = "endpoint";
/// [`metrics::QUEUE_NAME`] of the mirroring controller.
pub const QUEUE_MIRRORING: &str = "endpoint_slice_mirroring";
/// [`metrics::QUEUE_NAME`] of the ServiceCIDR controller.
pub const QUEUE_SERVICE_CIDR: &str = "ipaddresses";

/// Component of the Events of the EndpointSlice controller (`pkg/controller/endpointslice/endpointslice_controller.go`).
pub const REPORTER_ENDPOINTSLICE: &str = "endpoint-slice-controller";
/// [`metrics::QUEUE_NAME`] of the EndpointSlice controller's Services.
pub const QUEUE_ENDPOINTSLICE: &str = "endpoint_slice";

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

/// Names and labels of metrics, kept letter by letter.
///
/// Sources: `k8s.io/endpointslice` `metrics/metrics.go`, kubernetes/kubernetes
/// `pkg/controller/endpointslicemirroring/metrics/metrics.go` and `k8s.io/component-base`
/// `metrics/prometheus/workqueue/metrics.go` of Kubernetes 1.37.
pub mod metrics {
    /// Histogram: endpoints added, once for each address type of each sync.
    pub const ENDPOINTS_ADDED_PER_SYNC: &str = "endpoint_slice_controller_endpoints_added_per_sync";
    /// Histogram: endpoints removed, once for each address type of each sync.
    pub const ENDPOINTS_REMOVED_PER_SYNC: &str = "endpoint_slice_controller_endpoints_removed_per_sync";
    /// Gauge: endpoints wanted, over all Services.
    pub const ENDPOINTS_DESIRED: &str = "endpoint_slice_controller_endpoints_desired";
    /// Gauge: EndpointSlices there are, over all Services.
    pub const NUM_ENDPOINT_SLICES: &str = "endpoint_slice_controller_num_endpoint_slices";
    /// Gauge: EndpointSlices there would be if all were filled.
    pub const DESIRED_ENDPOINT_SLICES: &str = "endpoint_slice_controller_desired_endpoint_slices";
    /// Counter by [`OPERATION`]: write calls.
    pub const CHANGES: &str = "endpoint_slice_controller_changes";
    /// Histogram by [`TOPOLOGY`] and [`TRAFFIC_DISTRIBUTION`]: writes of one sync.
    pub const SLICES_CHANGED_PER_SYNC: &str = "endpoint_slice_controller_endpointslices_changed_per_sync";
    /// Counter by [`RESULT`]: syncs.
    pub const SYNCS: &str = "endpoint_slice_controller_syncs";
    /// Gauge by [`TRAFFIC_DISTRIBUTION`]: Services.
    pub const SERVICES_BY_TRAFFIC_DISTRIBUTION: &str =
        "endpoint_slice_controller_services_count_by_traffic_distribution";

    /// Histogram: endpoints added to mirrored slices, once for each sync.
    pub const MIRRORING_ENDPOINTS_ADDED_PER_SYNC: &str =
        "endpoint_slice_mirroring_controller_endpoints_added_per_sync";
    /// Histogram: endpoints changed in mirrored slices, once for each sync.
    pub const MIRRORING_ENDPOINTS_UPDATED_PER_SYNC: &str =
        "endpoint_slice_mirroring_controller_endpoints_updated_per_sync";
    /// Histogram: endpoints removed from mirrored slices, once for each sync.
    pub const MIRRORING_ENDPOINTS_REMOVED_PER_SYNC: &str =
        "endpoint_slice_mirroring_controller_endpoints_removed_per_sync";
    /// Histogram: addresses that are not mirrored, once for each sync.
    pub const MIRRORING_ADDRESSES_SKIPPED_PER_SYNC: &str =
        "endpoint_slice_mirroring_controller_addresses_skipped_per_sync";
    /// Histogram: seconds that a sync takes. Upstream gives it no unit.
    pub const MIRRORING_SYNC_DURATION: &str = "endpoint_slice_mirroring_controller_endpoints_sync_duration";
    /// Gauge: endpoints wanted in mirrored slices.
    pub const MIRRORING_ENDPOINTS_DESIRED: &str = "endpoint_slice_mirroring_controller_endpoints_desired";
    /// Gauge: mirrored slices there are.
    pub const MIRRORING_NUM_ENDPOINT_SLICES: &str = "endpoint_slice_mirroring_controller_num_endpoint_slices";
    /// Gauge: mirrored slices there would be if all were filled.
    pub const MIRRORING_DESIRED_ENDPOINT_SLICES: &str =
        "endpoint_slice_mirroring_controller_desired_endpoint_slices";
    /// Counter by [`OPERATION`]: write calls for mirrored slices.
    pub const MIRRORING_CHANGES: &str = "endpoint_slice_mirroring_controller_changes";

    /// Label: `create`, `update`, `delete`.
    pub const OPERATION: &str = "operation";
    /// Label: `success`, `stale`, `error`.
    pub const RESULT: &str = "result";
    /// Label: `Auto`, `Disabled`.
    pub const TOPOLOGY: &str = "topology";
    /// Label: the value of `spec.trafficDistribution`, or empty.
    pub const TRAFFIC_DISTRIBUTION: &str = "traffic_distribution";

    /// Gauge by [`QUEUE_NAME`]: keys due.
    pub const WORKQUEUE_DEPTH: &str = "workqueue_depth";
    /// Counter by [`QUEUE_NAME`]: keys added.
    pub const WORKQUEUE_ADDS: &str = "workqueue_adds_total";
    /// Counter by [`QUEUE_NAME`]: retries.
    pub const WORKQUEUE_RETRIES: &str = "workqueue_retries_total";
    /// Histogram by [`QUEUE_NAME`]: time from due to taken.
    pub const WORKQUEUE_QUEUE_DURATION: &str = "workqueue_queue_duration_seconds";
    /// Histogram by [`QUEUE_NAME`]: time from taken to done.
    pub const WORKQUEUE_WORK_DURATION: &str = "workqueue_work_duration_seconds";
    /// Label: the queue.
    pub const QUEUE_NAME: &str = "name";
}
