//! Endpoints, from revision to revision.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::{EndpointAddress, EndpointSubset, Endpoints, Pod};
use kube::ResourceExt as _;
use quaymaster_oracle::endpoints::desired;
use quaymaster_oracle::generate::{FOREIGN, Object};
use quaymaster_oracle::names::TRIGGER_TIME;
use quaymaster_oracle::{Rules, managed, selects};

use super::traffic::{Backend, Keeps, Required};
use super::{Namespace, Published, Replay, put};
use crate::coverage::Rule;
use crate::record::Event;

/// From this minor on the apiserver leaves Endpoints when it deletes their Service.
pub(crate) const LEFT_BY_APISERVER: u32 = 37;
/// For how long after a change of the Service a write may still have been decided before.
pub(super) const LATE: Duration = Duration::from_secs(10);

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
                for edited in old.iter().chain([endpoints]) {
                    traffic.forget(&ready_backends(edited));
                }
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
        let settled = event.at.saturating_sub(since) > LATE;
        let mut faults = Vec::new();
        if event.deleted {
            if settled && service.is_some() {
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
        let Some(service) = namespace.services.get(name).filter(|service| managed(service)) else {
            return;
        };
        let selected = namespace.pods.values().filter(|pod| selects(service, pod));
        let pods: Vec<Pod> = selected.cloned().collect();
        let rules = Rules {
            minor: self.given.minor,
        };
        let Some(desired) = desired(service, &pods, rules) else {
            return;
        };
        self.coverage(event.revision)
            .desired_endpoints(service, &pods, &desired);
        // Which addresses are cut off changes with every Pod.
        let required = if desired.truncated {
            Required::new()
        } else {
            required(&desired.subsets)
        };
        let keeps = if desired.truncated {
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
    let addresses = subsets
        .iter()
        .flat_map(|subset| subset.addresses.iter().flatten());
    let required = addresses.map(|address| {
        let uid = address.target_ref.as_ref().and_then(|target| target.uid.clone());
        (backend(address), uid.unwrap_or_default())
    });
    required.collect::<BTreeMap<_, _>>()
}

/// What Endpoints publish as ready.
pub(super) fn ready_backends(endpoints: &Endpoints) -> BTreeSet<Backend> {
    let subsets = endpoints.subsets.iter().flatten();
    subsets
        .flat_map(|subset| subset.addresses.iter().flatten())
        .map(backend)
        .collect()
}

fn backend(address: &EndpointAddress) -> Backend {
    let pod = address.target_ref.as_ref().and_then(|target| target.name.clone());
    (
        "Endpoints".to_owned(),
        pod.unwrap_or_default(),
        address.ip.clone(),
    )
}

/// What of Endpoints a controller decides, but for the trigger time, which is no reason for a write.
fn content(endpoints: &Endpoints) -> Endpoints {
    let mut content = endpoints.clone();
    let metadata = &mut content.metadata;
    metadata.resource_version = None;
    metadata.generation = None;
    metadata.managed_fields = None;
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove(TRIGGER_TIME);
    }
    content
}

fn foreign(endpoints: &Endpoints) -> impl Iterator<Item = (&String, &String)> {
    let annotations = endpoints.metadata.annotations.iter().flatten();
    annotations.filter(|(key, _)| key.starts_with(FOREIGN))
}
