//! What happens while slices are merged.
//!
//! | Rule | Test |
//! |---|---|
//! | a Pod changes | `a_pod_that_becomes_unready_during_a_merge_is_unready_in_both_slices_at_once` |
//! | a restart | `a_merge_that_is_cut_off_is_finished_by_the_next_process` |
//! | a failure | `a_merge_that_is_refused_is_tried_again_ever_later` |
//! | somebody undoes it | `a_merge_that_others_undo_before_it_has_ended_is_tried_again_ever_later` |
//! | a policy | `what_a_policy_alters_is_merged_no_further` |

use std::sync::Arc;
use std::time::Duration;

use quaymaster_model::{LabelSet, Text};

use super::{QUIET, merging};
use crate::tests::fixture::{Fixture, counts, draft, not_ready, pod, pod_name};
use crate::{Failure, Outcome, Write};

/// A merge has begun: its write is under way.
fn begun() -> (Fixture, Write) {
    let mut fixture = merging(10, &[2, 2]);
    fixture.now += QUIET;
    let write = fixture.plan(16).remove(0);
    (fixture, write)
}

#[test]
fn a_pod_that_becomes_unready_during_a_merge_is_unready_in_both_slices_at_once() {
    let (mut fixture, merge) = begun();
    fixture.set_pod(not_ready(3));
    // It stands in the slice that goes; the other one has a write in flight.
    let writes = fixture.plan(16);
    assert_eq!(counts(&writes), (0, 1, 0));
    let ready = |write: &Write| {
        draft(write)
            .endpoints
            .iter()
            .map(|it| it.conditions.ready)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (writes[0].key.name.as_str(), ready(&writes[0])),
        ("svc-1", vec![Some(true), Some(false)])
    );
    fixture.perform(&writes[0]);
    fixture.perform(&merge);
    let writes = fixture.settle();
    assert_eq!(counts(&writes), (0, 1, 1));
    assert_eq!(ready(&writes[0])[3], Some(false));
    assert_eq!(fixture.names(), ["svc-0"]);
}

#[test]
fn a_merge_that_is_cut_off_is_finished_by_the_next_process() {
    let (mut fixture, merge) = begun();
    _ = fixture.world.perform(&merge);
    fixture.settings.rebalance_after = None;
    fixture.restart();
    assert_eq!(
        counts(&fixture.settle()),
        (0, 0, 1),
        "the flag is not needed for it"
    );
    assert_eq!(fixture.order("svc-0"), [0, 1, 2, 3].map(pod_name));
}

#[test]
fn a_merge_that_is_refused_is_tried_again_ever_later() {
    let mut fixture = merging(10, &[2, 2]);
    for waits in [1, 2, 4, 8, 16, 32, 64, 128] {
        assert_eq!(fixture.look_again(), Some(fixture.now + waits * QUIET));
        fixture.now += waits * QUIET;
        let merge = fixture.plan(16).remove(0);
        assert_eq!(draft(&merge).endpoints.len(), 4);
        fixture.finish(&merge, Outcome::Failed(Failure::Other));
        // What is stored is uncertain now, and found out by writing it again.
        assert_eq!(counts(&fixture.settle()), (0, 1, 0));
    }
    fixture.now += 256 * QUIET;
    assert_eq!(counts(&fixture.settle()), (0, 1, 1));
    fixture.store_pods("svc-8", 5..6);
    fixture.world.add(pod(5));
    fixture.see_stored("svc-8");
    fixture.tell(&Text::new(&pod_name(5)));
    assert_eq!(
        fixture.look_again(),
        Some(fixture.now + QUIET),
        "a merge has succeeded"
    );
}

#[test]
fn a_merge_that_others_undo_before_it_has_ended_is_tried_again_ever_later() {
    for quiet in [QUIET, Duration::ZERO] {
        let mut fixture = merging(10, &[2, 2]);
        fixture.settings.rebalance_after = Some(quiet);
        let mut wait = quiet;
        for doublings in 1..=5 {
            fixture.now += wait;
            let merge = fixture.plan(16).remove(0);
            let before = fixture.world.slices["svc-0"].endpoints.clone();
            fixture.perform(&merge);
            // The delete does not come through, and somebody takes the other slice for the one that keeps its Pods.
            let delete = fixture.plan(16).remove(0);
            assert_eq!(counts(std::slice::from_ref(&delete)), (0, 0, 1));
            fixture.finish(&delete, Outcome::Failed(Failure::Other));
            let undone = fixture.touch("svc-0", |slice| slice.endpoints = before);
            fixture.see(undone);
            let again = fixture.settle();
            assert_eq!(counts(&again), (0, 1, 0), "whether it was deleted is found out");
            assert_eq!(again[0].key.name, "svc-1");
            assert_eq!(fixture.published(), [0, 1, 2, 3].map(pod_name));
            wait = quiet.max(Duration::from_secs(1)) * (1 << doublings);
            assert_eq!(
                fixture.look_again(),
                Some(fixture.now + wait),
                "{quiet:?}, {doublings}"
            );
        }
        fixture.now += wait;
        assert_eq!(counts(&fixture.settle()), (0, 1, 1), "nobody undoes it");
    }
}

#[test]
fn what_a_policy_alters_is_merged_no_further() {
    let mut fixture = merging(10, &[1, 1, 1]);
    fixture.world.policy = Some(|draft| {
        let labels = draft.labels.iter().map(|(k, v)| (k.clone(), v.clone()));
        draft.labels = LabelSet::new(labels.chain([("more".into(), "yes".into())]));
    });
    assert_eq!(counts(&fixture.rest()), (0, 1, 1));

    // A Pod that is kept out of the one slice stays in the other.
    let mut fixture = merging(10, &[1, 1, 1]);
    fixture.world.policy = Some(|draft| {
        let endpoints = Arc::make_mut(&mut draft.endpoints);
        endpoints.truncate(1);
    });
    fixture.now += QUIET;
    assert_eq!(counts(&fixture.settle()), (0, 1, 0));
    for _ in 0..10 {
        fixture.now = fixture.look_again().unwrap();
    }
    assert_eq!(fixture.published(), [0, 1, 2].map(pod_name));
}
