//! Why a write failed, and what that means.

use std::time::Duration;

use quaymaster_queue::Outcome;

/// Why a write failed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The object changed since it was read, or a precondition does not hold.
    #[error("conflict: {message}")]
    Conflict {
        /// The apiserver's words.
        message: String,
    },
    /// An object of this name exists.
    #[error("already exists: {message}")]
    AlreadyExists {
        /// The apiserver's words.
        message: String,
    },
    /// The object, or the namespace of one to be created, does not exist.
    #[error("not found: {message}")]
    NotFound {
        /// The apiserver's words.
        message: String,
    },
    /// Nothing can be created any more in a namespace that is being deleted.
    #[error("the namespace is being deleted: {message}")]
    NamespaceTerminating {
        /// The apiserver's words.
        message: String,
    },
    /// The apiserver is overloaded and did not do it.
    #[error("too many requests: {message}")]
    TooManyRequests {
        /// Nothing is to be sent before this time has passed.
        retry_after: Option<Duration>,
        /// The apiserver's words.
        message: String,
    },
    /// The credentials are not accepted.
    #[error("unauthorized: {message}")]
    Unauthorized {
        /// The apiserver's words.
        message: String,
    },
    /// RBAC, a quota, or an admission policy denies it.
    #[error("forbidden to {verb} {resource}: {message}")]
    Forbidden {
        /// RBAC verb.
        verb: &'static str,
        /// Resource with its group, as in `kubectl auth can-i`; empty if the apiserver did not name it.
        resource: String,
        /// The apiserver's words.
        message: String,
    },
    /// The apiserver does not accept this object or request, now or later.
    #[error("invalid (status {code}): {message}")]
    Invalid {
        /// HTTP status.
        code: u16,
        /// The apiserver's words.
        message: String,
    },
    /// No answer in time. The write may have happened.
    #[error("no answer within {} s", after.as_secs_f64())]
    Timeout {
        /// Time waited.
        after: Duration,
    },
    /// The connection failed. The write may have happened.
    #[error("the connection to the apiserver failed")]
    Transport(#[source] Box<kube::Error>),
    /// The apiserver or a webhook failed. The write may have happened.
    #[error("the apiserver failed (status {code}): {message}")]
    Server {
        /// HTTP status.
        code: u16,
        /// Nothing is to be sent before this time has passed.
        retry_after: Option<Duration>,
        /// The apiserver's words.
        message: String,
    },
    /// What was to be sent cannot be written down, so nothing was sent.
    #[error("{object} cannot be encoded: {message}")]
    Unencodable {
        /// Path of the object.
        object: String,
        /// What is wrong with it.
        message: String,
    },
    /// The apiserver did it, and what it answered makes no sense.
    #[error("the answer about {object} cannot be read: {message}")]
    Unreadable {
        /// Path of the object.
        object: String,
        /// What is wrong with it.
        message: String,
    },
    /// The permit was or became invalid. If the write was in flight, it may have happened.
    #[error("no longer allowed to write")]
    PermitLost,
    /// The task of the write ended early, by a panic or with the runtime. The write may have happened.
    #[error("the write was given up")]
    Aborted,
}

/// What a failed write asks of whoever wanted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Remedy {
    /// What is known of the object is out of date: learn its state, then decide anew.
    Reread,
    /// Try again after a back-off, and be prepared that the write did happen.
    Retry,
    /// Try again once the pause of [`quaymaster_queue::Limit`] is over.
    Wait,
    /// Somebody must change something (RBAC, quota, policy). Tell them, and try again with a back-off.
    Report,
    /// Not wanted any more: the rest of the namespace goes too.
    Abandon,
    /// This process is not the writer any more.
    Stop,
}

impl WriteError {
    /// Metric label.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "conflict",
            Self::AlreadyExists { .. } => "already_exists",
            Self::NotFound { .. } => "not_found",
            Self::NamespaceTerminating { .. } => "namespace_terminating",
            Self::TooManyRequests { .. } => "too_many_requests",
            Self::Unauthorized { .. } => "unauthorized",
            Self::Forbidden { .. } => "forbidden",
            Self::Invalid { .. } => "invalid",
            Self::Timeout { .. } => "timeout",
            Self::Transport(_) => "transport",
            Self::Server { .. } => "server",
            Self::Unencodable { .. } => "unencodable",
            Self::Unreadable { .. } => "unreadable",
            Self::PermitLost => "permit_lost",
            Self::Aborted => "aborted",
        }
    }

    /// What to do about it.
    pub const fn remedy(&self) -> Remedy {
        match self {
            Self::Conflict { .. } | Self::AlreadyExists { .. } | Self::NotFound { .. } => Remedy::Reread,
            Self::Timeout { .. }
            | Self::Transport(_)
            | Self::Server { .. }
            | Self::Unreadable { .. }
            | Self::Aborted => Remedy::Retry,
            Self::TooManyRequests { .. } => Remedy::Wait,
            Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::Invalid { .. }
            | Self::Unencodable { .. } => Remedy::Report,
            Self::NamespaceTerminating { .. } => Remedy::Abandon,
            Self::PermitLost => Remedy::Stop,
        }
    }

    /// What it tells the limit of writes in flight.
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::TooManyRequests { retry_after, .. } => Outcome::Overloaded {
                retry_after: *retry_after,
            },
            Self::Server {
                retry_after: Some(pause),
                ..
            } => Outcome::Overloaded {
                retry_after: Some(*pause),
            },
            Self::Unencodable { .. } | Self::PermitLost | Self::Aborted => Outcome::Aborted,
            // 500 comes from webhooks and single requests; its latency tells enough about load.
            Self::Server { code: 500, .. }
            | Self::Conflict { .. }
            | Self::AlreadyExists { .. }
            | Self::NotFound { .. }
            | Self::NamespaceTerminating { .. }
            | Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::Invalid { .. }
            | Self::Unreadable { .. } => Outcome::Answered,
            Self::Timeout { .. } | Self::Transport(_) | Self::Server { .. } => Outcome::Lost,
        }
    }

    /// As [`outcome`](Self::outcome), also of success.
    pub const fn outcome_of<A>(result: &Result<A, Self>) -> Outcome {
        match result {
            Ok(_) => Outcome::Answered,
            Err(error) => error.outcome(),
        }
    }

    /// Metric label, also of success.
    pub const fn label_of<A>(result: &Result<A, Self>) -> &'static str {
        match result {
            Ok(_) => "success",
            Err(error) => error.label(),
        }
    }
}
