//! What others do to slices, and what only looks as if they did.

use quaymaster_engine::Verdict;
use quaymaster_runtime::api::Verb;
use serde_json::{Value, json};

use super::cluster::{Cluster, owner, subset};

fn settled() -> Cluster {
    let mut cluster = Cluster::mirroring(json!([subset(&["10.0.0.1"], &[], &[("", 80)])]));
    cluster.write_all();
    cluster.take_marked();
    cluster
}

type Edit = fn(&mut Value);

#[test]
fn what_somebody_else_changes_of_a_mirrored_slice_is_put_right() {
    let edits: [(&str, Edit); 8] = [
        ("endpoints", |slice| slice["endpoints"] = json!([])),
        ("a condition", |slice| {
            slice["endpoints"][0]["conditions"]["ready"] = json!(false);
        }),
        ("another condition", |slice| {
            slice["endpoints"][0]["conditions"]["serving"] = json!(true);
        }),
        ("ports", |slice| slice["ports"][0]["port"] = json!(81)),
        ("a label more", |slice| {
            slice["metadata"]["labels"]["x"] = json!("y");
        }),
        ("an annotation more", |slice| {
            slice["metadata"]["annotations"] = json!({ "x": "y" });
        }),
        ("another owner", |slice| {
            slice["metadata"]["ownerReferences"] = json!([owner("uid-before")]);
        }),
        ("no owner", |slice| {
            slice["metadata"]["ownerReferences"] = json!([]);
        }),
    ];
    for (what, edit) in edits {
        let mut cluster = settled();
        let right = cluster.slices()[0].clone();
        let name = cluster.only_slice();
        cluster.edited(&name, edit);
        assert_eq!(cluster.take_repaired(), 1, "{what}");
        assert_eq!(cluster.write_all(), [Verb::Update], "{what}");
        let mut after = cluster.slices()[0].clone();
        after["metadata"]["resourceVersion"] = right["metadata"]["resourceVersion"].clone();
        assert_eq!(after, right, "{what}");
    }
}

#[test]
fn what_does_not_concern_us_is_no_repair() {
    let edits: [(&str, Edit); 3] = [
        ("hints", |slice| {
            slice["endpoints"][0]["hints"] = json!({ "forZones": [{ "name": "a" }] });
        }),
        ("a finalizer", |slice| {
            slice["metadata"]["finalizers"] = json!(["example.org/hold"]);
        }),
        ("a field that is not known", |slice| slice["x"] = json!(1)),
    ];
    for (what, edit) in edits {
        let mut cluster = settled();
        let name = cluster.only_slice();
        cluster.edited(&name, edit);
        assert_eq!(cluster.take_marked(), 0, "{what}");
        assert!(cluster.write_all().is_empty(), "{what}");
    }
}

#[test]
fn a_mirrored_slice_that_is_deleted_is_made_again() {
    let mut cluster = settled();
    let name = cluster.only_slice();
    cluster.deleted(&name);
    assert_eq!(cluster.take_repaired(), 1);
    assert_eq!(cluster.write_all(), [Verb::Create]);
    assert_eq!(cluster.only_slice(), name);
    // Also after a restart that wrote nothing.
    cluster.restart();
    assert!(cluster.write_all().is_empty());
    cluster.take_marked();
    cluster.deleted(&name);
    assert_eq!(cluster.take_repaired(), 1);
    assert_eq!(cluster.write_all(), [Verb::Create]);
}

#[test]
fn a_slice_that_loses_a_label_is_replaced_and_one_that_comes_is_cleared_away() {
    for label in [
        "kubernetes.io/service-name",
        "endpointslice.kubernetes.io/managed-by",
    ] {
        let mut cluster = settled();
        let name = cluster.only_slice();
        cluster.edited(&name, |slice| {
            slice["metadata"]["labels"][label] = json!("other");
        });
        assert_eq!(cluster.write_all(), [Verb::Create], "{label}");
        assert_eq!(cluster.slices().len(), 2, "{label}");
    }
    let mut cluster = settled();
    cluster.slice("copy", |slice| slice["endpoints"] = json!([]));
    assert_eq!(cluster.take_repaired(), 1);
    assert_eq!(cluster.write_all(), [Verb::Delete]);
}

#[test]
fn a_mirrored_slice_held_by_a_finalizer_is_replaced_and_left_alone() {
    let mut cluster = settled();
    let name = cluster.only_slice();
    cluster.edited(&name, |slice| {
        slice["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        slice["metadata"]["finalizers"] = json!(["example.org/hold"]);
    });
    assert_eq!(cluster.write_all(), [Verb::Create]);
    cluster.edited(&name, |slice| slice["endpoints"] = json!([]));
    assert!(cluster.write_all().is_empty());
    cluster.no_service();
    assert_eq!(cluster.write_all(), [Verb::Delete], "only the other one");
}

#[test]
fn an_own_write_that_the_watch_tells_first_is_no_repair_of_a_mirrored_slice() {
    let mut cluster = settled();
    // The slice of the other family is to be made, too.
    cluster.endpoints(json!([subset(&["10.0.0.2", "fd00::2"], &[], &[("", 80)])]));
    let mut update = cluster.send();
    let stored = cluster.carry_out(&mut update);
    cluster.take_marked();
    cluster.told(stored.clone());
    assert_eq!(cluster.take_repaired(), 0);
    cluster.answer(&update, stored);
    assert_eq!(cluster.write_all(), [Verb::Create]);
}

#[test]
fn a_mirrored_slice_that_came_and_went_while_the_watch_was_down_is_made_again() {
    let mut cluster = Cluster::mirroring(json!([subset(&["10.0.0.1"], &[], &[("", 80)])]));
    let mut create = cluster.send();
    let stored = cluster.carry_out(&mut create);
    cluster.no_slices_listed();
    assert!(matches!(cluster.answer(&create, stored), Verdict::Again));
    assert_eq!(cluster.write_all(), [Verb::Create]);
}

#[test]
fn a_slice_that_somebody_makes_while_we_make_one_of_its_kind_is_cleared_away_afterwards() {
    let mut cluster = Cluster::mirroring(json!([subset(&["10.0.0.1"], &[], &[("", 80)])]));
    let mut create = cluster.send();
    cluster.slice("db-theirs", |slice| {
        slice["ports"] = json!([{ "name": "", "port": 80, "protocol": "TCP" }]);
    });
    assert!(
        cluster.plan(16).is_empty(),
        "one slice of a kind is written at a time"
    );
    let stored = cluster.carry_out(&mut create);
    cluster.answer(&create, stored);
    assert_eq!(cluster.write_all(), [Verb::Delete]);
    assert_eq!(cluster.shown(), ["IPv4 :80 = 10.0.0.1"]);
}

#[test]
fn an_edit_of_a_mirrored_slice_during_a_write_of_it_is_put_right() {
    let mut cluster = settled();
    cluster.endpoints(json!([subset(&["10.0.0.2"], &[], &[("", 80)])]));
    let mut update = cluster.send();
    let stored = cluster.carry_out(&mut update);
    let edited = cluster.edit(&update.object.name, |slice| slice["endpoints"] = json!([]));
    cluster.told(stored.clone());
    cluster.told(edited);
    assert!(matches!(cluster.answer(&update, stored), Verdict::Again));
    assert_eq!(cluster.write_all(), [Verb::Update]);
    assert_eq!(cluster.shown(), ["IPv4 :80 = 10.0.0.2"]);
}

/// kubernetes/kubernetes#125354: the garbage collector would take it, and nobody would make it again.
#[test]
fn a_slice_of_endpoints_that_were_made_again_while_nobody_looked_gets_their_owner() {
    let mut cluster = settled();
    let name = cluster.only_slice();
    cluster.no_endpoints();
    cluster.endpoints_with(
        json!({ "uid": "uid-again" }),
        json!([subset(&["10.0.0.1"], &[], &[("", 80)])]),
    );
    cluster.restart();
    assert_eq!(cluster.write_all(), [Verb::Update]);
    assert_eq!(cluster.only_slice(), name);
    assert_eq!(
        cluster.slices()[0]["metadata"]["ownerReferences"],
        json!([owner("uid-again")])
    );
}

/// kubernetes/kubernetes#105987: mirrored slices went stale and gave dead backends.
#[test]
fn a_selector_that_is_removed_and_added_again_leaves_no_mirrored_slice() {
    let mut cluster = settled();
    for _ in 0..2 {
        cluster.service(json!({ "selector": { "app": "db" } }));
        cluster.write_all();
        assert_eq!(cluster.shown(), [""; 0]);
        cluster.service(json!({}));
        cluster.write_all();
        assert_eq!(cluster.shown(), ["IPv4 :80 = 10.0.0.1"]);
    }
}

#[test]
fn slices_that_the_garbage_collector_deletes_with_their_endpoints_are_no_repair() {
    let mut cluster = settled();
    let name = cluster.only_slice();
    cluster.no_endpoints();
    cluster.take_marked();
    cluster.deleted(&name);
    assert_eq!(cluster.take_repaired(), 0);
    assert!(cluster.write_all().is_empty());
    assert!(cluster.controller.mirrors.is_empty());
}
