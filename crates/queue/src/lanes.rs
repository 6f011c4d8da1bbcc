//! Keys that are due, by priority.

use std::collections::BTreeMap;
use std::time::Instant;

/// Which of several due keys goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Nobody's traffic depends on it: repair of edited objects, changed labels, periodic checks.
    Low,
    /// Endpoints to be added: traffic would like them.
    Normal,
    /// Endpoints to be removed or marked unready: traffic fails until it is done.
    Urgent,
}

impl Priority {
    /// All priorities, lowest first.
    pub const ALL: [Self; 3] = [Self::Low, Self::Normal, Self::Urgent];

    /// How often a due key of this priority may be passed over for a higher one before it is its turn.
    ///
    /// Under an endless stream of removals, additions still get one turn in nine and repairs one in
    /// thirty-three: enough to progress, too few to be felt by the rest.
    pub const fn patience(self) -> u32 {
        match self {
            Self::Urgent => 0,
            Self::Normal => 8,
            Self::Low => 32,
        }
    }
}

/// Place in a queue: due time, then order of arrival.
pub(crate) type Position = (Instant, u64);

/// Due keys, one ordered lane for each priority.
#[derive(Debug)]
pub(crate) struct Lanes<K> {
    /// Indexed like [`Priority::ALL`].
    lanes: [Lane<K>; 3],
}

#[derive(Debug)]
struct Lane<K> {
    keys: BTreeMap<Position, K>,
    /// Takes from higher lanes since this one last had its turn or was empty.
    passed_over: u32,
}

impl<K> Lanes<K> {
    pub(crate) fn new() -> Self {
        Self {
            lanes: std::array::from_fn(|_| Lane {
                keys: BTreeMap::new(),
                passed_over: 0,
            }),
        }
    }

    pub(crate) fn push(&mut self, priority: Priority, position: Position, key: K) {
        self.lanes[priority as usize].keys.insert(position, key);
    }

    pub(crate) fn remove(&mut self, priority: Priority, position: Position) -> Option<K> {
        self.lanes[priority as usize].keys.remove(&position)
    }

    pub(crate) fn len(&self) -> usize {
        self.lanes.iter().map(|lane| lane.keys.len()).sum()
    }

    /// The due time that lies furthest back.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.lanes
            .iter()
            .filter_map(|lane| lane.keys.first_key_value())
            .map(|((due, _), _)| *due)
            .min()
    }

    /// The lane whose turn it is.
    fn turn(&self) -> Option<Priority> {
        let out_of_patience = Priority::ALL.into_iter().find(|priority| {
            let lane = &self.lanes[*priority as usize];
            *priority != Priority::Urgent && !lane.keys.is_empty() && lane.passed_over >= priority.patience()
        });
        let highest = || {
            Priority::ALL
                .into_iter()
                .rev()
                .find(|priority| !self.lanes[*priority as usize].keys.is_empty())
        };
        out_of_patience.or_else(highest)
    }

    /// What [`pop`](Self::pop) would take.
    pub(crate) fn first(&self) -> Option<(Priority, Position)> {
        let chosen = self.turn()?;
        let (position, _) = self.lanes[chosen as usize].keys.first_key_value()?;
        Some((chosen, *position))
    }

    /// Takes the earliest key of the lane whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<(Priority, Position, K)> {
        let chosen = self.turn()?;
        for lower in &mut self.lanes[..chosen as usize] {
            lower.passed_over = if lower.keys.is_empty() {
                0
            } else {
                lower.passed_over + 1
            };
        }
        let lane = &mut self.lanes[chosen as usize];
        lane.passed_over = 0;
        lane.keys
            .pop_first()
            .map(|(position, key)| (chosen, position, key))
    }
}
