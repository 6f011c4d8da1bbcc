//! Hints by annotation: how far they may differ, and what they may be.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::canonical::{Canonical, CanonicalEndpoint, Difference, Group, GroupKey};
use super::zones::Zones;
use crate::names::SLICE_CONTROLLER;

/// By how much hints by annotation may differ, by address type: the algorithm looks at each family alone. Where it
/// leaves both distributions as they are, they may be any two such: which one it comes to depends on what was hinted
/// before. Where there are several slices it hints only those anew that it writes, so that a zone may have fewer than its
/// minimum for as long as none has more than its maximum.
pub(super) fn tolerance(left: &Canonical, right: &Canonical, zones: &Zones) -> BTreeMap<String, usize> {
    let sides = [left, right];
    let keys = left.groups.keys().chain(right.groups.keys());
    keys.map(|key| {
        let families = sides.map(|form| Hinted::of(form, &key.address_type));
        let most = families.iter().map(|family| family.ready).max().unwrap_or(0);
        let any = families.iter().all(|family| family.may_stay(zones));
        let allowed = if any { most } else { zones.slack(most) };
        (key.address_type.clone(), allowed)
    })
    .collect()
}

/// What a family of a Service is hinted to.
struct Hinted {
    /// How many endpoints are ready.
    ready: usize,
    /// How many of them each zone has.
    counts: BTreeMap<String, usize>,
    /// Slices that have endpoints.
    slices: usize,
}

impl Hinted {
    fn of(form: &Canonical, address_type: &str) -> Self {
        let of = |key: &GroupKey| key.address_type == address_type && key.managed_by == SLICE_CONTROLLER;
        let groups = || {
            form.groups
                .iter()
                .filter(|(key, _)| of(key))
                .map(|(_, group)| group)
        };
        let endpoints = groups().flat_map(|group| group.endpoints.values());
        let (mut ready, mut counts) = (0, BTreeMap::new());
        for endpoint in endpoints.filter(|endpoint| endpoint.ready()) {
            ready += 1;
            if let Some(zone) = hinted_zone(endpoint.fields.get("hints")) {
                *counts.entry(zone.to_owned()).or_insert(0) += 1;
            }
        }
        let filled = |group: &Group| group.sizes.iter().filter(|size| **size > 0).count();
        Self {
            ready,
            counts,
            slices: groups().map(filled).sum(),
        }
    }

    /// Whether the algorithm may have come to this and leave it.
    fn may_stay(&self, zones: &Zones) -> bool {
        let settled = || zones.is_settled(&self.counts) || self.slices > 1 && zones.keeps(&self.counts);
        self.counts.values().sum::<usize>() == self.ready && settled()
    }
}

/// The zone that these hints name, where they name just one and no node.
fn hinted_zone(hints: Option<&Value>) -> Option<&str> {
    let list = |name: &str| hints.and_then(|hints| hints.get(name)?.as_array());
    match list("forZones")?.as_slice() {
        [zone] if list("forNodes").is_none() => zone.get("name")?.as_str(),
        _ => None,
    }
}

/// Families on the right side of which another number of endpoints is hinted away from their own zone than the algorithm
/// moves, where all is hinted anew and there are hints: as many hints for each zone say nothing of that.
pub(super) fn moved_otherwise(right: &Canonical, zones: &Zones) -> Vec<Difference> {
    let mut families: BTreeMap<String, Vec<&CanonicalEndpoint>> = BTreeMap::new();
    for (key, group) in &right.groups {
        if key.managed_by == SLICE_CONTROLLER {
            let ready = group.endpoints.values().filter(|endpoint| endpoint.ready());
            let family = format!("{} {}", key.service, key.address_type);
            families.entry(family).or_default().extend(ready);
        }
    }
    let wrong = families.into_iter().filter_map(|(service, endpoints)| {
        let (mut own, mut moved) = (BTreeMap::new(), 0);
        for endpoint in endpoints {
            // One without a hint is told otherwise; one without a zone makes all hints impossible.
            let hint = hinted_zone(endpoint.fields.get("hints"))?;
            let zone = endpoint.fields.get("zone")?.as_str()?;
            *own.entry(zone.to_owned()).or_default() += 1;
            moved += usize::from(zone != hint);
        }
        let wanted = zones.moved(&own)?;
        (moved != wanted).then_some(Difference::HintedElsewhere {
            service,
            moved,
            wanted,
        })
    });
    wrong.collect()
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
    let is_right = |hints: Option<&Value>| hinted_zone(hints).is_some_and(|zone| zones.contains(zone));
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
