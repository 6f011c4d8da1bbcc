//! Events on objects, bounded in number.

mod budget;
mod named;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::metrics::{DropReason, EventMetrics};
use crate::permit::Permits;
use budget::Budgets;

/// Events that wait to be sent. More than this at once is a storm, and of a storm a sample is enough.
const CHANNEL_SIZE: usize = 1024;

/// Time for one Event. They are the least important thing we send.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Something that happened to an object and that its owner should see in `kubectl describe`.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The object it happened to.
    pub regarding: ObjectReference,
    /// `Normal` or `Warning`.
    pub type_: EventType,
    /// Why, as one `PascalCase` word.
    pub reason: String,
    /// What was done, as one `PascalCase` word. Notices equal in object, type, reason and action are one
    /// series, whose note is that of the first.
    pub action: String,
    /// For people. At most 1 kB; longer ones are cut.
    pub note: String,
}

/// Where Events go. Cheap to clone.
///
/// Emitting never blocks and never fails: what exceeds the budget of its object (25 at once, then one in five
/// minutes, as kube-controller-manager has it), the channel, or the permit is dropped and counted.
#[derive(Clone, Debug)]
pub struct EventSink {
    channel: mpsc::Sender<(Notice, Form)>,
    budgets: Arc<Mutex<Budgets>>,
    metrics: EventMetrics,
}

/// What an Event becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// One more of a series.
    Series,
    /// One object, whose name follows from what it says.
    Named,
}

impl EventSink {
    /// Starts the task that sends Events in the name of `reporter` until `shutdown`. Must be called within a
    /// tokio runtime.
    ///
    /// They are written as `events.k8s.io/v1`, equal ones within six minutes as one series.
    pub fn start(
        client: kube::Client,
        reporter: Reporter,
        permits: Permits,
        metrics: EventMetrics,
        shutdown: CancellationToken,
    ) -> Self {
        let (channel, receiver) = mpsc::channel(CHANNEL_SIZE);
        let sender = Sender {
            client,
            reporter,
            permits,
            metrics: metrics.clone(),
        };
        tokio::spawn(sender.run(receiver, shutdown));
        Self {
            channel,
            budgets: Arc::default(),
            metrics,
        }
    }

    /// Sends an Event soon, or drops it.
    pub fn emit(&self, notice: Notice) {
        self.send(notice, Form::Series);
    }

    /// As [`EventSink::emit`], of a state that lasts: where the same was said before, by this process or another one, and
    /// that Event still lives (an hour, unless the apiserver's `--event-ttl` says otherwise), nothing is said. No series
    /// is begun.
    pub fn emit_once(&self, notice: Notice) {
        self.send(notice, Form::Named);
    }

    fn send(&self, notice: Notice, form: Form) {
        let now = Instant::now().into_std();
        let within_budget = self
            .budgets
            .lock()
            // A count of Events is no reason to stop anything.
            .unwrap_or_else(PoisonError::into_inner)
            .spend(&notice.regarding, now);
        if !within_budget {
            self.metrics.dropped(DropReason::Budget);
        } else if self.channel.try_send((notice, form)).is_err() {
            self.metrics.dropped(DropReason::Full);
        }
    }
}

/// The task behind an [`EventSink`].
struct Sender {
    client: kube::Client,
    reporter: Reporter,
    permits: Permits,
    metrics: EventMetrics,
}

impl Sender {
    async fn run(self, mut notices: mpsc::Receiver<(Notice, Form)>, shutdown: CancellationToken) {
        let mut recorder = self.recorder();
        loop {
            let notice = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                notice = notices.recv() => notice,
            };
            let Some((notice, form)) = notice else { return };
            if form == Form::Named {
                let (event, regarding) = (named::event(&notice, &self.reporter), &notice.regarding);
                let sent = self.permitted(named::create(&self.client, &event)).await;
                if let Err(error @ (SendError::Timeout | SendError::Api(_))) = &sent {
                    // Who said it takes it for told, and does not say it again while it lasts.
                    tracing::warn!(
                        reason = notice.reason,
                        namespace = regarding.namespace,
                        name = regarding.name,
                        note = notice.note,
                        error = error as &dyn std::error::Error,
                        "Event not recorded"
                    );
                }
                self.account(&notice.reason, regarding, sent);
                continue;
            }
            let Notice {
                regarding,
                type_,
                reason,
                action,
                note,
            } = notice;
            let event = Event {
                type_,
                reason,
                note: Some(bounded(note)),
                action,
                secondary: None,
            };
            match self.permitted(recorder.publish(&event, &regarding)).await {
                // The recorder patches an Event it remembers, which somebody may have deleted. It cannot be
                // told to forget, so a new one begins a new series.
                Err(SendError::Api(kube::Error::Api(status))) if status.is_not_found() => {
                    recorder = self.recorder();
                    let again = self.permitted(recorder.publish(&event, &regarding)).await;
                    self.account(&event.reason, &regarding, again);
                }
                result => self.account(&event.reason, &regarding, result),
            }
        }
    }

    fn recorder(&self) -> Recorder {
        Recorder::new(self.client.clone(), self.reporter.clone())
    }

    /// What is asked of the apiserver, within its time and while this process may write.
    async fn permitted(&self, call: impl Future<Output = Result<(), kube::Error>>) -> Result<(), SendError> {
        let permit = self.permits.current();
        if !permit.is_valid(Instant::now().into_std()) {
            return Err(SendError::NotPermitted);
        }
        tokio::select! {
            biased;
            () = permit.lost() => Err(SendError::NotPermitted),
            sent = tokio::time::timeout(SEND_TIMEOUT, call) => {
                sent.map_err(|_| SendError::Timeout)?.map_err(SendError::Api)
            }
        }
    }

    fn account(&self, reason: &str, regarding: &ObjectReference, result: Result<(), SendError>) {
        match result {
            Ok(()) => self.metrics.sent(),
            Err(SendError::NotPermitted) => self.metrics.dropped(DropReason::NotPermitted),
            Err(error) => {
                self.metrics.dropped(DropReason::Error);
                tracing::debug!(
                    reason,
                    namespace = regarding.namespace,
                    name = regarding.name,
                    error = &error as &dyn std::error::Error,
                    "Event dropped"
                );
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("no longer allowed to write")]
    NotPermitted,
    #[error("no answer in time")]
    Timeout,
    #[error("the apiserver did not take the Event")]
    Api(#[source] kube::Error),
}

/// The apiserver refuses Events with longer notes
/// (`k8s.io/kubernetes` `pkg/apis/core/validation/events.go`, `NoteLengthLimit`).
const MAX_NOTE: usize = 1024;

fn bounded(mut note: String) -> String {
    while note.len() > MAX_NOTE {
        note.pop();
    }
    note
}
