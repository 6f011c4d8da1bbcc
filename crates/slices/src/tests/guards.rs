//! Conditions that keep a write from doing harm, each where only it stands in the way.
//!
//! | Rule | Test |
//! |---|---|
//! | deletes come last | `a_delete_waits_for_writes_that_are_decided_and_not_sent_yet`, `a_delete_does_not_wait_for_writes_that_were_decided_later`, `a_slice_of_somebody_else_goes_once_a_second_try_has_placed_its_pods` |
//! | a Pod leaves a slice when it is seen in another | `a_pod_stays_where_its_other_slice_is_not_one_to_rely_on`, `a_ready_pod_stays_until_its_other_slice_says_that_it_is_ready`, `a_slice_that_kept_a_pod_is_looked_at_once_the_pod_is_seen_elsewhere`, `a_slice_that_kept_a_pod_and_takes_another_one_is_looked_at_again`, `a_write_that_is_not_sent_yet_is_taken_back_when_a_pod_would_vanish_by_it`, `a_delete_that_waited_is_held_back_when_a_pod_would_vanish_by_it` |
//! | what remains fits into an unchanged slice | `what_remains_does_not_go_into_a_slice_that_is_written_or_goes`, `what_remains_waits_for_a_slice_that_is_being_written` |
//! | hints of a slice that takes what remains | `a_slice_that_takes_a_pod_has_its_hints_put_right_by_the_same_write` |
//! | placeholders | `a_placeholder_that_is_being_created_is_waited_for_and_made_into_the_first_slice`, `of_many_slices_only_one_waits_for_the_placeholder`, `a_placeholder_that_could_not_be_created_is_not_waited_for`, `a_placeholder_that_comes_beside_another_slice_is_work_to_do`, `an_empty_slice_that_is_wanted_is_not_waited_for` |

use quaymaster_model::{SliceRecord, TargetPort, Uid};

use super::fixture::{Fixture, counts, draft, not_ready, pod, pod_name, port, with_port};
use crate::{Failure, Op, Outcome, Write};

fn pods_of(write: &Write) -> Vec<String> {
    let endpoints = draft(write).endpoints.iter();
    endpoints
        .map(|endpoint| endpoint.target.as_ref().unwrap().name.to_string())
        .collect()
}

/// Slices of two Pods each, `svc-a`, `svc-b`, ...
pub(super) fn pairs(count: usize) -> Fixture {
    let mut fixture = Fixture::new().with_pods(2 * count);
    for (n, letter) in ('a'..='z').take(count).enumerate() {
        fixture.store_pods(&format!("svc-{letter}"), 2 * n..2 * n + 2);
    }
    fixture.settings.max_endpoints = 2;
    fixture.start();
    fixture
}

#[test]
fn a_delete_waits_for_writes_that_are_decided_and_not_sent_yet() {
    let mut fixture = pairs(3);
    fixture.set_pod(not_ready(0));
    fixture.set_pod(not_ready(2));
    fixture.remove_pod(4);
    fixture.remove_pod(5);
    let first = fixture.plan(1);
    assert_eq!(counts(&first), (0, 1, 0));
    fixture.perform(&first[0]);
    let second = fixture.plan(1);
    assert_eq!(counts(&second), (0, 1, 0));
    assert_eq!(fixture.plan(1), [], "the second is not answered");
    fixture.perform(&second[0]);
    assert_eq!(counts(&fixture.plan(1)), (0, 0, 1));
}

#[test]
fn a_delete_does_not_wait_for_writes_that_were_decided_later() {
    let mut fixture = pairs(3);
    fixture.set_pod(not_ready(0));
    fixture.remove_pod(4);
    fixture.remove_pod(5);
    let first = fixture.plan(16);
    assert_eq!(counts(&first), (0, 1, 0));
    fixture.set_pod(not_ready(2));
    let later = fixture.plan(16);
    assert_eq!(counts(&later), (0, 1, 0));
    // What is to be deleted is looked at again meanwhile, which is no reason to start waiting anew.
    fixture.set_pod({
        let mut pod = pod(4);
        pod.flags.finished = true;
        pod
    });
    fixture.perform(&first[0]);
    assert_eq!(counts(&fixture.plan(16)), (0, 0, 1));
}

#[test]
fn a_slice_of_somebody_else_goes_once_a_second_try_has_placed_its_pods() {
    let mut fixture = Fixture::new().with_pods(2);
    fixture.store_pods("svc-a", 0..2);
    fixture.edit("svc-a", |slice| slice.owners[0].uid = Uid::new("former"));
    fixture.restart();
    let first = fixture.plan(16);
    assert_eq!(counts(&first), (1, 0, 0));
    fixture.finish(&first[0], Outcome::Failed(Failure::Other));
    assert_eq!(counts(&fixture.settle()), (1, 0, 1));
    assert_eq!(fixture.published(), [0, 1].map(pod_name));
}

/// Pod 0 stands in a slice with port 9090, where it belongs, together with Pod 1, and a write of that slice is in
/// flight.
pub(super) fn moved_and_being_written() -> (Fixture, Write) {
    let mut fixture = Fixture::of_named_port(&[(0, 9090), (1, 9090), (2, 8080)]);
    let mut changed = with_port(1, 9090);
    changed.flags.ready = false;
    fixture.set_pod(changed);
    let writes = fixture.plan(16);
    assert_eq!(counts(&writes), (0, 1, 0));
    (fixture, writes[0].clone())
}

/// Somebody puts Pod 0 into the slice with the other port, where it once stood.
pub(super) fn put_back(fixture: &mut Fixture, besides: &Write) -> String {
    let endpoint = draft(besides).endpoints[0].clone();
    let slices = fixture.world.slices.keys();
    let name = slices
        .clone()
        .find(|name| **name != besides.key.name)
        .unwrap()
        .to_string();
    let edited = fixture.touch(&name, |slice| slice.endpoints.push(endpoint));
    fixture.see(edited);
    name
}

#[test]
fn a_pod_stays_where_its_other_slice_is_not_one_to_rely_on() {
    type Edit = fn(&mut SliceRecord);
    let cases: [(&str, Edit, bool); 3] = [
        ("is fine", |slice| slice.annotations.clear(), true),
        ("is going", |slice| slice.terminating = true, false),
        (
            "is not ours any more",
            |slice| slice.owners[0].uid = Uid::new("x"),
            false,
        ),
    ];
    for (what, edit, leaves) in cases {
        let (mut fixture, write) = moved_and_being_written();
        let edited = fixture.touch(&write.key.name, edit);
        fixture.see(edited);
        put_back(&mut fixture, &write);
        let next = fixture.plan(16);
        assert_eq!(next.len(), usize::from(leaves), "{what}: {next:#?}");
    }
    // And where nobody knows whether the last write of it was carried out.
    let (mut fixture, write) = moved_and_being_written();
    fixture.finish(&write, Outcome::Failed(Failure::Other));
    let old = put_back(&mut fixture, &write);
    let next = fixture.plan(16);
    assert_eq!(next.len(), 1);
    assert_eq!(next[0].key.name, write.key.name, "only this one");
    fixture.perform(&next[0]);
    let last = fixture.plan(16);
    assert_eq!((last.len(), last[0].key.name.as_str()), (1, old.as_str()));
}

/// As after ports that were changed and changed back: the slice with the right ports is as it was left.
#[test]
fn a_ready_pod_stays_until_its_other_slice_says_that_it_is_ready() {
    let mut fixture = Fixture::of_named_port(&[(0, 9090), (1, 8080)]);
    let holding = |fixture: &Fixture, n: usize| {
        let mut names = fixture.world.slices.keys();
        let name = names.find(|name| fixture.order(name).contains(&pod_name(n)));
        name.unwrap().to_string()
    };
    let (right, left) = (holding(&fixture, 0), holding(&fixture, 1));
    let endpoint = fixture.world.slices[right.as_str()].endpoints[0].clone();
    for (name, edit) in [(&left, None), (&right, Some(false))] {
        let edited = fixture.touch(name, |slice| match edit {
            None => slice.endpoints.push(endpoint.clone()),
            ready => slice.endpoints[0].conditions.ready = ready,
        });
        fixture.see(edited);
    }
    let first = fixture.plan(16);
    assert_eq!(counts(&first), (0, 1, 0));
    assert_eq!(*first[0].key.name, right, "nothing leaves the other one yet");
    fixture.perform(&first[0]);
    let second = fixture.plan(16);
    assert_eq!(
        (counts(&second), &*second[0].key.name),
        ((0, 1, 0), left.as_str())
    );
    assert_eq!(pods_of(&second[0]), [pod_name(1)]);
}

#[test]
fn a_slice_that_kept_a_pod_is_looked_at_once_the_pod_is_seen_elsewhere() {
    for answered_first in [0, 1] {
        let mut fixture = Fixture::of_named_port(&[(0, 8080), (1, 8080)]);
        // Pod 0 moves, and the slice it leaves is to be written for Pod 1 anyway.
        fixture.set_pod(with_port(0, 9090));
        let mut changed = with_port(1, 8080);
        changed.flags.ready = false;
        fixture.set_pod(changed);
        let writes = fixture.plan(16);
        assert_eq!(counts(&writes), (1, 1, 0));
        let kept = writes.iter().find(|write| matches!(write.op, Op::Update { .. }));
        assert_eq!(pods_of(kept.unwrap()), [0, 1].map(pod_name));
        fixture.perform(&writes[answered_first]);
        assert_eq!(fixture.plan(16).len(), 0, "{answered_first}");
        fixture.perform(&writes[1 - answered_first]);
        let last = fixture.plan(16);
        assert_eq!(counts(&last), (0, 1, 0), "{answered_first}");
        assert_eq!(pods_of(&last[0]), [pod_name(1)]);
    }
}

#[test]
fn a_slice_that_kept_a_pod_and_takes_another_one_is_looked_at_again() {
    let mut fixture = Fixture::of_named_port(&[(0, 8080), (1, 8080)]);
    // Pod 0 moves; nobody has seen it in its new slice yet.
    fixture.set_pod(with_port(0, 9090));
    let created = fixture.plan(16).remove(0);
    assert!(matches!(created.op, Op::Create(_)));
    // The slice that it leaves gets hints and, for their sake alone, would not be written otherwise, another Pod.
    fixture.service.traffic_distribution = Some("PreferClose".into());
    fixture.refresh();
    fixture.set_pod(with_port(2, 8080));
    let filled = fixture.plan(16).remove(0);
    assert_eq!(pods_of(&filled), [0, 1, 2].map(pod_name));
    fixture.perform(&created);
    fixture.perform(&filled);
    fixture.settle();
    assert_eq!(fixture.published(), [0, 1, 2].map(pod_name), "each once");
}

#[test]
fn a_write_that_is_not_sent_yet_is_taken_back_when_a_pod_would_vanish_by_it() {
    let (mut fixture, write) = moved_and_being_written();
    fixture.perform(&write);
    fixture.settle();
    let old = put_back(&mut fixture, &write);
    assert!(
        fixture.plan_whole(0).truncated,
        "decided: Pod 0 leaves this slice"
    );
    let edited = fixture.touch(&write.key.name, |slice| _ = slice.endpoints.remove(0));
    fixture.see(edited);
    let next = fixture.plan(16);
    let names: Vec<&str> = next.iter().map(|write| write.key.name.as_str()).collect();
    assert!(!names.contains(&old.as_str()), "{next:#?}");
    for write in next {
        fixture.perform(&write);
    }
    fixture.settle();
    assert_eq!(fixture.published(), [0, 1, 2].map(pod_name));
}

#[test]
fn a_delete_that_waited_is_held_back_when_a_pod_would_vanish_by_it() {
    let mut fixture = Fixture::new();
    fixture.service.ports = vec![port("http", 80, TargetPort::Name("web".into()))];
    fixture.settings.max_endpoints = 2;
    for (n, number) in [(0, 9090), (1, 9090), (2, 9090), (3, 9090), (4, 7070)] {
        fixture.world.add(with_port(n, number));
    }
    fixture.start();
    fixture.settings.max_endpoints = 3;
    let unready = |fixture: &mut Fixture, n, number| {
        let mut changed = with_port(n, number);
        changed.flags.ready = false;
        fixture.set_pod(changed);
        let writes = fixture.plan(16);
        assert_eq!(counts(&writes), (0, 1, 0));
        writes[0].clone()
    };
    let first = unready(&mut fixture, 4, 7070);
    // A slice that nobody needs comes along; its only Pod stands where it belongs.
    fixture.store_pods("svc-l", 0..1);
    fixture.see_stored("svc-l");
    assert_eq!(fixture.plan(16), [], "to be deleted after the write in flight");
    // Another write begins, and the Pod is taken out of its slice. It waits for a place in the one being written.
    let second = unready(&mut fixture, 2, 9090);
    let mut names = fixture.world.slices.keys().cloned();
    let home = names.find(|name| fixture.order(name) == [0, 1].map(pod_name));
    let edited = fixture.touch(&home.unwrap(), |slice| _ = slice.endpoints.remove(0));
    fixture.see(edited);
    fixture.perform(&first);
    assert_eq!(fixture.plan(16), []);
    fixture.perform(&second);
    assert_eq!(counts(&fixture.settle()), (0, 1, 1));
    assert_eq!(fixture.published(), [0, 1, 2, 3, 4].map(pod_name));
}

#[test]
fn what_remains_does_not_go_into_a_slice_that_is_written_or_goes() {
    // Two in a slice of three that is written anyway: it takes one of two new Pods, and the other one does not fit,
    // though it did before.
    let mut fixture = Fixture::new().with_pods(2);
    fixture.store_pods("svc-a", 0..2);
    fixture.settings.max_endpoints = 3;
    fixture.start();
    for pod in [not_ready(0), pod(5), pod(6)] {
        fixture.set_pod(pod);
    }
    let writes = fixture.plan(16);
    assert_eq!(counts(&writes), (1, 1, 0));
    assert_eq!(fixture.state.in_flight(), 2);
    for write in &writes {
        fixture.perform(write);
    }
    assert_eq!(fixture.settle(), []);
    assert_eq!(fixture.sizes(), [3, 1]);

    // The only Pod of a slice is replaced by another one: what goes is made into the new slice, not filled up.
    let mut fixture = Fixture::new().with_pods(1);
    fixture.start();
    fixture.remove_pod(0);
    fixture.set_pod(pod(1));
    let writes = fixture.settle();
    assert_eq!(counts(&writes), (0, 1, 0));
    assert_eq!(pods_of(&writes[0]), [pod_name(1)]);

    // The same where the slice that goes waits for another write.
    let mut fixture = Fixture::new().with_pods(4);
    fixture.store_pods("svc-a", 0..3);
    fixture.store_pods("svc-b", 3..4);
    fixture.settings.max_endpoints = 3;
    fixture.start();
    fixture.set_pod(not_ready(0));
    fixture.remove_pod(3);
    let first = fixture.plan(16);
    assert_eq!(counts(&first), (0, 1, 0));
    fixture.set_pod(pod(7));
    let second = fixture.plan(16);
    assert_eq!(counts(&second), (0, 1, 0));
    assert_eq!(second[0].key.name, "svc-b");
    assert_eq!(pods_of(&second[0]), [pod_name(7)], "recycled");
}

#[test]
fn what_remains_waits_for_a_slice_that_is_being_written() {
    let mut fixture = Fixture::new().with_pods(2);
    fixture.store_pods("svc-a", 0..2);
    fixture.start();
    fixture.set_pod(not_ready(0));
    let first = fixture.plan(16);
    fixture.set_pod(pod(5));
    assert_eq!(fixture.plan(16), []);
    fixture.perform(&first[0]);
    assert_eq!(counts(&fixture.settle()), (0, 1, 0));
    assert_eq!(fixture.sizes(), [3]);
}

#[test]
fn a_slice_that_takes_a_pod_has_its_hints_put_right_by_the_same_write() {
    let mut fixture = Fixture::new().with_pods(2);
    fixture.store_pods("svc-a", 0..2);
    fixture.service.traffic_distribution = Some("PreferClose".into());
    fixture.world.add(pod(2));
    fixture.restart();
    let writes = fixture.settle();
    assert_eq!(counts(&writes), (0, 1, 0));
    assert_eq!(pods_of(&writes[0]), [0, 1, 2].map(pod_name));
    for endpoint in draft(&writes[0]).endpoints.iter() {
        assert_eq!(endpoint.hints.as_ref().unwrap().zones[..], ["z"]);
    }
}

#[test]
fn a_placeholder_that_is_being_created_is_waited_for_and_made_into_the_first_slice() {
    let mut fixture = Fixture::new();
    fixture.restart();
    let placeholder = fixture.plan(16);
    assert_eq!(counts(&placeholder), (1, 0, 0));
    fixture.set_pod(pod(0));
    assert_eq!(fixture.plan(16), []);
    fixture.perform(&placeholder[0]);
    let writes = fixture.settle();
    assert_eq!(counts(&writes), (0, 1, 0));
    assert_eq!(writes[0].key, placeholder[0].key);
    assert_eq!(fixture.sizes(), [1]);
}

#[test]
fn of_many_slices_only_one_waits_for_the_placeholder() {
    let mut fixture = Fixture::new();
    fixture.settings.max_endpoints = 2;
    fixture.restart();
    let placeholder = fixture.plan(16);
    for n in 0..6 {
        fixture.set_pod(pod(n));
    }
    let creates = fixture.plan(16);
    assert_eq!(counts(&creates), (2, 0, 0));
    for write in placeholder.iter().chain(&creates) {
        fixture.perform(write);
    }
    assert_eq!(counts(&fixture.settle()), (0, 1, 0));
    assert_eq!(fixture.sizes(), [2; 3]);
}

#[test]
fn a_placeholder_that_could_not_be_created_is_not_waited_for() {
    let mut fixture = Fixture::new();
    fixture.restart();
    let placeholder = fixture.plan(16);
    fixture.set_pod(pod(0));
    fixture.finish(&placeholder[0], Outcome::Failed(Failure::Other));
    assert_eq!(counts(&fixture.settle()), (1, 0, 0));
    assert_eq!(fixture.sizes(), [1]);
}

#[test]
fn a_placeholder_that_comes_beside_another_slice_is_work_to_do() {
    let mut fixture = Fixture::new();
    fixture.restart();
    let placeholder = fixture.plan(16);
    fixture.set_pod(pod(0));
    fixture.store_pods("svc-x", 0..1);
    fixture.see_stored("svc-x");
    assert_eq!(fixture.plan(16), []);
    fixture.perform(&placeholder[0]);
    assert!(fixture.state.has_work());
    assert_eq!(counts(&fixture.settle()), (0, 0, 1));
    assert_eq!(fixture.sizes(), [1]);
}

#[test]
fn an_empty_slice_that_is_wanted_is_not_waited_for() {
    let mut fixture = Fixture::new();
    fixture.service.ports = Vec::new();
    fixture.settings.max_endpoints = 1;
    let mut early = pod(0);
    early.node = Some("late".into());
    fixture.world.add(early);
    fixture.restart();
    assert_eq!(counts(&fixture.plan(16)), (1, 0, 0));
    fixture.world.set_node(super::fixture::node("late", Some("z")));
    fixture.tell(&pod_name(0).as_str().into());
    assert_eq!(
        counts(&fixture.plan(16)),
        (1, 0, 0),
        "an empty slice stays, full or not"
    );
}
