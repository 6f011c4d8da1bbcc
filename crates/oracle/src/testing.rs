//! Objects for the tests of this crate.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    Container, ContainerPort, Node, NodeCondition, NodeStatus, Pod, PodCondition, PodIP, PodSpec, PodStatus,
    Service, ServicePort, ServiceSpec,
};
use k8s_openapi::api::discovery::v1::{EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::names;
use crate::rules::address::AddressType;
use crate::rules::reconcile::Config;
use crate::rules::slices::new_slice;

pub(crate) const CONFIG: Config = Config {
    max_endpoints_per_slice: 100,
    minor: 37,
};

pub(crate) fn time(second: i64) -> Time {
    Time(Timestamp::from_second(second).unwrap())
}

fn metadata(name: &str) -> ObjectMeta {
    ObjectMeta {
        namespace: Some("ns".to_owned()),
        name: Some(name.to_owned()),
        uid: Some(format!("{name}-uid")),
        ..ObjectMeta::default()
    }
}

/// A ClusterIP Service with one port, for Pods labelled `app: web`.
pub(crate) fn service(name: &str) -> Service {
    Service {
        metadata: ObjectMeta {
            creation_timestamp: Some(time(1_767_225_600)),
            ..metadata(name)
        },
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            cluster_ip: Some("10.96.0.7".to_owned()),
            ip_families: Some(vec!["IPv4".to_owned()]),
            selector: Some(BTreeMap::from([("app".to_owned(), "web".to_owned())])),
            ports: Some(vec![ServicePort {
                name: Some("http".to_owned()),
                port: 80,
                protocol: Some("TCP".to_owned()),
                target_port: Some(IntOrString::Int(8080)),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// A ready Pod on `node-1` with address 10.0.0.1, labelled `app: web`.
pub(crate) fn pod(name: &str) -> Pod {
    Pod {
        metadata: ObjectMeta {
            labels: Some(BTreeMap::from([("app".to_owned(), "web".to_owned())])),
            ..metadata(name)
        },
        spec: Some(PodSpec {
            node_name: Some("node-1".to_owned()),
            containers: vec![Container {
                name: "main".to_owned(),
                ..Container::default()
            }],
            ..PodSpec::default()
        }),
        status: Some(PodStatus {
            phase: Some("Running".to_owned()),
            pod_ip: Some("10.0.0.1".to_owned()),
            pod_ips: Some(vec![PodIP {
                ip: "10.0.0.1".to_owned(),
            }]),
            conditions: Some(vec![PodCondition {
                type_: "Ready".to_owned(),
                status: "True".to_owned(),
                ..PodCondition::default()
            }]),
            ..PodStatus::default()
        }),
    }
}

/// Ready Pods with addresses of their own, named so that they sort by number.
pub(crate) fn pods(count: usize) -> Vec<Pod> {
    (0..count)
        .map(|number| {
            let mut pod = pod(&format!("pod-{number:04}"));
            set_addresses(
                &mut pod,
                &[&format!("10.1.{}.{}", number / 250, number % 250 + 1)],
            );
            pod
        })
        .collect()
}

pub(crate) fn set_addresses(pod: &mut Pod, addresses: &[&str]) {
    let status = pod.status.as_mut().unwrap();
    status.pod_ip = addresses.first().map(|address| (*address).to_owned());
    status.pod_ips = Some(
        addresses
            .iter()
            .map(|ip| PodIP { ip: (*ip).to_owned() })
            .collect(),
    );
}

pub(crate) fn set_ready(pod: &mut Pod, ready: bool) {
    let conditions = pod.status.as_mut().unwrap().conditions.as_mut().unwrap();
    conditions[0].status = if ready { "True" } else { "False" }.to_owned();
}

pub(crate) fn named_port(name: &str, number: i32, protocol: &str) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: number,
        protocol: Some(protocol.to_owned()),
        ..ContainerPort::default()
    }
}

/// A ready node of 4 CPUs.
pub(crate) fn node(name: &str, zone: Option<&str>) -> Node {
    let labels = zone.map(|zone| BTreeMap::from([(names::ZONE.to_owned(), zone.to_owned())]));
    Node {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels,
            ..ObjectMeta::default()
        },
        spec: None,
        status: Some(NodeStatus {
            allocatable: Some(BTreeMap::from([("cpu".to_owned(), Quantity("4".to_owned()))])),
            conditions: Some(vec![NodeCondition {
                type_: "Ready".to_owned(),
                status: "True".to_owned(),
                ..NodeCondition::default()
            }]),
            ..NodeStatus::default()
        }),
    }
}

/// The one node that [`pod`] and [`pods`] run on.
pub(crate) fn nodes() -> Vec<Node> {
    vec![node("node-1", None)]
}

/// A stored slice of a Service with the endpoints of these Pods, as the controller would have written it.
pub(crate) fn slice(name: &str, service: &Service, pods: &[Pod], node: Option<&Node>) -> EndpointSlice {
    let ports = vec![EndpointPort {
        name: Some("http".to_owned()),
        protocol: Some("TCP".to_owned()),
        port: Some(8080),
        app_protocol: None,
    }];
    let mut slice = new_slice(service, AddressType::IPv4, &ports);
    slice.metadata.name = Some(name.to_owned());
    slice.metadata.resource_version = Some("7".to_owned());
    slice.endpoints = Some(
        pods.iter()
            .map(|pod| crate::rules::pods::endpoint(pod, node, service, AddressType::IPv4))
            .collect(),
    );
    slice
}
