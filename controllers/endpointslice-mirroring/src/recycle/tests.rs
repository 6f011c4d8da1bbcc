use super::*;
use crate::tests::records::{endpoint, port_set, slice};

fn group(family: IpFamily, port: i32, ips: &[&str]) -> Group {
    Group {
        family,
        ports: port_set(port),
        endpoints: ips.iter().map(|ip| endpoint(ip, true)).collect(),
    }
}

fn existing(name: &str, address_type: &str, ips: &[&str]) -> Arc<SliceRecord> {
    let endpoints = ips.iter().map(|ip| endpoint(ip, true)).collect();
    slice(name, address_type, port_set(1), endpoints)
}

fn paired(groups: &[Group], slices: &[Arc<SliceRecord>]) -> Vec<Option<usize>> {
    pair(
        &groups.iter().collect::<Vec<_>>(),
        &slices.iter().collect::<Vec<_>>(),
    )
}

const V4: IpFamily = IpFamily::V4;
const V6: IpFamily = IpFamily::V6;

#[test]
fn without_slices_or_without_groups_nothing_is_paired() {
    assert_eq!(paired(&[], &[existing("a", "IPv4", &[])]), []);
    assert_eq!(paired(&[group(V4, 80, &["10.0.0.1"])], &[]), [None]);
}

#[test]
fn as_many_are_paired_as_there_are_of_both() {
    let (one, two) = (group(V4, 80, &["10.0.0.1"]), group(V4, 81, &["10.0.0.2"]));
    let (a, b) = (existing("a", "IPv4", &[]), existing("b", "IPv4", &[]));
    assert_eq!(
        paired(&[one.clone(), two.clone()], std::slice::from_ref(&a)),
        [Some(0), None]
    );
    assert_eq!(
        paired(std::slice::from_ref(&one), &[a.clone(), b.clone()]),
        [Some(0)]
    );
    assert_eq!(paired(&[one, two], &[a, b]), [Some(0), Some(1)]);
}

#[test]
fn pairs_are_of_one_family() {
    let groups = [group(V4, 80, &["10.0.0.1"]), group(V6, 80, &["fd00::1"])];
    let slices = [existing("a", "IPv6", &[]), existing("b", "IPv4", &[])];
    assert_eq!(paired(&groups, &slices), [Some(1), Some(0)]);
    assert_eq!(paired(&groups[..1], &slices[..1]), [None]);
    assert_eq!(paired(&groups, &[existing("c", "FQDN", &[])]), [None, None]);
}

#[test]
fn a_group_gets_the_slice_that_holds_most_of_it() {
    let groups = [
        group(V4, 80, &["10.0.0.1"]),
        group(V4, 81, &["10.0.0.2", "10.0.0.3"]),
    ];
    let slices = [
        existing("a", "IPv4", &["10.0.0.2", "10.0.0.3"]),
        existing("b", "IPv4", &["10.0.0.1", "10.0.0.2"]),
    ];
    assert_eq!(paired(&groups, &slices), [Some(1), Some(0)]);
}

#[test]
fn of_equals_the_one_named_first_is_taken() {
    let groups = [group(V4, 80, &["10.0.0.1"])];
    let slices = [
        existing("b", "IPv4", &["10.0.0.1"]),
        existing("a", "IPv4", &["10.0.0.1"]),
    ];
    assert_eq!(paired(&groups, &slices), [Some(1)]);
}
