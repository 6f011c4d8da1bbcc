//! All that a control plane holds that matters.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use futures::try_join;
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use quaymaster_oracle::names::{CONTROLLER, MANAGED_BY, SERVICE_NAME};
use quaymaster_oracle::{Canonical, auto, managed};

/// All that a control plane holds that matters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(super) slices: Vec<EndpointSlice>,
    pub(super) services: BTreeMap<String, Service>,
    pub(super) nodes: Vec<Node>,
    /// By path of a Service that there is: families of which it ever had a slice of its own.
    pub(super) families: BTreeMap<String, BTreeSet<String>>,
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
    pub(super) fn lost(&self, service: &str, form: &Canonical, family: &str) -> bool {
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
    pub(super) fn slices_in(&self, namespace: &str) -> Vec<EndpointSlice> {
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
