//! Which endpoint goes into which slice.
//!
//! | Rule | Test |
//! |---|---|
//! | step 1, keep | `what_stays_keeps_its_slice_and_its_order` |
//! | step 1, emptied | `a_slice_that_loses_its_last_endpoint_is_deleted` |
//! | step 1, labels | `a_slice_with_other_labels_is_rewritten_with_the_same_endpoints` |
//! | step 1, empty slice | `an_empty_slice_of_a_wanted_group_is_kept` |
//! | step 2 | `slices_that_are_rewritten_anyway_are_filled_the_fullest_first` |
//! | step 3, best fit | `what_remains_goes_whole_into_the_slice_it_leaves_fullest` |
//! | step 3, new | `as_many_as_a_full_slice_get_a_new_one`, `what_fits_into_no_slice_whole_gets_a_new_one` |
//! | ownership | `a_slice_of_another_owner_takes_no_part_and_goes_when_its_pods_are_elsewhere` |
//! | ownership by UID | `a_slice_is_owned_by_uid_whatever_the_owners_name` |
//! | duplicates | `a_pod_in_two_slices_stays_in_the_first_by_name`, `a_pod_twice_in_one_slice_stays_once` |
//! | above the maximum | `a_slice_above_the_maximum_is_neither_split_nor_trimmed` |
//! | sparse slices | `sparse_slices_are_not_merged` |
//! | groups not wanted | `the_slices_of_a_group_that_nobody_has_any_more_are_deleted` |
//! | placeholder | `without_pods_there_is_one_empty_slice`, `a_placeholder_that_is_there_is_kept`, `the_first_pod_takes_the_placeholders_place`, `the_placeholder_of_a_former_service_is_replaced`, `the_new_placeholder_is_written_once_however_its_creation_is_told`, `a_placeholder_that_lacks_an_empty_label_is_kept`, `a_placeholder_with_another_label_is_rewritten`, `two_placeholders_become_one`, `a_placeholder_beside_slices_that_go_is_not_written_again`, `a_placeholder_beside_a_slice_with_pods_is_deleted` |
//! | counts | `endpoints_added_and_removed_are_counted_when_their_writes_are_given_out` |
//! | foreign endpoints | `endpoints_that_stand_for_nothing_are_taken_out` |

use std::sync::Arc;

use quaymaster_model::{Interned, LabelSet, PortSet, TargetPort, Uid};

use super::fixture::{Fixture, counts, not_ready, pod, pod_name, port};
use crate::Op;

/// Sizes by the name of the slice.
fn sizes(fixture: &Fixture) -> Vec<(String, usize)> {
    let slices = fixture.world.slices.iter();
    slices
        .map(|(name, slice)| (name.to_string(), slice.endpoints.len()))
        .collect()
}

fn placeholder(fixture: &mut Fixture, name: &str) {
    fixture.store_pods(name, 0..0);
    fixture.edit(name, |slice| {
        slice.ports = Interned::from_value(PortSet::default());
    });
}

#[test]
fn what_stays_keeps_its_slice_and_its_order() {
    let mut fixture = Fixture::new().with_pods(6);
    fixture.store_pods("svc-a", 0..6);
    fixture.restart();
    fixture.remove_pod(2);
    fixture.set_pod(not_ready(4));
    fixture.set_pod(pod(7));
    assert_eq!(counts(&fixture.settle()), (0, 1, 0));
    assert_eq!(fixture.order("svc-a"), [0, 1, 3, 4, 5, 7].map(pod_name));
}

#[test]
fn a_slice_that_loses_its_last_endpoint_is_deleted() {
    let mut fixture = Fixture::new().with_pods(3);
    fixture.store_pods("svc-a", 0..2);
    fixture.store_pods("svc-b", 2..3);
    fixture.restart();
    fixture.remove_pod(2);
    assert_eq!(counts(&fixture.settle()), (0, 0, 1));
    assert_eq!(sizes(&fixture), [("svc-a".to_owned(), 2)]);
}

#[test]
fn a_slice_with_other_labels_is_rewritten_with_the_same_endpoints() {
    let mut fixture = Fixture::new().with_pods(2);
    fixture.store_pods("svc-a", 0..2);
    fixture.edit("svc-a", |slice| {
        let foreign = [("foreign".into(), "yes".into())];
        let own = slice.labels.iter().map(|(k, v)| (k.clone(), v.clone()));
        slice.labels = Interned::from_value(LabelSet::new(own.chain(foreign)));
    });
    fixture.restart();
    assert_eq!(counts(&fixture.settle()), (0, 1, 0));
    assert_eq!(
        *fixture.world.slices["svc-a"].labels,
        crate::labels::wanted(&fixture.service)
    );
    assert_eq!(fixture.order("svc-a"), [0, 1].map(pod_name));
}

#[test]
fn an_empty_slice_of_a_wanted_group_is_kept() {
    let mut fixture = Fixture::new().with_pods(2);
    fixture.store_pods("svc-a", 0..2);
    fixture.store_pods("svc-b", 0..0);
    fixture.restart();
    assert_eq!(fixture.settle(), []);
}

#[test]
fn slices_that_are_rewritten_anyway_are_filled_the_fullest_first() {
    let mut fixture = Fixture::new().with_pods(9);
    fixture.settings.max_endpoints = 5;
    fixture.store_pods("svc-a", 0..2);
    fixture.store_pods("svc-b", 2..6);
    fixture.store_pods("svc-c", 6..9);
    fixture.restart();
    fixture.set_pod(not_ready(0));
    fixture.set_pod(not_ready(2));
    fixture.set_pod(pod(10));
    fixture.set_pod(pod(11));
    // One fills the fuller of the two that change; the other goes into the second, not into the one that is unchanged.
    assert_eq!(counts(&fixture.settle()), (0, 2, 0));
    let expected = [("svc-a", 3), ("svc-b", 5), ("svc-c", 3)];
    assert_eq!(
        sizes(&fixture),
        expected.map(|(name, size)| (name.to_owned(), size))
    );
}

#[test]
fn what_remains_goes_whole_into_the_slice_it_leaves_fullest() {
    let mut fixture = Fixture::new().with_pods(9);
    fixture.settings.max_endpoints = 5;
    fixture.store_pods("svc-a", 0..2);
    fixture.store_pods("svc-b", 2..5);
    fixture.store_pods("svc-c", 5..9);
    fixture.restart();
    fixture.set_pod(pod(10));
    fixture.set_pod(pod(11));
    assert_eq!(counts(&fixture.settle()), (0, 1, 0));
    let expected = [("svc-a", 2), ("svc-b", 5), ("svc-c", 4)];
    assert_eq!(
        sizes(&fixture),
        expected.map(|(name, size)| (name.to_owned(), size))
    );
}

#[test]
fn as_many_as_a_full_slice_get_a_new_one() {
    let mut fixture = Fixture::new();
    fixture.settings.max_endpoints = 3;
    fixture.store_pods("svc-a", 0..0);
    fixture.world.add(pod(0));
    fixture.world.add(pod(1));
    fixture.world.add(pod(2));
    fixture.restart();
    assert_eq!(
        counts(&fixture.settle()),
        (1, 0, 0),
        "although the empty slice has room for them"
    );
    assert_eq!(fixture.sizes(), [3, 0]);
}

#[test]
fn what_fits_into_no_slice_whole_gets_a_new_one() {
    let mut fixture = Fixture::new().with_pods(6);
    fixture.settings.max_endpoints = 4;
    fixture.store_pods("svc-a", 0..3);
    fixture.store_pods("svc-b", 3..6);
    fixture.restart();
    fixture.set_pod(pod(6));
    fixture.set_pod(pod(7));
    assert_eq!(counts(&fixture.settle()), (1, 0, 0));
    assert_eq!(fixture.sizes(), [3, 3, 2]);
}

#[test]
fn a_slice_of_another_owner_takes_no_part_and_goes_when_its_pods_are_elsewhere() {
    let mut fixture = Fixture::new().with_pods(2);
    fixture.store_pods("svc-a", 0..2);
    fixture.edit("svc-a", |slice| slice.owners[0].uid = Uid::new("former"));
    fixture.restart();
    let first = fixture.plan(16);
    assert_eq!(counts(&first), (1, 0, 0));
    // While the create is under way the Pods stand only in the slice of the former owner.
    assert_eq!(fixture.plan(16), []);
    fixture.perform(&first[0]);
    assert_eq!(counts(&fixture.settle()), (0, 0, 1));
    assert_eq!(fixture.sizes(), [2]);
}

#[test]
fn a_slice_is_owned_by_uid_whatever_the_owners_name() {
    let mut fixture = Fixture::new().with_pods(2);
    fixture.store_pods("svc-a", 0..2);
    fixture.edit("svc-a", |slice| slice.owners[0].name = "renamed".into());
    fixture.restart();
    assert_eq!(fixture.settle(), []);
    for change in [
        (|slice| slice.owners[0].kind = "Endpoints".into()) as fn(&mut quaymaster_model::SliceRecord),
        |slice| slice.owners[0].api_version = "v2".into(),
    ] {
        let mut fixture = Fixture::new().with_pods(2);
        fixture.store_pods("svc-a", 0..2);
        fixture.edit("svc-a", change);
        fixture.restart();
        assert_eq!(counts(&fixture.settle()), (1, 0, 1));
    }
}

#[test]
fn a_pod_in_two_slices_stays_in_the_first_by_name() {
    for order in [["svc-a", "svc-b"], ["svc-b", "svc-a"]] {
        let mut fixture = Fixture::new().with_pods(3);
        fixture.store_pods(order[0], 0..2);
        fixture.store_pods(order[1], 1..3);
        fixture.restart();
        assert_eq!(counts(&fixture.settle()), (0, 1, 0));
        assert_eq!(fixture.world.slices["svc-a"].endpoints.len(), 2);
        assert_eq!(fixture.world.slices["svc-b"].endpoints.len(), 1);
        assert_eq!(fixture.published(), [0, 1, 2].map(pod_name));
    }
}

#[test]
fn a_pod_twice_in_one_slice_stays_once() {
    let mut fixture = Fixture::new().with_pods(3);
    fixture.store_pods("svc-a", 0..3);
    fixture.edit("svc-a", |slice| slice.endpoints.push(slice.endpoints[1].clone()));
    fixture.restart();
    assert_eq!(counts(&fixture.settle()), (0, 1, 0));
    assert_eq!(fixture.order("svc-a"), [0, 1, 2].map(pod_name));
}

#[test]
fn a_slice_above_the_maximum_is_neither_split_nor_trimmed() {
    let mut fixture = Fixture::new().with_pods(7);
    fixture.settings.max_endpoints = 3;
    fixture.store_pods("svc-a", 0..7);
    fixture.restart();
    assert_eq!(fixture.settle(), []);
    fixture.set_pod(not_ready(5));
    fixture.set_pod(pod(8));
    // It is rewritten, and not filled any further.
    assert_eq!(counts(&fixture.settle()), (1, 1, 0));
    assert_eq!(fixture.sizes(), [7, 1]);
}

#[test]
fn sparse_slices_are_not_merged() {
    let mut fixture = Fixture::new().with_pods(3);
    for n in 0..3 {
        fixture.store_pods(&format!("svc-{n}"), n..n + 1);
    }
    fixture.restart();
    assert_eq!(fixture.settle(), []);
}

#[test]
fn the_slices_of_a_group_that_nobody_has_any_more_are_deleted() {
    let mut fixture = Fixture::of_named_port(&[(0, 8080), (1, 8080), (2, 8081), (3, 8081)]);
    assert_eq!(fixture.sizes(), [2, 2]);
    fixture.remove_pod(2);
    fixture.remove_pod(3);
    assert_eq!(counts(&fixture.settle()), (0, 0, 1));
    assert_eq!(fixture.published(), [0, 1].map(pod_name));
}

#[test]
fn without_pods_there_is_one_empty_slice() {
    let mut fixture = Fixture::new();
    fixture.restart();
    assert_eq!(counts(&fixture.settle()), (1, 0, 0));
    let slice = fixture.world.slices.values().next().unwrap();
    assert!(slice.endpoints.is_empty() && slice.ports.ports().is_empty());
    assert_eq!(*slice.labels, crate::labels::wanted(&fixture.service));
    assert!(slice.owned_by_service(&fixture.service.uid));
}

#[test]
fn a_placeholder_that_is_there_is_kept() {
    let mut fixture = Fixture::new();
    placeholder(&mut fixture, "svc-a");
    fixture.restart();
    assert_eq!(fixture.settle(), []);
    assert!(!fixture.state.has_work());
}

#[test]
fn the_first_pod_takes_the_placeholders_place() {
    for restarted in [false, true] {
        let mut fixture = Fixture::new();
        placeholder(&mut fixture, "svc-a");
        fixture.start();
        if restarted {
            fixture.world.add(pod(0));
            fixture.restart();
        } else {
            fixture.set_pod(pod(0));
        }
        assert_eq!(counts(&fixture.settle()), (0, 1, 0));
        assert_eq!(sizes(&fixture), [("svc-a".to_owned(), 1)]);
    }
}

#[test]
fn the_placeholder_of_a_former_service_is_replaced() {
    let mut fixture = Fixture::new();
    placeholder(&mut fixture, "svc-a");
    fixture.edit("svc-a", |slice| slice.owners[0].uid = Uid::new("former"));
    fixture.restart();
    assert_eq!(counts(&fixture.settle()), (1, 0, 1));
    let slice = fixture.world.slices.values().next().unwrap();
    assert!(slice.owned_by_service(&fixture.service.uid));
}

#[test]
fn the_new_placeholder_is_written_once_however_its_creation_is_told() {
    for event_first in [false, true] {
        let mut fixture = Fixture::new();
        placeholder(&mut fixture, "svc-a");
        fixture.edit("svc-a", |slice| slice.owners = smallvec::SmallVec::default());
        fixture.restart();
        let writes = fixture.plan(16);
        let [create] = writes.as_slice() else {
            panic!("{writes:#?}");
        };
        let outcome = fixture.world.perform(create);
        let stored = Arc::clone(&fixture.world.slices[&create.key.name]);
        if event_first {
            fixture.see(Arc::clone(&stored));
            assert_eq!(fixture.plan(16), []);
            fixture.finish(create, outcome);
        } else {
            fixture.finish(create, outcome);
            fixture.see(stored);
        }
        assert_eq!(counts(&fixture.settle()), (0, 0, 1), "{event_first}");
    }
}

#[test]
fn a_placeholder_that_lacks_an_empty_label_is_kept() {
    let mut fixture = Fixture::new();
    placeholder(&mut fixture, "svc-a");
    fixture.service.labels = Interned::from_value(LabelSet::new([("own".into(), "".into())]));
    fixture.restart();
    assert_eq!(fixture.settle(), []);
}

#[test]
fn a_placeholder_with_another_label_is_rewritten() {
    let mut fixture = Fixture::new();
    placeholder(&mut fixture, "svc-a");
    fixture.service.labels = Interned::from_value(LabelSet::new([("own".into(), "1".into())]));
    fixture.restart();
    assert_eq!(counts(&fixture.settle()), (0, 1, 0));
    assert_eq!(
        *fixture.world.slices["svc-a"].labels,
        crate::labels::wanted(&fixture.service)
    );
}

#[test]
fn two_placeholders_become_one() {
    let mut fixture = Fixture::new();
    placeholder(&mut fixture, "svc-a");
    placeholder(&mut fixture, "svc-b");
    fixture.restart();
    assert_eq!(counts(&fixture.settle()), (0, 0, 1));
    assert_eq!(fixture.sizes(), [0]);
}

#[test]
fn a_placeholder_beside_slices_that_go_is_not_written_again() {
    for name in ["svc-0", "svc-z"] {
        let mut fixture = Fixture::new();
        placeholder(&mut fixture, name);
        fixture.store_pods("svc-a", 0..1);
        fixture.store_pods("svc-b", 1..2);
        fixture.restart();
        assert_eq!(counts(&fixture.settle()), (0, 0, 2));
        assert_eq!(sizes(&fixture), [(name.to_owned(), 0)]);
    }
}

#[test]
fn a_placeholder_beside_a_slice_with_pods_is_deleted() {
    let mut fixture = Fixture::new().with_pods(1);
    placeholder(&mut fixture, "svc-a");
    fixture.store_pods("svc-b", 0..1);
    fixture.restart();
    let writes = fixture.settle();
    assert!(matches!(writes.as_slice(), [write] if matches!(write.op, Op::Delete { .. })));
    assert_eq!(sizes(&fixture), [("svc-b".to_owned(), 1)]);
}

#[test]
fn the_last_pods_slice_becomes_the_placeholder() {
    let mut fixture = Fixture::new().with_pods(2);
    fixture.store_pods("svc-a", 0..1);
    fixture.store_pods("svc-b", 1..2);
    fixture.restart();
    fixture.remove_pod(0);
    fixture.remove_pod(1);
    // One is rewritten, the other deleted, and neither is touched again.
    assert_eq!(counts(&fixture.settle()), (0, 1, 1));
    assert_eq!(fixture.sizes(), [0]);
}

#[test]
fn endpoints_that_stand_for_nothing_are_taken_out() {
    let mut fixture = Fixture::new().with_pods(1);
    fixture.store_pods("svc-a", 0..1);
    fixture.edit("svc-a", |slice| {
        let mut stray = slice.endpoints[0].clone();
        stray.target = None;
        slice.endpoints.insert(0, stray);
    });
    fixture.restart();
    assert_eq!(counts(&fixture.settle()), (0, 1, 0));
    assert_eq!(fixture.order("svc-a"), [pod_name(0)]);
}

#[test]
fn endpoints_added_and_removed_are_counted_when_their_writes_are_given_out() {
    let mut fixture = Fixture::new().with_pods(4);
    fixture.settings.max_endpoints = 2;
    fixture.restart();
    let mut next = |change: &dyn Fn(&mut Fixture), limit| {
        change(&mut fixture);
        let plan = fixture.plan_whole(limit);
        for write in &plan.writes {
            fixture.perform(write);
        }
        plan.changes.to_vec()
    };
    assert_eq!(next(&|_| (), 1), [(2, 0)]);
    assert_eq!(next(&|_| (), 1), [(2, 0)]);
    assert_eq!(next(&|_| (), 1), [(0, 0)]);
    assert_eq!(next(&|fixture| fixture.remove_pod(0), 16), [(0, 1)]);
    assert_eq!(next(&|fixture| fixture.set_pod(pod(7)), 16), [(1, 0)], "added");
    let replace = |fixture: &mut Fixture| {
        fixture.remove_pod(7);
        fixture.set_pod(pod(8));
    };
    assert_eq!(next(&replace, 16), [(1, 1)]);
    let empty = |fixture: &mut Fixture| {
        fixture.remove_pod(2);
        fixture.remove_pod(3);
    };
    assert_eq!(next(&empty, 16), [(0, 2)]);
    // As upstream counts: what goes with its ports is not removed.
    let other_port = |fixture: &mut Fixture| {
        fixture.service.ports = vec![port("http", 80, TargetPort::Number(9090))];
        fixture.refresh();
    };
    assert_eq!(next(&other_port, 16), [(2, 0)]);
}
