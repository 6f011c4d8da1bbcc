//! The content of slices on two control planes, without what must differ, and what differs all the same.

mod exception;
#[cfg(test)]
mod tests;
mod zones;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use futures::try_join;
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use quaymaster_oracle::names::{CONTROLLER, HEADLESS, MANAGED_BY, SERVICE_NAME};
use quaymaster_oracle::{
    Canonical, Compare, Difference, Group, GroupKey, HintComparison, SliceMeta, auto, canonical, diff_with,
    managed,
};
use serde_json::Value;

pub(crate) use exception::{Exception, Exceptions};
use zones::Zones;

/// Annotations that steps put on slices.
pub(crate) const FOREIGN: &str = "example.com/";

/// All that a control plane holds that matters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    slices: Vec<EndpointSlice>,
    services: BTreeMap<String, Service>,
    nodes: Vec<Node>,
    /// By path of a Service that there is: families of which it ever had a slice of its own.
    families: BTreeMap<String, BTreeSet<String>>,
}

impl Snapshot {
    /// Reads everything, and replaces uids by whether they are those of the live object. `had` are the families of
    /// which Services ever had a slice of their own, by uid.
    pub(crate) async fn read(client: &Client, had: &BTreeSet<(String, String)>) -> Result<Self> {
        let params = ListParams::default();
        let (slices, services, pods, nodes) = (
            Api::<EndpointSlice>::all(client.clone()),
            Api::<Service>::all(client.clone()),
            Api::<Pod>::all(client.clone()),
            Api::<Node>::all(client.clone()),
        );
        let (slices, services, pods, nodes) = try_join!(
            slices.list(&params),
            services.list(&params),
            pods.list(&params),
            nodes.list(&params)
        )?;
        let services: BTreeMap<String, Service> = services
            .items
            .into_iter()
            .map(|service| (path(service.namespace(), &service.name_any()), service))
            .collect();
        let pods: BTreeMap<String, Option<String>> = pods
            .items
            .into_iter()
            .map(|pod| (path(pod.namespace(), &pod.name_any()), pod.uid()))
            .collect();
        let families = services.iter().map(|(path, service)| {
            let uid = service.uid().unwrap_or_default();
            let of = had.iter().filter(|(owner, _)| *owner == uid);
            (path.clone(), of.map(|(_, family)| family.clone()).collect())
        });
        let families = families.collect();
        let mut slices = slices.items;
        for slice in &mut slices {
            let namespace = slice.namespace();
            for owner in slice.metadata.owner_references.iter_mut().flatten() {
                let live = services
                    .get(&path(namespace.clone(), &owner.name))
                    .and_then(|service| service.metadata.uid.as_ref());
                owner.uid = liveness(live == Some(&owner.uid));
            }
            for endpoint in slice.endpoints.iter_mut().flatten() {
                let Some(target) = &mut endpoint.target_ref else {
                    continue;
                };
                let at = path(
                    target.namespace.clone(),
                    target.name.as_deref().unwrap_or_default(),
                );
                let live = pods.get(&at).is_some_and(|uid| *uid == target.uid);
                target.uid = Some(liveness(live));
            }
        }
        Ok(Self {
            slices,
            services,
            nodes: nodes.items,
            families,
        })
    }

    /// Slices without endpoints that no live Service owns, of Services that a controller looks after, by path of
    /// the Service.
    pub(crate) fn unowned_placeholders(&self) -> BTreeMap<String, usize> {
        let unowned = |slice: &&EndpointSlice| {
            let owners = slice.metadata.owner_references.iter().flatten();
            let owned = owners.into_iter().any(|owner| owner.uid == liveness(true));
            let label = |key| slice.metadata.labels.as_ref()?.get(key);
            let name = label(SERVICE_NAME).map_or("", String::as_str);
            let service = self.services.get(&path(slice.namespace(), name));
            !owned
                && label(MANAGED_BY).map(String::as_str) == Some(CONTROLLER)
                && slice.endpoints.as_ref().is_none_or(Vec::is_empty)
                && service.is_some_and(managed)
        };
        let mut found = BTreeMap::new();
        for slice in self.slices.iter().filter(unowned) {
            *found.entry(service_path(slice)).or_default() += 1;
        }
        found
    }

    /// Paths of Services that only one of two control planes has.
    pub(crate) fn services_of_one_side<'a>(&'a self, other: &'a Self) -> Vec<&'a String> {
        let missing = |from: &'a Self, to: &'a Self| {
            let paths = from.services.keys();
            paths.filter(|path| !to.services.contains_key(*path))
        };
        missing(self, other).chain(missing(other, self)).collect()
    }

    /// Services with hints by annotation.
    pub(crate) fn auto_services(&self) -> BTreeSet<String> {
        let auto = self.services.iter().filter(|(_, service)| auto(service));
        auto.map(|(path, _)| path.clone()).collect()
    }

    /// Path of the Service of each slice, by the path of the slice.
    pub(crate) fn owners(&self) -> BTreeMap<String, String> {
        let slices = self.slices.iter();
        let owners = slices.map(|slice| (path(slice.namespace(), &slice.name_any()), service_path(slice)));
        owners.collect()
    }

    /// Whether a Service that ever had a slice of this family has none any more.
    fn lost(&self, service: &str, form: &Canonical, family: &str) -> bool {
        let had = self
            .families
            .get(service)
            .is_some_and(|families| families.contains(family));
        had && !form.groups.keys().any(|group| group.address_type == family)
    }

    /// How many slices the controller keeps here, of Services that it looks after.
    pub(crate) fn kept_slices(&self) -> usize {
        let kept = self.slices.iter().filter(|slice| {
            let labels = slice.metadata.labels.as_ref();
            let manager = labels.and_then(|labels| labels.get(MANAGED_BY));
            manager.map(String::as_str) == Some(CONTROLLER)
                && self.services.get(&service_path(slice)).is_some_and(managed)
        });
        kept.count()
    }

    /// The slices of one namespace.
    fn slices_in(&self, namespace: &str) -> Vec<EndpointSlice> {
        let of = |slice: &&EndpointSlice| slice.metadata.namespace.as_deref() == Some(namespace);
        self.slices.iter().filter(of).cloned().collect()
    }
}

fn path(namespace: Option<String>, name: &str) -> String {
    format!("{}/{name}", namespace.unwrap_or_default())
}

fn service_path(slice: &EndpointSlice) -> String {
    let labels = slice.metadata.labels.as_ref();
    let name = labels.and_then(|labels| labels.get(SERVICE_NAME));
    path(slice.namespace(), name.map_or("", String::as_str))
}

fn liveness(live: bool) -> String {
    if live { "live" } else { "stale" }.to_owned()
}

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

/// By how much hints by annotation may differ, by address type: the algorithm looks at each family alone.
fn tolerance(left: &Canonical, right: &Canonical, zones: &Zones) -> BTreeMap<String, usize> {
    let ready = |form: &Canonical, address_type: &str| {
        let of = |key: &GroupKey| key.address_type == address_type && key.managed_by == CONTROLLER;
        let groups = form.groups.iter().filter(|(key, _)| of(key));
        let endpoints = groups.flat_map(|(_, group)| group.endpoints.values());
        endpoints.filter(|endpoint| endpoint.ready()).count()
    };
    let keys = left.groups.keys().chain(right.groups.keys());
    keys.map(|key| {
        let address_type = &key.address_type;
        let most = ready(left, address_type).max(ready(right, address_type));
        (address_type.clone(), zones.slack(most))
    })
    .collect()
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

/// Hints by annotation of the right side that are none of the algorithm's, whatever the left side has: in a family each
/// ready endpoint has exactly one, to a zone that there is and to no node, or none has any.
fn wrong_hints(left: &Canonical, right: &Canonical, zones: &Zones) -> Vec<Difference> {
    let ready = |form: &Canonical| {
        let groups = form.groups.iter().filter(|(key, _)| key.managed_by == CONTROLLER);
        let endpoints = groups.flat_map(|(key, group)| {
            let ready = group.endpoints.iter().filter(|(_, endpoint)| endpoint.ready());
            ready.map(|(identity, endpoint)| {
                let hints = endpoint.fields.get("hints").cloned();
                (key.clone(), identity.clone(), hints)
            })
        });
        endpoints.collect::<Vec<_>>()
    };
    let ours = ready(right);
    let hinted: BTreeSet<String> = ours
        .iter()
        .filter(|(.., hints)| hints.is_some())
        .map(|(key, ..)| key.address_type.clone())
        .collect();
    let is_right = |hints: Option<&Value>| {
        let list = |name: &str| hints.and_then(|hints| hints.get(name)?.as_array());
        let zone = list("forZones").and_then(|zones| match zones.as_slice() {
            [zone] => zone.get("name")?.as_str(),
            _ => None,
        });
        zone.is_some_and(|zone| zones.contains(zone)) && list("forNodes").is_none()
    };
    let theirs = ready(left);
    let wrong = ours
        .into_iter()
        .filter(|(key, _, hints)| hinted.contains(&key.address_type) && !is_right(hints.as_ref()));
    wrong
        .map(|(group, endpoint, hints)| Difference::Field {
            left: theirs
                .iter()
                .find(|(key, identity, _)| (key, identity) == (&group, &endpoint))
                .and_then(|(.., hints)| hints.clone()),
            group,
            endpoint,
            field: "hints".to_owned(),
            right: hints,
        })
        .collect()
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
