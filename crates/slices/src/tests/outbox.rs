//! Writes that are decided and not sent yet, as there is no room for more calls: what happens meanwhile takes them back.
//!
//! | What happens | Test |
//! |---|---|
//! | a Pod changes | `a_change_goes_into_the_write_that_is_not_sent_yet` |
//! | the Service changes | `a_change_of_the_service_goes_into_it_too` |
//! | the slice goes | `what_was_to_be_written_into_a_slice_that_is_gone_goes_into_a_new_one` |
//! | the namespace goes | `creates_that_are_not_sent_yet_are_given_up_with_the_namespace` |
//! | another term begins | `what_was_decided_in_an_earlier_term_is_decided_anew` |
//! | somebody else writes | `an_edit_of_the_slice_is_not_overwritten_by_what_was_decided_before`, `a_slice_that_somebody_else_makes_first_is_used`, `what_another_process_writes_meanwhile_is_not_written_again` |

use std::sync::Arc;

use quaymaster_model::{Interned, LabelSet};

use super::fixture::{Fixture, counts, draft, not_ready, pod, pod_name};
use super::guards::pairs;
use crate::{Failure, Outcome};

#[test]
fn what_was_to_be_written_into_a_slice_that_is_gone_goes_into_a_new_one() {
    let mut fixture = pairs(2);
    fixture.set_pod(not_ready(0));
    assert!(fixture.plan_whole(0).truncated);
    fixture.world.slices.remove("svc-a");
    fixture.gone("svc-a");
    let writes = fixture.settle();
    assert_eq!(counts(&writes), (1, 0, 0));
    assert_ne!(writes[0].key.name, "svc-a");
    assert_eq!(fixture.published(), [0, 1, 2, 3].map(pod_name));
}

#[test]
fn an_edit_of_the_slice_is_not_overwritten_by_what_was_decided_before() {
    let mut fixture = pairs(1);
    fixture.set_pod(not_ready(0));
    assert!(fixture.plan_whole(0).truncated);
    // What was decided would be sent over the newer version, and not be refused.
    let edited = fixture.touch("svc-a", |slice| {
        slice.endpoints[0].conditions.ready = Some(false);
        slice.endpoints[0].conditions.serving = Some(false);
    });
    fixture.see(edited);
    assert_eq!(fixture.settle(), [], "it is as it should be");
}

#[test]
fn a_change_goes_into_the_write_that_is_not_sent_yet() {
    let mut fixture = pairs(3);
    for n in [0, 2, 4] {
        fixture.set_pod(not_ready(n));
    }
    let first = fixture.plan(1);
    assert_eq!(first[0].key.name, "svc-a");
    fixture.set_pod(not_ready(3));
    fixture.set_pod(not_ready(5));
    fixture.set_pod(pod(4));
    fixture.set_pod(pod(5));
    let rest = fixture.plan(16);
    assert_eq!(counts(&rest), (0, 1, 0), "nothing is left to write of svc-c");
    let ready = draft(&rest[0]).endpoints.iter();
    let ready: Vec<_> = ready.map(|endpoint| endpoint.conditions.ready).collect();
    assert_eq!(ready, [Some(false); 2]);
    for write in first.iter().chain(&rest) {
        fixture.perform(write);
    }
    assert_eq!(fixture.settle(), []);
}

#[test]
fn a_change_of_the_service_goes_into_it_too() {
    let mut fixture = Fixture::new();
    fixture.restart();
    assert!(fixture.plan_whole(0).truncated, "the placeholder is decided");
    fixture.service.labels = Interned::from_value(LabelSet::new([("own".into(), "x".into())]));
    fixture.refresh();
    let writes = fixture.settle();
    assert_eq!(counts(&writes), (1, 0, 0));
    assert!(draft(&writes[0]).labels.get("own").is_some());
}

#[test]
fn creates_that_are_not_sent_yet_are_given_up_with_the_namespace() {
    let mut fixture = Fixture::new().with_pods(4);
    fixture.settings.max_endpoints = 2;
    fixture.restart();
    let first = fixture.plan(1);
    fixture.finish(&first[0], Outcome::Failed(Failure::NamespaceTerminating));
    assert_eq!(fixture.plan(16), []);
    assert!(!fixture.state.has_work());
}

#[test]
fn a_slice_that_somebody_else_makes_first_is_used() {
    let mut fixture = Fixture::new().with_pods(2);
    fixture.settings.max_endpoints = 1;
    fixture.restart();
    let first = fixture.plan(1);
    // The second one is decided, and another process makes it under the same name.
    let mut other = Fixture::new().with_pods(2);
    other.settings.max_endpoints = 1;
    other.restart();
    let theirs = other.plan(2).pop().unwrap();
    other.perform(&theirs);
    let made = Arc::clone(&other.world.slices[&theirs.key.name]);
    fixture
        .world
        .slices
        .insert(made.key.name.clone(), Arc::clone(&made));
    fixture.see(made);
    fixture.perform(&first[0]);
    assert_eq!(fixture.settle(), []);
    assert_eq!(fixture.published(), [0, 1].map(pod_name));
}

#[test]
fn what_another_process_writes_meanwhile_is_not_written_again() {
    let mut fixture = Fixture::new().with_pods(6);
    fixture.settings.max_endpoints = 2;
    fixture.restart();
    let first = fixture.plan(1);
    fixture.finish(&first[0], Outcome::Failed(Failure::Other));
    for (n, name) in ["svc-x", "svc-y", "svc-z"].into_iter().enumerate() {
        fixture.store_pods(name, 2 * n..2 * n + 2);
        fixture.see_stored(name);
    }
    assert_eq!(fixture.settle(), []);
    assert!(!fixture.state.has_work());
    assert_eq!(fixture.sizes(), [2; 3]);
}

#[test]
fn what_was_decided_in_an_earlier_term_is_decided_anew() {
    let mut fixture = pairs(2);
    for n in [0, 2] {
        fixture.set_pod(not_ready(n));
    }
    let sent = fixture.plan(1).remove(0);
    assert_eq!(sent.key.name, "svc-a");
    let cx = crate::Context {
        service: &fixture.service,
        cluster: &fixture.world,
        settings: &fixture.settings,
    };
    assert!(fixture.state.take_back(cx));
    assert!(!fixture.state.take_back(cx), "nothing is left of it");
    assert!(fixture.state.has_work());
    assert_eq!(fixture.state.in_flight(), 1, "what was sent stays so");
    let second = fixture.plan(16);
    assert_eq!(second.len(), 1);
    assert_eq!(second[0].key.name, "svc-b");
    fixture.perform(&sent);
    fixture.perform(&second[0]);
    assert_eq!(fixture.settle(), []);
}
