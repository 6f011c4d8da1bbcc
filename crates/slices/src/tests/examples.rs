//! Worked examples: what upstream makes of a given start (`k8s.io/endpointslice/reconciler_test.go`).

use quaymaster_model::{ServicePort, TargetPort, Text};

use super::fixture::{Fixture, counts, named_port, pod, pod_name, port};
use crate::Op;

/// A finished Service of slices with these many Pods each, numbered on, and `extra` Pods in no slice.
fn start(slices: &[usize], extra: usize) -> Fixture {
    let total: usize = slices.iter().sum();
    let mut fixture = Fixture::new().with_pods(total + extra);
    let mut next = 0;
    for (n, size) in slices.iter().enumerate() {
        fixture.store_pods(&format!("svc-old-{n:02}"), next..next + size);
        next += size;
    }
    fixture.restart();
    fixture
}

#[test]
fn nothing_and_250_pods_give_slices_of_100_100_50() {
    let mut fixture = start(&[], 250);
    let writes = fixture.settle();
    assert_eq!(counts(&writes), (3, 0, 0));
    assert_eq!(fixture.sizes(), [100, 100, 50]);
}

#[test]
fn slices_of_62_and_61_with_127_missing_give_one_create_and_one_update_of_the_fuller() {
    let mut fixture = start(&[62, 61], 127);
    let writes = fixture.settle();
    assert_eq!(counts(&writes), (1, 1, 0));
    assert_eq!(fixture.sizes(), [100, 89, 61]);
}

#[test]
fn slices_of_74_and_74_with_152_missing_give_two_creates() {
    let mut fixture = start(&[74, 74], 152);
    let writes = fixture.settle();
    assert_eq!(counts(&writes), (2, 0, 0));
    assert_eq!(fixture.sizes(), [100, 74, 74, 52]);
}

#[test]
fn ten_slices_of_30_without_a_change_are_left_alone() {
    let mut fixture = start(&[30; 10], 0);
    assert_eq!(fixture.settle(), []);
    assert!(!fixture.state.has_work());
}

#[test]
fn a_changed_target_port_recycles_ten_slices_of_30_into_three_updates_and_seven_deletes() {
    let mut fixture = start(&[30; 10], 0);
    fixture.settle();
    fixture.service.ports = vec![port("http", 80, TargetPort::Number(9090))];
    fixture.refresh();
    let writes = fixture.settle();
    assert_eq!(counts(&writes), (0, 3, 7));
    assert_eq!(fixture.sizes(), [100, 100, 100]);
}

#[test]
fn slices_of_80_and_20_with_a_change_in_each_and_15_new_pods_fill_the_fuller() {
    let mut fixture = start(&[80, 20], 0);
    fixture.settle();
    for n in [0, 80] {
        let mut changed = pod(n);
        changed.flags.ready = false;
        fixture.set_pod(changed);
    }
    for n in 100..115 {
        fixture.set_pod(pod(n));
    }
    let writes = fixture.settle();
    assert_eq!(counts(&writes), (0, 2, 0));
    assert_eq!(fixture.sizes(), [95, 20]);
}

#[test]
fn slices_of_an_address_type_the_service_does_not_have_are_replaced_not_recycled() {
    let mut fixture = Fixture::new().with_pods(130);
    fixture.store_pods("svc-old-0", 0..80);
    fixture.store_pods("svc-old-1", 80..130);
    for slice in fixture.world.slices.values_mut() {
        std::sync::Arc::make_mut(slice).address_type = quaymaster_model::AddressType::new("IP");
    }
    fixture.restart();
    let writes = fixture.settle();
    assert_eq!(counts(&writes), (2, 0, 2));
    assert_eq!(fixture.sizes(), [100, 30]);
}

#[test]
fn a_slice_owned_by_another_service_uid_is_replaced_then_deleted() {
    let mut fixture = Fixture::new().with_pods(1);
    fixture.store_pods("svc-old-0", 0..1);
    for slice in fixture.world.slices.values_mut() {
        std::sync::Arc::make_mut(slice).owners[0].uid = quaymaster_model::Uid::new("another");
    }
    fixture.restart();
    let writes = fixture.settle();
    assert_eq!(counts(&writes), (1, 0, 1));
    assert!(
        matches!(writes[0].op, Op::Create(_)),
        "the create comes first: {writes:#?}"
    );
}

#[test]
fn a_named_port_with_five_numbers_gives_five_slices_of_60() {
    let mut fixture = Fixture::new();
    fixture.service.ports = vec![ServicePort {
        target: TargetPort::Name("http".into()),
        ..port("http", 80, TargetPort::Number(0))
    }];
    for n in 0..300 {
        let mut pod = pod(n);
        let number = 8080 + i32::try_from(n % 5).unwrap();
        pod.ports = quaymaster_model::Interned::from_list(vec![named_port("http", number)]);
        fixture.world.add(pod);
    }
    fixture.restart();
    let writes = fixture.settle();
    assert_eq!(counts(&writes), (5, 0, 0));
    assert_eq!(fixture.sizes(), [60; 5]);
}

#[test]
fn the_maximum_decides_how_250_pods_are_split() {
    for (max, expected) in [
        (50, vec![50; 5]),
        (80, vec![80, 80, 80, 10]),
        (150, vec![150, 100]),
        (250, vec![250]),
        (500, vec![250]),
    ] {
        let mut fixture = Fixture::new().with_pods(250);
        fixture.settings.max_endpoints = max;
        fixture.start();
        assert_eq!(fixture.sizes(), expected, "maximum {max}");
    }
}

#[test]
fn a_pod_on_a_missing_node_leaves_its_slice_and_comes_back_with_the_node() {
    let mut fixture = start(&[2], 0);
    fixture.settle();
    let mut moved = pod(1);
    moved.node = Some("missing".into());
    fixture.set_pod(moved);
    let writes = fixture.settle();
    assert_eq!(counts(&writes), (0, 1, 0));
    assert_eq!(fixture.sizes(), [1]);
    assert_eq!(fixture.summary().pods_without_node, 1);
    fixture.world.set_node(super::fixture::node("missing", None));
    fixture.tell(&Text::new(&pod_name(1)));
    fixture.settle();
    assert_eq!(fixture.sizes(), [2]);
    assert_eq!(fixture.summary().pods_without_node, 0);
}

#[test]
fn with_no_node_known_the_slice_is_updated_to_the_placeholder_not_deleted() {
    let mut fixture = Fixture::new().with_pods(2);
    fixture.store_pods("svc-old-0", 0..2);
    fixture.world.nodes.clear();
    fixture.restart();
    let writes = fixture.settle();
    assert_eq!(counts(&writes), (0, 1, 0));
    assert_eq!(fixture.sizes(), [0]);
    let slice = fixture.world.slices.values().next().unwrap();
    assert!(slice.ports.ports().is_empty());
}

#[test]
fn deletes_that_wait_for_an_answer_do_not_ask_to_be_asked_again() {
    let mut fixture = start(&[30; 10], 0);
    fixture.settle();
    fixture.service.ports = vec![port("http", 80, TargetPort::Number(9090))];
    fixture.refresh();
    let first = fixture.plan_whole(3);
    assert_eq!(counts(&first.writes), (0, 3, 0));
    // Three writes are in flight and seven deletes wait for them: more than the limit, and nothing to be done now.
    let second = fixture.plan_whole(3);
    assert!(second.writes.is_empty() && !second.truncated, "{second:#?}");
}

#[test]
fn only_what_takes_traffic_from_a_published_pod_is_urgent() {
    use crate::Urgency;
    let mut fixture = start(&[2], 0);
    fixture.settle();
    let mut new = pod(7);
    new.flags.ready = false;
    assert_eq!(fixture.urgency_of(Some(new), 7), Urgency::Normal);
    let mut unready = pod(0);
    unready.flags.ready = false;
    assert_eq!(fixture.urgency_of(Some(unready), 0), Urgency::Urgent);
    assert_eq!(fixture.urgency_of(None, 1), Urgency::Urgent);
}
