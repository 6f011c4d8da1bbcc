use quaymaster_model::Text;

use super::*;
use crate::topology::tests::{IPV4, node, slice_in, three_equal_zones, zones};
use crate::topology::{Bucket, DisabledReason, TopologyEvent, add_hints, forget};

const IPV6: AddressType = AddressType::IPv6;

fn state(counted: &[(AddressType, &[(&str, usize)])]) -> HintState {
    let mut state = HintState::default();
    for (address_type, counted) in counted {
        let counted = counted
            .iter()
            .map(|(zone, hints)| (Text::new(zone), *hints))
            .collect();
        state.remember(address_type.clone(), counted);
    }
    state
}

#[test]
fn a_service_without_hints_takes_a_word() {
    assert_eq!(size_of::<HintState>(), size_of::<usize>());
    let mut state = state(&[(IPV4, &[("a", 1)]), (IPV6, &[("a", 1)])]);
    state.forget(&IPV4);
    assert!(state.0.is_some());
    state.forget(&IPV6);
    assert!(state.0.is_none());
}

#[test]
fn a_service_is_overloaded_once_a_zone_has_less_than_its_minimum() {
    let zones = three_equal_zones();
    for (counted, overloaded) in [
        (&[("a", 2), ("b", 2), ("c", 2)][..], false),
        // A third of seven, divided by 1.2, is a bit less than two.
        (&[("a", 3), ("b", 2), ("c", 2)], false),
        (&[("a", 4), ("b", 2), ("c", 1)], true),
        (&[("a", 4), ("b", 2)], true),
        (&[("a", 2), ("b", 2), ("c", 2), ("x", 1)], false),
        (&[("a", 2), ("b", 2), ("c", 2), ("x", 2)], true),
        (&[], false),
    ] {
        assert_eq!(
            state(&[(IPV4, counted)]).is_overloaded(&zones),
            overloaded,
            "{counted:?}"
        );
    }
}

#[test]
fn a_service_with_hints_is_overloaded_without_ratios() {
    assert!(state(&[(IPV4, &[("a", 1)])]).is_overloaded(&Zones::default()));
    assert!(!HintState::default().is_overloaded(&Zones::default()));
    assert!(!HintState::default().is_overloaded(&three_equal_zones()));
}

#[test]
fn any_address_type_can_be_overloaded() {
    let even: &[(&str, usize)] = &[("a", 1), ("b", 1), ("c", 1)];
    let uneven: &[(&str, usize)] = &[("a", 3), ("b", 1), ("c", 1)];
    assert!(!state(&[(IPV4, even), (IPV6, even)]).is_overloaded(&three_equal_zones()));
    assert!(state(&[(IPV4, even), (IPV6, uneven)]).is_overloaded(&three_equal_zones()));
    assert!(state(&[(IPV4, uneven), (IPV6, even)]).is_overloaded(&three_equal_zones()));
}

#[test]
fn a_zone_that_grows_overloads_the_services_whose_endpoints_are_elsewhere() {
    let mut zones = zones(&[("a", 1000), ("b", 1000)]);
    let state = state(&[(IPV4, &[("a", 5), ("b", 5)])]);
    assert!(!state.is_overloaded(&zones));
    zones.node_changed(None, Some(&node(Some("b"), 500)));
    assert!(!state.is_overloaded(&zones), "six are fair, five are enough");
    zones.node_changed(None, Some(&node(Some("b"), 500)));
    assert!(state.is_overloaded(&zones));
}

#[test]
fn address_types_share_one_mark() {
    let zones = zones(&[("a", 1000), ("b", 1000)]);
    let mut state = HintState::default();
    let mut add = |address_type: &AddressType, endpoints: &[&str]| {
        add_hints(
            &mut state,
            &zones,
            address_type,
            &mut [slice_in(Bucket::Create, endpoints)],
        )
    };
    let enabled = |address_type| vec![TopologyEvent::Enabled { address_type }];
    assert_eq!(add(&IPV4, &["a", "b"]), enabled(IPV4));
    assert_eq!(add(&IPV6, &["a", "b"]), [], "one event is enough");
    assert_eq!(add(&IPV6, &["a"])[0].event_type(), "Warning");
    assert_eq!(add(&IPV4, &["a", "b"]), enabled(IPV4));
}

#[test]
fn an_annotation_that_went_is_told_once() {
    let mut state = state(&[(IPV4, &[("a", 1)]), (IPV6, &[("a", 1)])]);
    let event = TopologyEvent::Disabled {
        address_type: IPV4,
        reason: DisabledReason::NotAskedFor,
    };
    assert_eq!(forget(&mut state, &IPV4), Some(event));
    assert!(!state.is_populated());
    assert!(
        state.is_overloaded(&Zones::default()),
        "the other type is still known"
    );
    assert_eq!(forget(&mut state, &IPV6), None);
    assert!(!state.is_overloaded(&Zones::default()));
    assert_eq!(forget(&mut state, &IPV4), None);
}
