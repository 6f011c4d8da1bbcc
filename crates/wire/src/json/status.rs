//! The `Status` that the apiserver answers failures with.

use std::time::Duration;

use serde::Deserialize;

use super::error::DecodeError;
use super::value::{List, Str, document, object, or_default};

/// `CauseTypeResourceVersionTooLarge` (kubernetes/apimachinery `pkg/apis/meta/v1/types.go`).
const RESOURCE_VERSION_TOO_LARGE: &str = "ResourceVersionTooLarge";

/// What the apiserver says of a failed request, or of a watch that it ends (`meta/v1.Status`,
/// kubernetes/apimachinery `pkg/apis/meta/v1/types.go`).
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
#[error("{code} {reason}: {message}")]
pub struct Status {
    /// `code`, an HTTP status; 0 where absent.
    pub code: u16,
    /// `reason`, for instance `Expired` or `AlreadyExists`; empty where absent.
    pub reason: Box<str>,
    /// `message`, for people. As long as the server made it.
    pub message: Box<str>,
    /// `details.kind` and `details.group` as RBAC and kubectl name a resource, for instance
    /// `endpointslices.discovery.k8s.io`; empty where absent.
    pub resource: Box<str>,
    /// `details.retryAfterSeconds`, where present and above zero: not to be tried again before.
    pub retry_after: Option<Duration>,
    /// `details.causes[].reason`, in order; for instance `NamespaceTerminating`.
    pub causes: Vec<Box<str>>,
}

impl Status {
    /// Reads the body of a response that reports a failure.
    ///
    /// # Errors
    /// The bytes are not a `Status`: a proxy on the way may answer anything.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wire: Wire<'_> = document(bytes)?;
        if &*wire.kind == "Status" {
            Ok(wire.into())
        } else {
            Err(DecodeError::NotAStatus)
        }
    }

    /// Whether a cause has this reason.
    pub fn has_cause(&self, reason: &str) -> bool {
        self.causes.iter().any(|cause| **cause == *reason)
    }

    /// Whether the server lags behind the resource version asked for.
    pub fn is_version_too_large(&self) -> bool {
        self.has_cause(RESOURCE_VERSION_TOO_LARGE)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wire<'a> {
    #[serde(borrow)]
    kind: Str<'a>,
    #[serde(deserialize_with = "or_default")]
    code: i32,
    #[serde(borrow)]
    reason: Str<'a>,
    #[serde(borrow)]
    message: Str<'a>,
    #[serde(borrow, deserialize_with = "object")]
    details: Details<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details<'a> {
    #[serde(borrow)]
    group: Str<'a>,
    #[serde(borrow)]
    kind: Str<'a>,
    #[serde(deserialize_with = "or_default")]
    retry_after_seconds: i32,
    #[serde(borrow)]
    causes: List<Cause<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cause<'a> {
    #[serde(borrow)]
    reason: Str<'a>,
}

impl From<Wire<'_>> for Status {
    fn from(wire: Wire<'_>) -> Self {
        let Wire {
            kind: _,
            code,
            reason,
            message,
            details,
        } = wire;
        let Details {
            group,
            kind,
            retry_after_seconds,
            causes,
        } = details;
        let resource = match (&*kind, &*group) {
            ("", _) => "".into(),
            (kind, "") => kind.into(),
            (kind, group) => format!("{kind}.{group}").into(),
        };
        Self {
            code: u16::try_from(code).unwrap_or(0),
            reason: (*reason).into(),
            message: (*message).into(),
            resource,
            retry_after: u64::try_from(retry_after_seconds)
                .ok()
                .filter(|seconds| *seconds > 0)
                .map(Duration::from_secs),
            causes: causes.0.iter().map(|cause| (*cause.reason).into()).collect(),
        }
    }
}
