//! Slices that mirror Endpoints, from revision to revision.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Endpoints;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt as _;
use quaymaster_oracle::generate::Object;
use quaymaster_oracle::mirroring::{Config, allows_mirroring, desired, is_mirrored};
use quaymaster_oracle::names::MIRRORING_CONTROLLER;
use quaymaster_oracle::slices::check_invariants;

use super::traffic::{Keeps, Required, backends, is_ready, ready_backends, spelled};
use super::{Namespace, Published, Replay, STILL_WRITTEN, managed_by, service_of, written};
use crate::record::Event;

impl Replay<'_> {
    fn mirroring(&self) -> Config {
        Config {
            max_endpoints_per_subset: self.given.max_mirrored,
            minor: self.given.minor,
        }
    }

    /// A change of such a slice by a controller.
    pub(super) fn mirrored_slice(
        &mut self,
        namespace: &Namespace,
        old: Option<&EndpointSlice>,
        slice: &EndpointSlice,
        event: &Event,
    ) {
        let name = service_of(slice).unwrap_or_default();
        let mirrored = mirrored(namespace, &name);
        let max = self.given.max_mirrored;
        self.coverage(event.revision)
            .mirrored(old, slice, event.deleted, mirrored);
        if event.deleted {
            return;
        }
        let path = format!("{}/{}", slice.namespace().unwrap_or_default(), slice.name_any());
        let since = |of: &BTreeMap<_, _>| of.get(&name).copied().unwrap_or_default();
        let since = since(&namespace.services_since).max(since(&namespace.endpoints_since));
        if mirrored.is_none() && event.at > since + STILL_WRITTEN {
            self.violation(
                event.revision,
                &format!("slice {path} was written although nothing is to be mirrored"),
            );
        }
        if old.is_some_and(|old| written::content(old) == written::content(slice)) {
            self.violation(
                event.revision,
                &format!("slice {path} was written although nothing of it changed"),
            );
        }
        let before: Vec<EndpointSlice> = old.cloned().into_iter().collect();
        for broken in check_invariants(std::slice::from_ref(slice), &before, max) {
            self.violation(event.revision, &broken.to_string());
        }
    }

    /// Compares what should be with what is published.
    pub(super) fn mirrored_traffic(
        &mut self,
        path: &str,
        namespace: &mut Namespace,
        name: &str,
        event: &Event,
    ) {
        let config = self.mirroring();
        let endpoints = mirrored(namespace, name);
        let desired = endpoints.map(|endpoints| desired(endpoints, config));
        if let (Some(endpoints), Some(desired)) = (endpoints, &desired) {
            let service = namespace.services.get(name);
            self.coverage(event.revision)
                .desired_mirror(endpoints, service, desired);
        } else if let Some(endpoints) = namespace.endpoints.get(name) {
            let service = namespace.services.get(name);
            self.coverage(event.revision).not_mirrored(endpoints, service);
        }
        let mut required = Required::new();
        let overfull = desired.as_ref().is_some_and(|desired| desired.overfull);
        for (key, group) in desired.iter().flat_map(|desired| &desired.groups) {
            for endpoint in group.endpoints.values().filter(|endpoint| is_ready(endpoint)) {
                let uid = endpoint.target_ref.as_ref().and_then(|target| target.uid.clone());
                for backend in backends(key.address_type.as_str(), &spelled(&group.ports), endpoint) {
                    required.insert(backend, uid.clone().unwrap_or_default());
                }
            }
        }
        let of_name = |slice: &&EndpointSlice| {
            managed_by(slice) == Some(MIRRORING_CONTROLLER) && service_of(slice).as_deref() == Some(name)
        };
        let published = namespace
            .slices
            .values()
            .filter(of_name)
            .flat_map(ready_backends)
            .collect();
        let written = self.written(event, |object| match object {
            Object::EndpointSlice(slice) if of_name(&&**slice) => ready_backends(slice),
            _ => BTreeSet::new(),
        });
        // Which of too many endpoints are in the slice is anybody's choice.
        let keeps = if overfull {
            Keeps::Everything
        } else {
            Keeps::WhatIsReady
        };
        if overfull {
            required.clear();
        }
        let traffic = namespace
            .traffic
            .entry((Published::Mirrored, name.to_owned()))
            .or_default();
        for what in traffic.step(&required, &published, &written, event.at, keeps, self.given.holds) {
            self.violation(event.revision, &format!("mirror of {path}/{name} {what}"));
        }
    }
}

/// The Endpoints of a name, where they are to be mirrored.
fn mirrored<'a>(namespace: &'a Namespace, name: &str) -> Option<&'a Endpoints> {
    let endpoints = namespace.endpoints.get(name)?;
    let service = namespace.services.get(name)?;
    (is_mirrored(endpoints) && allows_mirroring(service)).then_some(endpoints)
}
