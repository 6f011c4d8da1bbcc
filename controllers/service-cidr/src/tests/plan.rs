use std::time::Duration;

use quaymaster_model::{ServiceCidrRecord, Timestamp};

use super::cluster::{cidr, deleted};
use crate::plan::{Facts, GRACE, Step, next};

const NOW: Timestamp = Timestamp(1_800_000_000);

fn step(cidr: &ServiceCidrRecord, held: bool, known_for: Duration) -> Step {
    next(&Facts {
        cidr,
        held,
        known_for,
        wall: NOW,
    })
}

#[test]
fn the_finalizer_comes_before_the_condition() {
    let mut one = cidr("a", &["10.0.0.0/24"]);
    assert_eq!(step(&one, false, Duration::ZERO), Step::AddFinalizer);
    one.finalizers.push(quaymaster_model::Text::new(
        "networking.k8s.io/service-cidr-finalizer",
    ));
    let Step::SetReady(ready) = step(&one, false, Duration::ZERO) else {
        panic!("a condition is missing");
    };
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("True", ""));
    one.ready = Some(ready);
    assert_eq!(step(&one, false, Duration::ZERO), Step::Rest);
}

#[test]
fn one_that_is_being_deleted_and_held_says_so_once_and_stays() {
    let mut one = deleted(cidr("a", &["10.0.0.0/24"]), NOW.0 - 3_600);
    let Step::SetReady(ready) = step(&one, true, Duration::ZERO) else {
        panic!("it is not told");
    };
    assert_eq!(
        (ready.status.as_str(), ready.reason.as_str()),
        ("False", "Terminating")
    );
    one.ready = Some(ready);
    assert_eq!(step(&one, true, Duration::ZERO), Step::Rest);
}

#[test]
fn one_that_nothing_holds_goes_ten_seconds_after_it_was_deleted() {
    let seconds = Duration::from_secs;
    let at = |ago| deleted(cidr("a", &["10.0.0.0/24"]), NOW.0 - ago);
    assert_eq!(step(&at(0), false, seconds(0)), Step::Wait(GRACE));
    assert_eq!(step(&at(7), false, seconds(0)), Step::Wait(seconds(3)));
    assert_eq!(step(&at(10), false, seconds(0)), Step::RemoveFinalizer);
    assert_eq!(step(&at(3_600), false, seconds(0)), Step::RemoveFinalizer);
}

#[test]
fn a_wall_clock_that_is_behind_delays_it_by_no_more_than_the_grace() {
    let seconds = Duration::from_secs;
    let ahead = deleted(cidr("a", &["10.0.0.0/24"]), NOW.0 + 3_600);
    assert_eq!(step(&ahead, false, seconds(0)), Step::Wait(GRACE));
    assert_eq!(step(&ahead, false, seconds(4)), Step::Wait(seconds(6)));
    assert_eq!(step(&ahead, false, GRACE), Step::RemoveFinalizer);
}

#[test]
fn without_the_finalizer_there_is_nothing_to_take_out() {
    let mut one = deleted(cidr("a", &["10.0.0.0/24"]), NOW.0 - 60);
    one.finalizers.clear();
    assert_eq!(step(&one, false, GRACE), Step::Rest);
}
