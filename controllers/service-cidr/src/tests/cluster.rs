//! A world, the controller, and an apiserver that stores what it is sent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quaymaster_engine::controller::{Object, Stored};
use quaymaster_engine::{Answer, Controller as _, Dirty, Moment, Part, Request, Verdict};
use quaymaster_model::{
    Interned, Interner, IpAddressRecord, LabelSet, ObjectKey, ResourceVersion, ServiceCidrRecord, Text,
    Timestamp, Uid, names,
};
use quaymaster_runtime::api::{Verb, WriteError};
use quaymaster_wire::json::Json;
use quaymaster_world::{Delta, Kind, World};
use serde_json::{Value, json};

use crate::ServiceCidrs;

/// When tests begin, by the wall clock.
pub(super) const BEGIN: i64 = 1_800_000_000;

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Text::new(""), Text::new(name))
}

/// One that is new.
pub(super) fn cidr(name: &str, ranges: &[&str]) -> ServiceCidrRecord {
    ServiceCidrRecord {
        key: key(name),
        uid: Uid::new(&format!("uid-{name}")),
        resource_version: ResourceVersion::new("1"),
        finalizers: Vec::new(),
        deleted: None,
        cidrs: ranges.iter().map(|range| range.parse().unwrap()).collect(),
        ready: None,
    }
}

/// The same, deleted at this time and held by its finalizer.
pub(super) fn deleted(cidr: ServiceCidrRecord, at: i64) -> ServiceCidrRecord {
    ServiceCidrRecord {
        finalizers: vec![Text::new(names::FINALIZER_SERVICE_CIDR)],
        deleted: Some(Timestamp(at)),
        ..cidr
    }
}

/// An address that the apiserver has given to a Service.
pub(super) fn address(ip: &str) -> IpAddressRecord {
    address_of(ip, names::MANAGER_IP_ALLOCATOR)
}

/// An address that somebody else has made.
pub(super) fn foreign_address(ip: &str) -> IpAddressRecord {
    address_of(ip, "example.com")
}

fn address_of(ip: &str, manager: &str) -> IpAddressRecord {
    let family = if ip.contains(':') { "IPv6" } else { "IPv4" };
    let labels = [
        (names::LABEL_IPADDRESS_MANAGED_BY, manager),
        (names::LABEL_IP_FAMILY, family),
    ];
    let labels = labels.map(|(key, value)| (Text::new(key), Text::new(value)));
    IpAddressRecord {
        key: key(ip),
        uid: Uid::new(&format!("uid-{ip}")),
        resource_version: ResourceVersion::new("1"),
        labels: Interned::from_value(LabelSet::new(labels)),
        address: Some(ip.parse().unwrap()),
        finalizers: Vec::new(),
        deleted: None,
        parent: None,
        released_at: None,
    }
}

/// The apiserver, what the controller knows of it, and the time.
pub(super) struct Cluster {
    world: World,
    controller: ServiceCidrs,
    dirty: Dirty,
    interner: Arc<Interner>,
    stored: BTreeMap<String, Value>,
    version: u64,
    begin: Instant,
    pub(super) passed: Duration,
    /// What a mutating policy makes of what is stored.
    pub(super) policy: fn(&mut Value),
    /// The watch does not tell what the apiserver stores, and answers are of no newer version.
    pub(super) silent: bool,
    /// Every write, a line each.
    pub(super) writes: Vec<String>,
}

impl Cluster {
    pub(super) fn new() -> Self {
        let mut cluster = Self {
            world: World::new(),
            controller: ServiceCidrs::new(),
            dirty: Dirty::default(),
            interner: Arc::new(Interner::new()),
            stored: BTreeMap::new(),
            version: 1,
            begin: Instant::now(),
            passed: Duration::ZERO,
            policy: |_| (),
            silent: false,
            writes: Vec::new(),
        };
        for kind in [Kind::ServiceCidr, Kind::IpAddress] {
            cluster.world.begin(kind);
            let nobody = &mut |_: &World, _: &Delta<'_>| {};
            cluster.world.end(kind, &ResourceVersion::new("1"), nobody);
        }
        cluster.controller.start(&cluster.world, &mut cluster.dirty);
        cluster
    }

    /// Somebody makes a ServiceCIDR.
    pub(super) fn create(&mut self, name: &str, ranges: &[&str]) {
        let object = json!({
            "metadata": { "name": name, "uid": format!("uid-{name}") },
            "spec": { "cidrs": ranges },
        });
        self.stored.insert(name.to_owned(), object);
        self.told(name);
    }

    /// Somebody deletes one: it goes at once where nothing holds it.
    pub(super) fn delete(&mut self, name: &str) {
        let at = Timestamp(BEGIN + i64::try_from(self.passed.as_secs()).unwrap()).to_string();
        let object = self.stored.get_mut(name).unwrap();
        object["metadata"]["deletionTimestamp"] = json!(at);
        self.told(name);
    }

    /// Somebody changes one.
    pub(super) fn edit(&mut self, name: &str, edit: impl FnOnce(&mut Value)) {
        edit(self.stored.get_mut(name).unwrap());
        self.told(name);
    }

    pub(super) fn address_made(&mut self, ip: &str) {
        self.address_edited(ip, |_| ());
    }

    /// The address as it was made, with something changed of it.
    pub(super) fn address_edited(&mut self, ip: &str, edit: impl FnOnce(&mut IpAddressRecord)) {
        self.version += 1;
        let mut record = address(ip);
        edit(&mut record);
        record.resource_version = ResourceVersion::new(&self.version.to_string());
        self.tell(|world, views| world.apply(record, views));
    }

    pub(super) fn address_gone(&mut self, ip: &str) {
        let record = address(ip);
        self.tell(|world, views| world.delete::<IpAddressRecord>(&record.key, &record.uid, views));
    }

    /// How many keys are marked and not yet worked on.
    pub(super) fn marked(&self) -> usize {
        self.dirty.marked().count()
    }

    /// `finalizer`, `Ready` with its status, and whether the object is there at all.
    pub(super) fn state(&self, name: &str) -> String {
        let Some(object) = self.stored.get(name) else {
            return "gone".to_owned();
        };
        let ready = &object["status"]["conditions"][0];
        format!(
            "{} ready={}",
            object["metadata"]["finalizers"],
            ready["status"].as_str().unwrap_or("none"),
        )
    }

    /// How many marks tell that somebody else has undone something.
    pub(super) fn repairs(&self) -> usize {
        self.dirty.repaired().count()
    }

    /// Plans and answers until there is nothing to be done now. Returns what was written.
    pub(super) fn work(&mut self) -> Vec<String> {
        self.work_with(|_| None)
    }

    /// The same, with answers that fail where `failure` says so.
    pub(super) fn work_with(&mut self, failure: impl Fn(&Request) -> Option<WriteError>) -> Vec<String> {
        let mut again: Vec<ObjectKey> = Vec::new();
        let before = self.writes.len();
        for _ in 0..100 {
            let mut due: Vec<ObjectKey> = std::mem::take(&mut again);
            due.extend(std::mem::take(&mut self.dirty).marked().cloned());
            due.sort();
            due.dedup();
            if due.is_empty() {
                return self.writes[before..].to_vec();
            }
            for key in due {
                let now = self.now();
                let planned = self.controller.plan(&self.world, &key, 10, now);
                if let Some(at) = planned.look_again {
                    assert!(at > now.at, "it would be asked again without a pause");
                }
                for request in planned.requests {
                    match self.send(&key, request, &failure) {
                        Verdict::Again => again.push(key.clone()),
                        Verdict::Retry { notice } => {
                            self.writes.push(format!("failed {}", notice.is_some()));
                        }
                        Verdict::Done => {}
                        Verdict::Altered { more, notice } => {
                            assert!(!more);
                            self.writes.push(notice.reason);
                        }
                    }
                }
            }
        }
        panic!("it never rests: {:#?}", self.writes);
    }

    /// How many requests are made for one now; they are under way from then on.
    pub(super) fn requests(&mut self, name: &str) -> usize {
        let now = self.now();
        let planned = self.controller.plan(&self.world, &key(name), 10, now);
        planned.requests.len()
    }

    /// Whether the controller holds no more than a new one.
    pub(super) fn holds_nothing(&self) -> bool {
        format!("{:?}", self.controller) == format!("{:?}", ServiceCidrs::new())
    }

    /// When the controller wants to look at one again.
    pub(super) fn looks_again(&mut self, name: &str) -> Option<Duration> {
        let now = self.now();
        let planned = self.controller.plan(&self.world, &key(name), 10, now);
        assert!(planned.requests.is_empty(), "there was something to be done");
        planned.look_again.map(|at| at - now.at)
    }

    /// As when the time has come that was asked for.
    pub(super) fn wake(&mut self, name: &str) -> Vec<String> {
        self.dirty
            .mark(key(name), quaymaster_queue::Priority::Low, Duration::ZERO);
        self.work()
    }

    /// Another process in the place of this one.
    pub(super) fn restart(&mut self) {
        self.controller = ServiceCidrs::new();
        self.dirty = Dirty::default();
        self.controller.start(&self.world, &mut self.dirty);
    }

    fn now(&self) -> Moment {
        Moment {
            at: self.begin + self.passed,
            wall: Timestamp(BEGIN + i64::try_from(self.passed.as_secs()).unwrap()),
        }
    }

    fn send(
        &mut self,
        key: &ObjectKey,
        request: Request,
        failure: impl Fn(&Request) -> Option<WriteError>,
    ) -> Verdict {
        let Request {
            verb, object, write, ..
        } = &request;
        let (verb, object, write) = (*verb, object.clone(), *write);
        let error = failure(&request);
        let result = match &error {
            Some(error) => Err(error),
            None => Ok(self.store(request)),
        };
        let answer = Answer {
            key,
            object: &object,
            verb,
            write,
            result,
        };
        self.controller.answered(&self.world, &answer)
    }

    /// What the apiserver makes of a request.
    fn store(&mut self, request: Request) -> Stored {
        let name = request.object.name.to_string();
        let body: Value = serde_json::from_slice(&request.body.into_bytes().unwrap()).unwrap();
        let object = self.stored.get_mut(&name).unwrap();
        assert_eq!(
            body["metadata"]["uid"], object["metadata"]["uid"],
            "another object is meant"
        );
        let line = match (request.verb, request.part) {
            (Verb::Patch, Part::Object) => {
                let finalizers = &mut object["metadata"]["finalizers"];
                let mut list: Vec<Value> = finalizers.as_array().cloned().unwrap_or_default();
                let added = body["metadata"]["finalizers"]
                    .as_array()
                    .cloned()
                    .unwrap_or_default();
                let taken = body["metadata"]["$deleteFromPrimitiveList/finalizers"]
                    .as_array()
                    .cloned()
                    .unwrap_or_default();
                list.retain(|one| !taken.contains(one));
                list.extend(added.iter().cloned());
                *finalizers = if list.is_empty() { Value::Null } else { json!(list) };
                format!("{name} finalizers +{} -{}", added.len(), taken.len())
            }
            (Verb::Apply, Part::Status) => {
                assert_eq!(request.manager, Some("service-cidr-controller"));
                object["status"] = body["status"].clone();
                let ready = &body["status"]["conditions"][0];
                assert!(ready["lastTransitionTime"].is_string());
                format!("{name} ready={}", ready["status"].as_str().unwrap())
            }
            other => panic!("{other:?} is not to be sent"),
        };
        self.writes.push(line);
        (self.policy)(object);
        if self.silent {
            return Stored::Object(Object::ServiceCidr(Arc::new(self.read(&name))));
        }
        self.told(&name);
        let record = self.world.service_cidr(&request.object).cloned();
        record.map_or(Stored::Gone, |record| Stored::Object(Object::ServiceCidr(record)))
    }

    /// The watch tells what is stored of one.
    fn told(&mut self, name: &str) {
        self.version += 1;
        let object = self.stored.get_mut(name).unwrap();
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let metadata = &object["metadata"];
        if !metadata["deletionTimestamp"].is_null() && metadata["finalizers"].is_null() {
            let uid = Uid::new(metadata["uid"].as_str().unwrap());
            self.stored.remove(name);
            let key = key(name);
            return self.tell(|world, views| world.delete::<ServiceCidrRecord>(&key, &uid, views));
        }
        let record = self.read(name);
        self.tell(|world, views| world.apply(record, views));
    }

    fn read(&self, name: &str) -> ServiceCidrRecord {
        let json = Json::<ServiceCidrRecord>::new(Arc::clone(&self.interner));
        json.object(self.stored[name].to_string().as_bytes()).unwrap()
    }

    fn tell(&mut self, tell: impl FnOnce(&mut World, &mut dyn quaymaster_world::View)) {
        let (controller, dirty) = (&mut self.controller, &mut self.dirty);
        tell(&mut self.world, &mut |world: &World, delta: &Delta<'_>| {
            controller.on(world, delta, dirty);
        });
    }
}
