//! What is to be written, as a function of what is held: nothing is remembered and nothing is sent here.

use std::collections::{BTreeMap, BTreeSet};

use quaymaster_model::{EndpointRecord, IpFamily, LabelSet, Text};

use crate::cluster::{Cluster, Context};
use crate::convert::HintMode;
use crate::fill::Updating;
use crate::groups::{GroupId, index};
use crate::held::{Rank, SliceId};
use crate::labels;
use crate::recycle::NewSlice;
use crate::state::{FAMILIES, FamilyState, ServiceSlices};
use crate::topology::{self, HintState, TopologyEvent};

/// What is to be written for one Service.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) families: Vec<(IpFamily, FamilyDraft)>,
    /// What is remembered of topology hints afterwards.
    pub(crate) hints: HintState,
    pub(crate) events: Vec<TopologyEvent>,
}

impl Draft {
    /// Something can only be decided once a write in flight is answered.
    pub(crate) fn waits(&self) -> bool {
        self.families.iter().any(|(_, draft)| draft.waits)
    }
}

/// What is to become of the slices of one family that are to be looked at.
#[derive(Debug, Default)]
pub(crate) struct FamilyDraft {
    pub(crate) puts: Vec<Put>,
    pub(crate) deletes: Vec<SliceId>,
    /// As they should be.
    pub(crate) settled: Vec<SliceId>,
    /// As they should be, but for Pods that must be seen elsewhere before they leave.
    pub(crate) retaining: Vec<SliceId>,
    /// To be deleted, once their Pods are seen elsewhere.
    pub(crate) blocked: Vec<SliceId>,
    /// To be made into other slices, once their Pods are seen elsewhere.
    pub(crate) held_back: Vec<SliceId>,
    pub(crate) waits: bool,
}

/// A slice to be created or rewritten.
#[derive(Debug)]
pub(crate) struct Put {
    pub(crate) target: Target,
    pub(crate) group: GroupId,
    pub(crate) endpoints: Vec<EndpointRecord>,
    /// How many of the endpoints came to stand in the slice by this.
    pub(crate) added: usize,
    /// The labels are brought up to date with the rest; upstream leaves them alone where it only adds endpoints to a
    /// slice or only changes hints.
    pub(crate) relabel: bool,
    pub(crate) urgent: bool,
    /// To be looked at again once answered, since endpoints were retained.
    pub(crate) again: bool,
}

impl Put {
    pub(crate) fn rank(&self) -> Rank {
        match self.target {
            _ if self.urgent => Rank::Urgent,
            Target::New => Rank::Create,
            Target::Existing(_) | Target::Recycled(_) => Rank::Update,
        }
    }
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
#[derive(Debug)]
struct Reviewed {
    id: SliceId,
    group: GroupId,
    endpoints: Vec<EndpointRecord>,
    /// Endpoints that came to it since.
    added: usize,
    urgent: bool,
    again: bool,
}

impl Reviewed {
    fn put(self, relabel: bool) -> Put {
        Put {
            target: Target::Existing(self.id),
            group: self.group,
            endpoints: self.endpoints,
            added: self.added,
            relabel,
            urgent: self.urgent,
            again: self.again,
        }
    }
}

impl ServiceSlices {
    /// What is to be written now, as far as slices are marked and Pods stand in none. The cost follows the number of
    /// these.
    pub(crate) fn draft<C: Cluster>(&self, cx: Context<'_, C>) -> Draft {
        let mode = HintMode::of(cx.service, cx.settings.rules);
        let labels = labels::wanted(cx.service);
        let mut draft = Draft {
            families: Vec::with_capacity(FAMILIES.len()),
            hints: self.hints.clone(),
            events: Vec::new(),
        };
        for family in FAMILIES {
            let state = &self.families[index(family)];
            let one = if state.supported {
                let mut one = Drafting::new(self, cx, family, mode, &labels).run();
                self.hints(cx, family, mode, &mut one, &mut draft);
                one
            } else {
                if state.live > 0 {
                    // Nothing is told: nobody asked for other hints.
                    let _ = topology::forget(&mut draft.hints, &Self::address_type(family));
                }
                FamilyDraft {
                    deletes: state.marked.dirty.iter().copied().collect(),
                    ..FamilyDraft::default()
                }
            };
            draft.families.push((family, one));
        }
        draft
    }
}

/// The steps of `k8s.io/endpointslice/reconciler.go`, `reconcileByAddressType`, over one set of lists.
struct Drafting<'a, C> {
    slices: &'a ServiceSlices,
    state: &'a FamilyState,
    cx: Context<'a, C>,
    family: IpFamily,
    mode: HintMode,
    labels: &'a LabelSet,
    /// Slices that are rewritten in any case.
    updating: BTreeMap<GroupId, Vec<Reviewed>>,
    /// Slices that are rewritten only for their hints.
    hints_only: BTreeMap<SliceId, Reviewed>,
    /// Own slices that go, or are made into others.
    deletes: BTreeSet<SliceId>,
    /// Slices of somebody else, which go.
    foreign: Vec<SliceId>,
    /// Pods that got their place where they stood under another hostname.
    renamed: BTreeSet<Text>,
    new: Vec<NewSlice>,
    draft: FamilyDraft,
}

impl<'a, C: Cluster> Drafting<'a, C> {
    fn new(
        slices: &'a ServiceSlices,
        cx: Context<'a, C>,
        family: IpFamily,
        mode: HintMode,
        labels: &'a LabelSet,
    ) -> Self {
        Self {
            slices,
            state: &slices.families[index(family)],
            cx,
            family,
            mode,
            labels,
            updating: BTreeMap::new(),
            hints_only: BTreeMap::new(),
            deletes: BTreeSet::new(),
            foreign: Vec::new(),
            renamed: BTreeSet::new(),
            new: Vec::new(),
            draft: FamilyDraft::default(),
        }
    }

    fn run(mut self) -> FamilyDraft {
        for id in &self.state.marked.dirty {
            self.review(*id);
        }
        for (group, endpoints) in self.unplaced() {
            self.fill(group, endpoints);
        }
        self.drop_placeholder();
        self.want_placeholder();
        self.wait_for_slices_that_become_free();
        self.recycle();
        let updating = std::mem::take(&mut self.updating).into_values().flatten();
        self.draft
            .puts
            .extend(updating.map(|reviewed| reviewed.put(true)));
        let hints_only = std::mem::take(&mut self.hints_only).into_values();
        self.draft
            .puts
            .extend(hints_only.map(|reviewed| reviewed.put(false)));
        self.delete();
        self.draft
    }

    /// Step 1: what stays in a marked slice, and whether it must be rewritten for it.
    fn review(&mut self, id: SliceId) {
        let held = &self.slices.slices[id];
        let Some((slice, group)) = &held.observed else {
            return;
        };
        if !held.owned {
            self.foreign.push(id);
            return;
        }
        if self.slices.groups.get(*group).eligible == 0 {
            self.deletes.insert(id);
            return;
        }
        let observed = (&**slice, *group);
        let review = self
            .slices
            .review(self.cx, id, observed, self.family, self.mode, &mut self.renamed);
        if review.changed && review.kept.is_empty() {
            self.deletes.insert(id);
            return;
        }
        let reviewed = Reviewed {
            id,
            group: *group,
            endpoints: review.kept,
            added: 0,
            urgent: review.urgent,
            again: review.retained > 0,
        };
        self.draft.waits |= reviewed.again;
        // Where it is uncertain what is stored, that is found out by writing it again.
        if review.changed || held.uncertain || labels::differ(&slice.labels, self.labels) {
            self.updating.entry(*group).or_default().push(reviewed);
        } else if review.hints_changed {
            self.hints_only.insert(id, reviewed);
        } else if reviewed.again {
            self.draft.retaining.push(id);
        } else {
            self.draft.settled.push(id);
        }
    }

    /// The Pods that stand in no slice, as endpoints, by group.
    fn unplaced(&self) -> BTreeMap<GroupId, Vec<EndpointRecord>> {
        let mut groups: BTreeMap<GroupId, Vec<EndpointRecord>> = BTreeMap::new();
        for name in self.state.unplaced.difference(&self.renamed) {
            let Some(place) = self.slices.pods.get(name) else {
                continue;
            };
            let endpoint = ServiceSlices::desired(self.cx, place, name, self.family, self.mode);
            if let (Some(group), Some(endpoint)) = (place.group, endpoint) {
                groups.entry(group).or_default().push(endpoint);
            }
        }
        groups
    }

    /// Steps 2 and 3: where the Pods of one group go.
    fn fill(&mut self, group: GroupId, unplaced: Vec<EndpointRecord>) {
        let added = unplaced.len();
        let reviewed = self.updating.entry(group).or_default();
        let mut slices: Vec<Updating> = reviewed
            .iter_mut()
            .map(|slice| Updating {
                id: slice.id,
                endpoints: std::mem::take(&mut slice.endpoints),
            })
            .collect();
        let lengths: Vec<usize> = slices.iter().map(|slice| slice.endpoints.len()).collect();
        let max = self.cx.settings.max_endpoints;
        let gone = |id: SliceId| self.deletes.contains(&id) || self.slices.is_leaving(id);
        let filled = self
            .slices
            .fill(self.family, group, unplaced, &mut slices, gone, max);
        for ((to, from), length) in reviewed.iter_mut().zip(slices).zip(lengths) {
            to.added = from.endpoints.len() - length;
            to.endpoints = from.endpoints;
        }
        self.draft.waits |= filled.waits;
        if let Some((id, mut endpoints)) = filled.top_up {
            let placed: usize = reviewed.iter().map(|slice| slice.added).sum();
            let new: usize = filled.new.iter().map(Vec::len).sum();
            let mut again = self.state.marked.waiting.contains(&id) || self.draft.retaining.contains(&id);
            if let Some(reviewed) = self.hints_only.remove(&id) {
                again |= reviewed.again;
                endpoints.splice(..reviewed.endpoints.len(), reviewed.endpoints);
            }
            self.draft.puts.push(Put {
                target: Target::Existing(id),
                group,
                endpoints,
                added: added - placed - new,
                relabel: false,
                urgent: false,
                again,
            });
        }
        self.new.extend(filled.new.into_iter().map(|endpoints| NewSlice {
            group,
            endpoints,
            recycles: None,
        }));
    }

    /// Number of slices that go and are not made into others yet.
    fn going(&self) -> usize {
        self.deletes.len() + self.foreign.len() + self.state.marked.leaving.len()
    }

    /// A placeholder goes once there is, or is to be, another slice that stays.
    fn drop_placeholder(&mut self) {
        let group = self.slices.groups.get(self.slices.portless);
        if group.eligible > 0 {
            return;
        }
        let stays = |id: &SliceId| !self.deletes.contains(id) && !self.slices.is_leaving(*id);
        let placeholders: Vec<SliceId> = group
            .by_length(self.family)
            .iter()
            .map(|(_, id)| *id)
            .filter(stays)
            .collect();
        if self.new.is_empty() && self.state.live <= self.going() + placeholders.len() {
            return;
        }
        let free = |id: &SliceId| self.slices.slices[*id].in_flight.is_none();
        self.deletes.extend(placeholders.into_iter().filter(free));
    }

    /// Where no slice would be left, one without endpoints is wanted, so that consumers know that the Service has been
    /// looked at. A slice that is one already stays.
    fn want_placeholder(&mut self) {
        if !self.new.is_empty() || self.state.live != self.going() {
            return;
        }
        let of_deletes = self.deletes.iter().copied().find(|id| self.is_placeholder(*id));
        if let Some(id) = of_deletes {
            // Others go, and no other one is rewritten into what this is already.
            self.deletes.remove(&id);
            self.draft.settled.push(id);
            return;
        }
        // Slices of somebody else go all the same.
        let leaving = self.state.marked.leaving.iter().map(|(_, id)| *id);
        let leaving = leaving.filter(|id| self.slices.slices[*id].owned);
        let mut own = self.deletes.iter().copied().chain(leaving);
        if let (Some(id), None) = (own.next(), own.next())
            && self.is_placeholder(id)
        {
            self.draft.settled.push(id);
            return;
        }
        self.new.push(NewSlice {
            group: self.slices.portless,
            endpoints: Vec::new(),
            recycles: None,
        });
    }

    fn is_placeholder(&self, id: SliceId) -> bool {
        let held = &self.slices.slices[id];
        held.observed.as_ref().is_some_and(|(slice, group)| {
            held.owned
                // Where it is uncertain what is stored, that is found out by writing it again.
                && !held.uncertain
                && *group == self.slices.portless
                && slice.endpoints.is_empty()
                && slice.key.namespace == self.cx.service.key.namespace
                && labels::equal_or_empty(&slice.labels, self.labels)
        })
    }

    /// A placeholder that is just being written can be made into a new slice as soon as that is answered: one object
    /// instead of two.
    fn wait_for_slices_that_become_free(&mut self) {
        let group = self
            .slices
            .groups
            .get(self.slices.portless)
            .by_length(self.family);
        let free = group
            .iter()
            .take(self.new.len())
            .filter(|(_, id)| self.slices.becomes_free(*id))
            .count();
        self.new.truncate(self.new.len() - free);
        self.draft.waits |= free > 0;
    }

    /// Slices that go are made into new ones.
    fn recycle(&mut self) {
        if self.new.is_empty() {
            return;
        }
        let leaving = self.state.marked.leaving.iter().map(|(_, id)| *id);
        let own = leaving.filter(|id| self.slices.slices[*id].owned);
        self.deletes.extend(own);
        let new = std::mem::take(&mut self.new);
        let mut new = self.slices.recycle(new, &mut self.deletes);
        let waiting = self
            .slices
            .waiting(self.cx, self.family, &mut new, &mut self.deletes);
        for (at, slice) in new.into_iter().enumerate() {
            if waiting.contains(&at) {
                // Another slice takes some of its Pods first.
                self.draft.waits = true;
                self.draft.held_back.extend(slice.recycles);
                continue;
            }
            self.draft.puts.push(Put {
                target: slice.recycles.map_or(Target::New, Target::Recycled),
                group: slice.group,
                added: slice.endpoints.len(),
                endpoints: slice.endpoints,
                relabel: true,
                urgent: false,
                again: false,
            });
        }
    }

    fn delete(&mut self) {
        let own = std::mem::take(&mut self.deletes);
        let foreign = std::mem::take(&mut self.foreign);
        for id in own.into_iter().chain(foreign) {
            let waits = self.slices.slices[id].owned && !self.slices.may_drop_all(self.cx, id, self.family);
            if waits {
                self.draft.blocked.push(id);
            } else {
                self.draft.deletes.push(id);
            }
        }
    }
}
