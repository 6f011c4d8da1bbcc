//! How often the same is said.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Time between two warnings about the same.
const PAUSE: Duration = Duration::from_mins(1);

/// Warnings of the last minute.
#[derive(Debug)]
pub(super) struct Warnings<K>(HashMap<K, Instant>);

impl<K> Default for Warnings<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash + Clone> Warnings<K> {
    /// Whether to warn about this: nobody did in the last minute.
    pub(super) fn due(&mut self, about: &K, now: Instant) -> bool {
        let lately = self.0.get(about).is_some_and(|last| now < *last + PAUSE);
        if !lately {
            self.0.insert(about.clone(), now);
        }
        !lately
    }

    /// Forgets what is long ago.
    pub(super) fn prune(&mut self, now: Instant) {
        self.0.retain(|_, last| now < *last + PAUSE);
    }
}

/// So many conflicts within a minute are nobody's single change by hand, and far less than two controllers that keep the
/// same objects cause.
const MOST_CONFLICTS: usize = 5;

/// Conflicts of the last minute, so far as they matter.
#[derive(Debug, Default)]
pub(super) struct Conflicts(VecDeque<Instant>);

impl Conflicts {
    /// There is one more. Whether there were more than a few within a minute.
    pub(super) fn too_many(&mut self, now: Instant) -> bool {
        self.0.push_back(now);
        if self.0.len() <= MOST_CONFLICTS {
            return false;
        }
        // Those before it are older still.
        self.0.pop_front().is_some_and(|earliest| now < earliest + PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sixth_conflict_within_a_minute_is_one_too_many() {
        let mut conflicts = Conflicts::default();
        let start = Instant::now();
        let mut seen = |seconds: &[u64]| {
            seconds
                .iter()
                .map(|second| conflicts.too_many(start + Duration::from_secs(*second)))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            seen(&[0, 12, 24, 36, 48, 60]),
            [false; 6],
            "one in twelve seconds"
        );
        assert_eq!(seen(&[61]), [true], "six from 12 to 61");
        assert_eq!(
            seen(&[200, 200, 200, 200, 200, 200]),
            [false, false, false, false, false, true]
        );
    }

    #[test]
    fn one_warning_a_minute_for_each() {
        let mut warnings = Warnings::default();
        let start = Instant::now();
        let given = |warnings: &mut Warnings<&str>, about| {
            (0..180)
                .filter(|second| warnings.due(&about, start + Duration::from_secs(*second)))
                .collect::<Vec<u64>>()
        };
        assert_eq!(given(&mut warnings, "a"), [0, 60, 120]);
        assert_eq!(given(&mut warnings, "b"), [0, 60, 120]);
        warnings.prune(start + Duration::from_mins(3));
        assert!(warnings.0.is_empty());
    }
}
