//! The controller over a world, and the apiserver it writes to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Service;
use quaymaster_endpoints::{Endpoints, Options};
use quaymaster_engine::controller::{Object as Record, Stored};
use quaymaster_engine::{Answer, Controller, Dirty, Moment, Request, Verdict};
use quaymaster_model::{
    EndpointsRecord, Interner, KubernetesVersion, ObjectKey, PodRecord, ResourceVersion, ServiceRecord, Text,
    Timestamp, Uid, UpstreamRules,
};
use quaymaster_oracle::generate::{Change, ChangeKind, Cluster as Objects, Object, Rng};
use quaymaster_runtime::api::{Verb, WriteError};
use quaymaster_runtime::metrics::Registry;
use quaymaster_wire::json::Json;
use quaymaster_world::{Delta, Kind, View, World};
use serde_json::{Value, json};

/// Versions that the apiserver gives to Endpoints begin here, above those of a generated cluster.
const FIRST_VERSION: u64 = 1 << 32;

/// What the watch of Endpoints is to tell.
enum Event {
    Put(Value),
    Gone(ObjectKey, Uid),
}

/// The apiserver's Endpoints, and what its watch has not told yet.
#[derive(Default)]
pub(crate) struct Server {
    pub(crate) endpoints: BTreeMap<ObjectKey, Value>,
    version: u64,
    events: VecDeque<Event>,
}

impl Server {
    /// Carries a write out, or refuses it.
    fn perform(&mut self, request: &Request, body: &Value) -> Result<Option<Value>, WriteError> {
        let key = &request.object;
        let message = String::new;
        let held = self.endpoints.get(key).map(|held| held["metadata"].clone());
        let given = if request.verb == Verb::Delete {
            &body["preconditions"]
        } else {
            &body["metadata"]
        };
        match (request.verb, held) {
            (Verb::Create, None) => {}
            (Verb::Create, Some(_)) => return Err(WriteError::AlreadyExists { message: message() }),
            (_, None) => return Err(WriteError::NotFound { message: message() }),
            (_, Some(held)) => {
                if given["uid"] != held["uid"] || given["resourceVersion"] != held["resourceVersion"] {
                    return Err(WriteError::Conflict { message: message() });
                }
            }
        }
        if request.verb == Verb::Delete {
            self.remove(key);
            return Ok(None);
        }
        Ok(Some(self.put(key, body.clone())))
    }

    /// Stores Endpoints.
    pub(crate) fn put(&mut self, key: &ObjectKey, mut endpoints: Value) -> Value {
        self.version += 1;
        let version = FIRST_VERSION + self.version;
        if !endpoints["metadata"]["uid"].is_string() {
            endpoints["metadata"]["uid"] = json!(format!("endpoints-uid-{version}"));
        }
        endpoints["metadata"]["namespace"] = json!(key.namespace.as_str());
        endpoints["metadata"]["name"] = json!(key.name.as_str());
        endpoints["metadata"]["resourceVersion"] = json!(version.to_string());
        self.endpoints.insert(key.clone(), endpoints.clone());
        self.events.push_back(Event::Put(endpoints.clone()));
        endpoints
    }

    pub(crate) fn remove(&mut self, key: &ObjectKey) {
        if let Some(gone) = self.endpoints.remove(key) {
            let uid = Uid::new(gone["metadata"]["uid"].as_str().unwrap());
            self.events.push_back(Event::Gone(key.clone(), uid));
        }
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is carried out and answered.
    Done,
    /// It is not carried out, and that is said.
    Refused,
    /// It is carried out, and its answer gets lost.
    AnswerLost,
}

/// A request that is under way, with its outcome.
type UnderWay = (Request, Result<Option<Value>, WriteError>);

/// The world, and what reads objects into it.
struct Reader {
    interner: Arc<Interner>,
    world: World,
}

impl Reader {
    fn read<R: quaymaster_wire::json::Record + 'static>(&self, object: &Value) -> R {
        let json = Json::<R>::new(Arc::clone(&self.interner));
        json.object(object.to_string().as_bytes()).unwrap()
    }

    fn apply(&mut self, change: &Change, view: &mut dyn View) {
        let gone = change.kind == ChangeKind::Deleted;
        match &change.object {
            // Endpoints are the server's, which the controller alone writes here; the rest is not read.
            Object::Endpoints(_)
            | Object::EndpointSlice(_)
            | Object::Node(_)
            | Object::ServiceCIDR(_)
            | Object::IPAddress(_) => {}
            Object::Service(service) => {
                let record: ServiceRecord = self.read(&json!(service));
                if gone {
                    self.world.delete_service(&record.key, &record.uid, view);
                } else {
                    self.world.apply_service(record, view);
                }
            }
            Object::Pod(pod) => {
                let record: PodRecord = self.read(&json!(pod));
                if gone {
                    self.world.delete_pod(&record.key, &record.uid, view);
                } else {
                    self.world.apply_pod(record, view);
                }
            }
        }
    }
}

/// In place of the engine the least that one must do: a Service is planned when it was marked or when an answer says so, and
/// not otherwise.
pub(crate) struct Driver {
    reader: Reader,
    controller: Endpoints,
    due: BTreeSet<ObjectKey>,
    under_way: Vec<UnderWay>,
}

impl Driver {
    /// A process that starts over these objects.
    pub(crate) fn start(objects: &Objects, server: &mut Server, minor: u32) -> Self {
        let options = Options {
            rules: UpstreamRules::of(KubernetesVersion { minor }),
            batch_period: Duration::ZERO,
        };
        let mut driver = Self {
            reader: Reader {
                interner: Arc::new(Interner::new()),
                world: World::new(),
            },
            controller: Endpoints::new(options, &Registry::new()),
            due: BTreeSet::new(),
            under_way: Vec::new(),
        };
        let nobody = &mut |_: &World, _: &Delta<'_>| {};
        for kind in [Kind::Service, Kind::Pod, Kind::Endpoints] {
            driver.reader.world.begin(kind);
        }
        for object in objects.objects().cloned() {
            let change = Change {
                kind: ChangeKind::Added,
                object,
            };
            driver.reader.apply(&change, nobody);
        }
        for endpoints in server.endpoints.values() {
            let record: EndpointsRecord = driver.reader.read(endpoints);
            driver.reader.world.apply(record.to_be_held(), nobody);
        }
        server.events.clear();
        let version = ResourceVersion::new(&(FIRST_VERSION + server.version).to_string());
        for kind in [Kind::Service, Kind::Pod, Kind::Endpoints] {
            driver.reader.world.end(kind, &version, nobody);
        }
        let mut dirty = Dirty::default();
        driver.controller.start(&driver.reader.world, &mut dirty);
        driver.due.extend(dirty.marked().cloned());
        driver
    }

    fn told(&mut self, change: impl FnOnce(&mut Reader, &mut dyn View)) {
        let Self {
            reader,
            controller,
            due,
            ..
        } = self;
        let mut dirty = Dirty::default();
        change(reader, &mut |world: &World, delta: &Delta<'_>| {
            if controller.reads().contains(&delta.kind()) {
                controller.on(world, delta, &mut dirty);
            }
        });
        due.extend(dirty.marked().cloned());
    }

    /// The watch tells of a change.
    pub(crate) fn tell(&mut self, change: &Change) {
        self.told(|reader, view| reader.apply(change, view));
    }

    /// The watch of Endpoints tells the next event, if there is one.
    pub(crate) fn tell_next(&mut self, server: &mut Server) -> bool {
        match server.events.pop_front() {
            None => return false,
            Some(Event::Put(endpoints)) => {
                let record: EndpointsRecord = self.reader.read(&endpoints);
                self.told(|reader, view| reader.world.apply(record.to_be_held(), view));
            }
            Some(Event::Gone(key, uid)) => {
                self.told(|reader, view| reader.world.delete::<EndpointsRecord>(&key, &uid, view));
            }
        }
        true
    }

    /// Plans a Service that is due, if there is one, and sends what comes of it.
    pub(crate) fn send(&mut self, objects: &Objects, server: &mut Server, rng: &mut Rng, fate: Fate) -> bool {
        let due: Vec<ObjectKey> = self.due.iter().cloned().collect();
        let Some(key) = rng.pick_opt(&due).cloned() else {
            return false;
        };
        self.due.remove(&key);
        let now = Moment {
            at: Instant::now(),
            wall: Timestamp(0),
        };
        let planned = self.controller.plan(&self.reader.world, &key, 16, now);
        for mut request in planned.requests {
            assert!(
                self.under_way
                    .iter()
                    .all(|(other, _)| other.object != request.object),
                "two requests for one object"
            );
            let outcome = if fate == Fate::Refused {
                Err(WriteError::Aborted)
            } else {
                carry_out(&mut request, objects, server)
            };
            let outcome = if fate == Fate::AnswerLost {
                Err(WriteError::Aborted)
            } else {
                outcome
            };
            self.under_way.push((request, outcome));
        }
        true
    }

    /// One of the requests under way is answered, if there is one; gives what was done.
    pub(crate) fn answer(&mut self, rng: &mut Rng) -> Option<(Verb, ObjectKey)> {
        if self.under_way.is_empty() {
            return None;
        }
        let (request, outcome) = self.under_way.swap_remove(rng.below(self.under_way.len()));
        let error;
        let result = match outcome {
            Ok(Some(service)) if request.verb == Verb::Get => Ok(Stored::Object(Record::Service(Arc::new(
                self.reader.read(&service),
            )))),
            Ok(Some(stored)) => {
                let record = Arc::new(self.reader.read::<EndpointsRecord>(&stored));
                let held = Arc::new(record.held());
                self.told(|reader, view| reader.world.observe_written(&held, view));
                Ok(Stored::Object(Record::Endpoints(record)))
            }
            Ok(None) | Err(WriteError::NotFound { .. })
                if matches!(request.verb, Verb::Get | Verb::Delete) =>
            {
                if let Some(uid) = &request.uid {
                    self.told(|reader, view| {
                        reader
                            .world
                            .observe_deleted::<EndpointsRecord>(&request.object, uid, view);
                    });
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
        let verdict = self.controller.answered(&self.reader.world, &answer);
        if verdict != Verdict::Done {
            self.due.insert(request.object.clone());
        }
        Some((request.verb, request.object))
    }

    /// Goes on until nothing is due, under way or untold; gives the writes.
    pub(crate) fn settle(&mut self, objects: &Objects, server: &mut Server) -> Vec<(Verb, ObjectKey)> {
        let mut writes = Vec::new();
        let mut rng = Rng::new(1);
        for _ in 0..100_000 {
            if let Some((verb, key)) = self.answer(&mut rng) {
                if verb != Verb::Get {
                    writes.push((verb, key));
                }
            } else if !self.tell_next(server) && !self.send(objects, server, &mut rng, Fate::Done) {
                return writes;
            }
        }
        panic!("no end is seen");
    }
}

fn carry_out(
    request: &mut Request,
    objects: &Objects,
    server: &mut Server,
) -> Result<Option<Value>, WriteError> {
    let nothing = quaymaster_runtime::pool::Payload::Ready(bytes::Bytes::new());
    let body = std::mem::replace(&mut request.body, nothing)
        .into_bytes()
        .unwrap();
    let key = &request.object;
    if request.verb == Verb::Get {
        let service = objects.get::<Service>(&key.namespace, &key.name);
        return Ok(service.map(|service| json!(service)));
    }
    server.perform(request, &serde_json::from_slice(&body).unwrap())
}

pub(crate) fn key(namespace: &str, name: &str) -> ObjectKey {
    ObjectKey::new(Text::new(namespace), Text::new(name))
}
