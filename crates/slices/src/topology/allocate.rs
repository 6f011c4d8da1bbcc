//! How many endpoints each zone is to get, and from which others.
//!
//! Numbers are doubles and operations come in upstream's order on purpose: with five equal zones, rounding refuses 6, 12
//! and 24 endpoints, which exact arithmetic would allow.

use std::collections::BTreeMap;

use quaymaster_model::{EndpointRecord, Text};

use super::{DisabledReason, is_ready};

/// Hints by zone.
pub(super) type Counts = BTreeMap<Text, usize>;

/// How much more than its fair load any endpoint may get because zones keep to themselves
/// (`k8s.io/endpointslice/topologycache/topologycache.go`, `overloadThreshold`).
const OVERLOAD_THRESHOLD: f64 = 0.2;

/// How many endpoints a zone is to get.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Allocation {
    /// With fewer, endpoints of this zone would be overloaded.
    pub(super) minimum: usize,
    /// With more, another zone could not get its minimum.
    pub(super) maximum: usize,
    /// Fair share, but not less than the minimum.
    pub(super) desired: f64,
}

pub(super) type Allocations = BTreeMap<Text, Allocation>;

/// Divides this many endpoints among the zones.
pub(super) fn allocations(
    ratios: Option<&BTreeMap<Text, f64>>,
    endpoints: usize,
) -> Result<Allocations, DisabledReason> {
    let ratios = ratios.ok_or(DisabledReason::InsufficientNodes)?;
    let zones = ratios.len();
    if zones > endpoints {
        return Err(DisabledReason::TooFewEndpoints { endpoints, zones });
    }
    let mut allocations: Allocations = ratios
        .iter()
        .map(|(zone, ratio)| {
            let fair = ratio * real(endpoints);
            let minimum = minimum(fair);
            (
                zone.clone(),
                Allocation {
                    minimum,
                    maximum: minimum,
                    desired: fair.max(real(minimum)),
                },
            )
        })
        .collect();
    let minima = allocations.values().map(|allocation| allocation.minimum).sum();
    let spare = endpoints
        .checked_sub(minima)
        .ok_or(DisabledReason::WouldOverload { endpoints, zones })?;
    for allocation in allocations.values_mut() {
        allocation.maximum += spare;
    }
    Ok(allocations)
}

/// Whether some zone has fewer hints than it needs. Without ratios there can be no hints, so that those in place are too
/// many; without hints nothing can be overloaded.
pub(super) fn is_overloaded(counted: &Counts, ratios: Option<&BTreeMap<Text, f64>>) -> bool {
    if counted.is_empty() {
        return false;
    }
    let Some(ratios) = ratios else { return true };
    let total = real(counted.values().sum());
    ratios.iter().any(|(zone, ratio)| {
        counted
            .get(zone)
            .is_none_or(|hints| *hints < minimum(total * ratio))
    })
}

/// Whether the hints of an unchanged slice may stay as they are: every ready endpoint has one, none is to a zone that
/// is to get no endpoints, and none is one too many. Counts them if so.
pub(super) fn keep(endpoints: &[EndpointRecord], allocations: &Allocations, counted: &mut Counts) -> bool {
    let mut here = Counts::new();
    for endpoint in endpoints.iter().filter(|endpoint| is_ready(endpoint)) {
        let zones = endpoint.hints.as_deref().map_or(&[][..], |hints| &hints.zones);
        if zones.is_empty() || zones.iter().any(|zone| !allocations.contains_key(zone)) {
            return false;
        }
        for zone in zones {
            count(&mut here, zone);
        }
    }
    let fits = |(zone, hints): (&Text, &usize)| {
        let others = counted.get(zone).copied().unwrap_or_default();
        allocations
            .get(zone)
            .is_some_and(|allocation| others + hints <= allocation.maximum)
    };
    if !here.iter().all(fits) {
        return false;
    }
    for (zone, hints) in here {
        *counted.entry(zone).or_default() += hints;
    }
    true
}

/// Counts one hint.
pub(super) fn count(counted: &mut Counts, zone: &Text) {
    // Names are cloned for new zones only: a clone costs an atomic operation, and there is an endpoint behind each call.
    match counted.get_mut(zone) {
        Some(hints) => *hints += 1,
        None => {
            counted.insert(zone.clone(), 1);
        }
    }
}

/// How many hints zones have to give to other zones. No entry is zero.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Transfers {
    giving: Counts,
    receiving: Counts,
}

impl Transfers {
    /// Moves hints one by one from the zone with the largest surplus to the one with the largest shortage, for as long
    /// as that brings both closer to what they desire: it stops when both are off by less than one, or one of them by
    /// less than a half. Zones that are to get no endpoints neither give nor receive
    /// (`k8s.io/endpointslice/topologycache/utils.go`, `getGivingAndReceivingZones`).
    pub(super) fn between(allocations: &Allocations, counted: &Counts) -> Self {
        let mut surpluses = Vec::new();
        let mut shortages = Vec::new();
        for (zone, allocation) in allocations {
            let hints = real(counted.get(zone).copied().unwrap_or_default());
            if hints > allocation.desired {
                surpluses.push((zone, hints - allocation.desired));
            } else if hints < allocation.desired {
                shortages.push((zone, allocation.desired - hints));
            }
        }
        let mut transfers = Self::default();
        while let (Some((giver, surplus)), Some((receiver, shortage))) =
            (largest(&mut surpluses), largest(&mut shortages))
        {
            if (*surplus < 1.0 && *shortage < 1.0) || *surplus < 0.5 || *shortage < 0.5 {
                break;
            }
            *surplus -= 1.0;
            *shortage -= 1.0;
            count(&mut transfers.giving, giver);
            count(&mut transfers.receiving, receiver);
        }
        transfers
    }

    /// The zone that an endpoint of this zone is to be hinted to instead of its own, if any; moves the count along.
    pub(super) fn next(&mut self, own: &Text, counted: &mut Counts) -> Option<Text> {
        if !self.giving.contains_key(own) {
            return None;
        }
        let receiver = self.receiving.keys().next()?.clone();
        uncount(&mut self.giving, own);
        uncount(&mut self.receiving, &receiver);
        uncount(counted, own);
        count(counted, &receiver);
        Some(receiver)
    }
}

/// Takes back one count; what comes to zero goes.
fn uncount(counts: &mut Counts, zone: &Text) {
    if let Some(hints) = counts.get_mut(zone) {
        *hints -= 1;
        if *hints == 0 {
            counts.remove(zone);
        }
    }
}

/// The zone with the largest value; the first of several.
fn largest<'a, 'z>(values: &'a mut [(&'z Text, f64)]) -> Option<(&'z Text, &'a mut f64)> {
    let mut found: Option<(&'z Text, &'a mut f64)> = None;
    for (zone, value) in values {
        if found.as_ref().is_none_or(|(_, most)| *value > **most) {
            found = Some((zone, value));
        }
    }
    found
}

/// Fewest endpoints for a zone whose fair share is this.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a number of endpoints, not negative and rounded up to a whole number"
)]
fn minimum(fair: f64) -> usize {
    (fair * (1.0 / (1.0 + OVERLOAD_THRESHOLD))).ceil() as usize
}

/// A number of endpoints for computing with.
#[expect(clippy::cast_precision_loss, reason = "endpoints are far fewer than 2^53")]
fn real(endpoints: usize) -> f64 {
    endpoints as f64
}

#[cfg(test)]
mod tests;
