//! What can go wrong.

use quaymaster_model::{ObjectKey, ResourceVersion};

/// Why bytes could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or a field that is kept has a wrong type.
    #[error("not a readable JSON document")]
    Json(#[from] serde_json::Error),
    /// The object has no `metadata.name`.
    #[error("the object has no name")]
    NoName,
    /// The document is of another kind than `Status`.
    #[error("the document is not a status")]
    NotAStatus,
    /// The document has no `items`.
    #[error("the document is not a list: it has no `items`")]
    NotAList,
}

/// Why a body could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The unknown fields are not a JSON object each.
    #[error("the slice cannot be rendered as JSON")]
    Json(#[from] serde_json::Error),
}

/// An object that could not be read, with what is known of it.
#[derive(Debug)]
pub struct Unreadable {
    /// Namespace and name, where these could be read.
    pub key: Option<ObjectKey>,
    /// `metadata.resourceVersion`, where it could be read and is a place to go on from.
    pub version: Option<ResourceVersion>,
    /// What is wrong with it.
    pub error: DecodeError,
}
