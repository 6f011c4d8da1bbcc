//! Topology hints by annotation: each zone gets a share of a Service's endpoints that follows its share of the
//! cluster's CPU (`k8s.io/endpointslice/topologycache`, KEP-2433).
//!
//! Endpoints are hinted to the zone they are in, as far as no zone gets much less than its share; the surplus of one
//! zone is hinted to another. If that cannot be done with the given number of endpoints, none gets a hint. Slices
//! are never repacked for this.
//!
//! Where upstream leaves a choice to the order of a Go map, the zone that comes first by name wins. Beyond that,
//! the results differ from upstream's in two ways, both of which only save writes or remove what is stale:
//!
//! * A slice is written for its hints only if they change. Upstream writes a slice again on every sync, with
//!   unchanged content, if it holds a ready endpoint in a zone without CPU of its own (where all Nodes are not ready
//!   or belong to the control plane), or one without a zone, or more hints to a zone than that zone should get.
//! * Endpoints that are not ready lose their hints when their slice is written. Upstream intends this, but clears
//!   the hints of a copy of the endpoint.

mod allocate;
mod event;
mod state;
mod zones;

use quaymaster_model::{AddressType, EndpointRecord, Hints, Text};
use smallvec::smallvec;

use self::allocate::{Counts, Transfers};
pub use self::event::{DisabledReason, TopologyEvent};
pub use self::state::HintState;
pub use self::zones::Zones;

/// What is to be done with a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    /// It is new.
    Create,
    /// It is written, whatever its hints are.
    Update,
    /// It is not written, unless its hints must change.
    Unchanged,
}

/// A slice as far as hints are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HintSlice {
    /// What is to be done with it. [`add_hints`] turns `Unchanged` into `Update` where hints changed, and changes
    /// nothing else here.
    pub bucket: Bucket,
    /// Its endpoints, in order. [`add_hints`] changes their hints, and only in slices that are written.
    pub endpoints: Vec<EndpointRecord>,
}

/// Brings the hints of all slices of one Service and one address type into line with the zones' CPU, or removes
/// them all if there can be none, and remembers in `state` which.
///
/// The order of the slices decides which of several equal endpoints is hinted to another zone, and which slices
/// keep the hints they have; a caller that always gives the same order gets hints that stay where they are.
///
/// Returns what is to be told to the Service's owner: at most one event. A refusal is told each time, for as long as
/// it lasts (`k8s.io/endpointslice/topologycache/topologycache.go`, `AddHints`).
pub fn add_hints(
    state: &mut HintState,
    zones: &Zones,
    address_type: &AddressType,
    slices: &mut [HintSlice],
) -> Vec<TopologyEvent> {
    match allot(zones, slices) {
        Ok(counted) => {
            let known = state.is_populated();
            state.remember(address_type.clone(), counted);
            if known {
                Vec::new()
            } else {
                vec![TopologyEvent::Enabled {
                    address_type: address_type.clone(),
                }]
            }
        }
        Err(reason) => {
            state.forget(address_type);
            remove_hints(slices);
            vec![TopologyEvent::Disabled {
                address_type: address_type.clone(),
                reason,
            }]
        }
    }
}

/// Forgets the hints of one address type, for a Service that has no (active) annotation or no such address type any
/// more. The event is to be sent only in the former case; there is one if hints were in place.
///
/// The hints themselves are left to whatever rule holds now.
pub fn forget(state: &mut HintState, address_type: &AddressType) -> Option<TopologyEvent> {
    let populated = state.is_populated();
    state.forget(address_type);
    populated.then(|| TopologyEvent::Disabled {
        address_type: address_type.clone(),
        reason: DisabledReason::NotAskedFor,
    })
}

/// Hints all ready endpoints to a zone, and counts the hints. On an error nothing has been changed.
fn allot(zones: &Zones, slices: &mut [HintSlice]) -> Result<Counts, DisabledReason> {
    let ready = slices
        .iter()
        .flat_map(|slice| &slice.endpoints)
        .filter(|endpoint| is_ready(endpoint))
        .count();
    let allocations = allocate::allocations(zones.ratios(), ready)?;

    // Hints that may stay come first: what they leave to each zone decides about all others.
    let mut counted = Counts::new();
    let mut reviewed = Vec::new();
    for (index, slice) in slices.iter().enumerate() {
        if slice.bucket == Bucket::Unchanged && !allocate::keep(&slice.endpoints, &allocations, &mut counted)
        {
            reviewed.push(index);
        }
    }
    let mut open = written(slices, Bucket::Create);
    open.extend(written(slices, Bucket::Update));
    open.append(&mut reviewed);

    for slice in &open {
        for endpoint in slices[*slice]
            .endpoints
            .iter()
            .filter(|endpoint| is_ready(endpoint))
        {
            let zone = zone_of(endpoint).ok_or(DisabledReason::EndpointWithoutZone)?;
            allocate::count(&mut counted, zone);
        }
    }

    let mut transfers = Transfers::between(&allocations, &counted);
    for index in open {
        let slice = &mut slices[index];
        let mut changed = false;
        for endpoint in slice.endpoints.iter_mut().filter(|endpoint| is_ready(endpoint)) {
            let Some(own) = zone_of(endpoint).cloned() else {
                continue;
            };
            let zone = transfers.next(&own, &mut counted).unwrap_or(own);
            changed |= hint_to(endpoint, zone);
        }
        if slice.bucket == Bucket::Unchanged {
            if !changed {
                continue;
            }
            slice.bucket = Bucket::Update;
        }
        for endpoint in slice.endpoints.iter_mut().filter(|endpoint| !is_ready(endpoint)) {
            endpoint.hints = None;
        }
    }
    Ok(counted)
}

/// Removes all hints, also those of endpoints that are not ready.
fn remove_hints(slices: &mut [HintSlice]) {
    for slice in slices {
        for endpoint in &mut slice.endpoints {
            if endpoint.hints.take().is_some() && slice.bucket == Bucket::Unchanged {
                slice.bucket = Bucket::Update;
            }
        }
    }
}

/// Places of the slices in this bucket.
fn written(slices: &[HintSlice], bucket: Bucket) -> Vec<usize> {
    let places = slices.iter().enumerate();
    places
        .filter(|(_, slice)| slice.bucket == bucket)
        .map(|(index, _)| index)
        .collect()
}

/// Hints the endpoint to this zone and nothing else; whether that changed anything.
fn hint_to(endpoint: &mut EndpointRecord, zone: Text) -> bool {
    let as_wanted = |hints: &Hints| hints.nodes.is_empty() && *hints.zones == [zone.clone()];
    if endpoint.hints.as_deref().is_some_and(as_wanted) {
        return false;
    }
    endpoint.hints = Some(Box::new(Hints {
        zones: smallvec![zone],
        nodes: smallvec![],
    }));
    true
}

/// Only endpoints that say they are ready count; not knowing is not ready.
fn is_ready(endpoint: &EndpointRecord) -> bool {
    endpoint.conditions.ready == Some(true)
}

/// The zone the endpoint is in, if it says so.
fn zone_of(endpoint: &EndpointRecord) -> Option<&Text> {
    endpoint.zone.as_ref().filter(|zone| !zone.is_empty())
}

#[cfg(test)]
mod tests;
