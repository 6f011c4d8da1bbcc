//! Everything that happened, replayed revision by revision: what must hold at each of them, and which rules were met.

mod cidrs;
mod endpoints;
mod mirrored;
mod slices;
#[cfg(test)]
mod tests;
mod traffic;
mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Endpoints, Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt as _;
use quaymaster_oracle::generate::Object;
use quaymaster_oracle::names::{SERVICE_NAME, SLICE_MANAGED_BY};
use quaymaster_oracle::{managed, selects};

use crate::apply::Edits;
use crate::controllers::{Controller, Controllers};
use crate::coverage::{Coverage, Rule};
use crate::plane::{Hold, Holder};
use crate::record::Event;
use cidrs::Cidrs;
pub(crate) use endpoints::content as content_of_endpoints;
use traffic::{Backend, Traffic};
pub(crate) use written::content;

/// What was decided before a Service lost its selector, say, is written within this.
const STILL_WRITTEN: Duration = Duration::from_secs(10);

/// What is known beside the changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<'a> {
    /// What steps did.
    pub(crate) edits: &'a Edits,
    /// Who kept the objects when.
    pub(crate) holds: &'a [Hold],
    pub(crate) controllers: &'a Controllers,
    pub(crate) max_endpoints: usize,
    /// Most endpoints that are mirrored of a subset.
    pub(crate) max_mirrored: usize,
    /// 37 for Kubernetes 1.37.
    pub(crate) minor: u32,
}

/// What a replay gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    /// Violations in words, with who kept the objects then; empty when all held at every revision.
    pub(crate) violations: Vec<(Holder, String)>,
    /// Revisions looked at.
    pub(crate) revisions: usize,
    /// Rules met while kube-controller-manager kept the objects, and while the subject did.
    pub(crate) coverage: [Coverage; 2],
    /// Changes of slices and Endpoints by each of them that were no creations or deletions.
    pub(crate) updates: [usize; 2],
}

/// Where a Service is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Published {
    Slices,
    Endpoints,
    Mirrored,
}

#[derive(Debug, Default)]
struct Namespace {
    services: BTreeMap<String, Service>,
    /// When a Service of this name last came, went, or came into the care of a controller or out of it.
    services_since: BTreeMap<String, Duration>,
    /// When a Service of this name last came or went.
    services_made: BTreeMap<String, Duration>,
    /// Of those that no controller looks after any more: what they were when one did. Their slices and Endpoints stay.
    left_behind: BTreeMap<String, Service>,
    pods: BTreeMap<String, Pod>,
    slices: BTreeMap<String, EndpointSlice>,
    /// Slices that the harness wrote last.
    edited: BTreeSet<String>,
    endpoints: BTreeMap<String, Endpoints>,
    /// When Endpoints of this name last changed.
    endpoints_since: BTreeMap<String, Duration>,
    /// When Endpoints of this uid went.
    endpoints_gone: BTreeMap<String, Duration>,
    /// Uids of all that a slice was ever owned by, by its name.
    owners: BTreeMap<String, BTreeSet<String>>,
    traffic: BTreeMap<(Published, String), Traffic>,
}

/// Replays changes, which must be sorted by revision.
pub(crate) fn replay(events: &[Event], given: Given<'_>) -> Trace {
    let mut replay = Replay {
        given,
        nodes: BTreeMap::new(),
        namespaces: BTreeMap::new(),
        cidrs: Cidrs::default(),
        last: Default::default(),
        ended: 0,
        trace: Trace::default(),
    };
    for event in events {
        replay.ends_of_holds(event.at);
        replay.event(event);
        replay.last = (event.revision, event.at);
    }
    replay.ends_of_holds(Duration::MAX);
    replay.trace
}

struct Replay<'a> {
    given: Given<'a>,
    nodes: BTreeMap<String, Node>,
    namespaces: BTreeMap<String, Namespace>,
    cidrs: Cidrs,
    /// The last revision, and when it was.
    last: (u64, Duration),
    /// How many holds have ended by then.
    ended: usize,
    trace: Trace,
}

impl Replay<'_> {
    /// Who keeps the objects at this revision. Before anyone does, nothing is written.
    fn holder(&self, revision: u64) -> Holder {
        let holds = self.given.holds;
        let before = holds.partition_point(|hold| hold.after < revision);
        let at = holds.get(before.saturating_sub(1));
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

    fn count_update(&mut self, revision: u64) {
        let holder = self.holder(revision);
        self.trace.updates[holder.side()] += 1;
    }

    fn has(&self, controller: Controller) -> bool {
        self.given.controllers.has(controller)
    }

    /// Whether any controller has run by then.
    fn begun(&self, revision: u64) -> bool {
        self.given.holds.first().is_none_or(|hold| hold.after < revision)
    }

    fn event(&mut self, event: &Event) {
        self.trace.revisions += 1;
        match &event.object {
            Object::Node(node) => return self.node(node, event),
            Object::ServiceCIDR(_) | Object::IPAddress(_) => return self.cidr(event),
            Object::Service(_) | Object::Pod(_) | Object::EndpointSlice(_) | Object::Endpoints(_) => {}
        }
        let path = event.object.key().namespace;
        let mut namespace = self.namespaces.remove(&path).unwrap_or_default();
        let touched: Vec<String> = match &event.object {
            Object::EndpointSlice(slice) => {
                self.slice(&mut namespace, slice, event);
                service_of(slice).into_iter().collect()
            }
            Object::Endpoints(endpoints) => {
                if self.has(Controller::Endpoints) {
                    self.endpoints(&mut namespace, endpoints, event);
                } else {
                    put(&mut namespace.endpoints, &endpoints.name_any(), endpoints, event);
                }
                namespace.endpoints_since.insert(endpoints.name_any(), event.at);
                if event.deleted {
                    namespace
                        .endpoints_gone
                        .insert(endpoints.uid().unwrap_or_default(), event.at);
                }
                vec![endpoints.name_any()]
            }
            Object::Service(service) => {
                self.service(&mut namespace, service, event);
                vec![service.name_any()]
            }
            Object::Pod(pod) => {
                self.coverage(event.revision).count(Rule::PodChange);
                let old = put(&mut namespace.pods, &pod.name_any(), pod, event);
                let services = namespace.services.iter();
                let selecting = services.filter(|(_, service)| {
                    selects(service, pod) || old.as_ref().is_some_and(|old| selects(service, old))
                });
                selecting.map(|(name, _)| name.clone()).collect()
            }
            Object::Node(_) | Object::ServiceCIDR(_) | Object::IPAddress(_) => Vec::new(),
        };
        for name in touched {
            self.publications(&path, &mut namespace, &name, event);
        }
        self.namespaces.insert(path, namespace);
    }

    /// Looks at all that consumers see of a Service.
    fn publications(&mut self, path: &str, namespace: &mut Namespace, name: &str, event: &Event) {
        if !self.begun(event.revision) {
            return;
        }
        if self.has(Controller::EndpointSlice) {
            self.slices_traffic(path, namespace, name, event);
        }
        if self.has(Controller::Endpoints) && !matches!(event.object, Object::EndpointSlice(_)) {
            self.endpoints_traffic(path, namespace, name, event);
        }
        if self.has(Controller::Mirroring) && !matches!(event.object, Object::Pod(_)) {
            self.mirrored_traffic(path, namespace, name, event);
        }
    }

    /// What a write of the controller publishes, of the object that the event is about.
    fn written(&self, event: &Event, backends: impl Fn(&Object) -> BTreeSet<Backend>) -> BTreeSet<Backend> {
        let by_controller = !event.deleted && !self.by_harness(&event.object, event);
        if by_controller {
            backends(&event.object)
        } else {
            BTreeSet::new()
        }
    }

    /// What is on the node may come or go, and nothing else.
    fn node(&mut self, node: &Node, event: &Event) {
        self.coverage(event.revision).count(Rule::NodeChange);
        let node_name = node.name_any();
        let was_there = put(&mut self.nodes, &node_name, node, event).is_some();
        let counts = self.begun(event.revision) && self.has(Controller::EndpointSlice);
        if was_there && !event.deleted || !counts {
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
                self.slices_traffic(path, namespace, &service, event);
            }
        }
        self.namespaces = namespaces;
    }

    fn service(&mut self, namespace: &mut Namespace, service: &Service, event: &Event) {
        let name = service.name_any();
        let deleted = event.deleted;
        self.coverage(event.revision).service(service, deleted);
        let old = put(&mut namespace.services, &name, service, event);
        // What a change of these takes out of the slices goes before what it brings in is there.
        let decides = |service: &Service| {
            let spec = service.spec.clone().unwrap_or_default();
            (spec.selector, spec.ip_families)
        };
        let same = |old: &Service| old.metadata.uid == service.metadata.uid;
        if let Some(old) = old.as_ref().filter(|_| deleted)
            && old.metadata.deletion_timestamp.is_some()
            && self.lacks_a_slice(namespace, old)
        {
            self.coverage(event.revision).count(Rule::CreateSkipped);
        }
        let forget = |namespace: &mut Namespace| {
            for published in [Published::Slices, Published::Endpoints] {
                namespace.traffic.remove(&(published, name.clone()));
            }
        };
        let Some(old) = old.filter(|old| !deleted && same(old)) else {
            namespace.services_since.insert(name.clone(), event.at);
            namespace.services_made.insert(name.clone(), event.at);
            namespace.left_behind.remove(&name);
            forget(namespace);
            return;
        };
        if managed(&old) != managed(service) {
            namespace.services_since.insert(name.clone(), event.at);
        }
        match (managed(&old), managed(service)) {
            (true, false) => {
                namespace.left_behind.insert(name, old);
            }
            (false, true) => {
                namespace.left_behind.remove(&name);
                forget(namespace);
            }
            (true, true) if decides(&old) != decides(service) => forget(namespace),
            (true, true) | (false, false) => {}
        }
    }

    /// Whether the change of an object that controllers keep was a step.
    fn by_harness(&self, object: &Object, event: &Event) -> bool {
        let uid = object.metadata().uid.as_ref();
        self.given.edits.revisions.contains(&event.revision)
            || event.deleted && uid.is_some_and(|uid| self.given.edits.deleted.contains(uid))
    }

    /// Of each hold that ends before `at`, and of the last one, what it leaves published although it should not be: whatever
    /// comes after it may put that right.
    fn ends_of_holds(&mut self, at: Duration) {
        let (revision, last) = self.last;
        let holds = self.given.holds;
        while let Some(hold) = holds.get(self.ended) {
            let until = hold.until.unwrap_or(last);
            if until >= at {
                return;
            }
            self.ended += 1;
            self.end_of_hold(revision, until, &holds[..self.ended]);
        }
    }

    fn end_of_hold(&mut self, revision: u64, at: Duration, holds: &[Hold]) {
        let mut overdue = Vec::new();
        for (path, namespace) in &mut self.namespaces {
            for ((_, name), traffic) in &mut namespace.traffic {
                let what = traffic.overdue(at, holds).into_iter();
                overdue.extend(what.map(|what| format!("{path}/{name} {what}")));
            }
        }
        for what in overdue {
            self.violation(revision, &what);
        }
    }
}

/// Keeps an object as it is after the event, and gives it as it was before.
fn put<T: Clone>(objects: &mut BTreeMap<String, T>, name: &str, object: &T, event: &Event) -> Option<T> {
    if event.deleted {
        objects.remove(name)
    } else {
        objects.insert(name.to_owned(), object.clone())
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
