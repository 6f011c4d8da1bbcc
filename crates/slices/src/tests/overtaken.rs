//! Answers and the watch, in whatever order they come.

use std::sync::Arc;

use quaymaster_model::{Text, Uid};

use super::fixture::{Fixture, counts, not_ready, pod_name};
use super::guards::{moved_and_being_written, put_back};
use super::writing::two_slices;
use crate::{Failure, Outcome};

#[test]
fn the_answer_does_not_undo_a_deletion_that_the_watch_told_first() {
    let mut fixture = two_slices();
    fixture.set_pod(not_ready(0));
    let first = fixture.plan(16);
    let outcome = fixture.world.perform(&first[0]);
    fixture.world.slices.remove("svc-a");
    fixture.gone("svc-a");
    fixture.finish(&first[0], outcome);
    assert_eq!(counts(&fixture.settle()), (1, 0, 0));
    assert_eq!(fixture.published(), [0, 1, 2, 3].map(pod_name));
}

#[test]
fn the_answer_does_not_undo_a_later_change() {
    let mut fixture = two_slices();
    fixture.set_pod(not_ready(0));
    let first = fixture.plan(16);
    let outcome = fixture.world.perform(&first[0]);
    let later = fixture.touch("svc-a", |slice| slice.endpoints.clear());
    fixture.see(later);
    fixture.finish(&first[0], outcome);
    fixture.settle();
    assert_eq!(fixture.published(), [0, 1, 2, 3].map(pod_name));
}

#[test]
fn a_late_echo_changes_nothing() {
    let mut fixture = two_slices();
    let before = Arc::clone(&fixture.world.slices["svc-a"]);
    fixture.set_pod(not_ready(0));
    fixture.settle();
    fixture.see(before);
    fixture.see_stored("svc-a");
    assert!(!fixture.state.has_work());
    assert_eq!(fixture.settle(), []);
}

#[test]
fn a_deletion_does_not_take_the_slice_that_came_after() {
    let mut fixture = two_slices();
    fixture.remove_pod(2);
    fixture.remove_pod(3);
    let first = fixture.plan(16);
    let outcome = fixture.world.perform(&first[0]);
    // Somebody makes a slice of the same name, and the watch tells it before the answer comes.
    fixture.gone("svc-b");
    fixture.store_pods("svc-b", 0..2);
    fixture.see_stored("svc-b");
    fixture.finish(&first[0], outcome);
    assert_eq!(
        counts(&fixture.settle()),
        (0, 0, 1),
        "the Pods stand in the other slice already"
    );
    assert_eq!(fixture.published(), [0, 1].map(pod_name));
}

#[test]
fn a_deletion_that_a_finalizer_holds_back_is_not_that_of_the_slice_that_came_after() {
    let mut fixture = two_slices();
    fixture.remove_pod(2);
    fixture.remove_pod(3);
    let first = fixture.plan(16);
    assert_eq!(counts(&first), (0, 0, 1));
    // Its finalizer is taken off, and somebody makes a slice of the same name; the watch tells both before the answer.
    fixture.gone("svc-b");
    fixture.store_pods("svc-b", 0..2);
    fixture.see_stored("svc-b");
    fixture.finish(&first[0], Outcome::Deleting);
    assert_eq!(
        counts(&fixture.settle()),
        (0, 0, 1),
        "it counts, and the Pods stand in the other slice already"
    );
}

#[test]
fn what_the_watch_tells_of_an_own_write_is_nobody_elses_doing() {
    let mut fixture = two_slices();
    fixture.set_pod(not_ready(0));
    fixture.set_pod(not_ready(2));
    let first = fixture.plan(1).remove(0);
    let outcome = fixture.world.perform(&first);
    assert!(!fixture.see_stored(&first.key.name), "the answer is under way");
    assert!(fixture.state.has_work(), "of another slice");
    fixture.finish(&first, outcome);
    assert!(!fixture.see_stored(&first.key.name), "it is known by the answer");
    fixture.settle();
    let edited = fixture.touch(&first.key.name, |slice| slice.endpoints.clear());
    assert!(fixture.see(edited));
}

#[test]
fn what_the_watch_tells_of_an_own_deletion_is_nobody_elses_doing() {
    let mut fixture = two_slices();
    fixture.remove_pod(2);
    fixture.remove_pod(3);
    let deletion = fixture.plan(16).remove(0);
    fixture.world.perform(&deletion);
    assert!(!fixture.gone("svc-b"));
    assert!(fixture.gone("svc-a"), "which nobody here deletes");
    assert!(!fixture.gone("svc-a"), "it is known");
}

#[test]
fn that_a_slice_goes_which_is_to_be_deleted_needs_no_repair() {
    let mut fixture = Fixture::new().with_pods(2);
    fixture.store_pods("svc-a", 0..2);
    fixture.edit("svc-a", |slice| slice.owners[0].uid = Uid::new("former"));
    fixture.restart();
    assert_eq!(counts(&fixture.plan(16)), (1, 0, 0), "it goes after that");
    fixture.world.slices.remove("svc-a");
    assert!(!fixture.gone("svc-a"), "the garbage collector was faster");
}

#[test]
fn what_is_told_after_a_lost_answer_is_relied_on_again() {
    let (mut fixture, write) = moved_and_being_written();
    fixture.finish(&write, Outcome::Failed(Failure::Other));
    let noted = fixture.touch(&write.key.name, |slice| slice.annotations.clear());
    fixture.see(noted);
    put_back(&mut fixture, &write);
    assert_eq!(
        fixture.plan(16).len(),
        2,
        "also the slice that the Pod is to leave"
    );
}

#[test]
fn a_lost_answer_leaves_nothing_open_where_something_newer_was_told_meanwhile() {
    let (mut fixture, write) = moved_and_being_written();
    let noted = fixture.touch(&write.key.name, |slice| slice.annotations.clear());
    fixture.see(noted);
    fixture.finish(&write, Outcome::Failed(Failure::Other));
    put_back(&mut fixture, &write);
    assert_eq!(
        fixture.plan(16).len(),
        2,
        "also the slice that the Pod is to leave"
    );
}

#[test]
fn a_slice_stored_before_one_that_is_known_to_be_gone_is_not_there_any_more() {
    let mut fixture = Fixture::new().with_pods(1);
    fixture.restart();
    let write = fixture.plan(16).remove(0);
    let outcome = fixture.world.perform(&write);
    // It is deleted, and so is another one of its name, of which alone the watch tells.
    let other = fixture.touch(&write.key.name, |slice| slice.uid = Uid::new("again"));
    fixture.see(other);
    fixture.world.slices.remove(&write.key.name);
    fixture.gone(&write.key.name);
    fixture.finish(&write, outcome);
    assert_eq!(counts(&fixture.settle()), (1, 0, 0));
    assert_eq!(fixture.published(), [pod_name(0)]);
}

/// The name of the next slice, which the apiserver says is taken.
fn refused(fixture: &mut Fixture) -> Text {
    let write = fixture.plan(16).remove(0);
    fixture.finish(&write, Outcome::Failed(Failure::NameTaken));
    write.key.name
}

/// The name of a slice that was refused once less than it takes to choose another one.
fn almost_given_up() -> (Fixture, Text) {
    let mut fixture = Fixture::new().with_pods(1);
    fixture.restart();
    let name = refused(&mut fixture);
    for _ in 2..crate::names::MOST_REFUSALS {
        assert_eq!(refused(&mut fixture), name);
    }
    (fixture, name)
}

#[test]
fn refusals_of_a_name_are_forgotten_once_it_is_known_who_had_it() {
    type How = fn(&mut Fixture, &str);
    let ways: [(&str, How); 2] = [
        ("the watch tells", |fixture, name| {
            fixture.store_pods(name, 0..1);
            fixture.see_stored(name);
        }),
        ("a create succeeds", |fixture, _| {
            assert_eq!(counts(&fixture.settle()), (1, 0, 0));
        }),
    ];
    for (way, known) in ways {
        let (mut fixture, name) = almost_given_up();
        known(&mut fixture, &name);
        assert_eq!(fixture.settle(), [], "{way}");
        fixture.world.slices.remove(&name);
        fixture.gone(&name);
        for time in 0..2 {
            assert_eq!(refused(&mut fixture), name, "{way}, {time}");
        }
    }
    let (mut fixture, name) = almost_given_up();
    assert_eq!(refused(&mut fixture), name);
    assert_ne!(refused(&mut fixture), name, "and not otherwise");
}
