//! A world, the controller, and an apiserver that stores what it is sent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quaymaster_engine::controller::{Object, Stored};
use quaymaster_engine::{Answer, Controller, Dirty, Request, Verdict};
use quaymaster_model::{
    AddressType, Interner, KubernetesVersion, LabelSet, NodeRecord, ObjectKey, PodRecord, ResourceVersion,
    ServiceRecord, SliceRecord, Text, UpstreamRules,
};
use quaymaster_runtime::api::{Verb, WriteError};
use quaymaster_runtime::metrics::Registry;
use quaymaster_runtime::pool::Payload;
use quaymaster_slices::{Settings, SliceDraft};
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
}

impl Cluster {
    pub(super) fn new() -> Self {
        let registry = Registry::new();
        let options = Options {
            settings: Settings {
                max_endpoints: 100,
                rules: UpstreamRules::of(KubernetesVersion { minor: 37 }),
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
        }
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

    /// The Service, with a port 80 beside what is given.
    pub(super) fn service(&mut self, mut spec: Value) {
        spec["ports"] = json!([{ "port": 80, "targetPort": 8080, "protocol": "TCP" }]);
        let service = self.object(SERVICE, &spec);
        let record =
            Json::<ServiceRecord>::new(Arc::clone(&self.interner)).object(service.to_string().as_bytes());
        self.tell(|world, views| world.apply_service(record.unwrap(), views));
    }

    /// A ready Pod of the Service on `node-1`.
    pub(super) fn pod(&mut self, name: &str, addresses: &Value) {
        let mut pod = self.object(name, &json!({ "nodeName": "node-1", "containers": [] }));
        pod["metadata"]["labels"] = json!({ "app": SERVICE });
        pod["status"] = json!({
            "phase": "Running",
            "podIP": addresses[0]["ip"],
            "podIPs": addresses,
            "conditions": [{ "type": "Ready", "status": "True" }],
        });
        let record = Json::<PodRecord>::new(Arc::clone(&self.interner)).object(pod.to_string().as_bytes());
        self.tell(|world, views| world.apply_pod(record.unwrap(), views));
    }

    /// The names of the Services that are to be looked at, since the last call.
    pub(super) fn take_marked(&mut self) -> Vec<String> {
        let dirty = std::mem::take(&mut self.dirty);
        dirty.marked().map(|key| key.name.to_string()).collect()
    }

    /// Plans and stores until nothing is left, and gives what was written.
    pub(super) fn write_all(&mut self) -> Vec<Verb> {
        let mut verbs = Vec::new();
        loop {
            let requests = self
                .controller
                .plan(&self.world, &key(SERVICE), LIMIT, Instant::now())
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
        let planned = self
            .controller
            .plan(&self.world, &key(SERVICE), 1, Instant::now());
        let first = planned.requests.into_iter().next();
        first.expect("nothing is to be written")
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

    fn store(&mut self, mut request: Request) -> Verdict {
        let name = request.object.name.to_string();
        if request.verb == Verb::Delete {
            self.stored.remove(&name);
            if let Some(uid) = &request.uid {
                self.world
                    .observe_deleted(&request.object, uid, &mut |_: &World, _: &Delta<'_>| {});
            }
            return self.answered(&request, Ok(Stored::Gone));
        }
        let body = std::mem::replace(&mut request.body, Payload::Ready(bytes::Bytes::new()));
        let body = body.into_bytes().unwrap();
        let mut slice: Value = serde_json::from_slice(&body).unwrap();
        self.version += 1;
        slice["metadata"]["uid"] = json!(format!("uid-{name}"));
        slice["metadata"]["resourceVersion"] = json!(self.version.to_string());
        (self.policy)(&mut slice);
        let record = Json::<SliceRecord>::new(Arc::clone(&self.interner))
            .object(slice.to_string().as_bytes())
            .unwrap();
        self.stored.insert(name, slice);
        self.world
            .observe_written(record, &mut |_: &World, _: &Delta<'_>| {});
        let stored = Arc::clone(self.world.slice(&request.object).unwrap());
        self.answered(&request, Ok(Stored::Object(Object::Slice(stored))))
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

/// A slice of nothing.
pub(super) fn empty_draft() -> SliceDraft {
    SliceDraft {
        labels: LabelSet::empty(),
        annotations: Vec::new(),
        trigger: None,
        owners: Vec::new(),
        finalizers: Vec::new(),
        address_type: AddressType::IPv4,
        ports: Vec::new(),
        endpoints: Arc::default(),
        unknown: None,
    }
}

pub(super) fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Text::new("shop"), Text::new(name))
}
