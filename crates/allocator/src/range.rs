//! What is taken of a range, and why.

use std::ops::RangeInclusive;

use hashbrown::HashMap;

use crate::{Bitmap, Intervals, Reason};

/// Ranges of at most so many values have a bit for each: 2 MiB at most, and a step of at most five words. Larger ones have a
/// table of what is taken, which is found by chance so seldom that the next value is nearly always free.
pub const DENSE: u128 = 1 << 24;

/// What is taken of a range, and why. Values are offsets from its beginning.
#[derive(Clone, Debug)]
pub struct Range {
    size: u128,
    taken: Taken,
    /// Without [`Reason::Excluded`], which is by intervals.
    reasons: HashMap<u128, Reason>,
    /// Within the range.
    excluded: Intervals,
}

#[derive(Clone, Debug)]
enum Taken {
    /// Bits of what has a reason or is excluded.
    Dense(Bitmap),
    /// The table of reasons and the intervals say it.
    Sparse,
}

/// How many values there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them, the excluded ones as well.
    pub size: u128,
    /// By reason, in the order of [`Reason::ALL`].
    pub taken: [u128; Reason::ALL.len()],
}

impl Counts {
    /// Values with this reason.
    pub fn of(&self, reason: Reason) -> u128 {
        self.taken[reason as usize]
    }

    /// Values that may be given.
    pub fn free(&self) -> u128 {
        self.size - self.taken.iter().sum::<u128>()
    }
}

impl Range {
    /// A range of so many values, of which these may not be given. What of them is beyond the range is ignored, and they may
    /// overlap.
    pub fn new(size: u128, excluded: impl IntoIterator<Item = RangeInclusive<u128>>) -> Self {
        let within = |one: RangeInclusive<u128>| Some(*one.start()..=(*one.end()).min(size.checked_sub(1)?));
        let excluded = Intervals::new(excluded.into_iter().filter_map(within));
        let taken = match u32::try_from(size) {
            Ok(small) if size <= DENSE => {
                let mut bits = Bitmap::new(small);
                for number in excluded.iter().cloned().flatten() {
                    // Each is below the size, so that it is a small number.
                    bits.insert(u32::try_from(number).unwrap_or(u32::MAX));
                }
                Taken::Dense(bits)
            }
            _ => Taken::Sparse,
        };
        Self {
            size,
            taken,
            reasons: HashMap::new(),
            excluded,
        }
    }

    /// How many values it has.
    pub fn size(&self) -> u128 {
        self.size
    }

    /// Why a value is not free; `None` where it is, or is beyond the range.
    pub fn reason(&self, value: u128) -> Option<Reason> {
        let reason = self.reasons.get(&value).copied();
        reason.or_else(|| self.excluded.with_number(value).map(|_| Reason::Excluded))
    }

    /// Takes a value, or gives one that is taken another reason. Returns the one it had. What is excluded may be taken all the
    /// same: a Service can have had it before. Beyond the range nothing is taken.
    pub fn take(&mut self, value: u128, reason: Reason) -> Option<Reason> {
        if value >= self.size {
            return None;
        }
        let before = self.reason(value);
        if reason == Reason::Excluded {
            // Only intervals exclude.
            return before;
        }
        self.reasons.insert(value, reason);
        if let (Taken::Dense(bits), Ok(number)) = (&mut self.taken, u32::try_from(value)) {
            bits.insert(number);
        }
        before
    }

    /// Frees a value; one that is excluded stays so. Returns the reason it had.
    pub fn free(&mut self, value: u128) -> Option<Reason> {
        let before = self.reasons.remove(&value)?;
        let excluded = self.excluded.with_number(value).is_some();
        if let (Taken::Dense(bits), Ok(number), false) = (&mut self.taken, u32::try_from(value), excluded) {
            bits.remove(number);
        }
        Some(before)
    }

    /// The first free value from `start` on, and from the beginning where there is none.
    pub fn next_free(&self, start: u128) -> Option<u128> {
        match &self.taken {
            Taken::Dense(bits) => {
                let start = u32::try_from(start).unwrap_or(u32::MAX);
                bits.next_free_around(start).map(u128::from)
            }
            Taken::Sparse => self.search(start, self.size).or_else(|| self.search(0, start)),
        }
    }

    /// How many values are free. As [`Range::counts`] says, but at once; of a range without bits it may be too few where
    /// something that is excluded is taken.
    pub fn free_values(&self) -> u128 {
        match &self.taken {
            Taken::Dense(bits) => (bits.size() - bits.len()).into(),
            Taken::Sparse => self
                .size
                .saturating_sub(self.reasons.len() as u128 + self.excluded.count()),
        }
    }

    /// How many values there are of each kind: one that is excluded and taken counts as taken.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts {
            size: self.size,
            ..Counts::default()
        };
        let mut both = 0;
        for (value, reason) in &self.reasons {
            counts.taken[*reason as usize] += 1;
            both += u128::from(self.excluded.with_number(*value).is_some());
        }
        let excluded = self.excluded.count();
        counts.taken[Reason::Excluded as usize] = excluded - both;
        counts
    }

    /// The first value from `start` on and before `end` that is neither in the table nor in an interval: as many steps at most
    /// as there are of these.
    fn search(&self, start: u128, end: u128) -> Option<u128> {
        let mut at = start;
        while at < end.min(self.size) {
            if let Some(interval) = self.excluded.with_number(at) {
                at = interval.end().checked_add(1)?;
            } else if self.reasons.contains_key(&at) {
                at += 1;
            } else {
                return Some(at);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
