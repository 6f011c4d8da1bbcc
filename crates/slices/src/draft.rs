//! From what is marked to the next writes.

use std::collections::{BTreeMap, BTreeSet};

use quaymaster_model::{EndpointRecord, IpFamily, LabelSet, PortSet, Text};

use crate::cluster::{Cluster, Context};
use crate::convert::HintMode;
use crate::fill::Updating;
use crate::groups::{GroupId, index};
use crate::held::SliceId;
use crate::labels;
use crate::recycle::NewSlice;
use crate::state::{FAMILIES, Plan, ServiceSlices};
use crate::topology;

/// What one family is to become, before anything is issued.
#[derive(Debug, Default)]
pub(crate) struct FamilyDraft {
    pub(crate) puts: Vec<Put>,
    pub(crate) deletes: Vec<SliceId>,
    /// Slices that are to be deleted or recycled later.
    pub(crate) leaving: Vec<SliceId>,
    /// Something can only be decided once a write in flight is answered.
    pub(crate) waits: bool,
    pub(crate) added: usize,
    pub(crate) removed: usize,
}

/// A slice to be created or rewritten.
#[derive(Debug)]
pub(crate) struct Put {
    pub(crate) target: Target,
    pub(crate) group: GroupId,
    pub(crate) endpoints: Vec<EndpointRecord>,
    /// The labels are brought up to date with the rest; upstream leaves them alone where it only adds endpoints to a
    /// slice or only changes hints.
    pub(crate) relabel: bool,
    pub(crate) urgent: bool,
    /// To be looked at again once answered, since endpoints were retained.
    pub(crate) again: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    New,
    /// Rewritten in place: what others put on the object stays.
    Existing(SliceId),
    /// Rewritten into another slice: only its name stays.
    Recycled(SliceId),
}

impl Target {
    pub(crate) fn slice(self) -> Option<SliceId> {
        match self {
            Self::New => None,
            Self::Existing(id) | Self::Recycled(id) => Some(id),
        }
    }
}

/// A slice of a wanted group, looked at.
pub(crate) struct Reviewed {
    pub(crate) id: SliceId,
    pub(crate) endpoints: Vec<EndpointRecord>,
    pub(crate) urgent: bool,
    pub(crate) again: bool,
}

impl ServiceSlices {
    /// Decides the next writes, at most `limit`, and remembers them as in flight.
    ///
    /// Nothing is decided about a slice that has a write in flight; what changes meanwhile goes into its next write.
    /// Deletes come last: not before all writes that were decided with them are answered. Ask again after each answer.
    pub fn plan<C: Cluster>(&mut self, cx: Context<'_, C>, limit: usize) -> Plan {
        let mut plan = Plan::default();
        if !cx.service.selects_pods() {
            self.idle = true;
            return plan;
        }
        let mode = HintMode::of(cx.service, cx.settings.rules);
        if mode == HintMode::Auto {
            if self.in_flight() > 0 {
                // The shares of the zones are a matter of all slices at once.
                return plan;
            }
            self.look_again();
        }
        self.round += 1;
        let placeholder = self.groups.refer(&PortSet::default());
        let mut puts = Vec::new();
        let mut deletes = Vec::new();
        let mut waits = false;
        for family in FAMILIES {
            if self.families[index(family)].supported {
                let mut draft = self.draft(cx, family, mode, placeholder);
                self.hints(cx, family, mode, &mut draft, &mut plan);
                waits |= draft.waits;
                plan.changes.push((draft.added, draft.removed));
                puts.extend(draft.puts.into_iter().map(|put| (family, put)));
                deletes.extend(draft.deletes);
            } else {
                let leaving: Vec<SliceId> = self.all_of(family).collect();
                if !leaving.is_empty() {
                    // Nothing is told: nobody asked for other hints.
                    let _ = topology::forget(&mut self.hints, &Self::address_type(family));
                }
                deletes.extend(leaving);
            }
        }
        deletes.extend(
            self.other_types
                .iter()
                .filter(|id| self.slices[id.0].in_flight.is_none()),
        );

        if cx.service.terminating || self.namespace_terminating {
            // The garbage collector is at work; what is created now it might miss (kubernetes/kubernetes#91311).
            puts.retain(|(_, put)| put.target != Target::New);
        }
        let rank = |put: &Put| match put {
            Put { urgent: true, .. } => 0,
            Put {
                target: Target::New, ..
            } => 1,
            _ => 2,
        };
        puts.sort_by_key(|(_, put)| rank(put));
        plan.truncated = puts.len() > limit;
        let some_put = !puts.is_empty();
        let trigger = self.trigger;
        for (family, put) in puts.into_iter().take(limit) {
            let write = self.issue_put(cx, family, put);
            plan.writes.push(write);
        }
        for id in deletes {
            let round = self.round;
            self.slices[id.0].deletable_since.get_or_insert(round);
            if !self.may_delete_now(id, some_put) {
                // An answer is waited for; to ask again before it comes would be asking for ever.
                waits = true;
            } else if plan.writes.len() < limit {
                plan.writes.extend(self.issue_delete(cx, id));
            } else {
                plan.truncated = true;
            }
        }
        self.groups.release(placeholder);
        if !plan.truncated && !waits && self.trigger == trigger {
            // What was not written by now will not be: the change had no effect on slices.
            self.trigger = None;
        }
        self.idle = plan.writes.is_empty() && !plan.truncated && self.in_flight() == 0;
        plan
    }

    fn all_of(&self, family: IpFamily) -> impl Iterator<Item = SliceId> + use<'_> {
        let wanted = if self.families[index(family)].live > 0 {
            Some(family)
        } else {
            None
        };
        self.slices
            .iter()
            .filter(move |(_, held)| wanted.is_some() && held.family == wanted && held.is_live())
            .filter(|(_, held)| held.in_flight.is_none())
            .map(|(id, _)| SliceId(id))
    }

    /// Steps 1 to 3, placeholder and recycling for one family. The cost follows the number of marked slices and of
    /// Pods without a place.
    #[allow(
        clippy::too_many_lines,
        reason = "the steps of one algorithm, in order, over one set of lists"
    )]
    fn draft<C: Cluster>(
        &mut self,
        cx: Context<'_, C>,
        family: IpFamily,
        mode: HintMode,
        placeholder: GroupId,
    ) -> FamilyDraft {
        let mut draft = FamilyDraft::default();
        let mut updating: BTreeMap<GroupId, Vec<Reviewed>> = BTreeMap::new();
        let mut hints_only: BTreeMap<SliceId, (GroupId, Reviewed)> = BTreeMap::new();
        let mut deletes: Vec<SliceId> = Vec::new();
        let mut foreign: Vec<SliceId> = Vec::new();
        let mut renamed: BTreeSet<Text> = BTreeSet::new();
        let wanted_labels = labels::wanted(cx.service);

        let marked: Vec<SliceId> = self.families[index(family)].dirty.iter().copied().collect();
        for id in marked {
            let held = &self.slices[id.0];
            if held.in_flight.is_some() {
                draft.waits = true;
                continue;
            }
            let uncertain = held.uncertain;
            let Some((slice, group)) = held.observed.clone() else {
                continue;
            };
            if !held.owned {
                foreign.push(id);
                continue;
            }
            if self.groups.get(group).eligible == 0 {
                deletes.push(id);
                continue;
            }
            let review = self.review(cx, id, (&slice, group), family, mode, &mut renamed);
            draft.removed += review.dropped;
            let relabel = labels::differ(&slice.labels, &wanted_labels);
            let reviewed = Reviewed {
                id,
                endpoints: review.kept,
                urgent: review.urgent,
                again: review.retained > 0,
            };
            if review.changed && reviewed.endpoints.is_empty() {
                deletes.push(id);
                continue;
            }
            // What is stored is found out by writing it again.
            if review.changed || relabel || uncertain {
                updating.entry(group).or_default().push(reviewed);
            } else if review.hints_changed {
                hints_only.insert(id, (group, reviewed));
            } else if review.retained == 0 {
                self.settle(family, id);
            }
            if review.retained > 0 {
                draft.waits = true;
            }
        }

        let mut new = Vec::new();
        for (group, unplaced) in self.unplaced(cx, family, mode, &renamed) {
            draft.added += unplaced.len();
            let mut slices: Vec<Updating> = updating
                .get_mut(&group)
                .into_iter()
                .flatten()
                .map(|slice| Updating {
                    id: slice.id,
                    endpoints: std::mem::take(&mut slice.endpoints),
                })
                .collect();
            let gone: BTreeSet<SliceId> = deletes.iter().copied().collect();
            let max = cx.settings.max_endpoints;
            let filled = self.fill(family, group, unplaced, &mut slices, &gone, max);
            for (to, from) in updating.get_mut(&group).into_iter().flatten().zip(slices) {
                to.endpoints = from.endpoints;
            }
            draft.waits |= filled.waits;
            if let Some((id, mut endpoints)) = filled.top_up {
                if let Some((_, reviewed)) = hints_only.remove(&id) {
                    endpoints.splice(..reviewed.endpoints.len(), reviewed.endpoints);
                }
                draft.puts.push(Put {
                    target: Target::Existing(id),
                    group,
                    endpoints,
                    relabel: false,
                    urgent: false,
                    again: self.families[index(family)].dirty.contains(&id),
                });
            }
            new.extend(filled.new.into_iter().map(|endpoints| NewSlice {
                group,
                endpoints,
                recycles: None,
            }));
        }

        self.drop_placeholder(family, placeholder, !new.is_empty(), &mut deletes, foreign.len());
        self.placeholder(
            cx,
            family,
            placeholder,
            &wanted_labels,
            &mut new,
            &mut deletes,
            foreign.len(),
        );
        let mut recyclable = std::mem::take(&mut deletes);
        let mut new = self.recycle(new, &mut recyclable);
        let waiting = self.waiting(cx, family, &mut new, &mut recyclable);
        for (at, slice) in new.into_iter().enumerate() {
            if waiting.contains(&at) {
                // Another slice takes some of its Pods first.
                draft.waits = true;
                draft.leaving.extend(slice.recycles);
                continue;
            }
            draft.puts.push(Put {
                target: slice.recycles.map_or(Target::New, Target::Recycled),
                group: slice.group,
                endpoints: slice.endpoints,
                relabel: true,
                urgent: false,
                again: false,
            });
        }
        for (group, reviewed) in updating
            .into_iter()
            .flat_map(|(group, list)| list.into_iter().map(move |r| (group, r)))
        {
            draft.puts.push(existing(group, reviewed, true));
        }
        draft.puts.extend(
            hints_only
                .into_values()
                .map(|(group, reviewed)| existing(group, reviewed, false)),
        );
        for id in recyclable.into_iter().chain(foreign) {
            let round = self.round;
            self.slices[id.0].deletable_since.get_or_insert(round);
            if self.may_drop_all(cx, id, family) {
                draft.deletes.push(id);
            } else {
                draft.waits = true;
                draft.leaving.push(id);
            }
        }
        draft
    }

    /// A placeholder goes once there is, or is to be, another slice that stays.
    fn drop_placeholder(
        &mut self,
        family: IpFamily,
        placeholder: GroupId,
        others_come: bool,
        deletes: &mut Vec<SliceId>,
        foreign: usize,
    ) {
        let group = self.groups.get(placeholder);
        if group.eligible > 0 {
            return;
        }
        let by_length = group.by_length(family).iter().map(|(_, id)| *id);
        let settled: Vec<SliceId> = by_length.filter(|id| !deletes.contains(id)).collect();
        let state = &mut self.families[index(family)];
        if !others_come && state.live <= deletes.len() + foreign + settled.len() {
            return;
        }
        for id in settled {
            state.dirty.insert(id);
            if self.slices[id.0].in_flight.is_none() {
                deletes.push(id);
            }
        }
    }

    /// The Pods that stand in no slice, as endpoints, by group.
    fn unplaced<C: Cluster>(
        &mut self,
        cx: Context<'_, C>,
        family: IpFamily,
        mode: HintMode,
        renamed: &BTreeSet<Text>,
    ) -> BTreeMap<GroupId, Vec<EndpointRecord>> {
        let mut groups: BTreeMap<GroupId, Vec<EndpointRecord>> = BTreeMap::new();
        for name in self.families[index(family)].unplaced.difference(renamed) {
            let Some(place) = self.pods.get(name) else {
                continue;
            };
            if let (Some(group), Some(endpoint)) = (place.group, Self::desired(cx, place, name, family, mode))
            {
                groups.entry(group).or_default().push(endpoint);
            }
        }
        groups
    }

    /// Where no slice would be left, one without endpoints is wanted, so that consumers know that the Service has been
    /// looked at. A slice that is one already stays.
    #[allow(clippy::too_many_arguments, reason = "the state of one family's draft")]
    fn placeholder<C: Cluster>(
        &mut self,
        cx: Context<'_, C>,
        family: IpFamily,
        group: GroupId,
        labels: &LabelSet,
        new: &mut Vec<NewSlice>,
        deletes: &mut Vec<SliceId>,
        foreign: usize,
    ) {
        if !new.is_empty() || self.families[index(family)].live != deletes.len() + foreign {
            return;
        }
        if let ([only], 0) = (deletes.as_slice(), foreign) {
            let id = *only;
            let is_one = self.slices[id.0]
                .observed
                .as_ref()
                .is_some_and(|(slice, observed_group)| {
                    *observed_group == group
                        && slice.endpoints.is_empty()
                        && slice.key.namespace == cx.service.key.namespace
                        && labels::equal_or_empty(&slice.labels, labels)
                });
            if is_one {
                deletes.clear();
                self.settle(family, id);
                return;
            }
        }
        new.push(NewSlice {
            group,
            endpoints: Vec::new(),
            recycles: None,
        });
    }

    /// The slice is as it should be.
    pub(crate) fn settle(&mut self, family: IpFamily, id: SliceId) {
        self.families[index(family)].dirty.remove(&id);
        self.slices[id.0].deletable_since = None;
    }
}

pub(crate) fn existing(group: GroupId, reviewed: Reviewed, relabel: bool) -> Put {
    Put {
        target: Target::Existing(reviewed.id),
        group,
        endpoints: reviewed.endpoints,
        relabel,
        urgent: reviewed.urgent,
        again: reviewed.again,
    }
}
