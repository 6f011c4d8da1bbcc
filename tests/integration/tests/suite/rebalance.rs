//! Sparse slices are merged, where that is asked for.

use std::collections::BTreeSet;

use futures::{StreamExt as _, stream};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use quaymaster_testkit::eventually;

use crate::harness::{
    Cluster, Manager, Minor, SOON, Test, Trace, alone_on_each_minor, assert_present, get, pods_of,
    slice_writes,
};

alone_on_each_minor!(sparse_slices_become_one_and_no_pod_is_hidden_meanwhile);

const PODS: usize = 60;
const MAX: usize = 10;
const MAX_FLAG: &str = "--max-endpoints-per-slice=10";
/// Pods that stay in each slice.
const STAYING: usize = 2;

/// Waits until the Service has these Pods, each once, in so many slices.
async fn expect(t: &Test, pods: usize, count: impl Fn(usize) -> bool) -> Vec<EndpointSlice> {
    t.expect_slices("web", &format!("{pods} Pods"), |slices| {
        let sizes: Vec<usize> = slices
            .iter()
            .map(|slice| slice.endpoints.iter().flatten().count())
            .collect();
        let is_right = pods_of(slices).len() == pods && sizes.iter().sum::<usize>() == pods;
        if is_right && count(slices.len()) {
            Ok(())
        } else {
            Err(format!("slices of {sizes:?}"))
        }
    })
    .await
}

async fn expect_spare(manager: &Manager, count: usize) {
    let line = format!("quaymaster_endpointslice_spare_slices {count}");
    eventually(SOON, &line, async || {
        let (_, text) = get(manager.port, "/metrics").await?;
        text.lines().any(|found| found == line).then_some(())
    })
    .await;
}

async fn start(cluster: &Cluster, args: &[&str]) -> Manager {
    let args: Vec<&str> = args.iter().copied().chain([MAX_FLAG]).collect();
    Manager::start(&cluster.plane, &cluster.kubeconfig, &args).await
}

async fn sparse_slices_become_one_and_no_pod_is_hidden_meanwhile(minor: Minor) {
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start(minor, |builder| builder).await));
    let plane = &cluster.plane;
    let manager = start(cluster, &[]).await;
    let t = Test::new(cluster, "sparse").await;
    t.service("web").create(&t.client).await.unwrap();
    stream::iter(0..PODS)
        .map(async |n| {
            t.pod(&format!("pod-{n}"), "web")
                .create(&t.client)
                .await
                .map(drop)
        })
        .buffer_unordered(16)
        .for_each(async |result| result.unwrap())
        .await;
    // How many slices that makes, and which Pod is where, depends on the order in which they came.
    let full = expect(&t, PODS, |count| count >= PODS / MAX).await;
    let staying: BTreeSet<String> = full
        .iter()
        .flat_map(|slice| pods_of([slice]).into_iter().take(STAYING).map(str::to_owned))
        .collect();
    for pod in pods_of(&full).into_iter().filter(|pod| !staying.contains(*pod)) {
        t.remove(pod).await;
    }
    let sparse = expect(&t, staying.len(), |count| count == full.len()).await;
    // As few as it takes that they are half full.
    let left = 2 * staying.len() / MAX;
    let merges = sparse.len() - left;
    assert!(merges >= 3, "{} slices", sparse.len());
    expect_spare(&manager, merges).await;
    manager.stop().await;

    let trace = Trace::begin(&t.client, &t.namespace).await;
    let mark = plane.audit().mark().unwrap();
    let manager = start(cluster, &["--rebalance", "--rebalance-quiet=500ms"]).await;
    expect(&t, staying.len(), |count| count == left).await;
    expect_spare(&manager, 0).await;
    let writes = slice_writes(plane, mark, "quaymaster/").await;
    let count = |verb: &str| writes.iter().filter(|write| write.verb == verb).count();
    assert_eq!(
        (count("create"), count("update"), count("delete")),
        (0, merges, merges)
    );
    assert_present(&trace.end().await, &staying, MAX);

    // Neither this binary, with or without the flag, nor kube-controller-manager writes over what was merged.
    manager.stop().await;
    for args in [&[][..], &["--rebalance", "--rebalance-quiet=0"]] {
        let mark = plane.audit().mark().unwrap();
        let manager = start(cluster, args).await;
        assert_eq!(slice_writes(plane, mark, "").await.len(), 0);
        manager.stop().await;
    }
    let mark = plane.audit().mark().unwrap();
    let kcm = plane
        .start_kcm_with(&["endpointslice-controller"], &[MAX_FLAG])
        .await
        .unwrap();
    assert_eq!(slice_writes(plane, mark, "").await.len(), 0);
    kcm.stop().await.unwrap();
}
