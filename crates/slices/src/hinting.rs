//! Topology hints by annotation, over what a family is to become.

use std::collections::BTreeSet;

use quaymaster_model::IpFamily;

use crate::cluster::{Cluster, Context};
use crate::convert::HintMode;
use crate::draft::{Draft, FamilyDraft, Put, Target};
use crate::groups::GroupId;
use crate::held::SliceId;
use crate::state::ServiceSlices;
use crate::topology::{self, Bucket, HintSlice};

impl ServiceSlices {
    /// Topology hints by annotation: a matter of all slices of the family.
    pub(crate) fn hints<C: Cluster>(
        &self,
        cx: Context<'_, C>,
        family: IpFamily,
        mode: HintMode,
        draft: &mut FamilyDraft,
        service: &mut Draft,
    ) {
        let address_type = Self::address_type(family);
        if mode != HintMode::Auto {
            service
                .events
                .extend(topology::forget(&mut service.hints, &address_type));
            return;
        }
        let untouched = self.untouched(family, draft);
        let mut slices: Vec<HintSlice> = Vec::with_capacity(draft.puts.len() + untouched.len());
        for put in &mut draft.puts {
            let bucket = if put.target == Target::New {
                Bucket::Create
            } else {
                Bucket::Update
            };
            slices.push(HintSlice {
                bucket,
                endpoints: std::mem::take(&mut put.endpoints),
            });
        }
        for (id, _) in &untouched {
            let endpoints = self.slices[*id]
                .content()
                .map(|content| content.endpoints().to_vec())
                .unwrap_or_default();
            slices.push(HintSlice {
                bucket: Bucket::Unchanged,
                endpoints,
            });
        }
        service.events.extend(topology::add_hints(
            &mut service.hints,
            cx.cluster.zones(),
            &address_type,
            &mut slices,
        ));
        let mut hinted = slices.into_iter();
        for (put, slice) in draft.puts.iter_mut().zip(hinted.by_ref()) {
            put.endpoints = slice.endpoints;
        }
        for ((id, group), slice) in untouched.into_iter().zip(hinted) {
            if matches!(slice.bucket, Bucket::Update) {
                draft.puts.push(Put {
                    target: Target::Existing(id),
                    group,
                    endpoints: slice.endpoints,
                    added: 0,
                    relabel: false,
                    urgent: false,
                    again: draft.retaining.contains(&id),
                });
            }
        }
    }
    /// The slices of the family that the draft leaves as they are.
    fn untouched(&self, family: IpFamily, draft: &FamilyDraft) -> Vec<(SliceId, GroupId)> {
        let taken: BTreeSet<SliceId> = draft
            .puts
            .iter()
            .filter_map(|put| put.target.slice())
            .chain(draft.deletes.iter().copied())
            .chain(draft.blocked.iter().chain(&draft.held_back).copied())
            .collect();
        self.slices
            .iter()
            .filter(|(id, held)| {
                held.family == Some(family) && held.in_flight.is_none() && !taken.contains(id)
            })
            .filter_map(|(id, held)| held.content().map(|content| (id, content.group)))
            .collect()
    }
}
