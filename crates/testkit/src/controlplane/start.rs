//! Starting etcd and kube-apiserver, and knowing when the latter is ready.

use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use kube::Client;
use kube::config::Config;

use super::ControlPlaneError;
use crate::server::{Server, describe_exit};

/// How long the apiserver may take; 2 s on an idle machine, far more beside parallel builds.
pub(super) const READY_LIMIT: Duration = Duration::from_mins(2);
/// How often readiness is asked: it adds half of this to each start, and each refusal costs the apiserver work.
pub(super) const READY_POLL: Duration = Duration::from_millis(20);
/// How long one question may take.
const READY_TIMEOUT: Duration = Duration::from_secs(5);
/// Lines of a log shown in errors.
const SHOWN_LINES: usize = 15;
/// What both servers print when their port is taken.
const PORT_TAKEN: &str = "address already in use";

/// Waits until the apiserver's `/readyz` says ok, or one of `servers` ends.
///
/// Only this control plane's apiserver can answer: no other holds a certificate of this authority.
pub(super) async fn wait_ready(
    config: &Config,
    servers: &mut [&mut Server],
) -> Result<(), ControlPlaneError> {
    let deadline = Instant::now() + READY_LIMIT;
    let client = Client::try_from(config.clone()).map_err(|error| ControlPlaneError::Client(error.into()))?;
    loop {
        for server in servers.iter_mut() {
            if let Some(status) = server.exited() {
                return Err(exit_error(server, status));
            }
        }
        let last = match tokio::time::timeout(READY_TIMEOUT, ask(&client, "/readyz")).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        if Instant::now() >= deadline {
            return Err(not_ready(servers.last().map(|server| &**server), last));
        }
        tokio::time::sleep(READY_POLL).await;
    }
}

/// The body of a GET request.
pub(super) async fn ask(client: &Client, path: &str) -> kube::Result<String> {
    let request = http::Request::get(path)
        .body(Vec::new())
        .map_err(kube::Error::HttpError)?;
    client.request_text(request).await
}

/// The error for a server that runs and did not answer within [`READY_LIMIT`], but for this.
pub(super) fn not_ready(server: Option<&Server>, last: String) -> ControlPlaneError {
    ControlPlaneError::NotReady {
        server: server.map(Server::name).unwrap_or_default().to_owned(),
        limit: READY_LIMIT,
        last,
        tail: server
            .map(|server| server.log_tail(SHOWN_LINES))
            .unwrap_or_default(),
    }
}

/// The error for a server that ended by itself.
pub(super) fn exit_error(server: &Server, status: ExitStatus) -> ControlPlaneError {
    ControlPlaneError::Exited {
        server: server.name().to_owned(),
        status: describe_exit(status),
        tail: server.log_tail(SHOWN_LINES),
    }
}

/// Whether a server ended because another process had taken its port meanwhile.
pub(super) fn lost_its_port(error: &ControlPlaneError) -> bool {
    matches!(error, ControlPlaneError::Exited { tail, .. } if tail.contains(PORT_TAKEN))
}

/// Empties a folder that an earlier attempt may have used.
pub(super) fn remove_data(folder: &Path) {
    // Absent in the first attempt; anything else shows when etcd starts.
    let _ = std::fs::remove_dir_all(folder);
}
