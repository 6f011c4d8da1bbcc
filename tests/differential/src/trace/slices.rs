//! EndpointSlices of the controller of that name, from revision to revision; who keeps which is told here for all.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt as _;
use quaymaster_oracle::generate::Object;
use quaymaster_oracle::names::{MIRRORING_CONTROLLER, SLICE_CONTROLLER};
use quaymaster_oracle::slices::{Desired, check_invariants, desired};
use quaymaster_oracle::{Rules, managed, selects};

use super::traffic::{Keeps, Required, backends, is_ready, ready_backends, spelled};
use super::{Namespace, Published, Replay, STILL_WRITTEN, managed_by, put, service_of, written};
use crate::controllers::Controller;
use crate::coverage::Rule;
use crate::record::Event;

impl Replay<'_> {
    /// A change of a slice of any manager.
    pub(super) fn slice(&mut self, namespace: &mut Namespace, slice: &EndpointSlice, event: &Event) {
        let key = slice.name_any();
        let old = put(&mut namespace.slices, &key, slice, event);
        let was_edited = namespace.edited.remove(&key);
        let owners = slice.metadata.owner_references.iter().flatten();
        let uids = owners.map(|owner| owner.uid.clone());
        namespace.owners.entry(key.clone()).or_default().extend(uids);
        let mirrors = managed_by(slice) == Some(MIRRORING_CONTROLLER);
        if self.by_harness(&event.object, event) {
            self.coverage(event.revision).count(if mirrors {
                Rule::MirrorChangedByOthers
            } else {
                Rule::SliceChangedByOthers
            });
            namespace.edited.insert(key);
            let before = old.as_ref().map(ready_backends).unwrap_or_default();
            let after = if event.deleted {
                BTreeSet::new()
            } else {
                ready_backends(slice)
            };
            // What the edit leaves as it was stays the controller's.
            let changed = before.symmetric_difference(&after).cloned().collect();
            let published = if mirrors {
                Published::Mirrored
            } else {
                Published::Slices
            };
            for service in old.iter().chain([slice]).filter_map(service_of) {
                if let Some(traffic) = namespace.traffic.get_mut(&(published, service)) {
                    traffic.forget(&changed);
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
        if mirrors && event.deleted && may_be_collected(namespace, &key, event) {
            let before = old.as_ref().map(ready_backends).unwrap_or_default();
            let traffic = service_of(slice).map(|name| (Published::Mirrored, name));
            if let Some(traffic) = traffic.and_then(|key| namespace.traffic.get_mut(&key)) {
                traffic.forget(&before);
            }
        }
        if mirrors {
            self.mirrored_slice(namespace, old.as_ref(), slice, event);
            return;
        }
        let name = service_of(slice).unwrap_or_default();
        let service = namespace.services.get(&name);
        let since = namespace.services_since.get(&name).copied().unwrap_or_default();
        let settled = event.at > since + STILL_WRITTEN;
        // The garbage collector deletes what an earlier Service owned, and what nobody owns any more.
        let concerns =
            |service: &Service| !managed(service) && (!event.deleted || written::owns(service, slice));
        if settled && service.is_some_and(concerns) {
            let what = format!("slice {path} of a Service that nobody looks after was written or deleted");
            self.violation(event.revision, &what);
        }
        if settled && !event.deleted && service.is_none() {
            let what = format!("slice {path} of a Service that there is none of was written");
            self.violation(event.revision, &what);
        }
        if was_edited && !event.deleted {
            self.coverage(event.revision).count(Rule::PutRight);
        }
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

    /// Whether a Service has endpoints that no slice of it holds.
    pub(super) fn lacks_a_slice(&self, namespace: &Namespace, service: &Service) -> bool {
        let name = service.name_any();
        let desired = self.desired(namespace, service);
        let slices = namespace.slices.values();
        let own = slices.filter(|slice| service_of(slice).as_deref() == Some(name.as_str()));
        let held: BTreeSet<&String> = own
            .flat_map(|slice| slice.endpoints.iter().flatten())
            .flat_map(|endpoint| &endpoint.addresses)
            .collect();
        let endpoints = desired.groups.values().flat_map(|group| group.endpoints.values());
        let mut addresses = endpoints.flat_map(|endpoint| &endpoint.addresses);
        addresses.any(|address| !held.contains(address))
    }

    /// What should be published for a Service.
    fn desired(&self, namespace: &Namespace, service: &Service) -> Desired {
        let selected = namespace.pods.values().filter(|pod| selects(service, pod));
        let pods: Vec<&Pod> = selected.collect();
        let names = pods
            .iter()
            .filter_map(|pod| pod.spec.as_ref()?.node_name.as_ref());
        let names: BTreeSet<&String> = names.collect();
        let nodes: Vec<&Node> = names
            .into_iter()
            .filter_map(|name| self.nodes.get(name))
            .collect();
        let rules = Rules {
            minor: self.given.minor,
        };
        desired(service, &pods, &nodes, rules)
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
        let desired = self.desired(namespace, service);
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
            _ => BTreeSet::new(),
        });
        let traffic = namespace
            .traffic
            .entry((Published::Slices, name.to_owned()))
            .or_default();
        let keeps = if left_behind.is_some() || !desired.managed {
            Keeps::Everything
        } else if is.metadata.deletion_timestamp.is_some() {
            Keeps::WhatStaysAsItIs
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

/// Whether the garbage collector may have deleted this slice: it looks at the owner first, and does not see that the slice was
/// given to Endpoints that were made again under the name in between.
fn may_be_collected(namespace: &Namespace, slice: &str, event: &Event) -> bool {
    let mut owners = namespace.owners.get(slice).into_iter().flatten();
    owners.any(|uid| {
        let gone = namespace.endpoints_gone.get(uid);
        gone.is_some_and(|gone| event.at <= *gone + STILL_WRITTEN)
    })
}

/// The ready endpoints that should be published, with the uids of their Pods.
fn required(desired: &Desired) -> Required {
    let mut required: Required = BTreeMap::new();
    for (key, group) in &desired.groups {
        for endpoint in group.endpoints.values().filter(|endpoint| is_ready(endpoint)) {
            let uid = endpoint.target_ref.as_ref().and_then(|target| target.uid.clone());
            for backend in backends(key.address_type.as_str(), &spelled(&group.ports), endpoint) {
                required.insert(backend, uid.clone().unwrap_or_default());
            }
        }
    }
    required
}
