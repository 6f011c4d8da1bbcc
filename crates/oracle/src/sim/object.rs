//! Reading and changing an EndpointSlice in its JSON form.

use serde_json::{Map, Value};

use super::ApiError;

pub(super) type Object = Map<String, Value>;

/// The body of a request: an object with an object as `metadata`.
pub(super) fn of(body: Value) -> Result<Object, ApiError> {
    let bad = |message: &str| ApiError {
        code: 400,
        reason: "BadRequest",
        message: message.to_owned(),
    };
    let Value::Object(object) = body else {
        return Err(bad("the body is not an object"));
    };
    if !object.get("metadata").is_some_and(Value::is_object) {
        return Err(bad("the body has no metadata"));
    }
    let mut object = object;
    object.insert("apiVersion".to_owned(), "discovery.k8s.io/v1".into());
    object.insert("kind".to_owned(), "EndpointSlice".into());
    Ok(object)
}

/// `metadata`; empty where it is missing.
pub(super) fn meta(object: &Object) -> &Object {
    static NONE: std::sync::LazyLock<Object> = std::sync::LazyLock::new(Object::new);
    object.get("metadata").and_then(Value::as_object).unwrap_or(&NONE)
}

#[expect(clippy::expect_used, reason = "no object without metadata passes `of`")]
pub(super) fn meta_mut(object: &mut Object) -> &mut Object {
    object
        .get_mut("metadata")
        .and_then(Value::as_object_mut)
        .expect("metadata is an object")
}

pub(super) fn text<'a>(object: &'a Object, field: &str) -> &'a str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn uid_of(object: &Object) -> &str {
    text(meta(object), "uid")
}

pub(super) fn finalizers(object: &Object) -> usize {
    meta(object)
        .get("finalizers")
        .and_then(Value::as_array)
        .map_or(0, Vec::len)
}

/// Labels; absent ones are empty.
pub(super) fn labels(object: &Object) -> Object {
    meta(object)
        .get("labels")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default()
}

/// Defaults of `discovery/v1` ports: the empty name, and `TCP`.
pub(super) fn default_ports(object: &mut Object) {
    let ports = object.get_mut("ports").and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
        for (field, value) in [("name", ""), ("protocol", "TCP")] {
            if port.get(field).is_none_or(Value::is_null) {
                port.insert(field.to_owned(), value.into());
            }
        }
    }
}

pub(super) fn bump_generation(object: &mut Object) {
    let generation = meta(object)
        .get("generation")
        .and_then(Value::as_i64)
        .unwrap_or(0);
    meta_mut(object).insert("generation".to_owned(), (generation + 1).into());
}

/// Whether two objects say the same, except in some fields; absent, `null` and empty are alike.
pub(super) fn content_equal(left: &Object, right: &Object, except: &[&str]) -> bool {
    let pruned = |object: &Object| {
        let mut object = object.clone();
        for field in except {
            object.remove(*field);
        }
        prune(Value::Object(object))
    };
    pruned(left) == pruned(right)
}

/// A value without the fields that say nothing; `None` when nothing is left.
fn prune(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Array(items) if items.is_empty() => None,
        // An element keeps its place, whatever is in it.
        Value::Array(items) => Some(
            items
                .into_iter()
                .map(|item| prune(item).unwrap_or(Value::Null))
                .collect::<Vec<_>>()
                .into(),
        ),
        Value::Object(fields) => {
            let fields: Object = fields
                .into_iter()
                .filter_map(|(key, value)| Some((key, prune(value)?)))
                .collect();
            (!fields.is_empty()).then_some(Value::Object(fields))
        }
        other => Some(other),
    }
}

/// The form in which the server gives an object back: empty lists of a slice are `null`, empty maps and lists of its
/// metadata are absent.
pub(super) fn as_served(object: &mut Object) {
    for field in ["endpoints", "ports"] {
        let empty = object
            .get(field)
            .and_then(Value::as_array)
            .is_none_or(Vec::is_empty);
        if empty {
            object.insert(field.to_owned(), Value::Null);
        }
    }
    meta_mut(object).retain(|_, value| match value {
        Value::Null => false,
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    });
}
