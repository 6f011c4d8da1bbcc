//! What is observed, issued and answered changes what slices hold; the indexes follow.

use std::collections::BTreeSet;
use std::sync::Arc;

use quaymaster_model::{AddressType, IpFamily, ResourceVersion, SliceRecord, Text};

use crate::answer::Answered;
use crate::cluster::{Cluster, Context};
use crate::convert::same_identity;
use crate::groups::index;
use crate::held::{Content, Held, InFlight, Mark, SliceId, pod_name};
use crate::state::ServiceSlices;
use crate::write::{Failure, Finished, Outcome, WriteId};

impl ServiceSlices {
    /// A slice with this Service's label and our manager's label was listed, added or changed. Returns whether that is
    /// another's doing which is to be looked at; where a write of ours is in flight, its answer shows whose doing it is.
    pub fn slice_seen<C: Cluster>(&mut self, cx: Context<'_, C>, slice: Arc<SliceRecord>) -> bool {
        let name = slice.key.name.clone();
        self.taken_names.remove(&name);
        if let Some(id) = self.by_name.get(&name).copied()
            && self.slices[id].observed.is_none()
        {
            // Somebody else was faster than a create that is not sent yet.
            self.withdraw(cx, id);
        }
        let id = match self.by_name.get(&name) {
            Some(id) => {
                let held = &self.slices[*id];
                let known = held.observed.as_ref().map(|(known, _)| &known.resource_version);
                if known.is_some_and(|known| {
                    *known == slice.resource_version || slice.resource_version.is_older_than(known)
                }) {
                    return false;
                }
                *id
            }
            None => self.add_slice(&name, &slice.address_type),
        };
        self.withdraw(cx, id);
        let held = &self.slices[id];
        let (slice, altered) = match held.as_believed(&slice, &self.uid) {
            Some(believed) => (believed, Some(slice)),
            None => (slice, None),
        };
        self.observe(cx, id, Some(slice), |held| {
            held.uncertain = false;
            held.altered = altered;
        });
        self.mark(id);
        self.withdraw_repeated(cx, id);
        self.slices[id].mark != Mark::Settled && !self.is_being_written(&name)
    }

    /// A slice was deleted, or no longer carries the labels that made it one of this Service. Returns whether that is
    /// another's doing which is to be put right, as [`Self::slice_seen`] does.
    pub fn slice_gone<C: Cluster>(&mut self, cx: Context<'_, C>, name: &Text) -> bool {
        let Some(id) = self.by_name.get(name).copied() else {
            return false;
        };
        let is_missed = self.slices[id].is_live() && !self.is_leaving(id) && !self.is_being_written(name);
        self.withdraw(cx, id);
        if self.by_name.contains_key(name) {
            let held = &mut self.slices[id];
            if let (Some(in_flight), Some((slice, _))) = (held.in_flight.as_mut(), &held.observed) {
                in_flight.gone = Some((slice.uid.clone(), slice.resource_version.clone()));
            }
            self.observe(cx, id, None, |_| ());
        }
        is_missed
    }

    /// Whether a write of the slice is in flight.
    pub fn is_being_written(&self, name: &Text) -> bool {
        let held = self.by_name.get(name).map(|id| &self.slices[*id]);
        let in_flight = held.and_then(|held| held.in_flight.as_ref());
        in_flight.is_some_and(|in_flight| in_flight.unsent.is_none())
    }

    /// The version in which a slice was last told, by the watch or in an answer; none of a slice that is not known to be
    /// there.
    pub fn known_version(&self, name: &Text) -> Option<&ResourceVersion> {
        let id = self.by_name.get(name)?;
        let (slice, _) = self.slices[*id].observed.as_ref()?;
        Some(&slice.resource_version)
    }

    /// A write is answered. After a success and after a conflict the caller tells by [`Self::slice_seen`] or
    /// [`Self::slice_gone`] what is known of the slice by now, unless that is [`Self::known_version`]: nothing else may tell
    /// it.
    pub fn finished<C: Cluster>(
        &mut self,
        cx: Context<'_, C>,
        name: &Text,
        write: WriteId,
        outcome: Outcome,
    ) -> Finished {
        let Some(id) = self.by_name.get(name).copied() else {
            return Finished::Unknown;
        };
        let held = &self.slices[id];
        let Some(in_flight) = held
            .in_flight
            .as_ref()
            .filter(|in_flight| in_flight.id == write && in_flight.unsent.is_none())
        else {
            return Finished::Unknown;
        };
        let trigger = in_flight.trigger;
        let failure = match &outcome {
            Outcome::Failed(failure) => Some(*failure),
            _ => None,
        };
        let Answered {
            observed,
            altered,
            uncertain,
            as_sent,
        } = self.answered(cx, held, in_flight, outcome);
        let newly_altered = altered.is_some() && held.altered.is_none();
        if failure.is_some() {
            self.trigger.add(trigger);
        }
        match failure {
            // Once the holder is known, its name is passed over for that.
            Some(Failure::NameTaken) if observed.is_some() || cx.cluster.slice_exists(name) => {}
            Some(Failure::NameTaken) => *self.taken_names.entry(name.clone()).or_default() += 1,
            Some(Failure::NamespaceTerminating) => {
                self.namespace_terminating = true;
                self.withdraw_creates(cx);
            }
            Some(Failure::Missing | Failure::Other) => {}
            None => _ = self.taken_names.remove(name),
        }
        // In one step: between two, the slice would not count, and its marks would be lost.
        self.observe(cx, id, observed, |held| {
            held.in_flight = None;
            held.uncertain = uncertain;
            held.altered = altered;
        });
        if !as_sent {
            self.mark(id);
        }
        match failure {
            Some(Failure::NameTaken | Failure::Other) => Finished::Retry,
            None if newly_altered => Finished::Altered,
            Some(Failure::Missing | Failure::NamespaceTerminating) | None => Finished::Done,
        }
    }

    /// An entry for a slice that is not observed yet.
    pub(crate) fn add_slice(&mut self, name: &Text, address_type: &AddressType) -> SliceId {
        let family = match address_type {
            AddressType::IPv4 => Some(IpFamily::V4),
            AddressType::IPv6 => Some(IpFamily::V6),
            AddressType::Other(_) => None,
        };
        let id = self.slices.insert(Held {
            name: name.clone(),
            family,
            observed: None,
            owned: false,
            in_flight: None,
            mark: Mark::default(),
            deletable_since: None,
            uncertain: false,
            altered: None,
            ordinal: None,
        });
        self.by_name.insert(name.clone(), id);
        id
    }

    fn observe<C: Cluster>(
        &mut self,
        cx: Context<'_, C>,
        id: SliceId,
        slice: Option<Arc<SliceRecord>>,
        and: impl FnOnce(&mut Held),
    ) {
        self.idle = false;
        let owned = slice
            .as_ref()
            .is_some_and(|slice| slice.owned_by_service(&self.uid));
        let observed = slice.map(|slice| {
            let group = self.groups.refer(&slice.ports);
            (slice, group)
        });
        let mut old = None;
        self.change(cx, id, |held| {
            and(held);
            held.owned = owned;
            old = std::mem::replace(&mut held.observed, observed);
        });
        if let Some((_, group)) = old {
            self.groups.release(group);
        }
        let held = &self.slices[id];
        if held.observed.is_none() && held.in_flight.is_none() {
            self.remove(id);
        } else if held.family.is_none() {
            if held.is_live() {
                self.leave(id);
            } else {
                self.set_mark(id, Mark::Settled);
            }
        } else {
            self.wake(cx, id);
        }
    }

    pub(crate) fn remove(&mut self, id: SliceId) {
        self.set_mark(id, Mark::Settled);
        self.calm.gone(id);
        let held = self.slices.remove(id);
        self.by_name.remove(&held.name);
        if let (Some(family), Some((group, ordinal))) = (held.family, held.ordinal) {
            self.groups.free_ordinal(group, family, ordinal);
        }
    }

    /// Other slices of the family that hold Pods of this one are looked at, too: which of them keeps a Pod may not be the
    /// one that held it so far.
    fn mark_repeated(&mut self, id: SliceId, family: IpFamily, content: &Content, namespace: &Text) {
        let others: BTreeSet<SliceId> = content
            .endpoints()
            .iter()
            .filter_map(|endpoint| self.pods.get(pod_name(endpoint, namespace)?))
            .flat_map(|place| place.at.iter().copied())
            .filter(|other| *other != id && self.slices[*other].family == Some(family))
            .collect();
        for other in others {
            self.mark(other);
        }
    }

    /// Changes a slice and brings the indexes up to date: the cost follows the length of the slice.
    pub(crate) fn change<C: Cluster>(
        &mut self,
        cx: Context<'_, C>,
        id: SliceId,
        change: impl FnOnce(&mut Held),
    ) {
        let put_into = |held: &Held| held.in_flight.as_ref().and_then(InFlight::put_into);
        let held = &mut self.slices[id];
        let (before, was_live, old_group) = (held.content(), held.is_live(), put_into(held));
        self.pending.change(id, held, change);
        let (after, is_live, new_group) = (held.content(), held.is_live(), put_into(held));
        let (family, mark, has_write) = (held.family, held.mark, held.in_flight.is_some());
        if let Some(group) = new_group {
            self.groups.refer_again(group);
        }
        if let Some(family) = family {
            let state = &mut self.families[index(family)];
            state.live = state.live + usize::from(is_live) - usize::from(was_live);
            if !is_live {
                self.set_mark(id, Mark::Settled);
            } else if !has_write && mark == Mark::Again {
                self.set_mark(id, Mark::Dirty);
            }
            self.reindex(cx, id, family, before.as_ref(), after.as_ref());
        }
        if let Some(group) = old_group {
            self.groups.release(group);
        }
    }

    fn reindex<C: Cluster>(
        &mut self,
        cx: Context<'_, C>,
        id: SliceId,
        family: IpFamily,
        before: Option<&Content>,
        after: Option<&Content>,
    ) {
        let namespace = &cx.service.key.namespace;
        if let (Some(before), Some(after)) = (before, after) {
            let pairs = || before.endpoints().iter().zip(after.endpoints());
            let same_pods = before.group == after.group
                && before.endpoints().len() == after.endpoints().len()
                && pairs().all(|(a, b)| pod_name(a, namespace) == pod_name(b, namespace));
            if same_pods {
                // The usual case: conditions changed. Only where an address changed does placement.
                for (a, b) in pairs() {
                    if let Some(name) = pod_name(b, namespace).filter(|_| !same_identity(a, b)) {
                        self.recheck(cx, name, family);
                    }
                }
                return;
            }
        }
        self.calm.disturb();
        if let Some(before) = before {
            self.groups
                .get_mut(before.group)
                .take(family, before.endpoints().len(), id);
            for name in before
                .endpoints()
                .iter()
                .filter_map(|endpoint| pod_name(endpoint, namespace))
            {
                if let Some(place) = self.pods.get_mut(name)
                    && let Some(at) = place.at.iter().position(|slice| *slice == id)
                {
                    place.at.swap_remove(at);
                }
            }
        }
        if let Some(after) = after {
            self.groups
                .get_mut(after.group)
                .add(family, after.endpoints().len(), id);
            for name in after
                .endpoints()
                .iter()
                .filter_map(|endpoint| pod_name(endpoint, namespace))
            {
                self.pods.entry(name.clone()).or_default().at.push(id);
            }
            self.mark_repeated(id, family, after, namespace);
        }
        for content in [before, after].into_iter().flatten() {
            for name in content
                .endpoints()
                .iter()
                .filter_map(|endpoint| pod_name(endpoint, namespace))
            {
                self.recheck(cx, name, family);
                self.forget_if_unused(name);
            }
        }
    }
}
