use super::*;
use crate::rules::hints::for_zone;
use crate::testing::{pods, service, slice};

fn two_slices() -> Vec<EndpointSlice> {
    let (service, pods) = (service("a"), pods(5));
    vec![
        slice("one", &service, &pods[..3], None),
        slice("two", &service, &pods[3..], None),
    ]
}

#[test]
fn slices_as_the_controller_writes_them_break_no_rule() {
    assert_eq!(check_invariants(&two_slices(), &[], 3), []);
}

#[test]
fn a_slice_may_stay_above_the_maximum_but_not_grow() {
    let slices = two_slices();
    let found = check_invariants(&slices, &[], 2);
    assert_eq!(
        found.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["ns/one: 3 endpoints, more than 2"]
    );
    assert_eq!(check_invariants(&slices, &slices, 2), []);
    let mut before = slices.clone();
    before[0].endpoints.as_mut().unwrap().pop();
    assert_eq!(check_invariants(&slices, &before, 2).len(), 1);
}

#[test]
fn an_endpoint_may_be_listed_once_in_a_family_whatever_its_ports() {
    let mut slices = two_slices();
    let twice = endpoints(&slices[0])[0].clone();
    slices[1].endpoints.as_mut().unwrap().push(twice);
    slices[1].ports = None;
    let found = check_invariants(&slices, &[], 100);
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].to_string(),
        "ns/two: endpoint 10.1.0.1 (pod-0000) is also in ns/one"
    );
}

type Change = fn(&mut EndpointSlice);

#[test]
fn what_the_api_would_refuse_is_reported() {
    let broken: [(&str, Change); 9] = [
        ("family", |slice| {
            slice.endpoints.as_mut().unwrap()[0].addresses = vec!["fd00::1".to_owned()];
        }),
        ("text", |slice| {
            slice.endpoints.as_mut().unwrap()[0].addresses = vec!["<nil>".to_owned()];
        }),
        ("no address", |slice| {
            slice.endpoints.as_mut().unwrap()[0].addresses.clear();
        }),
        ("type", |slice| "IP".clone_into(&mut slice.address_type)),
        ("node", |slice| {
            slice.endpoints.as_mut().unwrap()[0].node_name = Some(String::new());
        }),
        ("ports", |slice| {
            let ports = slice.ports.as_mut().unwrap();
            ports.push(ports[0].clone());
        }),
        ("hints", |slice| {
            let mut hints = for_zone("a");
            let zones = hints.for_zones.as_mut().unwrap();
            zones.push(zones[0].clone());
            slice.endpoints.as_mut().unwrap()[0].hints = Some(hints);
        }),
        ("nine zones", |slice| hint_zones(slice, 9)),
        ("number", |slice| slice.ports.as_mut().unwrap()[0].port = Some(0)),
    ];
    for (what, change) in broken {
        let mut slices = two_slices();
        change(&mut slices[0]);
        assert!(!check_invariants(&slices, &[], 100).is_empty(), "{what}");
    }
    let mut slices = two_slices();
    hint_zones(&mut slices[0], 8);
    assert_eq!(
        check_invariants(&slices, &[], 100),
        [],
        "as many as the API takes"
    );
}

fn hint_zones(slice: &mut EndpointSlice, count: usize) {
    let mut hints = for_zone("a");
    let zones = hints.for_zones.as_mut().unwrap();
    for number in 1..count {
        let mut zone = zones[0].clone();
        zone.name = format!("a{number}");
        zones.push(zone);
    }
    slice.endpoints.as_mut().unwrap()[0].hints = Some(hints);
}
