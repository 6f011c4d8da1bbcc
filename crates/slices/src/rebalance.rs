//! Sparse slices are merged while nothing else happens, where that is asked for (`--rebalance`).
//!
//! Upstream never moves an endpoint from one slice to another (`k8s.io/endpointslice/reconciler.go`,
//! `reconcileByPortMapping`; kubernetes/kubernetes#119020): what Pods have left stays sparse for as long as it has any.
//!
//! Slices of one family and the same ports are sparse when they are less than half full, all together, and one of them
//! could go. Then the two smallest fit into one, whatever the others hold: together they have at most twice the average.
//! So a merge is always possible, and always the same: the endpoints of two slices go into one of them.
//!
//! A merge decides one write: the slice that comes first by name gets the endpoints of the other as well. What follows is
//! what becomes of any endpoint that stands in two slices: it stays in the first by name, leaves the other one when it
//! is seen there ([`review`](crate::review)), and a slice that has lost all its endpoints is deleted. A merge that is cut
//! off, or overtaken by changes, needs nothing of its own: whoever looks next finishes it.
//!
//! What a merge leaves is what the fill algorithm could have left, so that nobody undoes it: neither we nor
//! kube-controller-manager split a slice that is not above the maximum. Nor does it go on for ever: each merge takes one
//! slice away, and with half of the room taken there is none any more.
//!
//! Only a slice that is gone shows that a merge has come to its end. Who undoes merges before that is not fought: each time
//! the Service waits twice as long, so that what they cost goes to nothing. kube-controller-manager, where it runs beside,
//! could: of two slices with the same endpoint it takes the one that it lists first. But it looks a second after the
//! update (`pkg/controller/endpointslice/endpointslice_controller.go`, `endpointSliceChangeMinSyncDelay`), and the delete
//! follows as soon as the update is stored.

use std::time::{Duration, Instant};

use quaymaster_model::{IpFamily, SliceRecord};

use crate::cluster::{Cluster, Context};
use crate::convert::HintMode;
use crate::draft::{Put, Target};
use crate::groups::{Group, index};
use crate::held::SliceId;
use crate::issue::foreign_annotations;
use crate::state::{FAMILIES, FamilyState, ServiceSlices};

/// Between the merges of two Services lies at least this long, or all Services of a cluster would come to merge at once
/// when they have been quiet for equally long: after each start.
const BETWEEN_MERGES: Duration = Duration::from_secs(1);

/// A Service whose merges fail waits at most this many times as long as `--rebalance-quiet` says, as a power of two: with
/// 5 minutes, 227 days. It is as good as never, and not less, or two who disagree would go on.
const MOST_DOUBLINGS: u32 = 16;

/// When the Services of a process may merge slices: one after the other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Turns {
    free: Option<Instant>,
}

impl Turns {
    /// The next turn that nobody has.
    pub(crate) fn next(&mut self, now: Instant) -> Instant {
        let turn = self.free.map_or(now, |free| free.max(now));
        self.free = Some(turn + BETWEEN_MERGES);
        turn
    }
}

/// What is remembered of a Service for the sake of merging its slices.
#[derive(Debug, Default)]
pub(crate) struct Calm {
    /// Which Pods stand in which slices changed since this was last looked at, by whoever's doing.
    moved: bool,
    /// Since when it did not; none if that is not known.
    since: Option<Instant>,
    /// When the Service may merge, once it has been quiet for long enough.
    turn: Option<Instant>,
    /// The slice that the last merge empties, until it is gone.
    leaving: Option<SliceId>,
    /// Merges in a row after which the slice was not gone; with the one that is under way.
    failed: u32,
}

impl Calm {
    /// Pods came to stand in slices, or do not any more; or nobody looked for a while.
    pub(crate) fn disturb(&mut self) {
        self.moved = true;
    }

    /// A merge is decided. Who refuses it, makes something else of it, or undoes it, is not to be asked again and again.
    fn begin(&mut self, leaving: SliceId) {
        self.leaving = Some(leaving);
        self.failed = self.failed.saturating_add(1);
    }

    /// A slice is gone.
    pub(crate) fn gone(&mut self, id: SliceId) {
        if self.leaving == Some(id) {
            self.leaving = None;
            self.failed = 0;
        }
    }

    /// From when on the Service counts as quiet, if nothing comes in between; none for a time beyond all clocks.
    fn quiet_from(&mut self, now: Instant, quiet: Duration) -> Option<Instant> {
        if std::mem::take(&mut self.moved) {
            self.since = None;
            self.turn = None;
        }
        let since = *self.since.get_or_insert(now);
        let wait = match self.failed {
            0 => quiet,
            // However short the quiet time: twice nothing is nothing.
            failed => quiet
                .max(BETWEEN_MERGES)
                .saturating_mul(1 << failed.min(MOST_DOUBLINGS)),
        };
        since.checked_add(wait)
    }
}

impl Group {
    /// How many slices of the family would go if sparse ones were merged; 0 where they are not sparse. Slices above the
    /// maximum do not count.
    fn spare(&self, family: IpFamily, max: usize) -> usize {
        let (mut slices, mut endpoints) = (self.by_length(family).len(), self.endpoints(family));
        let above = self.by_length(family).iter().rev();
        for (length, _) in above.take_while(|(length, _)| *length > max) {
            slices -= 1;
            endpoints -= length;
        }
        let half_full = 2 * endpoints / max.max(1);
        slices.saturating_sub(half_full.max(1))
    }
}

impl ServiceSlices {
    /// How many slices would go if sparse ones were merged. The cost follows the number of different lists of ports.
    ///
    /// None of a Service that is going, and none where hints are given by annotation: which of them may stay is decided
    /// slice by slice (`k8s.io/endpointslice/topologycache/topologycache.go`, `AddHints`), so that who merges slices may
    /// change hints.
    pub(crate) fn spare<C>(&self, cx: Context<'_, C>) -> usize {
        self.sparse(cx).map(|(.., spare)| spare).sum()
    }

    fn sparse<C>(&self, cx: Context<'_, C>) -> impl Iterator<Item = (IpFamily, &Group, usize)> {
        let by_annotation = HintMode::of(cx.service, cx.settings.rules) == HintMode::Auto;
        let is_going = cx.service.terminating || self.namespace_terminating;
        let max = cx.settings.max_endpoints;
        let families = FAMILIES
            .into_iter()
            .filter(move |family| !by_annotation && !is_going && self.families[index(*family)].supported);
        families.flat_map(move |family| {
            let groups = self.groups.iter();
            let spare = groups.map(move |group| (family, group, group.spare(family, max)));
            spare.filter(|(.., spare)| *spare > 0)
        })
    }

    /// Decides to merge two slices, if the Service has been quiet for long enough and it is its turn.
    pub(crate) fn merge_if_due<C: Cluster>(&mut self, cx: Context<'_, C>, now: Instant, turns: &mut Turns) {
        let Some(quiet) = cx.settings.rebalance_after else {
            return;
        };
        if self.calm.quiet_from(now, quiet).is_none_or(|from| from > now) {
            return;
        }
        let merge = if self.is_at_rest() {
            self.to_merge(cx)
        } else {
            None
        };
        let Some((family, smallest, other)) = merge else {
            // A turn that comes at the wrong time is lost, or many could be taken at once later.
            self.calm.turn = self.calm.turn.filter(|turn| *turn > now);
            return;
        };
        if *self.calm.turn.get_or_insert_with(|| turns.next(now)) <= now {
            self.calm.turn = None;
            self.merge(cx, family, smallest, other);
        }
    }

    /// When to plan again for the sake of merging slices: none while there are none to be merged.
    pub(crate) fn merges_from<C>(&mut self, cx: Context<'_, C>, now: Instant) -> Option<Instant> {
        let quiet = cx.settings.rebalance_after?;
        let from = self.calm.quiet_from(now, quiet)?;
        if self.spare(cx) == 0 {
            return None;
        }
        let from = self.calm.turn.map_or(from, |turn| turn.max(from));
        if from > now {
            Some(from)
        } else {
            // Writes that are under way are answered by then. At rest, those that are sparse must not be merged.
            now.checked_add(quiet).filter(|_| !self.is_at_rest())
        }
    }

    /// Whether nothing is to be written and nothing is under way.
    fn is_at_rest(&self) -> bool {
        let is_settled = |family: &FamilyState| family.marked.is_empty() && family.unplaced.is_empty();
        self.in_flight() == 0
            && self.pending.all_sent()
            && self.other_types.is_empty()
            && self.families.iter().all(is_settled)
    }

    /// The two slices that are to become one, the smaller one first.
    fn to_merge<C>(&self, cx: Context<'_, C>) -> Option<(IpFamily, SliceId, SliceId)> {
        self.sparse(cx).find_map(|(family, group, _)| {
            let by_length = group.by_length(family).iter();
            let mut free = by_length.filter(|(_, id)| self.may_merge(*id));
            let ((smallest, one), (second, other)) = (free.next()?, free.next()?);
            (smallest + second <= cx.settings.max_endpoints).then_some((family, *one, *other))
        })
    }

    /// Whether the slice has nothing but what we have sent, and what it has is stored. What others put on it would go with
    /// it, and a finalizer would hold it back with endpoints that nobody looks after any more.
    fn may_merge(&self, id: SliceId) -> bool {
        let held = &self.slices[id];
        let is_ours_alone = |slice: &SliceRecord| {
            let unknown = slice.unknown.as_ref().and_then(|unknown| unknown.object.as_ref());
            foreign_annotations(slice).is_empty()
                && slice.finalizers.is_empty()
                && slice.owners.len() == 1
                && unknown.is_none()
        };
        held.confirmed().is_some()
            && held.altered.is_none()
            && held
                .observed
                .as_ref()
                .is_some_and(|(slice, _)| is_ours_alone(slice))
    }

    fn merge<C: Cluster>(&mut self, cx: Context<'_, C>, family: IpFamily, smallest: SliceId, other: SliceId) {
        let content = |id: SliceId| self.slices[id].content();
        let (Some(smaller), Some(larger)) = (content(smallest), content(other)) else {
            return;
        };
        if smaller.endpoints().is_empty() {
            self.leave(smallest);
            return;
        }
        let is_first = self.slices[smallest].name < self.slices[other].name;
        let (into, leaving, staying, moving) = if is_first {
            (smallest, other, smaller, larger)
        } else {
            (other, smallest, larger, smaller)
        };
        let put = Put {
            target: Target::Existing(into),
            group: staying.group,
            endpoints: [staying.endpoints(), moving.endpoints()].concat(),
            added: moving.endpoints().len(),
            relabel: true,
            urgent: false,
            again: false,
        };
        self.decide_put(cx, family, put);
        self.calm.begin(leaving);
    }
}
