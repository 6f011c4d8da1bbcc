//! Hints by annotation: how far they may differ, and what they may be.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::canonical::{Canonical, Difference, GroupKey};
use super::zones::Zones;
use crate::names::SLICE_CONTROLLER;

/// By how much hints by annotation may differ, by address type: the algorithm looks at each family alone.
pub(super) fn tolerance(left: &Canonical, right: &Canonical, zones: &Zones) -> BTreeMap<String, usize> {
    let ready = |form: &Canonical, address_type: &str| {
        let of = |key: &GroupKey| key.address_type == address_type && key.managed_by == SLICE_CONTROLLER;
        let groups = form.groups.iter().filter(|(key, _)| of(key));
        let endpoints = groups.flat_map(|(_, group)| group.endpoints.values());
        endpoints.filter(|endpoint| endpoint.ready()).count()
    };
    let keys = left.groups.keys().chain(right.groups.keys());
    keys.map(|key| {
        let address_type = &key.address_type;
        let most = ready(left, address_type).max(ready(right, address_type));
        (address_type.clone(), zones.slack(most))
    })
    .collect()
}

/// Hints of the right side that are neither the algorithm's nor the left side's: in a family each ready endpoint has
/// exactly one, to a zone that there is and to no node, or none has any.
pub(super) fn wrong_hints(left: &Canonical, right: &Canonical, zones: &Zones) -> Vec<Difference> {
    let ready = |form: &Canonical| {
        let groups = form
            .groups
            .iter()
            .filter(|(key, _)| key.managed_by == SLICE_CONTROLLER);
        let endpoints = groups.flat_map(|(key, group)| {
            let ready = group.endpoints.iter().filter(|(_, endpoint)| endpoint.ready());
            ready.map(|(identity, endpoint)| {
                let hints = endpoint.fields.get("hints").cloned();
                (key.clone(), identity.clone(), hints)
            })
        });
        endpoints.collect::<Vec<_>>()
    };
    let ours = ready(right);
    let hinted: BTreeSet<String> = ours
        .iter()
        .filter(|(.., hints)| hints.is_some())
        .map(|(key, ..)| key.address_type.clone())
        .collect();
    let is_right = |hints: Option<&Value>| {
        let list = |name: &str| hints.and_then(|hints| hints.get(name)?.as_array());
        let zone = list("forZones").and_then(|zones| match zones.as_slice() {
            [zone] => zone.get("name")?.as_str(),
            _ => None,
        });
        zone.is_some_and(|zone| zones.contains(zone)) && list("forNodes").is_none()
    };
    let theirs = ready(left);
    let wrong = ours.into_iter().filter_map(|(group, endpoint, right)| {
        if !hinted.contains(&group.address_type) || is_right(right.as_ref()) {
            return None;
        }
        let left = theirs
            .iter()
            .find(|(key, identity, _)| (key, identity) == (&group, &endpoint))
            .and_then(|(.., hints)| hints.clone());
        // Those of a traffic distribution that the Service had before may stay in a slice that is not written.
        (left != right).then(|| Difference::Field {
            group,
            endpoint,
            field: "hints".to_owned(),
            left,
            right,
        })
    });
    wrong.collect()
}
