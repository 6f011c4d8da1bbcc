//! The apiserver's `Status` object, as far as a watch needs it.

use std::time::Duration;

use serde::Deserialize;

/// What the server says about a failed request, or in an `ERROR` event
/// (`meta/v1.Status`, kubernetes/apimachinery `pkg/apis/meta/v1/types.go`).
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("{code} {reason}: {message}")]
pub struct Status {
    /// The HTTP code; 0 where the server named none.
    pub code: u16,
    /// The machine-readable reason, such as `Expired`.
    pub reason: String,
    /// The message for people.
    pub message: String,
    /// `details.retryAfterSeconds`.
    pub retry_after: Option<Duration>,
    /// Whether a cause is `ResourceVersionTooLarge`: the server lags behind the version asked for.
    pub version_too_large: bool,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Wire {
    kind: String,
    code: Option<u16>,
    reason: Option<String>,
    message: Option<String>,
    details: Option<WireDetails>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct WireDetails {
    retry_after_seconds: Option<i64>,
    causes: Option<Vec<WireCause>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WireCause {
    reason: Option<String>,
}

/// `metav1.CauseTypeResourceVersionTooLarge`.
const VERSION_TOO_LARGE: &str = "ResourceVersionTooLarge";

impl Status {
    /// Reads a JSON `Status`; `None` where `json` is not one (a proxy's page, say).
    pub fn from_json(json: &[u8]) -> Option<Self> {
        let wire: Wire = serde_json::from_slice(json).ok()?;
        if wire.kind != "Status" {
            return None;
        }
        let details = wire.details.unwrap_or_default();
        let seconds = details
            .retry_after_seconds
            .and_then(|seconds| u64::try_from(seconds).ok());
        Some(Self {
            code: wire.code.unwrap_or_default(),
            reason: wire.reason.unwrap_or_default(),
            message: wire.message.unwrap_or_default(),
            retry_after: seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs),
            version_too_large: details
                .causes
                .unwrap_or_default()
                .iter()
                .any(|cause| cause.reason.as_deref() == Some(VERSION_TOO_LARGE)),
        })
    }
}

#[cfg(test)]
mod tests;
