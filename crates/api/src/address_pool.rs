//! `ServiceIPPool`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::count::Count;
use crate::policy::{AddressQuarantine, Policy};
use crate::schema;
use crate::words::Usage;

/// Addresses that Services of certain namespaces get, and how.
//
// A column shows one value: in those without a family the one of IPv4, or of IPv6 where the pool has no IPv4.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[kube(
    group = "quaymaster.io",
    version = "v1alpha1",
    kind = "ServiceIPPool",
    plural = "serviceippools",
    singular = "serviceippool",
    shortname = "sipp",
    category = "quaymaster",
    doc = "Addresses that Services of certain namespaces get, and how.",
    status = "ServiceIPPoolStatus",
    derive = "PartialEq",
    printcolumn(name = "Usage", type_ = "string", json_path = ".spec.usage"),
    printcolumn(name = "CIDRs", type_ = "string", json_path = ".spec.cidrs", priority = 1),
    printcolumn(name = "Used", type_ = "string", json_path = ".status['ipv4','ipv6'].used"),
    printcolumn(name = "Free", type_ = "string", json_path = ".status['ipv4','ipv6'].free"),
    printcolumn(
        name = "Quar",
        type_ = "string",
        json_path = ".status['ipv4','ipv6'].quarantined"
    ),
    printcolumn(
        name = "Used-IPv6",
        type_ = "string",
        json_path = ".status.ipv6.used",
        priority = 1
    ),
    printcolumn(
        name = "Free-IPv6",
        type_ = "string",
        json_path = ".status.ipv6.free",
        priority = 1
    ),
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
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = schema::address_pool)]
pub struct ServiceIPPoolSpec {
    /// What the addresses are for. Cannot be changed.
    #[schemars(transform = schema::immutable)]
    pub usage: Usage,
    /// Networks whose addresses the pool has, canonical; of each without the first address, and of IPv4 without the last.
    /// IPv4 of /30 or larger, IPv6 from /64 to /126. They must lie in ServiceCIDRs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "schema::Cidrs")]
    pub cidrs: Vec<String>,
    /// Further addresses that the pool has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub ranges: Vec<AddressRange>,
    /// Addresses and networks that the pool does not have, although `cidrs` or `ranges` have them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "schema::Excluded")]
    pub exclude: Vec<String>,
    /// Whom the pool serves, and how.
    #[serde(flatten)]
    pub policy: Policy,
    /// How long a released address stays unused.
    pub quarantine: AddressQuarantine,
    /// ServiceCIDRs for `cidrs`.
    #[serde(rename = "serviceCIDR")]
    pub service_cidr: ManagedServiceCIDR,
}

/// Addresses from one to another, both included, of one family. Both are canonical.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, transform = schema::address_range)]
pub struct AddressRange {
    /// The first address.
    #[schemars(with = "schema::Address")]
    pub first: String,
    /// The last address.
    #[schemars(with = "schema::Address")]
    pub last: String,
}

/// ServiceCIDRs for the networks of a pool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(inline)]
pub struct ManagedServiceCIDR {
    /// Whether ServiceCIDRs for `cidrs` are made and removed with the pool. kube-apiserver's allocator gives addresses out
    /// of them as well then, to Services that come past the webhook.
    pub manage: bool,
}

/// What has become of a pool of addresses.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceIPPoolStatus {
    /// The generation of the object that this was said of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Overlapping`, `ServiceCIDRReady`, `CapacityLow`, `Exhausted`, `Draining`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "schema::Conditions")]
    pub conditions: Vec<Condition>,
    /// The addresses that the pool has, as networks: `cidrs` and `ranges` without `exclude`, and without what an older
    /// pool has.
    #[serde(rename = "effectiveCIDRs", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "schema::EffectiveCidrs")]
    pub effective_cidrs: Vec<String>,
    /// IPv4 addresses by what they are; absent where the pool has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv4: Option<AddressCounts>,
    /// IPv6 addresses by what they are; absent where the pool has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<AddressCounts>,
    /// How many addresses the longest run of free ones has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub largest_free_block: Option<Count>,
}

/// How many addresses of one family are what. Text, since 2^64 is more than JSON numbers hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(inline)]
pub struct AddressCounts {
    /// All that the pool could give out.
    pub capacity: Count,
    /// Those of Services.
    pub used: Count,
    /// Given out to Services that are not stored yet.
    pub pending: Count,
    /// Released, and kept from use for a while.
    pub quarantined: Count,
    /// Reserved for Services by name.
    pub reserved: Count,
    /// Those of Services that the pool does not serve.
    pub foreign: Count,
    /// Those that can be given out.
    pub free: Count,
}
