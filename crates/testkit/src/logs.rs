//! What a thread logs, gathered by a test.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Subscriber};
use tracing_subscriber::fmt::MakeWriter;

/// Log lines in a test's memory; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    /// Gathers what this thread logs from `info` up, until the guard drops. What other threads log is not seen.
    #[must_use = "gathering ends with the guard"]
    pub fn gather(&self) -> DefaultGuard {
        let lines = self.clone();
        self.gather_by(
            tracing_subscriber::fmt()
                .with_ansi(false)
                .with_writer(lines)
                .finish(),
        )
    }

    /// Like [`Lines::gather`], by a subscriber of the test's own that writes to these lines.
    #[must_use = "gathering ends with the guard"]
    pub fn gather_by(&self, subscriber: impl Subscriber + Send + Sync + 'static) -> DefaultGuard {
        never_decided_for_all_threads();
        tracing::subscriber::set_default(subscriber)
    }

    /// All that was gathered so far.
    #[must_use]
    pub fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Those of this level that say this.
    #[must_use]
    pub fn with(&self, level: &str, words: &str) -> Vec<String> {
        self.text()
            .lines()
            .filter(|line| line.contains(level) && line.contains(words))
            .map(str::to_owned)
            .collect()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Keeps `tracing` from deciding once for all threads that nobody wants an event.
///
/// While one subscriber is registered in the process, an event that is met for the first time is offered to the thread
/// that met it, and the answer is kept for every thread (`tracing-core`, `callsite.rs`, `Rebuilder::JustOne`): a test
/// without a subscriber then silences the event for the test that gathers. With two subscribers that disagree about
/// everything, it is decided anew at each event.
fn never_decided_for_all_threads() {
    static KEPT: OnceLock<[Dispatch; 2]> = OnceLock::new();
    KEPT.get_or_init(|| {
        [
            Dispatch::new(tracing::subscriber::NoSubscriber::new()),
            Dispatch::new(tracing_subscriber::registry()),
        ]
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() {
        tracing::info!("something happened");
    }

    #[test]
    fn an_event_that_another_thread_meets_first_is_gathered_all_the_same() {
        let lines = Lines::default();
        let _gathering = lines.gather();
        std::thread::spawn(event).join().unwrap();
        assert_eq!(lines.text(), "", "of another thread");
        event();
        assert_eq!(lines.with("INFO", "something happened").len(), 1);
    }
}
