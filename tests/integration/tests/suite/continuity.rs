//! No ready Pod is ever missing: seen by a watcher of its own, at each revision.

use std::collections::BTreeSet;

use futures::{StreamExt as _, stream};
use serde_json::json;

use crate::harness::{Test, Trace, assert_present, describe_all, on_each_minor, pods_of};

on_each_minor!(
    a_changed_target_port_never_hides_a_ready_pod,
    a_changed_port_name_never_hides_a_ready_pod,
    pods_that_stay_are_never_hidden_by_those_that_come_and_go,
);

const PODS: usize = 130;

async fn create_pods(t: &Test) -> BTreeSet<String> {
    let names: BTreeSet<String> = (0..PODS).map(|n| format!("pod-{n}")).collect();
    stream::iter(names.clone())
        .map(async |name| t.pod(&name, "web").create(&t.client).await.map(drop))
        .buffer_unordered(16)
        .for_each(async |result| result.unwrap())
        .await;
    names
}

async fn expect_pods_on(t: &Test, pods: usize, port: &str) {
    t.expect_slices("web", &format!("{pods} Pods on {port}"), |slices| {
        let right = pods_of(slices).len() == pods
            && slices.iter().all(|slice| {
                let line = crate::harness::describe(slice);
                line.contains(port)
            });
        if right {
            Ok(())
        } else {
            Err(format!(
                "{} Pods: {:?}",
                pods_of(slices).len(),
                describe_all(slices)
            ))
        }
    })
    .await;
}

async fn port_change(t: &Test, ports: serde_json::Value, shown: &str) {
    let pods = create_pods(t).await;
    t.service("web").create(&t.client).await.unwrap();
    expect_pods_on(t, PODS, "http:8080").await;
    let trace = Trace::begin(&t.client, &t.namespace).await;
    t.patch_service("web", json!({"spec": {"ports": ports}})).await;
    expect_pods_on(t, PODS, shown).await;
    let revisions = trace.end().await;
    assert!(
        revisions.len() >= 3,
        "two slices are rewritten: {} revisions",
        revisions.len()
    );
    assert_present(&revisions, &pods, 100);
}

async fn a_changed_target_port_never_hides_a_ready_pod(t: &Test) {
    port_change(
        t,
        json!([{"name": "http", "port": 80, "targetPort": 9090}]),
        "http:9090",
    )
    .await;
}

async fn a_changed_port_name_never_hides_a_ready_pod(t: &Test) {
    port_change(
        t,
        json!([{"name": "web", "port": 80, "targetPort": 8080}]),
        "web:8080",
    )
    .await;
}

async fn pods_that_stay_are_never_hidden_by_those_that_come_and_go(t: &Test) {
    let pods = create_pods(t).await;
    t.service("web").create(&t.client).await.unwrap();
    expect_pods_on(t, PODS, "http:8080").await;
    let trace = Trace::begin(&t.client, &t.namespace).await;
    // Every fourth Pod is replaced, while the target port moves to and fro.
    let staying: BTreeSet<String> = pods
        .iter()
        .enumerate()
        .filter(|(n, _)| n % 4 != 0)
        .map(|(_, name)| name.clone())
        .collect();
    let leaving = pods.difference(&staying).cloned().collect::<Vec<_>>();
    for (round, group) in leaving.chunks(11).enumerate() {
        for name in group {
            t.remove(name).await;
            t.pod(&format!("{name}-next"), "web")
                .create(&t.client)
                .await
                .unwrap();
        }
        let target = 9000 + round;
        t.patch_service(
            "web",
            json!({"spec": {"ports": [{"name": "http", "port": 80, "targetPort": target}]}}),
        )
        .await;
    }
    let last = format!("http:{}", 9000 + leaving.chunks(11).len() - 1);
    expect_pods_on(t, PODS, &last).await;
    assert_present(&trace.end().await, &staying, 100);
}
