//! EndpointSlices of the controller of that name, from revision to revision; who keeps which is told here for all.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt as _;
use quaymaster_oracle::generate::Object;
use quaymaster_oracle::names::{MIRRORING_CONTROLLER, SLICE_CONTROLLER};
use quaymaster_oracle::slices::{Desired, check_invariants, desired};
use quaymaster_oracle::{Rules, selects};

use super::traffic::{Keeps, Required, backends, is_ready, ready_backends};
use super::{Namespace, Published, Replay, managed_by, put, service_of, written};
use crate::controllers::Controller;
use crate::coverage::Rule;
use crate::record::Event;

impl Replay<'_> {
    /// A change of a slice of any manager.
    pub(super) fn slice(&mut self, namespace: &mut Namespace, slice: &EndpointSlice, event: &Event) {
        let old = put(&mut namespace.slices, &slice.name_any(), slice, event);
        let mirrors = managed_by(slice) == Some(MIRRORING_CONTROLLER);
        if self.by_harness(&event.object, event) {
            self.coverage(event.revision).count(if mirrors {
                Rule::MirrorChangedByOthers
            } else {
                Rule::SliceChangedByOthers
            });
            for edited in old.iter().chain([slice]) {
                let published = if mirrors {
                    Published::Mirrored
                } else {
                    Published::Slices
                };
                let key = service_of(edited).map(|name| (published, name));
                if let Some(traffic) = key.and_then(|key| namespace.traffic.get_mut(&key)) {
                    traffic.forget(&ready_backends(edited));
                }
            }
            return;
        }
        let path = format!("{}/{}", slice.namespace().unwrap_or_default(), slice.name_any());
        let keeper = |slice: &EndpointSlice| match managed_by(slice) {
            Some(SLICE_CONTROLLER) => self.has(Controller::EndpointSlice).then_some(SLICE_CONTROLLER),
            Some(MIRRORING_CONTROLLER) => self.has(Controller::Mirroring).then_some(MIRRORING_CONTROLLER),
            _ => None,
        };
        let manager = keeper(slice);
        if manager.is_none() || old.as_ref().is_some_and(|old| keeper(old) != manager) {
            let what = format!("slice {path} of another manager was changed");
            self.violation(event.revision, &what);
            return;
        }
        if let Some(old) = old.as_ref().filter(|_| !event.deleted) {
            // The garbage collector marks what it will delete.
            if slice.metadata.deletion_timestamp == old.metadata.deletion_timestamp {
                self.count_update(event.revision);
            }
        }
        if mirrors {
            self.mirrored_slice(namespace, old.as_ref(), slice, event);
            return;
        }
        let service = service_of(slice).and_then(|name| namespace.services.get(&name));
        let max_endpoints = self.given.max_endpoints;
        self.coverage(event.revision)
            .slice(old.as_ref(), slice, event.deleted, service, max_endpoints);
        if event.deleted {
            return;
        }
        for what in written::faults(old.as_ref(), slice, service) {
            self.violation(event.revision, &format!("slice {path} {what}"));
        }
        let before: Vec<EndpointSlice> = old.into_iter().collect();
        for broken in check_invariants(std::slice::from_ref(slice), &before, max_endpoints) {
            self.violation(event.revision, &broken.to_string());
        }
    }

    /// Compares what should be with what is published.
    pub(super) fn slices_traffic(
        &mut self,
        path: &str,
        namespace: &mut Namespace,
        name: &str,
        event: &Event,
    ) {
        let (Some(is), left_behind) = (namespace.services.get(name), namespace.left_behind.get(name)) else {
            return;
        };
        let service = left_behind.unwrap_or(is);
        let selected = namespace.pods.values().filter(|pod| selects(service, pod));
        let pods: Vec<Pod> = selected.cloned().collect();
        let nodes: Vec<Node> = pods
            .iter()
            .filter_map(|pod| self.nodes.get(pod.spec.as_ref()?.node_name.as_ref()?).cloned())
            .collect();
        let rules = Rules {
            minor: self.given.minor,
        };
        let desired = desired(service, &pods, &nodes, rules);
        if left_behind.is_none() {
            self.coverage(event.revision).desired(service, &desired);
        }
        let published = namespace
            .slices
            .values()
            .filter(|slice| {
                managed_by(slice) == Some(SLICE_CONTROLLER) && service_of(slice).as_deref() == Some(name)
            })
            .flat_map(ready_backends)
            .collect();
        let written = self.written(event, |object| match object {
            Object::EndpointSlice(slice) => ready_backends(slice),
            _ => std::collections::BTreeSet::new(),
        });
        let traffic = namespace
            .traffic
            .entry((Published::Slices, name.to_owned()))
            .or_default();
        let keeps = if left_behind.is_some() || !desired.managed {
            Keeps::Everything
        } else if is.metadata.deletion_timestamp.is_some() {
            Keeps::Nothing
        } else {
            Keeps::WhatIsReady
        };
        for what in traffic.step(
            &required(&desired),
            &published,
            &written,
            event.at,
            keeps,
            self.given.holds,
        ) {
            self.violation(event.revision, &format!("{path}/{name} {what}"));
        }
    }
}

/// The ready endpoints that should be published, with the uids of their Pods.
fn required(desired: &Desired) -> Required {
    let mut required: Required = BTreeMap::new();
    for (key, group) in &desired.groups {
        for endpoint in group.endpoints.values().filter(|endpoint| is_ready(endpoint)) {
            let uid = endpoint.target_ref.as_ref().and_then(|target| target.uid.clone());
            for backend in backends(key.address_type.as_str(), endpoint) {
                required.insert(backend, uid.clone().unwrap_or_default());
            }
        }
    }
    required
}
