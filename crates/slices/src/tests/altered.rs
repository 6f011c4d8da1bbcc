//! The apiserver stores something other than what is sent: a mutating admission policy is at work.
//!
//! What it does is not fought over. Each change is written once, as it should be; what is stored instead is left.

use std::sync::Arc;

use super::fixture::{Fixture, counts, draft, not_ready, pod, pod_name, with_port};
use crate::{Failure, Finished, Outcome, SliceDraft};

type Policy = fn(&mut SliceDraft);

fn endpoints(draft: &mut SliceDraft) -> &mut Vec<quaymaster_model::EndpointRecord> {
    Arc::make_mut(&mut draft.endpoints)
}

fn is_first_pod(endpoint: &quaymaster_model::EndpointRecord) -> bool {
    endpoint
        .target
        .as_ref()
        .is_some_and(|target| *target.name == *pod_name(0))
}

/// All that a policy may do to what is decided about.
const POLICIES: [(&str, Policy); 9] = [
    ("changes a field", |draft| {
        for endpoint in endpoints(draft) {
            endpoint.zone = Some("moon".into());
        }
    }),
    ("drops a Pod", |draft| {
        endpoints(draft).retain(|endpoint| !is_first_pod(endpoint));
    }),
    ("drops all Pods", |draft| endpoints(draft).clear()),
    ("repeats a Pod", |draft| {
        let again = draft.endpoints.first().cloned();
        endpoints(draft).extend(again);
    }),
    ("adds a label", |draft| {
        let labels = draft.labels.iter().map(|(k, v)| (k.clone(), v.clone()));
        draft.labels = quaymaster_model::LabelSet::new(labels.chain([("more".into(), "yes".into())]));
    }),
    ("removes the labels", |draft| {
        draft.labels = quaymaster_model::LabelSet::empty();
    }),
    ("changes a port", |draft| {
        for port in &mut draft.ports {
            port.port = Some(1);
        }
    }),
    ("removes the owner", |draft| draft.owners.clear()),
    ("names another owner", |draft| {
        draft.owners[0].uid = quaymaster_model::Uid::new("other");
    }),
];

fn under(policy: Policy) -> Fixture {
    let mut fixture = Fixture::new().with_pods(4);
    fixture.settings.max_endpoints = 2;
    fixture.world.policy = Some(policy);
    fixture.restart();
    fixture
}

#[test]
fn what_a_policy_alters_is_written_once_for_each_change() {
    for (what, policy) in POLICIES {
        let mut fixture = under(policy);
        assert_eq!(counts(&fixture.settle()), (2, 0, 0), "{what}: first");
        for round in 0..3 {
            fixture.set_pod(not_ready(0));
            let writes = fixture.settle();
            assert_eq!(counts(&writes), (0, 1, 0), "{what}: unready {round}");
            assert!(draft(&writes[0]).endpoints.iter().any(is_first_pod));
            fixture.set_pod(pod(0));
            assert_eq!(counts(&fixture.settle()), (0, 1, 0), "{what}: ready {round}");
        }
        fixture.set_pod(pod(7));
        assert_eq!(counts(&fixture.settle()), (1, 0, 0), "{what}: a further Pod");
        fixture.remove_pod(7);
        assert_eq!(counts(&fixture.settle()), (0, 0, 1), "{what}: and gone");
        fixture.service.ports = vec![super::fixture::port(
            "http",
            80,
            quaymaster_model::TargetPort::Number(9090),
        )];
        fixture.refresh();
        assert_eq!(counts(&fixture.settle()), (0, 2, 0), "{what}: another port");
        assert!(!fixture.state.has_work(), "{what}");
    }
}

#[test]
fn with_hints_by_annotation_as_well_what_a_policy_alters_comes_to_rest() {
    for (what, policy) in POLICIES {
        let mut fixture = under(policy);
        fixture.service.topology_auto = true;
        fixture.refresh();
        assert_eq!(counts(&fixture.settle()), (2, 0, 0), "{what}: first");
        for changed in [not_ready(0), pod(0)] {
            fixture.set_pod(changed);
            let writes = fixture.settle().len();
            assert!((1..=2).contains(&writes), "{what}: {writes}");
        }
        assert!(!fixture.state.has_work(), "{what}");
    }
}

#[test]
fn a_policy_that_makes_something_else_of_it_each_time_is_not_fought_either() {
    static TIMES: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let mut fixture = under(|draft| {
        let time = TIMES.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        for endpoint in endpoints(draft) {
            endpoint.zone = Some(format!("z-{time}").as_str().into());
        }
    });
    assert_eq!(counts(&fixture.settle()), (2, 0, 0));
    fixture.set_pod(not_ready(0));
    assert_eq!(counts(&fixture.settle()), (0, 1, 0));
    for slice in fixture.world.slices.values().cloned().collect::<Vec<_>>() {
        fixture.see(slice);
    }
    assert_eq!(fixture.settle(), []);
}

#[test]
fn the_watch_tells_what_was_altered_and_nothing_follows() {
    for (what, policy) in POLICIES {
        let mut fixture = under(policy);
        fixture.settle();
        for slice in fixture.world.slices.values().cloned().collect::<Vec<_>>() {
            fixture.see(slice);
        }
        assert_eq!(fixture.settle(), [], "{what}");
        // The watch is faster than the answer.
        fixture.set_pod(not_ready(0));
        let first = fixture.plan(16);
        assert_eq!(counts(&first), (0, 1, 0), "{what}");
        let outcome = fixture.world.perform(&first[0]);
        fixture.see_stored(&first[0].key.name);
        fixture.finish(&first[0], outcome);
        assert_eq!(fixture.settle(), [], "{what}: told before the answer");
    }
}

#[test]
fn an_alteration_is_told_once_for_each_slice() {
    let mut fixture = under(POLICIES[0].1);
    let mut told = Vec::new();
    for round in 0..3 {
        if round > 0 {
            fixture.set_pod(if round == 1 { not_ready(0) } else { pod(0) });
        }
        for write in fixture.plan(16) {
            let outcome = fixture.world.perform(&write);
            told.push(fixture.finish(&write, outcome));
        }
    }
    assert_eq!(
        told,
        [
            Finished::Altered,
            Finished::Altered,
            Finished::Done,
            Finished::Done
        ]
    );
}

#[test]
fn a_new_process_tries_each_altered_slice_once() {
    // Of the others, a new process cannot know them, or rightly deletes them.
    for (what, policy) in &POLICIES[..5] {
        let mut fixture = under(*policy);
        fixture.settle();
        fixture.restart();
        let writes = fixture.settle();
        let (creates, updates, deletes) = counts(&writes);
        assert!(creates + updates + deletes <= 4, "{what}: {writes:#?}");
        assert!(!fixture.state.has_work(), "{what}");
    }
}

#[test]
fn somebody_elses_edit_of_an_altered_slice_is_put_right() {
    let mut fixture = under(POLICIES[0].1);
    let name = fixture.settle()[0].key.name.clone();
    let edited = fixture.touch(&name, |slice| slice.endpoints[1].zone = None);
    fixture.see(edited);
    let writes = fixture.settle();
    assert_eq!(counts(&writes), (0, 1, 0));
    assert_eq!(draft(&writes[0]).endpoints.len(), 2);
    assert_eq!(fixture.published(), [0, 1, 2, 3].map(pod_name));
}

#[test]
fn an_edit_that_is_told_before_the_answer_is_put_right_as_well() {
    let mut fixture = under(POLICIES[0].1);
    fixture.settle();
    fixture.set_pod(not_ready(0));
    let first = fixture.plan(16);
    let outcome = fixture.world.perform(&first[0]);
    let edited = fixture.touch(&first[0].key.name, |slice| slice.endpoints[1].zone = None);
    fixture.see(edited);
    assert_eq!(fixture.finish(&first[0], outcome), Finished::Done);
    assert_eq!(counts(&fixture.settle()), (0, 1, 0));
    assert_eq!(fixture.published(), [0, 1, 2, 3].map(pod_name));
}

#[test]
fn what_others_put_on_an_altered_slice_stays_and_writes_nothing() {
    let mut fixture = under(POLICIES[1].1);
    fixture.settle();
    let name = fixture.log[0].key.name.clone();
    let noted = fixture.touch(&name, |slice| {
        slice.annotations.push(("note".into(), "x".into()));
    });
    fixture.see(Arc::clone(&noted));
    assert_eq!(fixture.settle(), []);
    fixture.set_pod(not_ready(1));
    fixture.set_pod(not_ready(0));
    let writes = fixture.settle();
    assert_eq!(counts(&writes), (0, 1, 0));
    assert!(
        draft(&writes[0])
            .annotations
            .contains(&("note".into(), "x".into()))
    );
    let crate::Op::Update { resource_version, .. } = &writes[0].op else {
        panic!("{writes:#?}")
    };
    assert_eq!(*resource_version, noted.resource_version);
}

#[test]
fn once_the_policy_is_gone_the_next_change_is_stored_as_sent() {
    let mut fixture = under(POLICIES[1].1);
    fixture.settle();
    fixture.world.policy = None;
    assert_eq!(fixture.settle(), []);
    fixture.set_pod(not_ready(0));
    assert_eq!(counts(&fixture.settle()), (0, 1, 0));
    assert_eq!(fixture.published(), [0, 1, 2, 3].map(pod_name));
    // And an edit back to what the policy had made of it is one like any other.
    let name = fixture.log[0].key.name.clone();
    let edited = fixture.touch(&name, |slice| {
        slice.endpoints.retain(|endpoint| !is_first_pod(endpoint));
    });
    fixture.see(edited);
    assert_eq!(counts(&fixture.settle()), (0, 1, 0));
}

#[test]
fn an_altered_slice_of_the_same_name_made_by_somebody_else_is_not_taken_for_it() {
    let mut fixture = under(POLICIES[0].1);
    fixture.settle();
    let name = fixture.log[0].key.name.clone();
    let other = fixture.touch(&name, |slice| slice.uid = quaymaster_model::Uid::new("again"));
    fixture.see(other);
    let writes = fixture.plan(16);
    assert_eq!(counts(&writes), (0, 1, 0));
    fixture.perform(&writes[0]);
    assert_eq!(fixture.settle(), []);
}

#[test]
fn an_edit_without_a_policy_that_is_told_before_the_answer_is_put_right() {
    let mut fixture = Fixture::new().with_pods(3);
    fixture.start();
    fixture.set_pod(not_ready(2));
    let write = fixture.plan(16).remove(0);
    let outcome = fixture.world.perform(&write);
    fixture.see_stored(&write.key.name);
    let edited = fixture.touch(&write.key.name, |slice| {
        slice.endpoints.retain(|endpoint| !is_first_pod(endpoint));
    });
    fixture.see(edited);
    assert_eq!(fixture.finish(&write, outcome), Finished::Done);
    assert_eq!(counts(&fixture.settle()), (0, 1, 0));
    assert_eq!(fixture.published(), [0, 1, 2].map(pod_name));
}

#[test]
fn a_slice_made_again_by_somebody_else_before_the_answer_counts() {
    let mut fixture = Fixture::new().with_pods(1);
    fixture.restart();
    let write = fixture.plan(16).remove(0);
    let outcome = fixture.world.perform(&write);
    fixture.see_stored(&write.key.name);
    fixture.gone(&write.key.name);
    let other = fixture.touch(&write.key.name, |slice| {
        slice.uid = quaymaster_model::Uid::new("again");
    });
    fixture.see(other);
    fixture.finish(&write, outcome);
    assert_eq!(fixture.settle(), []);
    assert_eq!(fixture.published(), [pod_name(0)]);
}

#[test]
fn an_annotation_on_a_slice_whose_owner_a_policy_removes_does_not_make_it_a_strangers() {
    for (what, policy) in &POLICIES[7..] {
        let mut fixture = under(*policy);
        let name = fixture.settle()[0].key.name.clone();
        let noted = fixture.touch(&name, |slice| {
            slice.annotations.push(("note".into(), "x".into()));
        });
        fixture.see(noted);
        assert_eq!(fixture.settle(), [], "{what}");
        fixture.set_pod(not_ready(0));
        let writes = fixture.settle();
        assert_eq!(counts(&writes), (0, 1, 0), "{what}");
        let owners = &draft(&writes[0]).owners;
        assert!(
            owners.iter().any(|owner| owner.uid == fixture.service.uid),
            "{what}"
        );
    }
}

#[test]
fn a_pod_that_a_policy_keeps_out_of_its_new_slice_stays_in_the_old_one() {
    let mut fixture = Fixture::of_named_port(&[(0, 8080), (1, 8080)]);
    fixture.world.policy = Some(|draft| {
        if draft.ports.iter().any(|port| port.port == Some(9090)) {
            endpoints(draft).retain(|endpoint| !is_first_pod(endpoint));
        }
    });
    fixture.set_pod(with_port(0, 9090));
    fixture.settle();
    assert_eq!(fixture.published(), [0, 1].map(pod_name));
    // Nor does another Pod wait for the slice that thus stays.
    fixture.set_pod(with_port(1, 7070));
    fixture.settle();
    let new = fixture.log.last().unwrap().key.name.clone();
    assert_eq!(fixture.order(&new), [pod_name(1)]);
    let in_some_slice = fixture.published();
    assert!([0, 1].iter().all(|n| in_some_slice.contains(&pod_name(*n))));
    assert!(!fixture.state.has_work());
    // Without the policy the next write puts it where it belongs.
    fixture.world.policy = None;
    let mut changed = with_port(0, 9090);
    changed.flags.ready = false;
    fixture.set_pod(changed);
    fixture.settle();
    assert_eq!(fixture.published(), [0, 1].map(pod_name));
    assert_eq!(fixture.sizes(), [1, 1]);
}

#[test]
fn what_a_policy_made_is_not_taken_for_ours_where_somebody_else_made_it_again_before_the_answer() {
    let mut fixture = under(POLICIES[0].1);
    let write = fixture.plan(1).remove(0);
    let outcome = fixture.world.perform(&write);
    fixture.see_stored(&write.key.name);
    fixture.gone(&write.key.name);
    let other = fixture.touch(&write.key.name, |slice| {
        slice.uid = quaymaster_model::Uid::new("again");
    });
    fixture.see(other);
    fixture.finish(&write, outcome);
    assert_eq!(
        counts(&fixture.settle()),
        (1, 1, 0),
        "it is written once, and the second slice is made"
    );
}

#[test]
fn a_write_that_fails_does_not_make_what_a_policy_altered_somebody_elses_edit() {
    let mut fixture = under(POLICIES[0].1);
    fixture.settle();
    fixture.set_pod(not_ready(0));
    let write = fixture.plan(16).remove(0);
    fixture.finish(&write, Outcome::Failed(Failure::Other));
    fixture.set_pod(pod(0));
    let noted = fixture.touch(&write.key.name, |slice| {
        slice.annotations.push(("note".into(), "x".into()));
    });
    fixture.see(noted);
    assert_eq!(fixture.settle(), []);
}
