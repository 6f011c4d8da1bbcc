//! The `Status` that the apiserver answers failures with.

use serde::Deserialize;

use super::error::DecodeError;
use super::value::{List, Str, document, object, or_default};

/// What the apiserver says of a failed request, or of a watch that it ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// `code`, an HTTP status; 0 where absent.
    pub code: u16,
    /// `reason`, for instance `Expired` or `AlreadyExists`; empty where absent.
    pub reason: Box<str>,
    /// `message`, for people.
    pub message: Box<str>,
    /// `details.retryAfterSeconds`, where present and above zero: not to be tried again before.
    pub retry_after_seconds: Option<u32>,
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
        Self {
            code: u16::try_from(code).unwrap_or(0),
            reason: (*reason).into(),
            message: (*message).into(),
            retry_after_seconds: u32::try_from(details.retry_after_seconds)
                .ok()
                .filter(|seconds| *seconds > 0),
            causes: details
                .causes
                .0
                .iter()
                .map(|cause| (*cause.reason).into())
                .collect(),
        }
    }
}
