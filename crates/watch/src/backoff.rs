//! Delays after failures, one instance for each watch.

use std::time::{Duration, Instant};

/// The shape of the delays.
#[derive(Clone, Copy, Debug)]
pub struct BackoffConfig {
    /// The delay after the first failure.
    pub first: Duration,
    /// The longest delay.
    pub max: Duration,
    /// The longest delay while the server cannot be reached at all.
    pub max_unreachable: Duration,
    /// The delays start afresh when no failure was seen for so long.
    pub quiet: Duration,
    /// The longest delay that a server may ask for.
    pub max_retry_after: Duration,
}

impl Default for BackoffConfig {
    /// The delays of client-go's reflector (kubernetes/client-go `tools/cache/reflector.go`).
    ///
    /// No server asks for more than a minute in earnest; a proxy's mistake must not stop a watch for a day. A server that
    /// is down is asked more often than one that answers with errors: a refused connection costs it nothing, and each
    /// second that is missed after its restart is one of stale slices.
    fn default() -> Self {
        Self {
            first: Duration::from_millis(800),
            max: Duration::from_secs(30),
            max_unreachable: Duration::from_secs(3),
            quiet: Duration::from_mins(2),
            max_retry_after: Duration::from_mins(1),
        }
    }
}

/// What a failure tells of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// It answered with an error, or not in time.
    Failure,
    /// It was not reached.
    Unreachable,
    /// Nothing: a healthy watch meets this now and then.
    Lenient,
}

/// Doubling delays with jitter. Reads neither clock nor randomness.
#[derive(Debug)]
pub struct Backoff {
    config: BackoffConfig,
    next: Duration,
    /// When the delay after the last failure ends.
    until: Option<Instant>,
}

impl Backoff {
    /// A backoff that has seen no failure.
    pub fn new(config: BackoffConfig) -> Self {
        Self {
            config,
            next: config.first,
            until: None,
        }
    }

    /// The delay after a failure at `now`. `jitter` in 0..1 spreads it over the upper half of its range.
    ///
    /// [`FailureKind::Lenient`] failures are expected in good health (a connection that broke, a version that expired): the first one
    /// after a quiet time is retried at once. The delay is never less than `retry_after`, up to the configured bound.
    pub fn after_failure(
        &mut self,
        now: Instant,
        jitter: f64,
        kind: FailureKind,
        retry_after: Option<Duration>,
    ) -> Duration {
        let quiet = self
            .until
            .is_none_or(|until| now.saturating_duration_since(until) >= self.config.quiet);
        let mut delay = Duration::ZERO;
        if quiet {
            self.next = self.config.first;
        }
        if !(quiet && kind == FailureKind::Lenient) {
            delay = self.next.mul_f64(f64::midpoint(jitter.clamp(0.0, 1.0), 1.0));
            let max = if kind == FailureKind::Unreachable {
                self.config.max_unreachable
            } else {
                self.config.max
            };
            delay = delay.min(max);
            self.next = (self.next * 2).min(max);
        }
        let delay = delay.max(retry_after.unwrap_or_default().min(self.config.max_retry_after));
        self.until = Some(now + delay);
        delay
    }
}

#[cfg(test)]
mod tests;
