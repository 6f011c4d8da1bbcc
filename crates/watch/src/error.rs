//! What can go wrong with a watch. All of it is retried; none of it ends the watch.

use crate::backoff::FailureKind;
use std::error::Error;
use std::fmt::{self, Write as _};
use std::time::Duration;

use http::StatusCode;
use quaymaster_wire::{DecodeError, Status};

/// What was asked of the server, as RBAC calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// A page of a list.
    List,
    /// A watch, also one that begins with a streaming list.
    Watch,
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::List => "list",
            Self::Watch => "watch",
        })
    }
}

/// A failed list or watch.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} {resource}")]
pub struct WatchError {
    /// What was asked.
    pub verb: Verb,
    /// Of which collection ([`crate::Source::resource`]).
    pub resource: String,
    /// What happened.
    #[source]
    pub cause: Cause,
}

/// What to do about a 403. Whoever gives no credentials is `system:anonymous`, who should be granted nothing.
fn advice(status: &Status) -> &'static str {
    if status.message.contains("system:anonymous") {
        "give credentials, there are none"
    } else {
        "grant the verb to this identity (RBAC)"
    }
}

/// Why a list or watch failed.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// 403: a role lacks the verb on the resource. Heals when it is granted.
    #[error("forbidden; {}", advice(.0))]
    Forbidden(#[source] Status),
    /// 401: the credentials are not accepted. Heals when they are renewed.
    #[error("not authenticated")]
    Unauthorized(#[source] Status),
    /// 410: the history behind the version is gone. Answered by a new list.
    #[error("the resource version is no longer available")]
    Expired(#[source] Status),
    /// 504 with `ResourceVersionTooLarge`: the server's cache lags behind the version asked for.
    #[error("the server lags behind the resource version asked for")]
    VersionTooLarge(#[source] Status),
    /// 429: the server sheds load.
    #[error("the server asks to slow down")]
    TooManyRequests(#[source] Status),
    /// Any other answer than success.
    #[error("the server answered with an error")]
    Status(#[source] Status),
    /// No answer in time.
    #[error("no answer within {limit:?}")]
    TimedOut {
        /// What was granted.
        limit: Duration,
    },
    /// An open watch without a byte for too long: a dead connection, or a collection in which nothing happens (the
    /// server sends no bookmark where there is no progress to tell). Resumed at once.
    #[error("nothing received for {limit:?}")]
    Silent {
        /// What was granted.
        limit: Duration,
    },
    /// The server did not close the watch when it had promised to.
    #[error("the watch is still open {grace:?} after its agreed end")]
    Overdue {
        /// What was granted.
        grace: Duration,
    },
    /// The server closed the watch at once and without a frame.
    #[error("the watch was closed at once")]
    ClosedAtOnce,
    /// The request could not be sent: connection refused, DNS, TLS, credentials.
    #[error("request failed")]
    Request(#[source] Box<kube::Error>),
    /// The connection broke while the body was read.
    #[error("the connection broke")]
    Broken(#[source] Box<kube::Error>),
    /// The server closed a streaming list before it was complete.
    #[error("the stream ended inside a list")]
    CutList,
    /// The body ended inside a frame.
    #[error("the stream ended inside a frame")]
    CutFrame,
    /// A page beyond [`crate::Config::max_page_bytes`].
    #[error("a list page exceeds {limit} bytes")]
    PageTooLarge {
        /// What was granted.
        limit: usize,
    },
    /// A page that makes no sense as a whole.
    #[error("the list cannot be read")]
    Page(#[from] DecodeError),
    /// A streaming list turned out to be older than what was told before: the server's history went back.
    #[error("the list is of a history that went back")]
    HistoryLost,
    /// A list or the end of a streaming list without resource version: there is nothing to watch from.
    #[error("the list has no resource version")]
    NoVersion,
    /// The source's path is no valid URI.
    #[error("invalid request")]
    Invalid(#[source] http::Error),
}

impl Cause {
    /// All that [`Cause::label`] can return.
    pub const LABELS: [&'static str; 15] = [
        "forbidden",
        "unauthorized",
        "expired",
        "version_too_large",
        "too_many_requests",
        "status",
        "timeout",
        "silent",
        "closed_at_once",
        "request",
        "broken",
        "page_too_large",
        "decode",
        "history_lost",
        "invalid",
    ];

    /// The class of the failure, for metrics: one of [`Cause::LABELS`].
    pub fn label(&self) -> &'static str {
        match self {
            Self::Forbidden(_) => "forbidden",
            Self::Unauthorized(_) => "unauthorized",
            Self::Expired(_) => "expired",
            Self::VersionTooLarge(_) => "version_too_large",
            Self::TooManyRequests(_) => "too_many_requests",
            Self::Status(_) => "status",
            Self::TimedOut { .. } => "timeout",
            Self::Silent { .. } | Self::Overdue { .. } => "silent",
            Self::ClosedAtOnce => "closed_at_once",
            Self::Request(_) => "request",
            Self::Broken(_) | Self::CutFrame | Self::CutList => "broken",
            Self::PageTooLarge { .. } => "page_too_large",
            Self::Page(_) | Self::NoVersion => "decode",
            Self::HistoryLost => "history_lost",
            Self::Invalid(_) => "invalid",
        }
    }

    /// Sorts what the server said.
    pub(crate) fn from_status(status: Status) -> Self {
        if status.is_version_too_large() {
            return Self::VersionTooLarge(status);
        }
        match status.code {
            401 => Self::Unauthorized(status),
            403 => Self::Forbidden(status),
            410 => Self::Expired(status),
            429 => Self::TooManyRequests(status),
            // In an event the code may be missing.
            _ if matches!(&*status.reason, "Expired" | "Gone") => Self::Expired(status),
            _ => Self::Status(status),
        }
    }

    /// What the server said, if it said something.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Forbidden(status)
            | Self::Unauthorized(status)
            | Self::Expired(status)
            | Self::VersionTooLarge(status)
            | Self::TooManyRequests(status)
            | Self::Status(status) => Some(status),
            _ => None,
        }
    }

    /// What this tells of the server.
    pub(crate) fn backoff_kind(&self) -> FailureKind {
        match self {
            Self::Request(_) => FailureKind::Unreachable,
            Self::Expired(_)
            | Self::Silent { .. }
            | Self::Overdue { .. }
            | Self::Broken(_)
            | Self::CutFrame
            | Self::CutList
            | Self::PageTooLarge { .. }
            | Self::HistoryLost => FailureKind::Lenient,
            _ => FailureKind::Failure,
        }
    }

    /// Whether a watch that was to resume cannot, so that a list must come first.
    pub(crate) fn demands_list(&self) -> bool {
        match self {
            Self::Expired(_) | Self::HistoryLost => true,
            _ => self.is_unknown_version(),
        }
    }

    /// Whether the server has no such collection.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Status(status) if status.code == StatusCode::NOT_FOUND.as_u16())
    }

    /// Whether the server says of a version to resume from that it could not have issued it: etcd was restored or
    /// replaced.
    pub(crate) fn is_unknown_version(&self) -> bool {
        matches!(self, Self::Status(status) if status.code == StatusCode::BAD_REQUEST.as_u16())
    }

    /// Whether a server without the `WatchList` gate may answer so to a streaming list.
    ///
    /// The apiserver says 422 `Invalid` (kubernetes/apimachinery
    /// `pkg/apis/meta/internalversion/validation/validation.go`, kubernetes/kubernetes#135583), aggregated servers also
    /// 400. A 403 is RBAC's, unless it names the parameter.
    pub(crate) fn may_reject_streaming(&self) -> bool {
        match self {
            Self::Status(status) => matches!(status.code, 400 | 422),
            Self::Forbidden(status) => {
                &*status.reason == "Invalid" || status.message.contains("sendInitialEvents")
            }
            _ => false,
        }
    }

    /// Whether the answer leaves no doubt that streaming lists are refused.
    pub(crate) fn rejects_streaming(&self) -> bool {
        self.may_reject_streaming()
            && self
                .status()
                .is_some_and(|status| status.message.contains("sendInitialEvents"))
    }
}

/// Most characters of a line about an error: readers quote the value that is wrong, which may be of any length.
const LONGEST: usize = 500;

/// An error with all its sources, on one line that is not too long.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    shortened(text)
}

/// A text of any length, short enough for a line of log.
pub(crate) fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('\u{2026}');
    }
    text
}
