//! A world, the controller, and an apiserver that stores what it is sent.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quaymaster_engine::controller::{Object, Stored};
use quaymaster_engine::{Answer, Controller as _, Dirty, Moment, Part, Request, Verdict};
use quaymaster_ipam::{Index, Shared, Value as Address, lock};
use quaymaster_model::{
    Interner, IpAddressRecord, ObjectKey, ResourceVersion, ServiceCidrRecord, ServiceRecord, Text, Timestamp,
    Uid,
};
use quaymaster_runtime::api::{Verb, WriteError};
use quaymaster_runtime::metrics::Registry;
use quaymaster_wire::json::{Json, Record};
use quaymaster_world::{Delta, Kind, ServiceIpPoolRecord, ServiceReservationRecord, View, World};
use serde_json::{Value, json};

use crate::{ClusterIps, Holds};

/// When tests begin, by the wall clock.
pub(super) const BEGIN: i64 = 1_800_000_000;

thread_local! {
    static BEGUN: Instant = Instant::now();
    static PASSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

fn moment() -> Moment {
    let passed = PASSED.get();
    Moment {
        at: BEGUN.with(|begun| *begun) + passed,
        wall: Timestamp(BEGIN + i64::try_from(passed.as_secs()).unwrap()),
    }
}

const KINDS: [Kind; 6] = [
    Kind::Service,
    Kind::IpAddress,
    Kind::ServiceCidr,
    Kind::Namespace,
    Kind::ServiceIpPool,
    Kind::ServiceReservation,
];

/// The apiserver, what the controller knows of it, and the time.
pub(super) struct Cluster {
    world: World,
    pub(super) controller: ClusterIps,
    index: Shared,
    dirty: Dirty,
    interner: Arc<Interner>,
    stored: BTreeMap<(Kind, String), Value>,
    version: u64,
    /// When keys are due.
    due: BTreeMap<ObjectKey, Instant>,
    /// Every write and Event, a line each.
    pub(super) log: Vec<String>,
    /// IPAddresses that the apiserver has and the watch has not told the end of.
    pub(super) lingering: Vec<String>,
    holds: Holds,
}

pub(super) fn key(name: &str) -> ObjectKey {
    match name.split_once('/') {
        Some((namespace, name)) => ObjectKey::new(Text::new(namespace), Text::new(name)),
        None => ObjectKey::new(Text::new(""), Text::new(name)),
    }
}

impl Cluster {
    /// With one ServiceCIDR.
    pub(super) fn new() -> Self {
        Self::with_holds(true)
    }

    pub(super) fn with_holds(in_default_range: bool) -> Self {
        PASSED.set(Duration::ZERO);
        let holds = Holds { in_default_range };
        let index: Shared = Arc::default();
        let mut cluster = Self {
            world: World::new(),
            controller: ClusterIps::new(Arc::clone(&index), moment, holds, &Registry::new()),
            index,
            dirty: Dirty::default(),
            interner: Arc::new(Interner::new()),
            stored: BTreeMap::new(),
            version: 1,
            due: BTreeMap::new(),
            log: Vec::new(),
            lingering: Vec::new(),
            holds,
        };
        for kind in KINDS {
            cluster.world.begin(kind);
            let nobody = &mut |_: &World, _: &Delta<'_>| {};
            cluster.world.end(kind, &ResourceVersion::new("1"), nobody);
        }
        cluster.controller.start(&cluster.world, &mut cluster.dirty);
        cluster.put(
            Kind::ServiceCidr,
            "kubernetes",
            json!({ "cidrs": ["10.96.0.0/16", "fd00:10:96::/112"] }),
        );
        cluster
    }

    /// Another process in the place of this one.
    pub(super) fn restart(&mut self) {
        self.index = Shared::default();
        self.controller = ClusterIps::new(Arc::clone(&self.index), moment, self.holds, &Registry::new());
        self.dirty = Dirty::default();
        self.due.clear();
        self.controller.start(&self.world, &mut self.dirty);
    }

    pub(super) fn pool(&mut self, name: &str, spec: Value) {
        self.put(Kind::ServiceIpPool, name, spec);
    }

    pub(super) fn reservation(&mut self, name: &str, spec: Value) {
        self.put(Kind::ServiceReservation, name, spec);
    }

    /// The apiserver gives a Service these addresses, and makes their IPAddresses.
    pub(super) fn service(&mut self, name: &str, ips: &[&str]) {
        for ip in ips {
            self.allocators(ip, name);
        }
        self.put(
            Kind::Service,
            name,
            json!({ "clusterIP": ips[0], "clusterIPs": ips }),
        );
    }

    pub(super) fn allocators(&mut self, ip: &str, service: &str) {
        let (namespace, name) = service.split_once('/').unwrap();
        self.address(
            ip,
            "ipallocator.k8s.io",
            json!({ "resource": "services", "namespace": namespace, "name": name }),
        );
    }

    pub(super) fn address(&mut self, ip: &str, manager: &str, parent: Value) {
        let family = if ip.contains(':') { "IPv6" } else { "IPv4" };
        let ip: std::net::IpAddr = ip.parse().unwrap();
        let labels = json!({
            "ipaddress.kubernetes.io/managed-by": manager,
            "ipaddress.kubernetes.io/ip-family": family,
        });
        let object = json!({ "metadata": { "labels": labels }, "spec": { "parentRef": parent } });
        self.store(Kind::IpAddress, &ip.to_string(), object);
        self.told(Kind::IpAddress, &ip.to_string());
    }

    /// Somebody deletes a Service, and the apiserver its IPAddresses.
    pub(super) fn delete_service(&mut self, name: &str) {
        let ips: Vec<String> = serde_json::from_value(
            self.stored[&(Kind::Service, name.to_owned())]["spec"]["clusterIPs"].clone(),
        )
        .unwrap();
        self.delete(Kind::Service, name);
        for ip in ips {
            self.delete(Kind::IpAddress, &ip);
        }
    }

    pub(super) fn delete(&mut self, kind: Kind, name: &str) {
        let object = self.stored.remove(&(kind, name.to_owned())).unwrap();
        let uid = Uid::new(object["metadata"]["uid"].as_str().unwrap());
        let key = key(name);
        self.tell(|world, views| match kind {
            Kind::Service => world.delete_service(&key, &uid, views),
            Kind::IpAddress => world.delete::<IpAddressRecord>(&key, &uid, views),
            Kind::ServiceCidr => world.delete::<ServiceCidrRecord>(&key, &uid, views),
            Kind::ServiceIpPool => world.delete::<ServiceIpPoolRecord>(&key, &uid, views),
            Kind::ServiceReservation => world.delete::<ServiceReservationRecord>(&key, &uid, views),
            other => panic!("{other:?}"),
        });
    }

    /// Somebody creates an object or changes its spec.
    pub(super) fn put(&mut self, kind: Kind, name: &str, spec: Value) {
        self.store(kind, name, json!({ "metadata": {}, "spec": spec }));
        self.told(kind, name);
    }

    fn store(&mut self, kind: Kind, name: &str, mut object: Value) {
        let place = (kind, name.to_owned());
        let old = self.stored.get(&place).cloned().unwrap_or_default();
        let generation = old["metadata"]["generation"].as_i64().unwrap_or(0);
        self.version += 1;
        let key = key(name);
        let metadata = &mut object["metadata"];
        metadata["name"] = json!(key.name.as_str());
        metadata["namespace"] = json!(key.namespace.as_str());
        metadata["uid"] = match &old["metadata"]["uid"] {
            Value::Null => json!(format!("uid-{}", self.version)),
            uid => uid.clone(),
        };
        metadata["generation"] = json!(generation + 1);
        metadata["creationTimestamp"] = match &old["metadata"]["creationTimestamp"] {
            Value::Null => json!(moment().wall.to_string()),
            at => at.clone(),
        };
        object["status"] = old["status"].clone();
        self.stored.insert(place, object);
    }

    /// What is stored of an object.
    pub(super) fn get(&self, kind: Kind, name: &str) -> Option<&Value> {
        self.stored.get(&(kind, name.to_owned()))
    }

    /// A condition of an object: its status, its reason and its message.
    pub(super) fn condition(&self, kind: Kind, name: &str, of: &str) -> (String, String, String) {
        let conditions = self.get(kind, name).unwrap()["status"]["conditions"]
            .as_array()
            .unwrap();
        let one = conditions.iter().find(|one| one["type"] == *of).unwrap();
        let text = |field: &str| one[field].as_str().unwrap().to_owned();
        (text("status"), text("reason"), text("message"))
    }

    /// Whose an IPAddress is: its manager and the name of its parent.
    pub(super) fn holder(&self, ip: &str) -> Option<String> {
        let object = self.get(Kind::IpAddress, ip)?;
        let manager = object["metadata"]["labels"]["ipaddress.kubernetes.io/managed-by"]
            .as_str()
            .unwrap();
        Some(format!(
            "{manager} for {}",
            object["spec"]["parentRef"]["name"].as_str().unwrap()
        ))
    }

    /// The index that requests are answered from.
    pub(super) fn with_index<T>(&self, ask: impl FnOnce(&mut Index) -> T) -> T {
        ask(&mut lock(&self.index))
    }

    pub(super) fn value(ip: &str) -> Address {
        Address::from(ip.parse::<std::net::IpAddr>().unwrap())
    }

    /// Time passes, and what comes due meanwhile is worked on when it does.
    pub(super) fn pass(&mut self, seconds: f64) -> Vec<String> {
        let before = self.log.len();
        let end = PASSED.get() + Duration::from_secs_f64(seconds);
        self.work();
        while let Some(next) = self.due.values().min().copied() {
            let at = next.saturating_duration_since(BEGUN.with(|begun| *begun));
            if at > end {
                break;
            }
            PASSED.set(at.max(PASSED.get()));
            self.work();
        }
        PASSED.set(end);
        self.controller.measure(&self.world);
        self.log[before..].to_vec()
    }

    /// Plans and answers until there is nothing to be done now. Returns what was written and told.
    pub(super) fn work(&mut self) -> Vec<String> {
        let before = self.log.len();
        for _ in 0..1000 {
            self.flush();
            let now = moment().at;
            let Some(key) = self
                .due
                .iter()
                .find(|(_, at)| **at <= now)
                .map(|(key, _)| key.clone())
            else {
                return self.log[before..].to_vec();
            };
            self.due.remove(&key);
            let planned = self.controller.plan(&self.world, &key, 10, moment());
            if let Some(at) = planned.look_again {
                assert!(at > now, "{key} would be asked again without a pause");
                self.wait(key.clone(), at);
            }
            for notice in planned.notices {
                self.log.push(format!(
                    "{} {}: {}",
                    notice.reason,
                    notice.regarding.name.unwrap(),
                    notice.note
                ));
            }
            for request in planned.requests {
                match self.send(&key, request) {
                    Verdict::Again => self.wait(key.clone(), now),
                    Verdict::Retry { .. } => self.wait(key.clone(), now + Duration::from_secs(1)),
                    Verdict::Done => {}
                    Verdict::Altered { notice, .. } => self.log.push(notice.reason),
                }
            }
        }
        panic!("it never rests: {:#?}", &self.log[self.log.len() - 20..]);
    }

    fn wait(&mut self, key: ObjectKey, at: Instant) {
        let due = self.due.entry(key).or_insert(at);
        *due = at.min(*due);
    }

    fn flush(&mut self) {
        let dirty = std::mem::take(&mut self.dirty);
        // The delays are the engine's to keep: what is wanted later is asked for again by the plan.
        for key in dirty.marked().cloned().collect::<Vec<_>>() {
            self.wait(key, moment().at);
        }
    }

    fn send(&mut self, key: &ObjectKey, request: Request) -> Verdict {
        let (verb, object, write) = (request.verb, request.object.clone(), request.write);
        let result = self.answer(request);
        let answer = Answer {
            key,
            object: &object,
            verb,
            write,
            result: result.as_ref().cloned(),
        };
        self.controller.answered(&self.world, &answer)
    }

    /// What the apiserver makes of a request.
    fn answer(&mut self, request: Request) -> Result<Stored, WriteError> {
        let name = request.object.to_string();
        let place = (request.kind, name.clone());
        let body = request.body.into_bytes().unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let line = match (request.verb, request.part) {
            (Verb::Create, Part::Object)
                if self.stored.contains_key(&place) || self.lingering.contains(&name) =>
            {
                self.log.push(format!("create {name}: exists"));
                let message = String::new();
                return Err(WriteError::AlreadyExists { message });
            }
            (Verb::Create, Part::Object) => {
                self.store(request.kind, &name, body);
                self.told(request.kind, &name);
                format!("create {name}: {}", self.holder(&name).unwrap())
            }
            (Verb::Delete, Part::Object) => {
                let stored = self.stored.get(&place).unwrap();
                assert_eq!(body["preconditions"]["uid"], stored["metadata"]["uid"]);
                self.log.push(format!("delete {name}"));
                self.delete(request.kind, &name);
                return Ok(Stored::Gone);
            }
            (Verb::Get, Part::Object) => {
                self.log.push(format!("get {name}"));
                if !self.stored.contains_key(&place) {
                    return Ok(Stored::Gone);
                }
                let record: ServiceRecord = self.read(request.kind, &name);
                return Ok(Stored::Object(Object::Service(Arc::new(record))));
            }
            (Verb::Update, Part::Status) => {
                let stored = self.stored.get_mut(&place).unwrap();
                for field in ["uid", "resourceVersion", "name", "namespace"] {
                    let (sent, stored) = (&body["metadata"][field], &stored["metadata"][field]);
                    assert!(sent == stored || stored == "", "{field}: {sent} {stored}");
                }
                stored["status"] = body["status"].clone();
                self.told(request.kind, &name);
                format!("status {name}")
            }
            other => panic!("{other:?} is not to be sent"),
        };
        self.log.push(line);
        let object = match request.kind {
            Kind::IpAddress => Object::IpAddress(Arc::new(self.read(request.kind, &name))),
            Kind::ServiceIpPool => Object::ServiceIpPool(Arc::new(self.read(request.kind, &name))),
            Kind::ServiceReservation => Object::ServiceReservation(Arc::new(self.read(request.kind, &name))),
            other => panic!("{other:?}"),
        };
        Ok(Stored::Object(object))
    }

    /// The watch tells what is stored of one.
    fn told(&mut self, kind: Kind, name: &str) {
        self.version += 1;
        let version = json!(self.version.to_string());
        self.stored.get_mut(&(kind, name.to_owned())).unwrap()["metadata"]["resourceVersion"] = version;
        match kind {
            Kind::Service => self.apply::<ServiceRecord>(kind, name, World::apply_service),
            Kind::IpAddress => self.apply::<IpAddressRecord>(kind, name, World::apply),
            Kind::ServiceCidr => self.apply::<ServiceCidrRecord>(kind, name, World::apply),
            Kind::ServiceIpPool => self.apply::<ServiceIpPoolRecord>(kind, name, World::apply),
            Kind::ServiceReservation => self.apply::<ServiceReservationRecord>(kind, name, World::apply),
            other => panic!("{other:?}"),
        }
    }

    fn apply<R: Record>(&mut self, kind: Kind, name: &str, apply: fn(&mut World, R, &mut dyn View)) {
        let record: R = self.read(kind, name);
        self.tell(|world, views| apply(world, record, views));
    }

    fn read<R: Record>(&self, kind: Kind, name: &str) -> R {
        let json = Json::<R>::new(Arc::clone(&self.interner));
        json.object(self.stored[&(kind, name.to_owned())].to_string().as_bytes())
            .unwrap()
    }

    fn tell(&mut self, tell: impl FnOnce(&mut World, &mut dyn View)) {
        let (controller, dirty) = (&mut self.controller, &mut self.dirty);
        tell(&mut self.world, &mut |world: &World, delta: &Delta<'_>| {
            controller.on(world, delta, dirty);
        });
    }
}
