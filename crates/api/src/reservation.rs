//! `ServiceReservation`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;
use crate::words::EnforceReservation;

/// Addresses and node ports that are kept for one Service of the namespace, whether it exists or not.
///
/// Who may pin values is who may make these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[kube(
    group = "quaymaster.io",
    version = "v1alpha1",
    kind = "ServiceReservation",
    plural = "servicereservations",
    singular = "servicereservation",
    shortname = "svcres",
    category = "quaymaster",
    doc = "Addresses and node ports that are kept for one Service of the namespace, whether it exists or not.",
    namespaced,
    status = "ServiceReservationStatus",
    derive = "PartialEq",
    printcolumn(name = "Service", type_ = "string", json_path = ".spec.serviceName"),
    printcolumn(name = "ClusterIPs", type_ = "string", json_path = ".spec.clusterIPs"),
    printcolumn(
        name = "NodePorts",
        type_ = "string",
        json_path = ".spec.nodePorts",
        priority = 1
    ),
    printcolumn(
        name = "Reserved",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Reserved\")].status"
    ),
    printcolumn(
        name = "Bound",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Bound\")].status"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    crates(
        kube_core = "kube_core",
        k8s_openapi = "k8s_openapi",
        schemars = "schemars",
        serde = "serde",
        serde_json = "serde_json"
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = schema::reservation)]
pub struct ServiceReservationSpec {
    /// The Service, of the reservation's namespace. Cannot be changed.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = schema::NAME),
        transform = schema::immutable
    )]
    pub service_name: String,
    /// ClusterIPs that the Service gets, canonical; at most one of each family.
    #[serde(rename = "clusterIPs", default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "schema::ServiceAddresses")]
    pub cluster_ips: Vec<String>,
    /// Node ports that the Service gets, by the name of its port.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 256),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["portName"])
    )]
    pub node_ports: Vec<ReservedNodePort>,
    /// The `healthCheckNodePort` that the Service gets, if its type is `LoadBalancer`, with `externalTrafficPolicy: Local`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i32>", range(min = 1, max = 65_535))]
    pub health_check_node_port: Option<u16>,
    /// How it is ensured that nobody else gets it.
    #[serde(default)]
    pub enforce: EnforceReservation,
    /// For how many seconds it is kept while there is no such Service: from when the reservation was made, or the Service
    /// went. Absent: as long as the reservation exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i32>", range(min = 1, max = 31_536_000))]
    pub expire_after_seconds: Option<u32>,
}

/// A node port that is kept for a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct ReservedNodePort {
    /// The name of the Service's port; empty for the only port of a Service, which needs no name.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub port_name: String,
    /// The node port.
    #[schemars(with = "i32", range(min = 1, max = 65_535))]
    pub node_port: u16,
}

/// What has become of a reservation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceReservationStatus {
    /// The generation of the object that this was said of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Reserved`, `Bound`, `Conflict`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "schema::Conditions")]
    pub conditions: Vec<Condition>,
    /// The Service that has what is reserved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound_to: Option<BoundService>,
}

/// A Service that has what is reserved for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(inline)]
pub struct BoundService {
    /// Its name.
    #[schemars(length(max = 63))]
    pub name: String,
    /// Its UID.
    #[schemars(length(max = 64))]
    pub uid: String,
}
