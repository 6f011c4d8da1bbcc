//! Values as leniently as the API's own clients read them: `null` is the same as absent.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use quaymaster_model::{Interned, Interner, LabelSet};
use serde::de::value::{BorrowedStrDeserializer, MapAccessDeserializer};
use serde::de::{
    Deserialize, Deserializer, Error, IgnoredAny, IntoDeserializer as _, MapAccess, SeqAccess, Visitor,
};
use smallvec::SmallVec;

/// For `#[serde(deserialize_with)]`: the default where the value is `null`.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// For `#[serde(deserialize_with)]`, and for whole documents: an object; `null` is the default.
pub(super) fn object<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    NoList::deserialize(deserializer).map(|NoList(value)| value)
}

/// For `#[serde(deserialize_with)]`: an object, or none where the value is `null`.
pub(super) fn optional_object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    let value = Option::<NoList<T>>::deserialize(deserializer)?;
    Ok(value.map(|NoList(value)| value))
}

/// Reads a whole document that is an object.
pub(super) fn document<'de, T: Deserialize<'de> + Default>(bytes: &'de [u8]) -> serde_json::Result<T> {
    serde_json::from_slice(bytes).map(|NoList(value)| value)
}

/// An object or a text; `null` is the default. Derived readers would also take a list for an object, its elements
/// for the fields in their order: nothing that the API means.
#[derive(Debug, Default)]
pub(super) struct NoList<T>(pub(super) T);

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for NoList<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Value<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for Value<T> {
            type Value = NoList<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object or a string")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(NoList)
            }

            fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Self::Value, E> {
                T::deserialize(BorrowedStrDeserializer::new(value)).map(NoList)
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
                T::deserialize(value.into_deserializer()).map(NoList)
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(NoList(T::default()))
            }
        }

        deserializer.deserialize_any(Value(PhantomData))
    }
}

/// For `#[serde(deserialize_with)]`: some value wherever the key is present, also with `null`. So a map of strings
/// tells a key that is there from one that is not.
pub(super) fn where_present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// Text, borrowed from the input unless it holds escapes; `null` is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Str<'a>(Cow<'a, str>);

impl Str<'_> {
    /// Itself, unless empty.
    pub(super) fn non_empty(&self) -> Option<&str> {
        (!self.0.is_empty()).then_some(&*self.0)
    }
}

impl<'a> From<&'a str> for Str<'a> {
    fn from(value: &'a str) -> Self {
        Self(Cow::Borrowed(value))
    }
}

impl From<String> for Str<'_> {
    fn from(value: String) -> Self {
        Self(Cow::Owned(value))
    }
}

impl Deref for Str<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Str<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Str<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Self::Value, E> {
                Ok(Str::from(value))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
                Ok(Str::from(value.to_owned()))
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Str::default())
            }
        }

        deserializer.deserialize_any(Text)
    }
}

/// A map, in the order of the document.
#[derive(Debug)]
pub(super) struct Pairs<'a, V = Str<'a>>(Vec<(Str<'a>, V)>);

impl<V> Default for Pairs<'_, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'a, V> Pairs<'a, V> {
    /// All pairs, in the order of the document.
    pub(super) fn pairs(&self) -> &[(Str<'a>, V)] {
        &self.0
    }
}

impl<'a> Pairs<'a> {
    /// Value of a key; of a repeated key the last, as everywhere in JSON.
    pub(super) fn get(&self, key: &str) -> Option<&Str<'a>> {
        self.0
            .iter()
            .rfind(|(found, _)| **found == *key)
            .map(|(_, value)| value)
    }

    /// The map as a shared label set.
    pub(super) fn label_set(&self, interner: &Interner) -> Interned<LabelSet> {
        interner.labels(LabelSet::new(
            self.0
                .iter()
                .map(|(key, value)| (interner.text(key), interner.text(value))),
        ))
    }

    /// The pairs, sorted by key, each key once.
    pub(super) fn into_sorted(self) -> Vec<(Str<'a>, Str<'a>)> {
        let mut pairs = self.0;
        // Reversed and stable, so that of a repeated key the last value comes first and survives.
        pairs.reverse();
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs.dedup_by(|later, earlier| later.0 == earlier.0);
        pairs
    }
}

impl<'de: 'a, 'a, V: Deserialize<'de>> Deserialize<'de> for Pairs<'a, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for Map<V> {
            type Value = Pairs<'de, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Pairs::default())
            }
        }

        deserializer.deserialize_any(Map(PhantomData))
    }
}

/// What a list is folded into while it is read, so that no more of it is held than is kept.
pub(super) trait Fold<'de>: Default {
    /// An element, an object or a text; a `null` one is the default.
    type Item: Deserialize<'de> + Default;

    /// Takes the next element.
    fn push(&mut self, item: Self::Item);
}

impl<'de, T: Deserialize<'de> + Default> Fold<'de> for Vec<T> {
    type Item = T;

    fn push(&mut self, item: T) {
        self.push(item);
    }
}

impl<'de, T: Deserialize<'de> + Default> Fold<'de> for SmallVec<[T; 1]> {
    type Item = T;

    fn push(&mut self, item: T) {
        self.push(item);
    }
}

/// A list, folded; `null` is empty.
#[derive(Debug, Default)]
pub(super) struct Folded<T>(pub(super) T);

/// A list held whole.
pub(super) type List<T> = Folded<Vec<T>>;

impl<'de, T: Fold<'de>> Deserialize<'de> for Folded<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements<T>(PhantomData<T>);

        impl<'de, T: Fold<'de>> Visitor<'de> for Elements<T> {
            type Value = Folded<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
                let mut folded = T::default();
                while let Some(NoList(item)) = elements.next_element::<NoList<T::Item>>()? {
                    folded.push(item);
                }
                Ok(Folded(folded))
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Folded(T::default()))
            }
        }

        deserializer.deserialize_any(Elements(PhantomData))
    }
}

/// Whether a field has a value other than `null`; the value itself is not looked at.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Present(pub(super) bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<IgnoredAny>::deserialize(deserializer).map(|value| Self(value.is_some()))
    }
}
