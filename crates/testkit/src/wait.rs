//! Waiting for a state that comes by itself.

use std::fmt::{self, Debug, Display};
use std::time::{Duration, Instant};

/// How often the state is looked at.
const POLL: Duration = Duration::from_millis(50);

/// What one look at the state gave: the value waited for, or what was seen instead.
pub trait Look {
    /// The value waited for.
    type Value;

    /// The value, or in words what was seen instead.
    fn outcome(self) -> Result<Self::Value, String>;
}

impl<T> Look for Option<T> {
    type Value = T;

    fn outcome(self) -> Result<T, String> {
        self.ok_or_else(|| "nothing".to_owned())
    }
}

/// The error is what was seen instead: a `String` that describes the state, or an error of the client.
impl<T, E: Display> Look for Result<T, E> {
    type Value = T;

    fn outcome(self) -> Result<T, String> {
        self.map_err(|error| format!("{error}"))
    }
}

impl Look for bool {
    type Value = ();

    fn outcome(self) -> Result<(), String> {
        if self { Ok(()) } else { Err("not so".to_owned()) }
    }
}

/// The state did not come in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedOut {
    /// What was waited for.
    pub what: String,
    /// For how long.
    pub waited: Duration,
    /// How often the state was looked at to the end.
    pub looks: u32,
    /// What was seen last.
    pub last: String,
}

impl Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            waited,
            looks,
            last,
        } = self;
        write!(
            f,
            "waited {:.1} s for {what}, looked {looks} times; seen last: {last}",
            waited.as_secs_f64()
        )
    }
}

impl std::error::Error for TimedOut {}

/// Looks until the value is there, at most for `limit`; a look that hangs is cut off then.
///
/// # Errors
/// [`TimedOut`] with what was seen last.
pub async fn wait_until<L: Look>(
    limit: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> L,
) -> Result<L::Value, TimedOut> {
    let begun = Instant::now();
    let mut looks = 0;
    let mut last = String::new();
    loop {
        let left = limit.saturating_sub(begun.elapsed());
        match tokio::time::timeout(left, look()).await {
            Ok(look) => {
                looks += 1;
                match look.outcome() {
                    Ok(value) => return Ok(value),
                    Err(seen) => last = seen,
                }
            }
            Err(_) if looks == 0 => "the first look did not end".clone_into(&mut last),
            Err(_) => {}
        }
        if begun.elapsed() >= limit {
            return Err(TimedOut {
                what: what.to_owned(),
                waited: begun.elapsed(),
                looks,
                last,
            });
        }
        tokio::time::sleep(POLL.min(limit.saturating_sub(begun.elapsed()))).await;
    }
}

/// [`wait_until`] for tests.
///
/// # Panics
/// When the value does not come in time, with what was seen last.
#[expect(clippy::panic, reason = "a test's way to fail")]
pub async fn eventually<L: Look>(limit: Duration, what: &str, look: impl AsyncFnMut() -> L) -> L::Value
where
    L::Value: Debug,
{
    match wait_until(limit, what, look).await {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_value_ends_the_wait() {
        let mut looks = 0;
        let value = wait_until(Duration::from_secs(30), "three looks", async || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(value.await, Ok(3));
    }

    #[tokio::test]
    async fn a_failure_tells_what_was_seen_last() {
        let mut looks = 0;
        let error = wait_until(Duration::from_secs(1), "a miracle", async || {
            looks += 1;
            Err::<(), _>(format!("state {looks}"))
        });
        let error = error.await.unwrap_err();
        assert!(error.looks > 1);
        assert_eq!(error.last, format!("state {}", error.looks));
        assert!(error.to_string().contains("for a miracle"), "{error}");
    }

    #[tokio::test]
    async fn a_look_that_hangs_is_cut_off() {
        let begun = Instant::now();
        let error = wait_until(Duration::from_millis(100), "an answer", async || {
            std::future::pending::<()>().await;
            true
        });
        assert_eq!(error.await.unwrap_err().last, "the first look did not end");
        assert!(begun.elapsed() < Duration::from_secs(30));
    }

    #[tokio::test]
    #[should_panic(expected = "for the impossible")]
    async fn eventually_fails_the_test() {
        eventually(Duration::from_millis(10), "the impossible", async || false).await;
    }
}
