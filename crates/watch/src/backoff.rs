//! Delays after failures, one instance for each watch.

use std::time::{Duration, Instant};

/// The shape of the delays.
#[derive(Clone, Copy, Debug)]
pub struct BackoffConfig {
    /// The delay after the first failure.
    pub first: Duration,
    /// The longest delay.
    pub max: Duration,
    /// The delays start afresh when no failure was seen for so long.
    pub quiet: Duration,
    /// The longest delay that a server may ask for.
    pub max_retry_after: Duration,
}

impl Default for BackoffConfig {
    /// The delays of client-go's reflector (kubernetes/client-go `tools/cache/reflector.go`).
    ///
    /// No server asks for more than a minute in earnest; a proxy's mistake must not stop a watch for a day.
    fn default() -> Self {
        Self {
            first: Duration::from_millis(800),
            max: Duration::from_secs(30),
            quiet: Duration::from_mins(2),
            max_retry_after: Duration::from_mins(1),
        }
    }
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
    /// `lenient` failures are expected in good health (a connection that broke, a version that expired): the first one
    /// after a quiet time is retried at once. The delay is never less than `retry_after`, up to the configured bound.
    pub fn after_failure(
        &mut self,
        now: Instant,
        jitter: f64,
        lenient: bool,
        retry_after: Option<Duration>,
    ) -> Duration {
        let quiet = self
            .until
            .is_none_or(|until| now.saturating_duration_since(until) >= self.config.quiet);
        let mut delay = Duration::ZERO;
        if quiet {
            self.next = self.config.first;
        }
        if !(quiet && lenient) {
            delay = self.next.mul_f64(f64::midpoint(jitter.clamp(0.0, 1.0), 1.0));
            self.next = (self.next * 2).min(self.config.max);
        }
        let delay = delay.max(retry_after.unwrap_or_default().min(self.config.max_retry_after));
        self.until = Some(now + delay);
        delay
    }
}

#[cfg(test)]
mod tests;
