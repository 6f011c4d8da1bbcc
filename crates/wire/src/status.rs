//! What the apiserver says of a request, in whatever encoding.

use std::time::Duration;

use crate::{DecodeError, json};

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
    /// Reads the body of a response that reports a failure, or that something is gone.
    ///
    /// The apiserver writes it in the encoding that was asked for, and what stands before it may answer without one: so
    /// encodings are to be told apart by the bytes alone.
    ///
    /// # Errors
    /// The bytes are not a `Status`: a proxy on the way may answer anything.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        json::status::decode(bytes)
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
