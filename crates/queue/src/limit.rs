//! How many writes may be in flight.

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

/// Bounds and tolerances of a [`Limit`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LimitConfig {
    /// Where it starts.
    pub start: usize,
    /// Never less, at least 1: with nothing in flight nothing could ever be learnt.
    pub min: usize,
    /// Latency alone brings it no lower: a server that answers slowly and refuses nothing may be kept busy by others.
    pub patient: usize,
    /// Never more.
    pub max: usize,
    /// Latency is held to be queueing once it exceeds this many times the lowest seen lately ...
    pub tolerance: f64,
    /// ... and exceeds it by this much: below, it is noise of a fast server.
    pub slack: Duration,
    /// How far back "lately" reaches, at least; at most twice as far.
    pub memory: Duration,
    /// Upper bound of a pause the server may ask for. A wrong header must not stop the writes for good.
    pub max_pause: Duration,
}

impl Default for LimitConfig {
    fn default() -> Self {
        Self {
            // Enough to hide a round trip of 10 ms at 1,600 writes/s.
            start: 16,
            min: 1,
            // Fewer than the five workers of kube-controller-manager, each of which has a request in flight however
            // slow the server is.
            patient: 4,
            // Each call holds a connection (HTTP/1), and one apiserver gives a controller's priority level some
            // 30 to 100 seats.
            max: 64,
            tolerance: 2.0,
            slack: Duration::from_millis(10),
            memory: Duration::from_secs(30),
            // API Priority and Fairness asks for 1 s to 64 s.
            max_pause: Duration::from_secs(64),
        }
    }
}

/// How a write ended, as far as the limit cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server did its work, whether it accepted or refused: the latency tells of its load.
    Answered,
    /// The server said that it is overloaded: 429, or 503 with Retry-After.
    Overloaded {
        /// Nothing is to be sent before this time has passed.
        retry_after: Option<Duration>,
    },
    /// No answer, or that of a broken server: time-out, connection lost, 5xx.
    Lost,
    /// Ended for a reason of our own (permit lost): tells nothing.
    Aborted,
}

/// Adaptive limit of writes in flight, in place of a fixed rate.
///
/// It grows by one for each limit's worth of answers while latency stays near the lowest seen lately (and the
/// limit was in fact used), shrinks in proportion when latency shows that requests queue in the server, and
/// halves when the server refuses or loses requests; at most once for all that were in flight together.
///
/// Now and then a few writes are sent with as few as possible in flight. That tells what the server can do now, whoever
/// else keeps it busy: waiting for others to stop would be waiting for ever. It is done sooner where latency stays high
/// with few in flight ([`LimitConfig::patient`]).
///
/// `Retry-After` stops all writes until its time has passed: it is the server that is overloaded, not a key.
///
/// The caller reports each write with [`on_start`](Self::on_start) and [`on_end`](Self::on_end), and starts no
/// more than [`available`](Self::available).
#[derive(Clone, Debug)]
pub struct Limit {
    config: LimitConfig,
    /// A fraction counts only when it is whole: [`Self::current`].
    allowed: f64,
    in_flight: usize,
    paused_until: Option<Instant>,
    /// Requests started before this have already been answered for.
    cut_at: Option<Instant>,
    lowest: Lowest,
    /// While it is measured what the server can do now: the limit before.
    resume: Option<f64>,
    /// When that was done last.
    measured: Option<Instant>,
    window: Window,
}

/// Answers since the limit was last judged.
#[derive(Clone, Debug, Default)]
struct Window {
    latencies: Vec<Duration>,
    /// Most writes in flight at once.
    peak: usize,
    /// What was sent before tells of another limit.
    from: Option<Instant>,
}

/// Least answers to judge by, or one slow request would decide at small limits.
const MIN_ANSWERS: u8 = 4;

/// After so long it is measured again what the server can do. Four answers one after the other, each some milliseconds.
const MEASURED_FOR: Duration = Duration::from_secs(10);

/// The same where latency is high with few writes in flight.
const DOUBTED_AFTER: Duration = Duration::from_secs(2);

/// A refusal or loss takes away this part.
const CUT: f64 = 0.5;

impl Limit {
    /// A limit at its start, bounds put in order.
    pub fn new(mut config: LimitConfig) -> Self {
        config.min = config.min.max(1);
        config.max = config.max.max(config.min);
        config.patient = config.patient.clamp(config.min, config.max);
        let start = config.start.clamp(config.min, config.max);
        Self {
            config,
            allowed: as_f64(start),
            in_flight: 0,
            paused_until: None,
            cut_at: None,
            lowest: Lowest::default(),
            resume: None,
            measured: None,
            window: Window::default(),
        }
    }

    /// The limit as it stands, whether or not writes are paused.
    pub fn current(&self) -> usize {
        // Within min..=max, hence neither negative nor large.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to min..=max"
        )]
        let whole = self.allowed as usize;
        whole.clamp(self.config.min, self.config.max)
    }

    /// Writes started and not ended.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// How many more writes may be started at `now`.
    pub fn available(&self, now: Instant) -> usize {
        if self.paused_until(now).is_some() {
            return 0;
        }
        self.current().saturating_sub(self.in_flight)
    }

    /// When the pause the server asked for ends, if one is on at `now`.
    pub fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.paused_until.filter(|until| *until > now)
    }

    /// A write is being sent.
    pub fn on_start(&mut self) {
        self.in_flight += 1;
        self.window.peak = self.window.peak.max(self.in_flight);
    }

    /// A write started `latency` ago has ended.
    pub fn on_end(&mut self, now: Instant, latency: Duration, outcome: Outcome) {
        self.in_flight = self.in_flight.saturating_sub(1);
        match outcome {
            Outcome::Answered => self.answered(now, latency),
            Outcome::Overloaded { retry_after } => {
                self.cut(now, latency);
                if let Some(pause) = retry_after {
                    let until = now + pause.min(self.config.max_pause);
                    self.paused_until = self.paused_until.max(Some(until));
                }
            }
            Outcome::Lost => self.cut(now, latency),
            Outcome::Aborted => {}
        }
    }

    fn answered(&mut self, now: Instant, latency: Duration) {
        self.lowest.observe(now, latency, self.config.memory);
        let sent = now.checked_sub(latency);
        if self
            .window
            .from
            .is_some_and(|from| sent.is_none_or(|sent| sent < from))
        {
            return;
        }
        self.window.latencies.push(latency);
        if self.window.latencies.len() < self.current().max(MIN_ANSWERS.into()) {
            return;
        }
        let latencies = &mut self.window.latencies;
        let middle = latencies.len() / 2;
        // The median: one stalled disk write among many is not load.
        let (_, median, _) = latencies.select_nth_unstable(middle);
        let median = *median;
        let used = self.window.peak * 2 >= self.current();
        self.window.restart(self.in_flight);
        match self.resume.take() {
            Some(resume) => {
                self.lowest = Lowest::of(now, median);
                self.set(resume);
                self.window.from = Some(now);
            }
            None => self.judge(now, median, used),
        }
    }

    /// What the answers to a limit's worth of writes say about it.
    fn judge(&mut self, now: Instant, median: Duration, used: bool) {
        let lowest = self.lowest.get().unwrap_or(median);
        let bound = lowest
            .mul_f64(self.config.tolerance)
            .max(lowest + self.config.slack);
        let patient = as_f64(self.config.patient);
        let doubtful = median > bound && self.allowed <= patient;
        if doubtful {
            // Others may be the cause.
        } else if median > bound {
            let ratio = bound.as_secs_f64() / median.as_secs_f64();
            self.set((self.allowed * ratio.max(CUT)).max(patient));
            self.window.from = Some(now);
        } else if used {
            self.set(self.allowed + 1.0);
        }
        let takes = median * MIN_ANSWERS.into();
        let due = if doubtful {
            DOUBTED_AFTER.max(takes * 2)
        } else {
            MEASURED_FOR.max(takes * 10)
        };
        let measured = *self.measured.get_or_insert(now);
        if used && now.saturating_duration_since(measured) >= due {
            self.measured = Some(now);
            self.resume = Some(self.allowed);
            self.set(as_f64(self.config.min));
            self.window.from = Some(now);
        }
    }

    fn cut(&mut self, now: Instant, latency: Duration) {
        let started = now.checked_sub(latency);
        if self
            .cut_at
            .is_some_and(|cut_at| started.is_none_or(|started| started < cut_at))
        {
            return;
        }
        self.cut_at = Some(now);
        self.set(self.allowed * CUT);
        self.resume = self.resume.map(|resume| resume * CUT);
        self.window.restart(self.in_flight);
    }

    fn set(&mut self, limit: f64) {
        self.allowed = limit.clamp(as_f64(self.config.min), as_f64(self.config.max));
    }
}

impl Window {
    fn restart(&mut self, in_flight: usize) {
        self.latencies.clear();
        self.peak = in_flight;
    }
}

/// The lowest latency of the current and the previous period, so that a server that has become slower for
/// reasons of its own is judged by what it can do now.
#[derive(Clone, Debug, Default)]
struct Lowest {
    began: Option<Instant>,
    current: Option<Duration>,
    previous: Option<Duration>,
}

impl Lowest {
    fn of(now: Instant, latency: Duration) -> Self {
        Self {
            began: Some(now),
            current: Some(latency),
            previous: None,
        }
    }

    fn observe(&mut self, now: Instant, latency: Duration, period: Duration) {
        match self.began {
            Some(began) if now.saturating_duration_since(began) < period => {}
            began => {
                // After a long rest the previous period is too old to judge by.
                let recent = began.is_some_and(|began| now.saturating_duration_since(began) < period * 2);
                self.previous = self.current.take().filter(|_| recent);
                self.began = Some(now);
            }
        }
        self.current = Some(self.current.map_or(latency, |lowest| lowest.min(latency)));
    }

    fn get(&self) -> Option<Duration> {
        match (self.current, self.previous) {
            (Some(current), Some(previous)) => Some(current.min(previous)),
            (current, previous) => current.or(previous),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "limits are far below 2^52")]
fn as_f64(n: usize) -> f64 {
    n as f64
}
