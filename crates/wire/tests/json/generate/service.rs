//! Services.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    LoadBalancerIngress, LoadBalancerStatus, Service, ServicePort, ServiceSpec, ServiceStatus,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use proptest::prelude::*;
use quaymaster_model::names::{ANNOTATION_TOPOLOGY_AWARE_HINTS, ANNOTATION_TOPOLOGY_MODE};

use super::{address, list, maybe, metadata, one_of, strings, text};

fn annotations() -> impl Strategy<Value = Option<BTreeMap<String, String>>> {
    let mode = || maybe(one_of(&["Auto", "auto", "AUTO", "Disabled", ""]));
    (strings(), mode(), mode()).prop_map(|(others, hints, mode)| {
        let mut all = others.unwrap_or_default();
        all.extend(hints.map(|value| (ANNOTATION_TOPOLOGY_AWARE_HINTS.to_owned(), value)));
        all.extend(mode.map(|value| (ANNOTATION_TOPOLOGY_MODE.to_owned(), value)));
        (!all.is_empty()).then_some(all)
    })
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
        maybe(any::<i32>()),
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
    )
        .prop_map(
            |(type_, selector, ports, cluster_ip, ip_families, publish, traffic_distribution, ips, name)| {
                ServiceSpec {
                    type_,
                    selector,
                    external_name: name,
                    ports,
                    cluster_ip,
                    ip_families,
                    publish_not_ready_addresses: publish,
                    traffic_distribution,
                    cluster_ips: ips.clone(),
                    external_ips: ips,
                    session_affinity: Some("None".into()),
                    internal_traffic_policy: Some("Cluster".into()),
                    ..ServiceSpec::default()
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
