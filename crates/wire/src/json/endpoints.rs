//! Endpoints.

use std::fmt;

use quaymaster_model::{
    EndpointAddress, EndpointsRecord, Interner, Protocol, Subset, SubsetAddress, SubsetPort,
};
use quaymaster_subsets as subsets;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::kept::{Meta, ObjectReference, Unknown, optional, unknown_fields};
use super::read::{Decoded, Read};
use super::value::{List, Str, optional_object, or_default};

/// The object. Read by hand, not derived, because what it does not name is kept.
#[derive(Debug, Default)]
struct Endpoints<'a> {
    metadata: Meta<'a>,
    subsets: List<Group<'a>>,
    unknown: Unknown,
}

impl<'de> Deserialize<'de> for Endpoints<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Endpoints<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an Endpoints object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut endpoints = Endpoints::default();
                while let Some(key) = map.next_key::<Str<'de>>()? {
                    match &*key {
                        "metadata" => endpoints.metadata = map.next_value::<Option<_>>()?.unwrap_or_default(),
                        "subsets" => endpoints.subsets = map.next_value()?,
                        // The same for all Endpoints, and written anew.
                        "apiVersion" | "kind" => {
                            let IgnoredAny = map.next_value()?;
                        }
                        unknown => endpoints.unknown.push(unknown, map.next_value()?),
                    }
                }
                Ok(endpoints)
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Group<'a> {
    #[serde(borrow)]
    addresses: List<Address<'a>>,
    #[serde(borrow)]
    not_ready_addresses: List<Address<'a>>,
    #[serde(borrow)]
    ports: List<Port<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Address<'a> {
    #[serde(borrow)]
    ip: Str<'a>,
    #[serde(borrow)]
    hostname: Str<'a>,
    #[serde(borrow)]
    node_name: Option<Str<'a>>,
    #[serde(borrow, deserialize_with = "optional_object")]
    target_ref: Option<ObjectReference<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Port<'a> {
    #[serde(borrow)]
    name: Str<'a>,
    #[serde(rename = "port", deserialize_with = "or_default")]
    number: i32,
    #[serde(borrow)]
    protocol: Str<'a>,
    #[serde(borrow)]
    app_protocol: Option<Str<'a>>,
}

impl Endpoints<'_> {
    fn record(self, interner: &Interner) -> Option<EndpointsRecord> {
        let Self {
            metadata,
            subsets: groups,
            unknown,
        } = self;
        let metadata = metadata.kept(interner)?;
        let subsets: Vec<Subset> = groups.0.iter().map(|group| group.record(interner)).collect();
        let addresses: usize = subsets
            .iter()
            .map(|subset| subset.ready.len() + subset.not_ready.len())
            .sum();
        Some(EndpointsRecord {
            key: metadata.key,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
            annotations: metadata.annotations,
            owners: metadata.owners,
            finalizers: metadata.finalizers,
            terminating: metadata.terminating,
            digest: subsets::digest(&subsets),
            addresses: u32::try_from(addresses).unwrap_or(u32::MAX),
            subsets: Some(subsets.into_boxed_slice()),
            labels: metadata.labels,
            unknown: unknown_fields(unknown.finish(), metadata.unknown),
        })
    }
}

impl Group<'_> {
    fn record(&self, interner: &Interner) -> Subset {
        let records = |addresses: &List<Address<'_>>| {
            addresses
                .0
                .iter()
                .map(|address| address.record(interner))
                .collect()
        };
        Subset {
            ready: records(&self.addresses),
            not_ready: records(&self.not_ready_addresses),
            ports: self.ports.0.iter().map(|port| port.record(interner)).collect(),
        }
    }
}

impl Address<'_> {
    fn record(&self, interner: &Interner) -> SubsetAddress {
        SubsetAddress {
            ip: EndpointAddress::new(&self.ip),
            hostname: self.hostname.non_empty().map(|name| interner.text(name)),
            node: optional(self.node_name.as_ref(), interner),
            target: self
                .target_ref
                .as_ref()
                .map(|target| Box::new(target.record(interner))),
        }
    }
}

impl Port<'_> {
    fn record(&self, interner: &Interner) -> SubsetPort {
        SubsetPort {
            name: interner.text(&self.name),
            port: self.number,
            protocol: Protocol::new(&self.protocol),
            app_protocol: optional(self.app_protocol.as_ref(), interner),
        }
    }
}

impl Read for EndpointsRecord {
    fn read<'de, D: Deserializer<'de>>(
        deserializer: D,
        interner: &Interner,
    ) -> Result<Decoded<'de, Self>, D::Error> {
        let endpoints = Endpoints::deserialize(deserializer)?;
        let version = endpoints.metadata.resource_version.clone();
        Ok(Decoded {
            record: endpoints.record(interner),
            version,
        })
    }
}
