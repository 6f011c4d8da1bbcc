//! Which slices are to be looked at, and when.

use std::collections::BTreeSet;

use crate::cluster::{Cluster, Context};
use crate::groups::index;
use crate::held::{Held, InFlightWrite, Mark, SliceId, pod_name};
use crate::state::ServiceSlices;

/// Slices by their marks.
#[derive(Debug, Default)]
pub(crate) struct Marked {
    pub(crate) dirty: BTreeSet<SliceId>,
    pub(crate) again: BTreeSet<SliceId>,
    pub(crate) waiting: BTreeSet<SliceId>,
    /// Those that were found first go first.
    pub(crate) leaving: BTreeSet<(u64, SliceId)>,
}

impl Marked {
    /// Whether no slice has a mark.
    pub(crate) fn is_empty(&self) -> bool {
        self.dirty.is_empty() && self.again.is_empty() && self.waiting.is_empty() && self.leaving.is_empty()
    }

    fn replace(&mut self, id: SliceId, old: Mark, new: Mark) {
        match old {
            Mark::Settled => false,
            Mark::Dirty => self.dirty.remove(&id),
            Mark::Again => self.again.remove(&id),
            Mark::Waiting => self.waiting.remove(&id),
            Mark::Leaving(since) => self.leaving.remove(&(since, id)),
        };
        match new {
            Mark::Settled => false,
            Mark::Dirty => self.dirty.insert(id),
            Mark::Again => self.again.insert(id),
            Mark::Waiting => self.waiting.insert(id),
            Mark::Leaving(since) => self.leaving.insert((since, id)),
        };
    }
}

impl ServiceSlices {
    /// The one place where a slice gets its mark.
    pub(crate) fn set_mark(&mut self, id: SliceId, mark: Mark) {
        let held = &mut self.slices[id];
        let old = std::mem::replace(&mut held.mark, mark);
        let marked = match held.family {
            Some(family) => &mut self.families[index(family)].marked,
            None => &mut self.other_types,
        };
        marked.replace(id, old, mark);
    }

    /// The slice is to be looked at: now, or if it has a write in flight, once that is answered.
    pub(crate) fn mark(&mut self, id: SliceId) {
        self.idle = false;
        let counts = |held: &&Held| held.is_live() && held.family.is_some();
        let Some(held) = self.slices.get(id).filter(counts) else {
            return;
        };
        let in_flight = held.in_flight.is_some();
        self.set_mark(id, if in_flight { Mark::Again } else { Mark::Dirty });
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
        if in_flight.is_none_or(|in_flight| in_flight.unsent.is_none()) {
            return;
        }
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
        if self.pending.all_sent() {
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
        while let Some(id) = self.pending.next_unsent() {
            self.withdraw(cx, id);
        }
    }

    /// Takes back all creates that are not sent yet.
    pub(crate) fn withdraw_creates<C: Cluster>(&mut self, cx: Context<'_, C>) {
        let decided: Vec<SliceId> = self.pending.unsent().collect();
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
            !state.marked.waiting.is_empty()
        }) else {
            return;
        };
        let Some((endpoints, _)) = held.confirmed() else {
            return;
        };
        let waiting = &self.families[index(family)].marked.waiting;
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
    pub(crate) fn settle(&mut self, id: SliceId) {
        self.set_mark(id, Mark::Settled);
        self.slices[id].deletable_since = None;
    }

    /// The slice must stay until its Pods are seen elsewhere.
    pub(crate) fn wait(&mut self, id: SliceId) {
        self.set_mark(id, Mark::Waiting);
    }

    /// The slice is to be deleted, after all writes that were decided so far. How long it has been so is remembered
    /// until it is found to be needed: under constant change there always is a later write.
    pub(crate) fn leave(&mut self, id: SliceId) {
        let since = *self.slices[id].deletable_since.get_or_insert(self.round);
        self.set_mark(id, Mark::Leaving(since));
    }

    /// Whether the slice is to be deleted, and no more to be decided about it.
    pub(crate) fn is_leaving(&self, id: SliceId) -> bool {
        matches!(self.slices[id].mark, Mark::Leaving(_))
    }

    /// Deletes wait for the writes that were decided with them or before, and not for later ones.
    pub(crate) fn may_delete_now(&self, since: u64) -> bool {
        self.pending.oldest_put().is_none_or(|round| round > since)
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
