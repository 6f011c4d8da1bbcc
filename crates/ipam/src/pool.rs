//! A pool as it serves.

use std::time::Duration;

use quaymaster_allocator::{Intervals, Order};
use quaymaster_model::LabelSet;

use crate::{Class, LabelSelector};

/// A pool as it serves: what of it is in force after overlap, exclusions and the ranges of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Who may draw from it.
    pub admits: Admits,
    /// Smaller is asked first.
    pub priority: i32,
    /// Who may ask.
    pub state: State,
    /// Nobody else may have its values, and those that it admits none of others.
    pub exclusive: bool,
    /// Which of its values is given next.
    pub strategy: Strategy,
    /// What becomes of a request that it has no value for.
    pub on_exhausted: OnExhausted,
    /// How long a released value rests.
    pub quarantine: Duration,
    /// How long a released value is kept for the Service of the same name.
    pub retain: Duration,
    /// Its addresses of IPv4, those of IPv6, and its ports, in the order of [`Class::ALL`].
    pub serves: [Intervals; 3],
}

impl Pool {
    /// What it serves of a sort.
    pub fn serves(&self, class: Class) -> &Intervals {
        &self.serves[class as usize]
    }

    /// How long a released value is given to nobody else.
    pub fn rest(&self) -> Duration {
        self.quarantine.max(self.retain)
    }
}

/// Who may draw from a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admits {
    /// Namespaces by name, beside those that the selector matches.
    pub namespaces: Vec<String>,
    /// Namespaces by labels. Without it those by name alone or, where there is none of these either, all.
    pub namespace_selector: Option<LabelSelector>,
    /// Services by labels; without it all.
    pub service_selector: Option<LabelSelector>,
}

impl Admits {
    /// Whether Services of this namespace may draw from it.
    pub fn namespace(&self, name: &str, labels: &LabelSet) -> bool {
        let by_name = self.namespaces.iter().any(|one| one == name);
        match &self.namespace_selector {
            Some(selector) => by_name || selector.matches(labels),
            None => by_name || self.namespaces.is_empty(),
        }
    }

    /// Whether a Service with these labels may, its namespace apart.
    pub fn service(&self, labels: &LabelSet) -> bool {
        self.service_selector
            .as_ref()
            .is_none_or(|selector| selector.matches(labels))
    }
}

/// Who may ask a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Whoever it admits.
    #[default]
    Active,
    /// Of these, who names it.
    Manual,
    /// Nobody: what is in use stays.
    Draining,
    /// Nobody, for now.
    Disabled,
}

/// Which value of a pool is given next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// By where the search begins.
    From(Order),
    /// One that nobody had yet, then the one that was released first.
    LeastRecent,
}

/// What becomes of a request that a pool has no value for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnExhausted {
    /// The next pool is asked; without one the request is refused.
    #[default]
    NextPool,
    /// It is refused.
    Reject,
    /// The apiserver chooses.
    BuiltIn,
}
