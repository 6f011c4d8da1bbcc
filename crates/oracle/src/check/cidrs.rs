//! What differs between two controllers' ServiceCIDRs, without what may differ.

use std::collections::BTreeSet;

use k8s_openapi::api::networking::v1::{IPAddress, ServiceCIDR};
use serde_json::{Value, json};

use super::canonical::tidy;
use super::exception::{Exception, Exceptions};
use crate::names;
use crate::rules::cidrs::{holds, may_go, orphans};

#[cfg(test)]
mod tests;

/// All ServiceCIDRs of a control plane, and all addresses.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The ServiceCIDRs.
    pub cidrs: &'a [ServiceCIDR],
    /// The addresses.
    pub addresses: &'a [IPAddress],
}

/// What differs of the ServiceCIDR of a name; exceptions are counted and left out. `upstream` says which of both sides is
/// kube-controller-manager, whose known defects are forgiven.
pub fn fair(
    name: &str,
    sides: [Side<'_>; 2],
    upstream: [bool; 2],
    exceptions: &mut Exceptions,
) -> Vec<String> {
    let [left, right] = sides.map(|side| find(name, side));
    let found = match (left, right) {
        (None, None) => Vec::new(),
        (Some(_), None) => vec!["only left".to_owned()],
        (None, Some(_)) => vec!["only right".to_owned()],
        (Some(left), Some(right)) => {
            if form(left) != form(right) && deleted_early(left, right) {
                *exceptions.entry(Exception::LateFinalizer).or_default() += 1;
                return Vec::new();
            }
            let (left, right) = (form(left), form(right));
            let differs = left != right;
            differs
                .then(|| format!("left {left}, right {right}"))
                .into_iter()
                .collect()
        }
    };
    let held = [0, 1].into_iter().any(|side| {
        let other = 1 - side;
        upstream[other] && held_back(name, sides[side], sides[other])
    });
    if !found.is_empty() && held {
        *exceptions.entry(Exception::EqualCidrs).or_default() += 1;
        return Vec::new();
    }
    let either = [0, 1]
        .into_iter()
        .any(|side| swapped(name, sides[side], sides[1 - side]));
    if !found.is_empty() && either {
        *exceptions.entry(Exception::EitherCidr).or_default() += 1;
        return Vec::new();
    }
    found
}

/// Whether one side keeps a ServiceCIDR that is being deleted for addresses in it, and the other side keeps one in its place that
/// overlaps it, is being deleted as well, and holds all these addresses: which of the two is looked at first, and goes, hangs on
/// timing.
fn swapped(name: &str, side: Side<'_>, other: Side<'_>) -> bool {
    let deleted = |cidr: &&ServiceCIDR| cidr.metadata.deletion_timestamp.is_some();
    let Some(kept) = find(name, side).filter(deleted) else {
        return false;
    };
    let rest: Vec<&ServiceCIDR> = side
        .cidrs
        .iter()
        .filter(|cidr| cidr.metadata.name != kept.metadata.name)
        .collect();
    let orphans = orphans(kept, &rest, side.addresses);
    let instead = |cidr: &&ServiceCIDR| {
        let missing = cidr
            .metadata
            .name
            .as_deref()
            .is_some_and(|name| find(name, side).is_none());
        deleted(cidr) && missing && orphans.iter().all(|address| holds(cidr, *address))
    };
    find(name, other).is_none() && !orphans.is_empty() && other.cidrs.iter().any(|cidr| instead(&cidr))
}

/// Whether both are being deleted, and nothing differs but that one never got the controller's finalizer, which the API takes
/// no more then.
fn deleted_early(left: &ServiceCIDR, right: &ServiceCIDR) -> bool {
    let without = |cidr: &ServiceCIDR| {
        let mut cidr = cidr.clone();
        if let Some(finalizers) = &mut cidr.metadata.finalizers {
            finalizers.retain(|one| one != names::SERVICE_CIDR_FINALIZER);
        }
        form(&cidr)
    };
    let deleted = |cidr: &ServiceCIDR| cidr.metadata.deletion_timestamp.is_some();
    deleted(left) && deleted(right) && without(left) == without(right)
}

fn find<'a>(name: &str, side: Side<'a>) -> Option<&'a ServiceCIDR> {
    side.cidrs
        .iter()
        .find(|cidr| cidr.metadata.name.as_deref() == Some(name))
}

/// What is compared.
fn form(cidr: &ServiceCIDR) -> Value {
    let finalizers: BTreeSet<&String> = cidr.metadata.finalizers.iter().flatten().collect();
    let conditions = cidr
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    let conditions: BTreeSet<String> = conditions
        .map(|condition| {
            format!(
                "{}={} {:?} {:?}",
                condition.type_, condition.status, condition.reason, condition.message
            )
        })
        .collect();
    let form = json!({
        "ranges": cidr.spec.as_ref().and_then(|spec| spec.cidrs.clone()),
        "labels": cidr.metadata.labels,
        "finalizers": finalizers,
        "conditions": conditions,
        "deleted": cidr.metadata.deletion_timestamp.is_some(),
    });
    tidy(form).unwrap_or(Value::Null)
}

/// Whether one side keeps a ServiceCIDR that is being deleted for the addresses in it, where the other side has let all go
/// that held them.
fn held_back(name: &str, side: Side<'_>, other: Side<'_>) -> bool {
    let Some(kept) = find(name, side).filter(|cidr| cidr.metadata.deletion_timestamp.is_some()) else {
        return false;
    };
    if find(name, other).is_some() {
        return false;
    }
    let others: Vec<&ServiceCIDR> = other.cidrs.iter().collect();
    !may_go(kept, &others, side.addresses)
}
