//! Endpoints without a Service.
//!
//! | Rule | Test |
//! |---|---|
//! | the Service goes | `endpoints_go_with_their_service`, `hand_made_endpoints_go_with_their_service_as_well`, `up_to_1_36_the_apiserver_has_a_second_to_do_it`, `the_wait_for_the_apiserver_ends_with_the_version_that_deletes_nothing` |
//! | it comes back | `a_service_that_is_made_again_at_once_takes_its_endpoints_over`, `a_service_without_a_selector_that_is_made_again_at_once_does_not_inherit_addresses`, `endpoints_that_were_made_for_the_new_service_stay`, `a_write_that_lands_after_its_service_is_gone_is_taken_back`, `endpoints_that_were_taken_over_stay_where_the_new_service_gives_up_its_selector`, `what_a_create_without_an_answer_has_made_goes_as_well`, `the_key_of_a_create_without_an_answer_is_looked_at_again_when_nothing_more_can_come_of_it` |
//! | start | `orphans_are_swept_at_the_start_once_the_apiserver_has_no_such_service`, `a_service_that_the_watch_has_not_told_of_saves_its_endpoints`, `a_service_that_comes_between_question_and_deletion_saves_its_endpoints`, `endpoints_that_are_made_anew_under_the_name_are_asked_about_before_they_are_deleted`, `each_term_begins_with_a_sweep` |
//! | never | `locks_of_leader_election_are_never_deleted`, `endpoints_without_a_service_that_come_later_are_left_alone`, `what_is_on_its_way_out_is_not_deleted_again` |

use std::time::{Duration, Instant};

use quaymaster_engine::Verdict;
use quaymaster_queue::Priority;
use quaymaster_runtime::api::{Verb, WriteError};
use serde_json::{Value, json};

use super::cluster::{Cluster, mark_of, plain};

fn settled() -> Cluster {
    settled_at(37)
}

fn settled_at(minor: u32) -> Cluster {
    let mut cluster = Cluster::at(minor);
    cluster.service("web", plain());
    cluster.pod("web-1", "10.0.0.1");
    cluster.begin();
    assert_eq!(cluster.settle(), ["create web"]);
    cluster
}

fn without_selector() -> Value {
    let mut spec = plain();
    spec["selector"] = Value::Null;
    spec
}

fn by_hand() -> Value {
    json!({ "subsets": [{ "addresses": [{ "ip": "6.7.8.9" }], "ports": [{ "port": 80 }] }] })
}

fn again(service: &mut Value) {
    service["metadata"]["uid"] = json!("uid-of-the-second");
}

#[test]
fn endpoints_go_with_their_service() {
    let mut cluster = settled();
    cluster.delete_service("web");
    assert_eq!(cluster.settle(), ["delete web"]);
    assert_eq!(*cluster.stored("web"), Value::Null);
    cluster.pod("web-2", "10.0.0.2");
    assert_eq!(cluster.settle(), [""; 0]);
}

#[test]
fn hand_made_endpoints_go_with_their_service_as_well() {
    let mut cluster = Cluster::new();
    cluster.service("web", without_selector());
    cluster.put("web", &by_hand());
    cluster.begin();
    assert_eq!(cluster.settle(), [""; 0]);
    cluster.delete_service("web");
    assert_eq!(cluster.settle(), ["delete web"]);
}

#[test]
fn endpoints_that_somebody_deleted_before_are_not_deleted_again() {
    let mut cluster = settled();
    cluster.delete_service("web");
    cluster.delete_endpoints("web");
    assert_eq!(cluster.settle(), [""; 0]);
    let mut cluster = settled();
    cluster.delete_service("web");
    let mut request = cluster.send("web").unwrap();
    cluster.delete_endpoints("web");
    let outcome = cluster.carry_out(&mut request);
    assert_eq!(
        cluster.answer(&request, outcome),
        Verdict::Done,
        "what is gone needs no deletion"
    );
}

#[test]
fn up_to_1_36_the_apiserver_has_a_second_to_do_it() {
    for minor in [33, 36] {
        let mut cluster = settled_at(minor);
        cluster.delete_service("web");
        assert_eq!(cluster.take_marked(), ["web"]);
        cluster.delete_endpoints("web");
        assert!(cluster.send("web").is_none());
        let mut cluster = settled_at(minor);
        cluster.delete_service("web");
        assert_eq!(cluster.settle(), ["delete web"], "if it does not");
    }
}

#[test]
fn the_wait_for_the_apiserver_ends_with_the_version_that_deletes_nothing() {
    for (minor, wait) in [(33, 1), (36, 1), (37, 0)] {
        let mut cluster = settled_at(minor);
        cluster.delete_service("web");
        let expected = mark_of("web", Priority::Normal, Duration::from_secs(wait));
        let found = cluster.take_dirty();
        assert_eq!(format!("{found:?}"), format!("{expected:?}"), "1.{minor}");
    }
}

#[test]
fn a_service_that_is_made_again_at_once_takes_its_endpoints_over() {
    let mut cluster = settled();
    cluster.delete_service("web");
    cluster.service_with("web", plain(), again);
    assert_eq!(cluster.settle(), [""; 0], "they are as they should be");
    cluster.delete_service("web");
    let mut request = cluster.send("web").unwrap();
    assert_eq!(request.verb, Verb::Delete);
    cluster.service_with("web", plain(), |service| {
        service["metadata"]["uid"] = json!("uid-of-the-third");
    });
    let outcome = cluster.carry_out(&mut request);
    assert_eq!(
        cluster.answer(&request, outcome),
        Verdict::Done,
        "the Service is still marked"
    );
    assert_eq!(cluster.settle(), ["create web"], "(kubernetes/kubernetes#47711)");
}

#[test]
fn endpoints_that_were_taken_over_stay_where_the_new_service_gives_up_its_selector() {
    let mut cluster = settled();
    cluster.delete_service("web");
    cluster.service_with("web", plain(), again);
    assert_eq!(cluster.settle(), [""; 0]);
    // It is planned for the Pod after the selector has gone.
    cluster.pod("web-2", "10.0.0.2");
    cluster.service_with("web", without_selector(), again);
    assert_eq!(cluster.settle(), [""; 0], "they are the user's from now on");
    assert_eq!(cluster.held(), 0);
}

#[test]
fn a_service_without_a_selector_that_is_made_again_at_once_does_not_inherit_addresses() {
    for spec in [
        without_selector(),
        json!({ "type": "ExternalName", "externalName": "example.com" }),
    ] {
        let mut cluster = settled();
        cluster.delete_service("web");
        cluster.service_with("web", spec, again);
        assert_eq!(cluster.settle(), ["delete web"]);
        cluster.put("web", &by_hand());
        assert_eq!(cluster.settle(), [""; 0], "those that are made for it stay");
    }
}

#[test]
fn endpoints_that_were_made_for_the_new_service_stay() {
    // Both were made again before the watch of Services told of either.
    let mut cluster = settled();
    cluster.store_service("web", without_selector(), again);
    cluster.edit("web", |endpoints| {
        endpoints["subsets"] = by_hand()["subsets"].clone();
    });
    cluster.tell_endpoints("web");
    cluster.tell_service_gone("web");
    cluster.tell_service("web");
    assert_eq!(cluster.settle(), [""; 0]);
    // They are written after it came, while the deletion waits for its turn.
    let mut cluster = settled();
    cluster.delete_service("web");
    cluster.service_with("web", without_selector(), again);
    cluster.edit("web", |endpoints| {
        endpoints["subsets"] = by_hand()["subsets"].clone();
    });
    cluster.tell_endpoints("web");
    assert_eq!(cluster.settle(), [""; 0]);
    // The same, and the watch has not told of it.
    let mut cluster = settled();
    cluster.delete_service("web");
    cluster.service_with("web", without_selector(), again);
    cluster.edit("web", |endpoints| {
        endpoints["subsets"] = by_hand()["subsets"].clone();
    });
    let mut request = cluster.send("web").unwrap();
    let outcome = cluster.carry_out(&mut request);
    assert!(matches!(
        cluster.answer(&request, outcome),
        Verdict::Retry { notice: None }
    ));
    cluster.tell_endpoints("web");
    assert!(cluster.send("web").is_none());
}

#[test]
fn a_write_that_lands_after_its_service_is_gone_is_taken_back() {
    let mut cluster = settled();
    cluster.pod("web-2", "10.0.0.2");
    cluster.take_marked();
    let mut request = cluster.send("web").unwrap();
    cluster.delete_service("web");
    cluster.take_marked();
    let outcome = cluster.carry_out(&mut request);
    assert_eq!(cluster.answer(&request, outcome), Verdict::Again);
    let request = cluster.send("web").unwrap();
    assert_eq!(request.verb, Verb::Delete);
    // Also where a Service without a selector has come in its place.
    let mut cluster = settled();
    cluster.pod("web-2", "10.0.0.2");
    let mut request = cluster.send("web").unwrap();
    cluster.delete_service("web");
    cluster.service_with("web", without_selector(), again);
    let outcome = cluster.carry_out(&mut request);
    assert_eq!(cluster.answer(&request, outcome), Verdict::Again);
    assert_eq!(cluster.settle(), ["delete web"]);
}

#[test]
fn what_a_create_without_an_answer_has_made_goes_as_well() {
    let mut cluster = Cluster::new();
    cluster.service("web", plain());
    cluster.begin();
    cluster.take_marked();
    let mut request = cluster.send("web").unwrap();
    assert!(cluster.carry_out(&mut request).is_ok());
    cluster.delete_service("web");
    let lost = Err(WriteError::Aborted);
    assert!(matches!(cluster.answer(&request, lost), Verdict::Retry { .. }));
    assert!(cluster.send("web").is_none(), "the watch has not told of it yet");
    assert_eq!(cluster.held(), 1);
    cluster.tell_endpoints("web");
    assert_eq!(cluster.settle(), ["get web", "delete web"]);
    assert_eq!(cluster.held(), 0);
}

#[test]
fn the_key_of_a_create_without_an_answer_is_looked_at_again_when_nothing_more_can_come_of_it() {
    let mut cluster = Cluster::new();
    cluster.service("web", plain());
    cluster.begin();
    cluster.take_marked();
    let request = cluster.send("web").unwrap();
    cluster.delete_service("web");
    let unanswered = Err(WriteError::Aborted);
    assert!(matches!(
        cluster.answer(&request, unanswered),
        Verdict::Retry { .. }
    ));
    let start = Instant::now();
    let until = cluster.plan_at("web", start).look_again.unwrap();
    assert!(
        until > start + Duration::from_mins(1),
        "the apiserver's time limit"
    );
    let early = cluster.plan_at("web", start + Duration::from_mins(1));
    assert_eq!(early.look_again, Some(until), "the wait does not begin anew");
    assert_eq!(cluster.held(), 1);
    let then = cluster.plan_at("web", until);
    assert_eq!((then.requests.len(), then.look_again), (0, None));
    assert_eq!(cluster.held(), 0);
}

#[test]
fn orphans_are_swept_at_the_start_once_the_apiserver_has_no_such_service() {
    let mut cluster = settled();
    cluster.put("by-hand", &by_hand());
    cluster.put(
        "left",
        &json!({ "metadata": { "labels": { "endpoints.kubernetes.io/managed-by": "endpoint-controller" } } }),
    );
    cluster.restart();
    assert_eq!(
        cluster.settle(),
        ["get by-hand", "delete by-hand", "get left", "delete left"]
    );
    assert_eq!(*cluster.stored("by-hand"), Value::Null);
}

/// kube-controller-manager deletes them (kubernetes/kubernetes#104062).
#[test]
fn a_service_that_the_watch_has_not_told_of_saves_its_endpoints() {
    let mut cluster = Cluster::new();
    cluster.put("web", &by_hand());
    cluster.store_service("web", without_selector(), |_| ());
    cluster.begin();
    assert_eq!(cluster.settle(), ["get web"]);
    cluster.tell_service("web");
    assert_eq!(cluster.settle(), [""; 0]);
}

#[test]
fn a_service_that_comes_between_question_and_deletion_saves_its_endpoints() {
    let mut cluster = Cluster::new();
    cluster.put("web", &by_hand());
    cluster.begin();
    cluster.take_marked();
    let mut question = cluster.send("web").unwrap();
    assert_eq!(question.verb, Verb::Get);
    let outcome = cluster.carry_out(&mut question);
    cluster.service("web", without_selector());
    assert_eq!(cluster.answer(&question, outcome), Verdict::Again);
    assert!(cluster.send("web").is_none());
    // After the answer.
    let mut cluster = Cluster::new();
    cluster.put("web", &by_hand());
    cluster.begin();
    cluster.take_marked();
    let mut question = cluster.send("web").unwrap();
    let outcome = cluster.carry_out(&mut question);
    assert_eq!(cluster.answer(&question, outcome), Verdict::Again);
    cluster.service("web", without_selector());
    assert!(cluster.send("web").is_none());
}

#[test]
fn an_orphan_that_somebody_writes_is_asked_about_again() {
    let mut cluster = Cluster::new();
    cluster.put("web", &by_hand());
    cluster.begin();
    let mut question = cluster.send("web").unwrap();
    let outcome = cluster.carry_out(&mut question);
    cluster.answer(&question, outcome);
    let mut deletion = cluster.send("web").unwrap();
    assert_eq!(deletion.verb, Verb::Delete);
    cluster.edit("web", |_| ());
    let outcome = cluster.carry_out(&mut deletion);
    assert_eq!(
        cluster.answer(&deletion, outcome),
        Verdict::Retry { notice: None }
    );
    cluster.tell_endpoints("web");
    assert_eq!(cluster.send("web").map(|request| request.verb), Some(Verb::Get));
}

#[test]
fn endpoints_that_are_made_anew_under_the_name_are_asked_about_before_they_are_deleted() {
    // Those before them were left by the Service; or the apiserver said that they have none.
    let left = {
        let mut cluster = settled();
        cluster.delete_service("web");
        cluster
    };
    let confirmed = {
        let mut cluster = Cluster::new();
        cluster.put("web", &by_hand());
        cluster.begin();
        assert_eq!(cluster.send_and_store("web"), Verb::Get);
        cluster
    };
    for mut cluster in [left, confirmed] {
        // The deletion gets no answer, and the watch tells meanwhile.
        let mut deletion = cluster.send("web").unwrap();
        assert!(cluster.carry_out(&mut deletion).is_ok());
        let mut other = by_hand();
        other["metadata"] = json!({ "uid": "uid-of-the-second" });
        cluster.put("web", &other);
        let lost = Err(WriteError::Aborted);
        assert_eq!(cluster.answer(&deletion, lost), Verdict::Retry { notice: None });
        assert_eq!(cluster.send("web").map(|request| request.verb), Some(Verb::Get));
    }
}

#[test]
fn each_term_begins_with_a_sweep() {
    let mut cluster = settled();
    cluster.put("by-hand", &by_hand());
    assert_eq!(cluster.settle(), [""; 0]);
    cluster.begin_term();
    assert_eq!(cluster.settle(), ["get by-hand", "delete by-hand"]);
}

/// kube-controller-manager spares them at its start, and deletes them with a Service of their name
/// (kubernetes/kubernetes#45585).
#[test]
fn locks_of_leader_election_are_never_deleted() {
    let mut lock = by_hand();
    lock["metadata"] = json!({ "annotations": { "control-plane.alpha.kubernetes.io/leader": "" } });
    let mut cluster = Cluster::new();
    cluster.put("lock", &lock.clone());
    cluster.service("named-so", without_selector());
    cluster.put("named-so", &lock);
    cluster.begin();
    assert_eq!(cluster.settle(), [""; 0]);
    cluster.delete_service("named-so");
    assert_eq!(cluster.settle(), [""; 0]);
}

#[test]
fn endpoints_without_a_service_that_come_later_are_left_alone() {
    let mut cluster = settled();
    cluster.put("by-hand", &by_hand());
    cluster.edit("by-hand", |endpoints| endpoints["subsets"] = json!([]));
    cluster.tell_endpoints("by-hand");
    assert_eq!(cluster.settle(), [""; 0]);
}

#[test]
fn what_is_on_its_way_out_is_not_deleted_again() {
    let mut cluster = settled();
    cluster.edit("web", |endpoints| {
        endpoints["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        endpoints["metadata"]["finalizers"] = json!(["example.com/f"]);
    });
    cluster.tell_endpoints("web");
    cluster.settle();
    cluster.delete_service("web");
    assert_eq!(cluster.settle(), [""; 0]);
}

#[test]
fn nothing_is_held_of_what_has_gone() {
    let mut cluster = settled();
    assert_eq!(cluster.held(), 1);
    cluster.service("web", without_selector());
    assert_eq!(cluster.held(), 0);
    cluster.delete_service("web");
    assert_eq!(cluster.held(), 1);
    cluster.settle();
    assert_eq!(cluster.held(), 0);
    // The same where another process deletes them, as while this one stands by.
    let mut cluster = settled();
    cluster.delete_service("web");
    cluster.delete_endpoints("web");
    assert_eq!(cluster.held(), 0);
}
