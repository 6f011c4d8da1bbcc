//! Endpoints as they are written.

use quaymaster_model::slice::UnknownFields;
use quaymaster_model::{EndpointAddress, Subset, SubsetAddress, SubsetPort};
use serde::ser::SerializeMap;

use super::{Content, Each, ObjectMeta, Shown, Target, encode, none, text};
use crate::EncodeError;

/// An Endpoints object to be written.
#[derive(Debug, Clone, Copy)]
pub struct EndpointsBody<'a> {
    /// `metadata`
    pub meta: ObjectMeta<'a>,
    /// `subsets`, written in this order.
    pub subsets: &'a [Subset],
    /// Fields to give back as they came.
    pub unknown: Option<&'a UnknownFields>,
}

/// Renders the whole object, for a create or an update.
///
/// # Errors
/// The unknown fields are not a JSON object each; those of a decoded record always are.
pub fn encode_endpoints(body: &EndpointsBody<'_>) -> Result<Vec<u8>, EncodeError> {
    encode(body.meta, body, body.unknown)
}

impl Content for EndpointsBody<'_> {
    const API_VERSION: &'static str = "v1";
    const KIND: &'static str = "Endpoints";

    fn fields<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        if self.subsets.is_empty() {
            return Ok(());
        }
        map.serialize_entry("subsets", &Each(self.subsets, Group::of))
    }
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Group<'a> {
    #[serde(skip_serializing_if = "none")]
    addresses: Each<'a, SubsetAddress, Address<'a>>,
    #[serde(skip_serializing_if = "none")]
    not_ready_addresses: Each<'a, SubsetAddress, Address<'a>>,
    #[serde(skip_serializing_if = "none")]
    ports: Each<'a, SubsetPort, Port<'a>>,
}

impl<'a> Group<'a> {
    fn of(subset: &'a Subset) -> Self {
        let Subset {
            ready,
            not_ready,
            ports,
        } = subset;
        Self {
            addresses: Each(ready, Address::of),
            not_ready_addresses: Each(not_ready, Address::of),
            ports: Each(ports, Port::of),
        }
    }
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Address<'a> {
    ip: Shown<'a, EndpointAddress>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_ref: Option<Target<'a>>,
}

impl<'a> Address<'a> {
    fn of(address: &'a SubsetAddress) -> Self {
        let SubsetAddress {
            ip,
            hostname,
            node,
            target,
        } = address;
        Self {
            ip: Shown::of(ip),
            hostname: text(hostname.as_ref()),
            node_name: text(node.as_ref()),
            target_ref: target.as_deref().map(Target::of),
        }
    }
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Port<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(rename = "port")]
    number: i32,
    protocol: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_protocol: Option<&'a str>,
}

impl<'a> Port<'a> {
    fn of(port: &'a SubsetPort) -> Self {
        let SubsetPort {
            name,
            port,
            protocol,
            app_protocol,
        } = port;
        Self {
            name,
            number: *port,
            protocol: protocol.as_str(),
            app_protocol: text(app_protocol.as_ref()),
        }
    }
}
