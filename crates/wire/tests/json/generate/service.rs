//! Services.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    LoadBalancerIngress, LoadBalancerStatus, Service, ServicePort, ServiceSpec, ServiceStatus,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use proptest::prelude::*;
use quaymaster_model::names::{
    ANNOTATION_NODE_PORT_POOL, ANNOTATION_POOL, ANNOTATION_TOPOLOGY_AWARE_HINTS, ANNOTATION_TOPOLOGY_MODE,
};

use super::{address, list, maybe, metadata, one_of, strings, text};

fn annotations() -> impl Strategy<Value = Option<BTreeMap<String, String>>> {
    let mode = || maybe(one_of(&["Auto", "auto", "AUTO", "Disabled", ""]));
    let pool = || maybe(one_of(&["blue", "green", ""]));
    (strings(), mode(), mode(), pool(), pool()).prop_map(|(others, hints, mode, pool, node_port_pool)| {
        let mut all = others.unwrap_or_default();
        all.extend(hints.map(|value| (ANNOTATION_TOPOLOGY_AWARE_HINTS.to_owned(), value)));
        all.extend(mode.map(|value| (ANNOTATION_TOPOLOGY_MODE.to_owned(), value)));
        all.extend(pool.map(|value| (ANNOTATION_POOL.to_owned(), value)));
        all.extend(node_port_pool.map(|value| (ANNOTATION_NODE_PORT_POOL.to_owned(), value)));
        (!all.is_empty()).then_some(all)
    })
}

/// Ports of the usual range, and numbers that are no ports.
fn node_port() -> impl Strategy<Value = i32> {
    prop_oneof![4 => 30_000..32_768_i32, 1 => Just(0), 1 => any::<i32>()]
}

fn port() -> impl Strategy<Value = ServicePort> {
    let target = prop_oneof![
        any::<i32>().prop_map(IntOrString::Int),
        text().prop_map(IntOrString::String)
    ];
    (
        maybe(text()),
        maybe(one_of(&["TCP", "UDP", "SCTP", "QUIC", ""])),
        any::<i32>(),
        maybe(target),
        maybe(text()),
        maybe(node_port()),
    )
        .prop_map(
            |(name, protocol, port, target_port, app_protocol, node_port)| ServicePort {
                name,
                protocol,
                port,
                target_port,
                app_protocol,
                node_port,
            },
        )
}

/// What matters to the allocation of addresses and node ports alone.
fn allocation() -> impl Strategy<Value = ServiceSpec> {
    (
        list(prop_oneof![4 => address(), 1 => one_of(&["None", "pending"])]),
        maybe(node_port()),
        maybe(any::<bool>()),
        maybe(one_of(&["Local", "Cluster", ""])),
        maybe(one_of(&[
            "SingleStack",
            "PreferDualStack",
            "RequireDualStack",
            "TripleStack",
        ])),
    )
        .prop_map(
            |(cluster_ips, health_check, allocate, external_traffic_policy, ip_family_policy)| ServiceSpec {
                cluster_ips,
                health_check_node_port: health_check,
                allocate_load_balancer_node_ports: allocate,
                external_traffic_policy,
                ip_family_policy,
                ..ServiceSpec::default()
            },
        )
}

fn spec() -> impl Strategy<Value = ServiceSpec> {
    (
        maybe(one_of(&[
            "ClusterIP",
            "NodePort",
            "LoadBalancer",
            "ExternalName",
            "Mesh",
            "",
        ])),
        strings(),
        list(port()),
        maybe(prop_oneof![address(), one_of(&["None", "", "pending"])]),
        list(one_of(&["IPv4", "IPv6", "IPv8"])),
        maybe(any::<bool>()),
        maybe(one_of(&["PreferClose", "PreferSameNode", ""])),
        list(text()),
        maybe(one_of(&["db.example.com", ""])),
        allocation(),
    )
        .prop_map(
            |(
                type_,
                selector,
                ports,
                cluster_ip,
                ip_families,
                publish,
                traffic_distribution,
                ips,
                name,
                allocation,
            )| {
                ServiceSpec {
                    type_,
                    selector,
                    external_name: name,
                    ports,
                    cluster_ip,
                    ip_families,
                    publish_not_ready_addresses: publish,
                    traffic_distribution,
                    external_ips: ips,
                    session_affinity: Some("None".into()),
                    internal_traffic_policy: Some("Cluster".into()),
                    ..allocation
                }
            },
        )
}

pub(crate) fn service() -> impl Strategy<Value = Service> {
    (metadata(strings(), annotations()), maybe(spec()), any::<bool>()).prop_map(
        |(metadata, spec, balanced)| Service {
            metadata,
            spec,
            status: balanced.then(|| ServiceStatus {
                load_balancer: Some(LoadBalancerStatus {
                    ingress: Some(vec![LoadBalancerIngress::default()]),
                }),
                ..ServiceStatus::default()
            }),
        },
    )
}
