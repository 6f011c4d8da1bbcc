//! Everything that happened, replayed revision by revision: what must hold at each of them, and which rules were met.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use kube::ResourceExt as _;
use quaymaster_oracle::{Rules, check_invariants, desired};

use crate::coverage::{Coverage, Rule};
use crate::record::{Event, Seen};

const SERVICE_NAME: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const CONTROLLER: &str = "endpointslice-controller.k8s.io";

/// What the harness itself did to slices, which no controller answers for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edits {
    /// Revisions of its writes.
    pub(crate) revisions: HashSet<u64>,
    /// Slices it deleted, by uid.
    pub(crate) deleted: HashSet<String>,
}

/// What a replay gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    /// Violations in words; empty when all held at every revision.
    pub(crate) violations: Vec<String>,
    /// Revisions looked at.
    pub(crate) revisions: usize,
    pub(crate) coverage: Coverage,
}

/// An endpoint as traffic sees it: family, Pod and address.
type Backend = (String, String, String);

#[derive(Debug, Default)]
struct Namespace {
    services: BTreeMap<String, Service>,
    pods: BTreeMap<String, Pod>,
    slices: BTreeMap<String, EndpointSlice>,
    /// By Service: backends that are ready.
    held: BTreeMap<String, BTreeMap<Backend, Held>>,
}

/// A backend that has been ready since some revision.
#[derive(Clone, Debug)]
struct Held {
    /// The uid of its Pod.
    uid: String,
    /// Whether the controller has published it since. A slice that says so from before may be put right by a write
    /// that was decided when the backend was not ready.
    published: bool,
}

/// Replays changes, which must be sorted by revision.
pub(crate) fn replay(events: &[Event], edits: &Edits, max_endpoints: usize, minor: u32) -> Trace {
    let mut replay = Replay {
        edits,
        max_endpoints,
        minor,
        nodes: BTreeMap::new(),
        namespaces: BTreeMap::new(),
        trace: Trace::default(),
    };
    for event in events {
        replay.event(event);
    }
    replay.trace
}

struct Replay<'a> {
    edits: &'a Edits,
    max_endpoints: usize,
    minor: u32,
    nodes: BTreeMap<String, Node>,
    namespaces: BTreeMap<String, Namespace>,
    trace: Trace,
}

impl Replay<'_> {
    fn event(&mut self, event: &Event) {
        self.trace.revisions += 1;
        let namespace = match &event.seen {
            Seen::Node(node) => {
                self.trace.coverage.count(Rule::NodeChange);
                let name = node.name_any();
                if event.deleted {
                    self.nodes.remove(&name);
                } else {
                    self.nodes.insert(name.clone(), (**node).clone());
                }
                // A Pod whose node is missing is left out, so whatever was held may go.
                let seed = name.split('-').next().unwrap_or_default().to_owned();
                for (namespace, held) in &mut self.namespaces {
                    if namespace.split('-').next() == Some(&seed) {
                        held.held.clear();
                    }
                }
                return;
            }
            Seen::Slice(slice) => slice.namespace(),
            Seen::Service(service) => service.namespace(),
            Seen::Pod(pod) => pod.namespace(),
        };
        let name = namespace.unwrap_or_default();
        let mut namespace = self.namespaces.remove(&name).unwrap_or_default();
        let touched: Vec<String> = match &event.seen {
            Seen::Slice(slice) => {
                self.slice(&mut namespace, slice, event);
                service_of(slice).into_iter().collect()
            }
            Seen::Service(service) => {
                self.service(&mut namespace, service, event.deleted);
                vec![service.name_any()]
            }
            Seen::Pod(pod) => {
                self.trace.coverage.count(Rule::PodChange);
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
            Seen::Node(_) => Vec::new(),
        };
        let written = match &event.seen {
            Seen::Slice(slice) if !event.deleted => Some(&**slice),
            _ => None,
        };
        for service in touched {
            self.traffic(&name, &mut namespace, &service, event.revision, written);
        }
        self.namespaces.insert(name, namespace);
    }

    fn service(&mut self, namespace: &mut Namespace, service: &Service, deleted: bool) {
        let name = service.name_any();
        self.trace.coverage.service(service, deleted);
        let old = if deleted {
            namespace.services.remove(&name)
        } else {
            namespace.services.insert(name.clone(), service.clone())
        };
        // What a change of these takes out of the slices goes before what it brings in is there.
        let decides = |service: &Service| {
            let spec = service.spec.clone().unwrap_or_default();
            (
                service.metadata.uid.clone(),
                spec.selector,
                spec.ip_families,
                spec.type_,
            )
        };
        if deleted || old.as_ref().is_some_and(|old| decides(old) != decides(service)) {
            namespace.held.remove(&name);
        }
    }

    fn slice(&mut self, namespace: &mut Namespace, slice: &EndpointSlice, event: &Event) {
        let key = slice.name_any();
        let uid = slice.metadata.uid.clone().unwrap_or_default();
        let by_harness = self.edits.revisions.contains(&event.revision)
            || event.deleted && self.edits.deleted.contains(&uid);
        let old = if event.deleted {
            namespace.slices.remove(&key)
        } else {
            namespace.slices.insert(key, slice.clone())
        };
        if by_harness {
            self.trace.coverage.count(Rule::SliceChangedByOthers);
            if let Some(service) = service_of(slice) {
                namespace.held.remove(&service);
            }
            return;
        }
        if managed_by(slice) != Some(CONTROLLER) {
            let what = format!(
                "revision {}: slice {}/{} of another manager was changed",
                event.revision,
                slice.namespace().unwrap_or_default(),
                slice.name_any()
            );
            self.trace.violations.push(what);
            return;
        }
        let service = service_of(slice).and_then(|name| namespace.services.get(&name));
        self.trace
            .coverage
            .slice(old.as_ref(), slice, event.deleted, service, self.max_endpoints);
        if !event.deleted {
            let before: Vec<EndpointSlice> = old.into_iter().collect();
            let broken = check_invariants(std::slice::from_ref(slice), &before, self.max_endpoints);
            let broken = broken
                .into_iter()
                .map(|violation| format!("revision {}: {violation}", event.revision));
            self.trace.violations.extend(broken);
        }
    }

    /// A backend that is ready, and was published while it was, must not be missing from the union of slices.
    fn traffic(
        &mut self,
        path: &str,
        namespace: &mut Namespace,
        name: &str,
        revision: u64,
        written: Option<&EndpointSlice>,
    ) {
        let Some(service) = namespace.services.get(name) else {
            return;
        };
        let selected = namespace.pods.values().filter(|pod| selects(service, pod));
        let pods: Vec<Pod> = selected.cloned().collect();
        let nodes: Vec<Node> = pods
            .iter()
            .filter_map(|pod| self.nodes.get(pod.spec.as_ref()?.node_name.as_ref()?).cloned())
            .collect();
        let desired = desired(service, &pods, &nodes, Rules { minor: self.minor });
        self.trace.coverage.desired(service, &desired);
        let mut required = BTreeMap::<Backend, String>::new();
        for (key, group) in &desired.groups {
            for endpoint in group.endpoints.values().filter(|endpoint| ready(endpoint)) {
                let uid = endpoint.target_ref.as_ref().and_then(|target| target.uid.clone());
                for backend in backends(&format!("{:?}", key.address_type), endpoint) {
                    required.insert(backend, uid.clone().unwrap_or_default());
                }
            }
        }
        let mut published = BTreeSet::<Backend>::new();
        for slice in namespace.slices.values().filter(|slice| {
            managed_by(slice) == Some(CONTROLLER) && service_of(slice).as_deref() == Some(name)
        }) {
            published.extend(ready_backends(slice));
        }
        let held = namespace.held.entry(name.to_owned()).or_default();
        held.retain(|backend, held| required.get(backend) == Some(&held.uid));
        for (backend, _) in held
            .iter()
            .filter(|(backend, held)| held.published && !published.contains(backend))
        {
            let (family, pod, address) = backend;
            self.trace.violations.push(format!(
                "revision {revision}: {path}/{name} {family}: ready endpoint {address} ({pod}) is missing"
            ));
        }
        held.retain(|backend, _| published.contains(backend));
        for backend in written.iter().flat_map(|slice| ready_backends(slice)) {
            if let Some(held) = held.get_mut(&backend) {
                held.published = true;
            }
        }
        for (backend, uid) in required {
            let just_written = || {
                written
                    .iter()
                    .any(|slice| ready_backends(slice).contains(&backend))
            };
            if published.contains(&backend) && !held.contains_key(&backend) {
                let published = just_written();
                held.insert(backend, Held { uid, published });
            }
        }
    }
}

/// What a slice publishes as ready.
fn ready_backends(slice: &EndpointSlice) -> BTreeSet<Backend> {
    let endpoints = slice.endpoints.iter().flatten();
    endpoints
        .filter(|endpoint| ready(endpoint))
        .flat_map(|endpoint| backends(&slice.address_type, endpoint))
        .collect()
}

fn selects(service: &Service, pod: &Pod) -> bool {
    let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    let labels = pod.metadata.labels.as_ref();
    selector.is_some_and(|selector| {
        let has =
            |(key, value): (&String, &String)| labels.is_some_and(|labels| labels.get(key) == Some(value));
        selector.iter().all(has)
    })
}

fn ready(endpoint: &Endpoint) -> bool {
    let conditions = endpoint.conditions.as_ref();
    conditions.and_then(|conditions| conditions.ready) != Some(false)
}

fn backends(family: &str, endpoint: &Endpoint) -> Vec<Backend> {
    let pod = endpoint
        .target_ref
        .as_ref()
        .and_then(|target| target.name.clone());
    let of = |address: &String| {
        (
            family.to_owned(),
            pod.clone().unwrap_or_default(),
            address.clone(),
        )
    };
    endpoint.addresses.iter().map(of).collect()
}

fn label<'a>(slice: &'a EndpointSlice, key: &str) -> Option<&'a str> {
    slice.metadata.labels.as_ref()?.get(key).map(String::as_str)
}

fn service_of(slice: &EndpointSlice) -> Option<String> {
    label(slice, SERVICE_NAME).map(str::to_owned)
}

fn managed_by(slice: &EndpointSlice) -> Option<&str> {
    label(slice, MANAGED_BY)
}
