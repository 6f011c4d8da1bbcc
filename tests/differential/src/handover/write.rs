//! What a holder asked for while everything was at rest.

use std::collections::{BTreeMap, HashSet};

use k8s_openapi::api::core::v1::Endpoints;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::{Resource, ResourceExt as _};
use quaymaster_oracle::endpoints::{PortHash, repack};
use quaymaster_oracle::names::{HEADLESS, MIRRORING_CONTROLLER, SLICE_MANAGED_BY};
use quaymaster_testkit::audit::Entry;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::kept::{CIDRS, ENDPOINTS, SLICES};
use crate::snapshot::{Snapshot, path_of};
use crate::trace::{content, content_of_endpoints};

/// Where a slice names its Service.
const SERVICE: &str = "/metadata/labels/kubernetes.io~1service-name";
/// Where a slice names who keeps it.
const MANAGER: &str = "/metadata/labels/endpointslice.kubernetes.io~1managed-by";

/// Writes of one holder from its start to its end.
#[derive(Clone, Debug, Default)]
pub(super) struct Writes {
    pub(super) total: usize,
    /// By path of the Service, or name of the ServiceCIDR.
    pub(super) by_service: BTreeMap<String, Vec<Write>>,
}

/// What an update that was stored made of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The same again, but for the trigger time, the headless label and orders that say nothing. Or a conflict, so that nothing was stored.
    Nothing,
    /// A slice that differs by hints alone, and by the trigger time.
    Hints,
    /// Endpoints that a step wrote last, whose subsets are the same once they are repacked.
    Order,
    /// Anything else, and all that is no update of a slice or of Endpoints, or was not stored.
    Content,
}

#[derive(Clone, Debug)]
pub(super) struct Write {
    /// Resource, verb and address type: which of a Service's equal slices is written first may differ.
    pub(super) kind: [String; 3],
    /// Name of the object; empty where a creation was refused.
    pub(super) name: String,
    /// Whether a slice without endpoints and ports was asked for.
    pub(super) placeholder: bool,
    /// Whether a slice that mirrors Endpoints was asked for. A delete does not say.
    pub(super) mirrors: bool,
    pub(super) change: Change,
    /// What the apiserver answered.
    pub(super) code: u16,
    pub(super) words: String,
}

impl Write {
    pub(super) fn is(&self, resource: &str, verb: &str) -> bool {
        self.of(resource) && self.verb() == verb
    }

    pub(super) fn of(&self, resource: &str) -> bool {
        self.kind[0] == resource
    }

    pub(super) fn verb(&self) -> &str {
        &self.kind[1]
    }

    pub(super) fn family(&self) -> &str {
        &self.kind[2]
    }

    /// Whether it asks for the same of an object of this kind, and changes as much of it or more.
    fn stands_for(&self, other: &Self) -> bool {
        let as_much =
            self.change == Change::Content || [self.change, Change::Nothing].contains(&other.change);
        self.kind == other.kind && as_much
    }

    /// Whether kube-controller-manager may make it again at every look.
    fn at_every_look(&self) -> bool {
        self.is(ENDPOINTS, "update") || self.is(CIDRS, "patch") || self.mirrors && self.is(SLICES, "update")
    }
}

impl Writes {
    /// Those that have no counterpart there, one for one, and whether they repeat one that has, as one may that is made at
    /// every look: what kube-controller-manager takes for changed though it is not (in 1.33 each ServiceCIDR) it writes
    /// whenever it looks, and how often it looks as it starts is a matter of what it reads first.
    pub(super) fn beyond<'a>(&'a self, there: &'a Self) -> Vec<(&'a String, &'a Write, bool)> {
        let mut beyond = Vec::new();
        for (service, writes) in &self.by_service {
            let counterparts = there.by_service.get(service).into_iter().flatten();
            let mut counterparts: Vec<&Write> = counterparts.collect();
            let mut found: Vec<&Write> = Vec::new();
            for write in writes {
                if let Some(at) = counterparts.iter().position(|one| one.stands_for(write)) {
                    found.push(counterparts.swap_remove(at));
                } else {
                    let again = write.at_every_look() && found.iter().any(|one| one.stands_for(write));
                    beyond.push((service, write, again));
                }
            }
        }
        beyond
    }
}

/// Reads writes off the audit log.
pub(super) struct Log {
    /// Path of the Service of each slice, by the path of the slice.
    services: BTreeMap<String, String>,
    slices: BTreeMap<String, EndpointSlice>,
    endpoints: BTreeMap<String, Endpoints>,
    /// Revisions of what steps wrote.
    edited: HashSet<u64>,
    writes: Writes,
}

impl Log {
    /// Of the time between these, after steps that wrote these revisions.
    pub(super) fn new(before: &Snapshot, after: &Snapshot, edited: HashSet<u64>) -> Self {
        let mut services = before.owners();
        services.extend(after.owners());
        let slices = before.objects.all::<EndpointSlice>();
        let endpoints = before.objects.all::<Endpoints>();
        Self {
            services,
            slices: slices.map(|slice| (path_of(slice), slice.clone())).collect(),
            endpoints: endpoints.map(|one| (path_of(one), one.clone())).collect(),
            edited,
            writes: Writes::default(),
        }
    }

    pub(super) fn writes(self) -> Writes {
        self.writes
    }

    /// Adds the next one.
    pub(super) fn add(&mut self, entry: &Entry) {
        let path = if entry.namespace().is_empty() {
            entry.name().to_owned()
        } else {
            format!("{}/{}", entry.namespace(), entry.name())
        };
        let change = self.change(entry, &path);
        let service = match entry.resource() {
            // What was refused is in no snapshot.
            SLICES => self
                .services
                .get(&path)
                .cloned()
                .unwrap_or_else(|| format!("{}/{}", entry.namespace(), service_asked(entry))),
            _ => path,
        };
        let family = asked(entry, "/addressType").to_owned();
        let write = Write {
            kind: [entry.resource().to_owned(), entry.verb.clone(), family],
            name: entry.name().to_owned(),
            placeholder: is_placeholder(entry),
            mirrors: asked(entry, MANAGER) == MIRRORING_CONTROLLER,
            change,
            code: entry.code(),
            words: words(entry),
        };
        self.writes.total += 1;
        self.writes.by_service.entry(service).or_default().push(write);
    }

    fn is_edited(&self, endpoints: &Endpoints) -> bool {
        let version = endpoints.resource_version();
        let revision = version.and_then(|version| version.parse().ok());
        revision.is_some_and(|revision: u64| self.edited.contains(&revision))
    }

    fn change(&mut self, entry: &Entry, path: &str) -> Change {
        let updated = entry.verb == "update";
        if updated && entry.code() == 409 {
            return Change::Nothing;
        }
        match entry.resource() {
            SLICES => {
                let Some(new) = stored::<EndpointSlice>(entry) else {
                    return Change::Content;
                };
                let old = self.slices.insert(path.to_owned(), new.clone());
                let [old, new] =
                    [old.filter(|_| updated), Some(new)].map(|slice| slice.map(without_put_right));
                match (old, new) {
                    (Some(old), Some(new)) if content(&old) == content(&new) => Change::Nothing,
                    (Some(old), Some(new)) if without_hints(&old) == without_hints(&new) => Change::Hints,
                    _ => Change::Content,
                }
            }
            ENDPOINTS => {
                let Some(new) = stored::<Endpoints>(entry) else {
                    return Change::Content;
                };
                let old = self.endpoints.insert(path.to_owned(), new.clone());
                let [old, new] = [old.filter(|_| updated), Some(new)].map(|one| one.map(without_headless));
                match (old, new) {
                    (Some(old), Some(new)) if content_of_endpoints(&old) == content_of_endpoints(&new) => {
                        Change::Nothing
                    }
                    (Some(old), Some(new)) if self.is_edited(&old) && reordered(&old, &new) => Change::Order,
                    _ => Change::Content,
                }
            }
            _ => Change::Content,
        }
    }
}

/// A slice without the label that is put right with whatever else is written, but for mirrored ones: those have the labels of
/// their Endpoints, and this one is content like any other.
fn without_put_right(slice: EndpointSlice) -> EndpointSlice {
    let labels = slice.metadata.labels.as_ref();
    if labels
        .and_then(|labels| labels.get(SLICE_MANAGED_BY))
        .map(String::as_str)
        == Some(MIRRORING_CONTROLLER)
    {
        slice
    } else {
        without_headless(slice)
    }
}

/// An object without the label that is put right with whatever else is written, and is no reason for a write.
fn without_headless<K: Resource>(mut object: K) -> K {
    if let Some(labels) = &mut object.meta_mut().labels {
        labels.remove(HEADLESS);
    }
    object
}

/// What of a slice may not differ where hints alone do.
fn without_hints(slice: &EndpointSlice) -> EndpointSlice {
    let mut slice = slice.clone();
    for endpoint in slice.endpoints.iter_mut().flatten() {
        endpoint.hints = None;
    }
    content(&slice)
}

/// Whether these say the same, in other subsets.
fn reordered(old: &Endpoints, new: &Endpoints) -> bool {
    // Any digest will do for what is only compared.
    let repacked = |of: &Endpoints| repack(of.subsets.as_deref().unwrap_or_default(), PortHash::Fnv1a128);
    repacked(old) == repacked(new) && old.metadata.labels == new.metadata.labels
}

/// What an apiserver has stored.
fn stored<K: DeserializeOwned>(entry: &Entry) -> Option<K> {
    let taken = (200..300).contains(&entry.code());
    let object = entry.response_object.as_ref().filter(|_| taken)?;
    K::deserialize(object).ok()
}

/// Name of the Service of the slice that was to be written.
pub(crate) fn service_asked(entry: &Entry) -> &str {
    asked(entry, SERVICE)
}

/// A piece of the slice that was to be written; empty where there is none.
fn asked<'a>(entry: &'a Entry, pointer: &str) -> &'a str {
    let body = entry.request_object.as_ref();
    let piece = body.and_then(|body| body.pointer(pointer)?.as_str());
    piece.unwrap_or_default()
}

/// Whether a slice without endpoints and ports was asked for.
fn is_placeholder(entry: &Entry) -> bool {
    let none = |pointer| {
        let body = entry.request_object.as_ref();
        let list = body.and_then(|body| body.pointer(pointer)?.as_array());
        list.is_none_or(Vec::is_empty)
    };
    entry.request_object.as_ref().is_some_and(Value::is_object) && none("/endpoints") && none("/ports")
}

/// A write in one line.
pub(crate) fn words(entry: &Entry) -> String {
    format!(
        "{} of {} {}/{} by {}, answered {}",
        entry.verb,
        entry.resource(),
        entry.namespace(),
        entry.name(),
        entry.user_agent.split('/').next().unwrap_or_default(),
        entry.code()
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(resource: &str, verb: &str, object: &Value) -> Entry {
        serde_json::from_value(json!({
            "auditID": "1", "stage": "ResponseComplete", "verb": verb, "requestURI": "/",
            "objectRef": { "resource": resource, "namespace": "ns", "name": "web" },
            "responseStatus": { "code": 200 },
            "requestObject": object, "responseObject": object,
        }))
        .unwrap()
    }

    /// What each of these writes after the first makes of the object; steps wrote version 7.
    fn changes(resource: &str, objects: &[Value]) -> Vec<Change> {
        let none = Snapshot::default();
        let mut log = Log::new(&none, &none, [7].into());
        for object in objects {
            log.add(&entry(resource, "update", object));
        }
        let writes = log.writes().by_service.into_values().flatten();
        writes.map(|write| write.change).skip(1).collect()
    }

    #[test]
    fn an_update_of_a_slice_is_of_nothing_of_hints_or_of_content() {
        let slice = |version: &str, ready: bool, zone: &str| {
            let hints = json!({ "forZones": [{ "name": zone }] });
            json!({
                "metadata": { "namespace": "ns", "name": "web", "resourceVersion": version, "labels": { "kubernetes.io/service-name": "web" } },
                "addressType": "IPv4", "ports": [],
                "endpoints": [{ "addresses": ["10.0.0.1"], "conditions": { "ready": ready }, "hints": hints }],
            })
        };
        let headless = |mut slice: Value| {
            slice["metadata"]["labels"][HEADLESS] = json!("");
            slice
        };
        let written = [
            slice("1", true, "a"),
            headless(slice("2", true, "a")),
            slice("2", true, "b"),
            slice("3", false, "b"),
            slice("4", true, "a"),
        ];
        assert_eq!(
            changes("endpointslices", &written),
            [Change::Nothing, Change::Hints, Change::Content, Change::Content]
        );
        // Labels of a mirrored slice are those of the Endpoints.
        let mirrored = [slice("1", true, "a"), headless(slice("2", true, "a"))].map(|mut slice| {
            slice["metadata"]["labels"][SLICE_MANAGED_BY] = json!(MIRRORING_CONTROLLER);
            slice
        });
        assert_eq!(changes("endpointslices", &mirrored), [Change::Content]);
    }

    #[test]
    fn endpoints_that_a_step_has_arranged_otherwise_are_told_from_those_that_a_controller_has() {
        let subset = |ips: &[&str]| {
            let addresses: Vec<Value> = ips.iter().map(|ip| json!({ "ip": ip })).collect();
            json!({ "addresses": addresses, "ports": [{ "port": 80 }] })
        };
        let endpoints = |version: &str, subsets: &[Value]| json!({ "metadata": { "namespace": "ns", "name": "web", "resourceVersion": version }, "subsets": subsets });
        let (apart, together) = (
            [subset(&["10.0.0.1"]), subset(&["10.0.0.2"])],
            [subset(&["10.0.0.1", "10.0.0.2"])],
        );
        let of = |written: &[Value]| changes("endpoints", written);
        assert_eq!(
            of(&[endpoints("7", &apart), endpoints("8", &together)]),
            [Change::Order]
        );
        assert_eq!(
            of(&[endpoints("6", &apart), endpoints("8", &together)]),
            [Change::Content]
        );
        assert_eq!(
            of(&[endpoints("7", &apart), endpoints("8", &apart[..1])]),
            [Change::Content]
        );
    }
}
