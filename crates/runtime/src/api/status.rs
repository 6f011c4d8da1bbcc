//! From an error answer to a [`WriteError`].

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use kube::core::Status;

use super::{Verb, WriteError};

/// Cause named by the `NamespaceLifecycle` admission plugin when it refuses a create
/// (`k8s.io/api` `core/v1/types.go`, `NamespaceTerminatingCause`).
const NAMESPACE_TERMINATING: &str = "NamespaceTerminating";

/// Longest message kept. A proxy may answer with a page of HTML.
const MAX_MESSAGE: usize = 1024;

/// Tells error answers apart: by reason where there is one, because 409 and 403 have several meanings, else by
/// HTTP status.
pub(super) fn classify(verb: Verb, code: StatusCode, headers: &HeaderMap, body: &[u8]) -> WriteError {
    let status: Status = serde_json::from_slice(body).unwrap_or_default();
    let message = message(&status, code, body);
    let code = code.as_u16();
    let retry_after = retry_after(&status, headers);
    let is_terminating = status
        .details
        .iter()
        .flat_map(|d| &d.causes)
        .any(|cause| cause.reason == NAMESPACE_TERMINATING);
    match (code, status.reason.as_str()) {
        _ if is_terminating => WriteError::NamespaceTerminating { message },
        (_, "AlreadyExists") => WriteError::AlreadyExists { message },
        (409, _) => WriteError::Conflict { message },
        // A resource that is gone for good, or a name that is.
        (404 | 410, _) => WriteError::NotFound { message },
        (429, _) => WriteError::TooManyRequests { retry_after, message },
        (401, _) => WriteError::Unauthorized { message },
        (403, _) => WriteError::Forbidden {
            verb: verb.label(),
            resource: resource(&status),
            message,
        },
        // The apiserver or a proxy gave up waiting for the request.
        (408 | 500.., _) => WriteError::Server {
            code,
            retry_after,
            message,
        },
        _ => WriteError::Invalid { code, message },
    }
}

fn message(status: &Status, code: StatusCode, body: &[u8]) -> String {
    if !status.message.is_empty() {
        return bounded(&status.message);
    }
    let text = String::from_utf8_lossy(&body[..body.len().min(MAX_MESSAGE)]);
    match text.trim() {
        "" => code.canonical_reason().unwrap_or("no explanation").to_owned(),
        text => bounded(text),
    }
}

fn bounded(text: &str) -> String {
    text.char_indices()
        .take_while(|(at, _)| *at < MAX_MESSAGE)
        .map(|(_, c)| c)
        .collect()
}

/// `endpointslices.discovery.k8s.io`, as RBAC and kubectl name it.
fn resource(status: &Status) -> String {
    match &status.details {
        Some(details) if details.group.is_empty() => details.kind.clone(),
        Some(details) => format!("{}.{}", details.kind, details.group),
        None => String::new(),
    }
}

/// The header in its form of seconds (the apiserver knows no other), else the field in the body.
fn retry_after(status: &Status, headers: &HeaderMap) -> Option<Duration> {
    let header = headers
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let field = status
        .details
        .as_ref()
        .map(|d| u64::from(d.retry_after_seconds))
        .filter(|s| *s > 0);
    header.or(field).map(Duration::from_secs)
}
