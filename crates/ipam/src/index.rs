//! All that requests are answered from.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;
use quaymaster_api::{PortUse, State};
use quaymaster_model::{Interned, LabelSet, ObjectKey, Text};

use crate::attempts::Attempts;
use crate::needs::Families;
use crate::pool::Pool;
use crate::{Class, Ledger, Refusal, Value, names};

/// All that requests are answered from. Every replica has one, built from what it reads.
#[derive(Debug, Default)]
pub struct Index {
    /// Addresses.
    pub addresses: Ledger,
    /// Node ports.
    pub ports: Ledger,
    /// Updates that allocate.
    pub attempts: Attempts,
    /// What the cluster serves; none as long as it is not known.
    pub families: Option<Families>,
    /// Whether all that addresses hang on was read.
    pub addresses_fed: Fed,
    /// Whether all that node ports hang on was read.
    pub ports_fed: Fed,
    namespaces: HashMap<Text, Interned<LabelSet>>,
    reservations: HashMap<ObjectKey, Reservation>,
}

/// How far a part of the index is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fed {
    /// Nobody feeds it: what it would answer is the apiserver's.
    #[default]
    Never,
    /// What is in use has yet to be read: nothing is given before.
    NotYet,
    /// What is in use is known.
    Whole,
}

/// An index that a process shares: controllers feed it, requests are answered from it. It is held for short steps.
pub type Shared = Arc<Mutex<Index>>;

/// What is kept for a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reservation {
    /// ClusterIPs: one of each family at most.
    pub addresses: Vec<Value>,
    /// Node ports by the name of the port.
    pub node_ports: Vec<(String, Value)>,
    /// The port of health checks.
    pub health_check: Option<Value>,
}

/// Whom a pool is sought for.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// As it is named to users: `Service team/web`.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// The labels of its namespace.
    pub namespace_labels: &'a LabelSet,
    /// Its own.
    pub labels: &'a LabelSet,
    /// The pool that it names.
    pub named: Option<&'a str>,
    /// What a port is sought for.
    pub port_use: Option<PortUse>,
}

impl Asker<'_> {
    /// Whether a pool is for it.
    pub fn is_admitted(&self, pool: &Pool) -> bool {
        pool.admits_namespace(self.namespace, self.namespace_labels) && pool.admits_service(self.labels)
    }
}

/// Takes the index. A step that panicked may have left it between two states, of which each is a view that is behind: the
/// apiserver has the last word, so that it is used all the same.
pub fn lock(shared: &Shared) -> MutexGuard<'_, Index> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Index {
    /// The ledger of a sort of values.
    pub fn ledger(&self, class: Class) -> &Ledger {
        match class {
            Class::V4 | Class::V6 => &self.addresses,
            Class::Port => &self.ports,
        }
    }

    /// The ledger of a sort of values.
    pub fn ledger_mut(&mut self, class: Class) -> &mut Ledger {
        match class {
            Class::V4 | Class::V6 => &mut self.addresses,
            Class::Port => &mut self.ports,
        }
    }

    /// A namespace was read, or is gone.
    pub fn set_namespace(&mut self, name: &Text, labels: Option<Interned<LabelSet>>) {
        match labels {
            Some(labels) => _ = self.namespaces.insert(name.clone(), labels),
            None => _ = self.namespaces.remove(name),
        }
    }

    /// The labels of a namespace that was read.
    pub fn namespace(&self, name: &str) -> Option<&Interned<LabelSet>> {
        self.namespaces.get(name)
    }

    /// What is kept for a Service, or for it no more.
    pub fn set_reservation(&mut self, key: &ObjectKey, reservation: Option<Reservation>) {
        let values = reservation.as_ref().map(Reservation::values);
        let old = match reservation {
            Some(reservation) => self.reservations.insert(key.clone(), reservation),
            None => self.reservations.remove(key),
        };
        for value in old.iter().flat_map(Reservation::values) {
            self.ledger_mut(value.class).set_reserved(value, None);
        }
        for value in values.into_iter().flatten() {
            self.ledger_mut(value.class)
                .set_reserved(value, Some(key.clone()));
        }
    }

    /// What is kept for a Service.
    pub fn reservation(&self, key: &ObjectKey) -> Option<&Reservation> {
        self.reservations.get(key)
    }

    /// Whether anything is kept for a Service.
    pub fn has_reservations(&self) -> bool {
        !self.reservations.is_empty()
    }

    /// The pools that a Service may draw from, in the order in which they are asked, by their places in the ledger. Whom exclusive
    /// pools serve, draws from these alone.
    pub fn pools_for(&self, asker: &Asker<'_>, class: Class) -> Result<Vec<usize>, Refusal> {
        let ledger = self.ledger(class);
        if let Some(name) = asker.named {
            let named = ledger.pools().position(|pool| pool.name == name);
            let of_ports = named.and_then(|place| ledger.pool(place));
            // The annotation names one pool, which need not be one for health checks.
            if asker.port_use == Some(PortUse::HealthCheck)
                && of_ports.is_some_and(|pool| !pool.is_for(asker.port_use))
            {
                let unnamed = Asker {
                    named: None,
                    ..*asker
                };
                return self.pools_for(&unnamed, class);
            }
            let pool = named.and_then(|place| Some((place, ledger.pool(place)?)));
            return match pool {
                Some((place, pool)) => may_name(pool, asker, class).map(|()| vec![place]),
                None => Err(no_such_pool(asker, name, class)),
            };
        }
        let serves = |pool: &Pool| {
            pool.is_open()
                && pool.is_for(asker.port_use)
                && !pool.serves(class).is_empty()
                && asker.is_admitted(pool)
        };
        let mut places: Vec<(usize, &Pool)> = ledger
            .pools()
            .enumerate()
            .filter(|(_, pool)| serves(pool))
            .collect();
        // So that what is given is what the policies beside the webhook let through.
        if places.iter().any(|(_, pool)| pool.policy.exclusive) {
            places.retain(|(_, pool)| pool.policy.exclusive);
        }
        let share = |place: usize| match ledger.room(place, class) {
            (_, 0) => 0.0,
            #[expect(clippy::cast_precision_loss, reason = "an order among pools")]
            (free, size) => free as f64 / size as f64,
        };
        places.sort_by(|(a, one), (b, other)| {
            one.policy
                .priority
                .cmp(&other.policy.priority)
                .then_with(|| share(*b).total_cmp(&share(*a)))
                .then_with(|| one.name.cmp(&other.name))
        });
        Ok(places.into_iter().map(|(place, _)| place).collect())
    }
}

impl Reservation {
    /// All that is kept.
    pub fn values(&self) -> Vec<Value> {
        let ports = self.node_ports.iter().map(|(_, value)| *value);
        let addresses = self.addresses.iter().copied();
        addresses.chain(ports).chain(self.health_check).collect()
    }
}

fn may_name(pool: &Pool, asker: &Asker<'_>, class: Class) -> Result<(), Refusal> {
    let service = asker.name.to_owned();
    let not_admitted = |by_namespace| Refusal::NotAdmitted {
        service: service.clone(),
        annotation: names::annotation(class),
        pool: pool.name.clone(),
        by_namespace,
    };
    if !pool.admits_namespace(asker.namespace, asker.namespace_labels) {
        return Err(not_admitted(true));
    }
    if !pool.admits_service(asker.labels) {
        return Err(not_admitted(false));
    }
    let closed = |state| Refusal::Closed {
        service: service.clone(),
        pool: pool.name.clone(),
        state,
    };
    match pool.policy.state {
        State::Draining => Err(closed("Draining")),
        State::Disabled => Err(closed("Disabled")),
        State::Active | State::Manual if pool.serves(class).is_empty() || !pool.is_for(asker.port_use) => {
            Err(no_such_pool(asker, &pool.name, class))
        }
        State::Active | State::Manual => Ok(()),
        State::Unknown => Err(no_such_pool(asker, &pool.name, class)),
    }
}

fn no_such_pool(asker: &Asker<'_>, pool: &str, class: Class) -> Refusal {
    Refusal::NoSuchPool {
        service: asker.name.to_owned(),
        annotation: names::annotation(class),
        pool: pool.to_owned(),
        class,
    }
}
