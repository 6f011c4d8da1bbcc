//! Steps 2 and 3 of the fill algorithm: where endpoints that stand in no slice go.

use std::collections::BTreeSet;

use quaymaster_model::{EndpointRecord, IpFamily};

use crate::groups::GroupId;
use crate::held::SliceId;
use crate::state::ServiceSlices;

/// A slice of the group that is rewritten anyway.
#[derive(Debug)]
pub(crate) struct Updating {
    pub(crate) id: SliceId,
    pub(crate) endpoints: Vec<EndpointRecord>,
}

/// Where the endpoints of one group go.
#[derive(Debug, Default)]
pub(crate) struct Filled {
    /// A slice that was not to be rewritten takes all that remained; it stood at `endpoints.len() - n`.
    pub(crate) top_up: Option<(SliceId, Vec<EndpointRecord>)>,
    /// New slices, full ones first.
    pub(crate) new: Vec<Vec<EndpointRecord>>,
    /// What remains fits best into a slice with a write in flight, and waits for its answer.
    pub(crate) waits: bool,
}

impl ServiceSlices {
    /// Places `remaining` into slices of the group: first into those that are rewritten anyway, the fullest first, up
    /// to `max`; then, if it all fits into one slice that is not, into the one that it leaves fullest; otherwise into
    /// new slices. One creation is preferred to spreading over two updates
    /// (`k8s.io/endpointslice/reconciler.go`, `reconcileByPortMapping`).
    ///
    /// `gone` are the slices that are deleted.
    pub(crate) fn fill(
        &self,
        family: IpFamily,
        group: GroupId,
        mut remaining: Vec<EndpointRecord>,
        updating: &mut [Updating],
        gone: impl Fn(SliceId) -> bool,
        max: usize,
    ) -> Filled {
        // Taken from the back.
        remaining.reverse();
        let mut order: Vec<usize> = (0..updating.len()).collect();
        order.sort_by(|a, b| {
            let (a, b) = (&updating[*a], &updating[*b]);
            b.endpoints
                .len()
                .cmp(&a.endpoints.len())
                .then_with(|| self.slices[a.id].name.cmp(&self.slices[b.id].name))
        });
        for at in order {
            let slice = &mut updating[at];
            take(&mut remaining, &mut slice.endpoints, max);
        }
        let mut filled = Filled::default();
        if remaining.is_empty() {
            return filled;
        }
        let updated: BTreeSet<SliceId> = updating.iter().map(|slice| slice.id).collect();
        loop {
            if remaining.len() < max {
                let fits = self
                    .groups
                    .get(group)
                    .by_length(family)
                    .range(..=(max - remaining.len(), SliceId(usize::MAX)))
                    .rev()
                    .map(|(_, id)| *id)
                    .find(|id| !updated.contains(id) && !gone(*id));
                if let Some(id) = fits {
                    let held = &self.slices[id];
                    if held.in_flight.is_some() {
                        filled.waits = true;
                    } else {
                        let mut endpoints: Vec<EndpointRecord> = held
                            .content()
                            .map(|content| content.endpoints().to_vec())
                            .unwrap_or_default();
                        remaining.reverse();
                        endpoints.append(&mut remaining);
                        filled.top_up = Some((id, endpoints));
                    }
                    return filled;
                }
            }
            let mut slice = Vec::with_capacity(remaining.len().min(max));
            take(&mut remaining, &mut slice, max);
            filled.new.push(slice);
            if remaining.is_empty() {
                return filled;
            }
        }
    }
}

fn take(from: &mut Vec<EndpointRecord>, into: &mut Vec<EndpointRecord>, max: usize) {
    let count = max.saturating_sub(into.len()).min(from.len());
    into.extend(from.drain(from.len() - count..).rev());
}
