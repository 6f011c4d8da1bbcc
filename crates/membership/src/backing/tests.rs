use std::net::IpAddr;

use quaymaster_model::{
    ClusterAddress, ContainerPort, Interned, LabelSet, ObjectKey, PodFlags, PodHostname, Protocol,
    ResourceVersion, Selector, ServiceType, Uid,
};

use super::*;

fn pod() -> PodRecord {
    PodRecord {
        key: ObjectKey::new("ns".into(), "pod".into()),
        uid: Uid::new("pod-uid"),
        node: None,
        labels: Interned::from_value(LabelSet::empty()),
        ports: Interned::from_list(vec![
            container_port("web", Protocol::Udp, 1),
            container_port("web", Protocol::Tcp, 2),
            container_port("web", Protocol::Tcp, 3),
        ]),
        addresses: [].into_iter().collect(),
        hostname: None,
        ready_since: None,
        flags: PodFlags {
            ready: true,
            terminating: false,
            finished: false,
            has_address: true,
        },
    }
}

fn container_port(name: &str, protocol: Protocol, number: i32) -> ContainerPort {
    ContainerPort {
        name: name.into(),
        protocol,
        number,
    }
}

fn port(target: TargetPort) -> ServicePort {
    ServicePort {
        name: "http".into(),
        protocol: Protocol::Tcp,
        port: 80,
        target,
        app_protocol: None,
        node_port: 0,
    }
}

fn service(namespace: &str, name: &str) -> ServiceRecord {
    ServiceRecord {
        key: ObjectKey::new(namespace.into(), name.into()),
        uid: Uid::new("service-uid"),
        resource_version: ResourceVersion::new("1"),
        labels: Interned::from_value(LabelSet::empty()),
        created: None,
        terminating: false,
        kind: ServiceType::ClusterIp,
        selector: Selector::new(Interned::from_value(LabelSet::empty())),
        ports: Vec::new(),
        cluster_ip: ClusterAddress::new("10.0.0.1"),
        ip_families: Vec::new(),
        publish_not_ready: false,
        traffic_distribution: None,
        topology_auto: false,
        external_name: None,
        cluster_ips: quaymaster_model::ClusterIp::new("10.0.0.1").into_iter().collect(),
        health_check_node_port: 0,
        allocate_node_ports: None,
        external_traffic_policy_local: false,
        ip_family_policy: None,
        pools: None,
    }
}

#[test]
fn a_pod_backs_a_service_while_it_has_an_address_and_has_not_ended() {
    let cases = [
        // has address, finished, terminating -> with terminating ones, without
        (true, false, false, true, true),
        (true, false, true, true, false),
        (false, false, false, false, false),
        (true, true, false, false, false),
    ];
    for (has_address, finished, terminating, with, without) in cases {
        let mut pod = pod();
        pod.flags.ready = false;
        pod.flags.has_address = has_address;
        pod.flags.finished = finished;
        pod.flags.terminating = terminating;
        assert_eq!((backs(&pod, true), backs(&pod, false)), (with, without));
    }
}

#[test]
fn a_named_target_is_the_first_port_of_that_name_and_protocol_and_a_number_is_itself() {
    let named = |name: &str| port_number(&port(TargetPort::Name(name.into())), &pod());
    assert_eq!(named("web"), Some(2));
    assert_eq!(named("other"), None);
    assert_eq!(port_number(&port(TargetPort::Number(9)), &pod()), Some(9));
}

#[test]
fn addresses_of_a_family_are_sorted_as_text() {
    let mut pod = pod();
    let all = ["10.0.0.9", "fd00::1", "10.0.0.10"];
    pod.addresses = all.iter().map(|it| it.parse::<IpAddr>().unwrap()).collect();
    let of = |family| {
        addresses(&pod, family)
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(of(IpFamily::V4), ["10.0.0.10", "10.0.0.9"]);
    assert_eq!(of(IpFamily::V6), ["fd00::1"]);
}

#[test]
fn a_hostname_counts_below_the_service_that_the_subdomain_names() {
    let mut pod = pod();
    assert_eq!(hostname(&service("ns", "svc"), &pod), None);
    pod.hostname = Some(Box::new(PodHostname {
        hostname: "host".into(),
        subdomain: "svc".into(),
    }));
    assert_eq!(hostname(&service("ns", "svc"), &pod), Some(&"host".into()));
    assert_eq!(hostname(&service("ns", "other"), &pod), None);
    assert_eq!(hostname(&service("elsewhere", "svc"), &pod), None);
}

#[test]
fn endpoints_have_the_first_address_of_the_primary_family() {
    let mut pod = pod();
    let all = ["fd00::2", "10.0.0.9", "fd00::1", "10.0.0.10"];
    pod.addresses = all.iter().map(|it| it.parse::<IpAddr>().unwrap()).collect();
    let of = |families: &[IpFamily], cluster_ip: &str, pod: &PodRecord| {
        let service = ServiceRecord {
            ip_families: families.to_vec(),
            cluster_ip: ClusterAddress::new(cluster_ip),
            ..service("ns", "svc")
        };
        primary_address(&service, pod).map(|address| address.to_string())
    };
    let cases: [(&[IpFamily], &str, &str); 8] = [
        (&[IpFamily::V4], "fd01::1", "10.0.0.9"),
        (&[IpFamily::V6], "10.1.0.1", "fd00::2"),
        (&[IpFamily::V6, IpFamily::V4], "fd01::1", "fd00::2"),
        (&[IpFamily::V4, IpFamily::V6], "None", "10.0.0.9"),
        (&[], "10.1.0.1", "10.0.0.9"),
        (&[], "fd01::1", "fd00::2"),
        (&[], "None", "fd00::2"),
        (&[], "", "fd00::2"),
    ];
    for (families, cluster_ip, expected) in cases {
        let found = of(families, cluster_ip, &pod);
        assert_eq!(found.as_deref(), Some(expected), "{families:?} {cluster_ip:?}");
    }
    pod.addresses.retain(|address| address.is_ipv4());
    assert_eq!(
        of(&[IpFamily::V6], "fd01::1", &pod),
        None,
        "it has none of the family"
    );
    pod.addresses.clear();
    assert_eq!(of(&[], "None", &pod), None);
}

#[test]
fn the_reference_to_a_pod_names_it_and_nothing_else() {
    let target = target(&pod());
    assert_eq!(
        (&*target.kind, &*target.namespace, &*target.name),
        ("Pod", "ns", "pod")
    );
    assert_eq!(target.uid, Uid::new("pod-uid"));
    assert_eq!(target.details, None);
}
