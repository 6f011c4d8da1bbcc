//! The held state of one Service.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use quaymaster_membership::backing;
use quaymaster_membership::trigger::Trigger;
use quaymaster_model::{AddressType, IpFamily, PodRecord, PortSet, Text, Timestamp, Uid};
use smallvec::SmallVec;

use crate::cluster::{Cluster, Context};
use crate::convert;
use crate::groups::{GroupId, Groups, index};
use crate::held::{SliceId, pod_name};
use crate::marks::Marked;
use crate::pending::Pending;
use crate::rebalance::Calm;
use crate::slices::Slices;
use crate::topology::HintState;

/// Both families, in the order in which they are worked on.
pub(crate) const FAMILIES: [IpFamily; 2] = [IpFamily::V4, IpFamily::V6];

/// How soon a change should be written: what takes traffic away from Pods that cannot serve it goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Something else: a repair, a label.
    Low,
    /// A Pod came, or became ready.
    Normal,
    /// A Pod went, or is no longer ready.
    Urgent,
}

/// Which Pods a Service publishes, in which slices they stand, and what of it is to be written.
///
/// One value lives as long as a Service's UID. It changes by the methods here alone, each at a cost that follows the
/// change: a Pod, a slice, and only for a changed Service all of it.
#[derive(Debug)]
pub struct ServiceSlices {
    // Each step reads most of this, and several change it. What is kept twice is changed in one place: what slices hold,
    // with all indexes, by `change`; their writes, with their lists, by `Pending`; their marks, with theirs, by
    // `set_mark`.
    pub(crate) uid: Uid,
    pub(crate) slices: Slices,
    pub(crate) by_name: HashMap<Text, SliceId>,
    pub(crate) groups: Groups,
    /// The group without ports, which a slice without endpoints has: always there.
    pub(crate) portless: GroupId,
    pub(crate) pods: HashMap<Text, PodPlace>,
    pub(crate) families: [FamilyState; 2],
    /// Slices of address types that no Service has: only ever deleted.
    pub(crate) other_types: Marked,
    pub(crate) pending: Pending,
    pub(crate) trigger: Trigger,
    pub(crate) last_write: u64,
    /// Number of times that writes were planned.
    pub(crate) round: u64,
    /// How often a create found a name taken by an object which has not been observed yet.
    pub(crate) taken_names: HashMap<Text, u32>,
    /// A create was refused because the namespace is being deleted; none is tried again.
    pub(crate) namespace_terminating: bool,
    pub(crate) hints: HintState,
    pub(crate) calm: Calm,
    /// The last plan had nothing to write and nothing to wait for, and nothing changed since.
    pub(crate) idle: bool,
    pods_without_node: usize,
}

/// Where one Pod belongs, and where it stands.
#[derive(Debug, Default)]
pub(crate) struct PodPlace {
    /// Group of its ports; none for a Pod that is no endpoint (any more).
    pub(crate) group: Option<GroupId>,
    /// Left out because its Node is not known.
    pub(crate) skipped: bool,
    /// Slices whose content names the Pod, once for each endpoint.
    pub(crate) at: SmallVec<[SliceId; 2]>,
}

impl PodPlace {
    /// Whether the Pod is to stand in slices, of those families that it has addresses of.
    pub(crate) fn is_wanted(&self) -> bool {
        self.group.is_some() && !self.skipped
    }

    fn is_unused(&self) -> bool {
        self.group.is_none() && self.at.is_empty()
    }

    /// Whether the Pod is to stand in a slice of this family and stands in none as it should.
    fn lacks_slice<C>(&self, slices: &Slices, cx: Context<'_, C>, pod: &PodRecord, family: IpFamily) -> bool {
        let addresses = convert::addresses(pod, family);
        if !self.is_wanted() || addresses.is_empty() {
            return false;
        }
        let hostname = backing::hostname(cx.service, pod);
        !self.at.iter().any(|id| {
            let held = &slices[*id];
            held.family == Some(family)
                && held.content().is_some_and(|content| {
                    Some(content.group) == self.group
                        && content.endpoints().iter().any(|endpoint| {
                            pod_name(endpoint, &cx.service.key.namespace) == Some(&pod.key.name)
                                && endpoint.addresses == addresses
                                && endpoint.hostname.as_ref() == hostname
                        })
                })
        })
    }
}

/// What is to be done in one family.
#[derive(Debug, Default)]
pub(crate) struct FamilyState {
    /// The Service has this family.
    pub(crate) supported: bool,
    pub(crate) marked: Marked,
    /// Pods that belong into a slice and stand in none; sorted, so that two writers decide alike.
    pub(crate) unplaced: BTreeSet<Text>,
    /// Slices that count.
    pub(crate) live: usize,
}

/// Totals for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Endpoints in slices, counting writes in flight as done, of all families.
    pub endpoints: usize,
    /// Slices.
    pub slices: usize,
    /// Fewest slices that could hold these endpoints; at least 1.
    pub desired_slices: usize,
    /// Pods that are left out because their Node is not known.
    pub pods_without_node: usize,
    /// Slices that would go if sparse ones were merged ([`Settings::rebalance_after`]), at most: those that carry what
    /// others put on them count as well, and stay.
    ///
    /// [`Settings::rebalance_after`]: crate::Settings::rebalance_after
    pub spare_slices: usize,
}

impl ServiceSlices {
    /// The state of a Service of which nothing is observed yet. [`Self::refresh`] and [`Self::slice_seen`] fill it.
    pub fn new(uid: Uid, created: Option<Timestamp>) -> Self {
        let mut groups = Groups::default();
        let portless = groups.refer(&PortSet::default());
        Self {
            uid,
            slices: Slices::default(),
            by_name: HashMap::new(),
            groups,
            portless,
            pods: HashMap::new(),
            families: [FamilyState::default(), FamilyState::default()],
            other_types: Marked::default(),
            pending: Pending::default(),
            trigger: Trigger::of_service(created),
            last_write: 0,
            round: 0,
            taken_names: HashMap::new(),
            namespace_terminating: false,
            hints: HintState::default(),
            calm: Calm::default(),
            idle: false,
            pods_without_node: 0,
        }
    }

    /// Numbers writes from `first` on. A later state of a Service of the same name must not take the answer to a write
    /// of an earlier one for its own.
    #[must_use]
    pub fn numbered_from(mut self, first: u64) -> Self {
        self.last_write = first;
        self
    }

    /// The Service changed, or is seen for the first time: everything is looked at again. The cost follows the number
    /// of its Pods and slices.
    pub fn refresh<C: Cluster>(&mut self, cx: Context<'_, C>) {
        self.namespace_terminating = false;
        self.withdraw_all(cx);
        for family in FAMILIES {
            let supported = cx.service.slice_families().contains(&family);
            self.families[index(family)].supported = supported;
        }
        let mut pods: BTreeMap<Text, Option<&PodRecord>> =
            self.pods.keys().map(|name| (name.clone(), None)).collect();
        pods.extend(cx.cluster.members().map(|pod| (pod.key.name.clone(), Some(pod))));
        for (name, pod) in pods {
            self.reassess(cx, &name, pod);
        }
        self.look_again();
    }

    /// What was decided and not sent yet is taken back: another process may have written since. Returns whether there was
    /// something.
    pub fn take_back<C: Cluster>(&mut self, cx: Context<'_, C>) -> bool {
        self.calm.disturb();
        let some = !self.pending.all_sent();
        self.withdraw_all(cx);
        some
    }

    /// A Pod came, changed, went, began or ceased to match the selector, or its Node came, changed or went. `pod` is the
    /// Pod of this name as [`Cluster::member`] has it now: none if the selector does not match it (any more).
    /// `trigger` is the time of the change, where the change is one of readiness.
    pub fn pod_changed<C: Cluster>(
        &mut self,
        cx: Context<'_, C>,
        name: &Text,
        pod: Option<&PodRecord>,
        trigger: Option<Timestamp>,
    ) -> Urgency {
        self.trigger.add(trigger);
        let stands = self.reassess(cx, name, pod);
        let serves = pod.is_some_and(|pod| pod.flags.ready && !pod.flags.terminating && !pod.flags.finished);
        if stands && !serves {
            Urgency::Urgent
        } else {
            Urgency::Normal
        }
    }

    /// All slices are to be looked at again, for instance because the shares of the zones changed.
    pub fn look_again(&mut self) {
        self.idle = false;
        let all: Vec<SliceId> = self.slices.iter().map(|(id, _)| id).collect();
        for id in all {
            self.mark(id);
        }
    }

    /// Whether there may be something to write. False means that nothing is to be done until the next change or answer,
    /// either because all is as it should be or because the last plan could do nothing about it.
    pub fn has_work(&self) -> bool {
        !self.idle
            && (!self.other_types.leaving.is_empty()
                || !self.pending.all_sent()
                || FAMILIES.into_iter().any(|family| self.family_has_work(family)))
    }

    fn family_has_work(&self, family: IpFamily) -> bool {
        let state = &self.families[index(family)];
        let portless = self.groups.get(self.portless);
        let spare_placeholder =
            state.live > 1 && portless.eligible == 0 && !portless.by_length(family).is_empty();
        !state.marked.dirty.is_empty()
            || !state.marked.leaving.is_empty()
            || !state.unplaced.is_empty()
            || state.supported != (state.live > 0)
            || spare_placeholder
    }

    /// Number of writes in flight.
    pub fn in_flight(&self) -> usize {
        self.pending.in_flight()
    }

    /// Whether what was observed of the slices is all that is known of them. If not, a write is in flight, or one failed
    /// and may have been carried out: a state built anew would rely on slices that this one does not rely on. The cost
    /// follows the number of slices.
    pub fn is_as_observed(&self) -> bool {
        self.in_flight() == 0 && !self.slices.iter().any(|(_, held)| held.uncertain)
    }

    /// Totals for metrics. The cost follows the number of different lists of ports.
    pub fn summary<C>(&self, cx: Context<'_, C>) -> Summary {
        let max_endpoints = cx.settings.max_endpoints.max(1);
        let mut summary = Summary {
            pods_without_node: self.pods_without_node,
            spare_slices: self.spare(cx),
            ..Summary::default()
        };
        for group in self.groups.iter() {
            for family in FAMILIES {
                let endpoints = group.endpoints(family);
                summary.endpoints += endpoints;
                summary.slices += group.by_length(family).len();
                summary.desired_slices += endpoints.div_ceil(max_endpoints);
            }
        }
        summary.desired_slices = summary.desired_slices.max(1);
        summary
    }

    /// What is remembered of topology hints.
    pub fn hint_state(&self) -> &HintState {
        &self.hints
    }

    /// Finds out anew in which group the Pod, if the selector matches it, belongs and whether it lacks a slice, and marks
    /// what that changes. Which slice it gets is chosen by [`Self::plan`] alone. Returns whether it stands in one.
    fn reassess<C: Cluster>(&mut self, cx: Context<'_, C>, name: &Text, member: Option<&PodRecord>) -> bool {
        self.idle = false;
        let at = self.pods.get(name).map(|place| place.at.clone());
        for id in at.into_iter().flatten() {
            self.touch(cx, id);
        }
        let pod = member.filter(|pod| backing::backs(pod, true));
        let skipped = pod.is_some_and(|pod| {
            let node = pod.node.as_ref().and_then(|node| cx.cluster.node(node));
            convert::lacks_node(cx.service, node)
        });
        let group = pod.map(|pod| self.groups.join(&convert::ports(cx.service, pod)));
        // Not before: writes that were taken back above may have been those by which it stood somewhere.
        let place = self.pods.entry(name.clone()).or_default();
        let old_group = std::mem::replace(&mut place.group, group);
        let old_skipped = std::mem::replace(&mut place.skipped, skipped);
        let lacks_slice = FAMILIES.map(|family| {
            self.families[index(family)].supported
                && member.is_some_and(|pod| place.lacks_slice(&self.slices, cx, pod, family))
        });
        let stands = !place.at.is_empty();
        if place.is_unused() {
            self.pods.remove(name);
        }
        self.pods_without_node = self.pods_without_node + usize::from(skipped) - usize::from(old_skipped);
        if let Some(old) = old_group {
            let kept = self.groups.leave(old);
            if kept && self.groups.get(old).eligible == 0 {
                // The group is not wanted any more: its slices go.
                self.mark_group(old);
            }
        }
        if let Some(new) = group.filter(|new| old_group != Some(*new))
            && self.groups.get(new).eligible == 1
        {
            // The group is wanted again: slices that were about to go stay.
            self.mark_group(new);
        }
        for family in FAMILIES {
            self.note_unplaced(name, family, lacks_slice[index(family)]);
        }
        stands
    }

    fn mark_group(&mut self, id: GroupId) {
        let group = self.groups.get(id);
        let slices: Vec<SliceId> = FAMILIES
            .into_iter()
            .flat_map(|family| group.by_length(family).iter().map(|(_, slice)| *slice))
            .collect();
        for slice in slices {
            self.mark(slice);
        }
    }

    /// Finds out anew whether a Pod lacks a slice.
    pub(crate) fn recheck<C: Cluster>(&mut self, cx: Context<'_, C>, name: &Text, family: IpFamily) {
        let lacks_slice = self.families[index(family)].supported
            && self.pods.get(name).is_some_and(|place| {
                place.is_wanted()
                    && cx
                        .cluster
                        .member(name)
                        .is_some_and(|pod| place.lacks_slice(&self.slices, cx, pod, family))
            });
        self.note_unplaced(name, family, lacks_slice);
    }

    fn note_unplaced(&mut self, name: &Text, family: IpFamily, lacks_slice: bool) {
        let unplaced = &mut self.families[index(family)].unplaced;
        if lacks_slice {
            unplaced.insert(name.clone());
        } else {
            unplaced.remove(name);
        }
    }

    pub(crate) fn forget_if_unused(&mut self, name: &Text) {
        if self.pods.get(name).is_some_and(PodPlace::is_unused) {
            self.pods.remove(name);
        }
    }

    pub(crate) fn address_type(family: IpFamily) -> AddressType {
        family.address_type()
    }
}
