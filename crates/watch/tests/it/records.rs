//! Small fake objects, in the shape of a `ConfigMap` so that kube's own types can read them too.

use quaymaster_watch::{DecodeError, Decoder, Event, Framing, Page, ResourceVersion, Status, Unreadable};
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
struct Frame {
    r#type: String,
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

type Read = (Record, Option<ResourceVersion>);

fn object(json: &Value) -> Result<Read, Unreadable<String>> {
    let object: Object = Object::deserialize(json).map_err(|error| {
        let meta = OnlyMeta::deserialize(json).ok().map(|object| object.metadata);
        Unreadable {
            version: meta
                .as_ref()
                .and_then(|meta| ResourceVersion::parse(&meta.resource_version)),
            key: meta.map(|meta| meta.name),
            reason: error.to_string(),
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

impl Decoder for Mini {
    type Record = Record;
    type Key = String;

    fn accept(&self) -> &'static str {
        "application/json"
    }

    fn framing(&self) -> Framing {
        Framing::Lines
    }

    fn page(&mut self, body: &[u8]) -> Result<Page<Record, String>, DecodeError> {
        let list: List = serde_json::from_slice(body).map_err(|error| DecodeError {
            reason: error.to_string(),
        })?;
        let mut page = Page {
            items: Vec::new(),
            unreadable: Vec::new(),
            continue_token: list.metadata.token,
            version: ResourceVersion::parse(&list.metadata.resource_version),
        };
        for item in list.items {
            match object(&item) {
                Ok((record, _)) => page.items.push(record),
                Err(error) => page.unreadable.push(error),
            }
        }
        Ok(page)
    }

    fn event(&mut self, frame: &[u8]) -> Result<Event<Record, String>, Unreadable<String>> {
        let frame: Frame = serde_json::from_slice(frame).map_err(|error| Unreadable {
            key: None,
            version: None,
            reason: error.to_string(),
        })?;
        let json = &frame.object;
        match frame.r#type.as_str() {
            "BOOKMARK" => {
                let meta = OnlyMeta::deserialize(json).unwrap().metadata;
                Ok(Event::Bookmark {
                    version: ResourceVersion::parse(&meta.resource_version),
                    initial_events_end: meta.annotations.contains_key("k8s.io/initial-events-end"),
                })
            }
            "ERROR" => Ok(Event::Error(Status::decode(json.to_string().as_bytes()).unwrap())),
            "DELETED" => object(json).map(|(record, version)| Event::Delete {
                key: record.name,
                version,
            }),
            _ => object(json).map(|(record, version)| Event::Apply { record, version }),
        }
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
