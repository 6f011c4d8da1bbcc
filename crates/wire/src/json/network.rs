//! ServiceCIDRs and IPAddresses.

use quaymaster_model::ip::parse_ip;
use quaymaster_model::{
    Condition, Interner, IpAddressRecord, ObjectKey, ParentRef, ResourceVersion, ServiceCidrRecord, Text, Uid,
};
use serde::Deserialize;
use serde::de::Deserializer;

use super::read::{Decoded, Read};
use super::time::timestamp;
use super::value::{List, NoList, Pairs, Str, object, optional_object};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ServiceCidr<'a> {
    #[serde(borrow, deserialize_with = "object")]
    metadata: CidrMeta<'a>,
    #[serde(borrow, deserialize_with = "object")]
    spec: Spec<'a>,
    #[serde(borrow, deserialize_with = "object")]
    status: Status<'a>,
}

/// The metadata: of the time of deletion it matters which it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CidrMeta<'a> {
    #[serde(borrow)]
    name: Str<'a>,
    #[serde(borrow)]
    uid: Str<'a>,
    #[serde(borrow)]
    resource_version: Str<'a>,
    #[serde(borrow)]
    finalizers: List<Str<'a>>,
    #[serde(borrow)]
    deletion_timestamp: Str<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Spec<'a> {
    #[serde(borrow)]
    cidrs: List<Str<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status<'a> {
    #[serde(borrow)]
    conditions: List<StatusCondition<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StatusCondition<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow)]
    status: Str<'a>,
    #[serde(borrow)]
    reason: Str<'a>,
    #[serde(borrow)]
    message: Str<'a>,
}

impl ServiceCidr<'_> {
    fn record(&self, interner: &Interner) -> Option<ServiceCidrRecord> {
        let Self {
            metadata,
            spec,
            status,
        } = self;
        let name = metadata.name.non_empty()?;
        let ready = status.conditions.0.iter().find(|one| &*one.kind == "Ready");
        Some(ServiceCidrRecord {
            key: ObjectKey::new(interner.text(""), interner.text(name)),
            uid: Uid::new(&metadata.uid),
            resource_version: ResourceVersion::new(&metadata.resource_version),
            finalizers: metadata
                .finalizers
                .0
                .iter()
                .map(|one| interner.text(one))
                .collect(),
            deleted: timestamp(&metadata.deletion_timestamp),
            cidrs: spec.cidrs.0.iter().filter_map(|cidr| cidr.parse().ok()).collect(),
            ready: ready.map(|ready| Condition {
                status: Text::new(&ready.status),
                reason: Text::new(&ready.reason),
                message: Text::new(&ready.message),
            }),
        })
    }
}

impl Read for ServiceCidrRecord {
    fn read<'de, D: Deserializer<'de>>(
        deserializer: D,
        interner: &Interner,
    ) -> Result<Decoded<'de, Self>, D::Error> {
        let cidr = object::<_, ServiceCidr<'_>>(deserializer)?;
        Ok(Decoded {
            record: cidr.record(interner),
            version: cidr.metadata.resource_version,
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct IpAddress<'a> {
    #[serde(borrow, deserialize_with = "object")]
    metadata: AddressMeta<'a>,
    #[serde(borrow, deserialize_with = "object")]
    spec: AddressSpec<'a>,
}

/// As of a ServiceCIDR, with what tells whose address it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct AddressMeta<'a> {
    #[serde(borrow)]
    name: Str<'a>,
    #[serde(borrow)]
    uid: Str<'a>,
    #[serde(borrow)]
    resource_version: Str<'a>,
    #[serde(borrow)]
    labels: Pairs<'a>,
    #[serde(borrow)]
    annotations: NoList<AddressAnnotations<'a>>,
    #[serde(borrow)]
    finalizers: List<Str<'a>>,
    #[serde(borrow)]
    deletion_timestamp: Str<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AddressAnnotations<'a> {
    #[serde(borrow, rename = "quaymaster.io/released-at")]
    released_at: Str<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct AddressSpec<'a> {
    #[serde(borrow, deserialize_with = "optional_object")]
    parent_ref: Option<Parent<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Parent<'a> {
    #[serde(borrow)]
    group: Str<'a>,
    #[serde(borrow)]
    resource: Str<'a>,
    #[serde(borrow)]
    namespace: Str<'a>,
    #[serde(borrow)]
    name: Str<'a>,
}

impl Parent<'_> {
    fn record(&self, interner: &Interner) -> ParentRef {
        ParentRef {
            group: interner.text(&self.group),
            resource: interner.text(&self.resource),
            namespace: interner.text(&self.namespace),
            name: interner.text(&self.name),
        }
    }
}

impl IpAddress<'_> {
    fn record(&self, interner: &Interner) -> Option<IpAddressRecord> {
        let Self { metadata, spec } = self;
        let name = metadata.name.non_empty()?;
        let finalizers = metadata.finalizers.0.iter();
        // Each time is of few addresses at most, so that sharing it would not pay.
        let released_at = metadata.annotations.0.released_at.non_empty().map(Text::new);
        Some(IpAddressRecord {
            key: ObjectKey::new(interner.text(""), interner.text(name)),
            uid: Uid::new(&metadata.uid),
            resource_version: ResourceVersion::new(&metadata.resource_version),
            labels: metadata.labels.label_set(interner),
            // The name is the address.
            address: parse_ip(name),
            finalizers: finalizers.map(|one| interner.text(one)).collect(),
            deleted: timestamp(&metadata.deletion_timestamp),
            parent: spec.parent_ref.as_ref().map(|parent| parent.record(interner)),
            released_at,
        })
    }
}

impl Read for IpAddressRecord {
    fn read<'de, D: Deserializer<'de>>(
        deserializer: D,
        interner: &Interner,
    ) -> Result<Decoded<'de, Self>, D::Error> {
        let address = object::<_, IpAddress<'_>>(deserializer)?;
        Ok(Decoded {
            record: address.record(interner),
            version: address.metadata.resource_version,
        })
    }
}
