//! A world, the controller, and an apiserver that stores what it is sent. Everything crosses as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quaymaster_engine::controller::{Object, Stored};
use quaymaster_engine::{Answer, Controller, Dirty, Moment, Planned, Request, Verdict};
use quaymaster_model::{
    EndpointsRecord, Interner, KubernetesVersion, ObjectKey, PodRecord, ResourceVersion, ServiceRecord, Text,
    Timestamp, Uid, UpstreamRules,
};
use quaymaster_queue::Priority;
use quaymaster_runtime::api::{Verb, WriteError};
use quaymaster_runtime::events::Notice;
use quaymaster_runtime::metrics::Registry;
use quaymaster_runtime::pool::Payload;
use quaymaster_wire::json::{Json, Record};
use quaymaster_world::{Delta, Kind, View, World};
use serde_json::{Value, json};

use crate::{Endpoints, Options};

/// Objects of a kind, by name; all are in one namespace.
type Objects = BTreeMap<String, Value>;

pub(super) struct Cluster<C = Endpoints> {
    world: World,
    pub(super) controller: C,
    dirty: Dirty,
    begun: bool,
    registry: Registry,
    interner: Arc<Interner>,
    version: u64,
    /// What the apiserver has.
    services: Objects,
    endpoints: Objects,
    /// What the apiserver makes of Endpoints that are written.
    pub(super) policy: fn(&mut Value),
    /// Events of all answers.
    pub(super) events: Vec<Notice>,
}

pub(super) fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Text::new("shop"), Text::new(name))
}

/// What is collected where one name is marked.
pub(super) fn mark_of(name: &str, priority: Priority, delay: Duration) -> Dirty {
    let mut dirty = Dirty::default();
    dirty.mark(key(name), priority, delay);
    dirty
}

/// A Service as most tests have it: its Pods' port 8080 as port 80.
pub(super) fn plain() -> Value {
    json!({
        "selector": { "app": "web" },
        "ipFamilies": ["IPv4"],
        "clusterIP": "10.1.0.1",
        "ports": [{ "port": 80, "targetPort": 8080, "protocol": "TCP" }],
    })
}

impl Cluster {
    /// With the newest rules.
    pub(super) fn new() -> Self {
        Self::at(37)
    }

    /// With the rules of this minor version.
    pub(super) fn at(minor: u32) -> Self {
        let registry = Registry::new();
        let options = Options {
            rules: UpstreamRules::of(KubernetesVersion { minor }),
            batch_period: Duration::ZERO,
        };
        let controller = Endpoints::new(options, &registry);
        Self::with(controller, registry)
    }

    /// The controller starts anew over what is there, and everything is read.
    pub(super) fn restart(&mut self) {
        let mut other = Self::new();
        std::mem::swap(&mut self.controller, &mut other.controller);
        std::mem::swap(&mut self.registry, &mut other.registry);
        self.dirty = Dirty::default();
        self.begin();
    }

    /// Of how many names something is held.
    pub(super) fn held(&self) -> usize {
        self.controller.held.len()
    }
}

impl<C: Controller> Cluster<C> {
    /// A controller over an empty cluster.
    pub(super) fn with(controller: C, registry: Registry) -> Self {
        let mut world = World::new();
        for kind in [Kind::Service, Kind::Pod, Kind::Endpoints] {
            world.begin(kind);
            let nobody = &mut |_: &World, _: &Delta<'_>| {};
            world.end(kind, &ResourceVersion::new("1"), nobody);
        }
        Self {
            world,
            controller,
            dirty: Dirty::default(),
            begun: false,
            registry,
            interner: Arc::new(Interner::new()),
            version: 1,
            services: Objects::new(),
            endpoints: Objects::new(),
            policy: |_| (),
            events: Vec::new(),
        }
    }

    /// Everything was read.
    pub(super) fn begin(&mut self) {
        self.controller.start(&self.world, &mut self.dirty);
        self.begun = true;
    }

    fn next_version(&mut self) -> Value {
        self.version += 1;
        json!(self.version.to_string())
    }

    fn object(&mut self, name: &str) -> Value {
        json!({ "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": format!("uid-{name}"),
            "resourceVersion": self.next_version(),
            "creationTimestamp": "2026-01-01T00:00:00Z",
        } })
    }

    /// Creates or changes a Service, and the watch tells.
    pub(super) fn service(&mut self, name: &str, spec: Value) {
        self.service_with(name, spec, |_| ());
    }

    /// The same, with more changed of it.
    pub(super) fn service_with(&mut self, name: &str, spec: Value, change: impl FnOnce(&mut Value)) {
        self.store_service(name, spec, change);
        self.tell_service(name);
    }

    /// Creates or changes a Service of which the watch does not tell yet.
    pub(super) fn store_service(&mut self, name: &str, spec: Value, change: impl FnOnce(&mut Value)) {
        let mut service = self.object(name);
        service["spec"] = spec;
        change(&mut service);
        self.services.insert(name.to_owned(), service);
    }

    /// The watch tells of a Service as it is.
    pub(super) fn tell_service(&mut self, name: &str) {
        let record = self.read::<ServiceRecord>(&self.services[name].clone());
        self.tell(|world, views| world.apply_service(record, views));
    }

    /// Deletes a Service, and the watch tells.
    pub(super) fn delete_service(&mut self, name: &str) {
        self.services.remove(name);
        self.tell_service_gone(name);
    }

    /// The watch tells that the Service which it told of last has gone.
    pub(super) fn tell_service_gone(&mut self, name: &str) {
        let key = key(name);
        let known = self.world.service_id(&key).and_then(|id| self.world.service(id));
        let uid = known.unwrap().uid.clone();
        self.tell(|world, views| world.delete_service(&key, &uid, views));
    }

    /// A ready Pod with label `app: web` on `node-1`.
    pub(super) fn pod(&mut self, name: &str, ip: &str) {
        self.pod_with(name, ip, |_| ());
    }

    /// The same, changed.
    pub(super) fn pod_with(&mut self, name: &str, ip: &str, change: impl FnOnce(&mut Value)) {
        let mut pod = self.object(name);
        pod["metadata"]["labels"] = json!({ "app": "web" });
        pod["spec"] = json!({ "nodeName": "node-1", "containers": [] });
        pod["status"] = json!({
            "phase": "Running",
            "podIP": ip,
            "podIPs": [{ "ip": ip }],
            "conditions": [{ "type": "Ready", "status": "True" }],
        });
        change(&mut pod);
        let record = self.read::<PodRecord>(&pod);
        self.tell(|world, views| world.apply_pod(record, views));
    }

    pub(super) fn delete_pod(&mut self, name: &str) {
        let uid = Uid::new(&format!("uid-{name}"));
        self.tell(|world, views| world.delete_pod(&key(name), &uid, views));
    }

    /// Somebody creates or replaces Endpoints, and the watch tells.
    pub(super) fn put(&mut self, name: &str, endpoints: &Value) {
        let mut stored = self.object(name);
        for (field, value) in endpoints.as_object().unwrap() {
            if field == "metadata" {
                stored["metadata"]
                    .as_object_mut()
                    .unwrap()
                    .extend(value.as_object().unwrap().clone());
            } else {
                stored[field] = value.clone();
            }
        }
        self.endpoints.insert(name.to_owned(), stored);
        self.tell_endpoints(name);
    }

    /// Somebody changes Endpoints; the watch does not tell yet.
    pub(super) fn edit(&mut self, name: &str, change: impl FnOnce(&mut Value)) {
        let version = self.next_version();
        let endpoints = self.endpoints.get_mut(name).unwrap();
        change(endpoints);
        endpoints["metadata"]["resourceVersion"] = version;
    }

    /// The watch tells of Endpoints as they are.
    pub(super) fn tell_endpoints(&mut self, name: &str) {
        let record = self
            .read::<EndpointsRecord>(&self.endpoints[name].clone())
            .to_be_held();
        self.tell(|world, views| world.apply(record, views));
    }

    /// Somebody deletes Endpoints, and the watch tells.
    pub(super) fn delete_endpoints(&mut self, name: &str) {
        let gone = self.endpoints.remove(name).unwrap();
        let gone = self.read::<EndpointsRecord>(&gone);
        self.tell(|world, views| world.delete::<EndpointsRecord>(&gone.key, &gone.uid, views));
    }

    /// The Endpoints that are stored under this name.
    pub(super) fn stored(&self, name: &str) -> &Value {
        self.endpoints.get(name).unwrap_or(&Value::Null)
    }

    /// The names of what was marked since the last call.
    pub(super) fn take_marked(&mut self) -> Vec<String> {
        let dirty = std::mem::take(&mut self.dirty);
        dirty.marked().map(|key| key.name.to_string()).collect()
    }

    /// What is marked, for a look at priorities, delays and repairs.
    pub(super) fn take_dirty(&mut self) -> Dirty {
        std::mem::take(&mut self.dirty)
    }

    /// Plans what was marked and carries it out, until nothing is left; gives the requests, by verb and name.
    pub(super) fn settle(&mut self) -> Vec<String> {
        let mut requests = Vec::new();
        let mut due: BTreeSet<String> = BTreeSet::new();
        for _ in 0..100 {
            due.extend(self.take_marked());
            let Some(name) = due.pop_first() else {
                return requests;
            };
            let Some(mut request) = self.send(&name) else {
                continue;
            };
            requests.push(format!("{} {}", request.verb.label(), request.object.name));
            let outcome = self.carry_out(&mut request);
            if self.answer(&request, outcome) != Verdict::Done {
                due.insert(name.clone());
            }
            // Its echo, whenever it comes, changes nothing.
            if self.endpoints.contains_key(&name) {
                self.tell_endpoints(&name);
            }
        }
        panic!("no end is seen: {requests:?}");
    }

    /// What is planned for a name now.
    pub(super) fn send(&mut self, name: &str) -> Option<Request> {
        self.plan_at(name, Instant::now()).requests.into_iter().next()
    }

    /// What is planned for a name at this time, and when it is to be planned again.
    pub(super) fn plan_at(&mut self, name: &str, at: Instant) -> Planned {
        let now = Moment {
            at,
            wall: Timestamp(0),
        };
        let planned = self.controller.plan(&self.world, &key(name), 16, now);
        assert!(
            planned.requests.len() <= 1,
            "one request in flight for each object"
        );
        planned
    }

    /// What is planned for a name now is carried out and answered.
    pub(super) fn send_and_store(&mut self, name: &str) -> Verb {
        let mut request = self.send(name).unwrap();
        let outcome = self.carry_out(&mut request);
        self.answer(&request, outcome);
        request.verb
    }

    /// The apiserver carries a request out; its answer is under way, and so is what the watch tells of it.
    pub(super) fn carry_out(&mut self, request: &mut Request) -> Result<Option<Value>, WriteError> {
        let name = request.object.name.to_string();
        let message = || "in the test".to_owned();
        let body = std::mem::replace(&mut request.body, Payload::Ready(bytes::Bytes::new()));
        let body = body.into_bytes().unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        if request.verb == Verb::Get {
            assert_eq!(request.kind, Kind::Service);
            return Ok(self.services.get(&name).cloned());
        }
        let held = self.endpoints.get(&name).cloned();
        let given = match request.verb {
            Verb::Delete => &body["preconditions"],
            _ => &body["metadata"],
        };
        match (request.verb, &held) {
            (Verb::Create, Some(_)) => return Err(WriteError::AlreadyExists { message: message() }),
            (Verb::Create, None) => {}
            (_, None) => return Err(WriteError::NotFound { message: message() }),
            (_, Some(held)) => {
                for precondition in ["uid", "resourceVersion"] {
                    assert!(given[precondition].is_string(), "{precondition} in {given}");
                    if given[precondition] != held["metadata"][precondition] {
                        return Err(WriteError::Conflict { message: message() });
                    }
                }
            }
        }
        if request.verb == Verb::Delete {
            self.endpoints.remove(&name);
            return Ok(None);
        }
        let mut stored = body;
        (self.policy)(&mut stored);
        if request.verb == Verb::Create {
            self.version += 1;
            stored["metadata"]["uid"] = json!(format!("uid-{name}-{}", self.version));
        }
        if held.as_ref() != Some(&stored) {
            stored["metadata"]["resourceVersion"] = self.next_version();
        }
        self.endpoints.insert(name, stored.clone());
        Ok(Some(stored))
    }

    /// A request is answered, in the order in which the engine does it.
    pub(super) fn answer(
        &mut self,
        request: &Request,
        outcome: Result<Option<Value>, WriteError>,
    ) -> Verdict {
        let error;
        let result = match outcome {
            Ok(Some(service)) if request.verb == Verb::Get => {
                Ok(Stored::Object(Object::Service(Arc::new(self.read(&service)))))
            }
            Ok(Some(stored)) => {
                let stored = Arc::new(self.read::<EndpointsRecord>(&stored));
                let held = Arc::new(stored.held());
                self.tell(|world, views| world.observe_written(&held, views));
                Ok(Stored::Object(Object::Endpoints(stored)))
            }
            Ok(None) | Err(WriteError::NotFound { .. })
                if matches!(request.verb, Verb::Get | Verb::Delete) =>
            {
                if let Some(uid) = request.uid.clone() {
                    let key = request.object.clone();
                    self.tell(|world, views| world.observe_deleted::<EndpointsRecord>(&key, &uid, views));
                }
                Ok(Stored::Gone)
            }
            Ok(None) => panic!("a write stores something"),
            Err(failure) => {
                error = failure;
                Err(&error)
            }
        };
        let answer = Answer {
            key: &request.object,
            object: &request.object,
            verb: request.verb,
            write: request.write,
            result,
        };
        let verdict = self.controller.answered(&self.world, &answer);
        match &verdict {
            Verdict::Altered { notice, .. } | Verdict::Retry { notice: Some(notice) } => {
                self.events.push(notice.clone());
            }
            _ => {}
        }
        verdict
    }

    /// A term of writing begins.
    pub(super) fn begin_term(&mut self) {
        self.controller.term_began(&self.world, &mut self.dirty);
    }

    pub(super) fn metrics(&mut self) -> String {
        self.controller.measure(&self.world);
        self.registry.encode()
    }

    fn read<R: Record + 'static>(&self, object: &Value) -> R {
        Json::<R>::new(Arc::clone(&self.interner))
            .object(object.to_string().as_bytes())
            .unwrap()
    }

    fn tell(&mut self, change: impl FnOnce(&mut World, &mut dyn View)) {
        let Self {
            world,
            controller,
            dirty,
            begun,
            ..
        } = self;
        change(world, &mut |world: &World, delta: &Delta<'_>| {
            let reads = controller.reads().contains(&delta.kind());
            if *begun && reads {
                controller.on(world, delta, dirty);
            }
        });
    }
}
