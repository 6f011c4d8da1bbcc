//! One connection.

use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::activity::{Activity, Phase, Watched, look_every};
use super::{Shared, service};
use crate::admission::Admission;

pub(super) async fn serve<A: Admission>(stream: TcpStream, shared: &Arc<Shared<A>>) {
    // A response that waits for the acknowledgement of the one before costs 40 ms.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY");
    }
    serve_stream(stream, shared).await;
}

/// From the handshake to the end.
pub(super) async fn serve_stream<A: Admission, S>(stream: S, shared: &Arc<Shared<A>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let _open = shared.metrics.connection();
    let Some(config) = shared.certificates.config() else {
        shared.metrics.handshake_failed();
        tracing::debug!("a connection came before there is a certificate");
        return;
    };
    let accepted = timeout(
        shared.settings.handshake_timeout,
        TlsAcceptor::from(config).accept(stream),
    )
    .await;
    let stream = match accepted {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            shared.metrics.handshake_failed();
            // An apiserver that does not trust us shows here, as do port scans and TCP probes.
            tracing::debug!(%error, "TLS handshake failed");
            return;
        }
        Err(_) => {
            shared.metrics.handshake_failed();
            tracing::debug!("TLS handshake took too long");
            return;
        }
    };
    requests(stream, shared).await;
}

/// Requests of one connection, one after the other.
async fn requests<A: Admission, S>(stream: S, shared: &Arc<Shared<A>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let activity = Activity::new();
    let service = service_fn(|request| service::answer(request, shared, &activity));
    let stream = TokioIo::new(Watched::new(stream, activity.clone()));
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .serve_connection(stream, service);
    tokio::pin!(connection);
    let mut look = interval(look_every(&shared.settings));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let lingered = async {
        shared.shutdown.cancelled().await;
        sleep(shared.settings.linger).await;
    };
    tokio::pin!(lingered);
    let mut ending = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection ended");
                }
                return;
            }
            () = &mut lingered, if !ending => {
                ending = true;
                // Closes it now if it is idle, or after the response.
                connection.as_mut().graceful_shutdown();
            }
            _ = look.tick() => if let Some(phase) = activity.overdue(&shared.settings) {
                if phase != Phase::Idle {
                    shared.metrics.failed("slow");
                }
                tracing::debug!(?phase, "connection closed, since nothing comes");
                return;
            }
        }
    }
}
