//! Contents told apart.

use proptest::prelude::*;
use quaymaster_model::rules::PortOrder;
use quaymaster_model::{Subset, SubsetAddress, SubsetPort, TargetDetails, Text};

use super::fixture::{bare, h2c, of_pod, port, subset};
use crate::{digest, pack, repack};

#[test]
fn the_way_of_saying_does_not_count() {
    let (a, b) = (of_pod("10.0.0.1", "u1"), of_pod("10.0.0.2", "u2"));
    let (http, https) = (port("http", 80), port("https", 443));
    let one = subset(&[a.clone(), b.clone()], &[], &[http.clone(), https.clone()]);
    let other = [
        subset(std::slice::from_ref(&b), &[], &[https.clone(), http.clone()]),
        Subset::default(),
        subset(std::slice::from_ref(&a), &[], &[http]),
        subset(&[a], &[], &[https]),
    ];
    assert_eq!(digest(&[one]), digest(&other));
    assert_eq!(digest(&[]), digest(&[Subset::default()]));
}

#[test]
fn every_field_counts() {
    let plain = subset(
        &[of_pod("10.0.0.1", "u1"), of_pod("10.0.0.4", "u4")],
        &[],
        &[port("a", 80)],
    );
    let with = |change: &dyn Fn(&mut SubsetAddress)| {
        let mut subset = plain.clone();
        change(&mut subset.ready[0]);
        digest(&[subset])
    };
    let with_port = |change: &dyn Fn(&mut SubsetPort)| {
        let mut subset = plain.clone();
        change(&mut subset.ports[0]);
        digest(&[subset])
    };
    let target = |change: &dyn Fn(&mut quaymaster_model::TargetRef)| {
        with(&|address| change(address.target.as_mut().unwrap()))
    };
    let detail = |change: fn(&mut TargetDetails) -> &mut Option<Text>| {
        target(&|target| {
            let mut details = TargetDetails::default();
            *change(&mut details) = Some(Text::new("v1"));
            target.details = details.boxed();
        })
    };
    assert_eq!(
        detail(|details| &mut details.resource_version),
        digest(std::slice::from_ref(&plain)),
        "upstream does not compare that"
    );
    let mut found = vec![
        digest(std::slice::from_ref(&plain)),
        digest(&[subset(&plain.ready[..1], &plain.ready[1..], &plain.ports)]),
        digest(&[subset(&plain.ready[..1], &[], &plain.ports)]),
        digest(&[subset(&plain.ready, &[], &[])]),
        digest(&[subset(&plain.ready, &[], &[port("a", 80), port("b", 80)])]),
        with(&|address| address.ip = bare("10.0.0.2").ip),
        with(&|address| address.hostname = Some(Text::new("h"))),
        with(&|address| address.node = None),
        with(&|address| address.node = Some(Text::new(""))),
        with(&|address| address.target = None),
        target(&|target| target.kind = Text::new("Node")),
        target(&|target| target.namespace = Text::new("other")),
        target(&|target| target.name = Text::new("other")),
        target(&|target| target.uid = quaymaster_model::Uid::new("u9")),
        detail(|details| &mut details.api_version),
        detail(|details| &mut details.field_path),
        with_port(&|port| port.name = Text::new("b")),
        with_port(&|port| port.port = 81),
        with_port(&|port| port.protocol = quaymaster_model::Protocol::Udp),
        with_port(&|port| port.app_protocol = Some(Text::new("h2c"))),
    ];
    let all = found.len();
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), all);
}

/// What a sum of weak hashes would take for the same.
#[test]
fn what_is_exchanged_between_subsets_or_addresses_counts() {
    let ip = |n: u32| bare(&format!("10.0.0.{n}"));
    let pair = |a, b| digest(&[subset(&[ip(a), ip(b)], &[], &[port("a", 80)])]);
    assert_ne!(pair(1, 4), pair(2, 3));
    let crossed = |a: &str, b: &str| {
        digest(&[
            subset(&[ip(1)], &[], &[port(a, 80)]),
            subset(&[ip(2)], &[], &[port(b, 80)]),
        ])
    };
    assert_ne!(crossed("a", "b"), crossed("b", "a"));
}

fn any_address() -> impl Strategy<Value = SubsetAddress> {
    let uids = prop_oneof![Just(None), Just(Some("")), Just(Some("u1")), Just(Some("u2"))];
    (1u8..5, uids, any::<bool>()).prop_map(|(ip, uid, named)| {
        let ip = format!("10.0.0.{ip}");
        let mut address = uid.map_or_else(|| bare(&ip), |uid| of_pod(&ip, uid));
        address.hostname = named.then(|| Text::new("h"));
        address
    })
}

fn any_subsets() -> impl Strategy<Value = Vec<Subset>> {
    let ports = prop_oneof![
        Just(port("a", 80)),
        Just(port("b", 81)),
        Just(port("c", 0)),
        Just(h2c("a", 80)),
        Just(h2c("b", 81))
    ];
    let addresses = || prop::collection::vec(any_address(), 0..4);
    let subset = (addresses(), addresses(), prop::collection::vec(ports, 0..4));
    prop::collection::vec(
        subset.prop_map(|(ready, not_ready, ports)| Subset {
            ready,
            not_ready,
            ports,
        }),
        0..5,
    )
}

proptest! {
    #[test]
    fn digests_are_equal_exactly_where_canonical_forms_are(one in any_subsets(), other in any_subsets()) {
        let form = |subsets: &[Subset]| repack(subsets, PortOrder::Fnv128a);
        prop_assert_eq!(digest(&one), digest(&form(&one)), "the form has the digest of what it was made of");
        prop_assert_eq!(digest(&one), digest(&repack(&one, PortOrder::Md5)), "whatever the version");
        prop_assert_eq!(digest(&one) == digest(&other), form(&one) == form(&other));
        let turned: Vec<Subset> = form(&one)
            .into_iter()
            .rev()
            .map(|subset| Subset {
                ready: subset.ready.into_iter().rev().collect(),
                not_ready: subset.not_ready.into_iter().rev().collect(),
                ports: subset.ports.into_iter().rev().collect(),
            })
            .collect();
        prop_assert_eq!(digest(&turned), digest(&one), "whatever the order");
    }

    #[test]
    fn the_canonical_form_is_its_own(subsets in any_subsets()) {
        for order in [PortOrder::Fnv128a, PortOrder::Md5] {
            let read = repack(&subsets, order);
            prop_assert_eq!(&repack(&read, order), &read);
            let computed = pack(&subsets, order);
            prop_assert_eq!(&pack(&computed, order), &computed);
            prop_assert_eq!(&repack(&computed, order), &computed);
        }
    }
}
