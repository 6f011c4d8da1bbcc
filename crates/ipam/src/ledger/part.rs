//! The values of one sort of one pool.

use std::time::{Duration, Instant};

use quaymaster_allocator::{Counts, DENSE, Given, Quarantine, Range, Reason};

use crate::blocks::Blocks;
use crate::pool::Pool;
use crate::space::Space;

/// The values of one sort of one pool: which are free.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) space: Space,
    range: Range,
    /// Released values by place. Those of a pool that gives the least recently used one stay here until they are given.
    resting: Quarantine<u128>,
    last: Option<u128>,
    blocks: Blocks,
}

/// A free value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) number: u128,
    /// It lies in a block of another replica, which may give it at this moment.
    pub(super) of_another: bool,
}

impl Part {
    pub(super) fn new(space: Space, rest: Duration, blocks: Blocks) -> Self {
        Self {
            range: Range::new(space.size(), []),
            space,
            resting: Quarantine::new(rest),
            last: None,
            blocks,
        }
    }

    /// Says why a value is not free; with none that it is. `since` is when it was released.
    pub(super) fn set(&mut self, number: u128, reason: Option<Reason>, since: Option<Instant>) {
        let Some(place) = self.space.place(number) else {
            return;
        };
        match (reason, since) {
            (Some(Reason::Quarantined), Some(since)) => {
                if self.range.take(place, Reason::Quarantined) != Some(Reason::Quarantined) {
                    self.resting.release(place, since);
                }
                return;
            }
            (Some(reason), _) => _ = self.range.take(place, reason),
            (None, _) => _ = self.range.free(place),
        }
        self.resting.take_back(place);
    }

    /// The numbers whose rest is over, which rest no longer.
    pub(super) fn rested(&mut self, now: Instant) -> Vec<u128> {
        let due = self.resting.due(now);
        due.into_iter()
            .filter_map(|place| self.space.number(place))
            .collect()
    }

    pub(super) fn next_rested(&mut self) -> Option<Instant> {
        self.resting.next_due()
    }

    pub(super) fn counts(&self) -> Counts {
        self.range.counts()
    }

    pub(super) fn free(&self) -> u128 {
        self.range.free_values()
    }

    pub(super) fn size(&self) -> u128 {
        self.space.size()
    }

    pub(super) fn set_blocks(&mut self, blocks: Blocks) {
        self.blocks = blocks;
    }

    /// The value that is given next, and is none of those to be avoided. It stays free.
    pub(super) fn find(&self, pool: &Pool, given: Given, now: Instant, avoid: &[u128]) -> Option<Found> {
        let given = Given {
            last: self.last,
            ..given
        };
        let mut avoid: Vec<u128> = avoid
            .iter()
            .filter_map(|number| self.space.place(*number))
            .collect();
        avoid.sort_unstable();
        let found = self.search(pool.order().start(self.size(), given), &avoid);
        let oldest = || self.keeps_rested(pool).then(|| self.oldest(now, &avoid))?;
        let (place, of_another) = match found {
            Some(found) => found,
            None => oldest().map(|place| (place, !self.blocks.owns(place)))?,
        };
        Some(Found {
            number: self.space.number(place)?,
            of_another,
        })
    }

    /// Whether other replicas may give it as well.
    pub(super) fn is_shared(&self, number: u128) -> bool {
        self.space
            .place(number)
            .is_some_and(|place| !self.blocks.owns(place))
    }

    /// A value was given.
    pub(super) fn gave(&mut self, number: u128) {
        self.last = self.space.place(number).or(self.last);
    }

    /// One in a block of ours, else in any.
    fn search(&self, start: u128, avoid: &[u128]) -> Option<(u128, bool)> {
        let free = |from| self.next_free(from, avoid);
        if let Some(place) = self.blocks.search(start, free) {
            return Some((place, false));
        }
        free(start).map(|place| (place, true))
    }

    /// The next free one that is not to be avoided: after at most as many steps as there are of these.
    fn next_free(&self, start: u128, avoid: &[u128]) -> Option<u128> {
        let mut at = start;
        for _ in 0..=avoid.len() {
            let place = self.range.next_free(at)?;
            if avoid.binary_search(&place).is_err() {
                return Some(place);
            }
            at = place + 1;
        }
        None
    }

    /// The one that was released first, of those whose time has come.
    fn oldest(&self, now: Instant, avoid: &[u128]) -> Option<u128> {
        let mut ripe = self.resting.ripe(now);
        ripe.find(|place| avoid.binary_search(place).is_err())
    }

    /// Whether released values stay out of use until there is no other: where so many are that chance always finds another, they
    /// would only be kept.
    pub(super) fn keeps_rested(&self, pool: &Pool) -> bool {
        pool.is_least_recent() && self.size() <= DENSE
    }
}
