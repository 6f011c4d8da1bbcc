//! Answers and the watch, in whatever order they come.

use std::sync::Arc;

use super::fixture::{counts, pod_name};
use super::writing::{not_ready, two_slices};

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
    let current = Arc::clone(&fixture.world.slices["svc-a"]);
    fixture.see(before);
    fixture.see(current);
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
    let other = Arc::clone(&fixture.world.slices["svc-b"]);
    fixture.see(other);
    fixture.finish(&first[0], outcome);
    assert_eq!(
        counts(&fixture.settle()),
        (0, 0, 1),
        "the Pods stand in the other slice already"
    );
    assert_eq!(fixture.published(), [0, 1].map(pod_name));
}
