//! The held state of one Endpoints object that is mirrored, or of which there are slices: what is in flight, and what
//! answers have shown. Endpoints and slices themselves are the world's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use quaymaster_model::write::{Op, SliceDraft, Write, WriteId};
use quaymaster_model::{
    EndpointsRecord, IpFamily, ObjectKey, PortSet, SliceRecord, Subset, Text, UpstreamRules, digest, names,
};
use quaymaster_slices::names::{MOST_REFUSALS, slice_name};
use quaymaster_world::World;

use crate::altered::{Altered, is_as_sent};
use crate::content::Content;
use crate::decide::{Decision, Put, Situation, Target, decide};
use crate::desired::Desired;
use crate::difference::Difference;
use crate::wanted::Wanted;

/// What can be chosen.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Most addresses of a subset that are mirrored (`--mirroring-max-endpoints-per-subset`), 1 to 1000.
    pub max_endpoints: usize,
    /// The rules of the apiserver's version.
    pub rules: UpstreamRules,
}

/// Endpoints to be mirrored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) endpoints: &'a EndpointsRecord,
    pub(crate) subsets: &'a [Subset],
}

#[derive(Debug, Default)]
pub(crate) struct Mirror {
    /// Something changed that has not been looked at.
    pub(crate) look: bool,
    pub(crate) content: Content,
    /// When the work that is not done yet began.
    pub(crate) began: Option<Instant>,
    /// Invalid addresses, and all that are left out, these among them, as they were told last.
    pub(crate) left_out: (usize, usize),
    /// One write at most for each slice.
    in_flight: BTreeMap<Text, InFlight>,
    altered: BTreeMap<Text, Altered>,
    /// How often a create found its name taken by nobody that is known.
    refused: BTreeMap<Text, u32>,
    /// Nothing can be created any more.
    namespace_terminating: bool,
}

#[derive(Debug)]
struct InFlight {
    id: WriteId,
    what: Doing,
}

#[derive(Debug)]
enum Doing {
    Put(SliceDraft),
    /// Of a slice that is superfluous.
    Delete,
    /// Of a slice of Endpoints that are not mirrored.
    CleanUp,
}

/// What is to be written next, and what it comes to.
#[derive(Debug, Default)]
pub(crate) struct Next {
    pub(crate) writes: Vec<Write>,
    pub(crate) desired: Desired,
    pub(crate) difference: Difference,
    /// There would be more if there were room.
    pub(crate) truncated: bool,
}

/// What a write was that is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    /// None that is known.
    Unknown,
    /// It counts as a change.
    Change,
    /// It cleaned up.
    CleanUp,
}

impl Mirror {
    /// Whether nothing is in flight or awaited.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && !self.content.is_asked()
    }

    /// Whether a write of this slice is in flight.
    pub(crate) fn is_being_written(&self, name: &Text) -> bool {
        self.in_flight.contains_key(name)
    }

    /// The Endpoints are others than before, or gone: what was learnt about creating does not hold for them.
    pub(crate) fn replaced(&mut self) {
        self.refused.clear();
        self.namespace_terminating = false;
    }

    /// Names of slices that may have lost the labels by which they are found.
    pub(crate) fn altered(&self) -> impl Iterator<Item = &Text> {
        self.altered.keys()
    }

    /// The next writes for mirrored Endpoints.
    pub(crate) fn next(
        &mut self,
        world: &World,
        source: Source<'_>,
        settings: &Settings,
        limit: usize,
        last_write: &mut u64,
    ) -> Next {
        let slices = self.observed(world, &source.endpoints.key);
        let filling = self.filling();
        let desired = Desired::of(source.subsets, settings.max_endpoints, settings.rules.port_order);
        let wanted = Wanted::of(source.endpoints);
        let decision = self.decided(source, &desired, &wanted, &slices, &filling);
        let Decision { puts, deletes, waits } = decision;
        let mut next = Next::default();
        for put in puts {
            if next.writes.len() == limit {
                next.truncated = true;
                break;
            }
            next.difference += put.difference;
            let name = self.name(world, source.endpoints, &put);
            let draft = draft(&put, &wanted, settings);
            let op = match put.target.slice() {
                None => Op::Create(draft.clone()),
                Some(slice) => Op::Update {
                    draft: draft.clone(),
                    uid: slice.uid.clone(),
                    resource_version: slice.resource_version.clone(),
                },
            };
            let write = self.send(&source.endpoints.key, name, Doing::Put(draft), op, last_write);
            next.writes.push(write);
        }
        for delete in deletes {
            if next.writes.len() == limit {
                next.truncated = true;
                break;
            }
            next.difference += delete.difference;
            next.writes
                .push(self.delete(delete.slice, Doing::Delete, &source.endpoints.key, last_write));
        }
        // Slices with a write in flight are looked at once that is answered.
        self.look |= waits || next.truncated || !filling.is_empty();
        next.desired = desired;
        next
    }

    /// Deletes the slices of Endpoints that are not mirrored.
    pub(crate) fn clean_up(
        &mut self,
        world: &World,
        key: &ObjectKey,
        limit: usize,
        last_write: &mut u64,
    ) -> Next {
        let mut next = Next::default();
        for slice in self.observed(world, key) {
            if next.writes.len() == limit {
                next.truncated = true;
                break;
            }
            next.writes
                .push(self.delete(&slice, Doing::CleanUp, key, last_write));
        }
        self.look |= next.truncated || !self.filling().is_empty();
        next
    }

    /// Whether there is something to write now.
    pub(crate) fn has_work(&mut self, world: &World, source: Source<'_>, settings: &Settings) -> bool {
        let slices = self.observed(world, &source.endpoints.key);
        let filling = self.filling();
        let desired = Desired::of(source.subsets, settings.max_endpoints, settings.rules.port_order);
        let wanted = Wanted::of(source.endpoints);
        !self
            .decided(source, &desired, &wanted, &slices, &filling)
            .is_empty()
    }

    fn decided<'a>(
        &self,
        source: Source<'_>,
        desired: &'a Desired,
        wanted: &'a Wanted,
        slices: &'a [Arc<SliceRecord>],
        filling: &'a [(IpFamily, PortSet)],
    ) -> Decision<'a> {
        decide(&Situation {
            desired,
            wanted,
            slices,
            filling,
            may_create: !source.endpoints.terminating && !self.namespace_terminating,
        })
    }

    /// The slices to decide about, sorted by name: not those that go, and those with a write in flight. What is known of
    /// such as were altered is forgotten where it does not hold any more.
    fn observed(&mut self, world: &World, key: &ObjectKey) -> Vec<Arc<SliceRecord>> {
        let stored = |name: &Text| world.slice(&ObjectKey::new(key.namespace.clone(), name.clone()));
        let mut believed = Vec::new();
        let in_flight = &self.in_flight;
        self.altered.retain(|name, altered| {
            if in_flight.contains_key(name) {
                return true;
            }
            let as_sent = stored(name).and_then(|slice| altered.believed(slice));
            let is_held = as_sent.is_some();
            believed.extend(as_sent);
            is_held
        });
        let names: BTreeSet<Text> = believed.iter().map(|slice| slice.key.name.clone()).collect();
        let ours = world.slices_of(key).filter(|slice| {
            let name = &slice.key.name;
            slice.is_managed_by(names::MANAGER_MIRRORING)
                && !names.contains(name)
                && !in_flight.contains_key(name)
        });
        let mut slices: Vec<Arc<SliceRecord>> = believed;
        slices.extend(ours.cloned());
        slices.retain(|slice| !slice.terminating);
        slices.sort_by(|a, b| a.key.name.cmp(&b.key.name));
        slices
    }

    /// The groups that are being written.
    fn filling(&self) -> Vec<(IpFamily, PortSet)> {
        let puts = self
            .in_flight
            .values()
            .filter_map(|in_flight| match &in_flight.what {
                Doing::Put(draft) => Some(draft),
                Doing::Delete | Doing::CleanUp => None,
            });
        puts.map(|draft| {
            let family = if draft.address_type == IpFamily::V4.address_type() {
                IpFamily::V4
            } else {
                IpFamily::V6
            };
            (family, PortSet::new(draft.ports.iter().cloned()))
        })
        .collect()
    }

    /// The name of the slice that is written: the one it has, or the first that is free.
    fn name(&self, world: &World, endpoints: &EndpointsRecord, put: &Put<'_>) -> Text {
        if let Some(slice) = put.target.slice() {
            return slice.key.name.clone();
        }
        let EndpointsRecord { key, uid, .. } = endpoints;
        let mut ordinal = 0;
        loop {
            let name = Text::new(&slice_name(
                &key.name,
                uid,
                put.group.family,
                &put.group.ports,
                ordinal,
            ));
            let object = ObjectKey::new(key.namespace.clone(), name);
            let refused = self.refused.get(&object.name).copied().unwrap_or_default();
            let is_free = refused < MOST_REFUSALS
                && world.slice(&object).is_none()
                && !self.in_flight.contains_key(&object.name);
            if is_free {
                return object.name;
            }
            ordinal += 1;
        }
    }

    fn delete(&mut self, slice: &SliceRecord, what: Doing, key: &ObjectKey, last_write: &mut u64) -> Write {
        let op = Op::Delete {
            uid: slice.uid.clone(),
            resource_version: slice.resource_version.clone(),
        };
        self.send(key, slice.key.name.clone(), what, op, last_write)
    }

    fn send(&mut self, key: &ObjectKey, name: Text, what: Doing, op: Op, last_write: &mut u64) -> Write {
        *last_write += 1;
        let id = WriteId(*last_write);
        self.in_flight.insert(name.clone(), InFlight { id, what });
        Write {
            id,
            key: ObjectKey::new(key.namespace.clone(), name),
            op,
        }
    }

    /// A write has stored this, whatever became of it since. Returns what it was, and whether it is not stored as it was
    /// sent and has not been before.
    pub(crate) fn stored(&mut self, id: WriteId, slice: &Arc<SliceRecord>) -> (Answered, bool) {
        let name = &slice.key.name;
        let Some(InFlight { what, .. }) = self.take(name, id) else {
            return (Answered::Unknown, false);
        };
        self.refused.remove(name);
        match what {
            // What was altered before is forgotten when the slice is looked at.
            Doing::Put(sent) if is_as_sent(slice, &sent) => (Answered::Change, false),
            Doing::Put(sent) => {
                let stored = Arc::clone(slice);
                let before = self.altered.insert(name.clone(), Altered { sent, stored });
                (Answered::Change, before.is_none())
            }
            Doing::Delete => (Answered::Change, false),
            Doing::CleanUp => (Answered::CleanUp, false),
        }
    }

    /// A delete is done, or has begun, or a write has failed.
    pub(crate) fn ended(&mut self, name: &Text, id: WriteId) -> Answered {
        match self.take(name, id).map(|in_flight| in_flight.what) {
            None => Answered::Unknown,
            Some(Doing::Put(_) | Doing::Delete) => Answered::Change,
            Some(Doing::CleanUp) => Answered::CleanUp,
        }
    }

    /// A create found its name taken, and it is not known by whom.
    pub(crate) fn refuse(&mut self, name: &Text) {
        *self.refused.entry(name.clone()).or_default() += 1;
    }

    /// A create found that the namespace is being deleted.
    pub(crate) fn stop_creating(&mut self) {
        self.namespace_terminating = true;
    }

    fn take(&mut self, name: &Text, id: WriteId) -> Option<InFlight> {
        self.in_flight.get(name).filter(|in_flight| in_flight.id == id)?;
        self.in_flight.remove(name)
    }
}

fn draft(put: &Put<'_>, wanted: &Wanted, settings: &Settings) -> SliceDraft {
    let kept = match put.target {
        Target::Kept(slice) => Some(&**slice),
        Target::New | Target::Recycled(_) => None,
    };
    SliceDraft {
        labels: wanted.labels.clone(),
        annotations: wanted.annotations.clone(),
        trigger: None,
        owners: wanted.owners(kept),
        finalizers: kept.map(|slice| slice.finalizers.clone()).unwrap_or_default(),
        address_type: put.group.family.address_type(),
        ports: digest::ordered_ports(put.group.ports.ports(), settings.rules.port_order),
        endpoints: Arc::new(put.endpoints.clone()),
        unknown: kept.and_then(|slice| slice.unknown.clone()),
    }
}
