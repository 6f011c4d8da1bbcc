//! EndpointSlices.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::discovery::v1::{
    Endpoint, EndpointConditions, EndpointHints, EndpointPort, EndpointSlice, ForNode, ForZone,
};
use proptest::prelude::*;

use super::{address, list, maybe, metadata, one_of, strings, text, uid};

fn port() -> impl Strategy<Value = EndpointPort> {
    (
        maybe(text()),
        maybe(one_of(&["TCP", "UDP", "SCTP", "QUIC"])),
        maybe(any::<i32>()),
        maybe(text()),
    )
        .prop_map(|(name, protocol, port, app_protocol)| EndpointPort {
            name,
            protocol,
            port,
            app_protocol,
        })
}

fn conditions() -> impl Strategy<Value = EndpointConditions> {
    (maybe(any::<bool>()), maybe(any::<bool>()), maybe(any::<bool>())).prop_map(
        |(ready, serving, terminating)| EndpointConditions {
            ready,
            serving,
            terminating,
        },
    )
}

pub(super) fn reference() -> impl Strategy<Value = ObjectReference> {
    (
        maybe(one_of(&["Pod", "Node"])),
        maybe(text()),
        maybe(text()),
        maybe(uid()),
        maybe(text()),
        maybe(text()),
        maybe(text()),
    )
        .prop_map(
            |(kind, namespace, name, uid, api_version, field_path, resource_version)| ObjectReference {
                kind,
                namespace,
                name,
                uid,
                api_version,
                field_path,
                resource_version,
            },
        )
}

fn hints() -> impl Strategy<Value = EndpointHints> {
    (
        list(text().prop_map(|name| ForZone { name })),
        list(text().prop_map(|name| ForNode { name })),
    )
        .prop_map(|(for_zones, for_nodes)| EndpointHints { for_nodes, for_zones })
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    (
        prop::collection::vec(prop_oneof![address(), text()], 0..3),
        maybe(conditions()),
        maybe(text()),
        maybe(text()),
        maybe(text()),
        maybe(reference()),
        maybe(hints()),
        strings(),
    )
        .prop_map(
            |(addresses, conditions, hostname, node_name, zone, target_ref, hints, deprecated_topology)| {
                Endpoint {
                    addresses,
                    conditions,
                    deprecated_topology,
                    hints,
                    hostname,
                    node_name,
                    target_ref,
                    zone,
                }
            },
        )
}

pub(crate) fn slice() -> impl Strategy<Value = EndpointSlice> {
    (
        metadata(strings(), strings()),
        one_of(&["IPv4", "IPv6", "FQDN", ""]),
        list(port()),
        list(endpoint()),
    )
        .prop_map(|(metadata, address_type, ports, endpoints)| EndpointSlice {
            address_type,
            endpoints,
            metadata,
            ports,
        })
}
