//! Frames of a watch.

use std::fmt;
use std::marker::PhantomData;

use quaymaster_model::{Interner, ResourceVersion, Uid};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::read::{Named, Read, Seed};
use super::status;
use super::value::{Str, document, object};
use crate::{DecodeError, Frame, Gone, Unreadable};

/// `type` of a frame.
enum Type<'a> {
    /// `ADDED`, `MODIFIED`
    Object,
    Deleted,
    Bookmark,
    Error,
    Unknown(Str<'a>),
}

impl<'a> From<Str<'a>> for Type<'a> {
    fn from(value: Str<'a>) -> Self {
        match &*value {
            "ADDED" | "MODIFIED" => Self::Object,
            "DELETED" => Self::Deleted,
            "BOOKMARK" => Self::Bookmark,
            "ERROR" => Self::Error,
            _ => Self::Unknown(value),
        }
    }
}

/// The object of a bookmark, whatever its kind.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Bookmark<'a> {
    #[serde(borrow, deserialize_with = "object")]
    metadata: BookmarkMeta<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct BookmarkMeta<'a> {
    #[serde(borrow)]
    resource_version: Str<'a>,
    #[serde(borrow, deserialize_with = "object")]
    annotations: BookmarkAnnotations<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct BookmarkAnnotations<'a> {
    #[serde(borrow, rename = "k8s.io/initial-events-end")]
    initial_events_end: Str<'a>,
}

/// A frame whose object is still apart.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Raw<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow)]
    object: Option<&'a RawValue>,
}

/// Reads a frame in one pass. Only where that fails, a second pass finds out whether the object alone is at fault.
pub(super) fn frame<R: Read>(bytes: &[u8], interner: &Interner) -> Result<Frame<R>, DecodeError> {
    match at_once(bytes, interner) {
        Ok(frame) => Ok(frame),
        Err(error) => {
            let raw: Raw<'_> = document(bytes)?;
            match (Type::from(raw.kind), raw.object) {
                (Type::Object | Type::Deleted, Some(object)) => {
                    Ok(Frame::Unreadable(Unreadable::of(object, error)))
                }
                _ => Err(error.into()),
            }
        }
    }
}

fn at_once<R: Read>(bytes: &[u8], interner: &Interner) -> serde_json::Result<Frame<R>> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let event = Event {
        interner,
        record: PhantomData,
    };
    let frame = deserializer.deserialize_map(event)?;
    deserializer.end()?;
    Ok(frame)
}

struct Event<'i, R> {
    interner: &'i Interner,
    record: PhantomData<R>,
}

impl<'de, R: Read> Visitor<'de> for Event<'_, R> {
    type Value = Frame<R>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a watch event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut kind = None;
        let mut frame = None;
        let mut early: Option<&'de RawValue> = None;
        while let Some(key) = map.next_key::<Str<'de>>()? {
            match &*key {
                "type" => kind = Some(Type::from(map.next_value::<Str<'de>>()?)),
                // The type decides what the object is. The apiserver writes it first; nothing promises that.
                "object" => match kind.take() {
                    Some(kind) => frame = Some(map.next_value_seed(Object::new(kind, self.interner))?),
                    None => early = Some(map.next_value()?),
                },
                _ => {
                    let IgnoredAny = map.next_value()?;
                }
            }
        }
        match (frame, kind, early) {
            (Some(frame), _, _) => Ok(frame),
            (None, Some(kind), Some(object)) => Object::new(kind, self.interner)
                .deserialize(object)
                .map_err(Error::custom),
            (None, _, None) => Err(Error::missing_field("object")),
            (None, None, Some(_)) => Err(Error::missing_field("type")),
        }
    }
}

/// The object of a frame whose type is known.
struct Object<'a, 'i, R> {
    kind: Type<'a>,
    interner: &'i Interner,
    record: PhantomData<R>,
}

impl<'a, 'i, R> Object<'a, 'i, R> {
    fn new(kind: Type<'a>, interner: &'i Interner) -> Self {
        Self {
            kind,
            interner,
            record: PhantomData,
        }
    }
}

impl<'de, R: Read> DeserializeSeed<'de> for Object<'_, '_, R> {
    type Value = Frame<R>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        match self.kind {
            Type::Object => {
                let decoded = Seed::<R>::new(self.interner).deserialize(deserializer)?;
                let version = ResourceVersion::parse(&decoded.version);
                Ok(match decoded.into_record() {
                    Ok(record) => Frame::Object { record, version },
                    Err(object) => Frame::Unreadable(object),
                })
            }
            Type::Deleted => {
                let Named { metadata } = object(deserializer)?;
                let version = ResourceVersion::parse(&metadata.resource_version);
                Ok(match metadata.key() {
                    Some(key) => {
                        let uid = metadata.uid.non_empty().map(Uid::new);
                        let object = Gone { key, uid };
                        Frame::Gone { object, version }
                    }
                    None => Frame::Unreadable(Unreadable {
                        key: None,
                        version,
                        error: DecodeError::NoName,
                    }),
                })
            }
            Type::Bookmark => {
                let Bookmark { metadata } = object(deserializer)?;
                Ok(Frame::Bookmark {
                    version: ResourceVersion::parse(&metadata.resource_version),
                    initial_events_end: &*metadata.annotations.initial_events_end == "true",
                })
            }
            Type::Error => {
                let status: status::Wire<'de> = object(deserializer)?;
                Ok(Frame::Error(status.into()))
            }
            Type::Unknown(kind) => {
                IgnoredAny::deserialize(deserializer)?;
                Ok(Frame::Unknown((*kind).into()))
            }
        }
    }
}
