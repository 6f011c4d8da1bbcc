//! The `Status` that the apiserver answers failures with.

use std::time::Duration;

use serde::Deserialize;

use super::value::{List, Str, document, object, or_default};
use crate::{DecodeError, Status};

/// Reads a whole document that is a `Status`.
pub(crate) fn decode(bytes: &[u8]) -> Result<Status, DecodeError> {
    let wire: Wire<'_> = document(bytes)?;
    if &*wire.kind == "Status" {
        Ok(wire.into())
    } else {
        Err(DecodeError::NotAStatus)
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
