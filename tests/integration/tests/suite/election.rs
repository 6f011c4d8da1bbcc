//! Several replicas, of which one is elected and writes.

use std::time::Instant;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};
use quaymaster_testkit::{eventually, objects};
use serde_json::{Value, json};

use crate::harness::{
    ALL_RULES, ALLOCATION_RULES, Cluster, LATER, Manager, Minor, SOON, Shapes, alone_on_each_minor,
    describe_all, grant, slice_writes,
};

alone_on_each_minor!(
    a_leader_that_ends_in_order_hands_over_at_once_and_the_next_one_writes_nothing_needless,
    a_leader_that_is_killed_is_followed_by_one_that_goes_on,
    whatever_becomes_of_the_lease_one_leads_in_the_end,
);

const AGENT: &str = "quaymaster/";
const NAME: &str = "quaymaster";

async fn cluster(minor: Minor) -> (Cluster, Client) {
    let cluster = Cluster::start(minor, |builder| builder).await;
    let client = cluster.client().await;
    grant(&client, &[&ALL_RULES[..], &ALLOCATION_RULES[..]].concat(), None).await;
    (cluster, client)
}

async fn replica(cluster: &Cluster) -> Manager {
    Manager::start(&cluster.plane, &cluster.kubeconfig, &["--leader-elect"]).await
}

fn leases(client: &Client) -> Api<Lease> {
    Api::namespaced(client.clone(), "kube-system")
}

async fn holder(client: &Client) -> String {
    let lease = leases(client).get_opt(NAME).await.unwrap();
    let holder = lease
        .and_then(|lease| lease.spec)
        .and_then(|spec| spec.holder_identity);
    holder.unwrap_or_default()
}

async fn led_by(client: &Client, replica: &Manager) {
    eventually(LATER, &format!("{} leads", replica.holder), async || {
        let holder = holder(client).await;
        if holder == replica.holder {
            Ok(())
        } else {
            Err(holder)
        }
    })
    .await;
}

/// A change of a Pod is followed.
async fn follows(cluster: &Cluster, shapes: &Shapes, number: usize) {
    let (namespace, pod) = shapes.pod(number);
    let client = cluster.client().await;
    objects::set_ready(&client, namespace, &pod, false).await.unwrap();
    eventually(LATER, "the Pod to be unready in its slices", async || {
        let lines = describe_all(&shapes.slices_of(namespace).await);
        let unready = format!("{pod}-unready");
        if lines.iter().any(|line| line.contains(&unready)) {
            Ok(())
        } else {
            Err(lines.join("\n"))
        }
    })
    .await;
}

async fn a_leader_that_ends_in_order_hands_over_at_once_and_the_next_one_writes_nothing_needless(
    minor: Minor,
) {
    let (cluster, client) = cluster(minor).await;
    let first = replica(&cluster).await;
    led_by(&client, &first).await;
    let second = replica(&cluster).await;
    let mark = cluster.plane.audit().mark().unwrap();
    let shapes = Shapes::create(&cluster.plane, 1, 40).await;
    let written = slice_writes(&cluster.plane, mark, AGENT).await;
    assert!(!written.is_empty());
    let by_second = format!("holder={}", second.holder);
    assert!(
        written.iter().all(|entry| !entry.user_agent.contains(&by_second)),
        "the one that stands by writes nothing"
    );
    let before = shapes.versions().await;
    let mark = cluster.plane.audit().mark().unwrap();
    let begun = Instant::now();
    first.stop().await;
    let stopped = begun.elapsed();
    led_by(&client, &second).await;
    println!(
        "stopped after {stopped:?}, the next one leads after {:?}",
        begun.elapsed()
    );
    let writes = slice_writes(&cluster.plane, mark, AGENT).await;
    assert!(
        writes.is_empty(),
        "{} writes, the first: {:#?}",
        writes.len(),
        writes.first()
    );
    assert_eq!(shapes.versions().await, before);
    follows(&cluster, &shapes, 0).await;
}

async fn a_leader_that_is_killed_is_followed_by_one_that_goes_on(minor: Minor) {
    let (cluster, client) = cluster(minor).await;
    let mut first = replica(&cluster).await;
    led_by(&client, &first).await;
    let second = replica(&cluster).await;
    let shapes = Shapes::create(&cluster.plane, 1, 40).await;
    let begun = Instant::now();
    first.process.server().kill().unwrap();
    // What changes while nobody leads is not lost.
    follows(&cluster, &shapes, 0).await;
    println!("killed, and followed {:?} later", begun.elapsed());
    led_by(&client, &second).await;
}

async fn patch(client: &Client, patch: Value) {
    leases(client)
        .patch(NAME, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
}

async fn whatever_becomes_of_the_lease_one_leads_in_the_end(minor: Minor) {
    let (cluster, client) = cluster(minor).await;
    let first = replica(&cluster).await;
    led_by(&client, &first).await;
    let mut second = replica(&cluster).await;
    let shapes = Shapes::create(&cluster.plane, 1, 40).await;
    // Nobody looks at the times that are written there.
    for time in ["2001-01-01T00:00:00.000000Z", "2101-01-01T00:00:00.000000Z"] {
        patch(
            &client,
            json!({ "spec": { "renewTime": time, "acquireTime": time } }),
        )
        .await;
        tokio::time::sleep(SOON / 10).await;
        assert_eq!(holder(&client).await, first.holder);
    }
    // Somebody who does not exist: the leader ends, and the other one waits until that Lease has run out.
    patch(
        &client,
        json!({ "spec": { "holderIdentity": "nobody", "leaseDurationSeconds": 1_000_000, "leaseTransitions": 2_000_000_000 } }),
    )
    .await;
    let mut first = first;
    let status = first.process.server().wait(SOON).await;
    let status = status.unwrap_or_else(|| panic!("it goes on: {}", first.log()));
    assert_eq!(status.code(), Some(1), "{}", first.log());
    led_by(&client, &second).await;
    follows(&cluster, &shapes, 0).await;
    // It is gone: again the leader ends, and who is started then leads.
    leases(&client)
        .delete(NAME, &DeleteParams::default())
        .await
        .unwrap();
    let status = second.process.server().wait(SOON).await;
    assert!(
        status.is_some_and(|status| status.code() == Some(1)),
        "{}",
        second.log()
    );
    let third = replica(&cluster).await;
    led_by(&client, &third).await;
    follows(&cluster, &shapes, 1).await;
}
