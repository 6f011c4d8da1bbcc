//! What is kept of objects that are written as well: all of their metadata, since an update must give it back.

use std::fmt;

use quaymaster_model::slice::UnknownFields;
use quaymaster_model::{
    Interned, Interner, LabelSet, ObjectKey, OwnerRef, ResourceVersion, TargetDetails, TargetRef, Text, Uid,
};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::value::{Folded, List, Pairs, Present, Str};

/// The metadata. Read by hand, not derived, because what it does not name is kept.
#[derive(Debug, Default)]
pub(super) struct Meta<'a> {
    name: Str<'a>,
    namespace: Str<'a>,
    uid: Str<'a>,
    pub(super) resource_version: Str<'a>,
    labels: Pairs<'a>,
    annotations: Pairs<'a>,
    owners: Folded<SmallVec<[Owner<'a>; 1]>>,
    finalizers: List<Str<'a>>,
    deletion_timestamp: Present,
    unknown: Unknown,
}

impl<'de> Deserialize<'de> for Meta<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Meta<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the metadata of an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut meta = Meta::default();
                while let Some(key) = map.next_key::<Str<'de>>()? {
                    match &*key {
                        "name" => meta.name = map.next_value()?,
                        "namespace" => meta.namespace = map.next_value()?,
                        "uid" => meta.uid = map.next_value()?,
                        "resourceVersion" => meta.resource_version = map.next_value()?,
                        "labels" => meta.labels = map.next_value()?,
                        "annotations" => meta.annotations = map.next_value()?,
                        "ownerReferences" => meta.owners = map.next_value()?,
                        "finalizers" => meta.finalizers = map.next_value()?,
                        "deletionTimestamp" => meta.deletion_timestamp = map.next_value()?,
                        // The server keeps its own value of each of these where an update leaves them out.
                        "generation"
                        | "creationTimestamp"
                        | "deletionGracePeriodSeconds"
                        | "managedFields"
                        | "selfLink" => {
                            let IgnoredAny = map.next_value()?;
                        }
                        // `generateName` is among these: nothing on the server keeps it through an update without
                        // it, and a hundred bytes on slices of other writers are a fair price for its staying.
                        unknown => meta.unknown.push(unknown, map.next_value()?),
                    }
                }
                Ok(meta)
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

/// Fields that are kept as they came, as the text of a JSON object; empty while there are none.
#[derive(Debug, Default)]
pub(super) struct Unknown(String);

impl Unknown {
    pub(super) fn push(&mut self, key: &str, value: &RawValue) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push_str(&serde_json::Value::from(key).to_string());
        self.0.push(':');
        self.0.push_str(value.get());
    }

    pub(super) fn finish(self) -> Option<Box<str>> {
        let Self(mut text) = self;
        (!text.is_empty()).then(|| {
            text.push('}');
            text.into_boxed_str()
        })
    }
}

/// [`Meta`] as records hold it.
pub(super) struct Kept {
    pub(super) key: ObjectKey,
    pub(super) uid: Uid,
    pub(super) resource_version: ResourceVersion,
    pub(super) labels: Interned<LabelSet>,
    pub(super) annotations: Vec<(Text, Text)>,
    pub(super) owners: SmallVec<[OwnerRef; 1]>,
    pub(super) finalizers: Vec<Text>,
    pub(super) terminating: bool,
    pub(super) unknown: Option<Box<str>>,
}

impl Meta<'_> {
    /// None without a name.
    pub(super) fn kept(self, interner: &Interner) -> Option<Kept> {
        let name = interner.text(self.name.non_empty()?);
        Some(Kept {
            key: ObjectKey::new(interner.text(&self.namespace), name),
            uid: Uid::new(&self.uid),
            resource_version: ResourceVersion::new(&self.resource_version),
            labels: self.labels.label_set(interner),
            annotations: self
                .annotations
                .into_sorted()
                .iter()
                // Values are mostly unique to their object, as the trigger time is: sharing them would not pay.
                .map(|(key, value)| (interner.text(key), Text::new(value)))
                .collect(),
            owners: self.owners.0.iter().map(|owner| owner.record(interner)).collect(),
            finalizers: self.finalizers.0.iter().map(|name| interner.text(name)).collect(),
            terminating: self.deletion_timestamp.0,
            unknown: self.unknown.finish(),
        })
    }
}

/// What this version does not know of an object and of its metadata; none in the usual case.
pub(super) fn unknown_fields(
    object: Option<Box<str>>,
    metadata: Option<Box<str>>,
) -> Option<Box<UnknownFields>> {
    let unknown = UnknownFields { object, metadata };
    (unknown != UnknownFields::default()).then(|| Box::new(unknown))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Owner<'a> {
    #[serde(borrow)]
    api_version: Str<'a>,
    #[serde(borrow)]
    kind: Str<'a>,
    #[serde(borrow)]
    name: Str<'a>,
    #[serde(borrow)]
    uid: Str<'a>,
    controller: Option<bool>,
    block_owner_deletion: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ObjectReference<'a> {
    #[serde(borrow)]
    kind: Str<'a>,
    #[serde(borrow)]
    namespace: Str<'a>,
    #[serde(borrow)]
    name: Str<'a>,
    #[serde(borrow)]
    uid: Str<'a>,
    #[serde(borrow)]
    api_version: Str<'a>,
    #[serde(borrow)]
    resource_version: Str<'a>,
    #[serde(borrow)]
    field_path: Str<'a>,
}

impl Owner<'_> {
    fn record(&self, interner: &Interner) -> OwnerRef {
        OwnerRef {
            api_version: interner.text(&self.api_version),
            kind: interner.text(&self.kind),
            name: interner.text(&self.name),
            uid: Uid::new(&self.uid),
            controller: self.controller,
            block_owner_deletion: self.block_owner_deletion,
        }
    }
}

impl ObjectReference<'_> {
    pub(super) fn record(&self, interner: &Interner) -> TargetRef {
        let filled = |value: &Str<'_>| value.non_empty().map(|value| interner.text(value));
        TargetRef {
            kind: interner.text(&self.kind),
            namespace: interner.text(&self.namespace),
            name: interner.text(&self.name),
            uid: Uid::new(&self.uid),
            details: TargetDetails {
                api_version: filled(&self.api_version),
                // Unique to its object, so that sharing it would not pay.
                resource_version: self.resource_version.non_empty().map(Text::new),
                field_path: filled(&self.field_path),
            }
            .boxed(),
        }
    }
}

pub(super) fn optional(value: Option<&Str<'_>>, interner: &Interner) -> Option<Text> {
    value.map(|value| interner.text(value))
}
