//! Order of writes, recycling, and what becomes of failures.
//!
//! | Rule | Test |
//! |---|---|
//! | order | `creates_come_before_updates_and_deletes_only_after_both_are_answered`, `what_takes_traffic_from_a_pod_goes_first` |
//! | recycling | `a_recycled_slice_keeps_its_name_and_nothing_else`, `a_recycled_slice_is_refilled_with_the_pods_it_held`, `the_slice_that_holds_most_of_the_pods_is_recycled`, `slices_whose_pods_part_into_several_groups_do_not_wait_for_each_other_for_ever` |
//! | in place | `an_update_in_place_keeps_what_others_put_on_the_slice` |
//! | one write for each slice | `what_changes_while_a_write_is_under_way_goes_into_the_next`, `a_pod_that_changes_while_its_slice_is_created_is_not_forgotten` |
//! | limit | `no_more_is_planned_than_asked_for` |
//! | Service without selector | `nothing_is_planned_for_a_service_that_ceased_to_select_pods` |
//! | Service going | `a_service_that_is_going_gets_no_new_slices_but_updates_and_deletes` |
//! | namespace going | `after_a_refusal_for_a_terminating_namespace_nothing_is_created` |
//! | failures | `a_failed_create_is_tried_again`, `a_taken_name_is_replaced_by_another_only_if_nobody_is_seen_to_have_it_for_a_while`, `a_slice_made_by_a_lost_create_is_used_once_it_is_seen`, `an_answer_to_a_former_states_write_is_not_taken_for_an_own_one`, `a_conflict_is_planned_again_over_the_newer_version`, `an_update_of_a_slice_that_is_gone_becomes_a_create`, `a_failed_delete_is_tried_again`, `a_slice_whose_write_was_lost_is_written_again_before_others_rely_on_it` |
//! | finalizers | `a_slice_that_a_finalizer_holds_back_does_not_count` |
//! | answers and the watch | see `overtaken.rs` |
//! | changed on the way | see `altered.rs` |

use std::sync::Arc;

use quaymaster_model::{
    Interned, OwnerRef, ResourceVersion, ServicePort, SliceRecord, TargetPort, Text, Uid,
    slice::UnknownFields,
};

use super::fixture::{Fixture, counts, draft, named_port, not_ready, pod, pod_name, port};
use crate::{Failure, Finished, Op, Outcome};

fn named() -> Vec<ServicePort> {
    vec![port("http", 80, TargetPort::Name("web".into()))]
}

fn with_port(n: usize, number: i32) -> quaymaster_model::PodRecord {
    let mut pod = pod(n);
    pod.ports = Interned::from_list(vec![named_port("web", number), named_port("old", 7000)]);
    pod
}

/// Two slices of two Pods each.
pub(super) fn two_slices() -> Fixture {
    let mut fixture = Fixture::new().with_pods(4);
    fixture.store_pods("svc-a", 0..2);
    fixture.store_pods("svc-b", 2..4);
    fixture.settings.max_endpoints = 2;
    fixture.start();
    fixture
}

#[test]
fn creates_come_before_updates_and_deletes_only_after_both_are_answered() {
    let mut fixture = two_slices();
    fixture.edit("svc-b", |slice| slice.owners[0].uid = Uid::new("former"));
    fixture.restart();
    fixture.set_pod({
        let mut pod = pod(0);
        pod.uid = Uid::new("again");
        pod
    });
    let first = fixture.plan(16);
    assert_eq!(counts(&first), (1, 1, 0));
    assert!(matches!(first[0].op, Op::Create(_)));
    fixture.perform(&first[0]);
    assert_eq!(fixture.plan(16), [], "the update is not answered yet");
    fixture.perform(&first[1]);
    assert_eq!(counts(&fixture.plan(16)), (0, 0, 1));
}

#[test]
fn what_takes_traffic_from_a_pod_goes_first() {
    let mut fixture = two_slices();
    fixture.set_pod(pod(5));
    fixture.set_pod(pod(6));
    fixture.set_pod(not_ready(2));
    let first = fixture.plan(1);
    assert_eq!(first[0].key.name, "svc-b");
    assert_eq!(counts(&fixture.plan(1)), (1, 0, 0));
}

#[test]
fn no_more_is_planned_than_asked_for() {
    let mut fixture = Fixture::new().with_pods(10);
    fixture.settings.max_endpoints = 2;
    fixture.restart();
    let cx_plan = |fixture: &mut Fixture, limit| fixture.plan_whole(limit);
    let first = cx_plan(&mut fixture, 3);
    assert!(first.truncated && first.writes.len() == 3);
    let second = cx_plan(&mut fixture, 2);
    assert!(!second.truncated && second.writes.len() == 2);
    assert_eq!(fixture.state.in_flight(), 5);
    for write in first.writes.iter().chain(&second.writes) {
        fixture.perform(write);
    }
    assert_eq!(fixture.settle(), []);
    assert_eq!(fixture.sizes(), [2; 5]);
}

#[test]
fn a_recycled_slice_keeps_its_name_and_nothing_else() {
    let mut fixture = Fixture::new().with_pods(2);
    fixture.store_pods("svc-a", 0..2);
    fixture.edit("svc-a", |slice| {
        slice.annotations.push(("note".into(), "x".into()));
        slice.finalizers.push("example.com/hold".into());
        slice.owners.push(further_owner());
    });
    fixture.service.ports = vec![port("http", 80, TargetPort::Number(9090))];
    fixture.restart();
    let writes = fixture.settle();
    assert_eq!(counts(&writes), (0, 1, 0));
    let draft = draft(&writes[0]);
    assert_eq!(writes[0].key.name, "svc-a");
    assert!(draft.annotations.is_empty() && draft.finalizers.is_empty() && draft.owners.len() == 1);
}

fn further_owner() -> OwnerRef {
    OwnerRef {
        api_version: "example.com/v1".into(),
        kind: "Thing".into(),
        name: "thing".into(),
        uid: Uid::new("thing"),
        controller: None,
        block_owner_deletion: None,
    }
}

#[test]
fn an_update_in_place_keeps_what_others_put_on_the_slice() {
    let mut fixture = Fixture::new().with_pods(2);
    fixture.store_pods("svc-a", 0..2);
    let unknown = UnknownFields {
        object: Some("{\"more\":1}".into()),
        metadata: None,
    };
    fixture.edit("svc-a", |slice| {
        slice.annotations.push(("note".into(), "x".into()));
        let trigger = quaymaster_model::names::ANNOTATION_TRIGGER_TIME;
        slice.annotations.push((trigger.into(), "long ago".into()));
        slice.finalizers.push("example.com/hold".into());
        slice.owners.push(further_owner());
        slice.unknown = Some(Box::new(unknown.clone()));
    });
    fixture.restart();
    fixture.set_pod(not_ready(0));
    let writes = fixture.settle();
    assert_eq!(counts(&writes), (0, 1, 0));
    let draft = draft(&writes[0]);
    assert_eq!(draft.annotations, [(Text::new("note"), Text::new("x"))]);
    assert_eq!(draft.finalizers, [Text::new("example.com/hold")]);
    assert_eq!(draft.owners.len(), 2);
    assert_eq!(draft.unknown.as_deref(), Some(&unknown));
}

#[test]
fn a_recycled_slice_is_refilled_with_the_pods_it_held() {
    let mut fixture = two_slices();
    fixture.service.ports = vec![port("http", 80, TargetPort::Number(9090))];
    fixture.refresh();
    let writes = fixture.plan(16);
    assert_eq!(counts(&writes), (0, 2, 0));
    for write in &writes {
        let before = &fixture.world.slices[&write.key.name];
        let names = |it: &[quaymaster_model::EndpointRecord]| {
            it.iter()
                .map(|it| it.target.clone().unwrap().name)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&draft(write).endpoints), names(&before.endpoints));
    }
}

#[test]
fn the_slice_that_holds_most_of_the_pods_is_recycled() {
    for first in [1, 2] {
        let mut fixture = Fixture::new().with_pods(3);
        fixture.store_pods("svc-a", 0..first);
        fixture.store_pods("svc-b", first..3);
        fixture.service.ports = vec![port("http", 80, TargetPort::Number(9090))];
        fixture.restart();
        let writes = fixture.settle();
        assert_eq!(counts(&writes), (0, 1, 1));
        let fuller = if first == 2 { "svc-a" } else { "svc-b" };
        assert_eq!(writes[0].key.name, fuller);
    }
}

#[test]
fn slices_whose_pods_part_into_several_groups_do_not_wait_for_each_other_for_ever() {
    let mut fixture = Fixture::new();
    fixture.service.ports = vec![port("http", 80, TargetPort::Name("old".into()))];
    fixture.settings.max_endpoints = 2;
    for n in 0..4 {
        fixture
            .world
            .add(with_port(n, 9000 + i32::try_from(n % 2).unwrap()));
    }
    fixture.start();
    assert_eq!(fixture.sizes(), [2, 2], "each with a Pod of either group to come");
    fixture.service.ports = named();
    fixture.refresh();
    let writes = fixture.settle();
    assert_eq!(fixture.sizes(), [2, 2]);
    assert_eq!(fixture.published(), [0, 1, 2, 3].map(pod_name));
    // One more than upstream, which takes Pods out of one slice before they stand in the other.
    assert_eq!(counts(&writes), (1, 1, 1));
}

#[test]
fn what_changes_while_a_write_is_under_way_goes_into_the_next() {
    let mut fixture = two_slices();
    fixture.set_pod(not_ready(0));
    let first = fixture.plan(16);
    assert_eq!(counts(&first), (0, 1, 0));
    fixture.set_pod(not_ready(1));
    fixture.set_pod(pod(0));
    assert_eq!(fixture.plan(16), [], "one write for each slice at a time");
    fixture.perform(&first[0]);
    assert_eq!(counts(&fixture.settle()), (0, 1, 0));
    let ready: Vec<_> = fixture.world.slices["svc-a"]
        .endpoints
        .iter()
        .map(|it| it.conditions.ready.unwrap())
        .collect();
    assert_eq!(ready, [true, false]);
}

#[test]
fn a_pod_that_changes_while_its_slice_is_created_is_not_forgotten() {
    let mut fixture = Fixture::new().with_pods(2);
    fixture.restart();
    let first = fixture.plan(16);
    fixture.set_pod(not_ready(0));
    fixture.remove_pod(1);
    fixture.perform(&first[0]);
    assert!(fixture.state.has_work());
    assert_eq!(counts(&fixture.settle()), (0, 1, 0));
    assert_eq!(fixture.published(), [pod_name(0)]);
}

#[test]
fn a_service_that_is_going_gets_no_new_slices_but_updates_and_deletes() {
    let mut fixture = two_slices();
    fixture.service.terminating = true;
    fixture.refresh();
    fixture.set_pod(not_ready(0));
    fixture.remove_pod(2);
    fixture.remove_pod(3);
    fixture.set_pod(pod(7));
    fixture.set_pod(pod(8));
    fixture.set_pod(pod(9));
    let writes = fixture.settle();
    assert_eq!(counts(&writes).0, 0, "{writes:#?}");
    assert!(counts(&writes).1 >= 1);
    assert!(
        !fixture.state.has_work(),
        "nothing can be done until something changes"
    );
}

#[test]
fn after_a_refusal_for_a_terminating_namespace_nothing_is_created() {
    let mut fixture = Fixture::new().with_pods(1);
    fixture.restart();
    let first = fixture.plan(16);
    fixture.finish(&first[0], Outcome::Failed(Failure::NamespaceTerminating));
    assert_eq!(fixture.plan(16), []);
    assert!(!fixture.state.has_work());
    fixture.set_pod(pod(1));
    assert_eq!(fixture.plan(16), []);
    // The Service changed after all, so perhaps it is another namespace.
    fixture.refresh();
    assert_eq!(counts(&fixture.settle()), (1, 0, 0));
}

#[test]
fn a_failed_create_is_tried_again() {
    let mut fixture = Fixture::new().with_pods(1);
    fixture.restart();
    let first = fixture.plan(16);
    let after = fixture.finish(&first[0], Outcome::Failed(Failure::Other));
    assert_eq!(after, Finished::Retry, "after a pause");
    assert!(fixture.state.has_work());
    let second = fixture.plan(16);
    assert_eq!(second[0].key, first[0].key);
    assert_eq!(draft(&second[0]), draft(&first[0]));
}

#[test]
fn a_taken_name_is_replaced_by_another_only_if_nobody_is_seen_to_have_it_for_a_while() {
    let mut fixture = Fixture::new().with_pods(1);
    fixture.restart();
    let first = fixture.plan(16);
    for time in 1..crate::names::MOST_REFUSALS {
        let again = if time == 1 {
            first.clone()
        } else {
            fixture.plan(16)
        };
        assert_eq!(again[0].key, first[0].key, "{time}");
        let after = fixture.finish(&again[0], Outcome::Failed(Failure::NameTaken));
        assert_eq!(after, Finished::Retry, "after a pause");
    }
    let last = fixture.plan(16);
    fixture.finish(&last[0], Outcome::Failed(Failure::NameTaken));
    let other = fixture.plan(16);
    assert_ne!(other[0].key, first[0].key);
    fixture.perform(&other[0]);
    assert_eq!(fixture.settle(), []);
}

#[test]
fn a_slice_made_by_a_lost_create_is_used_once_it_is_seen() {
    for seen_first in [false, true] {
        let mut fixture = Fixture::new().with_pods(1);
        fixture.restart();
        let first = fixture.plan(16).remove(0);
        fixture.world.perform(&first);
        let made = fixture.world.slices.remove(&first.key.name).unwrap();
        fixture.finish(&first, Outcome::Failed(Failure::Other));
        let again = fixture.plan(16).remove(0);
        assert_eq!(again.key, first.key);
        fixture
            .world
            .slices
            .insert(made.key.name.clone(), Arc::clone(&made));
        if seen_first {
            fixture.see(Arc::clone(&made));
        }
        fixture.finish(&again, Outcome::Failed(Failure::NameTaken));
        assert!(fixture.state.taken_names.is_empty(), "the holder is known");
        fixture.see(made);
        assert_eq!(fixture.settle(), [], "{seen_first}");
        assert_eq!(fixture.sizes(), [1]);
    }
}

#[test]
fn an_answer_to_a_former_states_write_is_not_taken_for_an_own_one() {
    let mut fixture = two_slices();
    fixture.set_pod(not_ready(0));
    let former = fixture.plan(16).remove(0);
    let outcome = fixture.world.perform(&former);
    let stored = Arc::clone(&fixture.world.slices["svc-a"]);
    // The selector goes and comes back; what the former state wrote is not known yet.
    let mut before = SliceRecord::clone(&stored);
    before.resource_version = ResourceVersion::new("0");
    before.endpoints[0].conditions.ready = Some(true);
    fixture.world.slices.insert("svc-a".into(), Arc::new(before));
    fixture.restart_numbered_from(1 << 32);
    fixture.world.slices.insert("svc-a".into(), Arc::clone(&stored));
    let refused = fixture.plan(16).remove(0);
    fixture.perform(&refused);
    assert_eq!(fixture.finish(&former, outcome), Finished::Unknown);
    fixture.see(stored);
    assert_eq!(fixture.settle(), [], "what is stored is as it should be");
}

#[test]
fn a_conflict_is_planned_again_over_the_newer_version() {
    let mut fixture = two_slices();
    fixture.set_pod(not_ready(0));
    let first = fixture.plan(16);
    let newer = fixture.touch("svc-a", |slice| {
        slice.annotations.push(("note".into(), "x".into()));
    });
    let after = fixture.finish(&first[0], Outcome::Failed(Failure::Other));
    assert_eq!(after, Finished::Retry, "after a pause");
    fixture.see(Arc::clone(&newer));
    let second = fixture.plan(16);
    let Op::Update {
        draft,
        resource_version,
        ..
    } = &second[0].op
    else {
        panic!("{second:#?}")
    };
    assert_eq!(*resource_version, newer.resource_version);
    assert_eq!(draft.annotations, [(Text::new("note"), Text::new("x"))]);
    fixture.perform(&second[0]);
    assert_eq!(fixture.settle(), []);
}

#[test]
fn an_update_of_a_slice_that_is_gone_becomes_a_create() {
    let mut fixture = two_slices();
    fixture.set_pod(not_ready(0));
    let first = fixture.plan(16);
    fixture.world.slices.remove("svc-a");
    fixture.perform(&first[0]);
    assert_eq!(counts(&fixture.settle()), (1, 0, 0));
    assert_eq!(fixture.published(), [0, 1, 2, 3].map(pod_name));
}

#[test]
fn a_failed_delete_is_tried_again() {
    let mut fixture = two_slices();
    fixture.remove_pod(2);
    fixture.remove_pod(3);
    let first = fixture.plan(16);
    assert_eq!(counts(&first), (0, 0, 1));
    fixture.finish(&first[0], Outcome::Failed(Failure::Other));
    assert_eq!(counts(&fixture.settle()), (0, 0, 1));
    assert_eq!(fixture.sizes(), [2]);
}

#[test]
fn a_slice_whose_write_was_lost_is_written_again_before_others_rely_on_it() {
    let mut fixture = Fixture::new();
    fixture.service.ports = named();
    fixture.world.add(with_port(0, 8080));
    fixture.world.add(with_port(1, 8080));
    fixture.start();
    // The Pod moves: it is added to its new slice, then taken out of the old one, but that answer is lost.
    fixture.set_pod(with_port(0, 9090));
    let create = fixture.plan(16);
    assert_eq!(counts(&create), (1, 0, 0));
    fixture.perform(&create[0]);
    let update = fixture.plan(16);
    assert_eq!(counts(&update), (0, 1, 0));
    fixture.world.perform(&update[0]);
    fixture.finish(&update[0], Outcome::Failed(Failure::Other));
    // Now it moves back. Only the slice that may have lost it is written.
    fixture.set_pod(with_port(0, 8080));
    let next = fixture.plan(16);
    assert_eq!(
        next.iter().map(|write| &write.key).collect::<Vec<_>>(),
        [&update[0].key]
    );
    // The apiserver refuses, as the version is an old one; the watch then tells what is there.
    fixture.perform(&next[0]);
    fixture.see_stored(&update[0].key.name);
    fixture.settle();
    assert_eq!(fixture.published(), [0, 1].map(pod_name));
    assert_eq!(fixture.sizes(), [2]);
}

#[test]
fn a_slice_that_a_finalizer_holds_back_does_not_count() {
    let mut fixture = two_slices();
    fixture.remove_pod(2);
    fixture.remove_pod(3);
    let first = fixture.plan(16);
    fixture.finish(&first[0], Outcome::Deleting);
    assert_eq!(fixture.plan(16), []);
    assert!(!fixture.state.has_work());
    // Its Pods come back and are placed elsewhere.
    fixture.set_pod(pod(2));
    fixture.set_pod(pod(3));
    assert_eq!(counts(&fixture.plan(16)), (1, 0, 0));
}

#[test]
fn nothing_is_planned_for_a_service_that_ceased_to_select_pods() {
    let mut fixture = Fixture::new().with_pods(2);
    fixture.restart();
    fixture.settle();
    fixture.service.selector = None;
    fixture.set_pod(not_ready(0));
    assert!(fixture.state.has_work());
    let cx = crate::Context {
        service: &fixture.service,
        cluster: &fixture.world,
        settings: &fixture.settings,
    };
    assert!(
        fixture
            .state
            .plan(cx, 16, fixture.now, &mut fixture.turns)
            .is_none()
    );
    assert!(!fixture.state.has_work(), "or it would be asked for ever");
}
