//! The little of an apiserver that a write needs.

use anyhow::{Context as _, Result, anyhow};
use quaymaster_engine::Request;
use quaymaster_runtime::pool::Payload;
use serde_json::{Value, json};

use super::frame;
use crate::micro::table::Cost;

/// Encodes the body, as the task of the write does.
pub(super) fn encode(body: Payload, cost: &mut Cost) -> Result<Vec<u8>> {
    match body {
        Payload::Ready(bytes) => Ok(bytes.to_vec()),
        Payload::Encode(encode) => match cost.of(encode) {
            Ok(bytes) => Ok(bytes.to_vec()),
            Err(error) => Err(anyhow!(error)),
        },
    }
}

/// The answer to a create or update, and the event that follows it.
pub(super) fn store(request: &Request, body: &[u8], version: u64) -> Result<(Vec<u8>, Vec<u8>)> {
    let mut object: Value = serde_json::from_slice(body).context("a body that is no JSON")?;
    let metadata = &mut object["metadata"];
    let r#type = if request.uid.is_some() {
        "MODIFIED"
    } else {
        "ADDED"
    };
    if metadata["uid"].is_null() {
        metadata["uid"] = json!(format!("10000000-0000-4000-8000-{version:012}"));
    }
    metadata["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
    metadata["generation"] = json!(1);
    metadata["resourceVersion"] = json!(version.to_string());
    let object = object.to_string();
    let event = frame(r#type, &object).into_bytes();
    Ok((object.into_bytes(), event))
}
