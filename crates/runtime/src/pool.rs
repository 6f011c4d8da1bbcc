//! Many writes at once.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::api::{Verb, WriteError, Writer};
use crate::permit::Permit;

/// What is wrong with a body.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a write.
pub enum Payload {
    /// Ready to be sent.
    Ready(Bytes),
    /// Encoded in the task of the write, so that the core task does not spend its time on it.
    Encode(Box<dyn FnOnce() -> Result<Bytes, BodyError> + Send>),
}

impl Payload {
    /// The bytes to be sent. Costs the encoding.
    pub fn into_bytes(self) -> Result<Bytes, BodyError> {
        match self {
            Self::Ready(bytes) => Ok(bytes),
            Self::Encode(encode) => encode(),
        }
    }
}

/// Reads the body of an answer. Called in the task of the write, which then lets go of the body: whoever waits for the
/// result gets what was read and nothing else.
pub type ReadAnswer<A> = Box<dyn FnOnce(&[u8]) -> Result<A, BodyError> + Send>;

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(bytes) => write!(f, "Ready({} bytes)", bytes.len()),
            Self::Encode(_) => f.write_str("Encode"),
        }
    }
}

/// A write to be sent. The token comes back with the result.
pub struct WriteRequest<T, A> {
    /// What to do.
    pub verb: Verb,
    /// Resource for metrics, for example `endpointslices`.
    pub resource: &'static str,
    /// Path, starting with a slash.
    pub path: String,
    /// The object, or for a delete its options.
    pub body: Payload,
    /// The encoding that the answer is wanted in, as an `Accept` header names it: the one that `read` reads.
    pub accept: &'static str,
    /// Reads the answer of a success.
    pub read: ReadAnswer<A>,
    /// Whatever the sender needs to make sense of the result.
    pub token: T,
}

impl<T: fmt::Debug, A> fmt::Debug for WriteRequest<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteRequest")
            .field("verb", &self.verb)
            .field("path", &self.path)
            .field("body", &self.body)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

/// A write that has ended.
#[derive(Debug)]
pub struct WriteDone<T, A> {
    /// From the request.
    pub token: T,
    /// From the request.
    pub verb: Verb,
    /// From the request.
    pub resource: &'static str,
    /// What the answer told, or why there is none.
    pub result: Result<A, WriteError>,
    /// From sending to the end of the answer, without encoding and reading.
    pub latency: Duration,
    /// The slot in the pool, free once the result was consumed: what is in flight and what waits to be consumed
    /// are bounded together.
    _slot: OwnedSemaphorePermit,
}

/// Sends writes on tasks of their own, where bodies are also encoded and answers read; results come back on a channel, in the order the writes end.
///
/// How many are sensible at once is for the caller to decide ([`quaymaster_queue::Limit`]); the pool only has a
/// hard bound. Each write submitted gives exactly one result, also when its permit is lost (it is then aborted
/// at once) or its encoder or reader panics. Dropping the pool lets writes in flight end; dropping the receiver makes
/// their results vanish.
#[derive(Debug)]
pub struct WritePool<T, A> {
    slots: Arc<Semaphore>,
    results: UnboundedSender<WriteDone<T, A>>,
}

/// Why a write was not begun; it is handed back.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError<T, A> {
    /// As many as the pool may hold are in flight or wait to be consumed.
    #[error("the write pool is full")]
    Full(WriteRequest<T, A>),
}

impl<T: Send + 'static, A: Send + 'static> WritePool<T, A> {
    /// A pool for at most `bound` writes, and the receiver of their results.
    pub fn new(bound: usize) -> (Self, UnboundedReceiver<WriteDone<T, A>>) {
        let (results, receiver) = unbounded_channel();
        (
            Self {
                slots: Arc::new(Semaphore::new(bound)),
                results,
            },
            receiver,
        )
    }

    /// Begins a write through this writer. Must be called within a tokio runtime; never blocks.
    pub fn submit(
        &self,
        writer: &Writer,
        permit: &Permit,
        request: WriteRequest<T, A>,
    ) -> Result<(), SubmitError<T, A>> {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            return Err(SubmitError::Full(request));
        };
        let WriteRequest {
            verb,
            resource,
            path,
            body,
            accept,
            read,
            token,
        } = request;
        let mut pending = Pending {
            reply: Some((token, slot)),
            verb,
            resource,
            started: Instant::now(),
            latency: None,
            results: self.results.clone(),
        };
        let (writer, permit) = (writer.clone(), permit.clone());
        tokio::spawn(async move {
            let body = match body.into_bytes() {
                Ok(body) => body,
                Err(error) => {
                    let (object, message) = (path, chain(error.as_ref()));
                    return pending.reply(Err(WriteError::Unencodable { object, message }));
                }
            };
            pending.started = Instant::now();
            let result = writer.send(&permit, verb, &path, body, accept).await;
            pending.latency = Some(pending.started.elapsed());
            pending.reply(result.and_then(|body| {
                read(&body).map_err(|error| WriteError::Unreadable {
                    object: path,
                    message: chain(error.as_ref()),
                })
            }));
        });
        Ok(())
    }
}

/// Owes one result, and gives it even when its task ends early: a token that never came back would keep its
/// object from being written ever again.
struct Pending<T, A> {
    reply: Option<(T, OwnedSemaphorePermit)>,
    verb: Verb,
    resource: &'static str,
    started: Instant,
    /// Once the answer is complete.
    latency: Option<Duration>,
    results: UnboundedSender<WriteDone<T, A>>,
}

impl<T, A> Pending<T, A> {
    fn reply(&mut self, result: Result<A, WriteError>) {
        let Some((token, slot)) = self.reply.take() else {
            return;
        };
        let done = WriteDone {
            token,
            verb: self.verb,
            resource: self.resource,
            result,
            latency: self.latency.unwrap_or_else(|| self.started.elapsed()),
            _slot: slot,
        };
        // Nobody listens any more at shutdown.
        let _ = self.results.send(done);
    }
}

impl<T, A> Drop for Pending<T, A> {
    fn drop(&mut self) {
        self.reply(Err(WriteError::Aborted));
    }
}

/// An error with its causes, short enough for a line of log.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    /// Readers of JSON quote the value that is wrong, which may be of any length.
    const MOST: usize = 200;
    let causes = std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string);
    let mut text = causes.collect::<Vec<_>>().join(": ");
    if let Some((end, _)) = text.char_indices().nth(MOST) {
        text.truncate(end);
        text.push('\u{2026}');
    }
    text
}
