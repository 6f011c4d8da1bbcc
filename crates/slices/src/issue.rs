//! From a decision to a write: name, object, and the note that it is in flight.

use std::sync::Arc;

use quaymaster_model::{
    IpFamily, LabelSet, ObjectKey, OwnerRef, PortSet, SliceRecord, Text, digest, names as well_known,
};

use crate::cluster::{Cluster, Context};
use crate::draft::{Put, Target};
use crate::groups::index;
use crate::held::{InFlight, InFlightWrite, SliceId};
use crate::labels;
use crate::names::slice_name;
use crate::state::ServiceSlices;
use crate::write::{Op, SliceDraft, Write, WriteId};

impl ServiceSlices {
    /// Deletes wait for the writes that were decided with them or before, and not for later ones: under constant
    /// change there always is a later one.
    pub(crate) fn may_delete_now(&self, id: SliceId, some_put: bool) -> bool {
        let since = self.slices[id.0].deletable_since.unwrap_or(self.round);
        if since == self.round && some_put {
            return false;
        }
        !self.slices.iter().any(|(_, held)| {
            held.in_flight.as_ref().is_some_and(|in_flight| {
                in_flight.round <= since && matches!(in_flight.what, InFlightWrite::Put { .. })
            })
        })
    }

    pub(crate) fn issue_put<C: Cluster>(&mut self, cx: Context<'_, C>, family: IpFamily, put: Put) -> Write {
        let ports = self.groups.get(put.group).ports.clone();
        let id = put.target.slice().unwrap_or_else(|| {
            let name = self.free_name(cx, family, &ports);
            self.add_slice(&name, &Self::address_type(family))
        });
        let observed = self.slices[id.0]
            .observed
            .as_ref()
            .map(|(slice, _)| Arc::clone(slice));
        let endpoints = Arc::new(put.endpoints);
        let kept_labels = observed
            .as_ref()
            .filter(|_| !put.relabel)
            .map(|slice| slice.labels.clone());
        let labels =
            kept_labels.map_or_else(|| labels::wanted(cx.service), |labels| LabelSet::clone(&labels));
        let in_place = observed
            .as_deref()
            .filter(|_| matches!(put.target, Target::Existing(_)));
        let draft = SliceDraft {
            labels: labels.clone(),
            annotations: in_place.map(foreign_annotations).unwrap_or_default(),
            trigger: self.trigger,
            owners: in_place.map_or_else(|| vec![owner(cx)], |slice| slice.owners.to_vec()),
            finalizers: in_place.map(|slice| slice.finalizers.clone()).unwrap_or_default(),
            address_type: Self::address_type(family),
            ports: digest::ordered_ports(ports.ports(), cx.settings.rules.port_order),
            endpoints: Arc::clone(&endpoints),
            unknown: in_place.and_then(|slice| slice.unknown.clone()),
        };
        let over = observed
            .as_ref()
            .map(|slice| (slice.uid.clone(), slice.resource_version.clone()));
        let op = match observed {
            Some(slice) => Op::Update {
                draft,
                uid: slice.uid.clone(),
                resource_version: slice.resource_version.clone(),
            },
            None => Op::Create(draft),
        };
        let write = self.next_write(cx, id, op);
        let round = self.round;
        let what = InFlightWrite::Put {
            endpoints,
            group: put.group,
            labels,
        };
        self.issue(
            cx,
            id,
            InFlight {
                id: write.id,
                round,
                what,
                trigger: self.trigger,
                over,
                gone: None,
            },
        );
        self.settle(family, id);
        if put.again {
            self.families[index(family)].dirty.insert(id);
        }
        write
    }

    pub(crate) fn issue_delete<C: Cluster>(&mut self, cx: Context<'_, C>, id: SliceId) -> Option<Write> {
        let (slice, _) = self.slices[id.0].observed.clone()?;
        let op = Op::Delete {
            uid: slice.uid.clone(),
            resource_version: slice.resource_version.clone(),
        };
        let write = self.next_write(cx, id, op);
        let round = self.round;
        self.issue(
            cx,
            id,
            InFlight {
                id: write.id,
                round,
                what: InFlightWrite::Delete,
                trigger: None,
                over: Some((slice.uid.clone(), slice.resource_version.clone())),
                gone: None,
            },
        );
        self.other_types.remove(&id);
        Some(write)
    }

    fn next_write<C: Cluster>(&mut self, cx: Context<'_, C>, id: SliceId, op: Op) -> Write {
        self.last_write += 1;
        Write {
            id: WriteId(self.last_write),
            key: ObjectKey::new(cx.service.key.namespace.clone(), self.slices[id.0].name.clone()),
            op,
        }
    }

    fn free_name<C: Cluster>(&self, cx: Context<'_, C>, family: IpFamily, ports: &PortSet) -> Text {
        let mut ordinal = 0;
        loop {
            let name = Text::new(&slice_name(cx.service, family, ports, ordinal));
            let used = self.by_name.contains_key(&name)
                || self.taken_names.contains(&name)
                || cx.cluster.slice_exists(&name);
            if !used {
                return name;
            }
            ordinal += 1;
        }
    }
}

fn foreign_annotations(slice: &SliceRecord) -> Vec<(Text, Text)> {
    let own = |key: &Text| *key == well_known::ANNOTATION_TRIGGER_TIME;
    slice
        .annotations
        .iter()
        .filter(|(key, _)| !own(key))
        .cloned()
        .collect()
}

pub(crate) fn owner<C>(cx: Context<'_, C>) -> OwnerRef {
    OwnerRef {
        api_version: Text::new("v1"),
        kind: Text::new("Service"),
        name: cx.service.key.name.clone(),
        uid: cx.service.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}
