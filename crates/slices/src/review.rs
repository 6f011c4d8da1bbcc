//! What an observed slice should hold instead: step 1 of the fill algorithm, for one slice.

use std::collections::{BTreeSet, HashSet};

use quaymaster_model::{EndpointRecord, IpFamily, SliceRecord, Text};

use crate::cluster::{Cluster, Context};
use crate::convert::{self, HintMode, differs, hints_differ, same_identity, same_pod_and_address};
use crate::groups::{GroupId, index};
use crate::held::{SliceId, pod_name};
use crate::state::{PodPlace, ServiceSlices};

/// What became of the endpoints of a slice.
#[derive(Debug)]
pub(crate) struct Review {
    /// The endpoints that stay, as they should be, in the order in which they stood.
    pub(crate) kept: Vec<EndpointRecord>,
    /// An endpoint goes or must be rewritten, hints apart.
    pub(crate) changed: bool,
    /// The hints of an endpoint must be rewritten.
    pub(crate) hints_changed: bool,
    /// Endpoints that go.
    pub(crate) dropped: usize,
    /// Endpoints that are to go, but stay until their Pod is seen in its new place.
    pub(crate) retained: usize,
    /// Traffic is taken away from a Pod.
    pub(crate) urgent: bool,
}

impl Review {
    /// An observed endpoint stays, as it should be.
    fn keep(&mut self, desired: EndpointRecord, observed: &EndpointRecord, mode: HintMode) {
        if differs(&desired, observed) || !same_identity(&desired, observed) {
            self.changed = true;
            self.urgent |= is_ready(observed) && !is_ready(&desired);
        }
        self.hints_changed |= hints_differ(&desired, observed, mode);
        self.kept.push(desired);
    }
}

fn is_ready(endpoint: &EndpointRecord) -> bool {
    endpoint.conditions.ready == Some(true)
}

impl ServiceSlices {
    /// Looks at an observed slice of a wanted group. The cost follows the length of the slice.
    ///
    /// `renamed` collects the Pods that get their place by this: an endpoint of theirs takes another hostname.
    pub(crate) fn review<C: Cluster>(
        &self,
        cx: Context<'_, C>,
        id: SliceId,
        (slice, group): (&SliceRecord, GroupId),
        family: IpFamily,
        mode: HintMode,
        renamed: &mut BTreeSet<Text>,
    ) -> Review {
        let mut review = Review {
            kept: Vec::with_capacity(slice.endpoints.len()),
            changed: false,
            hints_changed: false,
            dropped: 0,
            retained: 0,
            urgent: false,
        };
        let mut retained = Vec::new();
        for (position, observed) in slice.endpoints.iter().enumerate() {
            let same = self.same_endpoint(cx, observed, group, family, mode);
            let is_in_place = same
                .as_ref()
                .is_some_and(|desired| self.is_in_place(id, slice, group, position, family, desired));
            let (desired, elsewhere) = if is_in_place {
                (same, None)
            } else {
                (self.renamed(cx, observed, group, family, mode, renamed), same)
            };
            if let Some(desired) = desired {
                review.keep(desired, observed, mode);
            } else if self.may_drop(cx, id, observed, family) {
                review.changed = true;
                review.dropped += 1;
                review.urgent |= is_ready(observed);
            } else {
                retained.push(review.kept.len());
                match elsewhere {
                    // Until it is seen elsewhere, this is what consumers know of the Pod.
                    Some(desired) => review.keep(desired, observed, mode),
                    None => review.kept.push(observed.clone()),
                }
            }
        }
        // What stays only for its Pod's sake may go if the slice has the Pod a second time.
        for at in retained.into_iter().rev() {
            let repeated = (0..review.kept.len())
                .any(|other| other != at && same_pod_and_address(&review.kept[at], &review.kept[other]));
            if repeated {
                review.kept.remove(at);
                review.changed = true;
                review.dropped += 1;
            } else {
                review.retained += 1;
            }
        }
        review
    }

    /// What becomes of an endpoint whose Pod is to be published at the same address, by the same ports, but under
    /// another hostname: it is replaced where it stands, as the Pod must not be absent in between.
    fn renamed<C: Cluster>(
        &self,
        cx: Context<'_, C>,
        observed: &EndpointRecord,
        group: GroupId,
        family: IpFamily,
        mode: HintMode,
        renamed: &mut BTreeSet<Text>,
    ) -> Option<EndpointRecord> {
        let name = pod_name(observed, &cx.service.key.namespace)?;
        let place = self.pods.get(name).filter(|place| place.group == Some(group))?;
        if !self.families[index(family)].unplaced.contains(name) {
            return None;
        }
        let desired = Self::desired(cx, place, name, family, mode)?;
        (desired.addresses == observed.addresses && renamed.insert(name.clone())).then_some(desired)
    }

    /// What an observed endpoint should be, in whichever slices of the group; none if it should be in none.
    fn same_endpoint<C: Cluster>(
        &self,
        cx: Context<'_, C>,
        observed: &EndpointRecord,
        group: GroupId,
        family: IpFamily,
        mode: HintMode,
    ) -> Option<EndpointRecord> {
        let name = pod_name(observed, &cx.service.key.namespace)?;
        let place = self.pods.get(name).filter(|place| place.group == Some(group))?;
        let desired = Self::desired(cx, place, name, family, mode)?;
        same_identity(&desired, observed).then_some(desired)
    }

    /// Whether an endpoint should stand at this position of a slice. Of the same endpoint in two places only one stays.
    fn is_in_place(
        &self,
        id: SliceId,
        slice: &SliceRecord,
        group: GroupId,
        position: usize,
        family: IpFamily,
        endpoint: &EndpointRecord,
    ) -> bool {
        let name = endpoint.target.as_ref().map(|target| &target.name);
        let Some(place) = name.and_then(|name| self.pods.get(name)) else {
            return false;
        };
        place.at.len() <= 1 || {
            let repeated = slice.endpoints[..position]
                .iter()
                .any(|earlier| same_identity(earlier, endpoint));
            !repeated && self.keeper(place, group, family, endpoint) == Some(id)
        }
    }

    /// The endpoint of a Pod, if it should have one in this family.
    pub(crate) fn desired<C: Cluster>(
        cx: Context<'_, C>,
        place: &PodPlace,
        name: &Text,
        family: IpFamily,
        mode: HintMode,
    ) -> Option<EndpointRecord> {
        if !place.is_wanted() {
            return None;
        }
        let pod = cx.cluster.member(name)?;
        let node = pod.node.as_ref().and_then(|node| cx.cluster.node(node));
        convert::endpoint(cx.service, pod, node, family, mode)
    }

    /// Of several slices that hold the same endpoint, the one that keeps it. Upstream takes the one it happens to list
    /// first; by name, all our replicas take the same.
    fn keeper(
        &self,
        place: &PodPlace,
        group: GroupId,
        family: IpFamily,
        endpoint: &EndpointRecord,
    ) -> Option<SliceId> {
        place
            .at
            .iter()
            .filter(|id| {
                let held = &self.slices[**id];
                held.family == Some(family)
                    && held.content().is_some_and(|content| {
                        content.group == group
                            && content
                                .endpoints()
                                .iter()
                                .any(|other| same_identity(other, endpoint))
                    })
            })
            .min_by(|a, b| self.slices[**a].name.cmp(&self.slices[**b].name))
            .copied()
    }

    /// Whether an endpoint may leave this slice now. A Pod that is to be published at this address must be seen in
    /// another slice first, and as ready there if it is: consumers take the union of all slices, and it must never be absent
    /// from it.
    pub(crate) fn may_drop<C: Cluster>(
        &self,
        cx: Context<'_, C>,
        id: SliceId,
        endpoint: &EndpointRecord,
        family: IpFamily,
    ) -> bool {
        if cx.service.terminating {
            // Where nothing is created any more, to wait for it would be for ever: at once, as upstream.
            return true;
        }
        let Some(name) = pod_name(endpoint, &cx.service.key.namespace) else {
            return true;
        };
        let Some(place) = self.pods.get(name) else {
            return true;
        };
        let Some(desired) = Self::desired(cx, place, name, family, HintMode::Off) else {
            return true;
        };
        if desired.addresses != endpoint.addresses {
            // The Pod is not at this address any more.
            return true;
        }
        place.at.iter().any(|other| {
            let held = &self.slices[*other];
            *other != id
                && held.family == Some(family)
                && held.confirmed().is_some_and(|(endpoints, group)| {
                    // What was left there from before may say that the Pod is not ready, until it is written. What a policy
                    // makes of it will not become another by waiting.
                    let serves = |seen: &EndpointRecord| {
                        let is_ready = |endpoint: &EndpointRecord| endpoint.conditions.ready == Some(true);
                        is_ready(seen) || !is_ready(&desired) || held.stays_altered()
                    };
                    let mut seen = endpoints.iter().filter(|seen| same_identity(seen, &desired));
                    Some(group) == place.group && seen.any(serves)
                })
        })
    }

    /// Whether every endpoint of an observed slice may leave it.
    pub(crate) fn may_drop_all<C: Cluster>(&self, cx: Context<'_, C>, id: SliceId, family: IpFamily) -> bool {
        self.may_not_drop(cx, id, family, &[]).is_empty()
    }

    /// The Pods that may not leave an observed slice yet, but for those that `staying` names.
    pub(crate) fn may_not_drop<C: Cluster>(
        &self,
        cx: Context<'_, C>,
        id: SliceId,
        family: IpFamily,
        staying: &[EndpointRecord],
    ) -> HashSet<Text> {
        let target = |endpoint: &EndpointRecord| endpoint.target.as_ref().map(|target| target.name.clone());
        let Some((slice, _)) = self.slices[id].observed.as_ref() else {
            return HashSet::new();
        };
        let staying: HashSet<Text> = staying.iter().filter_map(target).collect();
        slice
            .endpoints
            .iter()
            .filter(|endpoint| !self.may_drop(cx, id, endpoint, family))
            .filter_map(target)
            .filter(|name| !staying.contains(name))
            .collect()
    }
}
