//! Replicas that are gone.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Allocation, cluster_ips, within};
use crate::harness::{Minor, alone_on_each_minor};

alone_on_each_minor!(
    while_no_replica_answers_the_apiserver_chooses_and_who_starts_then_gives_nothing_that_is_in_use,
);

async fn while_no_replica_answers_the_apiserver_chooses_and_who_starts_then_gives_nothing_that_is_in_use(
    minor: Minor,
) {
    let mut t = Allocation::start_with(minor, 1, "Ignore").await;
    let network = "10.0.64.0/28";
    t.address_pool(
        "tiny",
        "team-a",
        &[network],
        json!({ "quarantine": { "seconds": 0 } }),
    )
    .await;
    t.create("team-a", "before", json!({}), false).await.unwrap();
    t.webhook.replicas[0].process.server().kill().unwrap();
    let without = t.create("team-a", "without", json!({}), false).await.unwrap();
    let given = json!({ "clusterIP": "10.0.64.9" });
    let in_pool = t.create("team-a", "in-pool", given, false).await;
    // It may be the one that was given before.
    let in_pool = usize::from(in_pool.is_ok());
    let replica = t.webhook.replica(&t.cluster, 0).await;
    t.webhook.replicas = vec![replica];
    let mut ips: BTreeSet<_> = cluster_ips(&without).into_iter().collect();
    let elsewhere = usize::from(ips.iter().all(|ip| !within(network, *ip)));
    for nth in 0..(14 - 1 - in_pool - (1 - elsewhere)) {
        let made = t
            .create("team-a", &format!("after-{nth}"), json!({}), false)
            .await
            .unwrap();
        let made = cluster_ips(&made);
        assert!(
            made.iter().all(|ip| within(network, *ip) && ips.insert(*ip)),
            "{made:?} {ips:?}"
        );
    }
    let full = t
        .create("team-a", "late", json!({}), false)
        .await
        .unwrap_err()
        .to_string();
    assert!(full.contains("ServiceIPPool tiny has none of 14 left"), "{full}");
}
