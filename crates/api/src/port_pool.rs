//! `NodePortPool`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::{Policy, PortQuarantine};
use crate::schema;
use crate::words::PortUse;

/// Node ports that Services of certain namespaces get, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[kube(
    group = "quaymaster.io",
    version = "v1alpha1",
    kind = "NodePortPool",
    plural = "nodeportpools",
    singular = "nodeportpool",
    shortname = "npp",
    category = "quaymaster",
    doc = "Node ports that Services of certain namespaces get, and how.",
    status = "NodePortPoolStatus",
    derive = "PartialEq",
    printcolumn(name = "Ranges", type_ = "string", json_path = ".spec.ranges", priority = 1),
    printcolumn(name = "Used", type_ = "integer", json_path = ".status.used"),
    printcolumn(name = "Free", type_ = "integer", json_path = ".status.free"),
    printcolumn(name = "Quar", type_ = "integer", json_path = ".status.quarantined"),
    printcolumn(name = "State", type_ = "string", json_path = ".spec.state"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
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
pub struct NodePortPoolSpec {
    /// The node ports that the pool has. They must lie in kube-apiserver's `--service-node-port-range`.
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub ranges: Vec<PortRange>,
    /// Node ports that the pool does not have, although `ranges` have them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub exclude: Vec<PortRange>,
    /// What the node ports are for.
    #[serde(rename = "use", default = "all_uses")]
    #[schemars(length(min = 1, max = 3), extend("x-kubernetes-list-type" = "set"))]
    pub uses: Vec<PortUse>,
    /// Whom the pool serves, and how.
    #[serde(flatten)]
    pub policy: Policy,
    /// How long a released node port stays unused.
    #[serde(default)]
    pub quarantine: PortQuarantine,
    /// Whether ports of one Service with the same `port` and other protocols, such as DNS over TCP and UDP, get one node
    /// port.
    #[serde(default = "yes")]
    pub share_across_protocols: bool,
}

/// Node ports from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, transform = schema::port_range)]
pub struct PortRange {
    /// The first port.
    #[schemars(with = "i32", range(min = 1, max = 65_535))]
    pub first: u16,
    /// The last port.
    #[schemars(with = "i32", range(min = 1, max = 65_535))]
    pub last: u16,
}

/// What has become of a pool of node ports: how many are what.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NodePortPoolStatus {
    /// The generation of the object that this was said of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Overlapping`, `InRange`, `CapacityLow`, `Exhausted`, `Draining`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "schema::Conditions")]
    pub conditions: Vec<Condition>,
    /// The node ports that the pool has: `ranges` without `exclude`, without what an older pool has, and without what lies
    /// outside of kube-apiserver's range.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub effective_ranges: Vec<PortRange>,
    /// kube-apiserver's `--service-node-port-range`, once it is known. Replicas that do not write learn it here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_range: Option<PortRange>,
    /// All that the pool could give out.
    #[schemars(with = "i32", range(min = 0))]
    pub capacity: u32,
    /// Those of Services.
    #[schemars(with = "i32", range(min = 0))]
    pub used: u32,
    /// Given out to Services that are not stored yet.
    #[schemars(with = "i32", range(min = 0))]
    pub pending: u32,
    /// Released, and kept from use for a while.
    #[schemars(with = "i32", range(min = 0))]
    pub quarantined: u32,
    /// Reserved for Services by name.
    #[schemars(with = "i32", range(min = 0))]
    pub reserved: u32,
    /// Those of Services that the pool does not serve.
    #[schemars(with = "i32", range(min = 0))]
    pub foreign: u32,
    /// Those that can be given out.
    #[schemars(with = "i32", range(min = 0))]
    pub free: u32,
}

fn all_uses() -> Vec<PortUse> {
    vec![PortUse::NodePort, PortUse::LoadBalancer, PortUse::HealthCheck]
}

fn yes() -> bool {
    true
}
