//! Endpoints, ServiceCIDRs and IPAddresses.

use k8s_openapi::api::core::v1::{EndpointAddress, EndpointPort, EndpointSubset, Endpoints};
use k8s_openapi::api::networking::v1::{
    IPAddress, IPAddressSpec, ParentReference, ServiceCIDR, ServiceCIDRSpec, ServiceCIDRStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use proptest::prelude::*;
use quaymaster_model::names::{
    ANNOTATION_RELEASED_AT, LABEL_ENDPOINTS_MANAGED_BY, LABEL_IP_FAMILY, LABEL_IPADDRESS_MANAGED_BY,
    MANAGER_ENDPOINTS, MANAGER_IP_ALLOCATOR,
};

use super::slice::reference;
use super::{address, list, maybe, metadata, one_of, strings, text, time};

fn addresses() -> impl Strategy<Value = Option<Vec<EndpointAddress>>> {
    let address = (address(), maybe(text()), maybe(text()), maybe(reference())).prop_map(
        |(ip, hostname, node_name, target_ref)| EndpointAddress {
            ip,
            hostname,
            node_name,
            target_ref,
        },
    );
    list(address)
}

fn ports() -> impl Strategy<Value = Option<Vec<EndpointPort>>> {
    let port = (
        maybe(text()),
        any::<i32>(),
        maybe(one_of(&["TCP", "UDP", "SCTP", ""])),
        maybe(text()),
    )
        .prop_map(|(name, port, protocol, app_protocol)| EndpointPort {
            name,
            port,
            protocol,
            app_protocol,
        });
    list(port)
}

pub(crate) fn endpoints() -> impl Strategy<Value = Endpoints> {
    let subset = (addresses(), addresses(), ports()).prop_map(|(addresses, not_ready_addresses, ports)| {
        EndpointSubset {
            addresses,
            not_ready_addresses,
            ports,
        }
    });
    let labels = (strings(), maybe(one_of(&[MANAGER_ENDPOINTS, "me"]))).prop_map(|(labels, by)| {
        let mut labels = labels.unwrap_or_default();
        labels.extend(by.map(|by| (LABEL_ENDPOINTS_MANAGED_BY.to_owned(), by)));
        Some(labels)
    });
    (metadata(labels, strings()), list(subset))
        .prop_map(|(metadata, subsets)| Endpoints { metadata, subsets })
}

/// Ranges as the API has them, and texts that are none.
pub(crate) const RANGES: &[&str] = &[
    "10.96.0.0/16",
    "fd00:96::/108",
    "10.0.0.1/32",
    "10.0.0.0",
    "",
    "x/8",
];

pub(crate) fn service_cidr() -> impl Strategy<Value = ServiceCIDR> {
    let condition = (one_of(&["Ready", "Other"]), text(), text(), text(), time()).prop_map(
        |(type_, status, reason, message, last_transition_time)| Condition {
            type_,
            status,
            reason,
            message,
            last_transition_time,
            observed_generation: None,
        },
    );
    let ranges = prop::collection::vec(one_of(RANGES), 0..3);
    (
        metadata(strings(), strings()),
        maybe(ranges),
        maybe(list(condition)),
    )
        .prop_map(|(metadata, cidrs, conditions)| ServiceCIDR {
            metadata,
            spec: Some(ServiceCIDRSpec { cidrs }),
            status: conditions.map(|conditions| ServiceCIDRStatus { conditions }),
        })
}

pub(crate) fn ip_address() -> impl Strategy<Value = IPAddress> {
    let labels = (
        maybe(one_of(&[MANAGER_IP_ALLOCATOR, "me"])),
        maybe(one_of(&["IPv4", "IPv6", "IPv8"])),
    )
        .prop_map(|(by, family)| {
            let by = by.map(|by| (LABEL_IPADDRESS_MANAGED_BY.to_owned(), by));
            let family = family.map(|family| (LABEL_IP_FAMILY.to_owned(), family));
            Some(by.into_iter().chain(family).collect())
        });
    let annotations =
        (strings(), maybe(one_of(&["2026-01-01T00:00:00Z", "soon", ""]))).prop_map(|(others, released)| {
            let mut all = others.unwrap_or_default();
            all.extend(released.map(|time| (ANNOTATION_RELEASED_AT.to_owned(), time)));
            Some(all)
        });
    let parent = (
        maybe(one_of(&["", "quaymaster.io"])),
        one_of(&["services", "serviceippools"]),
        maybe(text()),
        text(),
    )
        .prop_map(|(group, resource, namespace, name)| ParentReference {
            group,
            resource,
            namespace,
            name,
        });
    (metadata(labels, annotations), address(), parent).prop_map(|(mut metadata, name, parent_ref)| {
        metadata.name = Some(name);
        IPAddress {
            metadata,
            spec: IPAddressSpec { parent_ref },
        }
    })
}
