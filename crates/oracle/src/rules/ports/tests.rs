use super::*;
use crate::testing::{named_port, pod, service};

fn port(name: &str, number: i32, protocol: &str, app_protocol: Option<&str>) -> PortKey {
    PortKey {
        name: Some(name.to_owned()),
        protocol: Some(protocol.to_owned()),
        port: Some(number),
        app_protocol: app_protocol.map(str::to_owned),
    }
}

fn hex(digest: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(digest))
}

/// Digests printed by upstream's own code.
#[test]
fn the_digest_of_a_port_is_upstreams() {
    for (port, digest) in [
        (port("http", 80, "TCP", None), "b6c4d325122a5ba6f795b0bbffcebb6f"),
        (
            port("https", 443, "TCP", None),
            "50852f610b5fbbf5129025d35e502185",
        ),
        (port("dns", 53, "UDP", None), "1caf216365b57b5d2659d4ba9f662580"),
        (
            port("dns-tcp", 53, "TCP", None),
            "8fa5f9e263f7f66112d31fc2ebea1e2a",
        ),
        (
            port("metrics", 9153, "TCP", None),
            "f17bf63bdbb003d0f2f8e0b73efa3324",
        ),
        (port("", 80, "TCP", None), "73b52e075e78e70787d5e6ffd2212eef"),
        (
            port("http", 80, "TCP", Some("http")),
            "724297ed7716e3d8b5355301d3895934",
        ),
    ] {
        assert_eq!(hex(port_digest(&port, PortHash::Fnv1a128)), digest, "{port:?}");
    }
}

#[test]
fn the_hash_is_md5_up_to_1_34() {
    assert_eq!(
        [33, 34, 35, 37].map(PortHash::of),
        [
            PortHash::Md5,
            PortHash::Md5,
            PortHash::Fnv1a128,
            PortHash::Fnv1a128
        ]
    );
    // md5sum of the text form.
    let text = "(v1.EndpointPort){Name:(*string)http Protocol:(*v1.Protocol)TCP Port:(*int32)80 AppProtocol:(*string)<nil>}";
    let http = port("http", 80, "TCP", None);
    assert_eq!(dump(&http), text);
    assert_eq!(
        hex(port_digest(&http, PortHash::Md5)),
        "57c8eae9440659a9feb9a3a0979e7279"
    );
}

#[test]
fn an_absent_field_of_a_port_prints_nil() {
    let text = "(v1.EndpointPort){Name:(*string)<nil> Protocol:(*v1.Protocol)<nil> Port:(*int32)<nil> AppProtocol:(*string)<nil>}";
    assert_eq!(dump(&PortKey::default()), text);
}

#[test]
fn ports_are_written_in_the_order_of_their_digests() {
    let order = |ports: &[PortKey]| {
        let mut ports: Vec<EndpointPort> = ports.iter().cloned().map(EndpointPort::from).collect();
        sort_by_digest(&mut ports, PortHash::Fnv1a128);
        ports
            .into_iter()
            .map(|port| port.name.unwrap())
            .collect::<Vec<_>>()
    };
    let (dns, tcp) = (port("dns", 53, "UDP", None), port("dns-tcp", 53, "TCP", None));
    let metrics = port("metrics", 9153, "TCP", None);
    assert_eq!(order(&[metrics, tcp, dns]), ["dns", "dns-tcp", "metrics"]);
    let (http, https) = (port("http", 80, "TCP", None), port("https", 443, "TCP", None));
    assert_eq!(order(&[http, https]), ["https", "http"]);
}

#[test]
fn a_port_resolves_by_number_or_by_name_and_protocol_containers_before_sidecars() {
    let mut pod = pod("a");
    let spec = pod.spec.as_mut().unwrap();
    spec.containers[0].ports = Some(vec![
        named_port("http", 8080, "TCP"),
        named_port("http", 8081, "TCP"),
    ]);
    let sidecar = |ports, policy: Option<&str>| Container {
        ports: Some(ports),
        restart_policy: policy.map(str::to_owned),
        ..Container::default()
    };
    spec.init_containers = Some(vec![
        sidecar(
            vec![named_port("side", 1, "TCP"), named_port("setup", 2, "TCP")],
            None,
        ),
        sidecar(
            vec![named_port("side", 3, "TCP"), named_port("http", 4, "TCP")],
            Some("Always"),
        ),
    ]);
    let find = |target: Option<IntOrString>, protocol: &str| {
        let protocol = Some(protocol.to_owned());
        find_port(
            &pod,
            &ServicePort {
                protocol,
                target_port: target,
                ..ServicePort::default()
            },
        )
    };
    let name = |name: &str| Some(IntOrString::String(name.to_owned()));
    assert_eq!(
        find(name("http"), "TCP"),
        Some(8080),
        "the first of that name wins"
    );
    assert_eq!(find(name("http"), "UDP"), None, "the protocol must fit");
    assert_eq!(
        find(name("side"), "TCP"),
        Some(3),
        "an init container that ends is no sidecar"
    );
    assert_eq!(find(name("setup"), "TCP"), None);
    assert_eq!(
        find(Some(IntOrString::Int(1234)), "TCP"),
        Some(1234),
        "no container need declare a number"
    );
    assert_eq!(find(Some(IntOrString::Int(0)), "TCP"), Some(0));
    assert_eq!(find(None, "TCP"), Some(0));
}

#[test]
fn a_pod_serves_the_ports_that_resolve_and_keeps_their_protocols() {
    let mut service = service("a");
    let ports = service.spec.as_mut().unwrap().ports.as_mut().unwrap();
    ports[0].app_protocol = Some("h2c".to_owned());
    ports.push(ServicePort {
        target_port: Some(IntOrString::String("nowhere".to_owned())),
        ..ports[0].clone()
    });
    ports.push(ServicePort {
        name: None,
        target_port: Some(IntOrString::Int(9)),
        ..ServicePort::default()
    });
    let served: Vec<PortKey> = pod_ports(&service, &pod("a")).iter().map(PortKey::from).collect();
    assert_eq!(
        served,
        [port("http", 8080, "TCP", Some("h2c")), port("", 9, "", None)]
    );
    service.spec.as_mut().unwrap().ports = None;
    assert!(pod_ports(&service, &pod("a")).is_empty());
}
