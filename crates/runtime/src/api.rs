//! Single writes to the apiserver.

mod error;
mod status;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Limited};
use kube::client::Body;
use quaymaster_wire::json;

pub use error::{Remedy, WriteError};

use crate::permit::Permit;

/// Time for one write from sending to the end of the answer. The apiserver ends a request after 60 s by itself;
/// long before that the state it was made from is out of date.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest answer that is read. etcd stores objects of up to 1.5 MiB; as JSON they are a few times longer.
const MAX_ANSWER: usize = 8 << 20;

/// What a write does, or what is asked before one. Named as in RBAC rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// POST to a collection.
    Create,
    /// PUT of a whole object, guarded by its resourceVersion.
    Update,
    /// PATCH of some fields, of which lists are merged by the rules of their kind (strategic merge patch, which the
    /// apiserver knows of its own kinds alone). Guarded by the UID in it.
    Patch,
    /// PATCH of the fields of one manager (server-side apply), whoever had them before. Guarded by nothing: it says what
    /// these fields are to be.
    Apply,
    /// DELETE, guarded by [`preconditions`].
    Delete,
    /// GET of one object as it is stored now: confirms what a write rests on before it is sent.
    Get,
}

impl Verb {
    /// The RBAC verb; also the metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch | Self::Apply => "patch",
            Self::Delete => "delete",
            Self::Get => "get",
        }
    }

    /// What the body of such a request is.
    const fn content_type(self) -> &'static str {
        match self {
            Self::Patch => "application/strategic-merge-patch+json",
            // JSON is YAML.
            Self::Apply => "application/apply-patch+yaml",
            Self::Create | Self::Update | Self::Delete | Self::Get => json::MEDIA_TYPE,
        }
    }

    const fn method(self) -> Method {
        match self {
            Self::Create => Method::POST,
            Self::Update => Method::PUT,
            Self::Patch | Self::Apply => Method::PATCH,
            Self::Delete => Method::DELETE,
            Self::Get => Method::GET,
        }
    }
}

/// The body of a delete that happens only to this object in this state. Without a resourceVersion the state does
/// not matter; the uid always does, or a successor of the same name could be hit.
pub fn preconditions(uid: &str, resource_version: Option<&str>) -> Bytes {
    let mut preconditions = serde_json::json!({ "uid": uid });
    if let Some(version) = resource_version {
        preconditions["resourceVersion"] = version.into();
    }
    let options = serde_json::json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": preconditions,
    });
    Bytes::from(options.to_string())
}

/// Sends single writes. Nothing is ever repeated: only the caller knows whether the write is still wanted.
#[derive(Clone)]
pub struct Writer {
    client: kube::Client,
    timeout: Duration,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl Writer {
    /// Writes through `client`, which must not retry by itself, each within `timeout`.
    pub fn new(client: kube::Client, timeout: Duration) -> Self {
        Self { client, timeout }
    }

    /// Creates an object in the collection at `path`. Returns the object as stored.
    pub async fn create(&self, permit: &Permit, path: &str, body: Bytes) -> Result<Bytes, WriteError> {
        self.send(permit, Verb::Create, path, body, json::MEDIA_TYPE)
            .await
    }

    /// Replaces the object at `path`. Returns the object as stored.
    pub async fn update(&self, permit: &Permit, path: &str, body: Bytes) -> Result<Bytes, WriteError> {
        self.send(permit, Verb::Update, path, body, json::MEDIA_TYPE)
            .await
    }

    /// Deletes the object at `path`; `options` as of [`preconditions`]. Returns the last state, or a Status.
    pub async fn delete(&self, permit: &Permit, path: &str, options: Bytes) -> Result<Bytes, WriteError> {
        self.send(permit, Verb::Delete, path, options, json::MEDIA_TYPE)
            .await
    }

    /// Sends one write of any verb, or a confirming read. `path` starts with a slash and may carry a query; `body` is
    /// JSON, and of a read empty; `accept` names the encoding that the answer is wanted in.
    ///
    /// The permit is checked right before sending. If it is lost afterwards, the connection is dropped and the
    /// write may or may not have happened.
    pub async fn send(
        &self,
        permit: &Permit,
        verb: Verb,
        path: &str,
        body: Bytes,
        accept: &'static str,
    ) -> Result<Bytes, WriteError> {
        let request = Request::builder()
            .method(verb.method())
            .uri(path)
            .header(header::CONTENT_TYPE, verb.content_type())
            .header(header::ACCEPT, accept)
            .body(Body::from(body))
            .map_err(|error| WriteError::Transport(Box::new(kube::Error::HttpError(error))))?;
        if !permit.is_valid(tokio::time::Instant::now().into_std()) {
            return Err(WriteError::PermitLost);
        }
        tokio::select! {
            biased;
            () = permit.lost() => Err(WriteError::PermitLost),
            result = tokio::time::timeout(self.timeout, self.exchange(verb, request)) => {
                result.unwrap_or(Err(WriteError::Timeout { after: self.timeout }))
            }
        }
    }

    async fn exchange(&self, verb: Verb, request: Request<Body>) -> Result<Bytes, WriteError> {
        let transport = |error| WriteError::Transport(Box::new(error));
        let response = self.client.send(request).await.map_err(transport)?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_ANSWER)
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes);
        if head.status.is_success() {
            return body.map_err(|error| transport(kube::Error::Service(error)));
        }
        // An error status says enough even when its explanation is cut off.
        Err(status::classify(
            verb,
            head.status,
            &head.headers,
            &body.unwrap_or_default(),
        ))
    }
}
