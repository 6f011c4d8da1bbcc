//! Address types of a Service.
//!
//! | Rule | Test |
//! |---|---|
//! | `ipFamilies` decide | `a_dual_stack_service_has_slices_of_both_families` |
//! | none, but a cluster IP | `without_families_the_cluster_ip_decides` |
//! | none and headless | `without_families_and_cluster_ip_both_families_are_served` |
//! | at least one slice each | `a_family_without_an_address_has_a_placeholder` |
//! | family added | `a_family_that_is_added_gets_slices_and_the_other_keeps_its_own` |
//! | family removed | `the_slices_of_a_family_that_is_removed_are_deleted` |
//! | other types | `slices_of_types_that_no_service_has_are_deleted` |
//! | one family only | `the_addresses_of_a_family_that_the_service_does_not_have_are_no_work` |

use std::net::Ipv6Addr;
use std::sync::Arc;

use quaymaster_model::{AddressType, ClusterAddress, IpFamily};

use super::fixture::{Fixture, counts, pod};

fn dual(count: usize) -> Fixture {
    let mut fixture = Fixture::new();
    fixture.service.ip_families = vec![IpFamily::V4, IpFamily::V6];
    for n in 0..count {
        let mut pod = pod(n);
        pod.addresses
            .push(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, u16::try_from(n).unwrap()).into());
        fixture.world.add(pod);
    }
    fixture.restart();
    fixture
}

fn by_type(fixture: &Fixture) -> Vec<(String, usize)> {
    let slices = fixture.world.slices.values();
    let mut found: Vec<_> = slices
        .map(|slice| (slice.address_type.to_string(), slice.endpoints.len()))
        .collect();
    found.sort();
    found
}

fn types(expected: &[(&str, usize)]) -> Vec<(String, usize)> {
    expected
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

#[test]
fn a_dual_stack_service_has_slices_of_both_families() {
    let mut fixture = dual(3);
    assert_eq!(counts(&fixture.settle()), (2, 0, 0));
    assert_eq!(by_type(&fixture), types(&[("IPv4", 3), ("IPv6", 3)]));
    for slice in fixture.world.slices.values() {
        for endpoint in &slice.endpoints {
            let colons = endpoint.addresses[0].to_string().contains(':');
            assert_eq!(
                (colons, endpoint.addresses.len()),
                (slice.address_type == AddressType::IPv6, 1)
            );
        }
    }
}

#[test]
fn without_families_the_cluster_ip_decides() {
    for (ip, expected) in [("10.0.0.1", "IPv4"), ("fd00::1", "IPv6"), ("nonsense", "IPv4")] {
        let mut fixture = dual(1);
        fixture.service.ip_families.clear();
        fixture.service.cluster_ip = ClusterAddress::new(ip);
        fixture.start();
        assert_eq!(by_type(&fixture), types(&[(expected, 1)]), "{ip}");
    }
}

#[test]
fn without_families_and_cluster_ip_both_families_are_served() {
    for ip in ["None", ""] {
        let mut fixture = dual(1);
        fixture.service.ip_families.clear();
        fixture.service.cluster_ip = ClusterAddress::new(ip);
        fixture.start();
        assert_eq!(by_type(&fixture), types(&[("IPv4", 1), ("IPv6", 1)]), "{ip:?}");
    }
}

#[test]
fn a_family_without_an_address_has_a_placeholder() {
    let mut fixture = Fixture::new().with_pods(2);
    fixture.service.ip_families = vec![IpFamily::V6, IpFamily::V4];
    fixture.start();
    assert_eq!(by_type(&fixture), types(&[("IPv4", 2), ("IPv6", 0)]));
}

#[test]
fn a_family_that_is_added_gets_slices_and_the_other_keeps_its_own() {
    let mut fixture = dual(2);
    fixture.service.ip_families = vec![IpFamily::V4];
    fixture.start();
    assert_eq!(by_type(&fixture), types(&[("IPv4", 2)]));
    fixture.service.ip_families.push(IpFamily::V6);
    fixture.refresh();
    assert_eq!(counts(&fixture.settle()), (1, 0, 0));
    assert_eq!(by_type(&fixture), types(&[("IPv4", 2), ("IPv6", 2)]));
}

#[test]
fn the_slices_of_a_family_that_is_removed_are_deleted() {
    let mut fixture = dual(2);
    fixture.settle();
    fixture.service.ip_families = vec![IpFamily::V6];
    fixture.refresh();
    assert_eq!(counts(&fixture.settle()), (0, 0, 1));
    assert_eq!(by_type(&fixture), types(&[("IPv6", 2)]));
    assert!(!fixture.state.has_work());
}

#[test]
fn slices_of_types_that_no_service_has_are_deleted() {
    let mut fixture = Fixture::new().with_pods(1);
    fixture.store_pods("svc-right", 0..1);
    fixture.store_pods("svc-names", 0..1);
    fixture.store_pods("svc-ips", 0..1);
    for (name, kind) in [("svc-names", "FQDN"), ("svc-ips", "IP")] {
        let slice = fixture.world.slices.get_mut(name).unwrap();
        Arc::make_mut(slice).address_type = AddressType::new(kind);
    }
    fixture.restart();
    assert_eq!(counts(&fixture.settle()), (0, 0, 2));
    assert_eq!(by_type(&fixture), types(&[("IPv4", 1)]));
    assert!(!fixture.state.has_work());
}

#[test]
fn the_addresses_of_a_family_that_the_service_does_not_have_are_no_work() {
    let mut fixture = dual(2);
    fixture.service.ip_families = vec![IpFamily::V4];
    fixture.start();
    assert!(
        fixture
            .state
            .families
            .iter()
            .all(|family| family.unplaced.is_empty())
    );
    assert!(!fixture.state.has_work());
}
