//! The controller over a world, and the apiserver it writes to. Everything crosses as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::discovery::v1::EndpointSlice;
use quaymaster_endpointslice::{EndpointSlices, Options};
use quaymaster_engine::controller::{Object as Record, Stored};
use quaymaster_engine::{Answer, Controller, Dirty, Moment, Request, Verdict};
use quaymaster_model::{
    Interner, NodeRecord, ObjectKey, PodRecord, ServiceRecord, SliceRecord, Timestamp, names,
};
use quaymaster_oracle::generate::{Change, ChangeKind, Cluster as Objects, Object};
use quaymaster_oracle::sim::{ApiServer, Preconditions};
use quaymaster_runtime::api::Verb;
use quaymaster_runtime::metrics::Registry;
use quaymaster_slices::Settings;
use quaymaster_wire::json::Json;
use quaymaster_world::{Delta, View, World};
use serde_json::Value;

/// More writes than most Services need at a time.
const LIMIT: usize = 16;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Numbers of creates, updates and deletes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) creates: usize,
    pub(crate) updates: usize,
    pub(crate) deletes: usize,
}

/// The world, and what reads objects into it.
struct Reader {
    pods: Json<PodRecord>,
    services: Json<ServiceRecord>,
    nodes: Json<NodeRecord>,
    slices: Json<SliceRecord>,
    world: World,
}

impl Reader {
    fn new() -> Self {
        let interner = Arc::new(Interner::new());
        Self {
            pods: Json::new(Arc::clone(&interner)),
            services: Json::new(Arc::clone(&interner)),
            nodes: Json::new(Arc::clone(&interner)),
            slices: Json::new(interner),
            world: World::new(),
        }
    }

    fn slice(&mut self, slice: &Value) -> SliceRecord {
        self.slices.object(slice.to_string().as_bytes()).unwrap()
    }

    fn apply(&mut self, change: &Change, view: &mut dyn View) {
        let gone = change.kind == ChangeKind::Deleted;
        match &change.object {
            Object::Node(node) => {
                let record = self.nodes.object(&serde_json::to_vec(node).unwrap()).unwrap();
                if gone {
                    self.world.delete_node(&record.name, view);
                } else {
                    self.world.apply_node(record, view);
                }
            }
            Object::Service(service) => {
                let json = serde_json::to_vec(service).unwrap();
                let record = self.services.object(&json).unwrap();
                if gone {
                    self.world.delete_service(&record.key, &record.uid, view);
                } else {
                    self.world.apply_service(record, view);
                }
            }
            Object::Pod(pod) => {
                let record = self.pods.object(&serde_json::to_vec(pod).unwrap()).unwrap();
                if gone {
                    self.world.delete_pod(&record.key, &record.uid, view);
                } else {
                    self.world.apply_pod(record, view);
                }
            }
            // Slices come from the apiserver beside it, and the controller reads nothing else.
            Object::EndpointSlice(_)
            | Object::Endpoints(_)
            | Object::ServiceCIDR(_)
            | Object::IPAddress(_) => {}
        }
    }
}

/// Reader and controller, and in place of the engine the least that one must do: a Service is planned when it was
/// marked, when there was more than fits at once, or when an answer says so, and not otherwise.
pub(crate) struct Driver {
    reader: Reader,
    options: Options,
    controller: EndpointSlices,
    due: BTreeSet<ObjectKey>,
    /// The time, which stands still but in [`Self::wait`].
    now: Instant,
    /// When a Service is to be planned again although nothing may have changed.
    later: BTreeMap<ObjectKey, Instant>,
    /// Up to here the watch of slices has told.
    told: u64,
}

impl Driver {
    /// A process that starts over these objects.
    pub(crate) fn start(objects: &Objects, server: &ApiServer, settings: Settings) -> Self {
        let options = Options {
            settings,
            batch_period: Duration::ZERO,
        };
        let mut driver = Self {
            reader: Reader::new(),
            options,
            controller: EndpointSlices::new(options, &Registry::new()),
            due: BTreeSet::new(),
            now: Instant::now(),
            later: BTreeMap::new(),
            told: server.resource_version(),
        };
        let nobody = &mut |_: &World, _: &Delta<'_>| {};
        for slice in server.list() {
            let record = driver.reader.slice(&slice);
            driver.reader.world.apply(record, nobody);
        }
        for object in objects.objects().cloned() {
            let kind = ChangeKind::Added;
            driver.reader.apply(&Change { kind, object }, nobody);
        }
        driver.restart();
        driver
    }

    /// The controller begins anew over the same world, with another maximum.
    pub(crate) fn restart_with(&mut self, max: usize) {
        self.options.settings.max_endpoints = max;
        self.restart();
    }

    /// The controller begins anew over the same world.
    pub(crate) fn restart(&mut self) {
        self.later.clear();
        let mut dirty = Dirty::default();
        self.controller = EndpointSlices::new(self.options, &Registry::new());
        self.controller.start(&self.reader.world, &mut dirty);
        self.due = dirty.marked().cloned().collect();
    }

    /// What a process that starts now would write first for a Service.
    pub(crate) fn first_writes(&self, service: &ObjectKey) -> Vec<Request> {
        let mut controller = EndpointSlices::new(self.options, &Registry::new());
        controller.start(&self.reader.world, &mut Dirty::default());
        let planned = controller.plan(&self.reader.world, service, LIMIT, moment(self.now));
        planned.requests
    }

    pub(crate) fn knows(&self, service: &ObjectKey) -> bool {
        self.reader.world.service_id(service).is_some()
    }

    /// Whether the Service is to be planned.
    pub(crate) fn is_due(&self, service: &ObjectKey) -> bool {
        self.due.contains(service)
    }

    /// The Service is planned although nothing asked for it.
    pub(crate) fn ask(&mut self, service: &ObjectKey) {
        self.due.insert(service.clone());
    }

    /// Lets time pass until a Service is to be planned again, and gives which and when; none if none is.
    pub(crate) fn wait(&mut self) -> Option<(ObjectKey, Instant)> {
        let (at, service) = self
            .later
            .iter()
            .map(|(service, at)| (*at, service.clone()))
            .min()?;
        self.later.remove(&service);
        self.now = self.now.max(at);
        self.ask(&service);
        Some((service, self.now))
    }

    /// A watch tells a change.
    pub(crate) fn tell(&mut self, change: &Change) {
        self.watched(|reader, view| reader.apply(change, view));
    }

    /// The watch of slices tells all it has not told yet.
    pub(crate) fn tell_slices(&mut self, server: &ApiServer) {
        for event in server.events_since(self.told) {
            self.watched(|reader, view| {
                let record = reader.slice(&event.object);
                if event.type_ == "DELETED" {
                    reader.world.delete::<SliceRecord>(&record.key, &record.uid, view);
                } else {
                    reader.world.apply(record, view);
                }
            });
        }
        self.told = server.resource_version();
    }

    /// Changes the world and tells the controller.
    fn watched<T>(&mut self, change: impl FnOnce(&mut Reader, &mut dyn View) -> T) -> T {
        let mut dirty = Dirty::default();
        let controller = &mut self.controller;
        let told = change(&mut self.reader, &mut |world: &World, delta: &Delta<'_>| {
            controller.on(world, delta, &mut dirty);
        });
        self.due.extend(dirty.marked().cloned());
        told
    }

    /// Writes for one Service for as long as it is due. The watch lags behind if `lag`.
    pub(crate) fn settle(&mut self, server: &mut ApiServer, service: &ObjectKey, lag: bool) -> Counts {
        let mut counts = Counts::default();
        for _ in 0..200 {
            if !self.due.remove(service) {
                return counts;
            }
            let planned = self
                .controller
                .plan(&self.reader.world, service, LIMIT, moment(self.now));
            match planned.look_again {
                // As the engine has it: who asks for what is past is not asked at once.
                Some(at) if at <= self.now => self.later.insert(service.clone(), self.now + SECOND),
                Some(at) => self.later.insert(service.clone(), at),
                None => self.later.remove(service),
            };
            if planned.truncated {
                self.ask(service);
            }
            for request in planned.requests {
                match request.verb {
                    Verb::Create => counts.creates += 1,
                    Verb::Update => counts.updates += 1,
                    Verb::Delete => counts.deletes += 1,
                    Verb::Patch | Verb::Apply | Verb::Get => panic!("this is not for slices: {request:?}"),
                }
                self.perform(server, service, request);
                if !lag {
                    self.tell_slices(server);
                }
            }
        }
        panic!("never settles");
    }

    /// Carries a request out, and answers it as the engine does: the world first.
    fn perform(&mut self, server: &mut ApiServer, service: &ObjectKey, request: Request) {
        let Request {
            verb,
            object,
            uid,
            body,
            write,
            ..
        } = request;
        let body: Value = serde_json::from_slice(&body.into_bytes().unwrap()).unwrap();
        let stored = match verb {
            Verb::Create => self.stored(&server.create(body).unwrap()),
            Verb::Update => self.stored(&server.update(body).unwrap()),
            Verb::Delete | Verb::Patch | Verb::Apply | Verb::Get => {
                let only = |what: &str| body["preconditions"][what].as_str().map(str::to_owned);
                let only = Preconditions {
                    uid: only("uid"),
                    resource_version: only("resourceVersion"),
                };
                server.delete(&object.namespace, &object.name, &only).unwrap();
                self.watched(|reader, view| {
                    reader
                        .world
                        .observe_deleted::<SliceRecord>(&object, &uid.unwrap(), view);
                });
                Stored::Gone
            }
        };
        let answer = Answer {
            key: service,
            object: &object,
            verb,
            write,
            result: Ok(stored),
        };
        match self.controller.answered(&self.reader.world, &answer) {
            Verdict::Done => {}
            Verdict::Again => self.ask(service),
            other => panic!("what was sent comes back: {other:?}"),
        }
    }

    fn stored(&mut self, response: &Value) -> Stored {
        self.watched(|reader, view| {
            let record = Arc::new(reader.slice(response));
            reader.world.observe_written(&record, view);
            Stored::Object(Record::Slice(record))
        })
    }
}

/// The slices that the slice controller would list for a Service.
pub(crate) fn slices_of(server: &ApiServer, namespace: &str, service: &str) -> Vec<EndpointSlice> {
    let has = |slice: &EndpointSlice, key: &str, value: &str| {
        slice
            .metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get(key))
            .is_some_and(|held| held == value)
    };
    let mut slices: Vec<EndpointSlice> = server
        .list()
        .into_iter()
        .filter(|slice| {
            slice["metadata"]["namespace"] == *namespace
                && slice["metadata"]["labels"][names::LABEL_SERVICE_NAME] == *service
        })
        .map(|slice| serde_json::from_value(slice).unwrap())
        .collect();
    slices.retain(|slice| {
        slice.metadata.namespace.as_deref() == Some(namespace)
            && has(slice, names::LABEL_SERVICE_NAME, service)
            && has(slice, names::LABEL_MANAGED_BY, names::MANAGER_ENDPOINTSLICE)
    });
    slices
}

/// Now, by a clock on the wall that nobody looks at.
fn moment(at: Instant) -> Moment {
    Moment {
        at,
        wall: Timestamp(0),
    }
}
