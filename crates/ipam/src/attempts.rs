//! Updates that allocate, tried again and again by the apiserver.

use std::time::{Duration, Instant};

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::Value;

/// A second attempt that comes within this time after the first is one of the same request, as far as can be told.
const SAME_REQUEST: Duration = Duration::from_secs(10);
/// How long an update is refused after the first attempt that was repeated.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// And at most.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// When an update that was neither repeated nor seen to succeed is forgotten.
const FORGOTTEN: Duration = Duration::from_mins(5);

/// Bounds what an update that allocates can leak.
///
/// The apiserver repeats an update whose write conflicts, admission included, and keeps what each attempt took (ipam 3.1 in the
/// specification; `pkg/registry/core/service/storage/storage.go`, `beginUpdate`). So of the attempts of one update only the first
/// is given values. The next one is answered with a conflict, which the apiserver does not repeat, and so is whatever comes within
/// a pause that doubles with each time that it happens.
///
/// Each replica knows of its own attempts alone.
#[derive(Debug, Default)]
pub struct Attempts(HashMap<String, Attempt>);

#[derive(Debug)]
struct Attempt {
    values: SmallVec<[Value; 4]>,
    at: Instant,
    pause: Option<Duration>,
    refused_until: Option<Instant>,
}

impl Attempts {
    /// Whether an update of the Service with this UID may be given values. `listed` says whether the Service has a value already.
    /// Otherwise how long it is refused.
    pub fn admit(&mut self, uid: &str, listed: impl Fn(Value) -> bool, now: Instant) -> Result<(), Duration> {
        let Some(attempt) = self.0.get_mut(uid) else {
            return Ok(());
        };
        if attempt.values.iter().any(|value| listed(*value)) {
            self.0.remove(uid);
            return Ok(());
        }
        if let Some(until) = attempt.refused_until {
            let left = until.saturating_duration_since(now);
            if !left.is_zero() {
                return Err(left);
            }
            // Its time is over: one attempt is free.
            attempt.refused_until = None;
            return Ok(());
        }
        if now.saturating_duration_since(attempt.at) >= SAME_REQUEST {
            return Ok(());
        }
        let pause = attempt
            .pause
            .map_or(FIRST_PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE));
        attempt.pause = Some(pause);
        attempt.refused_until = Some(now + pause);
        Err(pause)
    }

    /// What an update was given was taken back before it was answered.
    pub fn forget(&mut self, uid: &str) {
        self.0.remove(uid);
    }

    /// An update was given values.
    pub fn note(&mut self, uid: &str, values: impl IntoIterator<Item = Value>, now: Instant) {
        self.0
            .retain(|_, attempt| now.saturating_duration_since(attempt.at) < FORGOTTEN);
        let pause = self.0.get(uid).and_then(|attempt| attempt.pause);
        self.0.insert(
            uid.to_owned(),
            Attempt {
                values: values.into_iter().collect(),
                at: now,
                pause,
                refused_until: None,
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn none(_: Value) -> bool {
        false
    }

    #[test]
    fn of_the_attempts_of_one_update_the_first_alone_is_given_values() {
        let (mut attempts, start) = (Attempts::default(), Instant::now());
        assert_eq!(attempts.admit("a", none, start), Ok(()));
        attempts.note("a", [Value::port(30_000)], start);
        assert_eq!(attempts.admit("a", none, start), Err(2 * SECOND));
        assert_eq!(attempts.admit("a", none, start + SECOND), Err(SECOND));
        assert_eq!(attempts.admit("b", none, start), Ok(()));
    }

    #[test]
    fn the_pause_doubles_up_to_a_minute_and_lets_one_attempt_through_each_time() {
        let (mut attempts, mut now) = (Attempts::default(), Instant::now());
        attempts.note("a", [Value::port(30_000)], now);
        for seconds in [2, 4, 8, 16, 32, 60, 60] {
            let pause = seconds * SECOND;
            assert_eq!(attempts.admit("a", none, now), Err(pause));
            now += pause;
            assert_eq!(attempts.admit("a", none, now), Ok(()));
            attempts.note("a", [Value::port(30_000)], now);
        }
    }

    #[test]
    fn an_update_that_is_seen_to_have_succeeded_or_is_long_past_hinders_nothing() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        attempts.note("a", [Value::port(30_000)], now);
        assert_eq!(
            attempts.admit("a", |value| value == Value::port(30_000), now),
            Ok(())
        );
        assert_eq!(attempts.admit("a", none, now), Ok(()));
        attempts.note("a", [Value::port(30_001)], now);
        assert_eq!(attempts.admit("a", none, now + SAME_REQUEST), Ok(()));
    }

    #[test]
    fn what_is_long_past_is_not_kept() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        attempts.note("a", [], now);
        attempts.note("b", [], now + FORGOTTEN);
        assert_eq!(attempts.0.len(), 1);
    }
}
