//! What differs between Kubernetes versions, all of it: from which minor on a rule holds, as 37 for Kubernetes 1.37.
//! `crates/model/src/rules.rs` says the same to what is tested, and is not asked here.

/// `trafficDistribution: PreferSameZone` and `PreferSameNode` are known: the gate `PreferSameTrafficDistribution` is on by
/// default (KEP-3015, `pkg/features/kube_features.go`). Before, they are unknown values and give no hints.
pub const PREFER_SAME: u32 = 34;

/// 128-bit FNV-1a orders the ports of a new slice, and ports and subsets of Endpoints (kubernetes/kubernetes#133511). Before,
/// MD5 does.
pub const FNV_ORDER: u32 = 35;

/// The Endpoints controller takes subsets for equal that are after repacking (kubernetes/kubernetes#133511). Before, it
/// compares them as they are stored, and writes those that another order has mixed up.
pub const EQUAL_AFTER_REPACKING: u32 = 35;

/// A slice whose ports are `null` is one with no ports (kubernetes/kubernetes#136502). Before, such slices are written over and
/// over (kubernetes/kubernetes#133474).
pub const NULL_EQUALS_EMPTY: u32 = 36;

/// The apiserver takes IPv4 addresses in one form only (gate `StrictIPCIDRValidation`). Before, it stores others as they are.
pub const STRICT_ADDRESSES: u32 = 36;

/// The apiserver leaves Endpoints when it deletes their Service, which only the Endpoints controller deletes then. Before, it
/// deletes them with it (kubernetes `pkg/registry/core/service/storage/storage.go`).
pub const LEFT_BY_APISERVER: u32 = 37;
