//! Which slices are to be looked at, and when.

use quaymaster_model::IpFamily;

use crate::cluster::{Cluster, Context};
use crate::groups::index;
use crate::held::{InFlightWrite, SliceId, pod_name};
use crate::state::ServiceSlices;

impl ServiceSlices {
    /// The slice is to be looked at: now, or if it has a write in flight, once that is answered.
    pub(crate) fn mark(&mut self, id: SliceId) {
        self.idle = false;
        let Some(held) = self.slices.get(id).filter(|held| held.is_live()) else {
            return;
        };
        let Some(family) = held.family else { return };
        let state = &mut self.families[index(family)];
        state.waiting.remove(&id);
        if let Some(since) = held.deletable_since {
            state.leaving.remove(&(since, id));
        }
        if held.in_flight.is_some() {
            state.again.insert(id);
        } else {
            state.dirty.insert(id);
        }
    }

    /// The same where a write that is not sent yet cannot have taken the change into account: it is taken back.
    pub(crate) fn touch<C: Cluster>(&mut self, cx: Context<'_, C>, id: SliceId) {
        self.withdraw(cx, id);
        self.mark(id);
    }

    /// Takes back the decision to write the slice, if that is not sent yet. A slice that was only to be created is gone
    /// with it.
    pub(crate) fn withdraw<C: Cluster>(&mut self, cx: Context<'_, C>, id: SliceId) {
        let in_flight = self.slices.get(id).and_then(|held| held.in_flight.as_ref());
        let Some((rank, write)) = in_flight.and_then(|in_flight| Some((in_flight.unsent?, in_flight.id)))
        else {
            return;
        };
        self.outbox.remove(&(rank, write));
        self.change(cx, id, |held| held.in_flight = None);
        if self.slices[id].observed.is_none() {
            self.remove(id);
        } else {
            self.mark(id);
        }
    }

    /// Somebody else wrote this slice: what is decided and not sent yet about its Pods in other slices is taken back. A
    /// process that does not write any more, or not yet, goes along with what another one writes.
    pub(crate) fn withdraw_repeated<C: Cluster>(&mut self, cx: Context<'_, C>, id: SliceId) {
        if self.outbox.is_empty() {
            return;
        }
        let Some((slice, _)) = &self.slices[id].observed else {
            return;
        };
        let others: Vec<SliceId> = slice
            .endpoints
            .iter()
            .filter_map(|endpoint| self.pods.get(pod_name(endpoint, &cx.service.key.namespace)?))
            .flat_map(|place| place.at.iter().copied())
            .filter(|other| *other != id)
            .collect();
        for other in others {
            self.withdraw(cx, other);
        }
    }

    /// Takes back all writes that are not sent yet.
    pub(crate) fn withdraw_all<C: Cluster>(&mut self, cx: Context<'_, C>) {
        while let Some((_, id)) = self.outbox.pop_first() {
            self.withdraw(cx, id);
        }
    }

    /// Takes back all creates that are not sent yet.
    pub(crate) fn withdraw_creates<C: Cluster>(&mut self, cx: Context<'_, C>) {
        let decided: Vec<SliceId> = self.outbox.values().copied().collect();
        for id in decided {
            if self.slices[id].observed.is_none() {
                self.withdraw(cx, id);
            }
        }
    }

    /// What this slice holds is seen: slices that waited for one of its Pods to be seen elsewhere are looked at.
    pub(crate) fn wake<C: Cluster>(&mut self, cx: Context<'_, C>, id: SliceId) {
        let Some(held) = self.slices.get(id) else { return };
        let Some(family) = held.family.filter(|family| {
            let state = &self.families[index(*family)];
            !state.waiting.is_empty()
        }) else {
            return;
        };
        let Some((endpoints, _)) = held.confirmed() else {
            return;
        };
        let waiting = &self.families[index(family)].waiting;
        let woken: Vec<SliceId> = endpoints
            .iter()
            .filter_map(|endpoint| self.pods.get(pod_name(endpoint, &cx.service.key.namespace)?))
            .flat_map(|place| place.at.iter().copied())
            .filter(|other| *other != id && waiting.contains(other))
            .collect();
        for other in woken {
            self.mark(other);
        }
    }

    /// The slice is as it should be.
    pub(crate) fn settle(&mut self, family: IpFamily, id: SliceId) {
        self.unmark(family, id);
        self.slices[id].deletable_since = None;
    }

    /// The slice must stay until its Pods are seen elsewhere.
    pub(crate) fn wait(&mut self, family: IpFamily, id: SliceId) {
        self.unmark(family, id);
        self.families[index(family)].waiting.insert(id);
    }

    /// The slice is to be deleted, after all writes that were decided so far. How long it has been so is remembered
    /// until it is found to be needed: under constant change there always is a later write.
    pub(crate) fn leave(&mut self, id: SliceId) {
        let round = self.round;
        let held = &mut self.slices[id];
        let since = *held.deletable_since.get_or_insert(round);
        if let Some(family) = held.family {
            self.unmark(family, id);
            self.families[index(family)].leaving.insert((since, id));
        } else {
            self.other_types.insert((since, id));
        }
    }

    /// Whether the slice is to be deleted, and no more to be decided about it.
    pub(crate) fn is_leaving(&self, id: SliceId) -> bool {
        let held = &self.slices[id];
        let (Some(since), Some(family)) = (held.deletable_since, held.family) else {
            return false;
        };
        self.families[index(family)].leaving.contains(&(since, id))
    }

    /// Takes the slice out of all lists.
    pub(crate) fn unmark(&mut self, family: IpFamily, id: SliceId) {
        let since = self.slices.get(id).and_then(|held| held.deletable_since);
        let state = &mut self.families[index(family)];
        state.dirty.remove(&id);
        state.again.remove(&id);
        state.waiting.remove(&id);
        if let Some(since) = since {
            state.leaving.remove(&(since, id));
        }
    }

    /// Deletes wait for the writes that were decided with them or before, and not for later ones.
    pub(crate) fn may_delete_now(&self, since: u64) -> bool {
        self.puts.first().is_none_or(|(round, _)| *round > since)
    }

    /// Whether the slice has a write in flight after which nobody needs it: it can be made into another one then.
    pub(crate) fn becomes_free(&self, id: SliceId) -> bool {
        let in_flight = self.slices[id].in_flight.as_ref();
        in_flight.is_some_and(|in_flight| match &in_flight.what {
            InFlightWrite::Put { endpoints, group, .. } => {
                endpoints.is_empty() && self.groups.get(*group).eligible == 0
            }
            InFlightWrite::Delete => false,
        })
    }
}
