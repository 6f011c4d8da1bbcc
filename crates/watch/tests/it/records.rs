//! Small fake objects, in the shape of a `ConfigMap` so that kube's own types can read them too.

use std::sync::Arc;

use quaymaster_model::{Interner, ObjectKey, Text};
use quaymaster_watch::{
    DecodeError, Frame, Framing, Gone, Page, Reader, ResourceVersion, Status, Unreadable,
};
use serde::Deserialize;
use serde_json::Value;

use crate::server::{Part, Reply, status};

pub(crate) const PATH: &str = "/api/v1/configmaps";

/// What the tests keep of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) text: String,
}

#[derive(Debug, Default)]
pub(crate) struct Mini;

#[derive(Deserialize)]
struct List {
    metadata: ListMeta,
    items: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMeta {
    resource_version: String,
    #[serde(rename = "continue")]
    token: Option<String>,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    object: Value,
}

#[derive(Deserialize)]
struct Object {
    metadata: Meta,
    #[serde(default)]
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    text: String,
}

#[derive(Deserialize)]
struct OnlyMeta {
    metadata: Meta,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Meta {
    name: String,
    resource_version: String,
    annotations: std::collections::HashMap<String, String>,
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Text::new(""), Text::new(name))
}

fn object(json: &Value) -> Result<(Record, Option<ResourceVersion>), Unreadable> {
    let object: Object = Object::deserialize(json).map_err(|error| {
        let meta = OnlyMeta::deserialize(json).ok().map(|object| object.metadata);
        Unreadable {
            version: meta
                .as_ref()
                .and_then(|meta| ResourceVersion::parse(&meta.resource_version)),
            key: meta.map(|meta| key(&meta.name)),
            error: error.into(),
        }
    })?;
    let text = object.data.map(|data| data.text).unwrap_or_default();
    let version = ResourceVersion::parse(&object.metadata.resource_version);
    Ok((
        Record {
            name: object.metadata.name,
            text,
        },
        version,
    ))
}

impl Reader for Mini {
    type Record = Record;

    const ACCEPT: &'static str = "application/json";

    const FRAMING: Framing = Framing::Lines;

    fn new(_: Arc<Interner>) -> Self {
        Self
    }

    fn object(&self, _: &[u8]) -> Result<Record, DecodeError> {
        unreachable!("a watch reads pages and frames")
    }

    fn page(&self, bytes: &[u8]) -> Result<Page<Record>, DecodeError> {
        let list: List = serde_json::from_slice(bytes)?;
        let mut page = Page {
            records: Vec::new(),
            unreadable: Vec::new(),
            next: list.metadata.token.map(Into::into),
            version: ResourceVersion::parse(&list.metadata.resource_version),
        };
        for item in list.items {
            match object(&item) {
                Ok((record, _)) => page.records.push(record),
                Err(error) => page.unreadable.push(error),
            }
        }
        Ok(page)
    }

    fn frame(&self, bytes: &[u8]) -> Result<Frame<Record>, DecodeError> {
        let Event { kind, object: json } = serde_json::from_slice(bytes)?;
        Ok(match kind.as_str() {
            "BOOKMARK" => {
                let meta = OnlyMeta::deserialize(json)?.metadata;
                Frame::Bookmark {
                    version: ResourceVersion::parse(&meta.resource_version),
                    initial_events_end: meta.annotations.contains_key("k8s.io/initial-events-end"),
                }
            }
            "ERROR" => Frame::Error(Status::decode(json.to_string().as_bytes())?),
            "DELETED" => {
                let meta = OnlyMeta::deserialize(json)?.metadata;
                let (key, uid) = (key(&meta.name), None);
                Frame::Gone {
                    object: Gone { key, uid },
                    version: ResourceVersion::parse(&meta.resource_version),
                }
            }
            "ADDED" | "MODIFIED" => match object(&json) {
                Ok((record, version)) => Frame::Object { record, version },
                Err(object) => Frame::Unreadable(object),
            },
            _ => Frame::Unknown(kind.into()),
        })
    }
}

pub(crate) fn config_map(name: &str, version: &str) -> String {
    format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","namespace":"default","resourceVersion":"{version}"}},"data":{{"text":"{name} at {version}"}}}}"#
    )
}

/// An object whose data has the wrong type.
pub(crate) fn poisoned(name: &str, version: &str) -> String {
    format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","resourceVersion":"{version}"}},"data":7}}"#
    )
}

pub(crate) fn list_of(version: &str, token: &str, items: &[String]) -> Reply {
    let items = items.join(",");
    let body = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMapList","metadata":{{"resourceVersion":"{version}","continue":"{token}"}},"items":[{items}]}}"#
    );
    Reply::Whole {
        code: 200,
        headers: String::new(),
        body,
    }
}

/// A whole list of objects of these names.
pub(crate) fn list(version: &str, names: &[&str]) -> Reply {
    let items: Vec<String> = names.iter().map(|name| config_map(name, version)).collect();
    list_of(version, "", &items)
}

pub(crate) fn event(kind: &str, object: &str) -> String {
    format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n")
}

pub(crate) fn added(name: &str, version: &str) -> String {
    event("ADDED", &config_map(name, version))
}

pub(crate) fn deleted(name: &str, version: &str) -> String {
    event("DELETED", &config_map(name, version))
}

pub(crate) fn bookmark(version: &str) -> String {
    let object =
        format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"resourceVersion":"{version}"}}}}"#);
    event("BOOKMARK", &object)
}

pub(crate) fn initial_end(version: &str) -> String {
    let object = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"resourceVersion":"{version}","annotations":{{"k8s.io/initial-events-end":"true"}}}}}}"#
    );
    event("BOOKMARK", &object)
}

pub(crate) fn error_event(code: u16, reason: &str) -> String {
    event("ERROR", &status(code, reason, "no more"))
}

/// The events in one chunk, then open for ever.
pub(crate) fn held(events: &[String]) -> Reply {
    Reply::Stream(vec![bytes(&events.concat()), Part::Hold])
}

/// The events in one chunk, then an end in order.
pub(crate) fn ended(events: &[String]) -> Reply {
    Reply::Stream(vec![bytes(&events.concat())])
}

/// Open and silent for ever.
pub(crate) fn silent() -> Reply {
    Reply::Stream(vec![Part::Hold])
}

pub(crate) fn bytes(text: &str) -> Part {
    Part::Bytes(text.as_bytes().to_vec())
}
