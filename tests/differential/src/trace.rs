//! Everything that happened, replayed revision by revision: what must hold at each of them, and which rules were met.

#[cfg(test)]
mod tests;
mod traffic;
mod written;

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt as _;
use quaymaster_oracle::generate::Object;
use quaymaster_oracle::names::{SERVICE_NAME, SLICE_CONTROLLER, SLICE_MANAGED_BY};
use quaymaster_oracle::slices::{check_invariants, desired};
use quaymaster_oracle::{Rules, managed, selects};

use crate::apply::Edits;
use crate::coverage::{Coverage, Rule};
use crate::plane::{Hold, Holder};
use crate::record::Event;
use traffic::{Keeps, Traffic, ready_backends};

/// What a replay gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    /// Violations in words, with who kept the slices then; empty when all held at every revision.
    pub(crate) violations: Vec<(Holder, String)>,
    /// Revisions looked at.
    pub(crate) revisions: usize,
    /// Rules met while kube-controller-manager kept the slices, and while quaymaster did.
    pub(crate) coverage: [Coverage; 2],
    /// Changes of slices by each of them that were no creations or deletions.
    pub(crate) updates: [usize; 2],
}

#[derive(Debug, Default)]
struct Namespace {
    services: BTreeMap<String, Service>,
    /// Of those that no controller looks after any more: what they were when one did. Their slices stay.
    left_behind: BTreeMap<String, Service>,
    pods: BTreeMap<String, Pod>,
    slices: BTreeMap<String, EndpointSlice>,
    /// By Service.
    traffic: BTreeMap<String, Traffic>,
}

/// Replays changes, which must be sorted by revision.
pub(crate) fn replay(
    events: &[Event],
    edits: &Edits,
    holds: &[Hold],
    max_endpoints: usize,
    minor: u32,
) -> Trace {
    let mut replay = Replay {
        edits,
        holds,
        max_endpoints,
        minor,
        nodes: BTreeMap::new(),
        namespaces: BTreeMap::new(),
        trace: Trace::default(),
    };
    for event in events {
        replay.event(event);
    }
    if let Some(last) = events.last() {
        replay.end(last.revision, last.at);
    }
    replay.trace
}

struct Replay<'a> {
    edits: &'a Edits,
    holds: &'a [Hold],
    max_endpoints: usize,
    minor: u32,
    nodes: BTreeMap<String, Node>,
    namespaces: BTreeMap<String, Namespace>,
    trace: Trace,
}

impl Replay<'_> {
    /// Who keeps the slices at this revision. Before anyone does, nothing is written.
    fn holder(&self, revision: u64) -> Holder {
        let before = self.holds.partition_point(|hold| hold.after < revision);
        let at = self.holds.get(before.saturating_sub(1));
        at.map_or(Holder::Kcm, |hold| hold.holder)
    }

    fn coverage(&mut self, revision: u64) -> &mut Coverage {
        let holder = self.holder(revision);
        &mut self.trace.coverage[holder.side()]
    }

    fn violation(&mut self, revision: u64, what: &str) {
        let what = format!("revision {revision}: {what}");
        self.trace.violations.push((self.holder(revision), what));
    }

    fn event(&mut self, event: &Event) {
        self.trace.revisions += 1;
        if let Object::Node(node) = &event.object {
            return self.node(node, event);
        }
        let name = event.object.key().namespace;
        let mut namespace = self.namespaces.remove(&name).unwrap_or_default();
        let touched: Vec<String> = match &event.object {
            Object::EndpointSlice(slice) => {
                self.slice(&mut namespace, slice, event);
                service_of(slice).into_iter().collect()
            }
            Object::Service(service) => {
                self.service(&mut namespace, service, event);
                vec![service.name_any()]
            }
            Object::Pod(pod) => {
                self.coverage(event.revision).count(Rule::PodChange);
                let key = pod.name_any();
                let old = if event.deleted {
                    namespace.pods.remove(&key)
                } else {
                    namespace.pods.insert(key, (**pod).clone())
                };
                let services = namespace.services.iter();
                let selecting = services.filter(|(_, service)| {
                    selects(service, pod) || old.as_ref().is_some_and(|old| selects(service, old))
                });
                selecting.map(|(name, _)| name.clone()).collect()
            }
            Object::Node(_) => Vec::new(),
        };
        let written = match &event.object {
            Object::EndpointSlice(slice) if !event.deleted && !self.by_harness(slice, event) => {
                Some(&**slice)
            }
            _ => None,
        };
        for service in touched {
            self.traffic(&name, &mut namespace, &service, event, written);
        }
        self.namespaces.insert(name, namespace);
    }

    /// What is on the node may come or go, and nothing else.
    fn node(&mut self, node: &Node, event: &Event) {
        self.coverage(event.revision).count(Rule::NodeChange);
        let node_name = node.name_any();
        let was_there = if event.deleted {
            self.nodes.remove(&node_name).is_some()
        } else {
            self.nodes.insert(node_name.clone(), node.clone()).is_some()
        };
        if was_there && !event.deleted {
            return;
        }
        let mut namespaces = std::mem::take(&mut self.namespaces);
        for (path, namespace) in &mut namespaces {
            let on_it = |pod: &&Pod| {
                let of = pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref());
                of == Some(&node_name)
            };
            let pods: Vec<&Pod> = namespace.pods.values().filter(on_it).collect();
            let selecting = namespace.services.iter();
            let selecting = selecting.filter(|(_, service)| pods.iter().any(|pod| selects(service, pod)));
            let touched: Vec<String> = selecting.map(|(name, _)| name.clone()).collect();
            for service in touched {
                self.traffic(path, namespace, &service, event, None);
            }
        }
        self.namespaces = namespaces;
    }

    fn service(&mut self, namespace: &mut Namespace, service: &Service, event: &Event) {
        let name = service.name_any();
        let deleted = event.deleted;
        self.coverage(event.revision).service(service, deleted);
        let old = if deleted {
            namespace.services.remove(&name)
        } else {
            namespace.services.insert(name.clone(), service.clone())
        };
        // What a change of these takes out of the slices goes before what it brings in is there.
        let decides = |service: &Service| {
            let spec = service.spec.clone().unwrap_or_default();
            (spec.selector, spec.ip_families, spec.type_)
        };
        let same = |old: &Service| old.metadata.uid == service.metadata.uid;
        let Some(old) = old.filter(|old| !deleted && same(old)) else {
            namespace.left_behind.remove(&name);
            namespace.traffic.remove(&name);
            return;
        };
        match (managed(&old), managed(service)) {
            (true, false) => _ = namespace.left_behind.insert(name, old),
            (false, true) => {
                namespace.left_behind.remove(&name);
                namespace.traffic.remove(&name);
            }
            (true, true) if decides(&old) != decides(service) => _ = namespace.traffic.remove(&name),
            (true, true) | (false, false) => {}
        }
    }

    /// Whether the change of the slice was a step.
    fn by_harness(&self, slice: &EndpointSlice, event: &Event) -> bool {
        let uid = slice.metadata.uid.as_ref();
        self.edits.revisions.contains(&event.revision)
            || event.deleted && uid.is_some_and(|uid| self.edits.deleted.contains(uid))
    }

    fn slice(&mut self, namespace: &mut Namespace, slice: &EndpointSlice, event: &Event) {
        let key = slice.name_any();
        let by_harness = self.by_harness(slice, event);
        let old = if event.deleted {
            namespace.slices.remove(&key)
        } else {
            namespace.slices.insert(key, slice.clone())
        };
        if by_harness {
            self.coverage(event.revision).count(Rule::SliceChangedByOthers);
            let edited = old.iter().chain([slice]);
            for slice in edited {
                let service = service_of(slice).and_then(|name| namespace.traffic.get_mut(&name));
                if let Some(traffic) = service {
                    traffic.forget(&ready_backends(slice));
                }
            }
            return;
        }
        let path = format!("{}/{}", slice.namespace().unwrap_or_default(), slice.name_any());
        let of_another = |slice: &EndpointSlice| managed_by(slice) != Some(SLICE_CONTROLLER);
        if of_another(slice) || old.as_ref().is_some_and(of_another) {
            let what = format!("slice {path} of another manager was changed");
            self.violation(event.revision, &what);
            return;
        }
        let service = service_of(slice).and_then(|name| namespace.services.get(&name));
        let max_endpoints = self.max_endpoints;
        self.coverage(event.revision)
            .slice(old.as_ref(), slice, event.deleted, service, max_endpoints);
        if event.deleted {
            return;
        }
        if let Some(old) = &old {
            let holder = self.holder(event.revision);
            // The garbage collector marks what it will delete.
            if slice.metadata.deletion_timestamp == old.metadata.deletion_timestamp {
                self.trace.updates[holder.side()] += 1;
            }
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
    fn traffic(
        &mut self,
        path: &str,
        namespace: &mut Namespace,
        name: &str,
        event: &Event,
        written: Option<&EndpointSlice>,
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
        let desired = desired(service, &pods, &nodes, Rules { minor: self.minor });
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
        let written = written.map(ready_backends).unwrap_or_default();
        let traffic = namespace.traffic.entry(name.to_owned()).or_default();
        let keeps = if left_behind.is_some() {
            Keeps::Everything
        } else if is.metadata.deletion_timestamp.is_some() {
            Keeps::Nothing
        } else {
            Keeps::WhatIsReady
        };
        let holds = self.holds;
        for what in traffic.step(&desired, &published, &written, event.at, keeps, holds) {
            self.violation(event.revision, &format!("{path}/{name} {what}"));
        }
    }

    /// What is still published in the end although it should not be.
    fn end(&mut self, revision: u64, at: Duration) {
        let mut overdue = Vec::new();
        for (path, namespace) in &mut self.namespaces {
            for (name, traffic) in &mut namespace.traffic {
                let what = traffic.overdue(at, self.holds).into_iter();
                overdue.extend(what.map(|what| format!("{path}/{name} {what}")));
            }
        }
        for what in overdue {
            self.violation(revision, &what);
        }
    }
}

fn label<'a>(slice: &'a EndpointSlice, key: &str) -> Option<&'a str> {
    slice.metadata.labels.as_ref()?.get(key).map(String::as_str)
}

fn service_of(slice: &EndpointSlice) -> Option<String> {
    label(slice, SERVICE_NAME).map(str::to_owned)
}

fn managed_by(slice: &EndpointSlice) -> Option<&str> {
    label(slice, SLICE_MANAGED_BY)
}
