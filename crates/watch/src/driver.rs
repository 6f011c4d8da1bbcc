//! The loop of one watch.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::batch::{Batch, Item};
use crate::config::Config;
use crate::driver::expiry::Expiry;
use crate::driver::report::Report;
use crate::error::{Cause, Verb, WatchError, chain};
use crate::source::Source;
use crate::stats::{Mode, Stats};
use quaymaster_model::ResourceVersion;
use quaymaster_wire::Reader;

mod expiry;
mod fetch;
mod list;
mod report;
mod stream;

/// What is known of one server's support for streaming lists; clones share it.
///
/// One value for all watches of a server: what the first one learns spares the others a refused request, until the
/// process ends.
#[derive(Clone, Debug, Default)]
pub struct StreamingSupport(Arc<AtomicBool>);

impl StreamingSupport {
    /// Whether the server has refused a streaming list.
    pub fn is_refused(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn refuse(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Why [`Watch::run`] came back. Nothing that a server does is a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The token was cancelled.
    Cancelled,
    /// The receiver of the batches was dropped or closed.
    ReceiverGone,
}

/// One collection, to be watched by one task.
pub struct Watch<R> {
    client: kube::Client,
    source: Source,
    reader: R,
    config: Config,
    streaming: StreamingSupport,
    stats: Arc<Stats>,
}

impl<R> fmt::Debug for Watch<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl<R: Reader> Watch<R> {
    /// A watch that has not begun. Needs no runtime.
    ///
    /// `client` should be made from a configuration that went through [`crate::client_config`].
    pub fn new(
        client: kube::Client,
        source: Source,
        reader: R,
        config: Config,
        streaming: StreamingSupport,
    ) -> Self {
        Self {
            client,
            source,
            reader,
            config,
            streaming,
            stats: Arc::default(),
        }
    }

    /// What can be observed of this watch, also after it ended.
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.stats)
    }

    /// Lists and watches until `cancel` fires or the receiver of `out` is gone; both take effect at once.
    ///
    /// Each batch goes through `wrap`, so that several watches can share a channel. While the channel is full the
    /// driver reads no further: the bound on memory is the channel's capacity times one page.
    pub async fn run<M, W>(self, out: mpsc::Sender<M>, wrap: W, cancel: CancellationToken) -> Ended
    where
        M: Send,
        W: FnMut(Batch<R::Record>) -> M + Send,
    {
        let receiver = out.clone();
        let mut driver = Driver::new(self, out, wrap);
        tokio::select! {
            biased;
            () = cancel.cancelled() => Ended::Cancelled,
            () = receiver.closed() => Ended::ReceiverGone,
            ReceiverGone = driver.drive() => Ended::ReceiverGone,
        }
    }
}

/// Nobody is left to deliver to.
struct ReceiverGone;

/// How one list or one watch ended.
enum Outcome {
    /// As it should: go on from `position`, or list where there is none.
    Next { position: Option<ResourceVersion> },
    /// The server refuses streaming lists: list in pages.
    Refused(WatchError),
    /// The version has expired meanwhile: list. The server is well, and each second until the list is one of stale
    /// objects, so there is no delay, however many failures led here.
    Stale(WatchError),
    /// It failed: go on from `position` after a delay.
    Failed {
        position: Option<ResourceVersion>,
        error: WatchError,
    },
}

/// A streaming list that broke so often in a row gives way to one paged list: pages make progress where one long
/// response does not.
const STREAMING_ATTEMPTS: u32 = 3;

/// A collection that was served is held for absent after so many answers in a row that it is not: one alone may come from
/// an apiserver of several that does not know of a definition yet, or from a proxy before it.
const ABSENCE_ATTEMPTS: u32 = 3;

/// So many refusals in a row because the server lags behind our version mean that it will not catch up: etcd was restored.
const LAG_ATTEMPTS: u32 = 3;

struct Driver<R: Reader, M, W> {
    client: kube::Client,
    source: Source,
    reader: R,
    config: Config,
    streaming: StreamingSupport,
    stats: Arc<Stats>,
    out: mpsc::Sender<M>,
    wrap: W,
    backoff: Backoff,
    report: Report,
    /// Decoded and not yet delivered.
    items: Vec<Item<R::Record>>,
    page_size: u32,
    /// Streaming lists that broke since the last complete list.
    broken_lists: u32,
    /// Refusals in a row because the server lags.
    lags: u32,
    /// A streaming list was refused, for a reason that a paged list may share.
    refused: bool,
    /// Version of the last complete list, or the last position of a watch after it.
    told: Option<ResourceVersion>,
    /// When the last list was complete, and whether its version may expire.
    expiry: Expiry,
    /// The server's history went back since the last complete list.
    history_lost: bool,
    /// Answers in a row that an optional collection is not served.
    not_found: u32,
    /// The consumer was told that it is not.
    absent: bool,
}

impl<R, M, W> Driver<R, M, W>
where
    R: Reader,
    M: Send,
    W: FnMut(Batch<R::Record>) -> M + Send,
{
    fn new(watch: Watch<R>, out: mpsc::Sender<M>, wrap: W) -> Self {
        let Watch {
            client,
            source,
            reader,
            config,
            streaming,
            stats,
        } = watch;
        Self {
            client,
            report: Report::new(source.resource()),
            source,
            reader,
            backoff: Backoff::new(config.backoff),
            expiry: Expiry::new(config.backoff.quiet),
            page_size: config.page_size.max(1),
            config,
            streaming,
            stats,
            out,
            wrap,
            items: Vec::new(),
            broken_lists: 0,
            lags: 0,
            refused: false,
            told: None,
            history_lost: false,
            not_found: 0,
            absent: false,
        }
    }

    async fn drive(&mut self) -> ReceiverGone {
        let mut position = None;
        loop {
            // What was decoded but not delivered belongs to a list that never reached the consumer.
            self.items.clear();
            let outcome = match position.take() {
                Some(version) => self.resume(version).await,
                None if self.lists_by_stream() => self.list_by_stream().await,
                None => self.list_by_pages().await,
            };
            let is_not_served = outcome.as_ref().is_ok_and(|outcome| self.is_not_served(outcome));
            self.not_found = if is_not_served { self.not_found + 1 } else { 0 };
            position = match outcome {
                Err(ReceiverGone) => return ReceiverGone,
                Ok(Outcome::Failed { error, .. }) if is_not_served => {
                    // What begins from a version would find nothing either: what tells is whether there is a list.
                    match self.not_served(&error).await {
                        Err(ReceiverGone) => return ReceiverGone,
                        Ok(()) => None,
                    }
                }
                Ok(Outcome::Next { position }) => position,
                Ok(Outcome::Refused(error)) => {
                    // No failure: the mode tells, and if pages are refused as well, that is one.
                    self.report.refused(&error);
                    None
                }
                Ok(Outcome::Stale(error)) => {
                    self.expiry.took(Instant::now());
                    self.failed(&error, Duration::ZERO);
                    None
                }
                Ok(Outcome::Failed { position, error }) => {
                    self.pause_after(&error).await;
                    position
                }
            };
        }
    }

    fn is_not_served(&self, outcome: &Outcome) -> bool {
        let is_not_found = matches!(outcome, Outcome::Failed { error, .. } if error.cause.is_not_found());
        is_not_found && self.source.is_optional()
    }

    /// An optional collection is not served. Its consumer is told once; then it is asked for again with growing pauses.
    async fn not_served(&mut self, error: &WatchError) -> Result<(), ReceiverGone> {
        let was_served = self.told.is_some();
        if was_served && self.not_found < ABSENCE_ATTEMPTS {
            self.pause_after(error).await;
            return Ok(());
        }
        if !self.absent {
            self.items.push(Item::Absent);
            self.deliver().await?;
            self.absent = true;
            // Of what was told nothing is left that a later list could contradict.
            self.told = None;
            self.history_lost = false;
            self.report.absent();
        }
        self.stats.absent();
        let now = Instant::now().into_std();
        let kind = error.cause.backoff_kind();
        let delay = self.backoff.after_failure(now, rand::random(), kind, None);
        tokio::time::sleep(delay).await;
        Ok(())
    }

    fn lists_by_stream(&self) -> bool {
        self.config.prefer_streaming
            && !self.refused
            && !self.streaming.is_refused()
            && self.broken_lists < STREAMING_ATTEMPTS
    }

    async fn pause_after(&mut self, error: &WatchError) {
        let cause = &error.cause;
        let now = Instant::now().into_std();
        let retry_after = cause.status().and_then(|status| status.retry_after);
        let delay = self
            .backoff
            .after_failure(now, rand::random(), cause.backoff_kind(), retry_after);
        self.failed(error, delay);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }

    fn failed(&mut self, error: &WatchError, delay: Duration) {
        self.stats.failed(&error.cause, chain(error));
        self.report.failed(error, delay, Instant::now().into_std());
    }

    fn error(&self, verb: Verb, cause: Cause) -> WatchError {
        WatchError {
            verb,
            resource: self.source.resource().to_owned(),
            cause,
        }
    }

    /// A list was answered: what follows replaces what the consumer holds.
    fn begin_list(&mut self, mode: Mode) {
        self.items.clear();
        if std::mem::take(&mut self.absent) {
            self.report.served();
        }
        self.items.push(Item::Restart {
            history_lost: self.history_lost,
        });
        self.stats.list_began(mode);
    }

    /// Lists name no version, and are therefore as recent as any read: one that is older than what was told before
    /// comes from a history that went back.
    fn note_loss(&mut self, listed: &ResourceVersion) {
        if self.history_lost {
            return;
        }
        if let Some(told) = self.told.as_ref().filter(|told| listed.is_older_than(told)) {
            self.report.went_back(told, Some(listed));
            self.history_lost = true;
        }
    }

    /// A list was delivered whole.
    fn end_list(&mut self, version: &ResourceVersion) {
        self.broken_lists = 0;
        self.history_lost = false;
        self.told = Some(version.clone());
        self.expiry.listed(Instant::now());
        self.stats.synced();
    }

    async fn deliver(&mut self) -> Result<(), ReceiverGone> {
        if self.items.is_empty() {
            return Ok(());
        }
        let items = std::mem::take(&mut self.items);
        let message = (self.wrap)(Batch { items });
        self.out.send(message).await.map_err(|_| ReceiverGone)
    }
}
