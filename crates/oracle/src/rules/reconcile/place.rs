//! Which endpoint goes into which slice of its group (`reconcileByPortMapping` in `k8s.io/endpointslice`).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};

use crate::rules::desired::Identity;
use crate::rules::slices::{
    differs_beyond_identity, endpoints, identity, labels_differ, name, wanted_labels,
};

/// Slices of one group to be written.
#[derive(Debug, Default)]
pub(super) struct Placed {
    pub(super) create: Vec<EndpointSlice>,
    pub(super) update: Vec<EndpointSlice>,
    pub(super) delete: Vec<EndpointSlice>,
}

/// Places the desired endpoints of a group into its slices.
///
/// Upstream takes endpoints, and slices that are equally good, in any order; here both go by name.
pub(super) fn place(
    service: &Service,
    existing: Vec<EndpointSlice>,
    mut desired: BTreeMap<Identity, Endpoint>,
    new_slice: impl Fn() -> EndpointSlice,
    max: usize,
) -> Placed {
    let mut placed = Placed::default();
    let mut unchanged: Vec<EndpointSlice> = Vec::new();

    // 1. Keep, refresh, drop.
    for slice in existing {
        let mut kept = Vec::new();
        let mut refreshed = false;
        for endpoint in endpoints(&slice) {
            // Taking it out makes a second occurrence, here or in another slice, an undesired one.
            if let Some(wanted) = desired.remove(&identity(endpoint)) {
                refreshed |= differs_beyond_identity(&wanted, endpoint);
                kept.push(wanted);
            }
        }
        let dropped = kept.len() != endpoints(&slice).len();
        if (refreshed || dropped) && kept.is_empty() {
            placed.delete.push(slice);
        } else if refreshed || dropped {
            placed.update.push(with_labels(
                service,
                EndpointSlice {
                    endpoints: Some(kept),
                    ..slice
                },
            ));
        } else if labels_differ(&slice, service) {
            // The endpoints stay as they are, hints included.
            placed.update.push(with_labels(service, slice));
        } else {
            unchanged.push(slice);
        }
    }
    unchanged.sort_by_key(name);
    placed.delete.sort_by_key(name);

    // 2. Fill slices that are written anyway, the fullest first.
    placed
        .update
        .sort_by_key(|slice| (std::cmp::Reverse(endpoints(slice).len()), name(slice)));
    for slice in &mut placed.update {
        fill(slice, &mut desired, max);
    }

    // 3. All that is left goes into one unchanged slice if it fits, else into new ones.
    while !desired.is_empty() {
        let best = if desired.len() < max {
            best_fit(&unchanged, desired.len(), max)
        } else {
            None
        };
        if let Some(index) = best {
            let mut slice = unchanged.remove(index);
            fill(&mut slice, &mut desired, max);
            placed.update.push(slice);
        } else {
            let mut slice = new_slice();
            fill(&mut slice, &mut desired, max);
            placed.create.push(slice);
        }
    }
    placed
}

fn with_labels(service: &Service, mut slice: EndpointSlice) -> EndpointSlice {
    slice.metadata.labels = Some(wanted_labels(service));
    slice
}

fn fill(slice: &mut EndpointSlice, desired: &mut BTreeMap<Identity, Endpoint>, max: usize) {
    let endpoints = slice.endpoints.get_or_insert_default();
    while endpoints.len() < max {
        let Some((_, endpoint)) = desired.pop_first() else {
            return;
        };
        endpoints.push(endpoint);
    }
}

/// The slice that has the least room left once `count` endpoints are in it.
fn best_fit(slices: &[EndpointSlice], count: usize, max: usize) -> Option<usize> {
    slices
        .iter()
        .enumerate()
        .filter(|(_, slice)| endpoints(slice).len() + count <= max)
        .min_by_key(|(_, slice)| max - count - endpoints(slice).len())
        .map(|(index, _)| index)
}
