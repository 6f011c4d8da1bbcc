//! What is kept of a random object is what the full API types say.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Container, Namespace, Node, Pod, Service};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use proptest::prelude::*;
use quaymaster_model::{
    AddressType, ClusterAddress, ClusterIp, Conditions, ContainerPort, EndpointAddress, EndpointPort,
    EndpointRecord, Hints, Interned, Interner, IpFamily, IpFamilyPolicy, LabelSet, NamespaceRecord,
    NodeRecord, ObjectKey, OwnerRef, PodFlags, PodHostname, PodRecord, PoolNames, PortSet, Protocol,
    ResourceVersion, Selector, ServicePort, ServiceRecord, ServiceType, SliceRecord, TargetDetails,
    TargetPort, TargetRef, Text, Timestamp, Uid, names,
};
use quaymaster_wire::json::{Json, Record};

use crate::generate::node::QUANTITIES;
use crate::generate::{self, ADDRESSES};

fn decode<R: Record>(object: &impl serde::Serialize) -> R {
    let bytes = serde_json::to_vec(object).unwrap();
    let decoder = Json::<R>::new(Arc::new(Interner::new()));
    decoder.object(&bytes).expect("a valid object is readable")
}

fn filled(value: Option<&String>) -> Option<Text> {
    value.filter(|text| !text.is_empty()).map(|text| Text::new(text))
}

fn kept(value: Option<&String>) -> Option<Text> {
    value.map(|text| Text::new(text))
}

fn plain(value: Option<&String>) -> Text {
    Text::new(value.map_or("", |text| text))
}

fn key(meta: &ObjectMeta) -> ObjectKey {
    ObjectKey::new(plain(meta.namespace.as_ref()), plain(meta.name.as_ref()))
}

fn uid(value: Option<&String>) -> Uid {
    Uid::new(value.map_or("", |text| text))
}

fn version(meta: &ObjectMeta) -> ResourceVersion {
    ResourceVersion::new(meta.resource_version.as_deref().unwrap_or(""))
}

fn labels(map: Option<&BTreeMap<String, String>>) -> Interned<LabelSet> {
    let pairs = map.into_iter().flatten();
    Interned::from_value(LabelSet::new(pairs.map(|(k, v)| (Text::new(k), Text::new(v)))))
}

fn seconds(time: Option<&Time>) -> Option<Timestamp> {
    let seconds = time?.0.as_second();
    // The zero time of Go is year 1; the generator has no other time that early.
    (seconds > -62_000_000_000).then_some(Timestamp(seconds))
}

fn address(text: &str) -> Option<IpAddr> {
    let (_, canonical) = ADDRESSES.iter().find(|(spelling, _)| *spelling == text)?;
    canonical.map(|canonical| canonical.parse().unwrap())
}

fn protocol(value: Option<&String>) -> Protocol {
    match value.map(String::as_str) {
        None | Some("" | "TCP") => Protocol::Tcp,
        Some("UDP") => Protocol::Udp,
        Some("SCTP") => Protocol::Sctp,
        Some(other) => Protocol::Other(Text::new(other)),
    }
}

fn container_ports(container: &Container) -> Vec<ContainerPort> {
    let mut out = Vec::new();
    for port in container.ports.iter().flatten() {
        if let Some(name) = filled(port.name.as_ref()) {
            out.push(ContainerPort {
                name,
                protocol: protocol(port.protocol.as_ref()),
                number: port.container_port,
            });
        }
    }
    out
}

fn expected_pod(pod: &Pod) -> PodRecord {
    let spec = pod.spec.clone().unwrap_or_default();
    let status = pod.status.clone().unwrap_or_default();
    let mut ports = Vec::new();
    for container in &spec.containers {
        ports.extend(container_ports(container));
    }
    for container in spec.init_containers.iter().flatten() {
        if container.restart_policy.as_deref() == Some("Always") {
            ports.extend(container_ports(container));
        }
    }
    let conditions = status.conditions.unwrap_or_default();
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready");
    let ips = status.pod_ips.unwrap_or_default();
    let hostname = match (filled(spec.hostname.as_ref()), filled(spec.subdomain.as_ref())) {
        (Some(hostname), Some(subdomain)) => Some(Box::new(PodHostname { hostname, subdomain })),
        _ => None,
    };
    PodRecord {
        key: key(&pod.metadata),
        uid: uid(pod.metadata.uid.as_ref()),
        node: filled(spec.node_name.as_ref()),
        labels: labels(pod.metadata.labels.as_ref()),
        ports: Interned::from_list(ports),
        addresses: ips.iter().filter_map(|entry| address(&entry.ip)).collect(),
        hostname,
        ready_since: ready.and_then(|condition| seconds(condition.last_transition_time.as_ref())),
        flags: PodFlags {
            ready: ready.is_some_and(|condition| condition.status == "True"),
            terminating: pod.metadata.deletion_timestamp.is_some(),
            finished: ["Succeeded", "Failed"].contains(&status.phase.as_deref().unwrap_or("")),
            has_address: !ips.is_empty() || status.pod_ip.is_some_and(|ip| !ip.is_empty()),
        },
    }
}

fn node_port(value: Option<i32>) -> u16 {
    match value {
        Some(number @ 1..=65535) => number.try_into().unwrap(),
        _ => 0,
    }
}

fn cluster_ip(text: &str) -> Option<ClusterIp> {
    let address = address(text)?;
    // Of those that are generated these two are spelled as Go spells them.
    let canonical = ["10.1.2.3", "fd00::1"].contains(&text);
    Some(ClusterIp { address, canonical })
}

fn expected_service(service: &Service) -> ServiceRecord {
    let meta = &service.metadata;
    let spec = service.spec.clone().unwrap_or_default();
    let annotation = |key: &str| meta.annotations.as_ref().and_then(|all| all.get(key));
    let topology = match annotation(names::ANNOTATION_TOPOLOGY_AWARE_HINTS) {
        Some(value) => Some(value),
        None => annotation(names::ANNOTATION_TOPOLOGY_MODE),
    };
    let mut ports = Vec::new();
    for port in spec.ports.iter().flatten() {
        ports.push(ServicePort {
            name: plain(port.name.as_ref()),
            protocol: protocol(port.protocol.as_ref()),
            port: port.port,
            target: match &port.target_port {
                None => TargetPort::Number(0),
                Some(IntOrString::Int(number)) => TargetPort::Number(*number),
                Some(IntOrString::String(name)) => TargetPort::Name(Text::new(name)),
            },
            app_protocol: kept(port.app_protocol.as_ref()),
            node_port: node_port(port.node_port),
        });
    }
    let mut ip_families = Vec::new();
    for family in spec.ip_families.iter().flatten() {
        match family.as_str() {
            "IPv4" => ip_families.push(IpFamily::V4),
            "IPv6" => ip_families.push(IpFamily::V6),
            _ => {}
        }
    }
    ServiceRecord {
        key: key(meta),
        uid: uid(meta.uid.as_ref()),
        resource_version: version(meta),
        labels: labels(meta.labels.as_ref()),
        created: seconds(meta.creation_timestamp.as_ref()),
        terminating: meta.deletion_timestamp.is_some(),
        kind: match spec.type_.as_deref() {
            None | Some("" | "ClusterIP") => ServiceType::ClusterIp,
            Some("NodePort") => ServiceType::NodePort,
            Some("LoadBalancer") => ServiceType::LoadBalancer,
            Some("ExternalName") => ServiceType::ExternalName,
            Some(other) => ServiceType::Other(Text::new(other)),
        },
        selector: match spec.selector {
            Some(map) if !map.is_empty() => Selector::new(labels(Some(&map))),
            _ => None,
        },
        external_name: kept(spec.external_name.filter(|name| !name.is_empty()).as_ref()),
        ports,
        cluster_ip: match spec.cluster_ip.as_deref() {
            None | Some("") => ClusterAddress::Unset,
            Some("None") => ClusterAddress::None,
            Some(text) => {
                address(text).map_or_else(|| ClusterAddress::Other(Text::new(text)), ClusterAddress::Ip)
            }
        },
        ip_families,
        publish_not_ready: spec.publish_not_ready_addresses == Some(true),
        traffic_distribution: kept(spec.traffic_distribution.as_ref()),
        topology_auto: topology.is_some_and(|value| value == "Auto" || value == "auto"),
        cluster_ips: match spec.cluster_ips {
            Some(all) if !all.is_empty() => all.iter().filter_map(|text| cluster_ip(text)).collect(),
            _ => spec
                .cluster_ip
                .as_deref()
                .and_then(cluster_ip)
                .into_iter()
                .collect(),
        },
        health_check_node_port: node_port(spec.health_check_node_port),
        allocate_node_ports: spec.allocate_load_balancer_node_ports,
        external_traffic_policy_local: spec.external_traffic_policy.as_deref() == Some("Local"),
        ip_family_policy: match spec.ip_family_policy.as_deref() {
            Some("SingleStack") => Some(IpFamilyPolicy::SingleStack),
            Some("PreferDualStack") => Some(IpFamilyPolicy::PreferDualStack),
            Some("RequireDualStack") => Some(IpFamilyPolicy::RequireDualStack),
            _ => None,
        },
        pools: PoolNames {
            pool: filled(annotation("quaymaster.io/pool")),
            node_port_pool: filled(annotation("quaymaster.io/nodeport-pool")),
        }
        .boxed(),
    }
}

fn expected_node(node: &Node) -> NodeRecord {
    let labels = node.metadata.labels.clone().unwrap_or_default();
    let status = node.status.clone().unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready");
    let allocatable = status.allocatable.unwrap_or_default();
    let cpu = allocatable.get("cpu").map(|quantity| quantity.0.as_str());
    NodeRecord {
        name: plain(node.metadata.name.as_ref()),
        zone: filled(labels.get("topology.kubernetes.io/zone")),
        ready: ready.is_some_and(|condition| condition.status == "True"),
        control_plane: labels.contains_key("node-role.kubernetes.io/control-plane")
            || labels.contains_key("node-role.kubernetes.io/master"),
        allocatable_cpu_millis: QUANTITIES
            .iter()
            .find(|(text, _)| Some(*text) == cpu)
            .map_or(0, |(_, millis)| *millis),
    }
}

fn expected_namespace(namespace: &Namespace) -> NamespaceRecord {
    let metadata = &namespace.metadata;
    NamespaceRecord {
        name: plain(metadata.name.as_ref()),
        labels: labels(metadata.labels.as_ref()),
        terminating: metadata.deletion_timestamp.is_some(),
    }
}

fn expected_endpoint(endpoint: &Endpoint) -> EndpointRecord {
    let mut addresses = endpoint.addresses.clone();
    addresses.sort();
    let conditions = endpoint.conditions.clone().unwrap_or_default();
    let hints = endpoint.hints.clone().unwrap_or_default();
    let hints = Hints {
        zones: hints
            .for_zones
            .into_iter()
            .flatten()
            .map(|zone| Text::new(&zone.name))
            .collect(),
        nodes: hints
            .for_nodes
            .into_iter()
            .flatten()
            .map(|node| Text::new(&node.name))
            .collect(),
    };
    EndpointRecord {
        addresses: addresses
            .iter()
            .map(|address| EndpointAddress::new(address))
            .collect(),
        conditions: Conditions {
            ready: conditions.ready,
            serving: conditions.serving,
            terminating: conditions.terminating,
        },
        hostname: kept(endpoint.hostname.as_ref()),
        node: kept(endpoint.node_name.as_ref()),
        zone: kept(endpoint.zone.as_ref()),
        target: endpoint.target_ref.as_ref().map(|target| TargetRef {
            kind: plain(target.kind.as_ref()),
            namespace: plain(target.namespace.as_ref()),
            name: plain(target.name.as_ref()),
            uid: uid(target.uid.as_ref()),
            details: TargetDetails {
                api_version: filled(target.api_version.as_ref()),
                resource_version: filled(target.resource_version.as_ref()),
                field_path: filled(target.field_path.as_ref()),
            }
            .boxed(),
        }),
        hints: (hints != Hints::default()).then(|| Box::new(hints)),
    }
}

/// All but the unknown fields, which the full type does not have either (see [`unknown_metadata`]).
fn expected_slice(slice: &EndpointSlice) -> SliceRecord {
    let meta = &slice.metadata;
    let ports = slice.ports.iter().flatten().map(|port| EndpointPort {
        name: kept(port.name.as_ref()),
        protocol: port.protocol.as_ref().map(|value| protocol(Some(value))),
        port: port.port,
        app_protocol: kept(port.app_protocol.as_ref()),
    });
    let owners = meta.owner_references.iter().flatten().map(|owner| OwnerRef {
        api_version: Text::new(&owner.api_version),
        kind: Text::new(&owner.kind),
        name: Text::new(&owner.name),
        uid: Uid::new(&owner.uid),
        controller: owner.controller,
        block_owner_deletion: owner.block_owner_deletion,
    });
    let annotations = meta.annotations.iter().flatten();
    SliceRecord {
        key: key(meta),
        uid: uid(meta.uid.as_ref()),
        resource_version: version(meta),
        labels: labels(meta.labels.as_ref()),
        annotations: annotations
            .map(|(key, value)| (Text::new(key), Text::new(value)))
            .collect(),
        owners: owners.collect(),
        finalizers: meta
            .finalizers
            .iter()
            .flatten()
            .map(|name| Text::new(name))
            .collect(),
        terminating: meta.deletion_timestamp.is_some(),
        address_type: match slice.address_type.as_str() {
            "IPv4" => AddressType::IPv4,
            "IPv6" => AddressType::IPv6,
            other => AddressType::Other(Text::new(other)),
        },
        ports: Interned::from_value(PortSet::new(ports)),
        endpoints: slice.endpoints.iter().flatten().map(expected_endpoint).collect(),
        unknown: None,
    }
}

/// The only field of the full type's metadata that a record keeps as text.
fn unknown_metadata(slice: &EndpointSlice) -> Option<serde_json::Value> {
    let generate_name = slice.metadata.generate_name.as_ref()?;
    Some(serde_json::json!({ "generateName": generate_name }))
}

proptest! {
    #[test]
    fn of_a_pod_exactly_what_the_full_type_says_is_kept(pod in generate::pod::pod()) {
        prop_assert_eq!(decode::<PodRecord>(&pod), expected_pod(&pod));
    }

    #[test]
    fn of_a_service_exactly_what_the_full_type_says_is_kept(service in generate::service::service()) {
        prop_assert_eq!(decode::<ServiceRecord>(&service), expected_service(&service));
    }

    #[test]
    fn of_a_node_exactly_what_the_full_type_says_is_kept(node in generate::node::node()) {
        prop_assert_eq!(decode::<NodeRecord>(&node), expected_node(&node));
    }

    #[test]
    fn of_a_namespace_exactly_what_the_full_type_says_is_kept(metadata in generate::any_metadata()) {
        let namespace = Namespace { metadata, ..Namespace::default() };
        prop_assert_eq!(decode::<NamespaceRecord>(&namespace), expected_namespace(&namespace));
    }

    #[test]
    fn of_a_slice_exactly_what_the_full_type_says_is_kept(slice in generate::slice::slice()) {
        let mut record: SliceRecord = decode(&slice);
        let unknown = record.unknown.take();
        prop_assert_eq!(&record, &expected_slice(&slice));
        let metadata = unknown.as_ref().and_then(|unknown| unknown.metadata.as_deref());
        let metadata: Option<serde_json::Value> = metadata.map(|text| serde_json::from_str(text).unwrap());
        prop_assert_eq!(metadata, unknown_metadata(&slice));
        prop_assert_eq!(unknown.and_then(|unknown| unknown.object), None);
    }

    /// Spelling: line breaks and blanks between tokens, and another order of the fields.
    #[test]
    fn layout_and_order_of_the_document_do_not_matter(pod in generate::pod::pod()) {
        // A JSON value sorts its keys, which the full type does not.
        let value = serde_json::to_value(&pod).unwrap();
        let pretty = serde_json::to_vec_pretty(&value).unwrap();
        let decoder = Json::<PodRecord>::new(Arc::new(Interner::new()));
        prop_assert_eq!(decoder.object(&pretty).unwrap(), expected_pod(&pod));
    }
}

#[test]
fn equal_parts_of_two_records_are_held_once() {
    let decoder = Json::<PodRecord>::new(Arc::new(Interner::new()));
    let pod = |name: &str| {
        let json = format!(
            r#"{{"metadata":{{"name":"{name}","namespace":"shop","labels":{{"app":"web"}}}},"spec":{{"nodeName":"n1",
            "containers":[{{"ports":[{{"name":"http","containerPort":80}}]}}]}}}}"#
        );
        decoder.object(json.as_bytes()).unwrap()
    };
    let (a, b) = (pod("a"), pod("b"));
    assert!(a.labels.same(&b.labels));
    assert!(a.ports.same(&b.ports));
    assert!(a.key.namespace.same(&b.key.namespace));
    assert!(a.node.unwrap().same(&b.node.unwrap()));
}

/// Which port a named target port means depends on this order.
#[test]
fn the_ports_of_a_pod_are_those_of_its_containers_and_then_of_its_sidecars() {
    let pod = serde_json::json!({
        "metadata": { "name": "a", "namespace": "x" },
        "spec": {
            "initContainers": [
                { "name": "before", "ports": [{ "name": "web", "containerPort": 1 }] },
                { "name": "failed", "restartPolicy": "OnFailure", "ports": [{ "name": "web", "containerPort": 2 }] },
                { "name": "sidecar", "restartPolicy": "Always", "ports": [
                    { "name": "web", "containerPort": 3 },
                    { "name": "admin", "containerPort": 4 },
                ] },
            ],
            "containers": [
                { "name": "first", "ports": [
                    { "containerPort": 5 },
                    { "name": "web", "containerPort": 6, "hostPort": 60, "hostIP": "192.0.2.1" },
                ] },
                { "name": "second", "ports": [{ "name": "web", "containerPort": 7 }] },
            ],
        },
    });
    let record: PodRecord = Json::new(Arc::new(Interner::new()))
        .object(pod.to_string().as_bytes())
        .unwrap();
    let ports: Vec<_> = record
        .ports
        .iter()
        .map(|port| (port.name.as_str(), port.number))
        .collect();
    assert_eq!(ports, [("web", 6), ("web", 7), ("web", 3), ("admin", 4)]);
}
