use std::collections::BTreeMap;

use proptest::prelude::*;
use quaymaster_model::{Interned, IpAddressRecord, LabelSet, ObjectKey, ServiceCidrRecord, Text, names};

use super::cluster::{address, cidr, deleted, foreign_address};
use crate::blockers::Blockers;
use crate::ranges;

fn holds(cidrs: &[ServiceCidrRecord], addresses: &[IpAddressRecord], name: &str) -> bool {
    let key = cidr(name, &[]).key;
    Blockers::default().holds(&key, cidrs.iter(), addresses.iter())
}

#[test]
fn a_range_is_held_by_an_address_that_is_in_no_other() {
    let gone = |name, range: &str| deleted(cidr(name, &[range]), 0);
    let used = [address("10.0.0.5")];
    assert!(holds(&[gone("a", "10.0.0.0/24")], &used, "a"));
    assert!(!holds(&[gone("a", "10.0.0.0/24")], &[], "a"), "nothing is in use");
    assert!(!holds(&[gone("a", "10.0.1.0/24")], &used, "a"), "used elsewhere");
    let edges = [address("10.0.0.0"), address("10.0.0.255")];
    assert!(
        !holds(&[gone("a", "10.0.0.0/24")], &edges, "a"),
        "never given out"
    );
    let last = [address("fd00::ff")];
    assert!(holds(&[gone("a", "fd00::/120")], &last, "a"));
    assert!(
        !holds(&[gone("a", "10.0.0.0/24")], &[foreign_address("10.0.0.5")], "a"),
        "another allocator's"
    );
    let unlabelled = IpAddressRecord {
        labels: Interned::from_value(LabelSet::new([(
            Text::new(names::LABEL_IPADDRESS_MANAGED_BY),
            Text::new(names::MANAGER_IP_ALLOCATOR),
        )])),
        ..address("10.0.0.5")
    };
    assert!(
        !holds(&[gone("a", "10.0.0.0/24")], &[unlabelled], "a"),
        "the allocator labels each with its family"
    );
}

#[test]
fn a_range_is_let_go_where_another_one_has_its_addresses() {
    let gone = |range| deleted(cidr("a", &[range]), 0);
    for (range, used, other, held) in [
        ("10.0.0.0/24", "10.0.0.5", "10.0.0.0/24", false),
        ("10.0.0.0/24", "10.0.0.5", "10.0.0.0/16", false),
        ("10.0.0.0/24", "10.0.0.5", "10.0.0.0/29", false),
        ("10.0.0.0/24", "10.0.0.5", "10.0.0.128/25", true),
        ("fd00::/120", "fd00::5", "fd00::/120", false),
        ("fd00::/120", "fd00::5", "fd00::/112", false),
        ("fd00::/120", "fd00::5", "fd00::/125", false),
        ("fd00::/120", "fd00::5", "fd01::/120", true),
    ] {
        let cidrs = [gone(range), cidr("b", &[other])];
        assert_eq!(holds(&cidrs, &[address(used)], "a"), held, "{other}");
    }
    let gone = gone("10.0.0.0/24");
    let both = [gone, cidr("b", &["10.0.0.0/29"])];
    let orphan = [address("10.0.0.5"), address("10.0.0.99")];
    assert!(holds(&both, &orphan, "a"), "one would be left");
}

#[test]
fn of_two_equal_ranges_that_are_deleted_together_one_stays_while_addresses_are_there() {
    let cidrs = ["b", "a"].map(|name| deleted(cidr(name, &["10.0.0.0/24", "fd00::/120"]), 0));
    for used in ["10.0.0.5", "fd00::5"] {
        let used = [address(used)];
        assert!(holds(&cidrs, &used, "a"), "the first by name");
        assert!(!holds(&cidrs, &used, "b"));
    }
    assert!(!holds(&cidrs, &[], "a"));
}

/// Few ranges and addresses, so that they meet.
const RANGES: [&str; 5] = [
    "10.0.0.0/29",
    "10.0.0.0/28",
    "10.0.0.8/29",
    "10.0.0.0/30",
    "fd00::/124",
];
const ADDRESSES: [&str; 7] = [
    "10.0.0.0", "10.0.0.1", "10.0.0.3", "10.0.0.7", "10.0.0.9", "fd00::1", "fd00::f",
];

#[derive(Debug, Clone)]
enum Op {
    Cidr(usize, Vec<usize>, bool),
    NoCidr(usize),
    Address(usize, bool),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (
            0..4usize,
            prop::collection::vec(0..RANGES.len(), 1..3),
            any::<bool>()
        )
            .prop_map(|(name, ranges, gone)| Op::Cidr(name, ranges, gone)),
        (0..4usize).prop_map(Op::NoCidr),
        (0..ADDRESSES.len(), any::<bool>()).prop_map(|(address, there)| Op::Address(address, there)),
    ]
}

proptest! {
    /// Whatever happens in whatever order: no address is left without a range because all that are being deleted go, and
    /// none stays that upstream would let go alone.
    #[test]
    fn what_may_go_can_go_without_leaving_an_address_behind(ops in prop::collection::vec(op(), 1..60)) {
        let mut cidrs: BTreeMap<usize, ServiceCidrRecord> = BTreeMap::new();
        let mut addresses: BTreeMap<usize, IpAddressRecord> = BTreeMap::new();
        let mut blockers = Blockers::default();
        for op in ops {
            match op {
                Op::Cidr(name, of, gone) => {
                    let of: Vec<&str> = of.iter().map(|range| RANGES[*range]).collect();
                    let one = cidr(&format!("c{name}"), &of);
                    cidrs.insert(name, if gone { deleted(one, 0) } else { one });
                    blockers.forget();
                }
                Op::NoCidr(name) => {
                    cidrs.remove(&name);
                    blockers.forget();
                }
                Op::Address(at, there) => {
                    let record = address(ADDRESSES[at]);
                    if addresses.contains_key(&at) != there {
                        blockers.address_changed(cidrs.values(), &record, there);
                    }
                    if there {
                        addresses.insert(at, record);
                    } else {
                        addresses.remove(&at);
                    }
                }
            }
            let gone = || cidrs.values().filter(|cidr| cidr.deleted.is_some());
            let mut staying: Vec<&ServiceCidrRecord> = cidrs.values().filter(|cidr| cidr.deleted.is_none()).collect();
            for cidr in gone() {
                let held = blockers.holds(&cidr.key, cidrs.values(), addresses.values());
                prop_assert_eq!(held, holds_anew(&cidrs, &addresses, &cidr.key), "counted step by step");
                if held {
                    staying.push(cidr);
                }
                // Upstream's answer for one that is deleted while no other is.
                let others = |ip| cidrs.values().any(|other| other.key != cidr.key && ranges::is_in(other, ip));
                let alone = addresses.values().any(|address| {
                    let ip = address.address.unwrap();
                    ranges::is_in(cidr, ip) && !others(ip)
                });
                prop_assert!(!alone || held, "upstream holds it");
                if gone().count() == 1 {
                    prop_assert_eq!(held, alone);
                }
            }
            for address in addresses.values() {
                let ip = address.address.unwrap();
                let is_in = |cidr: &&ServiceCidrRecord| ranges::is_in(cidr, ip);
                let had = cidrs.values().any(|cidr| is_in(&cidr));
                prop_assert!(!had || staying.iter().any(is_in), "{} is left behind", ip);
            }
        }
    }
}

fn holds_anew(
    cidrs: &BTreeMap<usize, ServiceCidrRecord>,
    addresses: &BTreeMap<usize, IpAddressRecord>,
    key: &ObjectKey,
) -> bool {
    Blockers::default().holds(key, cidrs.values(), addresses.values())
}
