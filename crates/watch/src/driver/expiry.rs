//! When a version that expired may be followed by a list at once.

use std::time::Duration;

use tokio::time::Instant;

/// A version that expires sooner after its list would do so after the next one as well.
const FIRST_AGE: Duration = Duration::from_secs(1);

/// A version that was good for a while is listed anew without the delay that other failures have earned: after an
/// apiserver came back, each second of it is one of stale slices. Lists without growing pauses would overload a server
/// that forgets fast, so each one so made asks for twice the age the next time, until one has lasted for `quiet`.
#[derive(Debug)]
pub(super) struct Expiry {
    /// How old the last list has to be.
    age: Duration,
    quiet: Duration,
    listed: Option<Instant>,
}

impl Expiry {
    pub(super) fn new(quiet: Duration) -> Self {
        Self {
            age: FIRST_AGE,
            quiet,
            listed: None,
        }
    }

    /// A list was delivered whole.
    pub(super) fn listed(&mut self, now: Instant) {
        self.listed = Some(now);
    }

    /// Whether the last list is old enough.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.listed
            .is_some_and(|listed| now.saturating_duration_since(listed) >= self.age)
    }

    /// A list is made at once.
    pub(super) fn took(&mut self, now: Instant) {
        let lasted = self
            .listed
            .is_some_and(|listed| now.saturating_duration_since(listed) >= self.quiet);
        let age = if lasted { FIRST_AGE } else { self.age };
        self.age = (age * 2).min(self.quiet.max(FIRST_AGE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Duration = Duration::from_mins(2);

    #[test]
    fn lists_at_once_come_at_half_the_rate_each_time_until_one_has_lasted() {
        let mut now = Instant::now();
        let mut expiry = Expiry::new(QUIET);
        assert!(!expiry.is_due(now), "nothing was listed");
        for age in [1, 2, 4, 8, 16, 32, 64, 120, 2, 4] {
            let age = Duration::from_secs(age);
            expiry.listed(now);
            assert!(!expiry.is_due(now + age - Duration::from_millis(1)), "{age:?}");
            now += age;
            assert!(expiry.is_due(now), "{age:?}");
            expiry.took(now);
        }
    }

    #[test]
    fn a_short_quiet_time_does_not_let_lists_come_faster() {
        let now = Instant::now();
        let mut expiry = Expiry::new(Duration::from_millis(1));
        expiry.listed(now);
        expiry.took(now + FIRST_AGE);
        expiry.listed(now + FIRST_AGE);
        assert!(!expiry.is_due(now + FIRST_AGE + Duration::from_millis(900)));
    }
}
