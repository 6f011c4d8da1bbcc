//! `AllocationClaim`.

use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// One value that a replica is about to give to a Service; the name of the object says which. Of two replicas that make
/// one of the same name one is refused. Not meant for users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[kube(
    group = "quaymaster.io",
    version = "v1alpha1",
    kind = "AllocationClaim",
    plural = "allocationclaims",
    singular = "allocationclaim",
    doc = "One value that a replica is about to give to a Service; its name says which. Made and deleted by Quaymaster.",
    derive = "PartialEq",
    printcolumn(name = "Namespace", type_ = "string", json_path = ".spec.namespace"),
    printcolumn(name = "Service", type_ = "string", json_path = ".spec.name"),
    printcolumn(name = "Replica", type_ = "string", json_path = ".spec.replica"),
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
#[schemars(transform = schema::claim)]
pub struct AllocationClaimSpec {
    /// The namespace of the Service.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// The name of the Service; absent where kube-apiserver has yet to make it of `generateName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub name: Option<String>,
    /// What the name of the Service begins with, where it has none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub generate_name: Option<String>,
    /// The UID of the admission request that the value is given to.
    #[serde(rename = "requestUID")]
    #[schemars(length(max = 64))]
    pub request_uid: String,
    /// The replica that made the claim.
    #[schemars(length(max = 253))]
    pub replica: String,
    /// For how many seconds after it was made the claim stands if no Service shows up with the value.
    #[schemars(with = "i32", range(min = 1, max = 3_600))]
    pub seconds_to_live: u32,
}

/// What a claim claims, as its name says: names of custom resources have no colons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Claimed {
    /// An address, `v4-0a600832` or `v6-` and 32 digits.
    Address(IpAddr),
    /// A node port, `np-30053`.
    NodePort(u16),
}

impl Display for Claimed {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V4(address)) => write!(to, "v4-{:08x}", u32::from(*address)),
            Self::Address(IpAddr::V6(address)) => write!(to, "v6-{:032x}", u128::from(*address)),
            Self::NodePort(port) => write!(to, "np-{port}"),
        }
    }
}

/// That a claim's name says no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name of an AllocationClaim: they are such as v4-0a600832, v6-fd000010… and np-30053")]
pub struct NoClaim(String);

impl FromStr for Claimed {
    type Err = NoClaim;

    fn from_str(name: &str) -> Result<Self, NoClaim> {
        let claimed = match name.split_at_checked(3) {
            Some(("v4-", digits)) => u32::from_str_radix(digits, 16)
                .ok()
                .map(|bits| Self::Address(Ipv4Addr::from(bits).into())),
            Some(("v6-", digits)) => u128::from_str_radix(digits, 16)
                .ok()
                .map(|bits| Self::Address(Ipv6Addr::from(bits).into())),
            Some(("np-", digits)) => digits.parse().ok().map(Self::NodePort),
            _ => None,
        };
        // Only one name for each value, or the second claim of it would not be refused.
        claimed
            .filter(|claimed| claimed.to_string() == name)
            .ok_or_else(|| NoClaim(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_what_it_claims_are_made_of_each_other() {
        for (name, claimed) in [
            ("v4-0a600832", Claimed::Address("10.96.8.50".parse().unwrap())),
            (
                "v6-fd000010009600080000000000000051",
                Claimed::Address("fd00:10:96:8::51".parse().unwrap()),
            ),
            ("np-30053", Claimed::NodePort(30_053)),
        ] {
            assert_eq!(claimed.to_string(), name);
            assert_eq!(name.parse(), Ok(claimed));
        }
    }

    #[test]
    fn other_names_claim_nothing() {
        for name in [
            "",
            "v4",
            "v4-",
            "v4-a600832",
            "v4-0A600832",
            "v6-51",
            "np-",
            "np-+80",
            "np-080",
            "np-65536",
        ] {
            assert_eq!(name.parse::<Claimed>(), Err(NoClaim(name.to_owned())));
        }
    }
}
