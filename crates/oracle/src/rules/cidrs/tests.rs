//! Ranges, and when a ServiceCIDR may go.

use serde_json::json;

use super::*;

fn cidr(name: &str, ranges: &[&str]) -> ServiceCIDR {
    let value = json!({"metadata": {"name": name}, "spec": {"cidrs": ranges}});
    serde_json::from_value(value).unwrap()
}

fn address(ip: &str, manager: &str) -> IPAddress {
    let value = json!({
        "metadata": {"name": ip, "labels": {names::ADDRESS_MANAGED_BY: manager}},
        "spec": {"parentRef": {"resource": "services", "name": "web"}},
    });
    serde_json::from_value(value).unwrap()
}

#[test]
fn the_first_address_is_not_held_nor_the_last_one_of_ipv4() {
    let both = cidr("a", &["10.0.0.0/24", "fd00::/120"]);
    for (ip, held) in [
        ("10.0.0.0", false),
        ("10.0.0.1", true),
        ("10.0.0.254", true),
        ("10.0.0.255", false),
        ("10.0.1.1", false),
        ("fd00::", false),
        ("fd00::1", true),
        ("fd00::ff", true),
        ("fd00::100", false),
    ] {
        assert_eq!(holds(&both, ip.parse().unwrap()), held, "{ip}");
    }
    assert!(holds(&cidr("all", &["0.0.0.0/0"]), "10.0.0.1".parse().unwrap()));
    assert!(!holds(
        &cidr("one", &["10.0.0.1/32"]),
        "10.0.0.1".parse().unwrap()
    ));
}

#[test]
fn ranges_overlap_where_they_share_an_address_and_equal_ones_are_within_each_other() {
    let (large, small, other) = (
        cidr("a", &["10.0.0.0/16"]),
        cidr("b", &["10.0.1.0/24"]),
        cidr("c", &["10.1.0.0/24"]),
    );
    assert!(overlap(&large, &small) && overlap(&small, &large) && !overlap(&large, &other));
    assert!(covered(&small, &[&large]) && !covered(&large, &[&small]) && covered(&small, &[&small]));
    assert!(!overlap(&large, &cidr("d", &["fd00::/64"])));
}

#[test]
fn a_range_goes_without_addresses_of_its_own_or_with_a_range_that_holds_them() {
    let small = cidr("small", &["10.0.1.0/24"]);
    let held = [address("10.0.1.7", names::ALLOCATOR)];
    let alone = [];
    assert!(may_go(&small, &alone, &[]));
    assert!(!may_go(&small, &alone, &held));
    assert!(may_go(&small, &alone, &[address("10.0.1.7", "someone")]));
    assert!(may_go(&small, &alone, &[address("10.0.2.7", names::ALLOCATOR)]));
    let mut twin = cidr("twin", &["10.0.1.0/24"]);
    twin.metadata.deletion_timestamp = Some(crate::testing::time(1));
    assert!(
        may_go(&small, &[&twin], &held),
        "also where that one is being deleted"
    );
    let half = cidr("half", &["10.0.1.0/25"]);
    assert!(
        may_go(&small, &[&half], &held),
        "the address is in the smaller one, too"
    );
    let dual = cidr("dual", &["10.0.1.0/24", "fd00::/120"]);
    assert!(!may_go(&dual, &[], &held));
    assert!(
        !may_go(&dual, &[&cidr("six", &["fd00::/64"])], &held),
        "one range of two is covered"
    );
}

#[test]
fn the_condition_is_ready_until_a_deletion_that_addresses_hold_up() {
    let mut small = cidr("small", &["10.0.1.0/24"]);
    let held = [address("10.0.1.7", names::ALLOCATOR)];
    let status = |cidr: &ServiceCIDR, addresses: &[IPAddress]| {
        wanted_condition(cidr, std::slice::from_ref(cidr), addresses).map(|condition| condition.status)
    };
    assert_eq!(status(&small, &held), Some("True"));
    small.metadata.deletion_timestamp = Some(crate::testing::time(1));
    assert_eq!(status(&small, &held), Some("False"));
    assert_eq!(status(&small, &[]), None);
}
