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

/// The body of a write.
pub enum Payload {
    /// Ready to be sent.
    Ready(Bytes),
    /// Encoded in the task of the write, so that the core task does not spend its time on it.
    Encode(Box<dyn FnOnce() -> Bytes + Send>),
}

impl Payload {
    fn into_bytes(self) -> Bytes {
        match self {
            Self::Ready(bytes) => bytes,
            Self::Encode(encode) => encode(),
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(bytes) => write!(f, "Ready({} bytes)", bytes.len()),
            Self::Encode(_) => f.write_str("Encode"),
        }
    }
}

/// A write to be sent. The token comes back with the result.
#[derive(Debug)]
pub struct WriteRequest<T> {
    /// What to do.
    pub verb: Verb,
    /// Resource for metrics, for example `endpointslices`.
    pub resource: &'static str,
    /// Path, starting with a slash.
    pub path: String,
    /// The object, or for a delete its options.
    pub body: Payload,
    /// Whatever the sender needs to make sense of the result.
    pub token: T,
}

/// A write that has ended.
#[derive(Debug)]
pub struct WriteDone<T> {
    /// From the request.
    pub token: T,
    /// From the request.
    pub verb: Verb,
    /// From the request.
    pub resource: &'static str,
    /// The body of the answer, or why there is none.
    pub result: Result<Bytes, WriteError>,
    /// From sending to the end of the answer.
    pub latency: Duration,
    /// The slot in the pool, free once the result was consumed: what is in flight and what waits to be consumed
    /// are bounded together.
    _slot: OwnedSemaphorePermit,
}

/// Sends writes on tasks of their own; results come back on a channel, in the order the writes end.
///
/// How many are sensible at once is for the caller to decide ([`quaymaster_queue::Limit`]); the pool only has a
/// hard bound. Each write submitted gives exactly one result, also when its permit is lost (it is then aborted
/// at once) or its encoder panics. Dropping the pool lets writes in flight end; dropping the receiver makes
/// their results vanish.
#[derive(Debug)]
pub struct WritePool<T> {
    writer: Writer,
    slots: Arc<Semaphore>,
    results: UnboundedSender<WriteDone<T>>,
}

/// Why a write was not begun; it is handed back.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError<T> {
    /// As many as the pool may hold are in flight or wait to be consumed.
    #[error("the write pool is full")]
    Full(WriteRequest<T>),
}

impl<T: Send + 'static> WritePool<T> {
    /// A pool for at most `bound` writes, and the receiver of their results.
    pub fn new(writer: Writer, bound: usize) -> (Self, UnboundedReceiver<WriteDone<T>>) {
        let (results, receiver) = unbounded_channel();
        (
            Self {
                writer,
                slots: Arc::new(Semaphore::new(bound)),
                results,
            },
            receiver,
        )
    }

    /// Begins a write. Must be called within a tokio runtime; never blocks.
    pub fn submit(&self, permit: &Permit, request: WriteRequest<T>) -> Result<(), SubmitError<T>> {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            return Err(SubmitError::Full(request));
        };
        let WriteRequest {
            verb,
            resource,
            path,
            body,
            token,
        } = request;
        let mut pending = Pending {
            reply: Some((token, slot)),
            verb,
            resource,
            started: Instant::now(),
            results: self.results.clone(),
        };
        let (writer, permit) = (self.writer.clone(), permit.clone());
        tokio::spawn(async move {
            let body = body.into_bytes();
            pending.started = Instant::now();
            let result = writer.send(&permit, verb, &path, body).await;
            pending.reply(result);
        });
        Ok(())
    }
}

/// Owes one result, and gives it even when its task ends early: a token that never came back would keep its
/// object from being written ever again.
struct Pending<T> {
    reply: Option<(T, OwnedSemaphorePermit)>,
    verb: Verb,
    resource: &'static str,
    started: Instant,
    results: UnboundedSender<WriteDone<T>>,
}

impl<T> Pending<T> {
    fn reply(&mut self, result: Result<Bytes, WriteError>) {
        let Some((token, slot)) = self.reply.take() else {
            return;
        };
        let done = WriteDone {
            token,
            verb: self.verb,
            resource: self.resource,
            result,
            latency: self.started.elapsed(),
            _slot: slot,
        };
        // Nobody listens any more at shutdown.
        let _ = self.results.send(done);
    }
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        self.reply(Err(WriteError::Aborted));
    }
}
