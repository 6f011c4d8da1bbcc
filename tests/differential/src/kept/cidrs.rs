//! ServiceCIDRs.

use std::collections::BTreeSet;

use k8s_openapi::api::networking::v1::{IPAddress, ServiceCIDR};
use kube::ResourceExt as _;
use quaymaster_oracle::Exceptions;
use quaymaster_oracle::cidrs::{Side, fair};
use quaymaster_oracle::generate::Kind;

use super::{Difference, Kept, Look};
use crate::controllers::Controller;
use crate::world::World;

/// The one that the apiserver makes, which is of no cluster; it is compared with each.
const DEFAULT: &str = "kubernetes";

/// As one of what is kept.
pub(super) const KEPT: Kept = Kept {
    kind: Kind::ServiceCIDR,
    resource: "servicecidrs",
    controllers: &[Controller::ServiceCidr],
    compare,
};

fn compare(look: &Look<'_>, world: &World, exceptions: &mut Exceptions) -> Vec<Difference> {
    let cidrs = look
        .sides()
        .map(|side| side.objects.all().cloned().collect::<Vec<ServiceCIDR>>());
    let addresses = look
        .sides()
        .map(|side| side.objects.all().cloned().collect::<Vec<IPAddress>>());
    let names: BTreeSet<String> = cidrs
        .iter()
        .flatten()
        .map(ServiceCIDR::name_any)
        .filter(|name| world.has(name) || name == DEFAULT)
        .collect();
    let [left, right] = [0, 1].map(|side| Side {
        cidrs: &cidrs[side],
        addresses: &addresses[side],
    });
    let mut found = Vec::new();
    for name in &names {
        let what = fair(name, [left, right], look.upstream, exceptions);
        found.extend(what.iter().map(|what| Difference::of(name, "ServiceCIDR", what)));
    }
    found
}
