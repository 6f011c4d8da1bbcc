//! Slices that would be deleted are rewritten into slices that would be created
//! (`k8s.io/endpointslice/reconciler.go`, `finalize`).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use quaymaster_model::{EndpointRecord, IpFamily, Text};

use crate::cluster::{Cluster, Context};
use crate::groups::GroupId;
use crate::held::SliceId;
use crate::state::ServiceSlices;

/// A slice to be created, perhaps by rewriting one that would be deleted.
#[derive(Debug)]
pub(crate) struct NewSlice {
    pub(crate) group: GroupId,
    pub(crate) endpoints: Vec<EndpointRecord>,
    pub(crate) recycles: Option<SliceId>,
}

impl ServiceSlices {
    /// Gives each new slice, as far as they go, one that would be deleted, and takes that from `deletes`.
    ///
    /// A recycled slice is refilled first with the Pods it held, so that they are never absent from it; of the others
    /// it takes first those that no recycled slice holds. How many endpoints each new slice has stays as it was.
    pub(crate) fn recycle(&self, new: Vec<NewSlice>, deletes: &mut BTreeSet<SliceId>) -> Vec<NewSlice> {
        if deletes.is_empty() || new.is_empty() {
            return new;
        }
        let mut groups: Vec<(GroupId, Vec<usize>, Vec<EndpointRecord>)> = Vec::new();
        for slice in new {
            let length = slice.endpoints.len();
            match groups.iter_mut().find(|(group, ..)| *group == slice.group) {
                Some((_, lengths, endpoints)) => {
                    lengths.push(length);
                    endpoints.extend(slice.endpoints);
                }
                None => groups.push((slice.group, vec![length], slice.endpoints)),
            }
        }
        let mut result = Vec::new();
        for (group, lengths, endpoints) in groups {
            let recycled = self.best_to_recycle(&endpoints, lengths.len(), deletes);
            result.extend(self.distribute(group, &lengths, endpoints, &recycled));
        }
        result
    }

    /// The slices that already hold most of these endpoints' Pods.
    fn best_to_recycle(
        &self,
        endpoints: &[EndpointRecord],
        count: usize,
        deletes: &mut BTreeSet<SliceId>,
    ) -> Vec<SliceId> {
        let wanted: HashSet<&Text> = endpoints.iter().filter_map(target).collect();
        let mut candidates: Vec<(usize, SliceId)> = deletes
            .iter()
            .map(|id| {
                (
                    self.held_pods(*id).filter(|name| wanted.contains(name)).count(),
                    *id,
                )
            })
            .collect();
        candidates.sort_by(|a, b| {
            b.0.cmp(&a.0)
                .then_with(|| self.slices[a.1].name.cmp(&self.slices[b.1].name))
        });
        let chosen: Vec<SliceId> = candidates.into_iter().take(count).map(|(_, id)| id).collect();
        for id in &chosen {
            deletes.remove(id);
        }
        chosen
    }

    fn distribute(
        &self,
        group: GroupId,
        lengths: &[usize],
        endpoints: Vec<EndpointRecord>,
        recycled: &[SliceId],
    ) -> Vec<NewSlice> {
        let holder: HashMap<Text, usize> = recycled
            .iter()
            .enumerate()
            .flat_map(|(at, id)| self.held_pods(*id).map(move |name| (name, at)))
            .collect();
        let mut own: Vec<Vec<EndpointRecord>> = vec![Vec::new(); recycled.len()];
        let mut others = Vec::new();
        for endpoint in endpoints {
            match target(&endpoint).and_then(|name| holder.get(name)) {
                Some(at) => own[*at].push(endpoint),
                None => others.push(endpoint),
            }
        }
        let mut slices = Vec::with_capacity(lengths.len());
        for (at, length) in lengths.iter().enumerate() {
            let mut endpoints = Vec::with_capacity(*length);
            if let Some(own) = own.get_mut(at) {
                endpoints.extend(own.drain(..own.len().min(*length)));
            }
            endpoints.extend(others.drain(..others.len().min(length - endpoints.len())));
            // Only now Pods that a later recycled slice holds: it waits until they are seen here.
            for later in own.iter_mut().rev() {
                let count = later.len().min(length - endpoints.len());
                endpoints.extend(later.drain(later.len() - count..));
            }
            slices.push(NewSlice {
                group,
                endpoints,
                recycles: recycled.get(at).copied(),
            });
        }
        slices
    }

    /// Which of the new slices cannot be written yet, by position: they are to be written over slices that hold Pods
    /// which another slice must take first.
    ///
    /// Two slices may each wait for the other, where Pods of several groups stand mixed in the slices that go. Then one
    /// of them is created instead, and what it was to recycle goes back to `deletes`.
    pub(crate) fn waiting<C: Cluster>(
        &self,
        cx: Context<'_, C>,
        family: IpFamily,
        new: &mut [NewSlice],
        deletes: &mut BTreeSet<SliceId>,
    ) -> BTreeSet<usize> {
        let mut waits_for: BTreeMap<usize, HashSet<Text>> = BTreeMap::new();
        for (at, slice) in new.iter_mut().enumerate() {
            let Some(id) = slice.recycles else { continue };
            let first = self.may_not_drop(cx, id, family, &slice.endpoints);
            if first.iter().any(|name| self.is_withheld(name, id)) {
                deletes.extend(slice.recycles.take());
            } else if !first.is_empty() {
                waits_for.insert(at, first);
            }
        }
        let mut waiting: BTreeSet<usize> = waits_for.keys().copied().collect();
        for at in stuck(&waits_for, new) {
            deletes.extend(new[at].recycles.take());
            waiting.remove(&at);
        }
        waiting
    }

    /// Whether the Pod was sent to another slice and not stored there, so that to wait for it would be for ever.
    fn is_withheld(&self, name: &Text, from: SliceId) -> bool {
        self.pods.get(name).is_some_and(|place| {
            let mut others = place.at.iter().filter(|id| **id != from);
            others.any(|id| self.slices[*id].stays_altered())
        })
    }

    fn held_pods(&self, id: SliceId) -> impl Iterator<Item = Text> + use<'_> {
        let observed = self.slices[id].observed.as_ref().map(|(slice, _)| slice);
        observed
            .into_iter()
            .flat_map(|slice| slice.endpoints.iter().filter_map(target).cloned())
    }
}

/// Of the slices that wait for others to take Pods of theirs, those that must not so that none waits for ever: the first
/// of each circle.
fn stuck(waits_for: &BTreeMap<usize, HashSet<Text>>, new: &[NewSlice]) -> Vec<usize> {
    let taken_by: HashMap<&Text, usize> = waits_for
        .keys()
        .flat_map(|at| {
            new[*at]
                .endpoints
                .iter()
                .filter_map(|it| Some((target(it)?, *at)))
        })
        .collect();
    // For each slice that waits, how many of its Pods are taken by one that waits itself; and the other way round.
    let mut missing: BTreeMap<usize, usize> = BTreeMap::new();
    let mut waiters: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, names) in waits_for {
        let takers: Vec<usize> = names
            .iter()
            .filter_map(|name| taken_by.get(name).copied())
            .collect();
        missing.insert(*at, takers.len());
        for taker in takers {
            waiters.entry(taker).or_default().push(*at);
        }
    }
    let mut free: Vec<usize> = Vec::new();
    free.extend(
        missing
            .iter()
            .filter(|(_, count)| **count == 0)
            .map(|(at, _)| *at),
    );
    let mut stuck = Vec::new();
    loop {
        let next = free.pop().or_else(|| {
            let first = missing.keys().next().copied()?;
            stuck.push(first);
            Some(first)
        });
        let Some(next) = next else { return stuck };
        missing.remove(&next);
        for waiter in waiters.remove(&next).into_iter().flatten() {
            if let Some(count) = missing.get_mut(&waiter) {
                *count -= 1;
                if *count == 0 {
                    free.push(waiter);
                }
            }
        }
    }
}

fn target(endpoint: &EndpointRecord) -> Option<&Text> {
    endpoint.target.as_ref().map(|target| &target.name)
}
