//! Topology hints by annotation, over what a family is to become.

use std::collections::BTreeSet;

use quaymaster_model::IpFamily;

use crate::cluster::{Cluster, Context};
use crate::convert::HintMode;
use crate::draft::{FamilyDraft, Reviewed, Target, existing};
use crate::groups::GroupId;
use crate::held::SliceId;
use crate::state::{Plan, ServiceSlices};
use crate::topology::{self, Bucket, HintSlice};

impl ServiceSlices {
    /// Topology hints by annotation: a matter of all slices of the family.
    pub(crate) fn hints<C: Cluster>(
        &mut self,
        cx: Context<'_, C>,
        family: IpFamily,
        mode: HintMode,
        draft: &mut FamilyDraft,
        plan: &mut Plan,
    ) {
        let address_type = Self::address_type(family);
        if mode != HintMode::Auto {
            plan.events
                .extend(topology::forget(&mut self.hints, &address_type));
            return;
        }
        let taken: BTreeSet<SliceId> = draft
            .puts
            .iter()
            .filter_map(|put| put.target.slice())
            .chain(draft.deletes.iter().chain(&draft.leaving).copied())
            .collect();
        let untouched: Vec<(SliceId, GroupId)> = self
            .slices
            .iter()
            .map(|(id, held)| (SliceId(id), held))
            .filter(|(id, held)| {
                held.family == Some(family) && held.in_flight.is_none() && !taken.contains(id)
            })
            .filter_map(|(id, held)| held.content().map(|content| (id, content.group)))
            .collect();
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
            let endpoints = self.slices[id.0]
                .content()
                .map(|content| content.endpoints().to_vec())
                .unwrap_or_default();
            slices.push(HintSlice {
                bucket: Bucket::Unchanged,
                endpoints,
            });
        }
        plan.events.extend(topology::add_hints(
            &mut self.hints,
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
                let reviewed = Reviewed {
                    id,
                    endpoints: slice.endpoints,
                    urgent: false,
                    again: false,
                };
                draft.puts.push(existing(group, reviewed, false));
            }
        }
    }
}
