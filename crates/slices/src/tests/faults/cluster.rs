//! A Service, its Pods, an apiserver, what the watch has told of it, and calls under way.

mod consumers;
mod server;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quaymaster_membership::backing;
use quaymaster_model::{
    EndpointAddress, EndpointRecord, Interned, IpFamily, KubernetesVersion, LabelSet, NodeRecord, ObjectKey,
    PodHostname, PodRecord, ServiceRecord, SliceRecord, TargetPort, Text, UpstreamRules,
};
use quaymaster_world::{Delta, Origin, World};

use super::event::{Event, PodShape};
use crate::convert::{self, HintMode};
use crate::pending::Pending;
use crate::tests::fixture::{NAMESPACE, named_port, node, pod, pod_name, port, service};
use crate::topology::Zones;
use crate::write::{Failure, Op, Outcome};
use crate::{Cluster, Context, Finished, Plan, ServiceSlices, Settings, SliceDraft, Turns, Write};

/// What the controller sees.
pub(super) struct Seen {
    pub(super) pods: BTreeMap<Text, PodRecord>,
    pub(super) nodes: BTreeMap<Text, NodeRecord>,
    pub(super) slices: World,
    zones: Zones,
}

impl Cluster for Seen {
    fn members(&self) -> impl Iterator<Item = &PodRecord> {
        self.pods.values()
    }

    fn member(&self, name: &Text) -> Option<&PodRecord> {
        self.pods.get(name)
    }

    fn node(&self, name: &Text) -> Option<&NodeRecord> {
        self.nodes.get(name)
    }

    fn slice_exists(&self, name: &str) -> bool {
        let key = ObjectKey::new(NAMESPACE.into(), Text::new(name));
        self.slices.slice(&key).is_some()
    }

    fn zones(&self) -> &Zones {
        &self.zones
    }
}

/// Who is asked again so often and writes nothing will not write.
const MOST_IDLE: usize = 5;

/// A call under way.
struct Call {
    write: Write,
    /// How many states there had been when it was sent.
    state: u64,
    /// What the apiserver made of it, once it came to it.
    outcome: Option<Outcome>,
}

/// A Pod at an address, in a family.
type PodInFamily = (Text, IpFamily);

pub(super) struct Sim {
    pub(super) service: ServiceRecord,
    pub(super) seen: Seen,
    pub(super) settings: Settings,
    pub(super) state: ServiceSlices,
    now: Instant,
    turns: Turns,
    /// When the last plan is to be made again.
    look_again: Option<Instant>,
    /// How often something was written although nothing had happened for a while.
    pub(super) merges: usize,
    pub(super) stored: BTreeMap<Text, Arc<SliceRecord>>,
    /// What an admission policy makes of what is sent.
    pub(super) policy: Option<fn(&mut SliceDraft)>,
    /// The stored slices as they were sent, where there is a policy.
    sent: BTreeMap<Text, Arc<SliceRecord>>,
    version: u64,
    /// Changes that the watch has not told yet: the slice after, or before if it is gone.
    untold: Vec<(SliceRecord, bool)>,
    calls: Vec<Call>,
    /// Since which write a Pod is to be published at which addresses.
    wanted: HashMap<PodInFamily, (Vec<EndpointAddress>, u64)>,
    /// The last write that had been sent when a policy took a Pod out of one.
    taken_out: HashMap<Text, u64>,
    /// Pods of slices that others wrote to.
    touched_by_others: BTreeSet<Text>,
    pub(super) others_wrote: bool,
    last_write: u64,
    /// How often the state was made anew.
    states: u64,
    /// Consumers are held to see what is stored, not what was sent.
    pub(super) as_stored: bool,
}

impl Sim {
    pub(super) fn new(max: usize, quiet: Option<Duration>) -> Self {
        let mut service = service();
        service.ports = vec![port("http", 80, TargetPort::Name("http".into()))];
        let mut seen = Seen {
            pods: BTreeMap::new(),
            nodes: BTreeMap::new(),
            slices: World::new(),
            zones: Zones::default(),
        };
        for name in ["n", "shaky"] {
            seen.nodes.insert(name.into(), node(name, Some("z")));
        }
        let state = ServiceSlices::new(service.uid.clone(), service.created);
        let mut sim = Self {
            service,
            seen,
            settings: Settings {
                max_endpoints: max,
                rules: UpstreamRules::of(KubernetesVersion { minor: 37 }),
                rebalance_after: quiet,
            },
            now: Instant::now(),
            turns: Turns::default(),
            look_again: None,
            merges: 0,
            state,
            stored: BTreeMap::new(),
            policy: None,
            sent: BTreeMap::new(),
            version: 0,
            untold: Vec::new(),
            calls: Vec::new(),
            wanted: HashMap::new(),
            taken_out: HashMap::new(),
            touched_by_others: BTreeSet::new(),
            others_wrote: false,
            last_write: 0,
            states: 0,
            as_stored: false,
        };
        sim.refresh();
        sim
    }

    pub(super) fn with<T>(&mut self, act: impl FnOnce(&mut ServiceSlices, Context<'_, Seen>) -> T) -> T {
        let cx = Context {
            service: &self.service,
            cluster: &self.seen,
            settings: &self.settings,
        };
        let result = act(&mut self.state, cx);
        assert_eq!(self.state.pending, Pending::of(self.state.slices.iter()));
        result
    }

    fn refresh(&mut self) {
        self.with(ServiceSlices::refresh);
    }

    fn pod_changed(&mut self, name: &Text) {
        self.with(|state, cx| state.pod_changed(cx, name, cx.cluster.pods.get(name), None));
    }

    pub(super) fn apply(&mut self, event: &Event) -> Result<(), String> {
        match *event {
            Event::Pod(shape) => self.set_pod(shape),
            Event::RemovePod(n) => {
                let name = Text::new(&pod_name(n));
                self.seen.pods.remove(&name);
                self.pod_changed(&name);
            }
            Event::Target(number) => {
                let target = number.map_or_else(
                    || TargetPort::Name("http".into()),
                    |number| TargetPort::Number(9000 + i32::from(number)),
                );
                self.service.ports = vec![port("http", 80, target)];
                self.refresh();
            }
            Event::Families(which) => {
                self.service.ip_families = match which {
                    0 => vec![IpFamily::V4],
                    1 => vec![IpFamily::V4, IpFamily::V6],
                    _ => vec![IpFamily::V6],
                };
                self.refresh();
            }
            Event::ServiceLabel(value) => {
                let value = Text::new(&value.to_string());
                self.service.labels = Interned::from_value(LabelSet::new([("own".into(), value)]));
                self.refresh();
            }
            Event::NearHints(on) => {
                self.service.traffic_distribution = on.then(|| "PreferClose".into());
                self.refresh();
            }
            Event::ShakyNode(there) => {
                if there {
                    self.seen.nodes.insert("shaky".into(), node("shaky", Some("z")));
                } else {
                    self.seen.nodes.remove("shaky");
                }
                let names: Vec<Text> = self.seen.pods.keys().cloned().collect();
                for name in names {
                    self.pod_changed(&name);
                }
            }
            Event::Carry(n) => {
                if let Some(at) = self.call(n) {
                    self.carry(at)?;
                }
            }
            Event::Answer(n) => {
                if let Some(at) = self.call(n) {
                    self.answer(at)?;
                }
            }
            Event::Refuse(n, failure) => {
                if let Some(at) = self.call(n).filter(|at| self.calls[*at].outcome.is_none()) {
                    let call = self.calls.remove(at);
                    let create = matches!(call.write.op, Op::Create(_));
                    let failure = if create { failure } else { Failure::Other };
                    self.finish(&call.write, Outcome::Failed(failure));
                }
            }
            Event::Lose(n) => {
                if let Some(at) = self.call(n) {
                    self.carry(at)?;
                    let call = self.calls.remove(at);
                    self.finish(&call.write, Outcome::Failed(Failure::Other));
                }
            }
            Event::Tell(count) => self.tell(count),
            Event::Plan(limit) => {
                self.plan(limit)?;
            }
            Event::Other(n, edit) => self.edit(n, edit),
            Event::Restate => self.restate(),
            Event::Wait => {
                self.come_to_rest()?;
                self.wait();
            }
        }
        self.want();
        Ok(())
    }

    /// Time passes until the Service is to be looked at again. False if it is not.
    fn wait(&mut self) -> bool {
        if let Some(at) = self.look_again {
            self.now = at.max(self.now + Duration::from_secs(1));
        }
        self.look_again.is_some()
    }

    /// The selector goes and comes back: another state, made from what is known, while writes of the former one are under
    /// way.
    fn restate(&mut self) {
        self.states += 1;
        self.last_write += 1000;
        self.state =
            ServiceSlices::new(self.service.uid.clone(), self.service.created).numbered_from(self.last_write);
        let slices: Vec<Arc<SliceRecord>> = self.seen.slices.slices().cloned().collect();
        for slice in slices.into_iter().filter(|slice| is_of_service(slice)) {
            self.with(|state, cx| state.slice_seen(cx, slice));
        }
        self.refresh();
        // Two states at once know as little of each other as two processes.
        self.others_wrote = true;
        self.touched_by_others.extend(self.seen.pods.keys().cloned());
    }

    fn set_pod(&mut self, shape: PodShape) {
        let mut new = pod(shape.n);
        new.flags.ready = shape.ready;
        new.flags.terminating = shape.terminating;
        new.flags.finished = shape.finished;
        let number = u32::try_from(shape.n).unwrap() + 256 * u32::from(shape.address);
        new.addresses = [std::net::Ipv4Addr::from(0x0a01_0000 + number).into()]
            .into_iter()
            .collect();
        if shape.dual {
            let number = u16::try_from(number).unwrap();
            new.addresses
                .push(std::net::Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number).into());
        }
        if let Some(number) = shape.port {
            new.ports = Interned::from_list(vec![named_port("http", 8080 + i32::from(number))]);
        }
        if shape.hostname {
            new.hostname = Some(Box::new(PodHostname {
                hostname: "host".into(),
                subdomain: "svc".into(),
            }));
        }
        if shape.shaky_node {
            new.node = Some("shaky".into());
        }
        let name = new.key.name.clone();
        self.seen.pods.insert(name.clone(), new);
        self.pod_changed(&name);
    }

    fn call(&self, n: usize) -> Option<usize> {
        n.checked_rem(self.calls.len())
    }

    pub(super) fn planned(&mut self, limit: usize) -> Plan {
        let (now, mut turns) = (self.now, self.turns);
        let plan = self.with(|state, cx| state.plan(cx, limit, now, &mut turns).unwrap());
        self.turns = turns;
        self.look_again = plan.look_again;
        plan
    }

    fn plan(&mut self, limit: usize) -> Result<usize, String> {
        let is_idle = self.calls.is_empty() && !self.state.has_work();
        let plan = self.planned(limit);
        self.merges += usize::from(is_idle && !plan.writes.is_empty());
        if plan.writes.len() > limit {
            return Err(format!("{} writes planned, {limit} asked for", plan.writes.len()));
        }
        let count = plan.writes.len();
        for write in plan.writes {
            let state = self.states;
            if self
                .calls
                .iter()
                .any(|call| call.state == state && call.write.key == write.key)
            {
                return Err(format!("two writes of {} at once", write.key));
            }
            self.last_write = self.last_write.max(write.id.0);
            self.calls.push(Call {
                write,
                state,
                outcome: None,
            });
        }
        Ok(count)
    }

    /// The apiserver carries a write out, unless it did already.
    fn carry(&mut self, at: usize) -> Result<(), String> {
        if self.calls[at].outcome.is_some() {
            return Ok(());
        }
        let write = self.calls[at].write.clone();
        let before = self.union();
        let outcome = self.perform(&write);
        self.note_taken_out(&write, &outcome);
        self.calls[at].outcome = Some(outcome);
        self.expect_nobody_missing(&before, &write)
    }

    fn answer(&mut self, at: usize) -> Result<(), String> {
        self.carry(at)?;
        let call = self.calls.remove(at);
        self.finish(&call.write, call.outcome.unwrap());
        Ok(())
    }

    fn finish(&mut self, write: &Write, outcome: Outcome) {
        match &outcome {
            Outcome::Stored(slice) => {
                self.seen
                    .slices
                    .observe_written(slice, &mut |_: &World, _: &Delta<'_>| {});
            }
            Outcome::Deleted => {
                if let Op::Delete { uid, .. } = &write.op {
                    let mut nobody = |_: &World, _: &Delta<'_>| {};
                    self.seen
                        .slices
                        .observe_deleted::<SliceRecord>(&write.key, uid, &mut nobody);
                }
            }
            Outcome::Deleting | Outcome::Failed(_) => {}
        }
        let name = &write.key.name;
        let stored = match outcome {
            Outcome::Stored(_) | Outcome::Deleted | Outcome::Deleting => true,
            Outcome::Failed(failure) => failure == Failure::Other,
        };
        let after = self.with(|state, cx| state.finished(cx, name, write.id, outcome));
        if stored || after == Finished::Unknown {
            let known = self.seen.slices.slice(&write.key).cloned();
            match known {
                Some(slice) if self.state.known_version(name) == Some(&slice.resource_version) => {}
                Some(slice) if is_of_service(&slice) => {
                    self.with(|state, cx| _ = state.slice_seen(cx, slice));
                }
                _ => self.with(|state, cx| _ = state.slice_gone(cx, name)),
            }
        }
    }

    /// The watch tells its next changes, of which the world ignores those it knows to be old.
    fn tell(&mut self, count: usize) {
        let count = count.min(self.untold.len());
        for (slice, there) in self.untold.drain(..count).collect::<Vec<_>>() {
            let mut deltas: Vec<(Text, Option<Arc<SliceRecord>>)> = Vec::new();
            let mut view = |_: &World, delta: &Delta<'_>| {
                if let Delta::Slice {
                    change,
                    origin: Origin::Watch,
                } = delta
                {
                    let name = change.latest().key.name.clone();
                    deltas.push((name, change.after().cloned()));
                }
            };
            if there {
                self.seen.slices.apply(slice, &mut view);
            } else {
                self.seen
                    .slices
                    .delete::<SliceRecord>(&slice.key, &slice.uid, &mut view);
            }
            for (name, after) in deltas {
                match after.filter(|slice| is_of_service(slice)) {
                    Some(slice) => self.with(|state, cx| _ = state.slice_seen(cx, slice)),
                    None => self.with(|state, cx| _ = state.slice_gone(cx, &name)),
                }
            }
        }
    }

    /// The endpoint that a Pod should have.
    pub(super) fn desired(&self, pod: &PodRecord, family: IpFamily) -> Option<EndpointRecord> {
        let node = pod.node.as_ref().and_then(|node| self.seen.nodes.get(node));
        let counts = backing::backs(pod, true)
            && !convert::lacks_node(&self.service, node)
            && self.service.slice_families().contains(&family);
        let mode = HintMode::of(&self.service, self.settings.rules);
        counts
            .then(|| convert::endpoint(&self.service, pod, node, family, mode))
            .flatten()
    }

    /// Everything is answered and told, and what is left is written without further ado. Then nothing happens for as long as
    /// something may come of it.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        // A namespace that was thought to be going is not.
        self.refresh();
        let mut merges = self.merges;
        let mut idle = 0;
        while idle < MOST_IDLE {
            self.come_to_rest()?;
            if !self.wait() {
                return Ok(());
            }
            idle = if self.merges > merges { 0 } else { idle + 1 };
            merges = self.merges;
        }
        Ok(())
    }

    fn come_to_rest(&mut self) -> Result<(), String> {
        for _ in 0..300 {
            while !self.calls.is_empty() {
                self.answer(0)?;
            }
            self.tell(usize::MAX);
            if self.plan(16)? == 0 {
                return Ok(());
            }
        }
        Err("never settles".to_owned())
    }
}

pub(super) fn is_of_service(slice: &SliceRecord) -> bool {
    slice.service_name().is_some()
}

pub(super) fn family(slice: &SliceRecord) -> Option<IpFamily> {
    [IpFamily::V4, IpFamily::V6]
        .into_iter()
        .find(|family| family.address_type() == slice.address_type)
}
