//! What is watched, and the requests for it.

use std::fmt::Write as _;
use std::time::Duration;

use http::Request;
use http::header::{ACCEPT, ACCEPT_ENCODING};
use kube::client::Body;

use quaymaster_model::ResourceVersion;

/// One collection of an apiserver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    resource: String,
    path: String,
    label_selector: Option<String>,
    field_selector: Option<String>,
    optional: bool,
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Begin<'a> {
    /// With the whole collection, as recent as any read.
    Initial,
    /// Behind this version.
    After(&'a ResourceVersion),
}

impl Source {
    /// The collection at `path`, such as `/apis/discovery.k8s.io/v1/endpointslices`.
    ///
    /// `resource` names it in logs and errors as RBAC does: plural, with the group where there is one
    /// (`endpointslices.discovery.k8s.io`).
    pub fn new(resource: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            resource: resource.into(),
            path: path.into(),
            label_selector: None,
            field_selector: None,
            optional: false,
        }
    }

    /// Restricts the collection to objects with these labels.
    #[must_use]
    pub fn labels(mut self, selector: impl Into<String>) -> Self {
        self.label_selector = Some(selector.into());
        self
    }

    /// Restricts the collection to objects with these fields, as far as the resource supports it. An object that no
    /// longer matches is reported as deleted.
    #[must_use]
    pub fn fields(mut self, selector: impl Into<String>) -> Self {
        self.field_selector = Some(selector.into());
        self
    }

    /// A collection that a server need not have, as that of a custom resource whose definition is not installed: that it is
    /// not found (404) is then no failure, but the answer that it is absent.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Whether a server need not have it.
    pub fn is_optional(&self) -> bool {
        self.optional
    }

    /// The collection's name in logs and errors.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// A page of a list. It names no resource version: the first page is then as recent as any read, and
    /// the others are of the same version.
    pub(crate) fn list_request(
        &self,
        accept: &str,
        limit: u32,
        continue_token: Option<&str>,
    ) -> Result<Request<Body>, http::Error> {
        let mut uri = self.uri();
        push(&mut uri, "limit", &limit.to_string());
        if let Some(token) = continue_token {
            push(&mut uri, "continue", token);
        }
        request(uri, accept)
    }

    pub(crate) fn watch_request(
        &self,
        accept: &str,
        begin: Begin<'_>,
        timeout: Duration,
    ) -> Result<Request<Body>, http::Error> {
        let mut uri = self.uri();
        push(&mut uri, "watch", "true");
        push(&mut uri, "allowWatchBookmarks", "true");
        push(&mut uri, "timeoutSeconds", &timeout.as_secs().max(1).to_string());
        match begin {
            // No resource version, where `kube_runtime::watcher` sends 0: the stale cache of one of several apiservers
            // must not take the collection back in time.
            Begin::Initial => {
                push(&mut uri, "sendInitialEvents", "true");
                push(&mut uri, "resourceVersionMatch", "NotOlderThan");
            }
            Begin::After(version) => push(&mut uri, "resourceVersion", &version.to_string()),
        }
        request(uri, accept)
    }

    fn uri(&self) -> String {
        let mut uri = self.path.clone();
        if let Some(selector) = &self.label_selector {
            push(&mut uri, "labelSelector", selector);
        }
        if let Some(selector) = &self.field_selector {
            push(&mut uri, "fieldSelector", selector);
        }
        uri
    }
}

fn push(uri: &mut String, name: &str, value: &str) {
    uri.push(if uri.contains('?') { '&' } else { '?' });
    uri.push_str(name);
    uri.push('=');
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
}

fn request(uri: String, accept: &str) -> Result<Request<Body>, http::Error> {
    // Kubernetes 1.37 compresses watches one member for each event, which costs more than it saves inside a cluster
    // and is not decoded here (kube-rs/kube#2079).
    Request::get(uri)
        .header(ACCEPT, accept)
        .header(ACCEPT_ENCODING, "identity")
        .body(Body::empty())
}

#[cfg(test)]
mod tests;
