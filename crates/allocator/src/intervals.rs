//! Sets of numbers that lie in few intervals.

use std::ops::RangeInclusive;

/// A set of numbers: intervals, sorted, and apart from each other by at least a number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intervals(Vec<RangeInclusive<u128>>);

impl Intervals {
    /// The numbers of intervals in any order, which may overlap; empty ones add nothing.
    pub fn new(intervals: impl IntoIterator<Item = RangeInclusive<u128>>) -> Self {
        let mut sorted: Vec<RangeInclusive<u128>> = intervals
            .into_iter()
            .filter(|interval| !interval.is_empty())
            .collect();
        sorted.sort_unstable_by_key(|interval| *interval.start());
        let mut joined: Vec<RangeInclusive<u128>> = Vec::with_capacity(sorted.len());
        for interval in sorted {
            match joined.last_mut() {
                Some(before) if *interval.start() <= before.end().saturating_add(1) => {
                    *before = *before.start()..=(*before.end()).max(*interval.end());
                }
                _ => joined.push(interval),
            }
        }
        Self(joined)
    }

    /// Those that are in this set or in another one.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        Self::new(self.iter().chain(other.iter()).cloned())
    }

    /// Those that are not in another set.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        for interval in self {
            let mut from = Some(*interval.start());
            for other in other {
                let Some(start) = from.filter(|start| start <= interval.end()) else {
                    break;
                };
                if *other.end() < start {
                    continue;
                }
                if other.start() > interval.end() {
                    break;
                }
                if *other.start() > start {
                    left.push(start..=other.start() - 1);
                }
                from = other.end().checked_add(1);
            }
            if let Some(start) = from.filter(|start| start <= interval.end()) {
                left.push(start..=*interval.end());
            }
        }
        Self(left)
    }

    /// Those that are in another set as well.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        self.without(&self.without(other))
    }

    /// Whether a number is in the set.
    pub fn contains(&self, number: u128) -> bool {
        self.with_number(number).is_some()
    }

    /// The interval that a number is in.
    pub fn with_number(&self, number: u128) -> Option<&RangeInclusive<u128>> {
        let after = self.0.partition_point(|interval| *interval.start() <= number);
        self.0[..after]
            .last()
            .filter(|interval| interval.contains(&number))
    }

    /// How many numbers there are; of all of them one less.
    pub fn count(&self) -> u128 {
        self.iter().fold(0, |sum: u128, interval| {
            sum.saturating_add((interval.end() - interval.start()).saturating_add(1))
        })
    }

    /// The intervals, sorted and apart.
    pub fn iter(&self) -> std::slice::Iter<'_, RangeInclusive<u128>> {
        self.0.iter()
    }

    /// Whether there is no number.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a Intervals {
    type Item = &'a RangeInclusive<u128>;
    type IntoIter = std::slice::Iter<'a, RangeInclusive<u128>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
