//! The content of slices on two control planes, without what must differ, and what differs all the same.

mod exception;
mod hints;
mod snapshot;
#[cfg(test)]
mod tests;
mod zones;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use quaymaster_oracle::names::{CONTROLLER, HEADLESS, SERVICE_NAME};
use quaymaster_oracle::{
    Canonical, Compare, Difference, Group, HintComparison, SliceMeta, auto, canonical, diff_with, managed,
};

pub(crate) use exception::{Exception, Exceptions};
use hints::{tolerance, wrong_hints};
pub(crate) use snapshot::Snapshot;
use zones::Zones;

/// Annotations that steps put on slices.
pub(crate) const FOREIGN: &str = "example.com/";

/// What differs in one namespace; exceptions are counted and left out.
pub(crate) fn compare(
    left: &Snapshot,
    right: &Snapshot,
    namespace: &str,
    slice_count: bool,
    exceptions: &mut Exceptions,
) -> Vec<Difference> {
    let mut sides = [left, right].map(|side| side.slices_in(namespace));
    let counts: [usize; 2] = sides.each_mut().map(|slices| without_foreign_annotations(slices));
    let [left_slices, right_slices] = sides.each_ref().map(|slices| by_service(slices));
    let services: BTreeSet<&String> = left_slices.keys().chain(right_slices.keys()).collect();
    let mut differences = Vec::new();
    let none = Vec::new();
    for name in services {
        let service = left.services.get(&format!("{namespace}/{name}"));
        let of = |slices: &BTreeMap<String, Vec<EndpointSlice>>| canonical(slices.get(name).unwrap_or(&none));
        let (left_form, right_form) = (of(&left_slices), of(&right_slices));
        let zones = Zones::of(&left.nodes);
        let lost = |family: &str| right.lost(&format!("{namespace}/{name}"), &right_form, family);
        let pair = Forms {
            service,
            left: &left_form,
            right: &right_form,
            lost: &lost,
        };
        differences.extend(one_service(&pair, &zones, slice_count, exceptions));
    }
    if counts[0] != counts[1] {
        *exceptions.entry(Exception::ForeignAnnotation).or_default() += 1;
    }
    differences
}

/// The slices of one Service on both sides.
struct Forms<'a> {
    service: Option<&'a Service>,
    left: &'a Canonical,
    right: &'a Canonical,
    /// Whether the right side once had a slice of this family and has none now.
    lost: &'a dyn Fn(&str) -> bool,
}

fn one_service(
    forms: &Forms<'_>,
    zones: &Zones,
    slice_count: bool,
    exceptions: &mut Exceptions,
) -> Vec<Difference> {
    let &Forms {
        service,
        left,
        right,
        lost,
    } = forms;
    let exact = Compare {
        slice_count,
        hints: HintComparison::Exact,
    };
    let mut all = diff_with(left, right, &exact);
    if all.is_empty() {
        return all;
    }
    let mut apply = |exception| *exceptions.entry(exception).or_default() += 1;
    if !service.is_some_and(managed) {
        let before = all.len();
        all.retain(|difference| {
            difference
                .group()
                .is_none_or(|group| group.managed_by != CONTROLLER)
        });
        if all.len() < before {
            apply(Exception::LeftBehind);
        }
        return all;
    }
    let auto = service.is_some_and(auto);
    let hints = if auto {
        HintComparison::Counts {
            tolerance: tolerance(left, right, zones),
        }
    } else {
        HintComparison::ReadyOnly
    };
    let fair = diff_with(left, right, &Compare { slice_count, hints });
    if fair.len() < all.len() {
        apply(if auto {
            Exception::AutoHints
        } else {
            Exception::UnreadyHints
        });
    }
    let terminating = service.is_some_and(|service| service.metadata.deletion_timestamp.is_some());
    let mut empty = BTreeSet::new();
    let kept: Vec<Difference> = fair
        .into_iter()
        .filter(|difference| {
            // Over a finished cluster every slice is new.
            if !slice_count && headless_label_alone(difference, left, right) {
                apply(Exception::HeadlessLabel);
                return false;
            }
            if unowned_placeholder(difference, left, right) {
                apply(Exception::UnownedPlaceholder);
                return false;
            }
            if placeholder_empty_label(difference, left, right) {
                apply(Exception::PlaceholderEmptyLabel);
                return false;
            }
            let history = match difference {
                Difference::OnlyLeft(key) => !lost(&key.address_type),
                Difference::OnlyRight(_)
                | Difference::EndpointOnlyLeft(..)
                | Difference::EndpointOnlyRight(..) => true,
                _ => false,
            };
            if terminating && history {
                apply(Exception::TerminatingService);
                return false;
            }
            let of_empty_slices = match difference {
                Difference::OnlyLeft(key) | Difference::OnlyRight(key) | Difference::SliceCount(key, ..) => {
                    without_endpoints(left, right, &key.address_type).then_some(key)
                }
                _ => None,
            };
            empty.extend(of_empty_slices.cloned());
            of_empty_slices.is_none()
        })
        .chain(empty_beside_others(left, right))
        .chain(if auto {
            wrong_hints(left, right, zones)
        } else {
            Vec::new()
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

/// Whether neither side has an endpoint of the family. Beside endpoints an empty slice has no reason to be.
fn without_endpoints(left: &Canonical, right: &Canonical, address_type: &str) -> bool {
    let groups = left.groups.iter().chain(&right.groups);
    let mut of_family = groups.filter(|(key, _)| key.address_type == address_type);
    of_family.all(|(_, group)| group.endpoints.is_empty())
}

/// Empty slices of the right side in groups with endpoints.
fn empty_beside_others(left: &Canonical, right: &Canonical) -> Vec<Difference> {
    let empty = |group: &Group| group.sizes.iter().filter(|size| **size == 0).count();
    let groups = right.groups.iter().filter_map(|(key, group)| {
        let other = left.groups.get(key)?;
        let surplus = !group.endpoints.is_empty() && empty(group) > empty(other);
        surplus.then(|| Difference::SliceCount(key.clone(), other.sizes.clone(), group.sizes.clone()))
    });
    groups.collect()
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

/// Whether the left side has a placeholder without its owner where the right side has an owned one, all else equal.
fn unowned_placeholder(difference: &Difference, left: &Canonical, right: &Canonical) -> bool {
    let Difference::Metadata { group: key, .. } = difference else {
        return false;
    };
    let (Some(left), Some(right)) = (left.groups.get(key), right.groups.get(key)) else {
        return false;
    };
    let placeholder = key.ports.is_empty() && left.endpoints.is_empty() && right.endpoints.is_empty();
    let live = |owners: &[String]| owners.iter().any(|owner| owner.contains(r#""uid":"live""#));
    let without_owners = |metadata: &BTreeSet<SliceMeta>| -> BTreeSet<SliceMeta> {
        let cleared = metadata.iter().cloned().map(|mut meta| {
            meta.owners.clear();
            meta
        });
        cleared.collect()
    };
    placeholder
        && left.metadata.iter().any(|meta| !live(&meta.owners))
        && right.metadata.iter().all(|meta| live(&meta.owners))
        && without_owners(&left.metadata) == without_owners(&right.metadata)
}

/// Whether placeholders differ by nothing but labels without value.
fn placeholder_empty_label(difference: &Difference, left: &Canonical, right: &Canonical) -> bool {
    let Difference::Metadata { group: key, .. } = difference else {
        return false;
    };
    let (Some(left), Some(right)) = (left.groups.get(key), right.groups.get(key)) else {
        return false;
    };
    let without_empty = |metadata: &BTreeSet<SliceMeta>| -> BTreeSet<SliceMeta> {
        let stripped = metadata.iter().cloned().map(|mut meta| {
            meta.labels.retain(|_, value| !value.is_empty());
            meta
        });
        stripped.collect()
    };
    key.ports.is_empty()
        && left.endpoints.is_empty()
        && right.endpoints.is_empty()
        && without_empty(&left.metadata) == without_empty(&right.metadata)
}

/// Takes the annotations of steps off, and says how many there were.
fn without_foreign_annotations(slices: &mut [EndpointSlice]) -> usize {
    let mut taken = 0;
    for annotations in slices
        .iter_mut()
        .filter_map(|slice| slice.metadata.annotations.as_mut())
    {
        let before = annotations.len();
        annotations.retain(|key, _| !key.starts_with(FOREIGN));
        taken += before - annotations.len();
    }
    taken
}

fn by_service(slices: &[EndpointSlice]) -> BTreeMap<String, Vec<EndpointSlice>> {
    let mut services = BTreeMap::<String, Vec<EndpointSlice>>::new();
    for slice in slices {
        let label = slice
            .metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get(SERVICE_NAME));
        let name = label.cloned().unwrap_or_default();
        services.entry(name).or_default().push(slice.clone());
    }
    services
}
