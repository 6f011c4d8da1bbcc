//! The controller as the engine sees it.

mod answers;
mod plans;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quaymaster_api::NodePortPoolStatus;
use quaymaster_engine::{Answer, Controller, Dirty, Moment, Planned, Verdict};
use quaymaster_ipam::status::Pace;
use quaymaster_ipam::{Fed, Shared, lock};
use quaymaster_model::{ObjectKey, ResourceVersion, ServiceRecord, Text, Uid};
use quaymaster_queue::Priority;
use quaymaster_runtime::metrics::Registry;
use quaymaster_world::{Change, Delta, Kind, NodePortPoolRecord, Origin, World};

use crate::feed::{self, Pools};
use crate::metrics::Metrics;
use crate::moves::{self, Moves};
use crate::range::{self, Asker, Bounds};
use crate::{NAME, Options};

/// How long a pool waits for more changes of its numbers: Services come in bursts.
const SETTLE: Duration = Duration::from_millis(100);

/// Feeds the index of node ports, and keeps the statuses of pools.
#[derive(Debug)]
pub struct NodePorts {
    index: Shared,
    clock: fn() -> Instant,
    random: fn() -> u128,
    moves: Option<Moves>,
    asker: Asker,
    /// The key of the question for the range.
    question: ObjectKey,
    /// The pools as they serve.
    pools: Pools,
    /// What is under way.
    busy: HashMap<ObjectKey, Sent>,
    pace: Pace,
    /// Versions at which the apiserver stored something other than what was sent.
    altered: HashMap<ObjectKey, ResourceVersion>,
    /// The Events that were told of pools that still are so, by their reasons.
    told: HashSet<(ObjectKey, &'static str)>,
    metrics: Metrics,
    /// Something changed since the gauges were brought up to date.
    changed: bool,
}

/// A request that is under way.
#[derive(Debug)]
enum Sent {
    Status(Box<NodePortPoolStatus>),
    Question,
    Move {
        uid: Uid,
        ports: Vec<(usize, u16)>,
        pools: Vec<String>,
    },
}

impl NodePorts {
    /// Feeds this index. What is released is released at the time that `clock` tells; `random` gives numbers that nobody can
    /// foresee.
    pub fn new(
        index: Shared,
        options: &Options,
        registry: &Registry,
        clock: fn() -> Instant,
        random: fn() -> u128,
    ) -> Self {
        lock(&index).ports_fed = Fed::NotYet;
        Self {
            index,
            clock,
            random,
            moves: options.moves.then(Moves::default),
            asker: Asker::new(options.range),
            question: range::key(&options.namespace),
            pools: Pools::new(),
            busy: HashMap::new(),
            pace: Pace::default(),
            altered: HashMap::new(),
            told: HashSet::new(),
            metrics: Metrics::register(registry),
            changed: true,
        }
    }

    /// Pools are others, or the apiserver's range is.
    fn compile(&mut self, world: &World) {
        self.pools = feed::pools(&mut lock(&self.index), world, self.asker.known());
        self.changed = true;
    }

    /// The apiserver's range is this one.
    fn learn(&mut self, world: &World, bounds: Bounds) {
        tracing::info!(
            first = bounds.0,
            last = bounds.1,
            "kube-apiserver's range of node ports is known"
        );
        self.compile(world);
    }

    /// The range is to be asked for, by the replica that writes. Pools wait for the answer.
    fn ask(&mut self, world: &World, dirty: &mut Dirty) {
        if self.asker.ask() {
            dirty.mark(self.question.clone(), Priority::Normal, Duration::ZERO);
        }
        mark_all(world, dirty, Duration::ZERO);
    }

    fn service_changed(&mut self, world: &World, change: Change<'_, ServiceRecord>, dirty: &mut Dirty) {
        let (before, service) = (change.before(), change.latest());
        let there = change.after().is_some();
        if !there {
            self.moved_away(&service.key, dirty);
        }
        let ports = |service: &ServiceRecord| -> Vec<u16> {
            let ports = service.ports.iter().map(|port| port.node_port);
            ports.chain([service.health_check_node_port]).collect()
        };
        let had = before.map(ports);
        let same = there && had == Some(ports(service));
        let mut index = lock(&self.index);
        let pools = feed::service(&mut index, service, there, (self.clock)());
        // Labels decide whether it counts as foreign.
        if !same || before.is_some_and(|before| before.labels != service.labels) {
            self.changed = true;
            for pool in pools {
                dirty.mark(pool, Priority::Low, SETTLE);
            }
        }
        let has = if there { ports(service) } else { Vec::new() };
        let new = |port: &&u16| **port != 0 && had.as_ref().is_none_or(|had| !had.contains(port));
        let beyond = |port: &u16| {
            let known = self.asker.known();
            known.is_some_and(|(first, last)| !(first..=last).contains(port))
        };
        let contradicts = has.iter().filter(new).any(beyond);
        if there && self.moves.is_some() && !moves::outside(&index, service).is_empty() {
            dirty.mark(service.key.clone(), Priority::Normal, Duration::ZERO);
        }
        drop(index);
        if contradicts {
            // The apiserver gives what it is not known to have.
            self.ask(world, dirty);
        }
    }

    /// Pools or namespaces are others: whoever is outside of them now may have to be moved. Which of them are young is seen later.
    fn mark_outside(&self, world: &World, dirty: &mut Dirty) {
        if self.moves.is_none() {
            return;
        }
        let index = lock(&self.index);
        for (_, service) in world.services() {
            if !moves::outside(&index, service).is_empty() {
                dirty.mark(service.key.clone(), Priority::Low, Duration::ZERO);
            }
        }
    }

    fn moved_away(&mut self, key: &ObjectKey, dirty: &mut Dirty) {
        if let Some(moves) = &mut self.moves {
            moves.forget(key);
            self.busy.remove(key);
            dirty.forget(key.clone());
        }
    }

    fn pool_changed(
        &mut self,
        world: &World,
        change: Change<'_, Arc<NodePortPoolRecord>>,
        origin: Origin,
        dirty: &mut Dirty,
    ) {
        let pool = change.latest();
        let serves =
            |pool: &Arc<NodePortPoolRecord>| (pool.uid.clone(), pool.created, Arc::clone(&pool.spec));
        if change.after().is_none() {
            self.busy.remove(&pool.key);
            self.altered.remove(&pool.key);
            self.pace.forget(&pool.key);
            self.told.retain(|(key, _)| *key != pool.key);
            dirty.forget(pool.key.clone());
        }
        if change.before().map(serves) != change.after().map(serves) {
            self.compile(world);
            mark_all(world, dirty, Duration::ZERO);
            self.mark_outside(world, dirty);
            if self.asker.port().is_some() {
                dirty.mark(self.question.clone(), Priority::Normal, Duration::ZERO);
            }
        } else if origin == Origin::Watch {
            dirty.mark(pool.key.clone(), Priority::Normal, Duration::ZERO);
        }
        let said = change.after().and_then(|pool| bounds(&pool.status));
        if let Some(bounds) = said.filter(|_| origin == Origin::Watch)
            && self.asker.learned(bounds)
        {
            self.learn(world, bounds);
            // Whoever wrote it was the one to ask, or it is wrong: if this replica writes, it finds out.
            self.ask(world, dirty);
        }
    }
}

/// The range as a status says it.
fn bounds(status: &NodePortPoolStatus) -> Option<Bounds> {
    let range = status.server_range?;
    (range.first != 0 && range.first <= range.last).then_some((range.first, range.last))
}

fn mark_all(world: &World, dirty: &mut Dirty, delay: Duration) {
    for pool in world.node_port_pools() {
        dirty.mark(pool.key.clone(), Priority::Normal, delay);
    }
}

impl Controller for NodePorts {
    fn name(&self) -> &'static str {
        NAME
    }

    fn reads(&self) -> &'static [Kind] {
        &[Kind::Service, Kind::Namespace, Kind::NodePortPool]
    }

    fn start(&mut self, world: &World, dirty: &mut Dirty) {
        // What the writing replica has found out.
        let said = world.node_port_pools().find_map(|pool| bounds(&pool.status));
        if let Some(said) = said {
            self.asker.learned(said);
        }
        self.compile(world);
        let now = (self.clock)();
        let mut index = lock(&self.index);
        for namespace in world.namespaces() {
            index.set_namespace(&namespace.name, Some(namespace.labels.clone()));
        }
        for (_, service) in world.services() {
            feed::service(&mut index, service, true, now);
        }
        index.ports_fed = Fed::Whole;
        drop(index);
        self.mark_outside(world, dirty);
        self.ask(world, dirty);
    }

    fn on(&mut self, world: &World, delta: &Delta<'_>, dirty: &mut Dirty) {
        match delta {
            Delta::Service { change, .. } => self.service_changed(world, *change, dirty),
            Delta::Namespace { change } => {
                let labels = |namespace: Option<&quaymaster_model::NamespaceRecord>| {
                    namespace.map(|namespace| namespace.labels.clone())
                };
                let after = labels(change.after());
                if labels(change.before()) != after {
                    lock(&self.index).set_namespace(&change.latest().name, after);
                    self.changed = true;
                    mark_all(world, dirty, SETTLE);
                    self.mark_outside(world, dirty);
                }
            }
            Delta::NodePortPool { change, origin } => self.pool_changed(world, *change, *origin, dirty),
            _ => {}
        }
    }

    fn term_began(&mut self, world: &World, dirty: &mut Dirty) {
        self.busy.clear();
        self.ask(world, dirty);
    }

    fn plan(&mut self, world: &World, key: &ObjectKey, _: usize, now: Moment) -> Planned {
        if self.busy.contains_key(key) {
            return Planned::default();
        }
        if *key == self.question {
            return self.plan_question(world);
        }
        if key.namespace.is_empty() {
            return self.plan_pool(world, key, now);
        }
        self.plan_move(world, key, now)
    }

    fn answered(&mut self, world: &World, answer: &Answer<'_>) -> Verdict {
        match self.busy.remove(answer.key) {
            Some(Sent::Question) => self.question_answered(world, answer),
            Some(Sent::Status(status)) => self.status_answered(world, answer, &status),
            Some(Sent::Move { uid, ports, pools }) => self.move_answered(world, answer, uid, &ports, &pools),
            // Of another term, or of an object that is gone since.
            None => Verdict::Again,
        }
    }

    fn measure(&mut self, world: &World) {
        let mut index = lock(&self.index);
        index.ports.expire((self.clock)());
        // What changes without a change of an object is little, and counted by the ledger; the rest is not worth a look each second.
        let waits = index.ports.next_expiry().is_some();
        if !self.changed && !waits {
            return;
        }
        self.changed = waits;
        let names: Vec<&Text> = self.pools.keys().collect();
        let numbers = names
            .into_iter()
            .map(|name| (name.as_str(), feed::numbers(&index, world, name)));
        self.metrics.show(numbers.collect::<Vec<_>>());
    }

    fn rival(&self) -> &'static str {
        "is there a second quaymaster? give all replicas \
         --leader-elect"
    }
}
