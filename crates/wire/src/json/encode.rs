//! Objects as they are written.

mod endpoints;
mod slice;

use std::fmt::{self, Display, Write as _};

use quaymaster_model::slice::UnknownFields;
use quaymaster_model::{LabelSet, OwnerRef, ResourceVersion, TargetRef, Text, Uid};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::value::Pairs;
use crate::EncodeError;

pub use endpoints::{EndpointsBody, encode_endpoints};
pub use slice::{SliceBody, encode_slice};

/// Fields of a JSON object with their values as text.
type Fields<'a> = Pairs<'a, &'a RawValue>;

fn fields(text: Option<&str>) -> serde_json::Result<Fields<'_>> {
    text.map_or_else(|| Ok(Fields::default()), serde_json::from_str)
}

/// `metadata` of an object to be written. What is empty or none is left out, as Go's clients leave it out.
#[derive(Debug, Clone, Copy)]
pub struct ObjectMeta<'a> {
    /// `metadata.name`
    pub name: &'a str,
    /// `metadata.namespace`
    pub namespace: &'a str,
    /// `metadata.uid`: with it an update is refused where the object was replaced by another of its name, and cannot create
    /// one that has gone, which a PUT of Endpoints does without. None for a create.
    pub uid: Option<&'a Uid>,
    /// `metadata.resourceVersion`: with it an update is refused where the object has changed meanwhile; without it the
    /// update is unconditional. None for a create.
    pub resource_version: Option<&'a ResourceVersion>,
    /// `metadata.labels`
    pub labels: &'a LabelSet,
    /// `metadata.annotations`, each key once.
    pub annotations: &'a [(Text, Text)],
    /// `metadata.ownerReferences`
    pub owners: &'a [OwnerRef],
    /// `metadata.finalizers`
    pub finalizers: &'a [Text],
}

/// What an object of a kind has beside its metadata.
trait Content {
    const API_VERSION: &'static str;
    const KIND: &'static str;

    fn fields<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error>;
}

/// Renders the whole object, with the fields that are given back as they came.
fn encode(
    meta: ObjectMeta<'_>,
    content: &impl Content,
    unknown: Option<&UnknownFields>,
) -> Result<Vec<u8>, EncodeError> {
    let object = Object {
        metadata: Metadata {
            known: meta,
            unknown: fields(unknown.and_then(|unknown| unknown.metadata.as_deref()))?,
        },
        content,
        unknown: fields(unknown.and_then(|unknown| unknown.object.as_deref()))?,
    };
    Ok(serde_json::to_vec(&object)?)
}

struct Object<'a, C> {
    metadata: Metadata<'a>,
    content: &'a C,
    unknown: Fields<'a>,
}

impl<C: Content> Serialize for Object<'_, C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("apiVersion", C::API_VERSION)?;
        map.serialize_entry("kind", C::KIND)?;
        map.serialize_entry("metadata", &self.metadata)?;
        self.content.fields(&mut map)?;
        for (key, value) in self.unknown.pairs() {
            map.serialize_entry(&**key, value)?;
        }
        map.end()
    }
}

struct Metadata<'a> {
    known: ObjectMeta<'a>,
    unknown: Fields<'a>,
}

impl Serialize for Metadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ObjectMeta {
            name,
            namespace,
            uid: id,
            resource_version,
            labels,
            annotations,
            owners,
            finalizers,
        } = self.known;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", name)?;
        if !namespace.is_empty() {
            map.serialize_entry("namespace", namespace)?;
        }
        if let Some(uid) = id.and_then(uid) {
            map.serialize_entry("uid", &uid)?;
        }
        if let Some(version) = resource_version.filter(|version| !version.is_empty()) {
            map.serialize_entry("resourceVersion", &Shown::of(version))?;
        }
        if !labels.is_empty() {
            map.serialize_entry("labels", &Strings(labels.pairs()))?;
        }
        if !annotations.is_empty() {
            map.serialize_entry("annotations", &Strings(annotations))?;
        }
        if !owners.is_empty() {
            map.serialize_entry("ownerReferences", &Each(owners, Owner::of))?;
        }
        if !finalizers.is_empty() {
            map.serialize_entry("finalizers", &Each(finalizers, Text::as_str))?;
        }
        for (key, value) in self.unknown.pairs() {
            map.serialize_entry(&**key, value)?;
        }
        map.end()
    }
}

/// A list whose elements are rendered through a view.
struct Each<'a, T, V>(&'a [T], fn(&'a T) -> V);

impl<T, V: Serialize> Serialize for Each<'_, T, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(self.1))
    }
}

/// A map of strings.
struct Strings<'a>(&'a [(Text, Text)]);

impl Serialize for Strings<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key.as_str(), value.as_str())))
    }
}

/// A value as it prints.
struct Shown<'a, T>(&'a T);

impl<'a, T> Shown<'a, T> {
    fn of(value: &'a T) -> Self {
        Self(value)
    }
}

impl<T: Display> Serialize for Shown<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

/// The UID, unless it is empty.
fn uid(uid: &Uid) -> Option<Shown<'_, Uid>> {
    /// Fails at the first character, so that nothing is rendered only to see whether there is anything.
    struct Probe;

    impl fmt::Write for Probe {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            if text.is_empty() { Ok(()) } else { Err(fmt::Error) }
        }
    }

    write!(Probe, "{uid}").is_err().then_some(Shown(uid))
}

fn text(value: Option<&Text>) -> Option<&str> {
    value.map(Text::as_str)
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Owner<'a> {
    api_version: &'a str,
    kind: &'a str,
    name: &'a str,
    uid: Shown<'a, Uid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    controller: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    block_owner_deletion: Option<bool>,
}

impl<'a> Owner<'a> {
    fn of(owner: &'a OwnerRef) -> Self {
        let OwnerRef {
            api_version,
            kind,
            name,
            uid,
            controller,
            block_owner_deletion,
        } = owner;
        Self {
            api_version,
            kind,
            name,
            uid: Shown(uid),
            controller: *controller,
            block_owner_deletion: *block_owner_deletion,
        }
    }
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Target<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<Shown<'a, Uid>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field_path: Option<&'a str>,
}

impl<'a> Target<'a> {
    fn of(target: &'a TargetRef) -> Self {
        let TargetRef {
            kind,
            namespace,
            name,
            uid: id,
            details: _,
        } = target;
        Self {
            kind,
            namespace,
            name,
            uid: uid(id),
            api_version: text(target.api_version()),
            resource_version: text(target.resource_version()),
            field_path: text(target.field_path()),
        }
    }
}

fn none<T, V>(list: &Each<'_, T, V>) -> bool {
    list.0.is_empty()
}
