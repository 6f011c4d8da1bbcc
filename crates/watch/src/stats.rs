//! What can be observed of one watch.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::Cause;

/// How a watch gets its lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// No list was begun.
    Unknown,
    /// As the beginning of a watch (KEP-3157).
    Streaming,
    /// In pages.
    Paged,
}

impl Mode {
    /// The mode's name, for metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Streaming => "streaming",
            Self::Paged => "paged",
        }
    }
}

/// Counters and states of one watch, written by the watch, read by anyone.
///
/// Each value is right by itself; two read one after the other may belong to different moments.
#[derive(Debug)]
pub struct Stats {
    began: Instant,
    events: AtomicU64,
    bytes: AtomicU64,
    streams: AtomicU64,
    lists: AtomicU64,
    decode_errors: AtomicU64,
    failures: [AtomicU64; Cause::LABELS.len()],
    mode: AtomicU8,
    synced: AtomicBool,
    healthy: AtomicBool,
    absent: AtomicBool,
    /// Microseconds since `began`, plus one; 0 for never.
    last_bytes: AtomicU64,
    last_error: Mutex<Option<String>>,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            events: AtomicU64::default(),
            bytes: AtomicU64::default(),
            streams: AtomicU64::default(),
            lists: AtomicU64::default(),
            decode_errors: AtomicU64::default(),
            failures: Default::default(),
            mode: AtomicU8::default(),
            synced: AtomicBool::default(),
            healthy: AtomicBool::default(),
            absent: AtomicBool::default(),
            last_bytes: AtomicU64::default(),
            last_error: Mutex::default(),
        }
    }
}

// No value orders another: each stands for itself.
const RELAXED: Ordering = Ordering::Relaxed;

impl Stats {
    /// Objects received, in lists and in events, deletions included.
    pub fn events(&self) -> u64 {
        self.events.load(RELAXED)
    }

    /// Bytes received in bodies of lists and watches.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(RELAXED)
    }

    /// Watches that the server accepted. All but the first are restarts.
    pub fn streams(&self) -> u64 {
        self.streams.load(RELAXED)
    }

    /// Lists begun, streaming or paged. All but the first are relists.
    pub fn lists(&self) -> u64 {
        self.lists.load(RELAXED)
    }

    /// Objects and frames that could not be decoded.
    pub fn decode_errors(&self) -> u64 {
        self.decode_errors.load(RELAXED)
    }

    /// Failures by class ([`Cause::LABELS`]).
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Cause::LABELS
            .into_iter()
            .zip(self.failures.iter().map(|count| count.load(RELAXED)))
    }

    /// How the last list was made.
    pub fn mode(&self) -> Mode {
        match self.mode.load(RELAXED) {
            1 => Mode::Streaming,
            2 => Mode::Paged,
            _ => Mode::Unknown,
        }
    }

    /// Whether a list was delivered whole. Never falls back to false: later lists replace a state that is whole.
    pub fn is_synced(&self) -> bool {
        self.synced.load(RELAXED)
    }

    /// Whether the last thing that happened was not a failure.
    pub fn is_healthy(&self) -> bool {
        self.healthy.load(RELAXED)
    }

    /// Whether the server does not serve the collection. Only of one that is [optional](crate::Source::optional); of
    /// others it is a failure.
    pub fn is_absent(&self) -> bool {
        self.absent.load(RELAXED)
    }

    /// Time since the last bytes of a page or a watch, bookmarks included; `None` before the first.
    pub fn age(&self) -> Option<Duration> {
        let micros = self.last_bytes.load(RELAXED).checked_sub(1)?;
        Some(self.began.elapsed().saturating_sub(Duration::from_micros(micros)))
    }

    /// The text of the last failure, with its causes.
    pub fn last_error(&self) -> Option<String> {
        self.last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn received(&self, objects: usize, bytes: usize) {
        self.events.fetch_add(objects as u64, RELAXED);
        self.bytes.fetch_add(bytes as u64, RELAXED);
        let micros = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX - 1);
        self.last_bytes.store(micros + 1, RELAXED);
        self.healthy.store(true, RELAXED);
    }

    pub(crate) fn list_began(&self, mode: Mode) {
        self.lists.fetch_add(1, RELAXED);
        let mode = match mode {
            Mode::Unknown => 0,
            Mode::Streaming => 1,
            Mode::Paged => 2,
        };
        self.mode.store(mode, RELAXED);
        self.absent.store(false, RELAXED);
    }

    pub(crate) fn absent(&self) {
        self.absent.store(true, RELAXED);
        // That it is not there was asked and answered.
        self.healthy.store(true, RELAXED);
    }

    pub(crate) fn stream_opened(&self) {
        self.streams.fetch_add(1, RELAXED);
        self.healthy.store(true, RELAXED);
    }

    pub(crate) fn synced(&self) {
        self.synced.store(true, RELAXED);
    }

    pub(crate) fn undecodable(&self) {
        self.decode_errors.fetch_add(1, RELAXED);
    }

    pub(crate) fn failed(&self, cause: &Cause, text: String) {
        let labels = Cause::LABELS.iter().zip(&self.failures);
        for (_, count) in labels.filter(|(label, _)| **label == cause.label()) {
            count.fetch_add(1, RELAXED);
        }
        self.healthy.store(false, RELAXED);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }
}
