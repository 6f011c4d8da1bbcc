//! How often the same is said.

use std::collections::HashMap;
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

#[cfg(test)]
mod tests {
    use super::*;

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
