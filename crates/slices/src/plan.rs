//! From what is marked to the next writes.

use std::time::Instant;

use quaymaster_model::IpFamily;
use smallvec::SmallVec;

use crate::cluster::{Cluster, Context};
use crate::convert::HintMode;
use crate::draft::{Draft, FamilyDraft, Target};
use crate::groups::index;
use crate::held::SliceId;
use crate::marks::Marked;
use crate::rebalance::Turns;
use crate::state::{FAMILIES, ServiceSlices};
use crate::topology::TopologyEvent;
use crate::write::Write;

/// What is to be written next.
#[derive(Debug, Default)]
pub struct Plan {
    /// Calls to be made, all at once, in this order where the number in flight is limited.
    pub writes: Vec<Write>,
    /// More could be written now than was asked for.
    pub truncated: bool,
    /// Events to be recorded on the Service.
    pub events: Vec<TopologyEvent>,
    /// For each family of the Service: endpoints added and removed by the writes. As upstream counts them, those of
    /// slices whose ports no Pod has any more are not removed.
    pub changes: SmallVec<[(usize, usize); 2]>,
    /// To be planned again at this time though nothing may have changed: sparse slices are to be merged then.
    pub look_again: Option<Instant>,
}

impl ServiceSlices {
    /// Decides the next writes and gives out at most `limit` of them, which are in flight from now on.
    ///
    /// Nothing is decided about a slice that has a write in flight; what changes meanwhile goes into its next write.
    /// Deletes come last: not before all writes that were decided with them are answered. Ask again after each answer.
    ///
    /// The cost follows what changed since the last time, not the number of slices; only hints by annotation are a
    /// matter of all slices at once.
    ///
    /// `now` and `turns` say whether sparse slices may be merged; all Services of a process share the latter.
    ///
    /// None where nothing may be touched, as the Service does not select Pods
    /// ([`selects_pods`](quaymaster_model::ServiceRecord::selects_pods)).
    pub fn plan<C: Cluster>(
        &mut self,
        cx: Context<'_, C>,
        limit: usize,
        now: Instant,
        turns: &mut Turns,
    ) -> Option<Plan> {
        if !cx.service.selects_pods() {
            self.idle = true;
            return None;
        }
        let mut plan = Plan::default();
        self.round += 1;
        let auto = HintMode::of(cx.service, cx.settings.rules) == HintMode::Auto;
        let mut waits = true;
        if !auto || (self.in_flight() == 0 && self.pending.all_sent()) {
            if auto {
                self.look_again();
            }
            let draft = self.draft(cx);
            waits = draft.waits();
            plan.events = self.decide(cx, draft);
        }
        self.merge_if_due(cx, now, turns);
        self.send(cx, limit, &mut plan);
        plan.look_again = self.merges_from(cx, now);
        self.trigger.planned(waits || self.is_pending());
        self.idle = plan.writes.is_empty() && !plan.truncated && self.in_flight() == 0;
        Some(plan)
    }

    /// Remembers what is to be written.
    fn decide<C: Cluster>(&mut self, cx: Context<'_, C>, draft: Draft) -> Vec<TopologyEvent> {
        self.hints = draft.hints;
        for (family, draft) in draft.families {
            let FamilyDraft {
                puts,
                deletes,
                settled,
                retaining,
                blocked,
                held_back: _,
                waits: _,
            } = draft;
            for id in settled {
                self.settle(id);
            }
            for put in puts {
                // The garbage collector is at work; what is created now it might miss
                // (kubernetes/kubernetes#91311).
                let in_vain = cx.service.terminating || self.namespace_terminating;
                if !(in_vain && put.target == Target::New) {
                    self.decide_put(cx, family, put);
                }
            }
            for id in retaining {
                // What is written meanwhile is looked at once it is answered.
                if self.slices[id].in_flight.is_none() {
                    self.wait(id);
                }
            }
            for id in blocked {
                self.wait(id);
            }
            for id in deletes {
                self.leave(id);
            }
        }
        draft.events
    }

    /// Gives out writes that are decided.
    fn send<C: Cluster>(&mut self, cx: Context<'_, C>, limit: usize, plan: &mut Plan) {
        let mut changes = [(0, 0); 2];
        while plan.writes.len() < limit {
            let Some(id) = self.pending.next_unsent() else {
                break;
            };
            if self.is_outdated(cx, id) {
                self.withdraw(cx, id);
                plan.truncated = true;
            } else {
                plan.writes.extend(self.send_put(cx, id, &mut changes));
            }
        }
        for family in FAMILIES {
            self.send_deletes(cx, family, limit, plan, &mut changes);
        }
        while let Some((since, id)) = self.other_types.leaving.first().copied()
            && self.may_delete_now(since)
        {
            if plan.writes.len() == limit {
                plan.truncated = true;
                break;
            }
            plan.writes.extend(self.send_delete(cx, id, &mut changes));
        }
        plan.truncated |= !self.pending.all_sent();
        for family in FAMILIES {
            if self.families[index(family)].supported {
                plan.changes.push(changes[index(family)]);
            }
        }
    }

    fn send_deletes<C: Cluster>(
        &mut self,
        cx: Context<'_, C>,
        family: IpFamily,
        limit: usize,
        plan: &mut Plan,
        changes: &mut [(usize, usize); 2],
    ) {
        let supported = self.families[index(family)].supported;
        let mut later = Vec::new();
        while let Some((since, id)) = self.families[index(family)].marked.leaving.first().copied()
            && self.may_delete_now(since)
        {
            if supported && !self.may_drop_all(cx, id, family) {
                self.wait(id);
                if !self.slices[id].owned {
                    // No Pod leads to a slice of somebody else; it is asked again after the writes decided by now.
                    later.push(id);
                }
            } else if plan.writes.len() < limit {
                plan.writes.extend(self.send_delete(cx, id, changes));
            } else {
                plan.truncated = true;
                break;
            }
        }
        for id in later {
            self.slices[id].deletable_since = None;
            self.leave(id);
        }
    }

    /// Whether a Pod would vanish by a write that was decided earlier: it was seen elsewhere then and is not any more.
    fn is_outdated<C: Cluster>(&self, cx: Context<'_, C>, id: SliceId) -> bool {
        let held = &self.slices[id];
        let (Some(in_flight), Some(family), Some(content)) = (&held.in_flight, held.family, held.content())
        else {
            return false;
        };
        in_flight.round < self.round && !self.may_not_drop(cx, id, family, content.endpoints()).is_empty()
    }

    /// Whether something is decided, or to be decided after an answer.
    fn is_pending(&self) -> bool {
        let family = |family| {
            let marked: &Marked = &self.families[index(family)].marked;
            !marked.again.is_empty() || !marked.waiting.is_empty() || !marked.leaving.is_empty()
        };
        !self.pending.all_sent() || !self.other_types.leaving.is_empty() || FAMILIES.into_iter().any(family)
    }
}
