//! What differs between two controllers' Endpoints, without what may differ.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{EndpointSubset, Endpoints, Pod, Service};
use serde_json::Value;

use super::canonical::tidy;
use super::exception::{Exception, Exceptions};
use super::told::tell;
use crate::names;
use crate::rules::desired::{Rules, managed};
use crate::rules::endpoints::{self, Desired, plain};
use crate::rules::ports::PortHash;
use crate::rules::repack::repack;

#[cfg(test)]
mod tests;

/// What is known beside the Endpoints of one name.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own of one name"
)]
pub struct Setting<'a> {
    /// The Service of that name on each side.
    pub services: [Option<&'a Service>; 2],
    /// The Pods of its namespace on each side.
    pub pods: [&'a [Pod]; 2],
    /// Whether both sides have started over the same finished cluster, so that what hangs on history is compared, too.
    pub fresh: bool,
    /// Whether a Service of this name was deleted and made again, so that Endpoints of the earlier one may have been left.
    pub recreated: bool,
    /// Whether there were Endpoints of this name on the left side, kube-controller-manager's, that went and others that came.
    pub remade: bool,
    /// Whether the Endpoints that stand there on either side ever had the label of their controller: somebody may have taken it off.
    pub kept_once: bool,
    /// What differs between Kubernetes versions.
    pub rules: Rules,
}

/// What differs between the Endpoints of one name; exceptions are counted and left out.
///
/// The order of subsets hangs on uids and is different on two control planes; so which addresses are cut off is, too. Such
/// objects are compared with what the rules make of the side's own Pods.
pub fn fair(
    setting: &Setting<'_>,
    sides: [Option<&Endpoints>; 2],
    exceptions: &mut Exceptions,
) -> Vec<String> {
    let mut apply = |exception| *exceptions.entry(exception).or_default() += 1;
    let service = setting.services[0];
    let looked_after = service.is_some_and(managed);
    if looked_after
        && let [left, Some(right)] = sides
        && desired(setting, 0).refused
    {
        // Both where the left one never was and where it is the latest that was not refused.
        if left.is_none_or(|left| !against_rules(setting, 0, left).is_empty()) {
            apply(Exception::RefusedTruncation);
            return alone(setting, right);
        }
    }
    let found = match sides {
        [None, None] => return Vec::new(),
        [Some(_), None] => vec!["only left".to_owned()],
        [None, Some(_)] => vec!["only right".to_owned()],
        [Some(left), Some(right)] => {
            let mut found = metadata(setting, left, right, &mut apply);
            if looked_after && (is_truncated(left) || is_truncated(right)) {
                for (side, endpoints) in [left, right].into_iter().enumerate() {
                    found.extend(against_rules(setting, side, endpoints));
                }
                apply(Exception::TruncatedOrder);
            } else {
                found.extend(subsets(setting, left, right));
                if looked_after && setting.fresh {
                    for (side, endpoints) in [left, right].into_iter().enumerate() {
                        found.extend(order(setting, side, endpoints));
                    }
                }
            }
            found
        }
    };
    if service.is_none() && setting.remade && matches!(sides, [None, Some(_)]) {
        apply(Exception::RecreatedEndpoints);
        return Vec::new();
    }
    if found.is_empty() || service.is_none() || looked_after {
        return found;
    }
    // Nobody keeps them: those of a controller stay as they were, and those of users are nobody's business.
    if setting.kept_once || sides.into_iter().flatten().any(is_of_controller) {
        apply(Exception::LeftBehind);
        return Vec::new();
    }
    if setting.recreated {
        apply(Exception::RecreatedService);
        return Vec::new();
    }
    found
}

/// What of the right side's Endpoints is not what the rules say, where there is nothing to compare them with.
fn alone(setting: &Setting<'_>, right: &Endpoints) -> Vec<String> {
    let wanted = desired(setting, 1);
    let labels = |labels: &BTreeMap<String, String>| {
        let mut labels = labels.clone();
        if !setting.fresh {
            labels.remove(names::HEADLESS);
        }
        labels
    };
    let found = right.metadata.labels.clone().unwrap_or_default();
    let mut differences = against_rules(setting, 1, right);
    if labels(&found) != labels(&wanted.labels) {
        differences.push(format!("labels: right {found:?}, wanted {:?}", wanted.labels));
    }
    differences
}

fn is_of_controller(endpoints: &Endpoints) -> bool {
    label(endpoints, names::ENDPOINTS_MANAGED_BY) == Some(names::ENDPOINTS_CONTROLLER)
}

fn label<'a>(endpoints: &'a Endpoints, key: &str) -> Option<&'a str> {
    endpoints.metadata.labels.as_ref()?.get(key).map(String::as_str)
}

fn is_truncated(endpoints: &Endpoints) -> bool {
    let annotations = endpoints.metadata.annotations.as_ref();
    annotations.is_some_and(|annotations| annotations.contains_key(names::OVER_CAPACITY))
}

/// Labels, annotations and owners.
fn metadata(
    setting: &Setting<'_>,
    left: &Endpoints,
    right: &Endpoints,
    apply: &mut impl FnMut(Exception),
) -> Vec<String> {
    let mut found = Vec::new();
    let maps = |endpoints: &Endpoints| {
        let mut annotations = endpoints.metadata.annotations.clone().unwrap_or_default();
        annotations.remove(names::TRIGGER_TIME);
        let before = annotations.len();
        annotations.retain(|key, _| !key.starts_with(names::EDITS));
        let notes = before - annotations.len();
        (
            endpoints.metadata.labels.clone().unwrap_or_default(),
            annotations,
            notes,
        )
    };
    let (mut left_labels, left_annotations, left_notes) = maps(left);
    let (mut right_labels, right_annotations, right_notes) = maps(right);
    if left_notes != right_notes {
        apply(Exception::ForeignAnnotation);
    }
    let headless = |labels: &BTreeMap<String, String>| labels.get(names::HEADLESS).cloned();
    if !setting.fresh && headless(&left_labels) != headless(&right_labels) {
        apply(Exception::HeadlessLabel);
        left_labels.remove(names::HEADLESS);
        right_labels.remove(names::HEADLESS);
    }
    if left_labels != right_labels {
        found.push(format!("labels: left {left_labels:?}, right {right_labels:?}"));
    }
    let own = |annotations: &BTreeMap<String, String>| annotations.get(names::OVER_CAPACITY).cloned();
    let differ = left_annotations != right_annotations;
    if differ && setting.recreated && own(&left_annotations) == own(&right_annotations) {
        // Where the object of the earlier Service was kept, its annotations are there still.
        apply(Exception::RecreatedService);
    } else if differ {
        found.push(format!(
            "annotations: left {left_annotations:?}, right {right_annotations:?}"
        ));
    }
    // Uids are different on two control planes.
    let owners = |endpoints: &Endpoints| -> BTreeSet<(String, String, Option<bool>)> {
        let owners = endpoints.metadata.owner_references.iter().flatten();
        owners
            .map(|owner| (owner.kind.clone(), owner.name.clone(), owner.controller))
            .collect()
    };
    if owners(left) != owners(right) {
        found.push(format!(
            "owners: left {:?}, right {:?}",
            owners(left),
            owners(right)
        ));
    }
    found
}

/// Subsets as sets, with targets told by whether they are there.
fn subsets(setting: &Setting<'_>, left: &Endpoints, right: &Endpoints) -> Vec<String> {
    let hash = PortHash::of(setting.rules.minor);
    let set = |side: usize, endpoints: &Endpoints| -> BTreeSet<String> {
        let told: Vec<EndpointSubset> = told(endpoints, setting.pods[side]);
        repack(&told, hash).iter().map(shown).collect()
    };
    let (left, right) = (set(0, left), set(1, right));
    let only = |one: &BTreeSet<String>, other: &BTreeSet<String>, side: &str| -> Vec<String> {
        one.difference(other)
            .map(|subset| format!("subset only {side}: {subset}"))
            .collect()
    };
    [only(&left, &right, "left"), only(&right, &left, "right")].concat()
}

fn told(endpoints: &Endpoints, pods: &[Pod]) -> Vec<EndpointSubset> {
    let mut subsets = endpoints.subsets.clone().unwrap_or_default();
    for subset in &mut subsets {
        let lists = [&mut subset.addresses, &mut subset.not_ready_addresses];
        for address in lists.into_iter().flatten().flatten() {
            if let Some(target) = &mut address.target_ref {
                let pod = pods.iter().find(|pod| pod.metadata.name == target.name);
                tell(target, pod);
            }
        }
    }
    subsets
}

/// A subset in one line, without what says nothing.
fn shown(subset: &EndpointSubset) -> String {
    let value = serde_json::to_value(subset).unwrap_or(Value::Null);
    let mut value = tidy(value).unwrap_or(Value::Null);
    // In an order that hangs on nothing.
    if let Some(ports) = value.get_mut("ports").and_then(Value::as_array_mut) {
        ports.sort_by_key(Value::to_string);
    }
    value.to_string()
}

fn desired(setting: &Setting<'_>, side: usize) -> Desired {
    let service = setting.services[side];
    let desired = service.and_then(|service| endpoints::desired(service, setting.pods[side], setting.rules));
    desired.unwrap_or_default()
}

/// What of an object that is cut off is not what the rules say.
fn against_rules(setting: &Setting<'_>, side: usize, endpoints: &Endpoints) -> Vec<String> {
    let wanted = desired(setting, side);
    let count = |subsets: &[EndpointSubset]| -> Vec<(usize, usize)> {
        let sizes = subsets.iter().map(|subset| {
            (
                subset.addresses.as_ref().map_or(0, Vec::len),
                subset.not_ready_addresses.as_ref().map_or(0, Vec::len),
            )
        });
        sizes.collect()
    };
    let found = endpoints.subsets.clone().unwrap_or_default();
    let plain_all = |subsets: &[EndpointSubset]| subsets.iter().cloned().map(plain).collect::<Vec<_>>();
    let name = ["left", "right"][side];
    if plain_all(&found) == plain_all(&wanted.subsets) && wanted.truncated == is_truncated(endpoints) {
        return Vec::new();
    }
    vec![format!(
        "{name} is cut off otherwise than the rules say: addresses ready and not ready by subset {:?}, wanted {:?}",
        count(&found),
        count(&wanted.subsets)
    )]
}

/// Whether subsets, addresses and ports stand in upstream's order.
fn order(setting: &Setting<'_>, side: usize, endpoints: &Endpoints) -> Option<String> {
    let wanted = desired(setting, side).subsets;
    let found = endpoints.subsets.clone().unwrap_or_default();
    let name = ["left", "right"][side];
    let text = |subsets: &[EndpointSubset]| subsets.iter().cloned().map(plain).collect::<Vec<_>>();
    (text(&found) != text(&wanted))
        .then(|| format!("{name} is not in upstream's order, or not what the rules say"))
}
