use std::time::Duration;

use quaymaster_model::Text;
use serde_json::json;

use super::cluster::{Cluster, refusal};
use crate::Options;

const SECOND: Duration = Duration::from_secs(1);

fn asked(lines: &[String]) -> usize {
    lines.iter().filter(|line| line.starts_with("asked")).count()
}

#[test]
fn without_pools_nobody_is_asked() {
    let mut cluster = Cluster::new();
    assert_eq!(cluster.pass(10 * SECOND), [""; 0]);
    cluster.ports("a", 30_000, 30_009);
    assert_eq!(asked(&cluster.pass(10 * SECOND)), 1);
}

#[test]
fn each_term_asks_once_and_a_range_that_is_another_now_goes_into_all_statuses() {
    let mut cluster = Cluster::new();
    cluster.ports("a", 30_000, 30_009);
    cluster.ports("b", 31_000, 31_009);
    assert_eq!(asked(&cluster.pass(10 * SECOND)), 1);
    cluster.says = |_| refusal(30_000, 30_999);
    cluster.term();
    let lines = cluster.pass(10 * SECOND);
    assert_eq!((asked(&lines), lines.len()), (1, 3), "{lines:?}");
    assert_eq!(
        cluster.status("a")["serverRange"],
        json!({ "first": 30_000, "last": 30_999 })
    );
    assert_eq!(cluster.condition("b", "Ready"), "False OutOfRange");
}

#[test]
fn a_port_that_contradicts_what_is_known_of_the_range_is_a_reason_to_ask() {
    let mut cluster = Cluster::new();
    cluster.ports("a", 30_000, 30_009);
    cluster.pass(10 * SECOND);
    cluster.says = |_| refusal(20_000, 32_767);
    cluster.service("web", &[20_001]);
    assert_eq!(asked(&cluster.pass(10 * SECOND)), 1);
    assert_eq!(
        cluster.status("a")["serverRange"],
        json!({ "first": 20_000, "last": 32_767 })
    );
    cluster.service("web", &[20_001]);
    assert_eq!(asked(&cluster.pass(10 * SECOND)), 0);
}

#[test]
fn a_range_that_is_given_is_not_asked_for() {
    let mut cluster = Cluster::with(Options {
        namespace: Text::new("kube-system"),
        range: Some((30_000, 30_004)),
        moves: false,
    });
    cluster.ports("a", 30_000, 30_009);
    assert_eq!(cluster.pass(10 * SECOND), ["status a"]);
    assert_eq!(
        (
            cluster.status("a")["capacity"].as_u64(),
            cluster.condition("a", "InRange")
        ),
        (Some(5), "False OutOfRange".to_owned())
    );
}

#[test]
fn where_there_is_no_answer_pools_serve_and_say_that_the_range_is_not_known() {
    let mut cluster = Cluster::new();
    cluster.says = |_| "a policy does not want it".to_owned();
    cluster.ports("a", 30_000, 30_009);
    cluster.pass(3 * SECOND);
    assert_eq!(cluster.condition("a", "InRange"), "Unknown RangeUnknown");
    assert_eq!(cluster.condition("a", "Ready"), "True Serving");
    cluster.says = |_| refusal(30_000, 32_767);
    cluster.pass(10 * SECOND);
    assert_eq!(cluster.condition("a", "InRange"), "True InRange");
}

/// A replica that does not write never plans.
#[test]
fn a_replica_that_does_not_write_learns_the_range_from_statuses() {
    let mut cluster = Cluster::new();
    cluster.ports("a", 30_000, 30_009);
    let capacity = |cluster: &Cluster| {
        let index = quaymaster_ipam::lock(&cluster.index);
        index.ports.room(0, quaymaster_ipam::Class::Port).1
    };
    assert_eq!(capacity(&cluster), 10);
    cluster.edit("a", |pool| {
        pool["status"] = json!({ "serverRange": { "first": 30_000, "last": 30_004 } });
    });
    assert_eq!(capacity(&cluster), 5);
    cluster.restart();
    assert_eq!(capacity(&cluster), 5);
    // One that writes finds out.
    cluster.pass(10 * SECOND);
    assert_eq!(capacity(&cluster), 10);
    assert_eq!(
        cluster.status("a")["serverRange"],
        json!({ "first": 30_000, "last": 32_767 })
    );
}
