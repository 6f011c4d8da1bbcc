//! The trigger-time annotation.
//!
//! | Rule | Test |
//! |---|---|
//! | new Service | `the_first_slices_carry_the_creation_time_of_the_service` |
//! | earliest change | `a_write_carries_the_earliest_change_it_stems_from` |
//! | nothing newer | `a_write_without_a_newer_change_removes_the_annotation` |
//! | nothing written | `a_missing_annotation_alone_writes_nothing`, `a_change_that_writes_nothing_leaves_no_time_behind` |
//! | failed writes | `the_time_of_a_failed_write_goes_into_the_next` (upstream loses it) |
//! | later writes | `writes_that_are_sent_later_carry_the_time_of_their_change`, `the_time_of_a_change_is_kept_while_its_slice_has_a_write_in_flight` |
//! | all writes of one change | `all_writes_of_one_plan_carry_the_same_time` |

use quaymaster_model::{PodRecord, Timestamp, names};

use super::fixture::{Fixture, draft, pod};
use crate::{Failure, Outcome, Write};

fn at(n: usize, ready: bool, seconds: i64) -> PodRecord {
    let mut pod = pod(n);
    pod.flags.ready = ready;
    pod.ready_since = Some(Timestamp(seconds));
    pod
}

fn triggers(writes: &[Write]) -> Vec<Option<i64>> {
    writes
        .iter()
        .map(|write| draft(write).trigger.map(|time| time.0))
        .collect()
}

fn settled() -> Fixture {
    let mut fixture = Fixture::new().with_pods(4);
    fixture.settings.max_endpoints = 2;
    fixture.start();
    fixture
}

#[test]
fn the_first_slices_carry_the_creation_time_of_the_service() {
    let mut fixture = Fixture::new().with_pods(1);
    fixture.restart();
    assert_eq!(triggers(&fixture.settle()), [Some(500)]);
}

#[test]
fn a_write_carries_the_earliest_change_it_stems_from() {
    let mut fixture = settled();
    for (n, seconds) in [(0, 2000), (1, 1900)] {
        fixture.set_pod_at(at(n, false, seconds), Some(Timestamp(seconds)));
    }
    assert_eq!(triggers(&fixture.settle()), [Some(1900)]);
    fixture.set_pod_at(at(0, true, 2100), Some(Timestamp(2100)));
    assert_eq!(
        triggers(&fixture.settle()),
        [Some(2100)],
        "the older time is spent"
    );
}

#[test]
fn all_writes_of_one_plan_carry_the_same_time() {
    let mut fixture = settled();
    for n in [0, 2] {
        let seconds = 2000 + i64::try_from(n).unwrap();
        fixture.set_pod_at(at(n, false, seconds), Some(Timestamp(seconds)));
    }
    assert_eq!(triggers(&fixture.plan(16)), [Some(2000); 2]);
}

#[test]
fn a_write_without_a_newer_change_removes_the_annotation() {
    let mut fixture = settled();
    fixture.remove_pod(0);
    let writes = fixture.settle();
    assert_eq!(triggers(&writes), [None]);
    let slice = &fixture.world.slices[&writes[0].key.name];
    assert!(
        slice
            .annotations
            .iter()
            .all(|(key, _)| *key != names::ANNOTATION_TRIGGER_TIME)
    );
}

#[test]
fn a_missing_annotation_alone_writes_nothing() {
    let mut fixture = settled();
    for slice in fixture.world.slices.values_mut() {
        std::sync::Arc::make_mut(slice).annotations.clear();
    }
    fixture.restart();
    assert_eq!(fixture.settle(), []);
}

#[test]
fn a_change_that_writes_nothing_leaves_no_time_behind() {
    let mut fixture = settled();
    fixture.set_pod_at(at(0, true, 2000), Some(Timestamp(2000)));
    assert_eq!(fixture.settle(), []);
    fixture.remove_pod(0);
    assert_eq!(triggers(&fixture.settle()), [None]);
}

#[test]
fn the_time_of_a_failed_write_goes_into_the_next() {
    let mut fixture = settled();
    fixture.set_pod_at(at(0, false, 2000), Some(Timestamp(2000)));
    let first = fixture.plan(16);
    fixture.set_pod_at(at(1, false, 2050), Some(Timestamp(2050)));
    fixture.finish(&first[0], Outcome::Failed(Failure::Other));
    assert_eq!(triggers(&fixture.settle()), [Some(2000)]);
}

#[test]
fn writes_that_are_sent_later_carry_the_time_of_their_change() {
    let mut fixture = settled();
    for n in [0, 2] {
        fixture.set_pod_at(at(n, false, 2000), Some(Timestamp(2000)));
    }
    let first = fixture.plan(1);
    let second = fixture.plan(1);
    assert_eq!(
        (triggers(&first), triggers(&second)),
        (vec![Some(2000)], vec![Some(2000)])
    );
}

#[test]
fn the_time_of_a_change_is_kept_while_its_slice_has_a_write_in_flight() {
    let mut fixture = settled();
    fixture.set_pod_at(at(0, false, 2000), Some(Timestamp(2000)));
    let first = fixture.plan(16);
    fixture.set_pod_at(at(1, false, 2100), Some(Timestamp(2100)));
    assert_eq!(fixture.plan(16), []);
    fixture.perform(&first[0]);
    assert_eq!(triggers(&fixture.settle()), [Some(2100)]);
}
