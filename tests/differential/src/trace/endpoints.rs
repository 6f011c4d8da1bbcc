//! Endpoints, from revision to revision.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{EndpointAddress, EndpointPort, EndpointSubset, Endpoints, Pod};
use kube::ResourceExt as _;
use quaymaster_oracle::endpoints::desired;
use quaymaster_oracle::generate::Object;
use quaymaster_oracle::minors::LEFT_BY_APISERVER;
use quaymaster_oracle::names::{EDITS, TRIGGER_TIME};
use quaymaster_oracle::{Rules, managed, selects};

use super::traffic::{Backend, Keeps, Required};
use super::{Namespace, Published, Replay, STILL_WRITTEN, put};
use crate::coverage::Rule;
use crate::record::Event;

impl Replay<'_> {
    /// A change of Endpoints.
    pub(super) fn endpoints(&mut self, namespace: &mut Namespace, endpoints: &Endpoints, event: &Event) {
        let name = endpoints.name_any();
        let old = put(&mut namespace.endpoints, &name, endpoints, event);
        if self.by_harness(&event.object, event) {
            self.coverage(event.revision)
                .count(Rule::EndpointsChangedByOthers);
            let key = (Published::Endpoints, name);
            if let Some(traffic) = namespace.traffic.get_mut(&key) {
                let before = old.as_ref().map(ready_backends).unwrap_or_default();
                let after = if event.deleted {
                    BTreeSet::new()
                } else {
                    ready_backends(endpoints)
                };
                traffic.forget(&before.symmetric_difference(&after).cloned().collect());
            }
            return;
        }
        let service = namespace.services.get(&name);
        let by_apiserver = event.deleted && self.given.minor < LEFT_BY_APISERVER && service.is_none();
        if by_apiserver {
            return;
        }
        self.coverage(event.revision)
            .endpoints(old.as_ref(), endpoints, event.deleted, service);
        if old.is_some() && !event.deleted {
            self.count_update(event.revision);
        }
        let since = namespace.services_since.get(&name).copied().unwrap_or_default();
        let settled = event.at > since + STILL_WRITTEN;
        let mut faults = Vec::new();
        if event.deleted {
            // Whatever becomes of it: none is deleted of a Service that is there, but what an earlier one has left.
            let made = namespace.services_made.get(&name).copied().unwrap_or_default();
            if event.at > made + STILL_WRITTEN && service.is_some() {
                faults.push("were deleted although their Service is there");
            }
        } else {
            if settled && !service.is_some_and(managed) {
                faults.push("were written although nobody keeps those of their Service");
            }
            if let Some(old) = &old {
                if content(old) == content(endpoints) {
                    faults.push("were written although nothing of them changed");
                }
                if foreign(old).any(|note| !foreign(endpoints).any(|kept| kept == note)) {
                    faults.push("were written without the annotations of others");
                }
            }
        }
        let path = format!("{}/{name}", endpoints.namespace().unwrap_or_default());
        for fault in faults {
            self.violation(event.revision, &format!("Endpoints {path} {fault}"));
        }
    }

    /// Compares what should be with what is published.
    pub(super) fn endpoints_traffic(
        &mut self,
        path: &str,
        namespace: &mut Namespace,
        name: &str,
        event: &Event,
    ) {
        let (Some(is), left_behind) = (namespace.services.get(name), namespace.left_behind.get(name)) else {
            return;
        };
        if left_behind.is_none() && !managed(is) {
            return;
        }
        let service = left_behind.unwrap_or(is);
        let selected = namespace.pods.values().filter(|pod| selects(service, pod));
        let pods: Vec<&Pod> = selected.collect();
        let rules = Rules {
            minor: self.given.minor,
        };
        let Some(desired) = desired(service, &pods, rules) else {
            return;
        };
        let unknown_node = published_of(&desired.subsets).any(|address| {
            address
                .node_name
                .as_ref()
                .is_some_and(|node| !self.nodes.contains_key(node))
        });
        if left_behind.is_none() {
            self.coverage(event.revision)
                .desired_endpoints(service, &pods, &desired, unknown_node);
        }
        // Which addresses are cut off changes with every Pod.
        let required = if desired.truncated {
            Required::new()
        } else {
            required(&desired.subsets)
        };
        let keeps = if desired.truncated || left_behind.is_some() {
            Keeps::Everything
        } else {
            Keeps::WhatIsReady
        };
        let published = namespace
            .endpoints
            .get(name)
            .map(ready_backends)
            .unwrap_or_default();
        let written = self.written(event, |object| match object {
            Object::Endpoints(endpoints) => ready_backends(endpoints),
            _ => BTreeSet::new(),
        });
        let traffic = namespace
            .traffic
            .entry((Published::Endpoints, name.to_owned()))
            .or_default();
        for what in traffic.step(&required, &published, &written, event.at, keeps, self.given.holds) {
            self.violation(event.revision, &format!("Endpoints {path}/{name} {what}"));
        }
    }
}

fn required(subsets: &[EndpointSubset]) -> Required {
    let mut required = Required::new();
    for subset in subsets {
        for address in subset.addresses.iter().flatten() {
            let uid = address.target_ref.as_ref().and_then(|target| target.uid.clone());
            for backend in backends(subset, address) {
                required.insert(backend, uid.clone().unwrap_or_default());
            }
        }
    }
    required
}

fn published_of(subsets: &[EndpointSubset]) -> impl Iterator<Item = &EndpointAddress> {
    subsets
        .iter()
        .flat_map(|subset| [&subset.addresses, &subset.not_ready_addresses])
        .flat_map(|list| list.iter().flatten())
}

/// What Endpoints publish as ready.
pub(super) fn ready_backends(endpoints: &Endpoints) -> BTreeSet<Backend> {
    let subsets = endpoints.subsets.iter().flatten();
    subsets
        .flat_map(|subset| {
            let addresses = subset.addresses.iter().flatten();
            addresses.flat_map(|address| backends(subset, address))
        })
        .collect()
}

fn backends(subset: &EndpointSubset, address: &EndpointAddress) -> [Backend; 2] {
    let port = |port: &EndpointPort| {
        format!(
            "{}:{}/{}/{}",
            port.name.as_deref().unwrap_or_default(),
            port.port,
            port.protocol.as_deref().unwrap_or("TCP"),
            port.app_protocol.as_deref().unwrap_or_default(),
        )
    };
    let mut ports: Vec<String> = subset.ports.iter().flatten().map(port).collect();
    ports.sort_unstable();
    let pod = address.target_ref.as_ref().and_then(|target| target.name.clone());
    Backend::of(
        "Endpoints",
        &pod.unwrap_or_default(),
        &address.ip,
        &ports.join(","),
    )
}

/// What of Endpoints a controller decides, but for the trigger time, which is no reason for a write.
pub(crate) fn content(endpoints: &Endpoints) -> Endpoints {
    let mut content = endpoints.clone();
    let metadata = &mut content.metadata;
    metadata.resource_version = None;
    metadata.generation = None;
    metadata.managed_fields = None;
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove(TRIGGER_TIME);
        // It may be the only one.
        if annotations.is_empty() {
            metadata.annotations = None;
        }
    }
    content
}

fn foreign(endpoints: &Endpoints) -> impl Iterator<Item = (&String, &String)> {
    let annotations = endpoints.metadata.annotations.iter().flatten();
    annotations.filter(|(key, _)| key.starts_with(EDITS))
}
