//! EndpointSlices.

use std::fmt;

use quaymaster_model::{
    AddressType, Conditions, EndpointAddress, EndpointPort, EndpointRecord, Hints, Interner, PortSet,
    Protocol, SliceRecord,
};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use smallvec::SmallVec;

use super::kept::{Meta, ObjectReference, Unknown, optional, unknown_fields};
use super::read::{Decoded, Read};
use super::value::{Folded, List, Str, object, optional_object};

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
            unknown,
        } = self;
        let metadata = metadata.kept(interner)?;
        Some(SliceRecord {
            key: metadata.key,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
            labels: metadata.labels,
            annotations: metadata.annotations,
            owners: metadata.owners,
            finalizers: metadata.finalizers,
            terminating: metadata.terminating,
            address_type: AddressType::new(&address_type),
            ports: interner.port_set(PortSet::new(ports.0.iter().map(|port| port.record(interner)))),
            endpoints: endpoints
                .0
                .into_iter()
                .map(|endpoint| endpoint.record(interner))
                .collect(),
            unknown: unknown_fields(unknown.finish(), metadata.unknown),
        })
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
