//! Endpoints as they are written.

use quaymaster_model::slice::UnknownFields;
use quaymaster_model::{
    EndpointAddress, LabelSet, OwnerRef, ResourceVersion, Subset, SubsetAddress, SubsetPort, Text, Uid,
};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

use super::{Each, Fields, Metadata, Shown, Target, fields, none, text};
use crate::EncodeError;

/// An Endpoints object to be written. What is empty or none is left out, as Go's clients leave it out.
#[derive(Debug, Clone, Copy)]
pub struct EndpointsBody<'a> {
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
    /// `metadata.resourceVersion`: with it an update is refused where the object has changed meanwhile. None for a create.
    pub resource_version: Option<&'a ResourceVersion>,
    /// `metadata.uid`: with it an update is refused where the object was replaced by another of its name, and cannot create
    /// one that has gone, which a PUT of Endpoints does without. None for a create.
    pub uid: Option<&'a Uid>,
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
    let object = Object {
        metadata: Metadata {
            name: body.name,
            namespace: body.namespace,
            uid: body.uid,
            resource_version: body.resource_version,
            labels: body.labels,
            annotations: body.annotations,
            owners: body.owners,
            finalizers: body.finalizers,
            unknown: fields(body.unknown.and_then(|unknown| unknown.metadata.as_deref()))?,
        },
        subsets: body.subsets,
        unknown: fields(body.unknown.and_then(|unknown| unknown.object.as_deref()))?,
    };
    Ok(serde_json::to_vec(&object)?)
}

struct Object<'a> {
    metadata: Metadata<'a>,
    subsets: &'a [Subset],
    unknown: Fields<'a>,
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("apiVersion", "v1")?;
        map.serialize_entry("kind", "Endpoints")?;
        map.serialize_entry("metadata", &self.metadata)?;
        if !self.subsets.is_empty() {
            map.serialize_entry("subsets", &Each(self.subsets, Group::of))?;
        }
        for (key, value) in self.unknown.pairs() {
            map.serialize_entry(&**key, value)?;
        }
        map.end()
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
