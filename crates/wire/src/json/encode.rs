//! EndpointSlices as they are written.

use std::fmt::{self, Display, Write as _};

use quaymaster_model::slice::UnknownFields;
use quaymaster_model::{
    AddressType, Conditions, EndpointAddress, EndpointPort, EndpointRecord, Hints, LabelSet, OwnerRef,
    ResourceVersion, SliceRecord, TargetRef, Text, Uid,
};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::value::RawValue;

use super::value::Pairs;
use crate::EncodeError;

/// A slice to be written. What is empty or none is left out, as Go's clients leave it out.
#[derive(Debug, Clone, Copy)]
pub struct SliceBody<'a> {
    /// `metadata.name`
    pub name: &'a str,
    /// `metadata.namespace`
    pub namespace: &'a str,
    /// `metadata.labels`
    pub labels: &'a LabelSet,
    /// `metadata.annotations`, each key once.
    pub annotations: &'a [(Text, Text)],
    /// `metadata.ownerReferences`
    pub owners: &'a [OwnerRef],
    /// `metadata.finalizers`
    pub finalizers: &'a [Text],
    /// `metadata.resourceVersion`: with it an update is refused where the slice has changed meanwhile; without it
    /// the update is unconditional. None for a create.
    pub resource_version: Option<&'a ResourceVersion>,
    /// `metadata.uid`: with it an update is refused where the slice was replaced by another of its name. None for
    /// a create.
    pub uid: Option<&'a Uid>,
    /// `addressType`
    pub address_type: &'a AddressType,
    /// `ports`, written in this order (`quaymaster_model::digest::ordered_ports` gives upstream's).
    pub ports: &'a [EndpointPort],
    /// `endpoints`, written in this order.
    pub endpoints: &'a [EndpointRecord],
    /// Fields to give back as they came.
    pub unknown: Option<&'a UnknownFields>,
}

impl<'a> SliceBody<'a> {
    /// The body that changes nothing: the record with all that it holds. To be changed field by field for an update
    /// in place, so that whatever is not changed is kept. Ports are given apart, since a record keeps no order.
    pub fn of(record: &'a SliceRecord, ports: &'a [EndpointPort]) -> Self {
        let SliceRecord {
            key,
            uid,
            resource_version,
            labels,
            annotations,
            owners,
            finalizers,
            // Only the server sets it, and keeps it through updates.
            terminating: _,
            address_type,
            ports: _,
            endpoints,
            unknown,
        } = record;
        Self {
            name: &key.name,
            namespace: &key.namespace,
            labels,
            annotations,
            owners,
            finalizers,
            resource_version: Some(resource_version),
            uid: Some(uid),
            address_type,
            ports,
            endpoints,
            unknown: unknown.as_deref(),
        }
    }
}

/// Renders the whole object, for a create or an update.
///
/// # Errors
/// The unknown fields are not a JSON object each; those of a decoded record always are.
pub fn encode_slice(body: &SliceBody<'_>) -> Result<Vec<u8>, EncodeError> {
    let object = Object {
        unknown: fields(body.unknown.and_then(|unknown| unknown.object.as_deref()))?,
        metadata: Metadata {
            unknown: fields(body.unknown.and_then(|unknown| unknown.metadata.as_deref()))?,
            body,
        },
        body,
    };
    Ok(serde_json::to_vec(&object)?)
}

/// Fields of a JSON object with their values as text.
type Fields<'a> = Pairs<'a, &'a RawValue>;

fn fields(text: Option<&str>) -> serde_json::Result<Fields<'_>> {
    text.map_or_else(|| Ok(Fields::default()), serde_json::from_str)
}

struct Object<'a> {
    body: &'a SliceBody<'a>,
    metadata: Metadata<'a>,
    unknown: Fields<'a>,
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("apiVersion", "discovery.k8s.io/v1")?;
        map.serialize_entry("kind", "EndpointSlice")?;
        map.serialize_entry("metadata", &self.metadata)?;
        map.serialize_entry("addressType", self.body.address_type.as_str())?;
        map.serialize_entry("endpoints", &Each(self.body.endpoints, Endpoint::of))?;
        map.serialize_entry("ports", &Each(self.body.ports, Port::of))?;
        for (key, value) in self.unknown.pairs() {
            map.serialize_entry(&**key, value)?;
        }
        map.end()
    }
}

struct Metadata<'a> {
    body: &'a SliceBody<'a>,
    unknown: Fields<'a>,
}

impl Serialize for Metadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let body = self.body;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", body.name)?;
        if !body.namespace.is_empty() {
            map.serialize_entry("namespace", body.namespace)?;
        }
        if let Some(uid) = body.uid.and_then(uid) {
            map.serialize_entry("uid", &uid)?;
        }
        if let Some(version) = body.resource_version.filter(|version| !version.is_empty()) {
            map.serialize_entry("resourceVersion", &Shown::of(version))?;
        }
        if !body.labels.is_empty() {
            map.serialize_entry("labels", &Strings(body.labels.pairs()))?;
        }
        if !body.annotations.is_empty() {
            map.serialize_entry("annotations", &Strings(body.annotations))?;
        }
        if !body.owners.is_empty() {
            map.serialize_entry("ownerReferences", &Each(body.owners, Owner::of))?;
        }
        if !body.finalizers.is_empty() {
            map.serialize_entry("finalizers", &Each(body.finalizers, Text::as_str))?;
        }
        for (key, value) in self.unknown.pairs() {
            map.serialize_entry(&**key, value)?;
        }
        map.end()
    }
}

/// A list whose elements are rendered through a view.
struct Each<'a, T, V>(&'a [T], fn(&'a T) -> V);

impl<T, V: Serialize> Serialize for Each<'_, T, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(self.1))
    }
}

/// A map of strings.
struct Strings<'a>(&'a [(Text, Text)]);

impl Serialize for Strings<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key.as_str(), value.as_str())))
    }
}

/// A value as it prints.
struct Shown<'a, T>(&'a T);

impl<'a, T> Shown<'a, T> {
    fn of(value: &'a T) -> Self {
        Self(value)
    }
}

impl<T: Display> Serialize for Shown<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

/// The UID, unless it is empty.
fn uid(uid: &Uid) -> Option<Shown<'_, Uid>> {
    /// Fails at the first character, so that nothing is rendered only to see whether there is anything.
    struct Probe;

    impl fmt::Write for Probe {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            if text.is_empty() { Ok(()) } else { Err(fmt::Error) }
        }
    }

    write!(Probe, "{uid}").is_err().then_some(Shown(uid))
}

fn text(value: Option<&Text>) -> Option<&str> {
    value.map(Text::as_str)
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Owner<'a> {
    api_version: &'a str,
    kind: &'a str,
    name: &'a str,
    uid: Shown<'a, Uid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    controller: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    block_owner_deletion: Option<bool>,
}

impl<'a> Owner<'a> {
    fn of(owner: &'a OwnerRef) -> Self {
        let OwnerRef {
            api_version,
            kind,
            name,
            uid,
            controller,
            block_owner_deletion,
        } = owner;
        Self {
            api_version,
            kind,
            name,
            uid: Shown(uid),
            controller: *controller,
            block_owner_deletion: *block_owner_deletion,
        }
    }
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Port<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<&'a str>,
    #[serde(rename = "port", skip_serializing_if = "Option::is_none")]
    number: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_protocol: Option<&'a str>,
}

impl<'a> Port<'a> {
    fn of(port: &'a EndpointPort) -> Self {
        let EndpointPort {
            name,
            protocol,
            port,
            app_protocol,
        } = port;
        Self {
            name: text(name.as_ref()),
            protocol: protocol.as_ref().map(quaymaster_model::Protocol::as_str),
            number: *port,
            app_protocol: text(app_protocol.as_ref()),
        }
    }
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint<'a> {
    addresses: Each<'a, EndpointAddress, Shown<'a, EndpointAddress>>,
    conditions: EndpointConditions,
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_ref: Option<Target<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hints: Option<EndpointHints<'a>>,
}

impl<'a> Endpoint<'a> {
    fn of(endpoint: &'a EndpointRecord) -> Self {
        let EndpointRecord {
            addresses,
            conditions,
            hostname,
            node,
            zone,
            target,
            hints,
        } = endpoint;
        Self {
            addresses: Each(addresses, Shown::of),
            conditions: EndpointConditions::of(*conditions),
            hostname: text(hostname.as_ref()),
            target_ref: target.as_ref().map(Target::of),
            node_name: text(node.as_ref()),
            zone: text(zone.as_ref()),
            hints: hints.as_deref().map(EndpointHints::of),
        }
    }
}

#[derive(serde::Serialize)]
struct EndpointConditions {
    #[serde(skip_serializing_if = "Option::is_none")]
    ready: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serving: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    terminating: Option<bool>,
}

impl EndpointConditions {
    fn of(conditions: Conditions) -> Self {
        let Conditions {
            ready,
            serving,
            terminating,
        } = conditions;
        Self {
            ready,
            serving,
            terminating,
        }
    }
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Target<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<Shown<'a, Uid>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field_path: Option<&'a str>,
}

impl<'a> Target<'a> {
    fn of(target: &'a TargetRef) -> Self {
        let TargetRef {
            kind,
            namespace,
            name,
            uid: id,
            api_version,
            field_path,
        } = target;
        Self {
            kind,
            namespace,
            name,
            uid: uid(id),
            api_version: text(api_version.as_ref()),
            field_path: text(field_path.as_ref()),
        }
    }
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct EndpointHints<'a> {
    #[serde(skip_serializing_if = "none")]
    for_zones: Each<'a, Text, Hint<'a>>,
    #[serde(skip_serializing_if = "none")]
    for_nodes: Each<'a, Text, Hint<'a>>,
}

#[derive(serde::Serialize)]
struct Hint<'a> {
    name: &'a str,
}

impl<'a> EndpointHints<'a> {
    fn of(hints: &'a Hints) -> Self {
        let Hints { zones, nodes } = hints;
        let hint: fn(&'a Text) -> Hint<'a> = |name| Hint { name };
        Self {
            for_zones: Each(zones, hint),
            for_nodes: Each(nodes, hint),
        }
    }
}

fn none<T, V>(list: &Each<'_, T, V>) -> bool {
    list.0.is_empty()
}
