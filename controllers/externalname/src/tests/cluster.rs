//! A world, the controller, and an apiserver that stores what it is sent. Everything crosses as JSON, time is virtual.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quaymaster_engine::controller::{Object, Stored};
use quaymaster_engine::{Answer, Controller, Dirty, Moment, Request, Verdict};
use quaymaster_model::{
    EndpointsRecord, Interner, ObjectKey, ResourceVersion, ServiceRecord, SliceRecord, Text, Timestamp, Uid,
};
use quaymaster_runtime::api::{Verb, WriteError};
use quaymaster_runtime::metrics::Registry;
use quaymaster_wire::json::{Json, Record};
use quaymaster_world::{Delta, Kind, View, World};
use serde_json::{Value, json};

use crate::{ExternalNames, Options};

pub(super) const GRACE: Duration = Duration::from_mins(10);

/// What happens to a cluster.
pub(super) type Meanwhile = Box<dyn FnOnce(&mut Cluster)>;

pub(super) struct Cluster {
    pub(super) world: World,
    controller: ExternalNames,
    options: Options,
    registry: Registry,
    dirty: Dirty,
    begun: bool,
    interner: Arc<Interner>,
    version: u64,
    /// What the apiserver has, by kind and name; all are in one namespace.
    objects: BTreeMap<(Kind, String), Value>,
    now: Instant,
    /// Keys that are to be planned, and when.
    waiting: BTreeMap<String, Instant>,
    /// Events, as `reason of name`.
    pub(super) events: Vec<String>,
    /// Their texts.
    pub(super) notes: Vec<String>,
    /// Most requests that a plan may make.
    pub(super) limit: usize,
    /// The next request fails.
    pub(super) fails: bool,
    /// Done between a request and its being carried out.
    pub(super) meanwhile: Option<Meanwhile>,
}

pub(super) fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Text::new("shop"), Text::new(name))
}

pub(super) fn external(name: &str) -> Value {
    json!({ "type": "ExternalName", "externalName": name })
}

/// A Service whose endpoints somebody keeps by hand.
pub(super) fn bare() -> Value {
    json!({ "clusterIP": "10.1.0.1", "ports": [{ "name": "http", "port": 80, "protocol": "TCP" }] })
}

pub(super) fn selecting() -> Value {
    let mut spec = bare();
    spec["selector"] = json!({ "app": "web" });
    spec
}

impl Cluster {
    /// One where everything stays.
    pub(super) fn new() -> Self {
        Self::with(None)
    }

    /// One where what controllers have left goes.
    pub(super) fn deleting() -> Self {
        Self::with(Some(GRACE))
    }

    pub(super) fn with(grace: Option<Duration>) -> Self {
        let mut world = World::new();
        for kind in [Kind::Service, Kind::Endpoints, Kind::Slice] {
            world.begin(kind);
            let nobody = &mut |_: &World, _: &Delta<'_>| {};
            world.end(kind, &ResourceVersion::new("1"), nobody);
        }
        let options = Options {
            domain: "cluster.local".parse().unwrap(),
            grace,
        };
        let registry = Registry::new();
        Self {
            world,
            controller: ExternalNames::new(options.clone(), &registry),
            options,
            registry,
            dirty: Dirty::default(),
            begun: false,
            interner: Arc::new(Interner::new()),
            version: 1,
            objects: BTreeMap::new(),
            now: Instant::now(),
            waiting: BTreeMap::new(),
            events: Vec::new(),
            notes: Vec::new(),
            limit: 16,
            fails: false,
            meanwhile: None,
        }
    }

    /// Everything was read.
    pub(super) fn begin(&mut self) {
        self.controller.start(&self.world, &mut self.dirty);
        self.begun = true;
    }

    /// The controller starts anew over what is there.
    pub(super) fn restart(&mut self) {
        self.registry = Registry::new();
        self.controller = ExternalNames::new(self.options.clone(), &self.registry);
        self.dirty = Dirty::default();
        self.waiting.clear();
        self.begin();
    }

    fn put(&mut self, kind: Kind, name: &str, object: Value) {
        self.version += 1;
        let mut stored = object;
        let held = self.objects.get(&(kind, name.to_owned()));
        let uid = held.map_or_else(
            || json!(format!("uid-{name}-{}", self.version)),
            |held| held["metadata"]["uid"].clone(),
        );
        let metadata = &mut stored["metadata"];
        metadata["name"] = json!(name);
        metadata["namespace"] = json!("shop");
        metadata["uid"] = uid;
        metadata["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert((kind, name.to_owned()), stored);
    }

    /// Stores a Service of which the watch does not tell yet.
    pub(super) fn store_service(&mut self, name: &str, spec: &Value) {
        self.put(Kind::Service, name, json!({ "spec": spec }));
    }

    /// The same, in the place of the one that has gone, of which the watch does not tell either.
    pub(super) fn store_successor(&mut self, name: &str, spec: &Value) {
        self.objects.remove(&(Kind::Service, name.to_owned()));
        self.store_service(name, spec);
    }

    /// Somebody deletes a Service that a finalizer holds, and the watch tells.
    pub(super) fn terminating_service(&mut self, name: &str, spec: &Value) {
        let metadata = json!({
            "deletionTimestamp": "2026-01-01T00:00:00Z",
            "finalizers": ["example.com/f"],
        });
        self.put(Kind::Service, name, json!({ "metadata": metadata, "spec": spec }));
        self.tell_service(name);
    }

    pub(super) fn service(&mut self, name: &str, spec: &Value) {
        self.store_service(name, spec);
        self.tell_service(name);
    }

    pub(super) fn tell_service(&mut self, name: &str) {
        let record = self.read::<ServiceRecord>(&self.stored(Kind::Service, name));
        self.tell(|world, views| world.apply_service(record, views));
    }

    pub(super) fn slice(&mut self, name: &str, object: Value) {
        self.put(Kind::Slice, name, object);
        let record = self.read::<SliceRecord>(&self.stored(Kind::Slice, name));
        self.tell(|world, views| world.apply(record, views));
    }

    pub(super) fn endpoints(&mut self, name: &str, object: Value) {
        self.store_endpoints(name, object);
        self.tell_endpoints(name);
    }

    pub(super) fn store_endpoints(&mut self, name: &str, object: Value) {
        self.put(Kind::Endpoints, name, object);
    }

    pub(super) fn tell_endpoints(&mut self, name: &str) {
        let record = self.read::<EndpointsRecord>(&self.stored(Kind::Endpoints, name));
        self.tell(|world, views| world.apply(record.to_be_held(), views));
    }

    /// Somebody deletes an object, and the watch tells.
    pub(super) fn remove(&mut self, kind: Kind, name: &str) {
        let gone = self.objects.remove(&(kind, name.to_owned())).unwrap();
        let uid = Uid::new(gone["metadata"]["uid"].as_str().unwrap());
        let key = key(name);
        self.tell(|world, views| match kind {
            Kind::Service => world.delete_service(&key, &uid, views),
            Kind::Slice => world.delete::<SliceRecord>(&key, &uid, views),
            _ => world.delete::<EndpointsRecord>(&key, &uid, views),
        });
    }

    pub(super) fn stored(&self, kind: Kind, name: &str) -> Value {
        let found = self.objects.get(&(kind, name.to_owned()));
        found.cloned().unwrap_or_default()
    }

    pub(super) fn uid(&self, kind: Kind, name: &str) -> String {
        let uid = self.stored(kind, name)["metadata"]["uid"].clone();
        uid.as_str().unwrap().to_owned()
    }

    /// The names of the objects of a kind.
    pub(super) fn names(&self, kind: Kind) -> Vec<&str> {
        let keys = self.objects.keys().filter(|(of, _)| *of == kind);
        keys.map(|(_, name)| name.as_str()).collect()
    }

    /// What is marked since the last call.
    pub(super) fn take_marked(&mut self) -> BTreeSet<String> {
        let dirty = std::mem::take(&mut self.dirty);
        dirty.marked().map(|key| key.name.to_string()).collect()
    }

    /// What is marked, for a look at priorities and delays.
    pub(super) fn take_dirty(&mut self) -> Dirty {
        std::mem::take(&mut self.dirty)
    }

    /// Lets time pass; gives the requests that were made, as verb, kind and name.
    pub(super) fn pass(&mut self, time: Duration) -> Vec<String> {
        let until = self.now + time;
        let mut requests = Vec::new();
        for _ in 0..10_000 {
            // Each mark waits as long.
            for name in self.take_marked() {
                self.wake(name, self.now + crate::view::SETTLE);
            }
            let first = self.waiting.iter().min_by_key(|(_, at)| **at);
            let Some((name, at)) = first.map(|(name, at)| (name.clone(), *at)) else {
                break;
            };
            if at > until {
                break;
            }
            self.now = self.now.max(at);
            self.waiting.remove(&name);
            requests.extend(self.turn(&name));
        }
        self.now = until;
        requests
    }

    fn wake(&mut self, name: String, at: Instant) {
        let due = self.waiting.entry(name).or_insert(at);
        *due = at.min(*due);
    }

    /// Plans a key now and carries it out; gives the requests.
    pub(super) fn turn(&mut self, name: &str) -> Vec<String> {
        let now = Moment {
            at: self.now,
            wall: Timestamp(0),
        };
        let planned = self.controller.plan(&self.world, &key(name), self.limit, now);
        assert!(planned.requests.len() <= self.limit);
        assert!(planned.notices.is_empty(), "all are told once");
        for notice in planned.standing {
            let name = notice.regarding.name.unwrap();
            self.events.push(format!("{} of {name}", notice.reason));
            self.notes.push(notice.note);
        }
        if let Some(at) = planned.look_again {
            assert!(at > self.now);
            self.wake(name.to_owned(), at);
        }
        if planned.truncated {
            self.wake(name.to_owned(), self.now);
        }
        let mut told = Vec::new();
        for request in planned.requests {
            let kind = match request.kind {
                Kind::Service => "service",
                Kind::Endpoints => "endpoints",
                _ => "slice",
            };
            told.push(format!("{} {kind} {}", request.verb.label(), request.object.name));
            if let Some(meanwhile) = self.meanwhile.take() {
                meanwhile(self);
            }
            let pause = match self.carry_out(name, request) {
                Verdict::Done => continue,
                Verdict::Again => Duration::ZERO,
                _ => Duration::from_secs(1),
            };
            self.wake(name.to_owned(), self.now + pause);
        }
        told
    }

    fn carry_out(&mut self, name: &str, request: Request) -> Verdict {
        let object = (request.kind, request.object.name.to_string());
        let body: Value = serde_json::from_slice(&request.body.into_bytes().unwrap()).unwrap_or_default();
        let failed = WriteError::Aborted;
        let conflict = WriteError::Conflict {
            message: String::new(),
        };
        let result = if std::mem::take(&mut self.fails) {
            Err(&failed)
        } else if let Some(held) = self.objects.get(&object).cloned() {
            if request.verb == Verb::Get {
                Ok(Stored::Object(self.object(request.kind, &held)))
            } else {
                assert_eq!(request.verb, Verb::Delete, "nothing else is ever done");
                let given = &body["preconditions"];
                for precondition in ["uid", "resourceVersion"] {
                    assert!(given[precondition].is_string(), "{precondition} in {given}");
                }
                let same = |field: &str| given[field] == held["metadata"][field];
                if same("uid") && same("resourceVersion") {
                    self.objects.remove(&object);
                    self.deleted(request.kind, &request.object, &request.uid.unwrap());
                    Ok(Stored::Gone)
                } else {
                    Err(&conflict)
                }
            }
        } else {
            Ok(Stored::Gone)
        };
        let answer = Answer {
            key: &key(name),
            object: &request.object,
            verb: request.verb,
            write: request.write,
            result,
        };
        self.controller.answered(&self.world, &answer)
    }

    fn deleted(&mut self, kind: Kind, object: &ObjectKey, uid: &Uid) {
        self.tell(|world, views| match kind {
            Kind::Slice => world.observe_deleted::<SliceRecord>(object, uid, views),
            _ => world.observe_deleted::<EndpointsRecord>(object, uid, views),
        });
    }

    fn object(&self, kind: Kind, held: &Value) -> Object {
        match kind {
            Kind::Service => Object::Service(Arc::new(self.read(held))),
            _ => Object::Endpoints(Arc::new(self.read(held))),
        }
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
            if *begun && controller.reads().contains(&delta.kind()) {
                controller.on(world, delta, dirty);
            }
        });
    }
}
