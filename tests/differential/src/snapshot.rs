//! All that a control plane holds that matters.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use k8s_openapi::api::core::v1::{Endpoints, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::{Client, ResourceExt as _};
use quaymaster_oracle::generate::Cluster;
use quaymaster_oracle::names::{SERVICE_NAME, SLICE_CONTROLLER, SLICE_MANAGED_BY};
use quaymaster_oracle::slices::auto;
use quaymaster_oracle::{managed, tell};

use crate::kinds::list_all;

/// All that a control plane holds that matters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) objects: Cluster,
    /// By path of a Service that there is: families of which it ever had a slice of its own.
    families: BTreeMap<String, BTreeSet<String>>,
}

/// A slice without endpoints and ports that no live Service owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unowned {
    /// Its name.
    pub(crate) slice: String,
    /// Its address type.
    pub(crate) family: String,
    /// Whether its Service is being deleted, so that nothing is created for it.
    pub(crate) terminating: bool,
}

impl Snapshot {
    /// Reads everything. `had` are the families of which Services ever had a slice of their own, by uid.
    pub(crate) async fn read(client: &Client, had: &BTreeSet<(String, String)>) -> Result<Self> {
        let objects = list_all(client).await?;
        let families = objects.all::<Service>().map(|service| {
            let uid = service.uid().unwrap_or_default();
            let of = had.iter().filter(|(owner, _)| *owner == uid);
            (path_of(service), of.map(|(_, family)| family.clone()).collect())
        });
        let families = families.collect();
        Ok(Self { objects, families })
    }

    /// The Service with this path.
    pub(crate) fn service(&self, path: &str) -> Option<&Service> {
        let (namespace, name) = path.split_once('/')?;
        self.objects.get(namespace, name)
    }

    /// Endpoints with this path, with targets told by whether they are there.
    pub(crate) fn told_endpoints(&self, path: &str) -> Option<Endpoints> {
        let (namespace, name) = path.split_once('/')?;
        let mut endpoints: Endpoints = self.objects.get::<Endpoints>(namespace, name)?.clone();
        for subset in endpoints.subsets.iter_mut().flatten() {
            let lists = [&mut subset.addresses, &mut subset.not_ready_addresses];
            for target in lists
                .into_iter()
                .flatten()
                .flatten()
                .filter_map(|address| address.target_ref.as_mut())
            {
                let name = target.name.as_deref().unwrap_or_default();
                tell(target, self.objects.get(namespace, name));
            }
        }
        Some(endpoints)
    }

    /// Families of which a Service that there is ever had a slice of its own.
    pub(crate) fn families(&self, service: &str) -> &BTreeSet<String> {
        static NONE: BTreeSet<String> = BTreeSet::new();
        self.families.get(service).unwrap_or(&NONE)
    }

    /// Slices without endpoints and ports that no live Service owns, of Services that a controller looks after, by path of
    /// the Service.
    pub(crate) fn unowned_placeholders(&self) -> BTreeMap<String, Vec<Unowned>> {
        let mut found = BTreeMap::<String, Vec<Unowned>>::new();
        for slice in self.objects.all().filter(|slice| self.is_kept(slice)) {
            let path = service_path(slice);
            let service = self.service(&path);
            let uid = service.and_then(kube::ResourceExt::uid);
            let mut owners = slice.metadata.owner_references.iter().flatten();
            let placeholder = slice.metadata.deletion_timestamp.is_none()
                && slice.endpoints.as_ref().is_none_or(Vec::is_empty)
                && slice.ports.as_ref().is_none_or(Vec::is_empty);
            if owners.any(|owner| Some(&owner.uid) == uid.as_ref()) || !placeholder {
                continue;
            }
            found.entry(path).or_default().push(Unowned {
                slice: slice.name_any(),
                family: slice.address_type.clone(),
                terminating: service.is_some_and(|service| service.metadata.deletion_timestamp.is_some()),
            });
        }
        found
    }

    /// Paths of Services that only one of two control planes has.
    pub(crate) fn services_of_one_side(&self, other: &Self) -> Vec<String> {
        let paths = |of: &Self| of.objects.all().map(path_of::<Service>).collect::<BTreeSet<_>>();
        paths(self).symmetric_difference(&paths(other)).cloned().collect()
    }

    /// Services with hints by annotation.
    pub(crate) fn auto_services(&self) -> BTreeSet<String> {
        let auto = self.objects.all().filter(|service| auto(service));
        auto.map(path_of::<Service>).collect()
    }

    /// Path of the Service of each slice, by the path of the slice.
    pub(crate) fn owners(&self) -> BTreeMap<String, String> {
        let slices = self.objects.all();
        slices
            .map(|slice| (path_of(slice), service_path(slice)))
            .collect()
    }

    /// How many slices the controller keeps here, of Services that it looks after.
    pub(crate) fn kept_slices(&self) -> usize {
        self.objects.all().filter(|slice| self.is_kept(slice)).count()
    }

    /// Whether the controller keeps this slice, of a Service that it looks after.
    fn is_kept(&self, slice: &EndpointSlice) -> bool {
        let labels = slice.metadata.labels.as_ref();
        let manager = labels.and_then(|labels| labels.get(SLICE_MANAGED_BY));
        manager.map(String::as_str) == Some(SLICE_CONTROLLER)
            && self.service(&service_path(slice)).is_some_and(managed)
    }
}

/// Namespace and name.
pub(crate) fn path_of<K: kube::Resource>(object: &K) -> String {
    format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any())
}

/// Path of the Service that a slice is labelled with.
pub(crate) fn service_path(slice: &EndpointSlice) -> String {
    let labels = slice.metadata.labels.as_ref();
    let name = labels.and_then(|labels| labels.get(SERVICE_NAME));
    format!(
        "{}/{}",
        slice.namespace().unwrap_or_default(),
        name.map_or("", String::as_str)
    )
}
