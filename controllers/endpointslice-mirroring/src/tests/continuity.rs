//! An address that stays is ready in some slice after each write.

use quaymaster_runtime::api::{Verb, WriteError};
use serde_json::{Value, json};

use super::cluster::{Cluster, subset};

const A: (&str, i32) = ("a", 80);
const B: (&str, i32) = ("b", 81);

fn settled(subsets: Value) -> Cluster {
    let mut cluster = Cluster::mirroring(subsets);
    cluster.write_all();
    cluster
}

#[test]
fn a_changed_port_is_one_write_that_hides_no_address() {
    let mut cluster = settled(json!([subset(&["10.0.0.1", "10.0.0.2"], &[], &[A])]));
    cluster.always_ready(["10.0.0.1", "10.0.0.2"]);
    cluster.endpoints(json!([subset(&["10.0.0.1", "10.0.0.2"], &[], &[B])]));
    assert_eq!(cluster.write_all(), [Verb::Update]);
}

#[test]
fn an_address_that_moves_to_other_ports_leaves_its_slice_when_it_is_stored_there() {
    let mut cluster = settled(json!([subset(&["10.0.0.1", "10.0.0.2"], &[], &[A])]));
    cluster.always_ready(["10.0.0.1", "10.0.0.2"]);
    cluster.endpoints(json!([
        subset(&["10.0.0.1"], &[], &[A]),
        subset(&["10.0.0.2"], &[], &[B])
    ]));
    assert_eq!(cluster.write_all(), [Verb::Create, Verb::Update]);
    assert_eq!(cluster.shown(), ["IPv4 a:80 = 10.0.0.1", "IPv4 b:81 = 10.0.0.2"]);
}

#[test]
fn a_slice_whose_addresses_part_is_recycled_when_the_others_are_stored() {
    let mut cluster = settled(json!([subset(&["10.0.0.1", "10.0.0.2"], &[], &[A])]));
    cluster.always_ready(["10.0.0.1", "10.0.0.2"]);
    cluster.endpoints(json!([
        subset(&["10.0.0.1"], &[], &[B]),
        subset(&["10.0.0.2"], &[], &[("c", 82)]),
    ]));
    // No more writes than upstream makes.
    assert_eq!(cluster.write_all(), [Verb::Create, Verb::Update]);
    assert_eq!(cluster.shown(), ["IPv4 b:81 = 10.0.0.1", "IPv4 c:82 = 10.0.0.2"]);
}

#[test]
fn two_slices_that_change_addresses_hold_both_for_a_moment() {
    let mut cluster = settled(json!([
        subset(&["10.0.0.1"], &[], &[A]),
        subset(&["10.0.0.2"], &[], &[B])
    ]));
    cluster.always_ready(["10.0.0.1", "10.0.0.2"]);
    cluster.endpoints(json!([
        subset(&["10.0.0.2"], &[], &[A]),
        subset(&["10.0.0.1"], &[], &[B])
    ]));
    assert_eq!(cluster.write_all(), [Verb::Update; 4]);
    assert_eq!(cluster.shown(), ["IPv4 a:80 = 10.0.0.2", "IPv4 b:81 = 10.0.0.1"]);
}

#[test]
fn slices_that_would_each_wait_for_the_other_are_made_new() {
    let mut cluster = settled(json!([
        subset(&["10.0.0.1", "10.0.0.2"], &[], &[A]),
        subset(&["10.0.0.3", "10.0.0.4"], &[], &[B]),
    ]));
    cluster.always_ready(["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]);
    cluster.endpoints(json!([
        subset(&["10.0.0.1", "10.0.0.3"], &[], &[("c", 82)]),
        subset(&["10.0.0.2", "10.0.0.4"], &[], &[("d", 83)]),
    ]));
    let written = cluster.write_all();
    assert_eq!(
        cluster.shown(),
        ["IPv4 c:82 = 10.0.0.1 10.0.0.3", "IPv4 d:83 = 10.0.0.2 10.0.0.4"]
    );
    assert_eq!(written, [Verb::Create, Verb::Update, Verb::Delete]);
}

#[test]
fn full_slices_that_change_addresses_are_made_new() {
    let ips = |net: u8| -> Vec<String> {
        (0..1000)
            .map(|n| format!("10.{net}.{}.{}", n / 250, n % 250 + 1))
            .collect()
    };
    let (ones, twos) = (ips(1), ips(2));
    let ones: Vec<&str> = ones.iter().map(String::as_str).collect();
    let twos: Vec<&str> = twos.iter().map(String::as_str).collect();
    let mut cluster = settled(json!([subset(&ones, &[], &[A]), subset(&twos, &[], &[B])]));
    cluster.always_ready(ones.iter().chain(&twos).copied());
    cluster.endpoints(json!([subset(&twos, &[], &[A]), subset(&ones, &[], &[B])]));
    cluster.write_all();
    let lengths: Vec<usize> = cluster
        .slices()
        .iter()
        .map(|slice| slice["endpoints"].as_array().unwrap().len())
        .collect();
    assert_eq!(lengths, [1000, 1000]);
}

#[test]
fn an_address_that_is_not_ready_any_more_is_so_at_once() {
    let mut cluster = settled(json!([subset(&["10.0.0.1", "10.0.0.2"], &[], &[A])]));
    cluster.endpoints(json!([
        subset(&["10.0.0.1"], &[], &[A]),
        subset(&[], &["10.0.0.2"], &[B]),
    ]));
    let requests = cluster.plan(16);
    for request in requests {
        cluster.store(request);
    }
    // It stays for the moment, and not as ready as it was.
    assert_eq!(
        cluster.shown(),
        ["IPv4 a:80 = 10.0.0.1 10.0.0.2!", "IPv4 b:81 = 10.0.0.2!"]
    );
    cluster.write_all();
    assert_eq!(cluster.shown(), ["IPv4 a:80 = 10.0.0.1", "IPv4 b:81 = 10.0.0.2!"]);
}

#[test]
fn a_slice_is_not_recycled_for_an_address_that_is_ready_only_elsewhere() {
    let mut cluster = settled(json!([subset(&["10.0.0.1"], &[], &[A])]));
    cluster.always_ready(["10.0.0.1"]);
    cluster.endpoints(json!([
        subset(&[], &["10.0.0.1"], &[B]),
        subset(&["10.0.0.1"], &[], &[("c", 82)]),
    ]));
    assert_eq!(cluster.write_all(), [Verb::Create, Verb::Update]);
    assert_eq!(cluster.shown(), ["IPv4 b:81 = 10.0.0.1!", "IPv4 c:82 = 10.0.0.1"]);
}

#[test]
fn an_address_that_goes_is_not_held_back() {
    let mut cluster = settled(json!([subset(&["10.0.0.1", "10.0.0.2"], &[], &[A])]));
    cluster.endpoints(json!([
        subset(&["10.0.0.1"], &[], &[A]),
        subset(&["10.0.0.3"], &[], &[B])
    ]));
    let written: Vec<Verb> = cluster.plan(16).iter().map(|request| request.verb).collect();
    assert_eq!(written, [Verb::Update, Verb::Create], "both at once");
}

#[test]
fn slices_are_deleted_when_creates_and_updates_are_answered() {
    let mut cluster = settled(json!([
        subset(&["10.0.0.1"], &[], &[A]),
        subset(&["10.0.0.2"], &[], &[B])
    ]));
    cluster.endpoints(json!([subset(&["10.0.0.1", "10.0.0.2"], &[], &[A])]));
    let mut update = cluster.send();
    assert_eq!(update.verb, Verb::Update);
    assert!(cluster.plan(16).is_empty());
    let stored = cluster.carry_out(&mut update);
    assert!(cluster.plan(16).is_empty());
    cluster.answer(&update, stored);
    assert_eq!(cluster.write_all(), [Verb::Delete]);
}

#[test]
fn nothing_is_deleted_while_a_create_fails() {
    let mut cluster = settled(json!([
        subset(&["10.0.0.1"], &[], &[A]),
        subset(&["10.0.0.2"], &[], &[B])
    ]));
    cluster.always_ready(["10.0.0.1"]);
    cluster.endpoints(json!([
        subset(&["10.0.0.1"], &[], &[A]),
        subset(&["fd00::1"], &[], &[A])
    ]));
    let denied = WriteError::Forbidden {
        verb: "create",
        resource: "endpointslices.discovery.k8s.io".to_owned(),
        message: "exceeded quota".to_owned(),
    };
    for _ in 0..3 {
        let requests = cluster.plan(16);
        let [create] = &requests[..] else {
            panic!("{requests:?}")
        };
        assert_eq!(create.verb, Verb::Create);
        cluster.fail(create, &denied);
    }
    assert_eq!(cluster.write_all(), [Verb::Create, Verb::Delete]);
}

#[test]
fn a_slice_with_a_write_in_flight_has_no_other_and_what_changes_meanwhile_goes_into_the_next() {
    let mut cluster = settled(json!([subset(&["10.0.0.1", "fd00::1"], &[], &[A])]));
    cluster.endpoints(json!([subset(&["10.0.0.2", "fd00::1"], &[], &[A])]));
    let mut update = cluster.send();
    cluster.endpoints(json!([subset(&["10.0.0.3", "fd00::3"], &[], &[A])]));
    let mut other = cluster.send();
    assert_ne!(update.object, other.object, "the other family does not wait");
    assert!(cluster.plan(16).is_empty());
    for request in [&mut other, &mut update] {
        let stored = cluster.carry_out(request);
        cluster.answer(request, stored);
    }
    assert_eq!(cluster.write_all(), [Verb::Update]);
    assert_eq!(cluster.shown(), ["IPv4 a:80 = 10.0.0.3", "IPv6 a:80 = fd00::3"]);
}

#[test]
fn no_more_is_planned_than_there_is_room_for() {
    let mut cluster = Cluster::mirroring(json!([subset(&["10.0.0.1", "fd00::1"], &[], &[A])]));
    assert_eq!(cluster.plan(1).len(), 1);
    assert_eq!(cluster.plan(1).len(), 1);
    assert!(cluster.plan(1).is_empty());
}
