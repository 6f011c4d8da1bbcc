//! Which value is whose, and which are free.

mod facts;
mod grants;
mod known;
mod part;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use quaymaster_allocator::{Counts, Given, shards};
use quaymaster_model::ObjectKey;
use smallvec::SmallVec;

use crate::blocks::Blocks;
use crate::pool::Pool;
use crate::space::Space;
use crate::{Class, Value};
use known::{Known, Released};
use part::Part;

pub use facts::Facts;
pub use known::{AddressObject, Holder, Owner};

/// How long a value that was handed out waits for its Service: the apiserver cuts a request at 34 s, and what is in flight then
/// may still arrive.
pub const PENDING: Duration = Duration::from_secs(75);

/// Which value is whose, and which are free, by what was read of Services and IPAddresses and what was handed out.
///
/// Values are known whether or not a pool serves them, so that a pool that comes finds what is taken of it.
#[derive(Debug, Default)]
pub struct Ledger {
    pools: Vec<Held>,
    /// Of each sort, which numbers are of which pool; sorted, apart from each other.
    served: [Vec<(u128, u128, usize)>; 3],
    values: HashMap<Value, Known>,
    /// All Services that there are.
    services: HashMap<ObjectKey, SmallVec<[Value; 2]>>,
    /// What was handed out to Services that are not seen yet.
    granted: HashMap<ObjectKey, Vec<Grant>>,
    /// IPAddresses of the apiserver's that name a Service which never listed them while we looked.
    stray: HashMap<ObjectKey, SmallVec<[Value; 1]>>,
    /// The same by address.
    stray_of: HashMap<Value, ObjectKey>,
    /// What was released, by whose it was.
    left: HashMap<ObjectKey, SmallVec<[Value; 2]>>,
    /// When pending values end, in order: all wait equally long.
    deadlines: VecDeque<(Instant, Value)>,
    replicas: Replicas,
}

#[derive(Debug)]
struct Held {
    pool: Pool,
    parts: [Part; 3],
}

/// The replicas that hand values out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replicas {
    /// This one.
    pub me: String,
    /// All of them as they are now.
    pub now: Vec<String>,
    /// All of them as they were a while ago: what was handed out then may still be under way.
    pub before: Vec<String>,
}

/// What a value was handed out for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// `spec.clusterIPs`
    ClusterIp,
    /// `nodePort` of the ports with this number.
    NodePort(i32),
    /// `spec.healthCheckNodePort`
    HealthCheck,
}

/// A value that was handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// For what.
    pub slot: Slot,
    /// Which.
    pub value: Value,
}

/// A value that is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Which.
    pub value: Value,
    /// The place of its pool in [`Ledger::pools`].
    pub pool: usize,
    /// Another replica may give it at this moment: only a claim keeps two from choosing it.
    pub of_another: bool,
}

impl Ledger {
    /// The pools, by the places that are used for them here.
    pub fn pools(&self) -> impl ExactSizeIterator<Item = &Pool> {
        self.pools.iter().map(|held| &held.pool)
    }

    /// One of them.
    pub fn pool(&self, place: usize) -> Option<&Pool> {
        self.pools.get(place).map(|held| &held.pool)
    }

    /// Other pools serve from now on, of which no two serve the same value. Nothing that is known of values is lost.
    pub fn set_pools(&mut self, pools: Vec<Pool>) {
        let replicas = &self.replicas;
        let held = pools.into_iter().map(|pool| Held {
            parts: Class::ALL.map(|class| {
                let space = Space::new(pool.serves(class));
                let blocks = replicas.blocks(&pool.name, class, &space);
                Part::new(space, pool.rest(), blocks)
            }),
            pool,
        });
        self.pools = held.collect();
        for class in Class::ALL {
            let served = self.pools.iter().enumerate().flat_map(|(place, held)| {
                let intervals = held.parts[class as usize].space.intervals();
                intervals.map(move |interval| (*interval.start(), *interval.end(), place))
            });
            let mut served: Vec<_> = served.collect();
            served.sort_unstable();
            self.served[class as usize] = served;
        }
        // What was released comes in the order of release.
        let mut values: Vec<(Option<Instant>, Value)> = self
            .values
            .iter()
            .map(|(value, known)| (known.released.as_ref().map(|released| released.at), *value))
            .collect();
        values.sort_unstable();
        for (_, value) in values {
            self.judge(value);
        }
    }

    /// The replicas are others now.
    pub fn set_replicas(&mut self, replicas: Replicas) {
        if self.replicas == replicas {
            return;
        }
        for held in &mut self.pools {
            for class in Class::ALL {
                let part = &mut held.parts[class as usize];
                part.set_blocks(replicas.blocks(&held.pool.name, class, &part.space));
            }
        }
        self.replicas = replicas;
    }

    /// A Service was read: these values are its own, and those that it had before and has no more are released.
    ///
    /// What had been handed out to it and it does not have is free again.
    pub fn set_service(&mut self, key: &ObjectKey, values: &[Value], now: Instant) {
        let mut values: SmallVec<[Value; 2]> = values.into();
        values.sort_unstable();
        values.dedup();
        let before = self
            .services
            .insert(key.clone(), values.clone())
            .unwrap_or_default();
        let mut came = false;
        for value in values.iter().filter(|value| !before.contains(value)) {
            came = true;
            let known = self.values.entry(*value).or_default();
            known.users.push(key.clone());
            known.leaving = false;
            // Whoever it was handed out to, a Service has it.
            self.forget_grant(*value);
            self.forget_release(*value);
            self.judge(*value);
        }
        for value in before.iter().filter(|value| !values.contains(value)) {
            self.release(*value, key, now);
        }
        // What tells nothing new of its values may be older than what was handed out.
        if came {
            self.withdraw(key);
        }
    }

    /// A Service is gone.
    pub fn remove_service(&mut self, key: &ObjectKey, now: Instant) {
        for value in self.services.remove(key).unwrap_or_default() {
            self.release(value, key, now);
        }
        // What it left behind is of no matter to one that is made under its name.
        for value in self.stray(key).to_vec() {
            if let Some(known) = self.values.get_mut(&value) {
                known.leaving = true;
            }
            self.judge(value);
        }
    }

    /// The values that a Service has.
    pub fn of_service(&self, key: &ObjectKey) -> &[Value] {
        self.services.get(key).map_or(&[], SmallVec::as_slice)
    }

    /// An IPAddress was read, or is gone.
    pub fn set_object(&mut self, address: Value, object: Option<AddressObject>) {
        let known = self.values.entry(address).or_default();
        known.leaving &= object.is_some();
        if let (None, Some(AddressObject::Allocators(Some(parent)))) = (&known.object, &object) {
            // Of a Service that is being created, or that is gone: the apiserver's repair loop may still know that one.
            known.leaving = !self.services.contains_key(parent);
        }
        known.object = object;
        self.judge(address);
    }

    /// A value is kept for a Service, or for nobody any more.
    pub fn set_reserved(&mut self, value: Value, owner: Option<ObjectKey>) {
        self.values.entry(value).or_default().reserved = owner;
        self.judge(value);
    }

    /// Whose a value is.
    pub fn holder(&self, value: Value) -> Option<Holder<'_>> {
        self.values.get(&value).and_then(Known::holder)
    }

    /// All values that more than one Service has.
    pub fn duplicates(&self) -> impl Iterator<Item = (Value, &[ObjectKey])> {
        self.values
            .iter()
            .filter(|(_, known)| known.users.len() > 1)
            .map(|(value, known)| (*value, known.users.as_slice()))
    }

    /// The place of the pool that serves a value.
    pub fn pool_of(&self, value: Value) -> Option<usize> {
        let served = &self.served[value.class as usize];
        let after = served.partition_point(|(start, ..)| *start <= value.number);
        let (_, end, place) = served[..after].last()?;
        (value.number <= *end).then_some(*place)
    }

    /// Whether other replicas may give a value of a pool as well.
    pub fn is_shared(&self, value: Value, pool: usize) -> bool {
        self.pools
            .get(pool)
            .is_some_and(|held| held.parts[value.class as usize].is_shared(value.number))
    }

    /// How many values of a pool there are of each kind.
    pub fn counts(&self, pool: usize, class: Class) -> Counts {
        self.pools
            .get(pool)
            .map_or_else(Counts::default, |held| held.parts[class as usize].counts())
    }

    /// How many values of a pool are free, and how many it has.
    pub fn room(&self, pool: usize, class: Class) -> (u128, u128) {
        self.pools.get(pool).map_or((0, 0), |held| {
            let part = &held.parts[class as usize];
            (part.free(), part.size())
        })
    }

    /// A free value of a pool, and none of those to be avoided. It stays free until [`Ledger::grant`].
    pub fn choose(
        &mut self,
        pool: usize,
        class: Class,
        given: Given,
        now: Instant,
        avoid: &[Value],
    ) -> Option<Chosen> {
        let avoid: SmallVec<[u128; 8]> = avoid
            .iter()
            .filter(|value| value.class == class)
            .map(|value| value.number)
            .collect();
        let held = self.pools.get_mut(pool)?;
        let found = held.parts[class as usize].find(&held.pool, given, now, &avoid)?;
        Some(Chosen {
            value: Value {
                class,
                number: found.number,
            },
            pool,
            of_another: found.of_another,
        })
    }

    /// A value that was released by a Service of this name and is kept for it.
    pub fn retained(&self, key: &ObjectKey, class: Class, now: Instant) -> Option<Chosen> {
        let left = self.left.get(key)?;
        left.iter().find_map(|value| {
            let pool = self.pool_of(*value)?;
            let retain = self.pools[pool].pool.retain();
            let known = self.values.get(value)?;
            let released = known.released.as_ref()?;
            let kept = now.saturating_duration_since(released.at) < retain;
            (value.class == class && kept && known.is_only_released()).then_some(Chosen {
                value: *value,
                pool,
                of_another: false,
            })
        })
    }

    /// Addresses that the apiserver holds for a Service which did not list them while we looked: what a request that failed left
    /// behind.
    pub fn stray(&self, key: &ObjectKey) -> &[Value] {
        self.stray.get(key).map_or(&[], SmallVec::as_slice)
    }

    /// Frees what waited long enough.
    pub fn expire(&mut self, now: Instant) {
        while let Some((until, value)) = self.deadlines.front().copied().filter(|(until, _)| *until <= now) {
            self.deadlines.pop_front();
            let Some(known) = self.values.get(&value) else {
                continue;
            };
            // It may have been handed out again meanwhile.
            if known
                .pending
                .as_ref()
                .is_some_and(|pending| pending.until <= until)
            {
                self.forget_grant(value);
                self.judge(value);
            }
        }
        for pool in 0..self.pools.len() {
            for class in Class::ALL {
                let held = &mut self.pools[pool];
                let part = &mut held.parts[class as usize];
                if part.keeps_rested(&held.pool) {
                    continue;
                }
                for number in part.rested(now) {
                    let value = Value { class, number };
                    self.forget_release(value);
                    self.judge(value);
                }
            }
        }
    }

    /// When [`Ledger::expire`] has something to do next.
    pub fn next_expiry(&mut self) -> Option<Instant> {
        let pending = self.deadlines.front().map(|(until, _)| *until);
        let resting = self.pools.iter_mut().flat_map(|held| {
            let pool = &held.pool;
            let parts = held.parts.iter_mut().filter(|part| !part.keeps_rested(pool));
            parts.filter_map(Part::next_rested)
        });
        pending.into_iter().chain(resting).min()
    }

    /// A value was released at a time before: a hold says so that outlived the process that made it.
    pub fn set_released(&mut self, value: Value, by: &ObjectKey, at: Instant) {
        let known = self.values.entry(value).or_default();
        if known.released.is_none() && known.users.is_empty() {
            known.released = Some(Released { at, by: by.clone() });
            self.left.entry(by.clone()).or_default().push(value);
            self.judge(value);
        }
    }

    fn release(&mut self, value: Value, by: &ObjectKey, now: Instant) {
        let rests = self.pool_of(value).is_some_and(|pool| {
            !self.pools[pool].pool.rest().is_zero() || self.pools[pool].pool.is_least_recent()
        });
        let Some(known) = self.values.get_mut(&value) else {
            return;
        };
        known.users.retain(|user| user != by);
        known.leaving = known.object.is_some();
        if known.users.is_empty() && rests {
            known.released = Some(Released {
                at: now,
                by: by.clone(),
            });
            self.left.entry(by.clone()).or_default().push(value);
        }
        self.judge(value);
    }

    fn forget_release(&mut self, value: Value) {
        let released = self
            .values
            .get_mut(&value)
            .and_then(|known| known.released.take());
        let Some(released) = released else {
            return;
        };
        if let Some(left) = self.left.get_mut(&released.by) {
            left.retain(|one| *one != value);
            if left.is_empty() {
                self.left.remove(&released.by);
            }
        }
    }

    /// Brings what hangs on a value up to date with what is known of it.
    fn judge(&mut self, value: Value) {
        let (reason, since) = match self.values.get(&value) {
            Some(known) => (
                known.reason(),
                known.released.as_ref().map(|released| released.at),
            ),
            None => (None, None),
        };
        if let Some(pool) = self.pool_of(value) {
            self.pools[pool].parts[value.class as usize].set(value.number, reason, since);
        }
        let Some(known) = self.values.get(&value) else {
            return;
        };
        let stray_of = known.stray_of().cloned();
        if known.is_nothing() {
            self.values.remove(&value);
        }
        self.note_stray(value, stray_of);
    }

    fn note_stray(&mut self, value: Value, of: Option<ObjectKey>) {
        let before = match &of {
            Some(key) => self.stray_of.insert(value, key.clone()),
            None => self.stray_of.remove(&value),
        };
        if before == of {
            return;
        }
        if let Some(key) = before
            && let Some(values) = self.stray.get_mut(&key)
        {
            values.retain(|one| *one != value);
            if values.is_empty() {
                self.stray.remove(&key);
            }
        }
        if let Some(key) = of {
            self.stray.entry(key).or_default().push(value);
        }
    }
}

impl Replicas {
    fn blocks(&self, pool: &str, class: Class, space: &Space) -> Blocks {
        let length = match class {
            Class::V4 | Class::V6 => shards::ADDRESSES,
            Class::Port => shards::PORTS,
        };
        Blocks::of(pool, space.size(), length, &self.me, &self.now, &self.before)
    }
}

#[cfg(test)]
mod tests;
