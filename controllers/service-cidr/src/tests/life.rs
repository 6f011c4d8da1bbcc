//! ServiceCIDRs that are there.

use quaymaster_runtime::api::WriteError;
use serde_json::json;

use super::cluster::Cluster;

const FINALIZER: &str = "networking.k8s.io/service-cidr-finalizer";

#[test]
fn a_new_range_gets_the_finalizer_and_is_ready() {
    let mut cluster = Cluster::new();
    cluster.create("a", &["10.0.0.0/24", "fd00::/120"]);
    assert_eq!(cluster.work(), ["a finalizers +1 -0", "a ready=True"]);
    assert_eq!(cluster.state("a"), format!(r#"["{FINALIZER}"] ready=True"#));
    assert!(cluster.wake("a").is_empty());
}

#[test]
fn the_finalizers_of_others_stay() {
    let mut cluster = Cluster::new();
    cluster.create("a", &["10.0.0.0/24"]);
    cluster.edit("a", |object| {
        object["metadata"]["finalizers"] = json!(["example.com/mine"]);
    });
    cluster.work();
    let both = format!(r#"["example.com/mine","{FINALIZER}"] ready=True"#);
    assert_eq!(cluster.state("a"), both);
}

#[test]
fn the_condition_of_the_apiserver_is_put_into_this_controllers_words_once() {
    let mut cluster = Cluster::new();
    cluster.create("kubernetes", &["10.96.0.0/16"]);
    cluster.edit("kubernetes", |object| {
        object["metadata"]["finalizers"] = json!([FINALIZER]);
        object["status"]["conditions"] = json!([
            { "type": "Ready", "status": "True", "message": "Kubernetes default Service CIDR is ready" },
        ]);
    });
    assert_eq!(cluster.work(), ["kubernetes ready=True"]);
    cluster.restart();
    assert!(cluster.work().is_empty());
}

#[test]
fn what_others_take_away_is_put_back_as_a_repair_which_slows_down_where_it_is_undone_again() {
    let mut cluster = Cluster::new();
    cluster.create("a", &["10.0.0.0/24"]);
    assert_eq!(cluster.repairs(), 0);
    cluster.work();
    assert_eq!(cluster.repairs(), 0, "its own writes");
    cluster.edit("a", |object| object["metadata"]["finalizers"] = json!(null));
    assert_eq!(cluster.repairs(), 1);
    assert_eq!(cluster.work(), ["a finalizers +1 -0"]);
    cluster.edit("a", |object| object["status"] = json!(null));
    assert_eq!(cluster.repairs(), 1);
    assert_eq!(cluster.work(), ["a ready=True"]);
    cluster.edit("a", |object| {
        object["metadata"]["labels"] = json!({ "team": "net" });
    });
    assert_eq!(cluster.repairs(), 0, "a label is no business of this controller");
    assert!(cluster.work().is_empty());
}

#[test]
fn a_restart_over_what_is_right_writes_nothing() {
    let mut cluster = Cluster::new();
    for (name, range) in [("a", "10.0.0.0/24"), ("b", "10.0.0.0/25")] {
        cluster.create(name, &[range]);
    }
    cluster.work();
    cluster.restart();
    assert!(cluster.work().is_empty());
}

#[test]
fn what_a_policy_alters_is_written_once_for_each_change() {
    let mut cluster = Cluster::new();
    cluster.policy = |object| {
        if let Some(ready) = object["status"]["conditions"].get_mut(0) {
            ready["message"] = json!("mine");
        }
    };
    cluster.create("a", &["10.0.0.0/24"]);
    let once = ["a ready=True", "ServiceCIDRAltered"];
    assert_eq!(cluster.work()[1..], once);
    assert!(cluster.wake("a").is_empty());
    cluster.edit("a", |object| {
        object["metadata"]["labels"] = json!({ "team": "net" });
    });
    assert_eq!(cluster.work(), once);
}

#[test]
fn a_refusal_is_told_on_the_object_and_a_conflict_is_not() {
    let forbidden = || WriteError::Forbidden {
        verb: "patch",
        resource: "servicecidrs".to_owned(),
        message: "no".to_owned(),
    };
    let conflict = || WriteError::Conflict {
        message: "changed".to_owned(),
    };
    let mut cluster = Cluster::new();
    cluster.create("a", &["10.0.0.0/24"]);
    assert_eq!(cluster.work_with(|_| Some(forbidden())), ["failed false"]);
    assert_eq!(cluster.wake("a").len(), 2, "a failure is no reason to give up");
    cluster.edit("a", |object| object["status"] = json!(null));
    assert_eq!(cluster.work_with(|_| Some(conflict())), ["failed false"]);
    cluster.edit("a", |object| object["status"] = json!(null));
    assert_eq!(cluster.work_with(|_| Some(forbidden())), ["failed true"]);
}

#[test]
fn a_range_that_is_not_there_is_no_work() {
    let mut cluster = Cluster::new();
    assert!(cluster.wake("a").is_empty());
    assert!(cluster.work().is_empty());
}

#[test]
fn a_range_is_written_by_one_request_at_a_time_and_its_successor_does_not_wait_for_that() {
    let mut cluster = Cluster::new();
    cluster.create("a", &["10.0.0.0/24"]);
    assert_eq!(cluster.requests("a"), 1);
    assert_eq!(cluster.requests("a"), 0, "one is under way");
    // No finalizer holds it yet.
    cluster.delete("a");
    assert_eq!(cluster.state("a"), "gone");
    cluster.create("a", &["10.0.0.0/24"]);
    assert_eq!(cluster.requests("a"), 1);
}
