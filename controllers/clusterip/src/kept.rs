//! Reservations, settled against each other.

use std::collections::{BTreeSet, HashMap};

use quaymaster_api::ServiceReservationStatus;
use quaymaster_ipam::reservations::{self, Settled, Wish};
use quaymaster_ipam::{Index, Reservation, Value};
use quaymaster_model::{ObjectKey, Timestamp};
use quaymaster_world::{ServiceReservationRecord, World};

use crate::conditions;
use crate::reservation_status::{BOUND, NO_SERVICE};

/// Reservations, settled against each other, and what the index was told of them.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    settled: HashMap<ObjectKey, Settled>,
    /// By the Service that they are for.
    by_service: HashMap<ObjectKey, Vec<ObjectKey>>,
    /// Those that ask for a value.
    by_value: HashMap<Value, Vec<ObjectKey>>,
    /// Those that keep one.
    keeper: HashMap<Value, ObjectKey>,
    told: HashMap<ObjectKey, Reservation>,
    /// When the first of them ends if no Service comes.
    next: Option<Timestamp>,
}

/// What is to be looked at since reservations are settled otherwise.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    pub(crate) reservations: BTreeSet<ObjectKey>,
    pub(crate) values: BTreeSet<Value>,
}

impl Kept {
    /// Settles all of them anew, and tells the index.
    pub(crate) fn settle(&mut self, world: &World, index: &mut Index, wall: Timestamp) -> Changed {
        let records: Vec<&ServiceReservationRecord> =
            world.service_reservations().map(AsRef::as_ref).collect();
        let wishes: Vec<Wish<'_>> = records.iter().map(|record| wish(world, record)).collect();
        let all = reservations::settle(&wishes, wall);
        let mut new = Self::default();
        let mut told: HashMap<ObjectKey, Reservation> = HashMap::new();
        for (record, settled) in records.into_iter().zip(all) {
            let service = reservations::service(&record.key, &record.spec);
            new.by_service
                .entry(service.clone())
                .or_default()
                .push(record.key.clone());
            if let Settled::Kept {
                service,
                reservation,
                until,
            } = &settled
            {
                for value in reservation.values() {
                    new.keeper.insert(value, record.key.clone());
                    new.by_value.entry(value).or_default().push(record.key.clone());
                }
                told.insert(service.clone(), reservation.clone());
                new.next = new.next.into_iter().chain(*until).min();
            }
            new.settled.insert(record.key.clone(), settled);
        }
        let changed = self.differs(&new);
        for service in self.told.keys().filter(|service| !told.contains_key(*service)) {
            index.set_reservation(service, None);
        }
        // What one loses another one may win: all losses first, or they would take the win back.
        let others: Vec<_> = told
            .iter()
            .filter(|(service, reservation)| self.told.get(*service) != Some(reservation))
            .collect();
        for (service, _) in &others {
            index.set_reservation(service, None);
        }
        for (service, reservation) in others {
            index.set_reservation(service, Some(reservation.clone()));
        }
        new.told = told;
        *self = new;
        changed
    }

    /// Whether one of them has ended since they were settled.
    pub(crate) fn is_due(&self, wall: Timestamp) -> bool {
        self.next.is_some_and(|next| next <= wall)
    }

    /// When the first of them ends, if no Service comes.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.next
    }

    /// What became of one.
    pub(crate) fn settled(&self, key: &ObjectKey) -> Option<&Settled> {
        self.settled.get(key)
    }

    /// The one that keeps a value.
    pub(crate) fn keeper(&self, value: Value) -> Option<&ObjectKey> {
        self.keeper.get(&value)
    }

    /// Those for a Service.
    pub(crate) fn of_service(&self, service: &ObjectKey) -> &[ObjectKey] {
        self.by_service.get(service).map_or(&[], Vec::as_slice)
    }

    /// Those that keep a value.
    pub(crate) fn of_value(&self, value: Value) -> &[ObjectKey] {
        self.by_value.get(&value).map_or(&[], Vec::as_slice)
    }

    /// The values that are kept.
    pub(crate) fn values(&self) -> impl Iterator<Item = Value> {
        self.keeper.keys().copied()
    }

    fn differs(&self, new: &Self) -> Changed {
        let mut changed = Changed::default();
        for (key, settled) in &new.settled {
            if self.settled.get(key) != Some(settled) {
                changed.reservations.insert(key.clone());
            }
        }
        for value in self.keeper.keys().chain(new.keeper.keys()) {
            if self.keeper.get(value) != new.keeper.get(value) {
                changed.values.insert(*value);
            }
        }
        changed
    }
}

fn wish<'a>(world: &World, record: &'a ServiceReservationRecord) -> Wish<'a> {
    let service = reservations::service(&record.key, &record.spec);
    let there = world.service_id(&service).is_some();
    Wish {
        key: &record.key,
        created: record.created,
        spec: &record.spec,
        idle_since: if there {
            None
        } else {
            idle_since(record.created, &record.status)
        },
    }
}

/// Since when a reservation waits for a Service that is not there; none where its status does not say yet that it is gone.
fn idle_since(created: Option<Timestamp>, status: &ServiceReservationStatus) -> Option<Timestamp> {
    match conditions::of(&status.conditions, BOUND) {
        None => created,
        Some(bound) if bound.reason == NO_SERVICE => Some(conditions::since(bound)),
        Some(_) => None,
    }
}
