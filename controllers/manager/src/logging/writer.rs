//! Standard error, without waiting for whoever reads it.
//!
//! A pipe that nobody empties, a stalled terminal or a hung disk blocks who writes to it. So lines are queued, and a thread
//! of its own writes them; what does not fit is dropped and counted.
//!
//! `tracing-appender` has the same idea. It bounds the number of lines and not their length, which apiservers and admission
//! webhooks decide; it does not count what the output refuses; and its guard prints to standard output when the queue is
//! full at the end, which waits for ever where both outputs are one pipe.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::thread;
use std::time::Duration;

use quaymaster_runtime::metrics::Counter;
use tracing_subscriber::fmt::MakeWriter;

/// Most bytes that wait to be written. A line has some three hundred, so that a burst of more than ten thousand fits.
const BOUND: usize = 4 << 20;

/// What a waiting line takes besides its bytes, about: its place in the queue and what the allocator adds.
const OVERHEAD: usize = 64;

/// Takes lines and has them written in their order. Never waits, but in [`flush`](Self::flush). Clones share the queue.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    messages: Sender<Message>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Bytes of the lines that wait or are being written, with [`OVERHEAD`].
    queued: AtomicUsize,
    /// The process says its last words.
    ending: AtomicBool,
    dropped: Counter,
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    /// Answered once all before it is written.
    Flush(Sender<()>),
}

impl Writer {
    /// Starts the thread that writes to `output`. It calls `tell` with the number of lines that were dropped since the last
    /// call, once lines can be written again and none waits; `tell` may log.
    pub(super) fn start(
        output: impl Write + Send + 'static,
        tell: impl Fn(u64) + Send + 'static,
    ) -> io::Result<Self> {
        let (messages, received) = mpsc::channel();
        let shared = Arc::<Shared>::default();
        let thread = Thread {
            received,
            output,
            tell,
            shared: Arc::clone(&shared),
        };
        thread::Builder::new()
            .name("quaymaster-log".to_owned())
            .spawn(move || thread.run())?;
        Ok(Self { messages, shared })
    }

    /// Lines that were dropped: they did not fit, or the output refused them.
    pub(super) fn dropped(&self) -> Counter {
        self.shared.dropped.clone()
    }

    /// Queues a line, which ends in a line feed, or drops it.
    pub(super) fn line(&self, line: Vec<u8>) {
        let Shared {
            queued,
            ending,
            dropped,
        } = &*self.shared;
        let bound = if ending.load(Ordering::Relaxed) {
            2 * BOUND
        } else {
            BOUND
        };
        let cost = cost(&line);
        let fits = queued.fetch_add(cost, Ordering::Relaxed).saturating_add(cost) <= bound;
        if !fits || self.messages.send(Message::Line(line)).is_err() {
            queued.fetch_sub(cost, Ordering::Relaxed);
            dropped.inc();
        }
    }

    /// What is queued from now on are last words: there is room for them, and nothing is told after them.
    pub(super) fn ending(&self) {
        self.shared.ending.store(true, Ordering::Relaxed);
    }

    /// Waits until what was queued before is written, at most for `limit`. Whether it is.
    pub(super) fn flush(&self, limit: Duration) -> bool {
        let (done, wait) = mpsc::channel();
        self.messages.send(Message::Flush(done)).is_ok() && wait.recv_timeout(limit).is_ok()
    }
}

fn cost(line: &[u8]) -> usize {
    line.len().saturating_add(OVERHEAD)
}

/// `tracing_subscriber` writes each event at once.
impl Write for &Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.line(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Writer {
    type Writer = &'a Writer;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

struct Thread<W, T> {
    received: Receiver<Message>,
    output: W,
    tell: T,
    shared: Arc<Shared>,
}

impl<W: Write, T: Fn(u64)> Thread<W, T> {
    /// Until all [`Writer`]s are gone.
    fn run(mut self) {
        let mut told = 0;
        // Where the output refuses lines, it would refuse to be told of that as well, which would have to be told.
        let mut written = false;
        loop {
            let message = match self.received.try_recv() {
                Ok(message) => message,
                Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) => {
                    let dropped = self.shared.dropped.get();
                    if written && dropped > told && !self.shared.ending.load(Ordering::Relaxed) {
                        (self.tell)(dropped - told);
                        told = dropped;
                    }
                    let Ok(message) = self.received.recv() else {
                        return;
                    };
                    message
                }
            };
            match message {
                Message::Line(line) => {
                    written = self.output.write_all(&line).is_ok();
                    if !written {
                        self.shared.dropped.inc();
                    }
                    self.shared.queued.fetch_sub(cost(&line), Ordering::Relaxed);
                }
                // Who asked may have stopped waiting.
                Message::Flush(done) => drop(done.send(())),
            }
        }
    }
}

#[cfg(test)]
mod tests;
