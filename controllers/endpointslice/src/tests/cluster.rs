//! A world, the controller, and an apiserver that stores what it is sent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quaymaster_engine::controller::{Object, Stored};
use quaymaster_engine::{Answer, Controller, Dirty, Moment, Request, Verdict};
use quaymaster_model::{
    Interner, KubernetesVersion, NodeRecord, ObjectKey, PodRecord, ResourceVersion, ServiceRecord,
    SliceRecord, Text, Timestamp, UpstreamRules,
};
use quaymaster_runtime::api::{Verb, WriteError};
use quaymaster_runtime::metrics::Registry;
use quaymaster_runtime::pool::Payload;
use quaymaster_slices::Settings;
use quaymaster_wire::json::Json;
use quaymaster_world::{Delta, Kind, World};
use serde_json::{Value, json};

use crate::{EndpointSlices, Options};

const SERVICE: &str = "web";
/// More writes than any test needs.
const LIMIT: usize = 16;

pub(super) struct Cluster {
    world: World,
    controller: EndpointSlices,
    dirty: Dirty,
    begun: bool,
    registry: Registry,
    interner: Arc<Interner>,
    version: u64,
    stored: BTreeMap<String, Value>,
    policy: fn(&mut Value),
    annotations: Value,
    /// Addresses that must stand in some slice after each write.
    always: Vec<&'static str>,
}

impl Cluster {
    pub(super) fn new() -> Self {
        let registry = Registry::new();
        let options = Options {
            settings: Settings {
                max_endpoints: 100,
                rules: UpstreamRules::of(KubernetesVersion { minor: 37 }),
                rebalance_after: None,
            },
            batch_period: Duration::ZERO,
        };
        let mut world = World::new();
        for kind in [Kind::Service, Kind::Pod, Kind::Node, Kind::Slice] {
            world.begin(kind);
            world.end(
                kind,
                &ResourceVersion::new("1"),
                &mut |_: &World, _: &Delta<'_>| {},
            );
        }
        Self {
            world,
            controller: EndpointSlices::new(options, &registry),
            dirty: Dirty::default(),
            begun: false,
            registry,
            interner: Arc::new(Interner::new()),
            version: 1,
            stored: BTreeMap::new(),
            policy: |_| (),
            annotations: json!({}),
            always: Vec::new(),
        }
    }

    /// Most endpoints that a slice is filled to from now on, 100 if not said.
    pub(super) fn maximum(&mut self, max: usize) {
        self.controller.options.settings.max_endpoints = max;
    }

    /// Everything was read.
    pub(super) fn begin(&mut self) {
        self.controller.start(&self.world, &mut self.dirty);
        self.begun = true;
    }

    pub(super) fn node(&mut self, name: &str, zone: &str) {
        self.node_with_cpu(name, zone, "4");
    }

    pub(super) fn node_with_cpu(&mut self, name: &str, zone: &str, cpu: &str) {
        let labels = json!({ "topology.kubernetes.io/zone": zone });
        let mut node = self.object(name, &json!({}));
        node["metadata"]["labels"] = labels;
        node["status"] =
            json!({ "allocatable": { "cpu": cpu }, "conditions": [{ "type": "Ready", "status": "True" }] });
        let record = Json::<NodeRecord>::new(Arc::clone(&self.interner)).object(node.to_string().as_bytes());
        self.tell(|world, views| world.apply_node(record.unwrap(), views));
    }

    /// The Service, with a port 80 for port 8080 of its Pods where no port is given.
    pub(super) fn service(&mut self, spec: Value) {
        self.service_again(&format!("uid-{SERVICE}"), spec);
    }

    /// The same with a UID of its own: that of another Service takes its place.
    pub(super) fn service_again(&mut self, uid: &str, mut spec: Value) {
        if spec["ports"].is_null() {
            spec["ports"] = json!([{ "port": 80, "targetPort": 8080, "protocol": "TCP" }]);
        }
        let mut service = self.object(SERVICE, &spec);
        service["metadata"]["uid"] = json!(uid);
        service["metadata"]["annotations"] = self.annotations.clone();
        let record =
            Json::<ServiceRecord>::new(Arc::clone(&self.interner)).object(service.to_string().as_bytes());
        self.tell(|world, views| world.apply_service(record.unwrap(), views));
    }

    /// What the Service has as annotations from when it is told next.
    pub(super) fn annotate_service(&mut self, annotations: Value) {
        self.annotations = annotations;
    }

    /// A ready Pod of the Service on `node-1`.
    pub(super) fn pod(&mut self, name: &str, addresses: &Value) {
        self.pod_with(name, addresses, &json!([]));
    }

    /// The same with containers, of which the ports matter.
    pub(super) fn pod_with(&mut self, name: &str, addresses: &Value, containers: &Value) {
        let ready = json!({ "type": "Ready", "status": "True" });
        self.pod_in(name, addresses, containers, &ready);
    }

    /// As [`Self::pod`], ready since this time.
    pub(super) fn pod_since(&mut self, name: &str, addresses: &Value, since: &str) {
        let ready = json!({ "type": "Ready", "status": "True", "lastTransitionTime": since });
        self.pod_in(name, addresses, &json!([]), &ready);
    }

    /// As [`Self::pod`], changed.
    pub(super) fn pod_but(&mut self, name: &str, addresses: &Value, change: impl FnOnce(&mut Value)) {
        let ready = json!({ "type": "Ready", "status": "True" });
        let mut pod = self.pod_object(name, addresses, &json!([]), &ready);
        change(&mut pod);
        self.tell_pod(&pod);
    }

    /// The Service goes.
    pub(super) fn no_service(&mut self) {
        let uid = quaymaster_model::Uid::new(&format!("uid-{SERVICE}"));
        self.tell(|world, views| world.delete_service(&key(SERVICE), &uid, views));
    }

    /// A Pod goes.
    pub(super) fn no_pod(&mut self, name: &str) {
        let uid = quaymaster_model::Uid::new(&format!("uid-{name}"));
        self.tell(|world, views| world.delete_pod(&key(name), &uid, views));
    }

    fn pod_in(&mut self, name: &str, addresses: &Value, containers: &Value, condition: &Value) {
        let pod = self.pod_object(name, addresses, containers, condition);
        self.tell_pod(&pod);
    }

    fn pod_object(&mut self, name: &str, addresses: &Value, containers: &Value, condition: &Value) -> Value {
        let mut pod = self.object(name, &json!({ "nodeName": "node-1", "containers": containers }));
        pod["metadata"]["labels"] = json!({ "app": SERVICE });
        pod["status"] = json!({
            "phase": "Running",
            "podIP": addresses[0]["ip"],
            "podIPs": addresses,
            "conditions": [condition],
        });
        pod
    }

    fn tell_pod(&mut self, pod: &Value) {
        let record = Json::<PodRecord>::new(Arc::clone(&self.interner)).object(pod.to_string().as_bytes());
        self.tell(|world, views| world.apply_pod(record.unwrap(), views));
    }

    /// Whether a state is held of the Service.
    pub(super) fn holds_state(&self) -> bool {
        !self.controller.services.is_empty()
    }

    /// The names of the Services that are to be looked at, since the last call.
    pub(super) fn take_marked(&mut self) -> Vec<String> {
        let dirty = std::mem::take(&mut self.dirty);
        dirty.marked().map(|key| key.name.to_string()).collect()
    }

    /// The names of the Services of which somebody else's doing is to be put right, since the last call.
    pub(super) fn take_repaired(&mut self) -> Vec<String> {
        let dirty = std::mem::take(&mut self.dirty);
        dirty.repaired().map(|key| key.name.to_string()).collect()
    }

    /// Plans and stores until nothing is left, and gives what was written.
    pub(super) fn write_all(&mut self) -> Vec<Verb> {
        let mut verbs = Vec::new();
        loop {
            let requests = self
                .controller
                .plan(&self.world, &key(SERVICE), LIMIT, moment())
                .requests;
            if requests.is_empty() {
                return verbs;
            }
            for request in requests {
                verbs.push(request.verb);
                self.store(request);
            }
        }
    }

    /// What the apiserver makes of each slice that is written from now on.
    pub(super) fn policy(&mut self, policy: fn(&mut Value)) {
        self.policy = policy;
    }

    /// Stores the next write.
    pub(super) fn write_next(&mut self) -> Verdict {
        let request = self.next();
        self.store(request)
    }

    fn next(&mut self) -> Request {
        let planned = self.controller.plan(&self.world, &key(SERVICE), 1, moment());
        let first = planned.requests.into_iter().next();
        first.expect("nothing is to be written")
    }

    /// Plans all there is, and gives the names of the slices. No answer comes.
    pub(super) fn write_without_answers(&mut self) -> Vec<Text> {
        let planned = self.controller.plan(&self.world, &key(SERVICE), LIMIT, moment());
        planned
            .requests
            .into_iter()
            .map(|request| request.object.name)
            .collect()
    }

    /// Refuses the next write.
    pub(super) fn refuse_next(&mut self, error: &WriteError) -> Verdict {
        let request = self.next();
        self.answered(&request, Err(error))
    }

    /// What is stored, by name.
    pub(super) fn slices(&self) -> Vec<&Value> {
        self.stored.values().collect()
    }

    pub(super) fn metrics(&mut self) -> String {
        self.controller.measure(&self.world);
        self.registry.encode()
    }

    /// The next write, under way.
    pub(super) fn send(&mut self) -> Request {
        self.next()
    }

    /// The apiserver carries a write out; its answer is under way, and so is what the watch tells of it.
    pub(super) fn carry_out(&mut self, request: &mut Request) -> SliceRecord {
        let name = request.object.name.to_string();
        let mut slice: Value = serde_json::from_slice(&take_body(request)).unwrap();
        let sent = slice["metadata"]["resourceVersion"].clone();
        let held = self
            .stored
            .get(&name)
            .map(|held| held["metadata"]["resourceVersion"].clone());
        assert_eq!(held.unwrap_or_default(), sent, "anything else is a conflict");
        self.version += 1;
        slice["metadata"]["uid"] = json!(format!("uid-{name}"));
        slice["metadata"]["resourceVersion"] = json!(self.version.to_string());
        (self.policy)(&mut slice);
        self.stored.insert(name, slice.clone());
        self.assert_published();
        self.read(&slice)
    }

    /// The apiserver carries a deletion out; its answer is under way, and so is what the watch tells of it.
    pub(super) fn carry_out_deletion(&mut self, request: &mut Request) {
        assert_eq!(request.verb, Verb::Delete);
        let options: Value = serde_json::from_slice(&take_body(request)).unwrap();
        let gone = self.stored.remove(request.object.name.as_str()).unwrap();
        assert_eq!(
            options["preconditions"]["resourceVersion"], gone["metadata"]["resourceVersion"],
            "anything else is a conflict"
        );
        self.assert_published();
    }

    /// These addresses stand in some slice from now on, whatever is written.
    pub(super) fn always_published(&mut self, addresses: &[&'static str]) {
        self.always = addresses.to_vec();
        self.assert_published();
    }

    fn assert_published(&self) {
        let published: Vec<&Value> = self
            .stored
            .values()
            .flat_map(|slice| slice["endpoints"].as_array().into_iter().flatten())
            .map(|endpoint| &endpoint["addresses"][0])
            .collect();
        for address in &self.always {
            assert!(
                published.iter().any(|held| *held == address),
                "{address} is in no slice: {:#?}",
                self.stored
            );
        }
    }

    /// Somebody else changes what is stored under this name; what the watch will tell of it.
    pub(super) fn edit(&mut self, name: &Text, change: impl FnOnce(&mut Value)) -> SliceRecord {
        self.version += 1;
        let slice = self.stored.get_mut(name.as_str()).unwrap();
        change(slice);
        slice["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let slice = slice.clone();
        self.read(&slice)
    }

    /// The watch tells a slice.
    pub(super) fn told(&mut self, slice: SliceRecord) {
        self.tell(|world, views| world.apply(slice, views));
    }

    /// The name of the one slice that is stored.
    pub(super) fn only_slice(&self) -> Text {
        assert_eq!(self.stored.len(), 1);
        Text::new(self.stored.keys().next().unwrap())
    }

    /// Somebody else deletes a slice, and the watch tells.
    pub(super) fn deleted_by_somebody(&mut self, name: &Text) {
        self.version += 1;
        let gone = self.stored.remove(name.as_str()).unwrap();
        let gone = self.read(&gone);
        self.tell(|world, views| world.delete::<SliceRecord>(&gone.key, &gone.uid, views));
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

    /// Etcd is restored from a snapshot in which all slices were as they are here, and the watch begins anew.
    pub(super) fn restored(&mut self, slices: Vec<Value>) {
        self.stored.clear();
        let records: Vec<SliceRecord> = slices.iter().map(|slice| self.read(slice)).collect();
        for slice in slices {
            let name = slice["metadata"]["name"].as_str().unwrap().to_owned();
            self.stored.insert(name, slice);
        }
        self.tell(|world, views| {
            world.begin_after_loss(Kind::Slice);
            for record in records {
                world.apply(record, views);
            }
            world.end(Kind::Slice, &ResourceVersion::new("2"), views);
        });
    }

    /// A write is answered with what it stored, in the order in which the engine does it.
    pub(super) fn answer(&mut self, request: &Request, stored: SliceRecord) -> Verdict {
        let stored = Arc::new(stored);
        self.written(Arc::clone(&stored));
        self.answered(request, Ok(Stored::Object(Object::Slice(stored))))
    }

    /// A deletion is answered, in the order in which the engine does it.
    pub(super) fn answer_deletion(&mut self, request: &Request) -> Verdict {
        let uid = request.uid.clone().unwrap();
        self.tell(|world, views| world.observe_deleted::<SliceRecord>(&request.object, &uid, views));
        self.answered(request, Ok(Stored::Gone))
    }

    /// The world alone learns what a write stored.
    pub(super) fn written(&mut self, stored: impl Into<Arc<SliceRecord>>) {
        let stored = stored.into();
        self.tell(|world, views| world.observe_written(&stored, views));
    }

    /// A write fails.
    pub(super) fn fail(&mut self, request: &Request, error: &WriteError) -> Verdict {
        self.answered(request, Err(error))
    }

    /// A term of writing begins.
    pub(super) fn begin_term(&mut self) {
        self.controller.term_began(&self.world, &mut self.dirty);
    }

    /// Plans, with room for nothing.
    pub(super) fn decide(&mut self) {
        let planned = self.controller.plan(&self.world, &key(SERVICE), 0, moment());
        assert!(planned.requests.is_empty() && planned.truncated);
    }

    fn read(&self, slice: &Value) -> SliceRecord {
        Json::<SliceRecord>::new(Arc::clone(&self.interner))
            .object(slice.to_string().as_bytes())
            .unwrap()
    }

    fn store(&mut self, mut request: Request) -> Verdict {
        if request.verb == Verb::Delete {
            self.carry_out_deletion(&mut request);
            return self.answer_deletion(&request);
        }
        let stored = self.carry_out(&mut request);
        self.answer(&request, stored)
    }

    fn answered(&mut self, request: &Request, result: Result<Stored, &WriteError>) -> Verdict {
        let answer = Answer {
            key: &key(SERVICE),
            object: &request.object,
            verb: request.verb,
            write: request.write,
            result,
        };
        self.controller.answered(&self.world, &answer)
    }

    fn object(&mut self, name: &str, spec: &Value) -> Value {
        self.version += 1;
        json!({
            "metadata": {
                "name": name,
                "namespace": "shop",
                "uid": format!("uid-{name}"),
                "resourceVersion": self.version.to_string(),
            },
            "spec": spec,
        })
    }

    fn tell(&mut self, change: impl FnOnce(&mut World, &mut dyn quaymaster_world::View)) {
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

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Text::new("shop"), Text::new(name))
}

/// Now, by a clock on the wall that nobody looks at.
fn moment() -> Moment {
    Moment {
        at: Instant::now(),
        wall: Timestamp(0),
    }
}
