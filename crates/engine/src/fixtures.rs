//! Objects and a controller for tests.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use quaymaster_model::{Interner, ObjectKey, ResourceVersion, Text, Uid};
use quaymaster_queue::Priority;
use quaymaster_runtime::pool::Payload;
use quaymaster_wire::Reader as _;
use quaymaster_world::{Change, Delta, Kind, Origin, World};

use crate::controller::{Answer, Controller, Dirty, Moment, Object, Planned, Request, Stored, Verdict};
use crate::kinds::Known;

pub(crate) const NAMESPACE: &str = "shop";

pub(crate) fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Text::new(NAMESPACE), Text::new(name))
}

pub(crate) fn version(number: u64) -> ResourceVersion {
    ResourceVersion::new(&number.to_string())
}

fn meta(name: &str, uid: &str, version: u64) -> String {
    format!(r#"{{"name":"{name}","namespace":"{NAMESPACE}","uid":"{uid}","resourceVersion":"{version}"}}"#)
}

pub(crate) fn pod_json(name: &str, uid: &str, version: u64) -> String {
    let meta = meta(name, uid, version);
    format!(r#"{{"apiVersion":"v1","kind":"Pod","metadata":{meta},"spec":{{"nodeName":"n1"}}}}"#)
}

pub(crate) fn service_json(name: &str, uid: &str, version: u64) -> String {
    let meta = meta(name, uid, version);
    format!(r#"{{"apiVersion":"v1","kind":"Service","metadata":{meta},"spec":{{"clusterIP":"10.0.0.1"}}}}"#)
}

pub(crate) fn node_json(name: &str, version: u64) -> String {
    format!(
        r#"{{"apiVersion":"v1","kind":"Node","metadata":{{"name":"{name}","uid":"u","resourceVersion":"{version}"}}}}"#
    )
}

pub(crate) fn namespace_json(name: &str, version: u64) -> String {
    node_json(name, version).replace("Node", "Namespace")
}

pub(crate) fn slice_json(name: &str, uid: &str, version: u64) -> String {
    let meta = meta(name, uid, version);
    format!(
        r#"{{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{meta},"addressType":"IPv4","endpoints":[],"ports":[]}}"#
    )
}

pub(crate) fn endpoints_json(name: &str, uid: &str, version: u64) -> String {
    let meta = meta(name, uid, version);
    format!(r#"{{"apiVersion":"v1","kind":"Endpoints","metadata":{meta}}}"#)
}

pub(crate) fn service_cidr_json(name: &str, version: u64) -> String {
    format!(
        r#"{{"apiVersion":"networking.k8s.io/v1","kind":"ServiceCIDR","metadata":{{"name":"{name}","uid":"u","resourceVersion":"{version}"}}}}"#
    )
}

pub(crate) fn ip_address_json(name: &str, version: u64) -> String {
    format!(
        r#"{{"apiVersion":"networking.k8s.io/v1","kind":"IPAddress","metadata":{{"name":"{name}","uid":"u","resourceVersion":"{version}"}}}}"#
    )
}

/// A custom resource: its kind, its metadata and its spec.
fn custom_json(kind: &str, meta: &str, spec: &str) -> String {
    format!(r#"{{"apiVersion":"quaymaster.io/v1alpha1","kind":"{kind}","metadata":{meta},"spec":{spec}}}"#)
}

fn clusterwide(name: &str, version: u64) -> String {
    format!(r#"{{"name":"{name}","uid":"u","resourceVersion":"{version}"}}"#)
}

pub(crate) fn service_ip_pool_json(name: &str, version: u64) -> String {
    let spec = r#"{"usage":"ClusterIP","cidrs":["10.96.8.0/24"]}"#;
    custom_json("ServiceIPPool", &clusterwide(name, version), spec)
}

pub(crate) fn node_port_pool_json(name: &str, version: u64) -> String {
    let spec = r#"{"ranges":[{"first":30000,"last":30099}]}"#;
    custom_json("NodePortPool", &clusterwide(name, version), spec)
}

pub(crate) fn service_reservation_json(name: &str, uid: &str, version: u64) -> String {
    let spec = r#"{"serviceName":"web","clusterIPs":["10.96.8.9"]}"#;
    custom_json("ServiceReservation", &meta(name, uid, version), spec)
}

pub(crate) fn allocation_claim_json(name: &str, version: u64) -> String {
    let spec = r#"{"namespace":"shop","name":"web","requestUID":"r","replica":"a","secondsToLive":75}"#;
    custom_json("AllocationClaim", &clusterwide(name, version), spec)
}

/// An object as its reader reads it.
pub(crate) fn read<R: Known>(json: &str) -> R {
    R::Reader::new(Arc::new(Interner::new()))
        .object(json.as_bytes())
        .unwrap()
}

/// What happened, a line each.
pub(crate) type Log = Arc<Mutex<Vec<String>>>;

type Plan = Box<dyn FnMut(&World, &ObjectKey, usize, Instant) -> Planned + Send>;
type Answered = Box<dyn FnMut(&Answer<'_>) -> Verdict + Send>;

/// A controller of Services that does as it is told by the test, and writes down what it is told by the core.
pub(crate) struct Fake {
    pub(crate) reads: &'static [Kind],
    pub(crate) log: Log,
    /// Of all that it marks.
    pub(crate) priority: Priority,
    /// Whether a slice that another writer changed is put right, for the Service `web`.
    pub(crate) repairs: bool,
    /// How often it was asked to bring its gauges up to date.
    pub(crate) measured: Arc<AtomicUsize>,
    pub(crate) plan: Plan,
    pub(crate) answered: Answered,
}

impl Fake {
    /// Reads Services and slices. Each failure is tried again.
    pub(crate) fn new(mut plan: impl FnMut(&World, &ObjectKey, usize) -> Planned + Send + 'static) -> Self {
        Self::timed(move |world, key, limit, _| plan(world, key, limit))
    }

    /// As [`Fake::new`], of one that looks at the time.
    pub(crate) fn timed(
        plan: impl FnMut(&World, &ObjectKey, usize, Instant) -> Planned + Send + 'static,
    ) -> Self {
        Self {
            reads: &[Kind::Service, Kind::Slice],
            log: Log::default(),
            priority: Priority::Normal,
            repairs: false,
            measured: Arc::default(),
            plan: Box::new(plan),
            answered: Box::new(|answer| match answer.result {
                Ok(_) => Verdict::Done,
                Err(_) => Verdict::Retry { notice: None },
            }),
        }
    }

    fn note(&self, line: String) {
        self.log.lock().unwrap().push(line);
    }
}

fn what<T>(change: &Change<'_, T>) -> &'static str {
    match change {
        Change::Added(_) => "added",
        Change::Updated { .. } => "updated",
        Change::Removed(_) => "removed",
    }
}

impl Controller for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn reads(&self) -> &'static [Kind] {
        self.reads
    }

    fn start(&mut self, world: &World, dirty: &mut Dirty) {
        self.note("start".to_owned());
        let mut keys: Vec<ObjectKey> = world.services().map(|(_, service)| service.key.clone()).collect();
        keys.sort_by(|a, b| a.name.cmp(&b.name));
        for key in keys {
            dirty.mark(key, self.priority, Duration::ZERO);
        }
    }

    fn on(&mut self, _: &World, delta: &Delta<'_>, dirty: &mut Dirty) {
        match delta {
            Delta::Service { change, .. } => {
                let key = change.latest().key.clone();
                self.note(format!("service {} {}", key.name, what(change)));
                if change.after().is_some() {
                    dirty.mark(key, self.priority, Duration::ZERO);
                } else {
                    dirty.forget(key);
                }
            }
            Delta::Slice { change, origin } => {
                let by = match origin {
                    Origin::Watch => "watch",
                    Origin::OwnWrite => "own write",
                };
                let name = &change.latest().key.name;
                self.note(format!("slice {name} {} by {by}", what(change)));
                if self.repairs && *origin == Origin::Watch {
                    dirty.repair(key("web"), Duration::ZERO);
                }
            }
            Delta::ServiceIpPool { change, .. } => {
                self.note(format!("pool {} {}", change.latest().key.name, what(change)));
            }
            Delta::Pod { .. }
            | Delta::Node { .. }
            | Delta::Endpoints { .. }
            | Delta::ServiceCidr { .. }
            | Delta::IpAddress { .. }
            | Delta::Namespace { .. }
            | Delta::NodePortPool { .. }
            | Delta::ServiceReservation { .. }
            | Delta::AllocationClaim { .. } => {}
        }
    }

    fn term_began(&mut self, _: &World, _: &mut Dirty) {
        self.note("term began".to_owned());
    }

    fn plan(&mut self, world: &World, key: &ObjectKey, limit: usize, now: Moment) -> Planned {
        self.note(format!("plan {} within {limit}", key.name));
        (self.plan)(world, key, limit, now.at)
    }

    fn answered(&mut self, _: &World, answer: &Answer<'_>) -> Verdict {
        let result = match &answer.result {
            Ok(Stored::Object(Object::Slice(slice))) => format!("stored at {}", slice.resource_version),
            Ok(Stored::Object(other)) => format!("{other:?}"),
            Ok(Stored::Gone) => "gone".to_owned(),
            Ok(Stored::Going) => "going".to_owned(),
            Err(error) => error.label().to_owned(),
        };
        let (verb, object) = (answer.verb.label(), &answer.object.name);
        self.note(format!("{verb} {object}: {result}"));
        (self.answered)(answer)
    }

    fn measure(&mut self, _: &World) {
        self.measured.fetch_add(1, Ordering::Relaxed);
    }

    fn rival(&self) -> &'static str {
        "is it another fake?"
    }
}

/// Views that nobody looks at.
pub(crate) fn nobody(_: &World, _: &Delta<'_>) {}

fn body() -> Payload {
    Payload::Ready(Bytes::from_static(b"{}"))
}

pub(crate) fn create(name: &str) -> Request {
    Request::create(Kind::Slice, key(name), body(), 1)
}

pub(crate) fn update(name: &str, uid: &str) -> Request {
    Request::update(Kind::Slice, key(name), Uid::new(uid), body(), 1)
}

pub(crate) fn update_status(name: &str, uid: &str) -> Request {
    Request::update_status(Kind::Slice, key(name), Uid::new(uid), body(), 1)
}

pub(crate) fn delete(name: &str, uid: &str) -> Request {
    Request::delete(Kind::Slice, key(name), Uid::new(uid), None, 1)
}

/// A plan that is whole.
pub(crate) fn planned(requests: impl IntoIterator<Item = Request>) -> Planned {
    Planned {
        requests: requests.into_iter().collect(),
        ..Planned::default()
    }
}
