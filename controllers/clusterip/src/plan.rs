//! What is to be written for a key.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use quaymaster_allocator::Reason;
use quaymaster_api::{EnforceReservation, ServiceIPPoolStatus};
use quaymaster_engine::{Moment, Planned};
use quaymaster_ipam::reservations::Settled;
use quaymaster_ipam::{Value, lock};
use quaymaster_model::{IpAddressRecord, ObjectKey, ParentRef, ServiceCidrRecord, Text, Timestamp};
use quaymaster_runtime::events::Notice;
use quaymaster_world::{ServiceIpPoolRecord, World};

use crate::controller::{Busy, ClusterIps, Watched};
use crate::guard;
use crate::holds::{self, Object};
use crate::pool_status::{self, CAPACITY_LOW, CRITICAL, EXHAUSTED, OVERLAPPING};
use crate::request::{self, Release};
use crate::reservation_status;
use crate::written::Written;
use crate::{conditions, feed, notices, target};

/// While something of a pool waits or rests its numbers change by themselves.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

impl ClusterIps {
    pub(crate) fn plan_pool(&mut self, world: &World, name: &Text, now: Moment) -> Planned {
        let mut planned = Planned::default();
        let place = self.compiled.iter().position(|one| *one.pool.name == **name);
        let record = world.service_ip_pool(&target::clusterwide(name));
        let (Some(place), Some(record)) = (place, record) else {
            return planned;
        };
        let counts = {
            let index = &mut *lock(&self.index);
            index.addresses.expire(now.at);
            Self::counts(index, place)
        };
        let written = self.pools.entry(name.clone()).or_default();
        written.was_full = counts.iter().any(|counts| counts.size > 0 && counts.free() == 0);
        if written.busy {
            return planned;
        }
        let passing = |reason| counts.iter().any(|counts| counts.of(reason) > 0);
        if passing(Reason::Pending) || passing(Reason::Quarantined) {
            planned.look_again = Some(now.at + LOOK_AGAIN);
        }
        let cidrs: Vec<&ServiceCidrRecord> = world.service_cidrs().map(AsRef::as_ref).collect();
        let wanted = pool_status::status(&pool_status::Facts {
            name,
            generation: record.generation,
            spec: &record.spec,
            compiled: &self.compiled[place],
            counts,
            cidrs: &cidrs,
            old: &record.status,
            wall: now.wall,
        });
        if wanted == *record.status || written.is_refused(&wanted, &record.resource_version) {
            forget_told(written, &wanted);
            return planned;
        }
        if !pool_status::is_urgent(&record.status, &wanted)
            && let Some(until) = written.rests_until(now.at)
        {
            planned.look_again = Some(until);
            return planned;
        }
        planned.notices = pool_notices(record, written, &wanted);
        planned.requests.push(request::pool_status(record, &wanted));
        written.send(wanted, now.at);
        planned
    }

    pub(crate) fn plan_reservation(&mut self, world: &World, key: &ObjectKey, now: Moment) -> Planned {
        let mut planned = Planned::default();
        let index = &mut *lock(&self.index);
        if self.kept.is_due(now.wall) {
            self.kept.settle(world, index, now.wall);
        }
        // Whoever waits for another one to end is to look then.
        planned.look_again = self.kept.next().map(|next| now.at + until(now.wall, next));
        let (Some(record), Some(settled)) = (world.service_reservation(key), self.kept.settled(key)) else {
            return Planned::default();
        };
        let written = self.reservations.entry(key.clone()).or_default();
        if written.busy {
            return planned;
        }
        let service_key = quaymaster_ipam::reservations::service(key, &record.spec);
        let service = world.service_id(&service_key).and_then(|id| world.service(id));
        let values = match settled {
            Settled::Kept { reservation, .. } => reservation.values(),
            _ => Vec::new(),
        };
        let taken = values.iter().find_map(|value| {
            let users = index.ledger(value.class).facts(*value).users;
            let other = users.iter().find(|user| **user != service_key)?;
            Some((*value, other))
        });
        let wanted = reservation_status::status(&reservation_status::Facts {
            key,
            generation: record.generation,
            spec: &record.spec,
            settled,
            service,
            taken,
            old: &record.status,
            wall: now.wall,
        });
        if wanted == *record.status || written.is_refused(&wanted, &record.resource_version) {
            return planned;
        }
        planned
            .requests
            .push(request::reservation_status(record, &wanted));
        written.send(wanted, now.at);
        planned
    }

    pub(crate) fn plan_address(&mut self, world: &World, address: IpAddr, now: Moment) -> Planned {
        let mut watched = self.addresses.remove(&address).unwrap_or_default();
        let planned = self.next_of_address(world, address, now, &mut watched);
        if watched != Watched::default() {
            self.addresses.insert(address, watched);
        }
        planned
    }

    fn next_of_address(&self, world: &World, address: IpAddr, now: Moment, watched: &mut Watched) -> Planned {
        let mut planned = Planned::default();
        if watched.busy.is_some() {
            return planned;
        }
        let record = world.ip_address(&target::clusterwide(&address.to_string()));
        let record = record.map(AsRef::as_ref);
        let index = lock(&self.index);
        let facts = index.addresses.facts(Value::from(address));
        if let Some(user) = facts.users.first() {
            watched.taken_away = None;
            watched.came_too_early = false;
            watched.unheld_since = None;
            let user = user.clone();
            drop(index);
            return self.protect(world, address, record, &user, now.at, watched);
        }
        watched.missing = None;
        watched.unheld_since = None;
        let keeper = self.kept.keeper(Value::from(address)).filter(|key| {
            let record = world.service_reservation(key);
            record.is_some_and(|record| record.spec.enforce == EnforceReservation::Hold)
        });
        let pool = self.pool_of(address).map(|one| &one.pool);
        let pool = pool.filter(|pool| Self::is_enforced(world, &pool.name));
        let resting = pool
            .zip(facts.released)
            .map(|(pool, (at, _))| (pool.name.as_str(), at + pool.rest()));
        let step = holds::next(&holds::Facts {
            object: object(record),
            reserved: keeper,
            resting,
            pending_until: facts.pending_until,
            taken_away: watched.taken_away,
            came_too_early: watched.came_too_early,
            may_hold: self.may_hold(world, address),
            now: now.at,
        });
        match (step, record) {
            (holds::Step::Wait(until), _) => planned.look_again = Some(until),
            (holds::Step::Hold(cause), _) => {
                let release = facts.released.map(|(at, by)| Release {
                    by: by.clone(),
                    at: before(now, at),
                });
                // That of a replica that began later, or that took over, says nothing of the way from here.
                watched.unheld_since = facts
                    .released
                    .map(|(at, _)| at)
                    .filter(|_| watched.taken_away.is_none());
                planned
                    .requests
                    .push(request::hold(address, cause, release.as_ref()));
                watched.busy = Some(Busy::Hold);
            }
            (holds::Step::Release, Some(record)) => {
                planned.requests.push(request::delete(record));
                watched.busy = Some(Busy::Release);
            }
            (holds::Step::Release, None) | (holds::Step::Rest, _) => {
                if keeper.is_some() {
                    // With the reservation its hold goes.
                    planned.look_again = self.kept.next().map(|next| now.at + until(now.wall, next));
                }
                if !matches!(object(record), Object::Allocators) {
                    watched.came_too_early = false;
                }
                watched.taken_away = watched
                    .taken_away
                    .filter(|at| now.at.saturating_duration_since(*at) < holds::HANDED_OVER);
            }
        }
        planned
    }

    /// What is to be written for an address that a Service has.
    fn protect(
        &self,
        world: &World,
        address: IpAddr,
        record: Option<&IpAddressRecord>,
        user: &ObjectKey,
        now: Instant,
        watched: &mut Watched,
    ) -> Planned {
        let mut planned = Planned::default();
        let service = world.service_id(user).and_then(|id| world.service(id));
        let listed = service.and_then(|service| service.cluster_ips.iter().find(|ip| ip.address == address));
        let canonical = listed.is_none_or(|ip| ip.canonical);
        if let Some(record) = record {
            watched.missing = None;
            // One that was made for a pool or a reservation says nothing of the Service.
            let names_it = record.parent.as_ref().and_then(ParentRef::service).as_ref() == Some(user);
            if feed::is_hold(record) && !names_it && record.deleted.is_none() {
                planned.requests.push(request::delete(record));
                watched.busy = Some(Busy::Release);
            }
            return planned;
        }
        let may_hold = self.may_hold(world, address);
        match guard::next(false, watched.missing, canonical, may_hold, now) {
            guard::Step::Rest => watched.missing = None,
            guard::Step::Wait(due) => {
                watched.missing.get_or_insert(guard::Missing {
                    due,
                    confirmed: false,
                });
                planned.look_again = Some(due);
            }
            guard::Step::Look => {
                planned.requests.push(request::look(user));
                watched.busy = Some(Busy::Look);
            }
            guard::Step::Restore => {
                planned.requests.push(request::restore(address, user));
                watched.busy = Some(Busy::Restore);
            }
            guard::Step::Hold => {
                planned.requests.push(request::guard(address, user));
                watched.busy = Some(Busy::Hold);
            }
        }
        planned
    }
}

fn object(record: Option<&IpAddressRecord>) -> Object {
    match record {
        None => Object::Absent,
        Some(record) if feed::is_hold(record) && record.deleted.is_none() => Object::Hold,
        Some(record) if feed::is_hold(record) => Object::Leaving,
        Some(record) if record.is_of_allocator() => Object::Allocators,
        Some(_) => Object::Foreign,
    }
}

/// The time by the wall clock, of one before now.
fn before(now: Moment, at: Instant) -> Timestamp {
    let passed = now.at.saturating_duration_since(at).as_secs();
    Timestamp(
        now.wall
            .0
            .saturating_sub(i64::try_from(passed).unwrap_or(i64::MAX)),
    )
}

/// How long it is until a time by the wall clock. A second more: its seconds are whole.
fn until(wall: Timestamp, then: Timestamp) -> Duration {
    let seconds = u64::try_from(then.0.saturating_sub(wall.0)).unwrap_or(0);
    Duration::from_secs(seconds.saturating_add(1).min(365 * 86_400))
}

/// What an Event tells of: the condition, whether it is so, and the reason of the Event.
fn telling(conditions: &[Condition]) -> [(&'static str, bool, &'static str); 3] {
    let critical = conditions::of(conditions, CAPACITY_LOW).is_some_and(|one| one.reason == CRITICAL);
    [
        (
            OVERLAPPING,
            conditions::holds(conditions, OVERLAPPING),
            "PoolOverlap",
        ),
        (CAPACITY_LOW, critical, "PoolNearlyFull"),
        (
            EXHAUSTED,
            conditions::holds(conditions, EXHAUSTED),
            "PoolExhausted",
        ),
    ]
}

fn forget_told(written: &mut Written<ServiceIPPoolStatus>, wanted: &ServiceIPPoolStatus) {
    for (kind, is_so, _) in telling(&wanted.conditions) {
        if !is_so {
            written.told.remove(kind);
        }
    }
}

/// Events of what becomes so with this status; each once while it lasts, also where the status is written again.
fn pool_notices(
    record: &ServiceIpPoolRecord,
    written: &mut Written<ServiceIPPoolStatus>,
    wanted: &ServiceIPPoolStatus,
) -> Vec<Notice> {
    forget_told(written, wanted);
    let before = telling(&record.status.conditions);
    let after = telling(&wanted.conditions).into_iter().zip(before);
    let became =
        after.filter(|((kind, is_so, _), (_, was_so, _))| *is_so && !was_so && written.told.insert(kind));
    became
        .filter_map(|((kind, _, reason), _)| {
            let condition = conditions::of(&wanted.conditions, kind)?;
            Some(notices::pool(record, reason, &condition.message))
        })
        .collect()
}
