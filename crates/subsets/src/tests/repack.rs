//! The canonical form.
//!
//! | Rule | Test |
//! |---|---|
//! | what says nothing | `what_has_no_address_vanishes`, `addresses_without_ports_stay_without_ports` |
//! | same addresses | `ports_with_the_same_addresses_share_a_subset`, `an_address_that_is_ready_for_one_port_alone_tells_the_ports_apart` |
//! | same port | `addresses_with_the_same_port_share_a_subset`, `a_port_that_is_given_twice_stands_once` |
//! | which address | `addresses_are_told_apart_by_ip_and_uid_and_the_first_supplies_the_rest` |
//! | ready and not ready | `what_is_both_ready_and_not_ready_for_a_port_is_not_ready` |
//! | ports without a number | `a_port_whose_number_is_not_above_zero_is_none`, `a_real_port_of_the_same_addresses_takes_the_place_of_none` |
//! | `appProtocol` | `equal_ports_with_an_app_protocol_are_two_where_they_were_read_and_one_where_they_were_computed` |
//! | all of it | `subsets_in_disorder_are_packed_by_the_ports_that_their_addresses_share` |
//! | order | `addresses_are_sorted_as_text_then_by_uid`, `ports_and_subsets_are_in_the_order_of_the_version` |

use quaymaster_model::rules::PortOrder;
use quaymaster_model::{Protocol, Subset, SubsetAddress, SubsetPort, Text};

use super::fixture::{bare, h2c, of_pod, port, subset};
use crate::{pack, repack};

fn repacked(subsets: &[Subset]) -> Vec<Subset> {
    repack(subsets, PortOrder::Fnv128a)
}

fn ips(addresses: &[SubsetAddress]) -> Vec<String> {
    addresses.iter().map(|address| address.ip.to_string()).collect()
}

fn one(subsets: &[Subset]) -> Subset {
    let [one] = repacked(subsets).try_into().unwrap();
    one
}

#[test]
fn what_has_no_address_vanishes() {
    assert_eq!(repacked(&[]), []);
    assert_eq!(repacked(&[subset(&[], &[], &[port("a", 80)])]), []);
    assert_eq!(repacked(&[Subset::default(), Subset::default()]), []);
}

#[test]
fn addresses_without_ports_stay_without_ports() {
    let given = subset(&[bare("10.0.0.1")], &[bare("10.0.0.2")], &[]);
    assert_eq!(one(std::slice::from_ref(&given)), given);
    let other = subset(&[bare("10.0.0.3")], &[], &[]);
    let all = subset(&[bare("10.0.0.1"), bare("10.0.0.3")], &[bare("10.0.0.2")], &[]);
    assert_eq!(one(&[given, other]), all, "they are one subset");
}

#[test]
fn addresses_with_the_same_port_share_a_subset() {
    let (a, b, ports) = (bare("10.0.0.1"), bare("10.0.0.2"), [port("a", 80)]);
    let apart = [
        subset(std::slice::from_ref(&a), &[], &ports),
        subset(&[], std::slice::from_ref(&b), &ports),
    ];
    assert_eq!(one(&apart), subset(&[a], &[b], &ports));
}

#[test]
fn ports_with_the_same_addresses_share_a_subset() {
    let all = [bare("10.0.0.1"), bare("10.0.0.2")];
    let apart = [
        subset(&all, &[], &[port("a", 80)]),
        subset(&all[..1], &[], &[port("b", 81)]),
        subset(&all[1..], &[], &[port("b", 81)]),
    ];
    let together = one(&apart);
    assert_eq!(ips(&together.ready), ["10.0.0.1", "10.0.0.2"]);
    assert_eq!(together.ports.len(), 2);
}

#[test]
fn an_address_that_is_ready_for_one_port_alone_tells_the_ports_apart() {
    let address = [bare("10.0.0.1")];
    let given = [
        subset(&address, &[], &[port("a", 80)]),
        subset(&[], &address, &[port("b", 81)]),
    ];
    let mut found = repacked(&given);
    found.sort_by(|a, b| a.ports.cmp(&b.ports));
    assert_eq!(found, given);
}

#[test]
fn a_port_that_is_given_twice_stands_once() {
    let given = subset(&[bare("10.0.0.1")], &[], &[port("a", 80), port("a", 80)]);
    assert_eq!(one(&[given]).ports, [port("a", 80)]);
}

#[test]
fn addresses_are_told_apart_by_ip_and_uid_and_the_first_supplies_the_rest() {
    let named = |mut address: SubsetAddress, name: &str| {
        address.hostname = Some(Text::new(name));
        address
    };
    let given = [
        subset(
            &[
                named(of_pod("10.0.0.1", "u2"), "first"),
                named(of_pod("10.0.0.1", "u1"), "other-uid"),
                named(bare("10.0.0.1"), "no-target"),
            ],
            &[],
            &[port("a", 80)],
        ),
        subset(
            &[
                named(of_pod("10.0.0.1", "u2"), "second"),
                // An empty UID is none.
                named(of_pod("10.0.0.1", ""), "empty-uid"),
            ],
            &[],
            &[port("a", 80)],
        ),
    ];
    let found = one(&given);
    let order: Vec<_> = found
        .ready
        .iter()
        .filter_map(|address| address.hostname.as_deref())
        .collect();
    assert_eq!(order, ["no-target", "other-uid", "first"]);
}

#[test]
fn what_is_both_ready_and_not_ready_for_a_port_is_not_ready() {
    let address = [bare("10.0.0.1")];
    let ports = [port("a", 80)];
    let wanted = subset(&[], &address, &ports);
    assert_eq!(one(&[subset(&address, &address, &ports)]), wanted);
    let (ready, not_ready) = (subset(&address, &[], &ports), subset(&[], &address, &ports));
    assert_eq!(one(&[ready.clone(), not_ready.clone()]), wanted);
    assert_eq!(one(&[not_ready, ready]), wanted);
}

#[test]
fn a_port_whose_number_is_not_above_zero_is_none() {
    let address = [bare("10.0.0.1")];
    for number in [0, -1] {
        let given = subset(&address, &[], &[port("a", number)]);
        assert_eq!(one(&[given]), subset(&address, &[], &[]));
    }
}

#[test]
fn a_real_port_of_the_same_addresses_takes_the_place_of_none() {
    let address = [bare("10.0.0.1")];
    let given = [
        subset(&address, &[], &[]),
        subset(&address, &[], &[port("a", 80)]),
    ];
    assert_eq!(one(&given), given[1]);
}

#[test]
fn equal_ports_with_an_app_protocol_are_two_where_they_were_read_and_one_where_they_were_computed() {
    let (a, b) = ([bare("10.0.0.1")], [bare("10.0.0.2")]);
    let given = [subset(&a, &[], &[h2c("a", 80)]), subset(&b, &[], &[h2c("a", 80)])];
    assert_eq!(repacked(&given).len(), 2);
    let together = pack(&given, PortOrder::Fnv128a);
    assert_eq!(together.len(), 1);
    assert_eq!(repacked(&together), together, "what was computed is read alike");
    let twice = subset(&a, &[], &[h2c("a", 80), h2c("a", 80)]);
    assert_eq!(one(&[twice]).ports.len(), 2);
}

#[test]
fn addresses_are_sorted_as_text_then_by_uid() {
    let given = subset(
        &[
            bare("fd00:10:244:1::2"),
            bare("10.0.0.9"),
            of_pod("10.0.0.10", "u2"),
            of_pod("10.0.0.10", "u10"),
            of_pod("10.0.0.10", "10"),
            bare("10.0.0.10"),
            // Beside a UID of the usual form, which is held otherwise than others.
            of_pod("10.0.0.10", "u1f2a8d1c-0b4e-4c1a-9d3e-0123456789ab"),
            of_pod("10.0.0.10", "3f2a8d1c-0b4e-4c1a-9d3e-0123456789ab"),
            bare("fd00:10:244:1::1"),
        ],
        &[],
        &[port("a", 80)],
    );
    let found = one(&[given]).ready;
    assert_eq!(
        ips(&found),
        [
            "10.0.0.10",
            "10.0.0.10",
            "10.0.0.10",
            "10.0.0.10",
            "10.0.0.10",
            "10.0.0.10",
            "10.0.0.9",
            "fd00:10:244:1::1",
            "fd00:10:244:1::2"
        ]
    );
    let uids = found[..6]
        .iter()
        .map(|address| address.target.as_ref().map(|target| target.uid.to_string()));
    assert_eq!(
        uids.map(Option::unwrap_or_default).collect::<Vec<_>>(),
        [
            "",
            "10",
            "3f2a8d1c-0b4e-4c1a-9d3e-0123456789ab",
            "u10",
            "u1f2a8d1c-0b4e-4c1a-9d3e-0123456789ab",
            "u2"
        ]
    );
}

/// The orders were read off upstream's function and printing library.
#[test]
fn ports_and_subsets_are_in_the_order_of_the_version() {
    let udp = SubsetPort {
        protocol: Protocol::Udp,
        ..port("", 8080)
    };
    let given = subset(&[bare("10.0.0.1")], &[], &[port("", 8080), udp.clone()]);
    assert_eq!(one(&[given]).ports, [udp, port("", 8080)]);
    let numbers: Vec<Subset> = (80..86)
        .map(|number| subset(&[bare(&format!("10.0.0.{number}"))], &[], &[port("a", number)]))
        .collect();
    let order = |order| {
        let subsets = repack(&numbers, order);
        subsets
            .iter()
            .map(|subset| subset.ports[0].port)
            .collect::<Vec<_>>()
    };
    assert_eq!(order(PortOrder::Fnv128a), [81, 80, 85, 84, 83, 82]);
    assert_eq!(order(PortOrder::Md5), [82, 81, 85, 80, 84, 83]);
}

#[test]
fn subsets_in_disorder_are_packed_by_the_ports_that_their_addresses_share() {
    for is_ready in [true, false] {
        let of = |ips: &[&str], ports: &[SubsetPort]| {
            let addresses: Vec<SubsetAddress> = ips.iter().map(|ip| bare(ip)).collect();
            if is_ready {
                subset(&addresses, &[], ports)
            } else {
                subset(&[], &addresses, ports)
            }
        };
        let given = [
            subset(&[bare("10.0.0.3")], &[], &[port("a", 80)]),
            of(&["10.0.0.2"], &[port("c", 82)]),
            subset(&[bare("10.0.0.1")], &[], &[port("a", 80)]),
            of(&["10.0.0.2"], &[port("b", 81)]),
        ];
        let mut found = repacked(&given);
        for subset in &mut found {
            subset.ports.sort();
        }
        found.sort_by(|a, b| a.ports.cmp(&b.ports));
        let expected = [
            subset(&[bare("10.0.0.1"), bare("10.0.0.3")], &[], &[port("a", 80)]),
            of(&["10.0.0.2"], &[port("b", 81), port("c", 82)]),
        ];
        assert_eq!(found, expected, "{is_ready}");
    }
}
