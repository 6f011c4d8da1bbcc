//! Nodes.

use quaymaster_model::{Interner, NodeRecord, names};
use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::value::RawValue;

use super::pod::Ready;
use super::quantity::parse_millis;
use super::read::{Decoded, Meta, Read};
use super::value::{Folded, Str, object};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Node<'a> {
    #[serde(borrow, deserialize_with = "object")]
    metadata: Meta<'a>,
    #[serde(borrow, deserialize_with = "object")]
    status: Status<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status<'a> {
    #[serde(borrow)]
    conditions: Folded<Ready<'a>>,
    #[serde(borrow, deserialize_with = "object")]
    allocatable: Allocatable<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Allocatable<'a> {
    /// A string, but the API's clients read a bare number too.
    #[serde(borrow)]
    cpu: Option<&'a RawValue>,
}

impl Allocatable<'_> {
    fn cpu_millis(&self) -> Option<u64> {
        let raw = self.cpu?.get();
        if raw.starts_with('"') {
            let text: Str<'_> = serde_json::from_str(raw).ok()?;
            parse_millis(text.trim())
        } else {
            parse_millis(raw)
        }
    }
}

impl Node<'_> {
    fn record(&self, interner: &Interner) -> Option<NodeRecord> {
        let Self { metadata, status } = self;
        let name = metadata.name.non_empty()?;
        let zone = metadata.labels.get(names::LABEL_ZONE);
        Some(NodeRecord {
            name: interner.text(name),
            zone: zone
                .and_then(|zone| zone.non_empty())
                .map(|zone| interner.text(zone)),
            ready: status.conditions.0.is_true(),
            control_plane: [names::LABEL_CONTROL_PLANE, names::LABEL_MASTER]
                .iter()
                .any(|key| metadata.labels.get(key).is_some()),
            allocatable_cpu_millis: status.allocatable.cpu_millis().unwrap_or(0),
        })
    }
}

impl Read for NodeRecord {
    fn read<'de, D: Deserializer<'de>>(
        deserializer: D,
        interner: &Interner,
    ) -> Result<Decoded<'de, Self>, D::Error> {
        let node = object::<_, Node<'_>>(deserializer)?;
        Ok(Decoded {
            record: node.record(interner),
            version: node.metadata.resource_version,
        })
    }
}
