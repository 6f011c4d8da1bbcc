//! EndpointSlices as they are written.

use quaymaster_model::slice::UnknownFields;
use quaymaster_model::{
    AddressType, Conditions, EndpointAddress, EndpointPort, EndpointRecord, Hints, SliceRecord, Text,
};
use serde::ser::SerializeMap;

use super::{Content, Each, ObjectMeta, Shown, Target, encode, none, text};
use crate::EncodeError;

/// A slice to be written.
#[derive(Debug, Clone, Copy)]
pub struct SliceBody<'a> {
    /// `metadata`
    pub meta: ObjectMeta<'a>,
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
            meta: ObjectMeta {
                name: &key.name,
                namespace: &key.namespace,
                uid: Some(uid),
                resource_version: Some(resource_version),
                labels,
                annotations,
                owners,
                finalizers,
            },
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
    encode(body.meta, body, body.unknown)
}

impl Content for SliceBody<'_> {
    const API_VERSION: &'static str = "discovery.k8s.io/v1";
    const KIND: &'static str = "EndpointSlice";

    fn fields<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("addressType", self.address_type.as_str())?;
        map.serialize_entry("endpoints", &Each(self.endpoints, Endpoint::of))?;
        map.serialize_entry("ports", &Each(self.ports, Port::of))
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
