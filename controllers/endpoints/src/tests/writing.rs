//! Requests and their answers.
//!
//! | Rule | Test |
//! |---|---|
//! | one in flight | `what_changes_while_a_write_is_under_way_goes_into_the_next`, `an_edit_that_the_watch_tells_before_the_answer_is_put_right`, `the_echo_of_a_write_that_overtakes_its_answer_is_no_change` |
//! | Pods that flip | `a_pod_that_flips_there_and_back_leaves_what_is_right` |
//! | conflicts | `a_conflict_is_tried_again_without_an_event`, `a_create_that_finds_endpoints_there_takes_them_over` |
//! | refusals | `a_refusal_is_told_on_the_endpoints`, `a_failed_create_is_told_in_the_namespace_of_the_service` |
//! | going namespaces | `nothing_more_is_created_in_a_namespace_that_is_being_deleted` |
//! | policies | `what_a_policy_changes_is_written_once_and_told`, `what_a_policy_changed_for_an_earlier_service_is_written_again_for_its_successor`, `what_a_policy_leaves_alone_later_is_put_right` |

use quaymaster_engine::Verdict;
use quaymaster_runtime::api::{Verb, WriteError};
use serde_json::{Value, json};

use super::cluster::{Cluster, plain};

fn settled() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.service("web", plain());
    cluster.pod("web-1", "10.0.0.1");
    cluster.begin();
    assert_eq!(cluster.settle(), ["create web"]);
    cluster
}

fn ready(cluster: &Cluster) -> Vec<&str> {
    let addresses = cluster.stored("web")["subsets"][0]["addresses"].as_array();
    let addresses = addresses.into_iter().flatten();
    addresses.map(|address| address["ip"].as_str().unwrap()).collect()
}

fn forbidden() -> WriteError {
    WriteError::Forbidden {
        verb: "update",
        resource: "endpoints".to_owned(),
        message: "quota".to_owned(),
    }
}

#[test]
fn what_changes_while_a_write_is_under_way_goes_into_the_next() {
    let mut cluster = settled();
    cluster.pod("web-2", "10.0.0.2");
    let mut first = cluster.send("web").unwrap();
    cluster.pod("web-3", "10.0.0.3");
    cluster.pod("web-4", "10.0.0.4");
    assert!(cluster.send("web").is_none(), "one at a time");
    let outcome = cluster.carry_out(&mut first);
    assert_eq!(cluster.answer(&first, outcome), Verdict::Again);
    assert_eq!(cluster.settle(), ["update web"]);
    assert_eq!(ready(&cluster), ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]);
}

#[test]
fn an_edit_that_the_watch_tells_before_the_answer_is_put_right() {
    let mut cluster = settled();
    cluster.pod("web-2", "10.0.0.2");
    let mut request = cluster.send("web").unwrap();
    let outcome = cluster.carry_out(&mut request);
    cluster.tell_endpoints("web");
    cluster.edit("web", |endpoints| endpoints["subsets"] = json!([]));
    cluster.tell_endpoints("web");
    cluster.take_marked();
    assert_eq!(cluster.answer(&request, outcome), Verdict::Again);
    let mut repair = cluster.send("web").unwrap();
    assert!(cluster.carry_out(&mut repair).is_ok());
    assert_eq!(ready(&cluster), ["10.0.0.1", "10.0.0.2"]);
}

#[test]
fn the_echo_of_a_write_that_overtakes_its_answer_is_no_change() {
    let mut cluster = settled();
    cluster.pod("web-2", "10.0.0.2");
    cluster.take_marked();
    let mut request = cluster.send("web").unwrap();
    let outcome = cluster.carry_out(&mut request);
    cluster.tell_endpoints("web");
    assert!(cluster.take_marked().is_empty());
    assert_eq!(cluster.answer(&request, outcome), Verdict::Done);
}

/// kube-controller-manager compared with a stale cache here (kubernetes/kubernetes#117193, #125638).
#[test]
fn a_pod_that_flips_there_and_back_leaves_what_is_right() {
    let mut cluster = settled();
    let set = |cluster: &mut Cluster, ready: bool| {
        cluster.pod_with("web-1", "10.0.0.1", |pod| {
            pod["status"]["conditions"][0]["status"] = json!(if ready { "True" } else { "False" });
        });
    };
    set(&mut cluster, false);
    let mut request = cluster.send("web").unwrap();
    set(&mut cluster, true);
    let outcome = cluster.carry_out(&mut request);
    assert_eq!(ready(&cluster), [""; 0]);
    assert_eq!(
        cluster.answer(&request, outcome),
        Verdict::Done,
        "the change is still marked"
    );
    assert_eq!(cluster.settle(), ["update web"]);
    assert_eq!(ready(&cluster), ["10.0.0.1"]);
}

#[test]
fn a_conflict_is_tried_again_without_an_event() {
    let mut cluster = settled();
    cluster.pod("web-2", "10.0.0.2");
    cluster.edit("web", |endpoints| {
        endpoints["metadata"]["annotations"]["mine"] = json!("kept");
    });
    let mut request = cluster.send("web").unwrap();
    let outcome = cluster.carry_out(&mut request);
    assert!(matches!(outcome, Err(WriteError::Conflict { .. })));
    assert_eq!(cluster.answer(&request, outcome), Verdict::Retry { notice: None });
    cluster.tell_endpoints("web");
    assert_eq!(cluster.settle(), ["update web"]);
    assert_eq!(ready(&cluster), ["10.0.0.1", "10.0.0.2"]);
    assert_eq!(cluster.stored("web")["metadata"]["annotations"]["mine"], "kept");
}

#[test]
fn a_create_that_finds_endpoints_there_takes_them_over() {
    let mut cluster = Cluster::new();
    cluster.service("web", plain());
    cluster.pod("web-1", "10.0.0.1");
    cluster.begin();
    let mut request = cluster.send("web").unwrap();
    assert_eq!(request.verb, Verb::Create);
    cluster.put(
        "web",
        &json!({ "subsets": [{ "addresses": [{ "ip": "6.7.8.9" }] }] }),
    );
    let outcome = cluster.carry_out(&mut request);
    assert!(matches!(outcome, Err(WriteError::AlreadyExists { .. })));
    assert_eq!(cluster.answer(&request, outcome), Verdict::Retry { notice: None });
    assert_eq!(cluster.settle(), ["update web"]);
    assert_eq!(ready(&cluster), ["10.0.0.1"]);
}

#[test]
fn a_refusal_is_told_on_the_endpoints() {
    let mut cluster = settled();
    cluster.pod("web-2", "10.0.0.2");
    let request = cluster.send("web").unwrap();
    let Verdict::Retry { notice: Some(notice) } = cluster.answer(&request, Err(forbidden())) else {
        panic!("it is told");
    };
    assert_eq!(notice.reason, "FailedToUpdateEndpoint");
    assert!(
        notice.note.starts_with("Failed to update endpoint shop/web: "),
        "{}",
        notice.note
    );
    let regarding = notice.regarding;
    let stored = &cluster.stored("web")["metadata"];
    assert_eq!(regarding.kind.as_deref(), Some("Endpoints"));
    assert_eq!(regarding.namespace.as_deref(), Some("shop"));
    assert_eq!(regarding.name.as_deref(), Some("web"));
    assert_eq!(regarding.uid.as_deref(), stored["uid"].as_str());
    assert_eq!(cluster.settle(), ["update web"], "and it is tried again");
}

#[test]
fn a_failed_create_is_told_in_the_namespace_of_the_service() {
    let mut cluster = Cluster::new();
    cluster.service("web", plain());
    cluster.begin();
    let request = cluster.send("web").unwrap();
    let Verdict::Retry { notice: Some(notice) } = cluster.answer(&request, Err(forbidden())) else {
        panic!("it is told");
    };
    assert_eq!(notice.reason, "FailedToCreateEndpoint");
    assert!(
        notice
            .note
            .starts_with("Failed to create endpoint for service shop/web: "),
        "{}",
        notice.note
    );
    assert_eq!(notice.regarding.namespace.as_deref(), Some("shop"));
    assert_eq!(
        (notice.regarding.name.as_deref(), notice.regarding.uid),
        (Some("web"), None)
    );
}

#[test]
fn nothing_more_is_created_in_a_namespace_that_is_being_deleted() {
    let mut cluster = Cluster::new();
    cluster.service("web", plain());
    cluster.begin();
    cluster.take_marked();
    let request = cluster.send("web").unwrap();
    let refused = WriteError::NamespaceTerminating {
        message: "no".to_owned(),
    };
    assert_eq!(cluster.answer(&request, Err(refused)), Verdict::Done);
    cluster.pod("web-1", "10.0.0.1");
    assert_eq!(cluster.settle(), [""; 0]);
    cluster.service_with("web", plain(), |service| {
        service["metadata"]["labels"] = json!({ "a": "b" });
    });
    assert_eq!(
        cluster.settle(),
        ["create web"],
        "a change of the Service is worth another try"
    );
}

#[test]
fn what_a_policy_changes_is_written_once_and_told() {
    let mut cluster = settled();
    cluster.policy = |endpoints| endpoints["metadata"]["labels"]["team"] = json!("blue");
    cluster.pod("web-2", "10.0.0.2");
    assert_eq!(cluster.settle(), ["update web"]);
    assert_eq!(cluster.events.len(), 1);
    assert_eq!(cluster.events[0].reason, "EndpointsAltered");
    assert_eq!(cluster.events[0].regarding.name.as_deref(), Some("web"));
    cluster.service("web", plain());
    cluster.pod("web-2", "10.0.0.2");
    assert_eq!(cluster.settle(), [""; 0], "there is no use in writing it again");
    cluster.pod("web-3", "10.0.0.3");
    assert_eq!(cluster.settle(), ["update web"], "but its content still follows");
    assert_eq!(ready(&cluster), ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
}

#[test]
fn what_a_policy_changed_for_an_earlier_service_is_written_again_for_its_successor() {
    let mut cluster = settled();
    cluster.policy = |endpoints| endpoints["metadata"]["labels"]["team"] = json!("blue");
    cluster.pod("web-2", "10.0.0.2");
    assert_eq!(cluster.settle(), ["update web"]);
    cluster.policy = |_| ();
    cluster.delete_service("web");
    cluster.service_with("web", plain(), |service| {
        service["metadata"]["uid"] = json!("uid-of-the-second");
    });
    assert_eq!(cluster.settle(), ["update web"]);
    assert_eq!(cluster.stored("web")["metadata"]["labels"]["team"], Value::Null);
}

#[test]
fn what_a_policy_leaves_alone_later_is_put_right() {
    let mut cluster = settled();
    cluster.policy = |endpoints| endpoints["subsets"] = Value::Null;
    cluster.pod("web-2", "10.0.0.2");
    assert_eq!(cluster.settle(), ["update web"]);
    cluster.policy = |_| ();
    cluster.edit("web", |endpoints| {
        endpoints["subsets"] = json!([{ "addresses": [{ "ip": "6.7.8.9" }] }]);
    });
    cluster.tell_endpoints("web");
    assert_eq!(cluster.settle(), ["update web"]);
    assert_eq!(ready(&cluster), ["10.0.0.1", "10.0.0.2"]);
}
