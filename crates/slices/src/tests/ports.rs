//! Ports of Pods, and the groups they make.
//!
//! | Rule | Test |
//! |---|---|
//! | numeric target | `a_number_is_taken_even_if_no_container_declares_it` |
//! | named target | `a_name_is_looked_up_with_the_protocol_of_the_service_port` |
//! | nothing found | `a_port_that_does_not_resolve_is_left_out_and_the_others_stay` |
//! | no port at all | `a_pod_without_any_port_stands_in_a_slice_without_ports` |
//! | groups | `pods_with_different_numbers_stand_in_different_slices` |
//! | order says nothing | `a_slice_that_lists_the_ports_in_another_order_is_left_alone` |
//! | order of a new slice | `ports_are_written_in_the_order_of_their_digests` (1.35 on), `up_to_1_34_ports_are_written_in_the_order_of_the_older_digest` |
//! | application protocol | `another_application_protocol_makes_another_group` |
//! | wanted by one Pod | `a_group_is_wanted_while_one_eligible_pod_has_it_even_without_an_endpoint` |

use quaymaster_model::{
    Interned, KubernetesVersion, Protocol, ServicePort, TargetPort, UpstreamRules, digest,
};

use super::fixture::{Fixture, counts, named_port, pod, port};

fn named() -> Vec<ServicePort> {
    vec![port("http", 80, TargetPort::Name("web".into()))]
}

fn numbers(fixture: &Fixture) -> Vec<Option<i32>> {
    let slices = fixture.world.slices.values();
    let mut numbers: Vec<_> = slices
        .flat_map(|slice| slice.ports.ports().iter().map(|it| it.port))
        .collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn a_number_is_taken_even_if_no_container_declares_it() {
    for number in [8080, 0] {
        let mut fixture = Fixture::new().with_pods(1);
        fixture.service.ports = vec![port("http", 80, TargetPort::Number(number))];
        fixture.start();
        assert_eq!(numbers(&fixture), [Some(number)]);
    }
}

#[test]
fn a_name_is_looked_up_with_the_protocol_of_the_service_port() {
    let mut fixture = Fixture::new();
    fixture.service.ports = named();
    fixture.service.ports[0].protocol = Protocol::Udp;
    let mut pod = pod(0);
    let mut udp = named_port("web", 5353);
    udp.protocol = Protocol::Udp;
    let later = quaymaster_model::ContainerPort {
        number: 5454,
        ..udp.clone()
    };
    pod.ports = Interned::from_list(vec![named_port("web", 8080), udp, later]);
    fixture.world.add(pod);
    fixture.start();
    assert_eq!(numbers(&fixture), [Some(5353)]);
}

#[test]
fn a_port_that_does_not_resolve_is_left_out_and_the_others_stay() {
    let mut fixture = Fixture::new().with_pods(1);
    fixture.service.ports = named();
    fixture
        .service
        .ports
        .push(port("fixed", 81, TargetPort::Number(8081)));
    fixture.start();
    assert_eq!(numbers(&fixture), [Some(8081)]);
    assert_eq!(fixture.sizes(), [1]);
}

#[test]
fn a_pod_without_any_port_stands_in_a_slice_without_ports() {
    let mut fixture = Fixture::new().with_pods(1);
    fixture.service.ports = named();
    fixture.start();
    assert_eq!((fixture.sizes(), numbers(&fixture)), (vec![1], vec![]));
}

#[test]
fn pods_with_different_numbers_stand_in_different_slices() {
    let mut fixture = Fixture::new();
    fixture.service.ports = named();
    for n in 0..4 {
        let mut pod = pod(n);
        pod.ports = Interned::from_list(vec![named_port("web", 8080 + i32::try_from(n % 2).unwrap())]);
        fixture.world.add(pod);
    }
    fixture.start();
    assert_eq!(
        (fixture.sizes(), numbers(&fixture)),
        (vec![2, 2], vec![Some(8080), Some(8081)])
    );
}

fn two_ports() -> Vec<ServicePort> {
    vec![
        port("http", 80, TargetPort::Number(80)),
        port("https", 443, TargetPort::Number(443)),
    ]
}

#[test]
fn a_slice_that_lists_the_ports_in_another_order_is_left_alone() {
    let mut fixture = Fixture::new().with_pods(2);
    fixture.service.ports = two_ports();
    fixture.store_pods("svc-old", 0..2);
    fixture.service.ports.reverse();
    fixture.restart();
    assert_eq!(fixture.settle(), []);
}

#[test]
fn ports_are_written_in_the_order_of_their_digests() {
    let mut fixture = Fixture::new().with_pods(1);
    fixture.service.ports = two_ports();
    fixture.restart();
    let writes = fixture.settle();
    let names: Vec<_> = super::fixture::draft(&writes[0])
        .ports
        .iter()
        .map(|port| port.name.clone().unwrap())
        .collect();
    // The digests begin with 50852f61 (https) and b6c4d325 (http).
    assert_eq!(names, ["https", "http"].map(quaymaster_model::Text::new));
}

#[test]
fn up_to_1_34_ports_are_written_in_the_order_of_the_older_digest() {
    for minor in [34, 35] {
        let mut fixture = Fixture::new().with_pods(1);
        fixture.settings.rules = UpstreamRules::of(KubernetesVersion { minor });
        fixture.service.ports = (1..9)
            .map(|n| port(&format!("p{n}"), n, TargetPort::Number(n)))
            .collect();
        fixture.restart();
        let writes = fixture.settle();
        let written = &super::fixture::draft(&writes[0]).ports;
        let order = fixture.settings.rules.port_order;
        assert_eq!(*written, digest::ordered_ports(written, order));
        let other = UpstreamRules::of(KubernetesVersion { minor: 69 - minor }).port_order;
        assert_ne!(*written, digest::ordered_ports(written, other));
    }
}

#[test]
fn another_application_protocol_makes_another_group() {
    let mut fixture = Fixture::new().with_pods(2);
    fixture.start();
    fixture.service.ports[0].app_protocol = Some("kubernetes.io/h2c".into());
    fixture.refresh();
    // The slice of the group that is not wanted any more is rewritten into the new one.
    assert_eq!(counts(&fixture.settle()), (0, 1, 0));
    let slice = fixture.world.slices.values().next().unwrap();
    assert_eq!(
        slice.ports.ports()[0].app_protocol.as_deref(),
        Some("kubernetes.io/h2c")
    );
}

#[test]
fn a_group_is_wanted_while_one_eligible_pod_has_it_even_without_an_endpoint() {
    let mut fixture = Fixture::new();
    fixture.store_pods("svc-old", 0..0);
    let mut lost = pod(0);
    lost.node = Some("missing".into());
    fixture.world.add(lost);
    fixture.restart();
    assert_eq!(
        fixture.settle(),
        [],
        "the empty slice has the ports of the Pod, so it stays"
    );
    fixture.remove_pod(0);
    assert_eq!(
        counts(&fixture.settle()),
        (0, 1, 0),
        "now it becomes the placeholder"
    );
    assert_eq!(numbers(&fixture), []);
}
