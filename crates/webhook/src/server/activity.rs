//! What a connection waits for, and since when.
//!
//! hyper's own limit for heads counts idle time as well, so it would close connections that the apiserver keeps.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::Settings;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// For a request to begin.
    Idle,
    /// For the rest of the head.
    Head,
    /// For the rest of the body.
    Body,
    /// For the decision.
    Review,
    /// For the client to take the response.
    Response,
}

/// Shared by a connection's stream, its service and its watchdog; never contended, since they are one task.
#[derive(Clone, Debug)]
pub(super) struct Activity(Arc<Mutex<(Phase, Instant)>>);

impl Activity {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new((Phase::Idle, Instant::now()))))
    }

    pub(super) fn enter(&self, phase: Phase) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (phase, Instant::now());
    }

    fn phase(&self) -> Phase {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// What it has waited for too long, if it has.
    pub(super) fn overdue(&self, settings: &Settings) -> Option<Phase> {
        let (phase, since) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = match phase {
            Phase::Idle => settings.idle_timeout,
            Phase::Head => settings.read_timeout,
            Phase::Response => settings.write_timeout,
            // The service sees to these, since it can say so to the client.
            Phase::Body | Phase::Review => return None,
        };
        (since.elapsed() >= limit).then_some(phase)
    }
}

/// How often to look: often enough for limits to be kept to within a few percent, and cheap.
pub(super) fn look_every(settings: &Settings) -> Duration {
    let shortest = settings
        .idle_timeout
        .min(settings.read_timeout)
        .min(settings.write_timeout);
    (shortest / 8).clamp(Duration::from_millis(10), Duration::from_secs(1))
}

/// A stream that tells when a request begins and when a response is gone.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    activity: Activity,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, activity: Activity) -> Self {
        Self { stream, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before && this.activity.phase() == Phase::Idle {
            this.activity.enter(Phase::Head);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        // hyper flushes only what it has written out, and a response is whole when the service returns it.
        if flushed.is_ready() && this.activity.phase() == Phase::Response {
            this.activity.enter(Phase::Idle);
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
