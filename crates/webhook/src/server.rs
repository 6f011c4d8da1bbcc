//! The server.

mod activity;
mod connection;
mod service;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::admission::Admission;
use crate::metrics::WebhookMetrics;
use crate::tls::Certificates;

/// Pause after a connection could not be accepted, as when the process has no file descriptor left: it would fail
/// again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Limits of a server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes of a body. The apiserver takes objects of 3 MiB, and an update has two of them.
    pub max_body: usize,
    /// Bytes of all bodies that are being read or decided. Requests over it are answered with 503.
    pub max_bodies: usize,
    /// Connections. What comes over it waits in the kernel. An apiserver keeps up to 25 idle ones.
    pub max_connections: usize,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How long a connection may be without a request. Longer than the apiserver keeps idle connections (90 s, as
    /// `http.DefaultTransport` has it): where the server closes first, a request that is on its way fails, and the
    /// apiserver does not send it again.
    pub idle_timeout: Duration,
    /// How long the head of a request may take to come, and how long its body.
    pub read_timeout: Duration,
    /// How long a decision may take; the most that an apiserver waits.
    pub review_timeout: Duration,
    /// How long a response may take to be taken by the client.
    pub write_timeout: Duration,
    /// How long the server goes on taking requests when it is to stop, each answered with `Connection: close`: so
    /// connections that are in use end by agreement, and no request is lost.
    pub linger: Duration,
    /// How long stopping may take as a whole, `linger` included.
    pub drain: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_body: 8 << 20,
            max_bodies: 256 << 20,
            max_connections: 1024,
            handshake_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_mins(3),
            read_timeout: Duration::from_secs(10),
            review_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(10),
            linger: Duration::from_millis(250),
            drain: Duration::from_secs(1),
        }
    }
}

/// Why the server cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process has the port.
    #[error("the address {address} for admission reviews is in use by another process")]
    AddressInUse {
        /// The address wanted.
        address: SocketAddr,
    },
    /// The address cannot be listened on for another reason.
    #[error("cannot listen on {address} for admission reviews")]
    Listen {
        /// The address wanted.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Serves admission reviews over TLS.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    certificates: Certificates,
    metrics: WebhookMetrics,
    settings: Settings,
}

/// What all connections share.
#[derive(Debug)]
struct Shared<A> {
    admission: Arc<A>,
    certificates: Certificates,
    metrics: WebhookMetrics,
    settings: Settings,
    /// Bytes of bodies that are held.
    held: AtomicUsize,
    shutdown: CancellationToken,
}

impl Server {
    /// Takes the address, so that an occupied one is known before anything else begins. Port 0 takes a free one.
    pub async fn bind(
        address: SocketAddr,
        certificates: Certificates,
        metrics: WebhookMetrics,
        settings: Settings,
    ) -> Result<Self, BindError> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| match source.kind() {
                io::ErrorKind::AddrInUse => BindError::AddressInUse { address },
                _ => BindError::Listen { address, source },
            })?;
        Ok(Self {
            listener,
            certificates,
            metrics,
            settings,
        })
    }

    /// The address it listens on.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown`, then for [`Settings::linger`] what still comes, and ends after at most
    /// [`Settings::drain`].
    pub async fn serve<A: Admission>(self, admission: Arc<A>, shutdown: CancellationToken) {
        let settings = self.settings.clone();
        let shared = Arc::new(Shared {
            admission,
            certificates: self.certificates,
            metrics: self.metrics,
            settings: self.settings,
            held: AtomicUsize::new(0),
            shutdown: shutdown.clone(),
        });
        let limit = Arc::new(Semaphore::new(settings.max_connections));
        let mut connections = JoinSet::new();
        let lingered = async {
            shutdown.cancelled().await;
            let stopped = Instant::now();
            sleep_until(stopped + settings.linger.min(settings.drain)).await;
            stopped
        };
        tokio::pin!(lingered);
        let stopped = loop {
            tokio::select! {
                stopped = &mut lingered => break stopped,
                Some(ended) = connections.join_next() => report(ended),
                (stream, permit) = accept(&self.listener, &limit) => {
                    let shared = Arc::clone(&shared);
                    connections.spawn(async move {
                        connection::serve(stream, &shared).await;
                        drop(permit);
                    });
                }
            }
        };
        drop(self.listener);
        let all = async {
            while let Some(ended) = connections.join_next().await {
                report(ended);
            }
        };
        if timeout_at(stopped + settings.drain, all).await.is_err() {
            tracing::warn!(
                connections = connections.len(),
                "admission reviews that are not answered in time are given up"
            );
        }
        connections.shutdown().await;
    }
}

/// The next connection, once there may be one more.
async fn accept(listener: &TcpListener, limit: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    loop {
        let Ok(permit) = Arc::clone(limit).acquire_owned().await else {
            // Nobody closes it.
            return std::future::pending().await;
        };
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            Err(error) => {
                tracing::warn!(%error, "a connection for admission reviews cannot be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "deciding on an admission review panicked");
    }
}
