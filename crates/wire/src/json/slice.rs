//! EndpointSlices.

use std::fmt;

use quaymaster_model::{
    AddressType, Conditions, EndpointAddress, EndpointPort, EndpointRecord, Hints, Interner, OwnerRef,
    PortSet, Protocol, ResourceVersion, SliceRecord, TargetRef, Text, Uid, slice::UnknownFields,
};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::read::{Decoded, Read};
use super::value::{Folded, List, Pairs, Present, Str, object, optional_object};

/// The object. Read by hand, not derived, because what it does not name is kept.
#[derive(Debug, Default)]
struct Slice<'a> {
    metadata: Meta<'a>,
    address_type: Str<'a>,
    ports: List<Port<'a>>,
    endpoints: List<Endpoint<'a>>,
    unknown: Unknown,
}

impl<'de> Deserialize<'de> for Slice<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Slice<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an EndpointSlice")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut slice = Slice::default();
                while let Some(key) = map.next_key::<Str<'de>>()? {
                    match &*key {
                        "metadata" => slice.metadata = map.next_value::<Option<_>>()?.unwrap_or_default(),
                        "addressType" => slice.address_type = map.next_value()?,
                        "ports" => slice.ports = map.next_value()?,
                        "endpoints" => slice.endpoints = map.next_value()?,
                        // The same for all slices, and written anew.
                        "apiVersion" | "kind" => {
                            let IgnoredAny = map.next_value()?;
                        }
                        unknown => slice.unknown.push(unknown, map.next_value()?),
                    }
                }
                Ok(slice)
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

/// The metadata. Read by hand, not derived, because what it does not name is kept.
#[derive(Debug, Default)]
struct Meta<'a> {
    name: Str<'a>,
    namespace: Str<'a>,
    uid: Str<'a>,
    resource_version: Str<'a>,
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
struct Unknown(String);

impl Unknown {
    fn push(&mut self, key: &str, value: &RawValue) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push_str(&serde_json::Value::from(key).to_string());
        self.0.push(':');
        self.0.push_str(value.get());
    }

    fn finish(&mut self) -> Option<Box<str>> {
        let mut text = std::mem::take(&mut self.0);
        (!text.is_empty()).then(|| {
            text.push('}');
            text.into_boxed_str()
        })
    }
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
struct Port<'a> {
    #[serde(borrow)]
    name: Option<Str<'a>>,
    #[serde(borrow)]
    protocol: Option<Str<'a>>,
    #[serde(rename = "port")]
    number: Option<i32>,
    #[serde(borrow)]
    app_protocol: Option<Str<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Endpoint<'a> {
    #[serde(borrow)]
    addresses: Folded<SmallVec<[Str<'a>; 1]>>,
    #[serde(deserialize_with = "object")]
    conditions: EndpointConditions,
    #[serde(borrow)]
    hostname: Option<Str<'a>>,
    #[serde(borrow)]
    node_name: Option<Str<'a>>,
    #[serde(borrow)]
    zone: Option<Str<'a>>,
    #[serde(borrow, deserialize_with = "optional_object")]
    target_ref: Option<ObjectReference<'a>>,
    #[serde(borrow, deserialize_with = "object")]
    hints: EndpointHints<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EndpointConditions {
    ready: Option<bool>,
    serving: Option<bool>,
    terminating: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ObjectReference<'a> {
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
    field_path: Str<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct EndpointHints<'a> {
    #[serde(borrow)]
    for_zones: Folded<SmallVec<[Hint<'a>; 1]>>,
    #[serde(borrow)]
    for_nodes: Folded<SmallVec<[Hint<'a>; 1]>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Hint<'a> {
    #[serde(borrow)]
    name: Str<'a>,
}

impl Slice<'_> {
    fn record(self, interner: &Interner) -> Option<SliceRecord> {
        let Self {
            metadata,
            address_type,
            ports,
            endpoints,
            mut unknown,
        } = self;
        let mut metadata = metadata;
        let name = interner.text(metadata.name.non_empty()?);
        let unknown = UnknownFields {
            object: unknown.finish(),
            metadata: metadata.unknown.finish(),
        };
        Some(SliceRecord {
            key: quaymaster_model::ObjectKey::new(interner.text(&metadata.namespace), name),
            uid: Uid::new(&metadata.uid),
            resource_version: ResourceVersion::new(&metadata.resource_version),
            labels: metadata.labels.label_set(interner),
            annotations: metadata
                .annotations
                .into_sorted()
                .iter()
                // Values are mostly unique to their slice, as the trigger time is: sharing them would not pay.
                .map(|(key, value)| (interner.text(key), Text::new(value)))
                .collect(),
            owners: metadata
                .owners
                .0
                .iter()
                .map(|owner| owner.record(interner))
                .collect(),
            finalizers: metadata
                .finalizers
                .0
                .iter()
                .map(|name| interner.text(name))
                .collect(),
            terminating: metadata.deletion_timestamp.0,
            address_type: AddressType::new(&address_type),
            ports: interner.port_set(PortSet::new(ports.0.iter().map(|port| port.record(interner)))),
            endpoints: endpoints
                .0
                .into_iter()
                .map(|endpoint| endpoint.record(interner))
                .collect(),
            unknown: (unknown != UnknownFields::default()).then(|| Box::new(unknown)),
        })
    }
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

impl Port<'_> {
    fn record(&self, interner: &Interner) -> EndpointPort {
        EndpointPort {
            name: optional(self.name.as_ref(), interner),
            protocol: self.protocol.as_ref().map(|value| Protocol::new(value)),
            port: self.number,
            app_protocol: optional(self.app_protocol.as_ref(), interner),
        }
    }
}

impl Endpoint<'_> {
    fn record(mut self, interner: &Interner) -> EndpointRecord {
        self.addresses.0.sort_unstable();
        EndpointRecord {
            addresses: self
                .addresses
                .0
                .iter()
                .map(|text| EndpointAddress::new(text))
                .collect(),
            conditions: Conditions {
                ready: self.conditions.ready,
                serving: self.conditions.serving,
                terminating: self.conditions.terminating,
            },
            hostname: optional(self.hostname.as_ref(), interner),
            node: optional(self.node_name.as_ref(), interner),
            zone: optional(self.zone.as_ref(), interner),
            target: self.target_ref.map(|target| target.record(interner)),
            hints: self.hints.record(interner),
        }
    }
}

impl ObjectReference<'_> {
    fn record(&self, interner: &Interner) -> TargetRef {
        TargetRef {
            kind: interner.text(&self.kind),
            namespace: interner.text(&self.namespace),
            name: interner.text(&self.name),
            uid: Uid::new(&self.uid),
            api_version: self.api_version.non_empty().map(|value| interner.text(value)),
            field_path: self.field_path.non_empty().map(|value| interner.text(value)),
        }
    }
}

impl EndpointHints<'_> {
    fn record(&self, interner: &Interner) -> Option<Box<Hints>> {
        let names = |hints: &[Hint<'_>]| hints.iter().map(|hint| interner.text(&hint.name)).collect();
        let hints = Hints {
            zones: names(&self.for_zones.0),
            nodes: names(&self.for_nodes.0),
        };
        (!hints.zones.is_empty() || !hints.nodes.is_empty()).then(|| Box::new(hints))
    }
}

fn optional(value: Option<&Str<'_>>, interner: &Interner) -> Option<Text> {
    value.map(|value| interner.text(value))
}

impl Read for SliceRecord {
    fn read<'de, D: Deserializer<'de>>(
        deserializer: D,
        interner: &Interner,
    ) -> Result<Decoded<'de, Self>, D::Error> {
        let slice = Slice::deserialize(deserializer)?;
        let version = slice.metadata.resource_version.clone();
        Ok(Decoded {
            record: slice.record(interner),
            version,
        })
    }
}
