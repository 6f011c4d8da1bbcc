//! What a review is answered with.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;

use crate::review::{API_VERSION, KIND};

/// The answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    verdict: Verdict,
    warnings: Vec<String>,
    audit_annotations: BTreeMap<&'static str, String>,
}

#[derive(Clone, Debug, PartialEq)]
enum Verdict {
    Allowed(Patch),
    Denied(Denial),
}

impl Response {
    /// Lets the request pass as it is.
    pub fn allow() -> Self {
        Self::new(Verdict::Allowed(Patch::default()))
    }

    /// Lets the request pass with a changed object; an empty patch changes nothing. Only for mutating webhooks: from
    /// a validating one the apiserver takes a patch for a failure.
    pub fn patch(patch: Patch) -> Self {
        Self::new(Verdict::Allowed(patch))
    }

    /// Refuses the request.
    pub fn deny(denial: Denial) -> Self {
        Self::new(Verdict::Denied(denial))
    }

    fn new(verdict: Verdict) -> Self {
        Self {
            verdict,
            warnings: Vec::new(),
            audit_annotations: BTreeMap::new(),
        }
    }

    /// Adds a warning for the user. At best it has up to 120 characters; where all warnings of a request have more
    /// than 4,096, the apiserver cuts each to 256 (`k8s.io/apiserver/pkg/endpoints/filters/warning.go`).
    #[must_use]
    pub fn warn(mut self, warning: impl Into<String>) -> Self {
        self.warnings.push(warning.into());
        self
    }

    /// Adds an entry to the audit log, whose key the apiserver begins with the name of the webhook.
    #[must_use]
    pub fn annotate(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.audit_annotations.insert(key, value.into());
        self
    }

    /// Whether the request passes.
    pub fn allowed(&self) -> bool {
        matches!(self.verdict, Verdict::Allowed(_))
    }

    /// Why the request is refused, if it is.
    pub fn denial(&self) -> Option<&Denial> {
        match &self.verdict {
            Verdict::Allowed(_) => None,
            Verdict::Denied(denial) => Some(denial),
        }
    }

    /// The operations of the patch; none where nothing is changed.
    pub fn operations(&self) -> &[Value] {
        match &self.verdict {
            Verdict::Allowed(patch) => &patch.0,
            Verdict::Denied(_) => &[],
        }
    }

    /// What became of the request, for metrics.
    pub(crate) fn result(&self) -> &'static str {
        match &self.verdict {
            Verdict::Allowed(patch) if patch.is_empty() => "allowed",
            Verdict::Allowed(_) => "patched",
            Verdict::Denied(_) => "denied",
        }
    }

    /// The body that answers the review with this uid.
    pub fn encode(&self, uid: &str) -> Vec<u8> {
        let patch = match &self.verdict {
            Verdict::Allowed(patch) if !patch.is_empty() => Some(patch.base64()),
            _ => None,
        };
        let review = Review {
            api_version: API_VERSION,
            kind: KIND,
            response: Body {
                uid,
                allowed: self.allowed(),
                // The one without the other is an error to the apiserver.
                patch_type: patch.is_some().then_some("JSONPatch"),
                patch,
                status: self.denial().map(Refusal::from),
                warnings: &self.warnings,
                audit_annotations: &self.audit_annotations,
            },
        };
        // Strings and numbers always make JSON.
        serde_json::to_vec(&review).unwrap_or_default()
    }
}

/// A refusal, as the user gets to see it.
///
/// The apiserver begins the message with `admission webhook "NAME" denied the request: ` and answers the user with the
/// rest as it is (`ToStatusErr` in `k8s.io/apiserver/pkg/admission/plugin/webhook/errors/statuserror.go`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Status code and `reason`.
    pub reason: Reason,
    /// What stands in the way, as a label of metrics: one of few, never the name of an object.
    pub cause: &'static str,
    /// The sentence for the user.
    pub message: String,
    /// Seconds until the same request may succeed. The apiserver makes it the header `Retry-After`, and client-go's
    /// clients repeat a request that is answered with it and with 429 or 500 and above.
    pub retry_after: Option<u32>,
}

impl Denial {
    /// A refusal without advice when to try again.
    pub fn new(reason: Reason, cause: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            cause,
            message: message.into(),
            retry_after: None,
        }
    }

    /// Advises to try again after so many seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

/// Status codes with the `reason` that belongs to them (`k8s.io/apimachinery/pkg/apis/meta/v1/types.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// 400.
    BadRequest,
    /// 403.
    Forbidden,
    /// 409, a conflict with the state of the object.
    Conflict,
    /// 409, the name or value is taken.
    AlreadyExists,
    /// 422.
    Invalid,
    /// 429.
    TooManyRequests,
    /// 500.
    InternalError,
    /// 503.
    ServiceUnavailable,
    /// 504.
    Timeout,
}

impl Reason {
    /// The status code.
    pub fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Forbidden => 403,
            Self::Conflict | Self::AlreadyExists => 409,
            Self::Invalid => 422,
            Self::TooManyRequests => 429,
            Self::InternalError => 500,
            Self::ServiceUnavailable => 503,
            Self::Timeout => 504,
        }
    }

    /// The `reason` of a `Status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "BadRequest",
            Self::Forbidden => "Forbidden",
            Self::Conflict => "Conflict",
            Self::AlreadyExists => "AlreadyExists",
            Self::Invalid => "Invalid",
            Self::TooManyRequests => "TooManyRequests",
            Self::InternalError => "InternalError",
            Self::ServiceUnavailable => "ServiceUnavailable",
            Self::Timeout => "Timeout",
        }
    }
}

/// Changes to the object, a JSON Patch (RFC 6902). The apiserver applies them in this order, all or none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patch(Vec<Value>);

impl Patch {
    /// Sets what `path`, a JSON pointer, leads to; what was there is replaced. In a list it inserts before the
    /// index, and at the end for `-`. What `path` is in has to exist.
    #[must_use]
    pub fn add(mut self, path: impl Into<String>, value: impl Into<Value>) -> Self {
        self.push("add", path.into(), Some(value.into()));
        self
    }

    /// Replaces what has to be there.
    #[must_use]
    pub fn replace(mut self, path: impl Into<String>, value: impl Into<Value>) -> Self {
        self.push("replace", path.into(), Some(value.into()));
        self
    }

    /// Takes away what has to be there.
    #[must_use]
    pub fn remove(mut self, path: impl Into<String>) -> Self {
        self.push("remove", path.into(), None);
        self
    }

    fn push(&mut self, operation: &'static str, path: String, value: Option<Value>) {
        let mut entry = serde_json::Map::with_capacity(3);
        entry.insert("op".to_owned(), operation.into());
        entry.insert("path".to_owned(), path.into());
        if let Some(value) = value {
            entry.insert("value".to_owned(), value);
        }
        self.0.push(Value::Object(entry));
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn base64(&self) -> String {
        // Values always make JSON.
        STANDARD.encode(serde_json::to_vec(&self.0).unwrap_or_default())
    }
}

/// A key as a step of a JSON pointer (RFC 6901).
pub fn pointer_step(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Body<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Refusal<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: &'a BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
struct Refusal<'a> {
    status: &'static str,
    message: &'a str,
    reason: &'static str,
    code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    retry_after_seconds: u32,
}

impl<'a> From<&'a Denial> for Refusal<'a> {
    fn from(denial: &'a Denial) -> Self {
        Self {
            status: "Failure",
            message: &denial.message,
            reason: denial.reason.as_str(),
            code: denial.reason.code(),
            details: denial
                .retry_after
                .map(|retry_after_seconds| Details { retry_after_seconds }),
        }
    }
}
