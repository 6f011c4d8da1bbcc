//! A world, the controller, and an apiserver that stores what it is sent: for one Service and the Endpoints of its name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quaymaster_engine::controller::{Moment, Object, Stored};
use quaymaster_engine::{Answer, Controller, Dirty, Planned, Request, Verdict};
use quaymaster_model::{
    EndpointsRecord, Interner, KubernetesVersion, ObjectKey, ResourceVersion, ServiceRecord, SliceRecord,
    Text, Timestamp, UpstreamRules,
};
use quaymaster_runtime::api::{Verb, WriteError};
use quaymaster_runtime::events::Notice;
use quaymaster_runtime::metrics::Registry;
use quaymaster_runtime::pool::Payload;
use quaymaster_wire::json::{Json, Record};
use quaymaster_world::{Delta, Kind, View, World};
use serde_json::{Value, json};

use crate::{Mirroring, Options, Settings};

pub(crate) const NAMESPACE: &str = "shop";
pub(crate) const NAME: &str = "db";
/// More writes than any test needs.
const LIMIT: usize = 64;

pub(crate) struct Cluster {
    pub(super) world: World,
    pub(super) controller: Mirroring,
    dirty: Dirty,
    begun: bool,
    registry: Registry,
    interner: Arc<Interner>,
    version: u64,
    /// The Endpoints as the apiserver has them.
    endpoints: Option<Value>,
    stored: BTreeMap<String, Value>,
    policy: fn(&mut Value),
    /// Addresses that must be ready in some slice after each write.
    always: BTreeSet<String>,
    pub(super) notices: Vec<Notice>,
    pub(super) now: Instant,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        Self::with_most(1000)
    }

    /// One that mirrors so many addresses of a subset.
    pub(crate) fn with_most(max_endpoints: usize) -> Self {
        let registry = Registry::new();
        let options = Options {
            settings: Settings {
                max_endpoints,
                rules: UpstreamRules::of(KubernetesVersion { minor: 37 }),
            },
            batch_period: Duration::ZERO,
        };
        let mut world = World::new();
        for kind in [Kind::Service, Kind::Endpoints, Kind::Slice] {
            world.begin(kind);
            let nobody = &mut |_: &World, _: &Delta<'_>| {};
            world.end(kind, &ResourceVersion::new("1"), nobody);
        }
        Self {
            world,
            controller: Mirroring::new(options, &registry),
            dirty: Dirty::default(),
            begun: false,
            registry,
            interner: Arc::new(Interner::new()),
            version: 1,
            endpoints: None,
            stored: BTreeMap::new(),
            policy: |_| (),
            always: BTreeSet::new(),
            notices: Vec::new(),
            now: Instant::now(),
        }
    }

    /// A Service without a selector and these subsets for it; all is read, nothing is written yet.
    pub(crate) fn mirroring(subsets: Value) -> Self {
        let mut cluster = Self::new();
        cluster.service(json!({}));
        cluster.endpoints(subsets);
        cluster.begin();
        cluster
    }

    /// Everything was read.
    pub(crate) fn begin(&mut self) {
        self.controller.start(&self.world, &mut self.dirty);
        self.begun = true;
    }

    /// The same process or another one starts over what is there.
    pub(super) fn restart(&mut self) {
        self.registry = Registry::new();
        self.controller = Mirroring::new(self.controller.options, &self.registry);
        self.begin();
    }

    pub(crate) fn service(&mut self, spec: Value) {
        let mut service = self.object(NAME);
        service["spec"] = spec;
        let record: ServiceRecord = self.read(&service);
        self.tell(|world, views| world.apply_service(record, views));
    }

    pub(super) fn no_service(&mut self) {
        let id = self.world.service_id(&key(NAME)).unwrap();
        let uid = self.world.service(id).unwrap().uid.clone();
        self.tell(|world, views| world.delete_service(&key(NAME), &uid, views));
    }

    pub(crate) fn endpoints(&mut self, subsets: Value) {
        self.endpoints_with(json!({}), subsets);
    }

    /// The Endpoints, with more metadata.
    pub(super) fn endpoints_with(&mut self, metadata: Value, subsets: Value) {
        self.store_endpoints(metadata, subsets);
        self.tell_endpoints();
    }

    /// The apiserver has these Endpoints, and the watch has not told them yet.
    pub(super) fn store_endpoints(&mut self, metadata: Value, subsets: Value) {
        let mut endpoints = self.object(NAME);
        if let Value::Object(fields) = metadata {
            for (field, value) in fields {
                endpoints["metadata"][field] = value;
            }
        }
        endpoints["subsets"] = subsets;
        self.endpoints = Some(endpoints);
    }

    /// The watch tells the Endpoints as the apiserver has them.
    pub(super) fn tell_endpoints(&mut self) {
        let record: EndpointsRecord = self.read(&self.endpoints.clone().unwrap());
        self.tell(|world, views| world.apply(record.to_be_held(), views));
    }

    pub(super) fn no_endpoints(&mut self) {
        self.endpoints = None;
        let uid = self.world.endpoints(&key(NAME)).unwrap().uid.clone();
        self.tell(|world, views| world.delete::<EndpointsRecord>(&key(NAME), &uid, views));
    }

    /// Somebody else makes a slice, and the watch tells.
    pub(crate) fn slice(&mut self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut slice = self.object(name);
        slice["metadata"]["labels"] = json!({
            "kubernetes.io/service-name": NAME,
            "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
        });
        slice["metadata"]["ownerReferences"] = json!([owner(&format!("uid-{NAME}"))]);
        slice["addressType"] = json!("IPv4");
        change(&mut slice);
        self.stored.insert(name.to_owned(), slice.clone());
        let record: SliceRecord = self.read(&slice);
        self.tell(|world, views| world.apply(record, views));
    }

    /// Somebody else changes a slice; what the watch will tell of it.
    pub(super) fn edit(&mut self, name: &str, change: impl FnOnce(&mut Value)) -> SliceRecord {
        self.version += 1;
        let slice = self.stored.get_mut(name).unwrap();
        change(slice);
        slice["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let slice = slice.clone();
        self.read(&slice)
    }

    /// The same, and the watch tells.
    pub(super) fn edited(&mut self, name: &str, change: impl FnOnce(&mut Value)) {
        let record = self.edit(name, change);
        self.told(record);
    }

    /// The watch tells a slice.
    pub(super) fn told(&mut self, slice: SliceRecord) {
        self.tell(|world, views| world.apply(slice, views));
    }

    /// The watch was down, and begins again with a list in which there are no slices.
    pub(super) fn no_slices_listed(&mut self) {
        self.version += 1;
        let listed_at = ResourceVersion::new(&self.version.to_string());
        self.stored.clear();
        self.tell(|world, views| {
            world.begin(Kind::Slice);
            world.end(Kind::Slice, &listed_at, views);
        });
    }

    /// The watch tells that a slice is gone which is to be deleted.
    pub(super) fn told_gone(&mut self, request: &Request) {
        let uid = request.uid.clone().unwrap();
        self.tell(|world, views| world.delete::<SliceRecord>(&request.object, &uid, views));
    }

    /// Somebody else deletes a slice, and the watch tells.
    pub(super) fn deleted(&mut self, name: &str) {
        self.version += 1;
        let gone = self.stored.remove(name).unwrap();
        let gone: SliceRecord = self.read(&gone);
        self.tell(|world, views| world.delete::<SliceRecord>(&gone.key, &gone.uid, views));
    }

    /// What the apiserver makes of each slice that is written from now on.
    pub(super) fn policy(&mut self, policy: fn(&mut Value)) {
        self.policy = policy;
    }

    /// These addresses are ready in some slice from now on, whatever is written.
    pub(crate) fn always_ready<'a>(&mut self, addresses: impl IntoIterator<Item = &'a str>) {
        self.always = addresses.into_iter().map(str::to_owned).collect();
    }

    /// Of those, no others than these are meant from now on.
    pub(super) fn always_ready_no_more_than(&mut self, addresses: &BTreeSet<String>) {
        self.always.retain(|address| addresses.contains(address));
    }

    pub(super) fn take_marked(&mut self) -> usize {
        std::mem::take(&mut self.dirty).marked().count()
    }

    pub(super) fn take_repaired(&mut self) -> usize {
        std::mem::take(&mut self.dirty).repaired().count()
    }

    pub(super) fn plan(&mut self, limit: usize) -> Vec<Request> {
        let now = Moment {
            at: self.now,
            wall: Timestamp(0),
        };
        let planned: Planned = self.controller.plan(&self.world, &key(NAME), limit, now);
        self.notices.extend(planned.notices);
        planned.requests
    }

    /// Plans and stores until nothing is left, and gives what was written.
    pub(crate) fn write_all(&mut self) -> Vec<Verb> {
        let mut verbs = Vec::new();
        loop {
            let requests = self.plan(LIMIT);
            if requests.is_empty() {
                return verbs;
            }
            assert!(verbs.len() < 1000, "it goes on for ever");
            for request in requests {
                verbs.push(request.verb);
                self.store(request);
            }
        }
    }

    /// The next request, under way.
    pub(super) fn send(&mut self) -> Request {
        self.plan(1).into_iter().next().expect("nothing is to be written")
    }

    /// The apiserver carries a request out and its answer comes.
    pub(super) fn store(&mut self, mut request: Request) -> Verdict {
        match request.verb {
            Verb::Get => self.answer_content(&request),
            Verb::Delete => {
                self.carry_out_deletion(&mut request);
                self.answer_deletion(&request)
            }
            _ => {
                let stored = self.carry_out(&mut request);
                self.answer(&request, stored)
            }
        }
    }

    /// The apiserver carries a create or update out; its answer is under way.
    pub(super) fn carry_out(&mut self, request: &mut Request) -> SliceRecord {
        let name = request.object.name.to_string();
        let mut slice: Value = serde_json::from_slice(&take_body(request)).unwrap();
        let held = self.stored.get(&name);
        assert_eq!(held.is_some(), request.verb == Verb::Update, "{name}");
        for field in ["uid", "resourceVersion"] {
            let held = held.map(|held| held["metadata"][field].clone());
            assert_eq!(
                held.unwrap_or_default(),
                slice["metadata"][field],
                "{name}: a conflict"
            );
        }
        let endpoints = slice["endpoints"].as_array().map_or(0, Vec::len);
        assert!(endpoints <= 1000, "the apiserver takes no {endpoints} endpoints");
        self.version += 1;
        if held.is_none() {
            slice["metadata"]["uid"] = json!(format!("uid-{name}-{}", self.version));
        }
        slice["metadata"]["resourceVersion"] = json!(self.version.to_string());
        (self.policy)(&mut slice);
        self.stored.insert(name, slice.clone());
        self.assert_published();
        self.read(&slice)
    }

    pub(super) fn carry_out_deletion(&mut self, request: &mut Request) {
        let options: Value = serde_json::from_slice(&take_body(request)).unwrap();
        let gone = self.stored.remove(request.object.name.as_str()).unwrap();
        for field in ["uid", "resourceVersion"] {
            assert_eq!(
                options["preconditions"][field], gone["metadata"][field],
                "a conflict"
            );
        }
        self.assert_published();
    }

    /// A write is answered with what it stored, in the order in which the engine does it.
    pub(super) fn answer(&mut self, request: &Request, stored: SliceRecord) -> Verdict {
        let stored = Arc::new(stored);
        self.tell(|world, views| world.observe_written(&stored, views));
        self.answered(request, Ok(Stored::Object(Object::Slice(stored))))
    }

    pub(super) fn answer_deletion(&mut self, request: &Request) -> Verdict {
        let uid = request.uid.clone().unwrap();
        self.tell(|world, views| world.observe_deleted::<SliceRecord>(&request.object, &uid, views));
        self.answered(request, Ok(Stored::Gone))
    }

    /// What the apiserver has of the Endpoints.
    pub(super) fn answer_content(&mut self, request: &Request) -> Verdict {
        assert_eq!((request.kind, &request.object), (Kind::Endpoints, &key(NAME)));
        let stored = match self.endpoints.clone() {
            Some(endpoints) => Stored::Object(Object::Endpoints(Arc::new(self.read(&endpoints)))),
            None => Stored::Gone,
        };
        self.answered(request, Ok(stored))
    }

    /// A write fails.
    pub(super) fn fail(&mut self, request: &Request, error: &WriteError) -> Verdict {
        self.answered(request, Err(error))
    }

    /// What is stored, by name.
    pub(crate) fn slices(&self) -> Vec<&Value> {
        self.stored.values().collect()
    }

    /// What is stored, in short and sorted: type, ports, and addresses, of which `!` follows those that are not ready.
    pub(crate) fn shown(&self) -> Vec<String> {
        let mut shown: Vec<String> = self.stored.values().map(show).collect();
        shown.sort();
        shown
    }

    /// The name of the one slice that is stored.
    pub(super) fn only_slice(&self) -> String {
        assert_eq!(self.stored.len(), 1, "{:?}", self.shown());
        self.stored.keys().next().unwrap().clone()
    }

    pub(super) fn metrics(&mut self) -> String {
        self.controller.measure(&self.world);
        self.registry.encode()
    }

    /// Reasons of the Events since the last call.
    pub(super) fn take_notices(&mut self) -> Vec<String> {
        self.notices.drain(..).map(|notice| notice.reason).collect()
    }

    fn assert_published(&self) {
        let endpoints = self
            .stored
            .values()
            .flat_map(|slice| slice["endpoints"].as_array().into_iter().flatten());
        let ready: BTreeSet<&str> = endpoints
            .filter(|endpoint| endpoint["conditions"]["ready"] != json!(false))
            .flat_map(|endpoint| endpoint["addresses"].as_array().into_iter().flatten())
            .filter_map(Value::as_str)
            .collect();
        for address in &self.always {
            assert!(
                ready.contains(address.as_str()),
                "{address} is in no slice: {:?}",
                self.shown()
            );
        }
    }

    fn answered(&mut self, request: &Request, result: Result<Stored, &WriteError>) -> Verdict {
        let answer = Answer {
            key: &key(NAME),
            object: &request.object,
            verb: request.verb,
            write: request.write,
            result,
        };
        self.controller.answered(&self.world, &answer)
    }

    fn read<R: Record>(&self, object: &Value) -> R {
        Json::<R>::new(Arc::clone(&self.interner))
            .object(object.to_string().as_bytes())
            .unwrap()
    }

    fn object(&mut self, name: &str) -> Value {
        self.version += 1;
        json!({
            "metadata": {
                "name": name,
                "namespace": NAMESPACE,
                "uid": format!("uid-{name}"),
                "resourceVersion": self.version.to_string(),
            },
        })
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
            if *begun {
                controller.on(world, delta, dirty);
            }
        });
    }
}

fn take_body(request: &mut Request) -> bytes::Bytes {
    let body = std::mem::replace(&mut request.body, Payload::Ready(bytes::Bytes::new()));
    body.into_bytes().unwrap()
}

fn show(slice: &Value) -> String {
    let list = |field: &str, show: fn(&Value) -> String| {
        let mut shown: Vec<String> = slice[field].as_array().into_iter().flatten().map(show).collect();
        shown.sort();
        shown.join(" ")
    };
    let ports = list("ports", |port| {
        format!("{}:{}", port["name"].as_str().unwrap_or_default(), port["port"])
    });
    let endpoints = list("endpoints", |endpoint| {
        let ready = if endpoint["conditions"]["ready"] == json!(false) {
            "!"
        } else {
            ""
        };
        format!("{}{ready}", endpoint["addresses"][0].as_str().unwrap_or_default())
    });
    format!(
        "{} {ports} = {endpoints}",
        slice["addressType"].as_str().unwrap_or_default()
    )
}

/// The owner reference that mirrored slices have.
pub(crate) fn owner(uid: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Endpoints",
        "name": NAME,
        "uid": uid,
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

/// A subset with these addresses, ready ones and others, and these ports.
pub(crate) fn subset(ready: &[&str], not_ready: &[&str], ports: &[(&str, i32)]) -> Value {
    let addresses = |addresses: &[&str]| addresses.iter().map(|ip| json!({ "ip": ip })).collect::<Vec<_>>();
    let ports = ports
        .iter()
        .map(|(name, port)| json!({ "name": name, "port": port, "protocol": "TCP" }));
    json!({
        "addresses": addresses(ready),
        "notReadyAddresses": addresses(not_ready),
        "ports": ports.collect::<Vec<_>>(),
    })
}

pub(crate) fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Text::new(NAMESPACE), Text::new(name))
}
