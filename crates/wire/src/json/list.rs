//! Pages of a list.

use std::fmt;
use std::marker::PhantomData;

use quaymaster_model::{Interner, ResourceVersion};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::read::{Decoded, Read, Seed};
use super::value::{NoList, Str, document, object};
use crate::{DecodeError, Page, Unreadable};

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ListMeta<'a> {
    #[serde(borrow, rename = "continue")]
    next: Str<'a>,
    #[serde(borrow)]
    resource_version: Str<'a>,
}

/// A page whose items are still apart.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Raw<'a> {
    #[serde(borrow, deserialize_with = "object")]
    metadata: ListMeta<'a>,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

/// What was read of `items`.
struct Items<R> {
    records: Vec<R>,
    unreadable: Vec<Unreadable>,
}

impl<R> Default for Items<R> {
    fn default() -> Self {
        Self {
            records: Vec::new(),
            unreadable: Vec::new(),
        }
    }
}

impl<R> Items<R> {
    /// Takes an object that was read.
    fn take(&mut self, decoded: Decoded<'_, R>) {
        match decoded.into_record() {
            Ok(record) => self.records.push(record),
            Err(nameless) => self.unreadable.push(nameless),
        }
    }
}

/// Reads a page in one pass. Only where that fails, a second pass takes the items apart and finds out which of them
/// are at fault.
pub(super) fn page<R: Read>(bytes: &[u8], interner: &Interner) -> Result<Page<R>, DecodeError> {
    let (metadata, items) = match at_once(bytes, interner) {
        Ok(document) => document,
        Err(_) => one_by_one(bytes, interner)?,
    };
    let Items { records, unreadable } = items.ok_or(DecodeError::NotAList)?;
    Ok(Page {
        records,
        unreadable,
        next: metadata.next.non_empty().map(Into::into),
        version: ResourceVersion::parse(&metadata.resource_version),
    })
}

/// The list's metadata, and its items if it has any such field.
type Parts<'de, R> = (ListMeta<'de>, Option<Items<R>>);

fn at_once<'de, R: Read>(bytes: &'de [u8], interner: &Interner) -> serde_json::Result<Parts<'de, R>> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let document = Document {
        interner,
        record: PhantomData,
    };
    let parts = deserializer.deserialize_map(document)?;
    deserializer.end()?;
    Ok(parts)
}

fn one_by_one<'de, R: Read>(bytes: &'de [u8], interner: &Interner) -> serde_json::Result<Parts<'de, R>> {
    let raw: Raw<'de> = document(bytes)?;
    let items = raw.items.map(|objects| {
        let mut items = Items::default();
        for object in objects {
            match Seed::new(interner).deserialize(object) {
                Ok(decoded) => items.take(decoded),
                Err(error) => items.unreadable.push(Unreadable::of(object, error)),
            }
        }
        items
    });
    Ok((raw.metadata, items))
}

struct Document<'i, R> {
    interner: &'i Interner,
    record: PhantomData<R>,
}

impl<'de, R: Read> Visitor<'de> for Document<'_, R> {
    type Value = Parts<'de, R>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut metadata = ListMeta::default();
        let mut items = None;
        while let Some(key) = map.next_key::<Str<'de>>()? {
            match &*key {
                "metadata" => NoList(metadata) = map.next_value()?,
                "items" => {
                    items = Some(map.next_value_seed(Objects {
                        interner: self.interner,
                        record: PhantomData,
                    })?);
                }
                _ => {
                    let IgnoredAny = map.next_value()?;
                }
            }
        }
        Ok((metadata, items))
    }
}

struct Objects<'i, R> {
    interner: &'i Interner,
    record: PhantomData<R>,
}

impl<'de, R: Read> DeserializeSeed<'de> for Objects<'_, R> {
    type Value = Items<R>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, R: Read> Visitor<'de> for Objects<'_, R> {
    type Value = Items<R>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut objects: A) -> Result<Self::Value, A::Error> {
        let mut items = Items::default();
        while let Some(decoded) = objects.next_element_seed(Seed::new(self.interner))? {
            items.take(decoded);
        }
        Ok(items)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Items::default())
    }
}
