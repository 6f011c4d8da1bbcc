//! From one JSON object to one record.

use std::marker::PhantomData;

use quaymaster_model::{Interner, ObjectKey, ResourceVersion, Text, Uid};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny};
use serde_json::value::RawValue;

use super::value::{Pairs, Present, Str, document, object, or_default};
use crate::{DecodeError, Unreadable};

/// A record that can be read. Sealed: implemented for those of `quaymaster_model`.
pub trait Record: Read {}

impl<R: Read> Record for R {}

/// Reads a record from any deserializer.
pub trait Read: Sized + Send {
    /// Reads one object. Fails where JSON is malformed or a field that is kept has a wrong type.
    fn read<'de, D: Deserializer<'de>>(
        deserializer: D,
        interner: &Interner,
    ) -> Result<Decoded<'de, Self>, D::Error>;
}

/// An object that was read.
pub struct Decoded<'de, R> {
    /// The record; none if the object has no name.
    pub(super) record: Option<R>,
    /// `metadata.resourceVersion`, still in the input, since pages have no use for it.
    pub(super) version: Str<'de>,
}

impl<R> Decoded<'_, R> {
    /// The record, or the report of an object without a name.
    pub(super) fn into_record(self) -> Result<R, Unreadable> {
        let Self { record, version } = self;
        record.ok_or_else(|| Unreadable {
            key: None,
            version: ResourceVersion::parse(&version),
            error: DecodeError::NoName,
        })
    }
}

impl Unreadable {
    /// The report of an object that failed, with what can still be read of it.
    pub(super) fn of(object: &RawValue, error: serde_json::Error) -> Self {
        let Named { metadata } = document(object.get().as_bytes()).unwrap_or_default();
        Self {
            key: metadata.key(),
            version: ResourceVersion::parse(&metadata.resource_version),
            error: error.into(),
        }
    }
}

/// [`Read::read`] as a seed.
pub(super) struct Seed<'i, R> {
    interner: &'i Interner,
    record: PhantomData<R>,
}

impl<'i, R: Read> Seed<'i, R> {
    pub(super) fn new(interner: &'i Interner) -> Self {
        Self {
            interner,
            record: PhantomData,
        }
    }
}

impl<'de, R: Read> DeserializeSeed<'de> for Seed<'_, R> {
    type Value = Decoded<'de, R>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        R::read(deserializer, self.interner)
    }
}

/// The metadata that records are made of; `A` is what is read of the annotations.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[serde(bound(deserialize = "A: Deserialize<'de> + Default"))]
pub(super) struct Meta<'a, A = IgnoredAny> {
    #[serde(borrow)]
    pub(super) name: Str<'a>,
    #[serde(borrow)]
    pub(super) namespace: Str<'a>,
    #[serde(borrow)]
    pub(super) uid: Str<'a>,
    #[serde(borrow)]
    pub(super) resource_version: Str<'a>,
    #[serde(borrow)]
    pub(super) labels: Pairs<'a>,
    #[serde(borrow)]
    pub(super) creation_timestamp: Str<'a>,
    pub(super) deletion_timestamp: Present,
    #[serde(deserialize_with = "or_default")]
    pub(super) annotations: A,
}

impl<A> Meta<'_, A> {
    /// Namespace and name; none without a name.
    pub(super) fn key(&self, interner: &Interner) -> Option<ObjectKey> {
        let name = self.name.non_empty()?;
        Some(ObjectKey::new(
            interner.text(&self.namespace),
            interner.text(name),
        ))
    }

    pub(super) fn uid(&self) -> Uid {
        Uid::new(&self.uid)
    }
}

/// Only what names an object, whose rest is unreadable or does not matter.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Named<'a> {
    #[serde(borrow, deserialize_with = "object")]
    pub(super) metadata: NamedMeta<'a>,
}

/// See [`Named`].
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct NamedMeta<'a> {
    #[serde(borrow)]
    pub(super) name: Str<'a>,
    #[serde(borrow)]
    pub(super) namespace: Str<'a>,
    #[serde(borrow)]
    pub(super) uid: Str<'a>,
    #[serde(borrow)]
    pub(super) resource_version: Str<'a>,
}

impl NamedMeta<'_> {
    /// Namespace and name; none without a name. Not shared through the interner: nothing will hold on to it.
    pub(super) fn key(&self) -> Option<ObjectKey> {
        let name = self.name.non_empty()?;
        Some(ObjectKey::new(Text::new(&self.namespace), Text::new(name)))
    }
}
