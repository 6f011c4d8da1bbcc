//! Admission reviews as the apiserver sends them, `admission.k8s.io/v1`.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

/// The version of admission reviews that is understood and answered with. The webhook's
/// `admissionReviewVersions` has to name `v1`, and nothing else.
pub const API_VERSION: &str = "admission.k8s.io/v1";

pub(crate) const KIND: &str = "AdmissionReview";

/// What is to be decided on. Borrows from the body that was received.
///
/// Fields as of `AdmissionRequest` in `k8s.io/api/admission/v1`; those that are not here are skipped when read.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request<'a> {
    /// Names this call; the response carries it. An attempt that the apiserver repeats has another one.
    #[serde(borrow)]
    pub uid: Cow<'a, str>,
    /// The kind of the objects, as the webhook's rules have it.
    #[serde(borrow)]
    pub kind: Kind<'a>,
    /// For example `status`; empty for the object itself.
    #[serde(borrow, default)]
    pub sub_resource: Cow<'a, str>,
    /// Empty where the apiserver is to make it from `generateName`.
    #[serde(borrow, default)]
    pub name: Cow<'a, str>,
    /// Empty for what is not in a namespace.
    #[serde(borrow, default)]
    pub namespace: Cow<'a, str>,
    /// What is done.
    pub operation: Operation,
    /// Who does it.
    #[serde(borrow)]
    pub user_info: UserInfo<'a>,
    #[serde(default)]
    dry_run: Option<bool>,
    /// The object as it is to be; none for a delete.
    #[serde(borrow, default)]
    pub object: Option<&'a RawValue>,
    /// The object as it is; none for a create.
    #[serde(borrow, default)]
    pub old_object: Option<&'a RawValue>,
    /// How long the apiserver waits for the answer, by its own words (`?timeout=10s`).
    #[serde(skip)]
    pub timeout: Option<Duration>,
}

impl<'a> Request<'a> {
    /// Whether nothing of it will be stored.
    pub fn dry_run(&self) -> bool {
        self.dry_run.unwrap_or(false)
    }

    /// Reads the body of a review.
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let review: Review<'a> = serde_json::from_slice(body)?;
        if review.api_version != API_VERSION || review.kind != KIND {
            return Err(DecodeError::Kind {
                api_version: review.api_version.into_owned(),
                kind: review.kind.into_owned(),
            });
        }
        review.request.ok_or(DecodeError::NoRequest)
    }
}

/// A group, version and kind.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Kind<'a> {
    /// Empty for the core group.
    #[serde(borrow, default)]
    pub group: Cow<'a, str>,
    /// For example `v1`.
    #[serde(borrow, default)]
    pub version: Cow<'a, str>,
    /// For example `Service`.
    #[serde(borrow, default)]
    pub kind: Cow<'a, str>,
}

/// Who sent a request.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct UserInfo<'a> {
    /// For example `system:serviceaccount:kube-system:default`.
    #[serde(borrow, default)]
    pub username: Cow<'a, str>,
}

/// What is done to an object.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// A new object.
    Create,
    /// A replacement, by PUT, by PATCH or by apply.
    Update,
    /// A deletion.
    Delete,
    /// A connection, for example `pods/exec`.
    Connect,
}

/// Why a body is no review that can be answered.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not the expected JSON.
    #[error("the body is no {KIND} of {API_VERSION}: {0}")]
    Json(#[from] serde_json::Error),
    /// Something else than an `AdmissionReview` of v1.
    #[error("the body is of the kind {kind:?} of {api_version:?}; {KIND} of {API_VERSION} is expected")]
    Kind {
        /// Its `apiVersion`.
        api_version: String,
        /// Its `kind`.
        kind: String,
    },
    /// Nothing is asked.
    #[error("the {KIND} has no request")]
    NoRequest,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    #[serde(borrow, default)]
    api_version: Cow<'a, str>,
    #[serde(borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    request: Option<Request<'a>>,
}
