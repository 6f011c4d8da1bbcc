//! What the status of a pool is to be, decided from what is known of it.

use quaymaster_allocator::{Counts, Intervals, Reason};
use quaymaster_api::{NodePortPoolStatus, PortRange, State};
use quaymaster_ipam::compile::Compiled;
use quaymaster_ipam::status;
use quaymaster_model::Timestamp;
use quaymaster_world::NodePortPoolRecord;

use crate::conditions;
use crate::range::Bounds;

/// How many node ports of a pool are what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Numbers {
    /// All that the pool could give out.
    pub capacity: u32,
    /// Of Services.
    pub used: u32,
    /// Handed out, and the Service is not seen yet.
    pub pending: u32,
    /// Released a short while ago.
    pub quarantined: u32,
    /// Kept for a Service.
    pub reserved: u32,
    /// Of Services that the pool does not serve.
    pub foreign: u32,
    /// Can be given out.
    pub free: u32,
}

impl Numbers {
    /// Out of what the ledger counts, of which so many are of Services that the pool does not serve.
    pub fn new(counts: &Counts, foreign: u32) -> Self {
        let number = |count: u128| u32::try_from(count).unwrap_or(u32::MAX);
        let of = |reason| number(counts.of(reason));
        Self {
            capacity: number(counts.size),
            used: of(Reason::Used).saturating_sub(foreign),
            pending: of(Reason::Pending),
            quarantined: of(Reason::Quarantined),
            reserved: of(Reason::Reserved),
            foreign,
            free: number(counts.free()),
        }
    }

    /// By the name of the state in metrics.
    pub fn by_state(&self) -> [(&'static str, u32); 6] {
        [
            ("used", self.used),
            ("pending", self.pending),
            ("quarantined", self.quarantined),
            ("reserved", self.reserved),
            ("foreign", self.foreign),
            ("free", self.free),
        ]
    }
}

/// What a decision rests on.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The pool as it is stored.
    pub pool: &'a NodePortPoolRecord,
    /// As it serves beside the others.
    pub compiled: &'a Compiled<Intervals>,
    /// How many of its node ports are what.
    pub numbers: Numbers,
    /// What the apiserver serves, if that is known.
    pub range: Option<Bounds>,
    /// The time by the wall clock.
    pub wall: Timestamp,
}

impl Facts<'_> {
    pub(crate) fn name(&self) -> &str {
        &self.pool.key.name
    }

    pub(crate) fn state(&self) -> State {
        self.pool.spec.policy.state
    }

    /// The older pools that have some of it, as they are told.
    pub(crate) fn older(&self) -> Option<String> {
        match self.compiled.overlaps.as_slice() {
            [] => None,
            [one] => Some(format!("NodePortPool {one}")),
            [one, others @ ..] => Some(format!("NodePortPool {one} (with {} more)", others.len())),
        }
    }
}

/// The status.
pub fn status(facts: &Facts<'_>) -> NodePortPoolStatus {
    let Numbers {
        capacity,
        used,
        pending,
        quarantined,
        reserved,
        foreign,
        free,
    } = facts.numbers;
    let generation = facts.pool.generation;
    let before = &facts.pool.status.conditions;
    NodePortPoolStatus {
        observed_generation: Some(generation),
        conditions: status::conditions(before, &conditions::of(facts), generation, facts.wall),
        effective_ranges: ranges(facts.compiled.pool.serves(quaymaster_ipam::Class::Port)),
        server_range: facts.range.map(|(first, last)| PortRange { first, last }),
        capacity,
        used,
        pending,
        quarantined,
        reserved,
        foreign,
        free,
    }
}

/// Whether one status says something that the other did not, numbers apart.
pub fn is_news(before: &NodePortPoolStatus, after: &NodePortPoolStatus) -> bool {
    let settings = |status: &NodePortPoolStatus| {
        (
            status.observed_generation,
            status.effective_ranges.clone(),
            status.server_range,
        )
    };
    settings(before) != settings(after) || status::is_news(&before.conditions, &after.conditions)
}

/// The schema bounds neither list; that of `ranges` is bounded, and what is cut out of it by those of older pools.
fn ranges(serves: &Intervals) -> Vec<PortRange> {
    let port = |number: u128| u16::try_from(number).unwrap_or(u16::MAX);
    let range = |range: &std::ops::RangeInclusive<u128>| PortRange {
        first: port(*range.start()),
        last: port(*range.end()),
    };
    serves.iter().map(range).collect()
}
