//! From an error answer to a [`WriteError`].

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use quaymaster_wire::Status;

use super::{Verb, WriteError};

/// Cause named by the `NamespaceLifecycle` admission plugin when it refuses a create
/// (`k8s.io/api` `core/v1/types.go`, `NamespaceTerminatingCause`).
const NAMESPACE_TERMINATING: &str = "NamespaceTerminating";

/// Longest message kept. A proxy may answer with a page of HTML.
const MAX_MESSAGE: usize = 1024;

/// Tells error answers apart: by reason where there is one, because 409 and 403 have several meanings, else by
/// HTTP status.
pub(super) fn classify(verb: Verb, code: StatusCode, headers: &HeaderMap, body: &[u8]) -> WriteError {
    // What is no Status is a proxy's: the code has to do.
    let told = Status::decode(body);
    let is_told = told.is_ok();
    let status = told.unwrap_or_default();
    let message = message(&status, code, body);
    let code = code.as_u16();
    let retry_after = retry_after(&status, headers);
    match (code, &*status.reason) {
        _ if status.has_cause(NAMESPACE_TERMINATING) => WriteError::NamespaceTerminating { message },
        (_, "AlreadyExists") => WriteError::AlreadyExists { message },
        (409, _) => WriteError::Conflict { message },
        // A resource that is gone for good, or a name that is. Only an apiserver knows: a page of a proxy that has lost
        // its backend says nothing about objects, nor does the apiserver's own page for a path that it does not serve yet.
        (404 | 410, _) if is_told => WriteError::NotFound { message },
        (429, _) => WriteError::TooManyRequests { retry_after, message },
        (401, _) => WriteError::Unauthorized { message },
        (403, _) => WriteError::Forbidden {
            verb: verb.label(),
            resource: status.resource.into(),
            message,
        },
        // The apiserver or a proxy gave up waiting for the request, or a proxy does not know where to send it.
        (404 | 408 | 410 | 500.., _) => WriteError::Server {
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

/// The header in its form of seconds (the apiserver knows no other), else the field in the body.
fn retry_after(status: &Status, headers: &HeaderMap) -> Option<Duration> {
    let header = headers
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok());
    header.map(Duration::from_secs).or(status.retry_after)
}
