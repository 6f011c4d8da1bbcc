//! How soon what others changed is put right.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use quaymaster_model::ObjectKey;

/// Pause before the second repair; it doubles with each further one. The round trip of a write and its echo is a few
/// milliseconds, so that a fight at full speed would be hundreds of writes a second.
const FIRST: Duration = Duration::from_millis(100);

/// Longest pause: somebody who fights for long costs the apiserver a write in ten seconds, and whoever looks sees the
/// right state most of the time.
const LONGEST: Duration = Duration::from_secs(10);

/// After so long without a repair, the next one is the first again.
const QUIET: Duration = Duration::from_mins(1);

/// After so many further repairs without a quiet minute between, it is a fight: three seconds at least, by when somebody
/// who deletes all slices of a Service by hand is done.
const FIGHT: u32 = 6;

/// Repairs of each key of late.
#[derive(Debug, Default)]
pub(super) struct Repairs(HashMap<ObjectKey, Recent>);

/// A repair that is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Repair {
    /// When. Those wanted until then are done with it.
    pub(super) due: Instant,
    /// It is a further one within a minute, and this is the first that is heard of it.
    pub(super) again: bool,
    /// So often that another writer must be at work.
    pub(super) fight: bool,
}

#[derive(Debug)]
struct Recent {
    count: u32,
    /// When the last one was, or will be, due.
    due: Instant,
}

impl Repairs {
    /// A repair is wanted at `now`.
    pub(super) fn wanted(&mut self, key: &ObjectKey, now: Instant) -> Repair {
        let Some(recent) = self.0.get_mut(key).filter(|recent| now < recent.due + QUIET) else {
            self.0.insert(key.clone(), Recent { count: 0, due: now });
            return Repair {
                due: now,
                again: false,
                fight: false,
            };
        };
        // What is told together is one repair.
        let again = now > recent.due;
        if again {
            let pause = FIRST.saturating_mul(1 << recent.count.min(16)).min(LONGEST);
            recent.count += 1;
            recent.due = now + pause;
        }
        Repair {
            due: recent.due,
            again,
            fight: recent.count >= FIGHT,
        }
    }

    /// Forgets what is long ago.
    pub(super) fn prune(&mut self, now: Instant) {
        self.0.retain(|_, recent| now < recent.due + QUIET);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new("test".into(), name.into())
    }

    fn pauses(repairs: &mut Repairs, key: &ObjectKey, mut now: Instant, count: usize) -> Vec<u128> {
        (0..count)
            .map(|_| {
                let due = repairs.wanted(key, now).due;
                let pause = due - now;
                now = due + Duration::from_millis(5);
                pause.as_millis()
            })
            .collect()
    }

    #[test]
    fn the_first_repair_is_at_once_and_the_pauses_double_to_ten_seconds() {
        let mut repairs = Repairs::default();
        let pauses = pauses(&mut repairs, &key("a"), Instant::now(), 10);
        assert_eq!(pauses, [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    }

    #[test]
    fn repairs_wanted_before_one_is_due_are_done_with_it() {
        let mut repairs = Repairs::default();
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(repairs.wanted(&key("a"), at(0)).due, at(0));
        assert_eq!(repairs.wanted(&key("a"), at(10)).due, at(110));
        for millis in 11..110 {
            assert_eq!(repairs.wanted(&key("a"), at(millis)).due, at(110));
        }
        assert_eq!(repairs.wanted(&key("a"), at(110)).due, at(110));
        assert_eq!(repairs.wanted(&key("a"), at(111)).due, at(311));
    }

    #[test]
    fn keys_do_not_slow_each_other_and_a_quiet_minute_forgives() {
        let mut repairs = Repairs::default();
        let start = Instant::now();
        pauses(&mut repairs, &key("a"), start, 6);
        assert_eq!(repairs.wanted(&key("b"), start).due, start);
        let later = start + Duration::from_mins(2);
        assert_eq!(repairs.wanted(&key("a"), later).due, later);
        repairs.prune(later + QUIET);
        assert!(repairs.0.is_empty());
    }

    #[test]
    fn repeated_repairs_are_counted_once_each_and_six_of_them_are_a_fight() {
        let mut repairs = Repairs::default();
        let mut now = Instant::now();
        let mut seen = Vec::new();
        for _ in 0..8 {
            let repair = repairs.wanted(&key("a"), now);
            seen.push((repair.again, repair.fight));
            assert!(!repairs.wanted(&key("a"), now).again, "it waits already");
            now = repair.due + Duration::from_millis(1);
        }
        assert_eq!(
            seen,
            [
                (false, false),
                (true, false),
                (true, false),
                (true, false),
                (true, false),
                (true, false),
                (true, true),
                (true, true)
            ]
        );
    }
}
