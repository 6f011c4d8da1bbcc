//! The HTTP server for probes and metrics.

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::health::{Health, Scope};
use crate::metrics::{CONTENT_TYPE, Registry};

/// Time for requests in progress at shutdown. A probe or a scrape takes milliseconds.
const DRAIN: Duration = Duration::from_secs(1);

/// Why the admin server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Another process has the port.
    #[error("the address {address} is in use by another process")]
    AddressInUse {
        /// The address wanted.
        address: SocketAddr,
    },
    /// The address cannot be listened on for another reason.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address wanted.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The server failed while running.
    #[error("the admin server failed")]
    Serve(#[source] io::Error),
}

/// Serves `/livez`, `/healthz`, `/readyz` (each with `?verbose`) and `/metrics`.
///
/// A failed check answers 503 with the list of checks, verbose or not.
#[derive(Debug)]
pub struct AdminServer {
    listener: TcpListener,
    app: App,
}

#[derive(Clone, Debug)]
struct App {
    health: Health,
    metrics: Registry,
}

impl AdminServer {
    /// Takes the address, so that an occupied one is known before anything else begins. Port 0 takes a free one.
    pub async fn bind(address: SocketAddr, health: Health, metrics: Registry) -> Result<Self, AdminError> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| match source.kind() {
                io::ErrorKind::AddrInUse => AdminError::AddressInUse { address },
                _ => AdminError::Listen { address, source },
            })?;
        Ok(Self {
            listener,
            app: App { health, metrics },
        })
    }

    /// The address it listens on.
    pub fn address(&self) -> Result<SocketAddr, AdminError> {
        self.listener.local_addr().map_err(AdminError::Serve)
    }

    /// Serves until `shutdown`, then lets requests in progress end for at most a second.
    pub async fn serve(self, shutdown: CancellationToken) -> Result<(), AdminError> {
        let router = Router::new()
            // kube-controller-manager has /healthz only; it means there what /livez means here.
            .route(
                "/healthz",
                get(async |app, uri| health(&app, &uri, "healthz", Scope::Live)),
            )
            .route(
                "/livez",
                get(async |app, uri| health(&app, &uri, "livez", Scope::Live)),
            )
            .route(
                "/readyz",
                get(async |app, uri| health(&app, &uri, "readyz", Scope::Ready)),
            )
            .route("/metrics", get(metrics))
            .with_state(self.app);
        let serving =
            axum::serve(self.listener, router).with_graceful_shutdown(shutdown.clone().cancelled_owned());
        tokio::select! {
            served = async { serving.await } => served.map_err(AdminError::Serve),
            () = async {
                shutdown.cancelled().await;
                tokio::time::sleep(DRAIN).await;
            } => Ok(()),
        }
    }
}

fn health(State(app): &State<App>, uri: &Uri, endpoint: &'static str, scope: Scope) -> Response {
    let report = app.health.report(scope);
    let verbose = uri.query().is_some_and(|query| {
        query
            .split('&')
            .any(|pair| pair == "verbose" || pair.starts_with("verbose="))
    });
    let (status, text) = match (report.passed(), verbose) {
        (true, false) => (StatusCode::OK, "ok".to_owned()),
        (true, true) => (StatusCode::OK, report.verbose(endpoint)),
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, report.verbose(endpoint)),
    };
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        // Reasons may repeat what an apiserver said.
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, text).into_response()
}

async fn metrics(State(app): State<App>) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], app.metrics.encode()).into_response()
}
