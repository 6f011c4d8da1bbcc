//! Namespaces.

use quaymaster_model::{Interner, NamespaceRecord};
use serde::Deserialize;
use serde::de::Deserializer;

use super::read::{Decoded, Meta, Read};
use super::value::object;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Namespace<'a> {
    #[serde(borrow, deserialize_with = "object")]
    metadata: Meta<'a>,
}

impl Namespace<'_> {
    fn record(&self, interner: &Interner) -> Option<NamespaceRecord> {
        let Self { metadata } = self;
        Some(NamespaceRecord {
            name: interner.text(metadata.name.non_empty()?),
            labels: metadata.labels.label_set(interner),
            terminating: metadata.deletion_timestamp.0,
        })
    }
}

impl Read for NamespaceRecord {
    fn read<'de, D: Deserializer<'de>>(
        deserializer: D,
        interner: &Interner,
    ) -> Result<Decoded<'de, Self>, D::Error> {
        let namespace = object::<_, Namespace<'_>>(deserializer)?;
        Ok(Decoded {
            record: namespace.record(interner),
            version: namespace.metadata.resource_version,
        })
    }
}
