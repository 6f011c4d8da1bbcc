use quaymaster_model::{Protocol, TargetDetails, TargetRef, Text, Uid};

use super::*;
use crate::tests::records::{address, endpoint, port, subset};

const ORDER: PortOrder = PortOrder::Fnv128a;

fn desired(subsets: &[Subset], most: usize) -> Desired {
    Desired::of(subsets, most, ORDER)
}

/// Groups that have endpoints: family, numbers of the ports, addresses with `!` after those that are not ready.
fn shown(desired: &Desired) -> Vec<String> {
    let groups = desired.groups.iter().filter(|group| !group.endpoints.is_empty());
    groups
        .map(|group| {
            let ports = group.ports.ports().iter().map(|port| port.port.unwrap());
            let endpoints = group.endpoints.iter().map(|endpoint| {
                let ready = if endpoint.conditions.ready == Some(true) {
                    ""
                } else {
                    "!"
                };
                format!("{}{ready}", endpoint.addresses[0])
            });
            format!(
                "{:?} {:?} {}",
                group.family,
                ports.collect::<Vec<_>>(),
                endpoints.collect::<Vec<_>>().join(" ")
            )
        })
        .collect()
}

#[test]
fn subsets_without_addresses_are_nothing() {
    assert_eq!(shown(&desired(&[], 1000)), [""; 0]);
    assert_eq!(
        shown(&desired(&[subset(&[], &[], &[port("", 80)])], 1000)),
        [""; 0]
    );
}

#[test]
fn an_address_is_an_endpoint_with_its_readiness_alone_and_all_that_it_says_of_itself() {
    let target = TargetRef {
        kind: Text::new("Pod"),
        namespace: Text::new("shop"),
        name: Text::new("db-1"),
        uid: Uid::new("u-1"),
        details: TargetDetails {
            api_version: Some(Text::new("v1")),
            resource_version: Some(Text::new("12")),
            field_path: Some(Text::new("spec")),
        }
        .boxed(),
    };
    let mut with_all = address("10.0.0.1");
    with_all.hostname = Some(Text::new("db-1"));
    with_all.node = Some(Text::new("n1"));
    with_all.target = Some(Box::new(target.clone()));
    let mut given = subset(&[], &["10.0.0.2"], &[port("sql", 5432)]);
    given.ready.push(with_all);
    let desired = desired(&[given], 1000);
    let group = desired
        .groups
        .iter()
        .find(|group| group.family == IpFamily::V4)
        .unwrap();
    assert_eq!(
        group.endpoints,
        [
            EndpointRecord {
                hostname: Some(Text::new("db-1")),
                node: Some(Text::new("n1")),
                target: Some(target),
                ..endpoint("10.0.0.1", true)
            },
            endpoint("10.0.0.2", false),
        ]
    );
}

#[test]
fn a_port_is_that_of_the_subset_with_a_name_even_where_that_is_empty() {
    let mut http = port("", 80);
    http.protocol = Protocol::Udp;
    http.app_protocol = Some(Text::new("h2c"));
    let desired = desired(&[subset(&["10.0.0.1"], &[], &[http])], 1000);
    assert_eq!(
        desired.groups[0].ports.ports(),
        [EndpointPort {
            name: Some(Text::new("")),
            protocol: Some(Protocol::Udp),
            port: Some(80),
            app_protocol: Some(Text::new("h2c")),
        }]
    );
}

#[test]
fn each_family_of_each_set_of_ports_is_a_group() {
    let subsets = [
        subset(&["10.0.0.1", "fd00::1"], &["10.0.0.2"], &[port("", 80)]),
        subset(&["10.0.0.3", "fd00::3"], &[], &[port("", 81)]),
    ];
    assert_eq!(
        shown(&desired(&subsets, 1000)),
        [
            "V4 [80] 10.0.0.1 10.0.0.2!",
            "V6 [80] fd00::1",
            "V4 [81] 10.0.0.3",
            "V6 [81] fd00::3"
        ]
    );
}

#[test]
fn subsets_with_the_same_addresses_or_the_same_ports_are_one_group() {
    let same_address = [
        subset(&["10.0.0.1"], &[], &[port("", 80)]),
        subset(&["10.0.0.1"], &[], &[port("b", 81)]),
    ];
    assert_eq!(shown(&desired(&same_address, 1000)), ["V4 [80, 81] 10.0.0.1"]);
    let same_port = [
        subset(&["10.0.0.1"], &[], &[port("", 80)]),
        subset(&["10.0.0.2"], &["10.0.0.1"], &[port("", 80)]),
    ];
    assert_eq!(shown(&desired(&same_port, 1000)), ["V4 [80] 10.0.0.2 10.0.0.1!"]);
}

#[test]
fn addresses_are_written_in_canonical_form_and_a_mapped_one_is_of_the_first_family() {
    let subsets = [subset(&["010.0.0.01", "::ffff:10.0.0.2", "FD00:0::1"], &[], &[])];
    assert_eq!(
        shown(&desired(&subsets, 1000)),
        ["V4 [] 10.0.0.1 10.0.0.2", "V6 [] fd00::1"]
    );
}

#[test]
fn what_is_no_address_is_counted_and_left_out() {
    let subsets = [subset(&["10.0.0.1", "10.0.0.256"], &["host", "fd00::1"], &[])];
    let desired = desired(&subsets, 1000);
    assert_eq!(shown(&desired), ["V4 [] 10.0.0.1", "V6 [] fd00::1!"]);
    assert_eq!((desired.invalid, desired.skipped), (2, 2));
    assert_eq!((desired.endpoints(), desired.slices()), (2, 2));
}

#[test]
fn all_that_is_no_address_leaves_nothing() {
    let desired = desired(&[subset(&["a", "b"], &["c", "d", "e"], &[port("", 80)])], 1000);
    assert_eq!(shown(&desired), [""; 0]);
    assert_eq!((desired.invalid, desired.skipped), (5, 5));
}

#[test]
fn the_maximum_of_a_subset_is_shared_by_both_families_and_ready_addresses_go_first() {
    let subsets = [
        subset(
            &["10.0.0.9", "fd00::9", "x"],
            &["10.0.0.1", "10.0.0.2"],
            &[port("", 80)],
        ),
        subset(&["10.0.0.3"], &[], &[port("", 81)]),
    ];
    let desired = desired(&subsets, 3);
    assert_eq!(
        shown(&desired),
        [
            "V4 [80] 10.0.0.9 10.0.0.1!",
            "V6 [80] fd00::9",
            "V4 [81] 10.0.0.3"
        ]
    );
    // The invalid one takes no room.
    assert_eq!((desired.invalid, desired.skipped), (1, 2));
}

#[test]
fn equal_ports_with_an_app_protocol_are_one_slice_that_holds_no_more_than_the_maximum() {
    let mut http = port("", 80);
    http.app_protocol = Some(Text::new("http"));
    let subsets = [
        subset(&["10.0.0.1", "10.0.0.2"], &[], std::slice::from_ref(&http)),
        subset(&["10.0.0.3", "10.0.0.4"], &[], &[http]),
    ];
    let all = desired(&subsets, 4);
    assert_eq!((all.endpoints(), all.slices(), all.skipped), (4, 1, 0));
    let cut = desired(&subsets, 3);
    assert_eq!(
        (cut.endpoints(), cut.slices(), cut.skipped, cut.invalid),
        (3, 1, 1, 0)
    );
}

/// Upstream inserts both into one set, where the later one replaces the earlier one.
#[test]
fn an_address_in_two_such_subsets_is_one_endpoint_as_the_later_one_says() {
    let mut http = port("", 80);
    http.app_protocol = Some(Text::new("http"));
    let subsets = [
        subset(&["10.0.0.1"], &[], std::slice::from_ref(&http)),
        subset(&[], &["10.0.0.1"], &[http]),
    ];
    let last_is_ready = !quaymaster_subsets::repack(&subsets, ORDER)[1].ready.is_empty();
    let desired = desired(&subsets, 1000);
    assert_eq!(desired.endpoints(), 1);
    assert_eq!(
        desired.groups[0].endpoints[0].conditions.ready,
        Some(last_is_ready)
    );
}

#[test]
fn endpoints_of_one_address_with_other_targets_are_two() {
    let mut given = subset(&["10.0.0.1", "10.0.0.1"], &[], &[port("", 80)]);
    for (address, name) in given.ready.iter_mut().zip(["a", "b"]) {
        address.target = Some(Box::new(TargetRef {
            kind: Text::new("Pod"),
            namespace: Text::new("shop"),
            name: Text::new(name),
            uid: Uid::new(name),
            details: None,
        }));
    }
    assert_eq!(desired(&[given], 1000).endpoints(), 2);
}
