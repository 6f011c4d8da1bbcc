//! A Service that is being deleted: nothing is created, and what there is is written as upstream writes it, without
//! waiting for slices that will not come.
//!
//! Upstream has no early end for such a Service; `k8s.io/endpointslice/reconciler.go`, `finalize`, leaves out creates.

use quaymaster_model::{Interned, PodRecord, TargetPort};

use super::fixture::{Fixture, counts, named_port, pod, pod_name, port};

fn with_ports(n: usize, number: i32) -> PodRecord {
    let mut pod = pod(n);
    pod.ports = Interned::from_list(vec![named_port("web", number), named_port("old", 7000)]);
    pod
}

fn target(name: &str) -> Vec<quaymaster_model::ServicePort> {
    vec![port("http", 80, TargetPort::Name(name.into()))]
}

/// Four Pods in two slices, which part into two groups by their port `web`.
fn mixed() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.service.ports = target("old");
    fixture.settings.max_endpoints = 2;
    for n in 0..4 {
        let number = 9000 + i32::try_from(n % 2).unwrap();
        fixture.world.add(with_ports(n, number));
    }
    fixture.start();
    fixture.service.terminating = true;
    fixture.refresh();
    assert_eq!(fixture.settle(), []);
    fixture
}

#[test]
fn slices_that_would_wait_for_each_other_are_rewritten_at_once() {
    let mut fixture = mixed();
    fixture.service.ports = target("web");
    fixture.refresh();
    assert_eq!(counts(&fixture.settle()), (0, 2, 0));
    assert_eq!(fixture.sizes(), [2, 2]);
    assert_eq!(fixture.published(), [0, 1, 2, 3].map(pod_name));
}

#[test]
fn a_pod_leaves_its_slice_though_none_is_made_for_it() {
    let mut fixture = mixed();
    fixture.service.ports = target("web");
    fixture.refresh();
    fixture.settle();
    fixture.set_pod(with_ports(0, 9005));
    assert_eq!(counts(&fixture.settle()), (0, 1, 0));
    assert_eq!(fixture.published(), [1, 2, 3].map(pod_name));
    assert!(!fixture.state.has_work());
}

#[test]
fn creates_that_are_not_sent_yet_are_not_sent_any_more() {
    let mut fixture = Fixture::new().with_pods(4);
    fixture.settings.max_endpoints = 2;
    fixture.restart();
    let first = fixture.plan(1);
    fixture.service.terminating = true;
    fixture.refresh();
    fixture.perform(&first[0]);
    assert_eq!(fixture.settle(), []);
    assert_eq!(fixture.sizes(), [2]);
}

#[test]
fn a_service_that_is_going_recycles_and_deletes_its_slices() {
    let mut fixture = Fixture::new().with_pods(3);
    fixture.settings.max_endpoints = 3;
    for n in 0..3 {
        fixture.store_pods(&format!("svc-{n}"), n..n + 1);
    }
    fixture.start();
    fixture.service.terminating = true;
    fixture.service.ports = vec![port("http", 80, TargetPort::Number(9090))];
    fixture.refresh();
    assert_eq!(counts(&fixture.settle()), (0, 1, 2));
    assert_eq!(fixture.published(), [0, 1, 2].map(pod_name));
}
