use std::time::Duration;

use quaymaster_ipam::{Grant, Owner, Slot, Value, lock};
use quaymaster_model::{ObjectKey, Text};
use serde_json::json;

use super::cluster::Cluster;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_new_pool_gets_its_status_once_the_range_is_known_and_then_nothing_is_written() {
    let mut cluster = Cluster::new();
    cluster.ports("a", 30_000, 30_009);
    let question = format!("asked kube-system/{} 1", crate::range::NAME);
    assert_eq!(cluster.pass(SECOND), [question.as_str(), "status a"]);
    let status = cluster.status("a");
    assert_eq!(status["observedGeneration"], 1);
    assert_eq!(
        status["effectiveRanges"],
        json!([{ "first": 30_000, "last": 30_009 }])
    );
    assert_eq!(status["serverRange"], json!({ "first": 30_000, "last": 32_767 }));
    assert_eq!((&status["capacity"], &status["free"]), (&json!(10), &json!(10)));
    for (kind, expected) in [
        ("Ready", "True Serving"),
        ("Overlapping", "False Apart"),
        ("InRange", "True InRange"),
        ("CapacityLow", "False Enough"),
        ("Exhausted", "False SomeLeft"),
        ("Draining", "False NotAsked"),
    ] {
        assert_eq!(cluster.condition("a", kind), expected, "{kind}");
        assert!(cluster.message("a", kind).contains("NodePortPool a"), "{kind}");
    }
    assert_eq!(cluster.pass(60 * SECOND), [""; 0]);
}

#[test]
fn over_a_correct_status_a_restart_writes_nothing() {
    let mut cluster = Cluster::new();
    cluster.ports("a", 30_000, 30_009);
    cluster.service("web", &[30_001, 30_002]);
    cluster.pass(10 * SECOND);
    assert_eq!(cluster.status("a")["used"], 2);
    cluster.restart();
    let question = format!("asked kube-system/{} 1", crate::range::NAME);
    assert_eq!(cluster.pass(60 * SECOND), [question]);
}

#[test]
fn numbers_alone_are_written_every_few_seconds_and_conditions_at_once() {
    let mut cluster = Cluster::new();
    cluster.ports("a", 30_000, 30_009);
    cluster.pass(10 * SECOND);
    let mut writes = 0;
    for port in 0..7 {
        cluster.service(&format!("s{port}"), &[30_000 + port]);
        writes += cluster.pass(SECOND).len();
    }
    assert_eq!(writes, 2, "one at once, one after five seconds");
    cluster.service("s8", &[30_008]);
    assert_eq!(cluster.pass(SECOND), ["status a"], "80 % are taken");
    assert_eq!(cluster.condition("a", "CapacityLow"), "True AboveWarnPercent");
    assert_eq!(cluster.pass(30 * SECOND), [""; 0]);
}

#[test]
fn a_condition_that_stays_keeps_its_time() {
    let mut cluster = Cluster::new();
    cluster.ports("a", 30_000, 30_009);
    cluster.pass(10 * SECOND);
    let time =
        |cluster: &Cluster, nth: usize| cluster.status("a")["conditions"][nth]["lastTransitionTime"].clone();
    let (ready, low) = (time(&cluster, 0), time(&cluster, 3));
    cluster.service(
        "web",
        &[30_000, 30_001, 30_002, 30_003, 30_004, 30_005, 30_006, 30_007],
    );
    cluster.pass(10 * SECOND);
    assert_eq!(time(&cluster, 0), ready);
    assert_ne!(time(&cluster, 3), low);
}

#[test]
fn events_tell_once_that_a_pool_is_nearly_full_and_exhausted_and_again_when_it_becomes_so_again() {
    let mut cluster = Cluster::new();
    let spec = json!({ "ranges": [{ "first": 30_000, "last": 30_003 }], "quarantine": { "enforce": "Off" } });
    cluster.pool("a", spec);
    cluster.pass(10 * SECOND);
    for _ in 0..2 {
        cluster.service("web", &[30_000, 30_001, 30_002, 30_003]);
        let lines = cluster.pass(20 * SECOND);
        assert_eq!(lines, ["event PoolNearlyFull", "event PoolExhausted", "status a"]);
        assert_eq!(cluster.condition("a", "Exhausted"), "True NoneLeft");
        let note = &cluster.notices.last().unwrap().note;
        assert!(
            note.contains("none of its 4 node ports left") && note.contains("add to spec.ranges"),
            "{note}"
        );
        cluster.restart();
        assert!(
            cluster
                .pass(10 * SECOND)
                .iter()
                .all(|line| line.starts_with("asked")),
            "told before"
        );
        cluster.without_service("shop/web");
        cluster.pass(20 * SECOND);
        assert_eq!(cluster.condition("a", "Exhausted"), "False SomeLeft");
    }
}

#[test]
fn of_pools_that_overlap_the_younger_names_the_older_and_serves_the_rest() {
    let mut cluster = Cluster::new();
    cluster.ports("old", 30_000, 30_009);
    cluster.pass(SECOND);
    cluster.ports("young", 30_005, 30_014);
    assert_eq!(cluster.pass(SECOND), ["event PoolOverlap", "status young"]);
    assert_eq!(cluster.condition("young", "Overlapping"), "True OlderPoolServes");
    assert_eq!(cluster.condition("old", "Overlapping"), "False Apart");
    assert!(
        cluster
            .message("young", "Overlapping")
            .starts_with("NodePortPool old is older")
    );
    assert_eq!(
        cluster.status("young")["effectiveRanges"],
        json!([{ "first": 30_010, "last": 30_014 }])
    );
    cluster.without_pool("old");
    cluster.pass(SECOND);
    assert_eq!(cluster.condition("young", "Overlapping"), "False Apart");
    assert_eq!(cluster.status("young")["capacity"], 10);
}

#[test]
fn a_pool_that_serves_nothing_says_why() {
    let mut cluster = Cluster::new();
    cluster.ports("old", 30_000, 30_009);
    cluster.pass(SECOND);
    let ranges = json!([{ "first": 30_020, "last": 30_029 }]);
    for (name, spec, reason) in [
        (
            "beyond",
            json!({ "ranges": [{ "first": 80, "last": 90 }] }),
            "OutOfRange",
        ),
        (
            "covered",
            json!({ "ranges": [{ "first": 30_001, "last": 30_002 }] }),
            "Overlapping",
        ),
        (
            "disabled",
            json!({ "ranges": ranges, "state": "Disabled" }),
            "Disabled",
        ),
        (
            "draining",
            json!({ "ranges": ranges, "state": "Draining" }),
            "Draining",
        ),
        (
            "empty",
            json!({ "ranges": [{ "first": 31_000, "last": 31_000 }], "exclude": [{ "first": 31_000, "last": 31_000 }] }),
            "Empty",
        ),
        (
            "unknown",
            json!({ "ranges": ranges, "state": "Sleeping" }),
            "Invalid",
        ),
    ] {
        cluster.pool(name, spec);
        cluster.pass(SECOND);
        assert_eq!(
            cluster.condition(name, "Ready"),
            format!("False {reason}"),
            "{name}"
        );
        let message = cluster.message(name, "Ready");
        assert!(message.contains(&format!("NodePortPool {name}")), "{message}");
    }
    assert_eq!(cluster.condition("beyond", "InRange"), "False OutOfRange");
    assert!(cluster.message("beyond", "InRange").contains("30000-32767"));
}

#[test]
fn a_draining_pool_says_what_is_left_and_when_it_can_be_deleted() {
    let mut cluster = Cluster::new();
    cluster.pool(
        "a",
        json!({ "ranges": [{ "first": 30_000, "last": 30_003 }], "state": "Draining" }),
    );
    cluster.service("web", &[30_000, 30_001]);
    cluster.pass(10 * SECOND);
    assert_eq!(cluster.condition("a", "Draining"), "True InUse");
    assert!(
        cluster
            .message("a", "Draining")
            .starts_with("Services have 2 node ports")
    );
    cluster.without_service("shop/web");
    cluster.pass(10 * SECOND);
    assert_eq!(cluster.condition("a", "Draining"), "True Drained");
}

#[test]
fn ports_of_services_that_the_pool_does_not_serve_are_foreign_and_labels_decide() {
    let mut cluster = Cluster::new();
    cluster.pool(
        "a",
        json!({
            "ranges": [{ "first": 30_000, "last": 30_003 }],
            "namespaceSelector": { "matchLabels": { "team": "a" } },
        }),
    );
    cluster.service("web", &[30_000]);
    cluster.pass(10 * SECOND);
    let numbers = |cluster: &Cluster| {
        let status = cluster.status("a");
        ["used", "foreign", "free"].map(|field| status[field].as_u64().unwrap())
    };
    assert_eq!(numbers(&cluster), [0, 1, 3]);
    cluster.namespace("shop", &json!({ "team": "a" }));
    cluster.pass(10 * SECOND);
    assert_eq!(numbers(&cluster), [1, 0, 3]);
    assert!(
        cluster
            .metrics()
            .contains("quaymaster_pool_ports{pool=\"a\",state=\"used\"} 1\n")
    );
    cluster.without_pool("a");
    assert_eq!(cluster.metrics(), "");
}

#[test]
fn what_rests_and_what_is_handed_out_is_counted_until_its_time_is_over() {
    let mut cluster = Cluster::new();
    cluster.pool(
        "a",
        json!({ "ranges": [{ "first": 30_000, "last": 30_003 }], "quarantine": { "seconds": 120 } }),
    );
    cluster.service("web", &[30_000]);
    cluster.pass(10 * SECOND);
    cluster.without_service("shop/web");
    let owner = Owner::Named(ObjectKey::new(Text::new("shop"), Text::new("next")));
    let grant = Grant {
        slot: Slot::NodePort(80),
        value: Value::port(30_001),
    };
    let now = cluster.at();
    lock(&cluster.index).ports.grant(&owner, &[grant], now);
    cluster.pass(10 * SECOND);
    let numbers = |cluster: &Cluster| {
        let status = cluster.status("a");
        ["used", "quarantined", "pending", "free"].map(|field| status[field].as_u64().unwrap())
    };
    assert_eq!(numbers(&cluster), [0, 1, 1, 2]);
    cluster.pass(75 * SECOND);
    assert_eq!(numbers(&cluster), [0, 1, 0, 3]);
    cluster.pass(120 * SECOND);
    assert_eq!(numbers(&cluster), [0, 0, 0, 4]);
}

#[test]
fn a_status_that_is_stored_otherwise_is_told_and_not_fought_over() {
    let mut cluster = Cluster::new();
    cluster.policy = |object| object["status"]["capacity"] = json!(7);
    cluster.ports("a", 30_000, 30_009);
    let lines = cluster.pass(30 * SECOND);
    assert_eq!(lines[1..], ["status a", "altered NodePortPoolAltered"]);
    // Whatever is written to it is a reason to look again.
    cluster.policy = |_| ();
    cluster.edit("a", |pool| pool["metadata"]["labels"] = json!({ "a": "b" }));
    assert_eq!(cluster.pass(10 * SECOND), ["status a"]);
}

#[test]
fn what_somebody_else_writes_into_a_status_is_put_right_at_a_bounded_pace() {
    let mut cluster = Cluster::new();
    cluster.ports("a", 30_000, 30_009);
    cluster.pass(10 * SECOND);
    let mut writes = 0;
    for _ in 0..20 {
        cluster.edit("a", |pool| pool["status"]["free"] = json!(1));
        writes += cluster.pass(SECOND).len();
    }
    assert!((3..=5).contains(&writes), "{writes}");
}
