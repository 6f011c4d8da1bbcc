//! Why a control plane could not be started or driven.

use std::io;
use std::time::Duration;

use crate::assets::AssetsError;

/// A control plane did not start, or a later step on it failed.
#[derive(Debug, thiserror::Error)]
pub enum ControlPlaneError {
    /// A program is missing.
    #[error(transparent)]
    Assets(#[from] AssetsError),
    /// The minor named in `QUAYMASTER_TEST_MINOR` or by the test is no version.
    #[error("{0:?} is not a Kubernetes minor version such as 1.37")]
    Minor(String),
    /// Credentials of a user were asked for where every user could do everything.
    #[error("a kubeconfig for {0:?} would say nothing: start the control plane with `Builder::rbac`")]
    NoRbac(String),
    /// A certificate or key could not be made.
    #[error("making certificates failed")]
    Certificates(#[from] rcgen::Error),
    /// A file, port or process could not be had.
    #[error("{action} failed")]
    Io {
        /// What was being done.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// A server ended instead of becoming ready.
    #[error("{server} ended with {status}; its log ends with\n{tail}")]
    Exited {
        /// Which server.
        server: String,
        /// Its exit code or signal.
        status: String,
        /// The log's last lines.
        tail: String,
    },
    /// A server did not become ready in time.
    #[error("{server} is not ready after {limit:?}: {last}; its log ends with\n{tail}")]
    NotReady {
        /// Which server.
        server: String,
        /// How long was waited.
        limit: Duration,
        /// The last answer.
        last: String,
        /// The log's last lines.
        tail: String,
    },
    /// Each attempt met a port that another process had just taken.
    #[error("no free ports after {0} attempts")]
    Ports(u32),
    /// The apiserver refused a request of the kit, or did not answer.
    #[error("a request to kube-apiserver failed")]
    Request(#[from] kube::Error),
    /// etcd gave an answer that makes no sense.
    #[error("etcd answered {0}")]
    Etcd(String),
    /// A client could not be made from the connection's settings.
    #[error("making a client failed")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A thread or task of the kit ended early.
    #[error("a task of the test kit ended early")]
    Task,
    /// The shared control plane did not start; each test that asks gets the same text.
    #[error("{0}")]
    Shared(String),
}

impl ControlPlaneError {
    pub(super) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}
