//! A Service that ceases to select Pods, and begins again, while writes are under way.

use quaymaster_engine::{Request, Verdict};
use quaymaster_runtime::api::{Verb, WriteError};
use serde_json::json;

use super::cluster::Cluster;
use super::{conflict, selecting, settled};

fn without_selector() -> serde_json::Value {
    json!({ "ipFamilies": ["IPv4"], "clusterIP": "10.1.0.1" })
}

fn timeout() -> WriteError {
    WriteError::Timeout {
        after: std::time::Duration::from_secs(5),
    }
}

fn to_port(target: &serde_json::Value) -> serde_json::Value {
    let mut spec = selecting();
    spec["ports"] = json!([{ "port": 80, "targetPort": target, "protocol": "TCP" }]);
    spec
}

/// Two Pods that differ in the number of the port `http`, each in a slice of its own. The Service then asks for one
/// port of both: they come to stand in one slice, and the deletion of the other one is under way.
fn joined() -> (Cluster, Request) {
    let mut cluster = Cluster::new();
    cluster.node("node-1", "zone-a");
    cluster.service(to_port(&json!("http")));
    for (name, address, port) in [("web-1", "10.0.0.1", 8080), ("web-2", "10.0.0.2", 9090)] {
        let containers = json!([{ "name": "c", "ports": [{ "name": "http", "containerPort": port }] }]);
        cluster.pod_with(name, &json!([{ "ip": address }]), &containers);
    }
    cluster.begin();
    assert_eq!(cluster.write_all(), [Verb::Create; 2]);
    cluster.always_published(&["10.0.0.1", "10.0.0.2"]);
    cluster.service(to_port(&json!(8080)));
    cluster.write_next();
    let mut deletion = cluster.send();
    cluster.carry_out_deletion(&mut deletion);
    (cluster, deletion)
}

#[test]
fn a_ready_pod_stays_published_while_the_selector_goes_and_comes_back_during_a_write() {
    let (mut cluster, deletion) = joined();
    cluster.service(without_selector());
    cluster.service(to_port(&json!("http")));
    // The slice that goes is the one where a Pod belongs again. It must not count.
    cluster.write_all();
    cluster.answer_deletion(&deletion);
    cluster.write_all();
    assert_eq!(cluster.slices().len(), 2);
}

#[test]
fn a_ready_pod_stays_published_where_nobody_knows_whether_the_write_was_carried_out() {
    let (mut cluster, deletion) = joined();
    cluster.service(without_selector());
    assert!(matches!(cluster.fail(&deletion, &timeout()), Verdict::Done));
    cluster.service(to_port(&json!("http")));
    let written = cluster.write_without_answers();
    assert_eq!(written, [deletion.object.name], "nothing else relies on it");
}

#[test]
fn what_is_held_of_a_service_without_selector_goes_with_its_last_answer() {
    let mut cluster = settled();
    cluster.node("node-1", "zone-b");
    let mut update = cluster.send();
    cluster.service(without_selector());
    assert!(cluster.holds_state());
    let stored = cluster.carry_out(&mut update);
    assert!(matches!(cluster.answer(&update, stored), Verdict::Done));
    assert!(!cluster.holds_state());
    // And at once where nothing is under way.
    let mut cluster = settled();
    cluster.service(without_selector());
    assert!(!cluster.holds_state());
}

#[test]
fn a_write_under_way_while_the_selector_goes_and_comes_back_is_known_by_its_answer() {
    let mut cluster = settled();
    cluster.node("node-1", "zone-b");
    let mut update = cluster.send();
    let stored = cluster.carry_out(&mut update);
    cluster.service(without_selector());
    cluster.service(selecting());
    cluster.node("node-1", "zone-c");
    assert!(cluster.write_all().is_empty(), "one write for each slice");
    // The answer comes first, so that what the watch tells of the write is no news.
    assert!(matches!(cluster.answer(&update, stored.clone()), Verdict::Again));
    cluster.told(stored);
    assert_eq!(cluster.write_all(), [Verb::Update]);
    assert_eq!(cluster.slices()[0]["endpoints"][0]["zone"], "zone-c");
}

#[test]
fn what_was_decided_and_not_sent_when_the_selector_went_is_not_written() {
    let mut cluster = settled();
    cluster.node("node-1", "zone-b");
    cluster.decide();
    cluster.service(without_selector());
    assert!(cluster.write_all().is_empty());
    cluster.node("node-1", "zone-a");
    cluster.service(selecting());
    assert!(cluster.write_all().is_empty(), "all is as it was");
}

#[test]
fn a_service_that_is_due_while_its_selector_is_gone_decides_nothing_and_counts_for_nothing() {
    let (mut cluster, deletion) = joined();
    cluster.node("node-1", "zone-b");
    cluster.service(without_selector());
    assert!(cluster.write_all().is_empty());
    let metrics = cluster.metrics();
    for gauge in [
        "num_endpoint_slices",
        "endpoints_desired",
        "desired_endpoint_slices",
    ] {
        let shown = format!("endpoint_slice_controller_{gauge} 0");
        assert!(metrics.lines().any(|line| line == shown), "{shown}\n{metrics}");
    }
    cluster.answer_deletion(&deletion);
    assert!(!cluster.holds_state(), "nothing else is under way");
    cluster.service(to_port(&json!(8080)));
    assert_eq!(cluster.write_all(), [Verb::Update]);
}

#[test]
fn an_edit_of_a_slice_without_selector_is_left_and_put_right_with_it() {
    let mut cluster = settled();
    cluster.node("node-1", "zone-b");
    let update = cluster.send();
    cluster.service(without_selector());
    cluster.take_marked();
    let edited = cluster.edit(&update.object.name, |slice| slice["endpoints"] = json!([]));
    cluster.told(edited);
    assert!(cluster.take_marked().is_empty());
    assert!(matches!(cluster.fail(&update, &conflict()), Verdict::Done));
    cluster.service(selecting());
    assert_eq!(cluster.write_all(), [Verb::Update]);
    assert_eq!(cluster.slices()[0]["endpoints"][0]["zone"], "zone-b");
}

#[test]
fn an_answer_without_a_state_is_not_lost_for_the_next_one() {
    let mut cluster = settled();
    cluster.node("node-1", "zone-b");
    let mut former = cluster.send();
    let stored = cluster.carry_out(&mut former);
    cluster.service(without_selector());
    assert!(matches!(cluster.answer(&former, stored.clone()), Verdict::Done));
    cluster.service(selecting());
    cluster.told(stored);
    assert!(cluster.write_all().is_empty());
    cluster.node("node-1", "zone-c");
    assert_eq!(cluster.write_all(), [Verb::Update]);
}

#[test]
fn the_answer_to_a_write_of_a_former_service_of_that_name_brings_its_slice_up_to_date() {
    let mut cluster = settled();
    cluster.node("node-1", "zone-b");
    let mut former = cluster.send();
    let stored = cluster.carry_out(&mut former);
    cluster.service_again("uid-again", selecting());
    // The answer comes first, so that what the watch tells of the write is no news.
    assert!(matches!(cluster.answer(&former, stored.clone()), Verdict::Again));
    cluster.told(stored);
    assert_eq!(cluster.write_all(), [Verb::Create, Verb::Delete]);
    assert_eq!(cluster.slices()[0]["endpoints"][0]["zone"], "zone-b");
}

#[test]
fn the_answer_to_a_write_of_a_former_service_is_not_taken_for_one_to_a_write_of_the_next() {
    let mut cluster = settled();
    cluster.node("node-1", "zone-b");
    let mut former = cluster.send();
    let stored = cluster.carry_out(&mut former);
    cluster.service_again("uid-again", selecting());
    assert!(matches!(cluster.write_next(), Verdict::Again));
    // Each Service's second write, of the same slice.
    let deletion = cluster.send();
    assert_eq!(deletion.object, former.object);
    cluster.answer(&former, stored);
    assert!(
        cluster.write_without_answers().is_empty(),
        "the deletion is under way"
    );
    assert!(matches!(
        cluster.fail(&deletion, &conflict()),
        Verdict::Retry { .. }
    ));
    assert_eq!(cluster.write_all(), [Verb::Delete]);
}

#[test]
fn what_is_held_of_a_service_without_selector_goes_once_the_watch_tells_of_a_lost_write() {
    let mut cluster = settled();
    cluster.node("node-1", "zone-b");
    let mut update = cluster.send();
    let stored = cluster.carry_out(&mut update);
    cluster.service(without_selector());
    assert!(matches!(cluster.fail(&update, &timeout()), Verdict::Done));
    assert!(cluster.holds_state(), "nobody knows what is stored");
    cluster.told(stored);
    assert!(!cluster.holds_state());
}
