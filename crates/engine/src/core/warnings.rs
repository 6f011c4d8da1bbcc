//! How often the same is said.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::{Duration, Instant};

use quaymaster_model::ObjectKey;
use quaymaster_runtime::api::Verb;

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

/// A key whose writes fail is tried again every few seconds, or after the time limit of a request where nothing answers;
/// after so long without another failure nobody writes for it any more.
const SETTLED: Duration = Duration::from_mins(10);

/// Failed writes, by key: what was said of them and what was held back.
#[derive(Debug)]
pub(super) struct Failures<K>(HashMap<K, Failing>);

#[derive(Debug)]
struct Failing {
    /// When it was warned of last.
    warned: Instant,
    /// Failures since then.
    held_back: u64,
    last: Instant,
    /// What failed last.
    verb: Verb,
    object: ObjectKey,
    /// Nothing was said of a success since the last warning.
    open: bool,
}

impl<K> Default for Failures<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash + Clone> Failures<K> {
    /// A write for this key failed. `Some` if that is to be told, with the number of those that were not told since the
    /// last time; at most once a minute, whatever succeeds in between.
    pub(super) fn failed(&mut self, key: &K, verb: Verb, object: &ObjectKey, now: Instant) -> Option<u64> {
        let new = || Failing {
            warned: now,
            held_back: 0,
            last: now,
            verb,
            object: object.clone(),
            open: true,
        };
        let Some(failing) = self.0.get_mut(key) else {
            self.0.insert(key.clone(), new());
            return Some(0);
        };
        if now < failing.warned + PAUSE {
            failing.held_back += 1;
            failing.last = now;
            failing.verb = verb;
            failing.object.clone_from(object);
            return None;
        }
        let held_back = failing.held_back;
        *failing = new();
        Some(held_back)
    }

    /// A write for this key succeeded. `Some` if that is to be told, with the number of failures that were not told:
    /// where the last thing to fail was the same, and it was warned of. Another name of an object that is created
    /// makes it no other thing.
    pub(super) fn succeeded(&mut self, key: &K, verb: Verb, object: &ObjectKey) -> Option<u64> {
        let failing = self.0.get_mut(key)?;
        let same = failing.verb == verb && (verb == Verb::Create || failing.object == *object);
        if !failing.open || !same {
            return None;
        }
        failing.open = false;
        Some(std::mem::take(&mut failing.held_back))
    }

    /// Forgets what is long ago.
    pub(super) fn prune(&mut self, now: Instant) {
        self.0.retain(|_, failing| {
            let kept = if failing.open { SETTLED } else { PAUSE };
            now < failing.last + kept
        });
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
    fn failures_are_told_once_a_minute_and_the_success_of_what_failed_once() {
        let mut failures = Failures::default();
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let slice = |name: &str| ObjectKey::new("shop".into(), name.into());
        let (one, other) = (slice("web-1"), slice("web-2"));
        let told: Vec<(u64, u64)> = (0..130)
            .filter_map(|second| {
                let told = failures.failed(&"web", Verb::Update, &one, at(second))?;
                Some((second, told))
            })
            .collect();
        assert_eq!(told, [(0, 0), (60, 59), (120, 59)]);
        assert_eq!(
            failures.failed(&"api", Verb::Update, &one, at(130)),
            Some(0),
            "keys do not silence each other"
        );
        for (verb, object) in [(Verb::Update, &other), (Verb::Delete, &one), (Verb::Create, &one)] {
            assert_eq!(
                failures.succeeded(&"web", verb, object),
                None,
                "{verb:?} {object}"
            );
        }
        assert_eq!(failures.succeeded(&"web", Verb::Update, &one), Some(9));
        assert_eq!(failures.succeeded(&"web", Verb::Update, &one), None, "once");
        // What succeeds and fails by turns is not told more often either.
        assert_eq!(failures.failed(&"web", Verb::Update, &one, at(131)), None);
        assert_eq!(failures.succeeded(&"web", Verb::Update, &one), None);
        assert_eq!(failures.failed(&"web", Verb::Update, &one, at(180)), Some(1));
        assert_eq!(failures.failed(&"new", Verb::Create, &one, at(180)), Some(0));
        assert_eq!(failures.succeeded(&"new", Verb::Create, &other), Some(0));
        failures.prune(at(240));
        assert_eq!(failures.0.len(), 2, "what was told of as healed is forgotten");
        failures.prune(at(180) + SETTLED);
        assert!(failures.0.is_empty());
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
