//! The controller as the engine sees it.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quaymaster_allocator::{Counts, Spans};
use quaymaster_api::{EnforceAddresses, ServiceIPPoolStatus, ServiceReservationStatus};
use quaymaster_engine::{Answer, Controller, Dirty, Moment, Planned, Verdict};
use quaymaster_ipam::compile::Compiled;
use quaymaster_ipam::{Class, Fed, Index, Shared, Value, lock};
use quaymaster_model::{IpAddressRecord, ObjectKey, ServiceCidrRecord, ServiceRecord, Text};
use quaymaster_queue::Priority;
use quaymaster_runtime::metrics::Registry;
use quaymaster_world::{Change, Delta, Kind, Origin, ServiceIpPoolRecord, ServiceReservationRecord, World};

use crate::guard::{self, Missing};
use crate::kept::{Changed, Kept};
use crate::metrics::Metrics;
use crate::target::{self, Target};
use crate::written::Written;
use crate::{NAME, feed};

/// So long the numbers of a pool may be behind: what changes meanwhile is one write.
const SETTLE: Duration = Duration::from_secs(1);

/// Gauges are brought up to date once in so many calls, which come once a second.
const MEASURE_EVERY: u32 = 5;

/// Where IPAddresses may hold addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holds {
    /// Also within `--service-cluster-ip-range` of the apiserver. Kubernetes 1.33 keeps a bitmap beside the objects, in which an
    /// address that somebody tries to get while it is held is lost for good, unless it runs with
    /// `--feature-gates=DisableAllocatorDualWrite=true`.
    pub in_default_range: bool,
}

/// Feeds the index of addresses, keeps the status of pools and reservations, and IPAddresses that hold addresses back.
#[derive(Debug)]
pub struct ClusterIps {
    pub(crate) index: Shared,
    pub(crate) clock: fn() -> Moment,
    pub(crate) holds: Holds,
    pub(crate) metrics: Metrics,
    measured: u32,
    /// By the places of the ledger.
    pub(crate) compiled: Vec<Compiled<Spans>>,
    pub(crate) kept: Kept,
    pub(crate) pools: HashMap<Text, Written<ServiceIPPoolStatus>>,
    pub(crate) reservations: HashMap<ObjectKey, Written<ServiceReservationStatus>>,
    pub(crate) addresses: HashMap<IpAddr, Watched>,
}

/// What is known of an address beyond the world and the index.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Watched {
    /// What is under way.
    pub(crate) busy: Option<Busy>,
    pub(crate) missing: Option<Missing>,
    /// See [`crate::holds::Facts`].
    pub(crate) taken_away: Option<Instant>,
    /// See [`crate::holds::Facts`].
    pub(crate) came_too_early: bool,
    /// When it was released, until it is held.
    pub(crate) unheld_since: Option<Instant>,
}

/// What is under way for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Busy {
    Look,
    Restore,
    Hold,
    Release,
}

impl ClusterIps {
    /// Feeds this index, by the time that `clock` tells.
    pub fn new(index: Shared, clock: fn() -> Moment, holds: Holds, registry: &Registry) -> Self {
        lock(&index).addresses_fed = Fed::NotYet;
        Self {
            index,
            clock,
            holds,
            metrics: Metrics::register(registry),
            measured: 0,
            compiled: Vec::new(),
            kept: Kept::default(),
            pools: HashMap::new(),
            reservations: HashMap::new(),
            addresses: HashMap::new(),
        }
    }

    /// The pool that has an address, whether it is in force or not.
    pub(crate) fn pool_of(&self, address: IpAddr) -> Option<&Compiled<Spans>> {
        self.compiled.iter().find(|one| one.effective.contains(address))
    }

    /// Whether releases of a pool are to bind the apiserver's allocator as well.
    pub(crate) fn is_enforced(world: &World, pool: &str) -> bool {
        // A finalizer on the live object leaves no gap; without it the hold is the next best.
        let pool = world.service_ip_pool(&target::clusterwide(pool));
        pool.is_some_and(|pool| {
            let enforce = pool.spec.quarantine.enforce;
            matches!(enforce, EnforceAddresses::Hold | EnforceAddresses::Gapless)
        })
    }

    /// Whether an address may be held by an object.
    pub(crate) fn may_hold(&self, world: &World, address: IpAddr) -> bool {
        let of_default = |cidr: &Arc<ServiceCidrRecord>| {
            *cidr.key.name == *feed::DEFAULT && cidr.cidrs.iter().any(|net| net.contains(&address))
        };
        self.holds.in_default_range || !world.service_cidrs().any(of_default)
    }

    /// How many addresses of a pool are what.
    pub(crate) fn counts(index: &Index, place: usize) -> [Counts; 2] {
        [Class::V4, Class::V6].map(|class| index.addresses.counts(place, class))
    }

    fn read_pools(&mut self, world: &World, index: &mut Index, dirty: &mut Dirty) {
        self.compiled = feed::pools(index, world);
        for pool in &self.compiled {
            dirty.mark(target::pool(&pool.pool.name), Priority::Normal, Duration::ZERO);
        }
        let held = world.ip_addresses().filter(|record| feed::is_hold(record));
        let held: BTreeSet<Value> = held
            .filter_map(|record| record.address)
            .map(Value::from)
            .collect();
        for value in index.addresses.released().chain(held) {
            mark_value(value, Duration::ZERO, dirty);
        }
    }

    fn settle(&mut self, world: &World, index: &mut Index, dirty: &mut Dirty) {
        let Changed { reservations, values } = self.kept.settle(world, index, (self.clock)().wall);
        for key in reservations {
            dirty.mark(key, Priority::Normal, Duration::ZERO);
        }
        for value in values {
            mark_value(value, Duration::ZERO, dirty);
            self.mark_pool(index, value, dirty);
        }
    }

    /// The numbers of the pool of a value have changed.
    fn mark_pool(&self, index: &Index, value: Value, dirty: &mut Dirty) {
        let ledger = &index.addresses;
        let Some((place, pool)) = ledger
            .pool_of(value)
            .and_then(|place| Some((place, ledger.pool(place)?)))
        else {
            return;
        };
        let (free, size) = ledger.room(place, value.class);
        let written = self.pools.get(pool.name.as_str());
        let turned = written.is_some_and(|written| written.was_full != (free == 0 && size > 0));
        let delay = if turned { Duration::ZERO } else { SETTLE };
        dirty.mark(target::pool(&pool.name), Priority::Low, delay);
    }

    fn service_changed(&mut self, world: &World, change: Change<'_, ServiceRecord>, dirty: &mut Dirty) {
        let shared = Arc::clone(&self.index);
        let index = &mut *lock(&shared);
        let now = (self.clock)();
        let (key, there) = (&change.latest().key, change.after().is_some());
        feed::service(index, change.latest(), there, now);
        let had = change.before().map(feed::addresses).unwrap_or_default();
        let has = change.after().map(feed::addresses).unwrap_or_default();
        let lost = had.iter().filter(|value| !has.contains(value));
        let got = has.iter().filter(|value| !had.contains(value));
        for value in lost.clone() {
            // Whoever comes first after the apiserver has freed it has it.
            if let Some(key) = target::value(*value) {
                dirty.mark(key, Priority::Urgent, Duration::ZERO);
            }
        }
        for value in got.clone() {
            if let Some(address) = value.address() {
                self.address_got(world, address, now.at, dirty);
            }
        }
        for value in lost.chain(got) {
            self.mark_pool(index, *value, dirty);
        }
        self.tell_reservations(change, dirty);
        if change.before().is_some() != there && !self.kept.of_service(key).is_empty() {
            self.settle(world, index, dirty);
        }
    }

    /// A Service has an address from now on.
    fn address_got(&mut self, world: &World, address: IpAddr, now: Instant, dirty: &mut Dirty) {
        let record = world.ip_address(&target::clusterwide(&address.to_string()));
        if record.is_none() {
            let missing = Missing {
                due: now + guard::AFTER_SERVICE,
                confirmed: false,
            };
            self.addresses.entry(address).or_default().missing = Some(missing);
            dirty.mark(target::address(address), Priority::Low, guard::AFTER_SERVICE);
        } else if record.is_some_and(|record| feed::is_hold(record)) {
            dirty.mark(target::address(address), Priority::Low, Duration::ZERO);
        }
    }

    /// What reservations say of a Service may have changed.
    fn tell_reservations(&self, change: Change<'_, ServiceRecord>, dirty: &mut Dirty) {
        let values = |service: Option<&ServiceRecord>| -> Vec<Value> {
            let of = |service: &ServiceRecord| [feed::addresses(service), feed::ports(service)].concat();
            service.map(of).unwrap_or_default()
        };
        let (had, has) = (values(change.before()), values(change.after()));
        if had == has && change.before().is_some() && change.after().is_some() {
            return;
        }
        let others = had
            .iter()
            .chain(&has)
            .flat_map(|value| self.kept.of_value(*value));
        for key in self.kept.of_service(&change.latest().key).iter().chain(others) {
            dirty.mark(key.clone(), Priority::Normal, Duration::ZERO);
        }
    }

    fn address_changed(
        &mut self,
        change: Change<'_, Arc<IpAddressRecord>>,
        origin: Origin,
        dirty: &mut Dirty,
    ) {
        let Some(address) = change.latest().address else {
            return;
        };
        let shared = Arc::clone(&self.index);
        let index = &mut *lock(&shared);
        let now = (self.clock)();
        let value = Value::from(address);
        feed::ip_address(index, change.latest(), change.after().is_some(), now);
        self.mark_pool(index, value, dirty);
        let key = target::address(address);
        if let Some(after) = change.after() {
            if feed::is_hold(after) {
                dirty.mark(key, Priority::Low, Duration::ZERO);
            } else if let Some(watched) = self.addresses.get_mut(&address) {
                watched.missing = None;
            }
            return;
        }
        let facts = index.addresses.facts(value);
        if !facts.users.is_empty() {
            let missing = Missing {
                due: now.at + guard::AFTER_DELETION,
                confirmed: false,
            };
            self.addresses.entry(address).or_default().missing = Some(missing);
            dirty.repair(key, guard::AFTER_DELETION);
            return;
        }
        let watched = self.addresses.entry(address).or_default();
        watched.came_too_early = false;
        let by_us = origin == Origin::OwnWrite || watched.busy == Some(Busy::Release);
        if feed::is_hold(change.latest()) && !by_us {
            watched.taken_away = Some(now.at);
        }
        if facts.released.is_some() || facts.reserved.is_some() {
            dirty.mark(key, Priority::Urgent, Duration::ZERO);
        } else if *watched == Watched::default() || watched.busy.is_none() {
            self.addresses.remove(&address);
        }
    }

    fn pool_changed(
        &mut self,
        world: &World,
        change: Change<'_, Arc<ServiceIpPoolRecord>>,
        dirty: &mut Dirty,
    ) {
        let decides =
            |pool: &Arc<ServiceIpPoolRecord>| (pool.uid.clone(), pool.created, Arc::clone(&pool.spec));
        let key = target::pool(&change.latest().key.name);
        if change.before().map(decides) == change.after().map(decides) {
            // The status alone: our own, mostly.
            dirty.mark(key, Priority::Low, Duration::ZERO);
            return;
        }
        let shared = Arc::clone(&self.index);
        self.read_pools(world, &mut lock(&shared), dirty);
        if change.after().is_none() {
            self.pools.remove(&change.latest().key.name);
            dirty.forget(key);
        }
    }

    fn reservation_changed(
        &mut self,
        world: &World,
        change: Change<'_, Arc<ServiceReservationRecord>>,
        dirty: &mut Dirty,
    ) {
        let key = change.latest().key.clone();
        let shared = Arc::clone(&self.index);
        self.settle(world, &mut lock(&shared), dirty);
        if change.after().is_none() {
            self.reservations.remove(&key);
            dirty.forget(key);
            return;
        }
        dirty.mark(key, Priority::Normal, Duration::ZERO);
        // By its end alone others may have changed of which nothing told.
        for value in self.kept.values() {
            mark_value(value, Duration::ZERO, dirty);
        }
    }

    /// Looks at everything.
    fn mark_all(&mut self, world: &World, dirty: &mut Dirty) {
        let shared = Arc::clone(&self.index);
        let index = &mut *lock(&shared);
        self.read_pools(world, index, dirty);
        self.settle(world, index, dirty);
        for record in world.service_reservations() {
            dirty.mark(record.key.clone(), Priority::Normal, Duration::ZERO);
        }
        for value in self.kept.values() {
            mark_value(value, Duration::ZERO, dirty);
        }
        let now = (self.clock)().at;
        for (_, service) in world.services() {
            for ip in &service.cluster_ips {
                self.address_got(world, ip.address, now, dirty);
            }
        }
    }
}

fn mark_value(value: Value, delay: Duration, dirty: &mut Dirty) {
    if let Some(key) = target::value(value) {
        dirty.mark(key, Priority::Normal, delay);
    }
}

impl Controller for ClusterIps {
    fn name(&self) -> &'static str {
        NAME
    }

    fn reads(&self) -> &'static [Kind] {
        &[
            Kind::Service,
            Kind::IpAddress,
            Kind::ServiceCidr,
            Kind::Namespace,
            Kind::ServiceIpPool,
            Kind::ServiceReservation,
        ]
    }

    fn start(&mut self, world: &World, dirty: &mut Dirty) {
        let now = (self.clock)();
        {
            let shared = Arc::clone(&self.index);
            let index = &mut *lock(&shared);
            self.compiled = feed::pools(index, world);
            for (_, service) in world.services() {
                feed::service(index, service, true, now);
            }
            for address in world.ip_addresses() {
                feed::ip_address(index, address, true, now);
            }
            for namespace in world.namespaces() {
                index.set_namespace(&namespace.name, Some(namespace.labels.clone()));
            }
        }
        self.mark_all(world, dirty);
        lock(&self.index).addresses_fed = Fed::Whole;
    }

    fn on(&mut self, world: &World, delta: &Delta<'_>, dirty: &mut Dirty) {
        match delta {
            Delta::Service { change, .. } => self.service_changed(world, *change, dirty),
            Delta::IpAddress { change, origin } => self.address_changed(*change, *origin, dirty),
            Delta::Namespace { change } => {
                let labels = change.after().map(|namespace| namespace.labels.clone());
                lock(&self.index).set_namespace(&change.latest().name, labels);
            }
            Delta::ServiceCidr { .. } => {
                let shared = Arc::clone(&self.index);
                self.read_pools(world, &mut lock(&shared), dirty);
            }
            Delta::ServiceIpPool { change, .. } => self.pool_changed(world, *change, dirty),
            Delta::ServiceReservation { change, .. } => self.reservation_changed(world, *change, dirty),
            _ => {}
        }
    }

    fn term_began(&mut self, world: &World, dirty: &mut Dirty) {
        // What was under way in an earlier term is answered, or never will be.
        for written in self.pools.values_mut() {
            written.busy = false;
        }
        for written in self.reservations.values_mut() {
            written.busy = false;
        }
        for watched in self.addresses.values_mut() {
            watched.busy = None;
        }
        self.mark_all(world, dirty);
    }

    fn plan(&mut self, world: &World, key: &ObjectKey, _: usize, now: Moment) -> Planned {
        match Target::of(key) {
            Some(Target::Pool(name)) => self.plan_pool(world, &name, now),
            Some(Target::Address(address)) => self.plan_address(world, address, now),
            Some(Target::Reservation(key)) => self.plan_reservation(world, &key, now),
            None => Planned::default(),
        }
    }

    fn answered(&mut self, world: &World, answer: &Answer<'_>) -> Verdict {
        match Target::of(answer.key) {
            Some(Target::Pool(name)) => self.pool_answered(&name, answer),
            Some(Target::Address(address)) => self.address_answered(world, address, answer),
            Some(Target::Reservation(key)) => self.reservation_answered(&key, answer),
            None => Verdict::Done,
        }
    }

    fn measure(&mut self, world: &World) {
        let now = (self.clock)();
        let shared = Arc::clone(&self.index);
        let index = &mut *lock(&shared);
        index.addresses.expire(now.at);
        if self.kept.is_due(now.wall) {
            // Where this replica writes, the plan of whoever waits for it looks as well.
            self.kept.settle(world, index, now.wall);
        }
        if self.measured.is_multiple_of(MEASURE_EVERY) {
            let pools = self.compiled.iter().enumerate();
            self.metrics
                .show(pools.map(|(place, one)| (one.pool.name.as_str(), Self::counts(index, place))));
        }
        self.measured = self.measured.wrapping_add(1);
    }

    fn rival(&self) -> &'static str {
        "kube-apiserver's repair loop deletes IPAddresses of Services whose address is not spelled canonically, and of a second \
         family that was added right after the creation; or is there a second quaymaster that does not know of this one?"
    }
}
