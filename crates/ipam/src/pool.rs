//! A pool as it serves.

use std::time::Duration;

use quaymaster_allocator::{Intervals, Order};
use quaymaster_api::{Policy, PortUse, State, Strategy};
use quaymaster_model::{Interned, LabelSet};

use crate::Class;

/// A pool as it serves: what of it is in force after overlap, exclusions and the ranges of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Whom it serves, and how.
    pub policy: Policy,
    /// What its ports are for.
    pub uses: Vec<PortUse>,
    /// How long a released value rests.
    pub quarantine: Duration,
    /// Its addresses of IPv4, those of IPv6, and its ports, in the order of [`Class::ALL`].
    pub serves: [Intervals; 3],
}

impl Pool {
    /// What it serves of a sort.
    pub fn serves(&self, class: Class) -> &Intervals {
        &self.serves[class as usize]
    }

    /// How long a released value is kept for the Service of the same name.
    pub fn retain(&self) -> Duration {
        Duration::from_secs(self.policy.retain.seconds_after_delete.into())
    }

    /// How long a released value is given to nobody else.
    pub fn rest(&self) -> Duration {
        self.quarantine.max(self.retain())
    }

    /// Whether Services of this namespace may draw from it.
    pub fn admits_namespace(&self, name: &str, labels: &LabelSet) -> bool {
        let label = |key: &str| labels.get(key).map(Interned::as_str);
        self.policy.serves_namespace(name, label)
    }

    /// Whether a Service with these labels may, its namespace apart.
    pub fn admits_service(&self, labels: &LabelSet) -> bool {
        let label = |key: &str| labels.get(key).map(Interned::as_str);
        self.policy.serves_service(label)
    }

    /// Whether released values stay out of use until there is no other.
    pub(crate) fn is_least_recent(&self) -> bool {
        self.policy.strategy == Strategy::LeastRecent
    }

    /// Where the search for a free value begins.
    pub(crate) fn order(&self) -> Order {
        match self.policy.strategy {
            Strategy::Sequential => Order::Sequential,
            Strategy::Stable => Order::Stable,
            Strategy::Random | Strategy::LeastRecent | Strategy::Unknown => Order::Random,
        }
    }

    /// Whether its ports are for this use; with none whether it is one of addresses.
    pub(crate) fn is_for(&self, port_use: Option<PortUse>) -> bool {
        port_use.is_none_or(|port_use| self.uses.contains(&port_use))
    }

    /// Whether those that it admits may have values of it without naming it.
    pub(crate) fn is_open(&self) -> bool {
        self.policy.state == State::Active
    }
}
