use super::*;
use crate::tests::records::endpoint;

fn union<'a>(wanted: &'a [EndpointRecord], secured: &'a [(EndpointRecord, EndpointRecord)]) -> Union<'a> {
    let mut union = Union::default();
    union.want(wanted);
    for (observed, desired) in secured {
        union.secure(std::slice::from_ref(observed), std::slice::from_ref(desired));
    }
    union
}

#[test]
fn what_is_not_wanted_may_go() {
    let wanted = [endpoint("10.0.0.1", true)];
    assert_eq!(union(&wanted, &[]).holds(&endpoint("10.0.0.2", true)), None);
}

#[test]
fn what_is_wanted_stays_until_it_is_stored_where_it_is_to_be() {
    let ready = || endpoint("10.0.0.1", true);
    let wanted = [ready()];
    assert_eq!(union(&wanted, &[]).holds(&ready()), Some(Level::Ready));
    let elsewhere = [(endpoint("10.0.0.2", true), ready())];
    assert_eq!(union(&wanted, &elsewhere).holds(&ready()), Some(Level::Ready));
    let stored = [(ready(), ready())];
    assert_eq!(union(&wanted, &stored).holds(&ready()), None);
}

#[test]
fn a_slice_that_is_to_drop_an_address_does_not_secure_it() {
    let ready = || endpoint("10.0.0.1", true);
    let wanted = [ready()];
    let dropping = [(ready(), endpoint("10.0.0.2", true))];
    assert_eq!(union(&wanted, &dropping).holds(&ready()), Some(Level::Ready));
}

#[test]
fn nothing_is_held_more_ready_than_it_is_and_is_to_be() {
    let (ready, not_ready) = (endpoint("10.0.0.1", true), endpoint("10.0.0.1", false));
    for (observed, wanted, level) in [
        (&ready, &ready, Level::Ready),
        (&ready, &not_ready, Level::NotReady),
        (&not_ready, &ready, Level::NotReady),
        (&not_ready, &not_ready, Level::NotReady),
    ] {
        assert_eq!(
            union(std::slice::from_ref(wanted), &[]).holds(observed),
            Some(level)
        );
    }
}

#[test]
fn a_place_that_is_not_ready_does_not_secure_a_ready_address() {
    let (ready, not_ready) = (endpoint("10.0.0.1", true), endpoint("10.0.0.1", false));
    let wanted = [ready.clone()];
    for place in [
        (not_ready.clone(), ready.clone()),
        (ready.clone(), not_ready.clone()),
    ] {
        let secured = [place];
        assert_eq!(union(&wanted, &secured).holds(&ready), Some(Level::Ready));
        assert_eq!(union(&wanted, &secured).holds(&not_ready), None);
    }
}

#[test]
fn a_condition_that_is_not_known_counts_as_ready() {
    let mut unknown = endpoint("10.0.0.1", true);
    unknown.conditions.ready = None;
    assert_eq!(Level::of(&unknown), Level::Ready);
}
