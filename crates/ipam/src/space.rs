//! The values of a pool in a row.

use std::ops::RangeInclusive;

use quaymaster_allocator::Intervals;

/// The numbers of intervals, counted from 0 on without the gaps between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Space {
    /// Each interval with how many numbers come before it.
    parts: Vec<(RangeInclusive<u128>, u128)>,
    size: u128,
}

impl Space {
    /// Those of a set.
    pub(crate) fn new(set: &Intervals) -> Self {
        let mut size: u128 = 0;
        let parts = set.iter().map(|interval| {
            let before = size;
            // All numbers there are do not fit; the last of them then has no place.
            size = size.saturating_add((interval.end() - interval.start()).saturating_add(1));
            (interval.clone(), before)
        });
        let parts = parts.collect();
        Self { parts, size }
    }

    /// How many there are.
    pub(crate) fn size(&self) -> u128 {
        self.size
    }

    /// The place of a number; none where it is in no interval.
    pub(crate) fn place(&self, number: u128) -> Option<u128> {
        let after = self
            .parts
            .partition_point(|(interval, _)| *interval.start() <= number);
        let (interval, before) = self.parts[..after].last()?;
        interval
            .contains(&number)
            .then(|| before + (number - interval.start()))
    }

    /// The number at a place; none beyond the size.
    pub(crate) fn number(&self, place: u128) -> Option<u128> {
        if place >= self.size {
            return None;
        }
        let after = self.parts.partition_point(|(_, before)| *before <= place);
        let (interval, before) = self.parts[..after].last()?;
        Some(interval.start() + (place - before))
    }

    /// The intervals, in order.
    pub(crate) fn intervals(&self) -> impl Iterator<Item = &RangeInclusive<u128>> {
        self.parts.iter().map(|(interval, _)| interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_run_over_the_gaps_and_lead_back() {
        let space = Space::new(&Intervals::new([10..=12, 20..=20, 30..=31]));
        let numbers: Vec<u128> = (0..space.size())
            .map(|place| space.number(place).unwrap())
            .collect();
        assert_eq!(numbers, [10, 11, 12, 20, 30, 31]);
        for (place, number) in numbers.into_iter().enumerate() {
            assert_eq!(space.place(number), Some(place as u128));
        }
        for outside in [0, 9, 13, 19, 21, 29, 32] {
            assert_eq!(space.place(outside), None, "{outside}");
        }
        assert_eq!(space.number(6), None);
        assert_eq!(Space::default().number(0), None);
    }

    #[test]
    fn all_numbers_there_are_do_no_harm() {
        let space = Space::new(&Intervals::new([0..=u128::MAX]));
        assert_eq!(space.number(7), Some(7));
        assert_eq!(space.size(), u128::MAX);
    }
}
