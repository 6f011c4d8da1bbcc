//! Slices that would be deleted become those that would be created (kubernetes/kubernetes
//! `pkg/controller/endpointslicemirroring/reconciler_helpers.go`, `recycleSlices`).

use std::collections::HashMap;
use std::sync::Arc;

use quaymaster_model::{EndpointAddress, IpFamily, SliceRecord};

use crate::desired::Group;

/// Pairs groups that need a slice with slices that nobody needs, each of the same family, as many as there are of both:
/// for each group by its place the place of its slice.
///
/// Upstream pairs them as they come, and by mistake now and then across families. Here those with the most addresses in
/// common go first, which moves the fewest addresses from slice to slice; then those named first.
pub(crate) fn pair(groups: &[&Group], slices: &[&Arc<SliceRecord>]) -> Vec<Option<usize>> {
    let mut groups_of: HashMap<&EndpointAddress, Vec<usize>> = HashMap::new();
    for (at, group) in groups.iter().enumerate() {
        for address in group.endpoints.iter().flat_map(|endpoint| &endpoint.addresses) {
            groups_of.entry(address).or_default().push(at);
        }
    }
    let mut pairs = Vec::new();
    for (slice_at, slice) in slices.iter().enumerate() {
        let mut common = vec![0_usize; groups.len()];
        for address in slice.endpoints.iter().flat_map(|endpoint| &endpoint.addresses) {
            for at in groups_of.get(address).into_iter().flatten() {
                common[*at] += 1;
            }
        }
        for (group_at, group) in groups.iter().enumerate() {
            if is_of(slice, group.family) {
                pairs.push((std::cmp::Reverse(common[group_at]), group_at, slice_at));
            }
        }
    }
    pairs.sort_by(|a, b| (a.0, a.1, &slices[a.2].key.name).cmp(&(b.0, b.1, &slices[b.2].key.name)));
    let mut paired = vec![None; groups.len()];
    let mut used = vec![false; slices.len()];
    for (_, group, slice) in pairs {
        if paired[group].is_none() && !used[slice] {
            paired[group] = Some(slice);
            used[slice] = true;
        }
    }
    paired
}

fn is_of(slice: &SliceRecord, family: IpFamily) -> bool {
    slice.address_type == family.address_type()
}

#[cfg(test)]
mod tests;
