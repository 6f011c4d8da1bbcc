//! From a decision to a write: name, object, and the note that it is in flight.

use std::sync::Arc;

use quaymaster_model::{
    IpFamily, LabelSet, ObjectKey, OwnerRef, SliceRecord, Text, digest, names as well_known,
};

use crate::cluster::{Cluster, Context};
use crate::draft::{Put, Target};
use crate::groups::{GroupId, index};
use crate::held::{InFlight, InFlightWrite, Mark, SliceId};
use crate::labels;
use crate::names::{MOST_REFUSALS, slice_name};
use crate::state::ServiceSlices;
use crate::write::{Op, SliceDraft, Write, WriteId};

impl ServiceSlices {
    /// Notes that a slice is to be created or rewritten.
    pub(crate) fn decide_put<C: Cluster>(&mut self, cx: Context<'_, C>, family: IpFamily, put: Put) {
        let rank = put.rank();
        let id = put
            .target
            .slice()
            .unwrap_or_else(|| self.new_slice(cx, family, put.group));
        self.settle(id);
        let observed = self.slices[id].observed.as_ref().map(|(slice, _)| slice);
        let kept_labels = observed
            .filter(|_| !put.relabel)
            .map(|slice| LabelSet::clone(&slice.labels));
        let over = observed.map(|slice| (slice.uid.clone(), slice.resource_version.clone()));
        let write = self.next_write();
        let in_flight = InFlight {
            id: write,
            round: self.round,
            what: InFlightWrite::Put {
                endpoints: Arc::new(put.endpoints),
                group: put.group,
                labels: kept_labels.unwrap_or_else(|| labels::wanted(cx.service)),
                in_place: matches!(put.target, Target::Existing(_)),
                added: put.added,
            },
            unsent: Some(rank),
            trigger: None,
            over,
            gone: None,
        };
        self.change(cx, id, |held| held.in_flight = Some(in_flight));
        if put.again {
            self.set_mark(id, Mark::Again);
        }
    }

    /// A create or update that was decided, in flight from now on. Counts endpoints added and removed.
    pub(crate) fn send_put<C: Cluster>(
        &mut self,
        cx: Context<'_, C>,
        id: SliceId,
        changes: &mut [(usize, usize); 2],
    ) -> Option<Write> {
        let trigger = self.trigger.time();
        let held = &mut self.slices[id];
        self.pending.change(id, held, |held| {
            if let Some(in_flight) = &mut held.in_flight {
                in_flight.unsent = None;
                in_flight.trigger = trigger;
            }
        });
        let (in_flight, family) = (held.in_flight.as_ref()?, held.family?);
        let write = in_flight.id;
        let InFlightWrite::Put {
            endpoints,
            group,
            labels,
            in_place,
            added,
        } = &in_flight.what
        else {
            return None;
        };
        let observed = held.observed.as_ref();
        let kept = observed.map(|(slice, _)| &**slice).filter(|_| *in_place);
        let counted = &mut changes[index(family)];
        counted.0 += added;
        counted.1 += match observed {
            Some((slice, _)) if *in_place => (slice.endpoints.len() + added).saturating_sub(endpoints.len()),
            Some((slice, group)) if self.groups.get(*group).eligible > 0 => slice.endpoints.len(),
            _ => 0,
        };
        let ports = self.groups.get(*group).ports.ports();
        let draft = SliceDraft {
            labels: labels.clone(),
            annotations: kept.map(foreign_annotations).unwrap_or_default(),
            trigger,
            owners: kept.map_or_else(|| vec![owner(cx)], |slice| slice.owners.to_vec()),
            finalizers: kept.map(|slice| slice.finalizers.clone()).unwrap_or_default(),
            address_type: Self::address_type(family),
            ports: digest::ordered_ports(ports, cx.settings.rules.port_order),
            endpoints: Arc::clone(endpoints),
            unknown: kept.and_then(|slice| slice.unknown.clone()),
        };
        let op = match observed {
            Some((slice, _)) => Op::Update {
                draft,
                uid: slice.uid.clone(),
                resource_version: slice.resource_version.clone(),
            },
            None => Op::Create(draft),
        };
        Some(self.write(cx, id, write, op))
    }

    /// A delete, in flight from now on.
    pub(crate) fn send_delete<C: Cluster>(
        &mut self,
        cx: Context<'_, C>,
        id: SliceId,
        changes: &mut [(usize, usize); 2],
    ) -> Option<Write> {
        let held = &self.slices[id];
        let (slice, group) = held.observed.clone()?;
        if let Some(family) = held.family
            && held.owned
            && self.groups.get(group).eligible > 0
        {
            changes[index(family)].1 += slice.endpoints.len();
        }
        self.set_mark(id, Mark::Settled);
        let write = self.next_write();
        let in_flight = InFlight {
            id: write,
            round: self.round,
            what: InFlightWrite::Delete,
            unsent: None,
            trigger: None,
            over: Some((slice.uid.clone(), slice.resource_version.clone())),
            gone: None,
        };
        self.change(cx, id, |held| held.in_flight = Some(in_flight));
        let op = Op::Delete {
            uid: slice.uid.clone(),
            resource_version: slice.resource_version.clone(),
        };
        Some(self.write(cx, id, write, op))
    }

    fn next_write(&mut self) -> WriteId {
        self.last_write += 1;
        WriteId(self.last_write)
    }

    fn write<C>(&self, cx: Context<'_, C>, id: SliceId, write: WriteId, op: Op) -> Write {
        Write {
            id: write,
            key: ObjectKey::new(cx.service.key.namespace.clone(), self.slices[id].name.clone()),
            op,
        }
    }

    /// An entry for a slice to be created, under the first name that is free.
    fn new_slice<C: Cluster>(&mut self, cx: Context<'_, C>, family: IpFamily, group: GroupId) -> SliceId {
        let owner = cx.service;
        let mut ordinal = self.groups.get(group).next_ordinal(family);
        let name = loop {
            let ports = &self.groups.get(group).ports;
            let name = Text::new(&slice_name(&owner.key.name, &owner.uid, family, ports, ordinal));
            let used = if let Some(id) = self.by_name.get(&name) {
                self.slices[*id].ordinal = Some((group, ordinal));
                true
            } else {
                let refused = self.taken_names.get(&name).copied().unwrap_or_default();
                refused >= MOST_REFUSALS || cx.cluster.slice_exists(&name)
            };
            if !used {
                break name;
            }
            ordinal += 1;
        };
        self.groups.get_mut(group).set_next_ordinal(family, ordinal + 1);
        let id = self.add_slice(&name, &Self::address_type(family));
        self.slices[id].ordinal = Some((group, ordinal));
        id
    }
}

/// The annotations that others put on a slice.
pub(crate) fn foreign_annotations(slice: &SliceRecord) -> Vec<(Text, Text)> {
    let own = |key: &Text| *key == well_known::ANNOTATION_TRIGGER_TIME;
    slice
        .annotations
        .iter()
        .filter(|(key, _)| !own(key))
        .cloned()
        .collect()
}

/// The owner reference of a new slice.
pub(crate) fn owner<C>(cx: Context<'_, C>) -> OwnerRef {
    let service = cx.service;
    OwnerRef::controller("v1", "Service", service.key.name.clone(), service.uid.clone())
}
