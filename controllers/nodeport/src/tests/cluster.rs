//! A world, the controller, and an apiserver that stores what it is sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use quaymaster_engine::controller::{Object, Stored};
use quaymaster_engine::{Answer, Controller as _, Dirty, Moment, Part, Request, Verdict};
use quaymaster_ipam::Shared;
use quaymaster_model::{
    Interner, NamespaceRecord, ObjectKey, ResourceVersion, ServiceRecord, Text, Timestamp, Uid,
};
use quaymaster_runtime::api::{Verb, WriteError};
use quaymaster_runtime::events::Notice;
use quaymaster_runtime::metrics::Registry;
use quaymaster_wire::json::Json;
use quaymaster_world::{Delta, Kind, NodePortPoolRecord, World};
use serde_json::{Value, json};

use crate::{NodePorts, Options, range};

/// When tests begin, by the wall clock.
pub(super) const BEGIN: i64 = 1_800_000_000;

/// The time by the clock that is given to controllers: it stands still, and tests let time pass in plans alone.
static NOW: Mutex<Option<Instant>> = Mutex::new(None);

fn clock() -> Instant {
    *NOW.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get_or_insert_with(Instant::now)
}

pub(super) fn refusal(first: u16, last: u16) -> String {
    format!("provided port is not in the valid range. The range of valid ports is {first}-{last}")
}

/// The apiserver, what the controller knows of it, and the time.
pub(super) struct Cluster {
    pub(super) world: World,
    controller: NodePorts,
    options: Options,
    pub(super) index: Shared,
    pub(super) registry: Registry,
    dirty: Dirty,
    interner: Arc<Interner>,
    stored: BTreeMap<String, Value>,
    version: u64,
    begin: Instant,
    pub(super) passed: Duration,
    /// What it answers a Service with that asks for a port, if not the usual.
    pub(super) says: fn(u16) -> String,
    /// What a mutating policy makes of what is stored.
    pub(super) policy: fn(&mut Value),
    /// Every write and every Event, a line each.
    pub(super) log: Vec<String>,
    pub(super) notices: Vec<Notice>,
    /// Keys that want to be planned again, and when.
    later: BTreeMap<ObjectKey, Instant>,
}

fn key(name: &str) -> ObjectKey {
    match name.split_once('/') {
        Some((namespace, name)) => ObjectKey::new(Text::new(namespace), Text::new(name)),
        None => ObjectKey::new(Text::new(""), Text::new(name)),
    }
}

impl Cluster {
    pub(super) fn new() -> Self {
        Self::with(Options {
            namespace: Text::new("kube-system"),
            range: None,
            moves: false,
        })
    }

    pub(super) fn with(options: Options) -> Self {
        let (index, registry) = (Shared::default(), Registry::new());
        let controller = NodePorts::new(Arc::clone(&index), &options, &registry, clock, || 0);
        let mut cluster = Self {
            world: World::new(),
            controller,
            options,
            index,
            registry,
            dirty: Dirty::default(),
            interner: Arc::new(Interner::new()),
            stored: BTreeMap::new(),
            version: 1,
            begin: clock(),
            passed: Duration::ZERO,
            says: |_| refusal(30_000, 32_767),
            policy: |_| (),
            log: Vec::new(),
            notices: Vec::new(),
            later: BTreeMap::new(),
        };
        for kind in [Kind::Service, Kind::Namespace, Kind::NodePortPool] {
            cluster.world.begin(kind);
            let nobody = &mut |_: &World, _: &Delta<'_>| {};
            cluster.world.end(kind, &ResourceVersion::new("1"), nobody);
        }
        cluster.controller.start(&cluster.world, &mut cluster.dirty);
        cluster.namespace("shop", &json!({}));
        cluster
    }

    /// Another process in the place of this one.
    pub(super) fn restart(&mut self) {
        (self.index, self.registry) = (Shared::default(), Registry::new());
        let index = Arc::clone(&self.index);
        self.controller = NodePorts::new(index, &self.options, &self.registry, clock, || 0);
        (self.dirty, self.later) = (Dirty::default(), BTreeMap::new());
        self.controller.start(&self.world, &mut self.dirty);
    }

    pub(super) fn namespace(&mut self, name: &str, labels: &Value) {
        self.version += 1;
        let object = json!({
            "metadata": {
                "name": name, "uid": "u", "resourceVersion": self.version.to_string(), "labels": labels,
            },
        });
        let json = Json::<NamespaceRecord>::new(Arc::clone(&self.interner));
        let record = json.object(object.to_string().as_bytes()).unwrap();
        self.tell(|world, views| world.apply_namespace(record, views));
    }

    /// Somebody makes a pool, or gives it another spec.
    pub(super) fn pool(&mut self, name: &str, spec: Value) {
        let created = Timestamp(BEGIN + i64::try_from(self.passed.as_secs()).unwrap()).to_string();
        let object = self.stored.entry(name.to_owned()).or_insert_with(|| {
            json!({ "metadata": {
                "name": name, "uid": format!("uid-{name}"), "generation": 0, "creationTimestamp": created,
            } })
        });
        object["spec"] = spec;
        let generation = object["metadata"]["generation"].as_i64().unwrap() + 1;
        object["metadata"]["generation"] = json!(generation);
        self.told(name);
    }

    /// Of the ports from one to another.
    pub(super) fn ports(&mut self, name: &str, first: u16, last: u16) {
        self.pool(name, json!({ "ranges": [{ "first": first, "last": last }] }));
    }

    pub(super) fn status(&self, name: &str) -> &Value {
        &self.stored[name]["status"]
    }

    /// `status` and `reason` of a condition.
    pub(super) fn condition(&self, name: &str, kind: &str) -> String {
        let conditions = self.status(name)["conditions"].as_array().unwrap();
        let one = conditions.iter().find(|one| one["type"] == kind).unwrap();
        format!(
            "{} {}",
            one["status"].as_str().unwrap(),
            one["reason"].as_str().unwrap()
        )
    }

    pub(super) fn message(&self, name: &str, kind: &str) -> String {
        let conditions = self.status(name)["conditions"].as_array().unwrap();
        let one = conditions.iter().find(|one| one["type"] == kind).unwrap();
        one["message"].as_str().unwrap().to_owned()
    }

    /// A Service of the namespace `shop` with these node ports, of this moment.
    pub(super) fn service(&mut self, name: &str, node_ports: &[u16]) {
        let ports = node_ports.iter().zip(80..);
        let ports: Vec<Value> = ports
            .map(|(node, port)| json!({ "name": format!("p{port}"), "port": port, "targetPort": port, "nodePort": node }))
            .collect();
        self.service_of(&format!("shop/{name}"), |service| {
            service["spec"] = json!({ "type": "NodePort", "clusterIP": "10.0.0.1", "ports": ports });
        });
    }

    /// A Service as it is or is made, changed.
    pub(super) fn service_of(&mut self, name: &str, edit: impl FnOnce(&mut Value)) {
        let created = Timestamp(BEGIN + i64::try_from(self.passed.as_secs()).unwrap()).to_string();
        let object = self.stored.entry(name.to_owned()).or_insert_with(|| {
            let (namespace, own) = name.split_once('/').unwrap();
            json!({ "metadata": {
                "namespace": namespace, "name": own, "uid": format!("uid-{own}"), "creationTimestamp": created,
            } })
        });
        edit(object);
        self.told(name);
    }

    pub(super) fn node_ports(&self, name: &str) -> Vec<u64> {
        let ports = self.stored[name]["spec"]["ports"].as_array().unwrap();
        ports
            .iter()
            .map(|port| port["nodePort"].as_u64().unwrap())
            .collect()
    }

    pub(super) fn without_service(&mut self, name: &str) {
        let object = self.stored.remove(name).unwrap();
        let (key, uid) = (key(name), Uid::new(object["metadata"]["uid"].as_str().unwrap()));
        self.tell(|world, views| world.delete_service(&key, &uid, views));
    }

    pub(super) fn without_pool(&mut self, name: &str) {
        let object = self.stored.remove(name).unwrap();
        let (key, uid) = (key(name), Uid::new(object["metadata"]["uid"].as_str().unwrap()));
        self.tell(|world, views| world.delete::<NodePortPoolRecord>(&key, &uid, views));
    }

    /// Somebody changes what is stored of a pool.
    pub(super) fn edit(&mut self, name: &str, edit: impl FnOnce(&mut Value)) {
        edit(self.stored.get_mut(name).unwrap());
        self.told(name);
    }

    pub(super) fn term(&mut self) {
        self.controller.term_began(&self.world, &mut self.dirty);
    }

    pub(super) fn metrics(&mut self) -> String {
        self.controller.measure(&self.world);
        let text = self.registry.encode();
        let lines = text
            .lines()
            .filter(|line| line.starts_with("quaymaster_pool_ports"));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// So much time passes, and what is due meanwhile is done. Returns what was written and told.
    pub(super) fn pass(&mut self, time: Duration) -> Vec<String> {
        let end = self.passed + time;
        let mut lines = self.work();
        while self.passed < end {
            self.passed = end.min(self.passed + Duration::from_millis(200));
            lines.extend(self.work());
        }
        lines
    }

    /// Plans and answers until there is nothing to be done now. Returns what was written and told.
    pub(super) fn work(&mut self) -> Vec<String> {
        let before = self.log.len();
        for _ in 0..100 {
            let now = self.now();
            let mut due: Vec<ObjectKey> = std::mem::take(&mut self.dirty).marked().cloned().collect();
            due.extend(
                self.later
                    .iter()
                    .filter(|(_, at)| **at <= now.at)
                    .map(|(key, _)| key.clone()),
            );
            due.sort();
            due.dedup();
            if due.is_empty() {
                return self.log[before..].to_vec();
            }
            for key in due {
                self.later.remove(&key);
                let planned = self.controller.plan(&self.world, &key, 10, now);
                if let Some(at) = planned.look_again {
                    assert!(at > now.at, "{key} would be asked for again without a pause");
                    self.later.insert(key.clone(), at);
                }
                for notice in planned.notices.into_iter().chain(planned.standing) {
                    self.log.push(format!("event {}", notice.reason));
                    self.notices.push(notice);
                }
                for request in planned.requests {
                    match self.send(&key, request) {
                        Verdict::Done => {}
                        Verdict::Again => _ = self.later.insert(key.clone(), now.at),
                        Verdict::Altered { notice, .. } => {
                            self.log.push(format!("altered {}", notice.reason));
                        }
                        Verdict::Retry { .. } => {
                            let pause = Duration::from_secs(1);
                            self.later.insert(key.clone(), now.at + pause);
                        }
                    }
                }
            }
        }
        panic!("it never rests: {:#?}", self.log);
    }

    /// The present.
    pub(super) fn at(&self) -> Instant {
        self.now().at
    }

    fn now(&self) -> Moment {
        Moment {
            at: self.begin + self.passed,
            wall: Timestamp(BEGIN + i64::try_from(self.passed.as_secs()).unwrap()),
        }
    }

    fn send(&mut self, key: &ObjectKey, request: Request) -> Verdict {
        let Request {
            verb,
            object,
            write,
            part,
            ..
        } = &request;
        let (verb, object, write, part) = (*verb, object.clone(), *write, *part);
        let body: Value = serde_json::from_slice(&request.body.into_bytes().unwrap()).unwrap();
        let stored = self.store(verb, part, &object, &body);
        let result = stored.as_ref().map(Clone::clone);
        let answer = Answer {
            key,
            object: &object,
            verb,
            write,
            result,
        };
        self.controller.answered(&self.world, &answer)
    }

    fn store(&mut self, verb: Verb, part: Part, key: &ObjectKey, body: &Value) -> Result<Stored, WriteError> {
        let name = key.to_string();
        match (verb, part) {
            (Verb::Create, Part::Object) => {
                let asked = u16::try_from(body["spec"]["ports"][0]["nodePort"].as_u64().unwrap()).unwrap();
                self.log.push(format!("asked {name} {asked}"));
                assert_eq!(key.name.as_str(), range::NAME);
                let message = (self.says)(asked);
                return Err(WriteError::Invalid { code: 422, message });
            }
            (Verb::Update, Part::Status) => {
                let object = self.stored.get_mut(&name).unwrap();
                for field in ["uid", "resourceVersion"] {
                    assert_eq!(body["metadata"][field], object["metadata"][field]);
                }
                object["status"] = body["status"].clone();
                (self.policy)(object);
                self.log.push(format!("status {name}"));
            }
            (Verb::Patch, Part::Object) => {
                let object = self.stored.get_mut(&name).unwrap();
                for field in ["uid", "resourceVersion"] {
                    assert_eq!(body["metadata"][field], object["metadata"][field]);
                }
                let mut patch = body["spec"]["ports"].as_array().unwrap().clone();
                if patch.last().unwrap()["$patch"] == "replace" {
                    patch.pop();
                    object["spec"]["ports"] = json!(patch);
                } else {
                    let ports = object["spec"]["ports"].as_array_mut().unwrap();
                    for change in patch {
                        let meant = ports.iter_mut().find(|one| one["port"] == change["port"]);
                        meant.unwrap()["nodePort"] = change["nodePort"].clone();
                    }
                }
                (self.policy)(object);
                self.log.push(format!("moved {name}"));
            }
            other => panic!("{other:?} is not to be sent"),
        }
        self.told(&name);
        Ok(Stored::Object(if key.namespace.is_empty() {
            Object::NodePortPool(Arc::clone(self.world.node_port_pool(key).unwrap()))
        } else {
            let id = self.world.service_id(key).unwrap();
            Object::Service(Arc::new(self.world.service(id).unwrap().clone()))
        }))
    }

    /// The watch tells what is stored.
    fn told(&mut self, name: &str) {
        self.version += 1;
        let object = self.stored.get_mut(name).unwrap();
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let text = object.to_string();
        if name.contains('/') {
            let json = Json::<ServiceRecord>::new(Arc::clone(&self.interner));
            let record = json.object(text.as_bytes()).unwrap();
            self.tell(|world, views| world.apply_service(record, views));
        } else {
            let json = Json::<NodePortPoolRecord>::new(Arc::clone(&self.interner));
            let record = json.object(text.as_bytes()).unwrap();
            self.tell(|world, views| world.apply(record, views));
        }
    }

    fn tell(&mut self, tell: impl FnOnce(&mut World, &mut dyn quaymaster_world::View)) {
        let (controller, dirty) = (&mut self.controller, &mut self.dirty);
        tell(&mut self.world, &mut |world: &World, delta: &Delta<'_>| {
            controller.on(world, delta, dirty);
        });
    }
}
