//! Custom resources: their metadata as of everything else, spec and status by the types that define them.

use std::sync::Arc;

use quaymaster_model::{CustomRecord, Interner, ObjectKey, ResourceVersion, Uid};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error};
use serde_json::value::RawValue;

use super::read::{Decoded, Read};
use super::time::timestamp;
use super::value::{List, Str, object, or_default};

#[derive(Debug, Deserialize)]
#[serde(default, bound(deserialize = "S: DeserializeOwned"))]
struct Custom<'a, S> {
    #[serde(borrow, deserialize_with = "object")]
    metadata: Meta<'a>,
    spec: Option<S>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
}

// Derived, this would ask for specs that have a default.
impl<S> Default for Custom<'_, S> {
    fn default() -> Self {
        Self {
            metadata: Meta::default(),
            spec: None,
            status: None,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Meta<'a> {
    #[serde(borrow)]
    name: Str<'a>,
    #[serde(borrow)]
    namespace: Str<'a>,
    #[serde(borrow)]
    uid: Str<'a>,
    #[serde(borrow)]
    resource_version: Str<'a>,
    #[serde(deserialize_with = "or_default")]
    generation: i64,
    #[serde(borrow)]
    creation_timestamp: Str<'a>,
    #[serde(borrow)]
    deletion_timestamp: Str<'a>,
    #[serde(borrow)]
    finalizers: List<Str<'a>>,
}

impl<S, T> Read for CustomRecord<S, T>
where
    S: DeserializeOwned + Send + Sync,
    T: DeserializeOwned + Default + Send + Sync,
{
    fn read<'de, D: Deserializer<'de>>(
        deserializer: D,
        interner: &Interner,
    ) -> Result<Decoded<'de, Self>, D::Error> {
        let Custom {
            metadata,
            spec,
            status,
        } = object::<_, Custom<'_, S>>(deserializer)?;
        let spec = spec.ok_or_else(|| D::Error::missing_field("spec"))?;
        let record = metadata.name.non_empty().map(|name| Self {
            key: ObjectKey::new(interner.text(&metadata.namespace), interner.text(name)),
            uid: Uid::new(&metadata.uid),
            resource_version: ResourceVersion::new(&metadata.resource_version),
            generation: metadata.generation,
            created: timestamp(&metadata.creation_timestamp),
            deleted: timestamp(&metadata.deletion_timestamp),
            finalizers: metadata
                .finalizers
                .0
                .iter()
                .map(|one| interner.text(one))
                .collect(),
            spec: Arc::new(spec),
            // Who writes the status computes it anew: one that cannot be read is not worth the object.
            status: Arc::new(
                status
                    .and_then(|status| serde_json::from_str(status.get()).ok())
                    .unwrap_or_default(),
            ),
        });
        Ok(Decoded {
            record,
            version: metadata.resource_version,
        })
    }
}
