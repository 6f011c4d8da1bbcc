//! What differs between two controllers' slices, without what may differ.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Node, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;

use super::canonical::{
    Canonical, Compare, Difference, GroupKey, HintComparison, SliceMeta, canonical, diff_with,
};
use super::exception::{Exception, Exceptions};
use super::hints::{moved_otherwise, tolerance, wrong_hints};
use super::zones::Zones;
use crate::names::{EDITS, HEADLESS, SLICE_CONTROLLER};
use crate::rules::desired::managed;
use crate::rules::hints::auto;

#[cfg(test)]
mod tests;

/// What is known beside the slices.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The Service of the slices; `None` where it is gone.
    pub service: Option<&'a Service>,
    /// All nodes, which bound hints by annotation; `None` leaves these hints out, for sides that saw another history.
    pub nodes: Option<&'a [Node]>,
    /// Whether both sides have started over the same finished cluster, so that what hangs on history is compared, too.
    pub fresh: bool,
    /// Which of both sides is kube-controller-manager, whose known defects are forgiven.
    pub upstream: [bool; 2],
    /// Families of which a Service that is being deleted once had a slice, on each side.
    pub families: [&'a BTreeSet<String>; 2],
    /// Groups that Pods of the Service are of, none of which is an endpoint there, on each side: an empty slice of such a group
    /// stays ([`Desired::empty_groups`](crate::slices::Desired::empty_groups)).
    pub may_be_empty: [&'a BTreeSet<GroupKey>; 2],
}

/// What differs between the slices of one Service; exceptions are counted and left out. Owners have the uid `live` where
/// they exist.
pub fn fair(
    setting: &Setting<'_>,
    [left, right]: [&[EndpointSlice]; 2],
    exceptions: &mut Exceptions,
) -> Vec<Difference> {
    let (left, left_notes) = without_foreign_annotations(left);
    let (right, right_notes) = without_foreign_annotations(right);
    if left_notes != right_notes {
        *exceptions.entry(Exception::ForeignAnnotation).or_default() += 1;
    }
    one_service(setting, &canonical(&left), &canonical(&right), exceptions)
}

fn one_service(
    setting: &Setting<'_>,
    left: &Canonical,
    right: &Canonical,
    exceptions: &mut Exceptions,
) -> Vec<Difference> {
    let slice_count = setting.fresh;
    let exact = Compare {
        slice_count,
        hints: HintComparison::Exact,
    };
    let mut all = diff_with(left, right, &exact);
    if all.is_empty() {
        return all;
    }
    let mut apply = |exception| *exceptions.entry(exception).or_default() += 1;
    let Some(service) = setting.service.filter(|service| managed(service)) else {
        let before = all.len();
        all.retain(|difference| {
            difference
                .group()
                .is_none_or(|group| group.managed_by != SLICE_CONTROLLER)
        });
        if all.len() < before {
            apply(Exception::LeftBehind);
        }
        return all;
    };
    let by_annotation = auto(service);
    let zones = setting.nodes.map(Zones::of);
    let hints = match &zones {
        _ if !by_annotation => HintComparison::ReadyOnly,
        Some(zones) => HintComparison::Counts {
            tolerance: tolerance(left, right, zones),
        },
        None => HintComparison::Ignored,
    };
    let fair = diff_with(left, right, &Compare { hints, slice_count });
    if fair.len() < all.len() {
        apply(if by_annotation {
            Exception::AutoHints
        } else {
            Exception::UnreadyHints
        });
    }
    let terminating = service.metadata.deletion_timestamp.is_some();
    let mut empty = BTreeSet::new();
    let kept: Vec<Difference> = fair
        .into_iter()
        .filter(|difference| {
            // Over a finished cluster every slice is new.
            if !setting.fresh && headless_label_alone(difference, left, right) {
                apply(Exception::HeadlessLabel);
                return false;
            }
            let [left_upstream, right_upstream] = setting.upstream;
            if left_upstream && unowned_placeholder(difference, left, right)
                || right_upstream && unowned_placeholder(difference, right, left)
            {
                apply(Exception::UnownedPlaceholder);
                return false;
            }
            if placeholder_empty_label(difference, left, right) {
                apply(Exception::PlaceholderEmptyLabel);
                return false;
            }
            if terminating && hangs_on_what_was_seen(setting, difference, left, right) {
                apply(Exception::TerminatingService);
                return false;
            }
            let of_empty_slices = (!setting.fresh)
                .then(|| of_empty_slices(setting, difference, left, right))
                .flatten();
            empty.extend(of_empty_slices.cloned());
            of_empty_slices.is_none()
        })
        .chain(match &zones {
            Some(zones) if by_annotation => wrong_hints(left, right, zones),
            _ => Vec::new(),
        })
        .chain(match &zones {
            // kube-controller-manager may not have known all nodes when it hinted first, and keeps what fits.
            Some(zones) if by_annotation && setting.fresh && !setting.upstream[1] => {
                moved_otherwise(right, zones)
            }
            _ => Vec::new(),
        })
        .collect();
    // Each side must have some slice for each family all the same.
    if !empty.is_empty() {
        let families = |form: &Canonical| -> BTreeSet<(String, String)> {
            let keys = form.groups.keys();
            keys.map(|key| (key.managed_by.clone(), key.address_type.clone()))
                .collect()
        };
        if families(left) == families(right) {
            apply(Exception::EmptySlices);
        } else {
            return all;
        }
    }
    kept
}

/// Whether a difference in the slices of a Service that is being deleted hangs on which Pods a controller had seen. A
/// family of which the side had a slice keeps one, except under kube-controller-manager.
fn hangs_on_what_was_seen(
    setting: &Setting<'_>,
    difference: &Difference,
    left: &Canonical,
    right: &Canonical,
) -> bool {
    let lost = |side: usize, form: &Canonical, family: &String| {
        !setting.upstream[side]
            && setting.families[side].contains(family)
            && !form.groups.keys().any(|group| group.address_type == *family)
    };
    match difference {
        Difference::OnlyLeft(key, _) => !lost(1, right, &key.address_type),
        Difference::OnlyRight(key, _) => !lost(0, left, &key.address_type),
        Difference::EndpointOnlyLeft(..) | Difference::EndpointOnlyRight(..) => true,
        _ => false,
    }
}

/// The group, where only one side has an empty slice that may stay there. Over a finished cluster, where nothing has been
/// emptied yet, there is none.
///
/// A set of ports that Pods still have, none of which is an endpoint: what was emptied there stays, where it was emptied
/// before it could be deleted. A placeholder is what there is instead where nothing was emptied; beside endpoints it has no
/// reason to be. Empty slices of ports that no Pod has go in any case; those of another manager are not looked at by either side.
fn of_empty_slices<'a>(
    setting: &Setting<'_>,
    difference: &'a Difference,
    left: &Canonical,
    right: &Canonical,
) -> Option<&'a GroupKey> {
    let [left_may, right_may] = setting.may_be_empty;
    let (key, side, may) = match difference {
        Difference::OnlyLeft(key, _) => (key, left, left_may),
        Difference::OnlyRight(key, _) => (key, right, right_may),
        _ => return None,
    };
    let placeholder = key.ports.is_empty()
        && key.managed_by == SLICE_CONTROLLER
        && without_endpoints(left, right, &key.address_type);
    (is_empty(side, key) && (may.contains(key) || placeholder)).then_some(key)
}

/// Whether the slices of a group have no endpoints.
fn is_empty(side: &Canonical, key: &GroupKey) -> bool {
    side.groups
        .get(key)
        .is_some_and(|group| group.endpoints.is_empty())
}

/// Whether neither side has an endpoint of the family.
fn without_endpoints(left: &Canonical, right: &Canonical, address_type: &str) -> bool {
    let groups = left.groups.iter().chain(&right.groups);
    let mut of_family = groups.filter(|(key, _)| key.address_type == address_type);
    of_family.all(|(_, group)| group.endpoints.is_empty())
}

/// Whether metadata differs by nothing but the headless label.
fn headless_label_alone(difference: &Difference, left: &Canonical, right: &Canonical) -> bool {
    let Difference::Metadata { group, .. } = difference else {
        return false;
    };
    let without = |form: &Canonical| {
        let metadata = form.groups.get(group).map(|group| group.metadata.clone());
        let metadata = metadata.into_iter().flatten().map(|mut meta| {
            meta.labels.remove(HEADLESS);
            meta
        });
        metadata.collect::<BTreeSet<_>>()
    };
    without(left) == without(right)
}

/// Whether one side has a placeholder without its owner where the other side has an owned one, all else equal but for labels
/// without value, which upstream does not see on a placeholder either.
fn unowned_placeholder(difference: &Difference, one: &Canonical, other: &Canonical) -> bool {
    let Difference::Metadata { group: key, .. } = difference else {
        return false;
    };
    let (Some(one), Some(other)) = (one.groups.get(key), other.groups.get(key)) else {
        return false;
    };
    let placeholder = key.ports.is_empty() && one.endpoints.is_empty() && other.endpoints.is_empty();
    let live = |owners: &[String]| owners.iter().any(|owner| owner.contains(r#""uid":"live""#));
    let without_owners = |metadata: &BTreeSet<SliceMeta>| -> BTreeSet<SliceMeta> {
        let cleared = without_empty_labels(metadata).into_iter().map(|mut meta| {
            meta.owners.clear();
            meta
        });
        cleared.collect()
    };
    placeholder
        && one.metadata.iter().any(|meta| !live(&meta.owners))
        && other.metadata.iter().all(|meta| live(&meta.owners))
        && without_owners(&one.metadata) == without_owners(&other.metadata)
}

/// Whether placeholders differ by nothing but labels without value.
fn placeholder_empty_label(difference: &Difference, left: &Canonical, right: &Canonical) -> bool {
    let Difference::Metadata { group: key, .. } = difference else {
        return false;
    };
    let (Some(left), Some(right)) = (left.groups.get(key), right.groups.get(key)) else {
        return false;
    };
    key.ports.is_empty()
        && left.endpoints.is_empty()
        && right.endpoints.is_empty()
        && without_empty_labels(&left.metadata) == without_empty_labels(&right.metadata)
}

/// Metadata without the labels that have no value.
fn without_empty_labels(metadata: &BTreeSet<SliceMeta>) -> BTreeSet<SliceMeta> {
    let stripped = metadata.iter().cloned().map(|mut meta| {
        meta.labels.retain(|_, value| !value.is_empty());
        meta
    });
    stripped.collect()
}

/// The slices without annotations of steps, and how many there were.
fn without_foreign_annotations(slices: &[EndpointSlice]) -> (Vec<EndpointSlice>, usize) {
    let mut slices = slices.to_vec();
    let mut taken = 0;
    for annotations in slices
        .iter_mut()
        .filter_map(|slice| slice.metadata.annotations.as_mut())
    {
        let before = annotations.len();
        annotations.retain(|key, _| !key.starts_with(EDITS));
        taken += before - annotations.len();
    }
    (slices, taken)
}
