//! Sparse slices are merged, where that is asked for.

use std::collections::BTreeSet;

use futures::{StreamExt as _, stream};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use quaymaster_testkit::eventually;

use crate::harness::{
    Cluster, Manager, Minor, SOON, Test, Trace, alone_on_each_minor, assert_present, describe_all, get,
    pods_of, slice_writes,
};

alone_on_each_minor!(
    sparse_slices_become_one_and_no_pod_is_hidden_meanwhile,
    beside_kube_controller_manager_merging_ends_and_both_come_to_rest_over_its_result,
);

const PODS: usize = 60;
const MAX: usize = 10;
const KCM: &str = "kube-controller-manager/";
const CONTROLLER: [&str; 1] = ["endpointslice-controller"];
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

/// Makes slices that are full, and takes most of their Pods away again, whoever keeps them. Returns the Pods that stay, and
/// the number of slices that they stand in.
async fn make_sparse(t: &Test) -> (BTreeSet<String>, usize) {
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
    let full = expect(t, PODS, |count| count >= PODS / MAX).await;
    let staying: BTreeSet<String> = full
        .iter()
        .flat_map(|slice| pods_of([slice]).into_iter().take(STAYING).map(str::to_owned))
        .collect();
    for pod in pods_of(&full).into_iter().filter(|pod| !staying.contains(*pod)) {
        t.remove(pod).await;
    }
    let sparse = expect(t, staying.len(), |count| count == full.len()).await;
    (staying, sparse.len())
}

async fn sparse_slices_become_one_and_no_pod_is_hidden_meanwhile(minor: Minor) {
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start(minor, |builder| builder).await));
    let plane = &cluster.plane;
    let manager = start(cluster, &[]).await;
    let t = Test::new(cluster, "sparse").await;
    let (staying, sparse) = make_sparse(&t).await;
    // As few as it takes that they are half full.
    let left = 2 * staying.len() / MAX;
    let merges = sparse - left;
    assert!(merges >= 3, "{sparse} slices");
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
    let kcm = plane.start_kcm_with(&CONTROLLER, &[MAX_FLAG]).await.unwrap();
    // It looks at each Service when it starts. That it has looked is shown by what it does for a new one.
    t.service("witness").create(&t.client).await.unwrap();
    t.expect("witness", ["IPv4 - = none"]).await;
    let writes = slice_writes(plane, mark, "").await;
    let verbs: Vec<&str> = writes.iter().map(|write| write.verb.as_str()).collect();
    assert_eq!(verbs, ["create"], "that of the witness alone");
    kcm.stop().await.unwrap();
}

/// Both are told of each merge and look at it, the other one a second later.
async fn beside_kube_controller_manager_merging_ends_and_both_come_to_rest_over_its_result(minor: Minor) {
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start(minor, |builder| builder).await));
    let plane = &cluster.plane;
    let kcm = plane.start_kcm_with(&CONTROLLER, &[MAX_FLAG]).await.unwrap();
    let t = Test::new(cluster, "beside").await;
    let (staying, sparse) = make_sparse(&t).await;
    let left = 2 * staying.len() / MAX;
    let merges = sparse.saturating_sub(left);
    assert!(merges >= 3, "{sparse} slices");

    let mark = plane.audit().mark().unwrap();
    let manager = start(cluster, &["--rebalance", "--rebalance-quiet=500ms"]).await;
    expect(&t, staying.len(), |count| count <= left).await;
    // Waits until nobody writes any more.
    let writes = slice_writes(plane, mark, "").await;
    let theirs = writes.iter().filter(|write| write.user_agent.starts_with(KCM));
    println!(
        "{merges} merges: {} writes, {} of them of the other",
        writes.len(),
        theirs.count()
    );
    // A merge that the other one sees half done may be undone by it once.
    assert!(
        (2 * merges..=4 * merges).contains(&writes.len()),
        "{} writes for {merges} merges",
        writes.len()
    );
    let remaining = expect(&t, staying.len(), |count| count <= left).await.len();
    expect_spare(&manager, 0).await;

    // A change that both answer moves nothing: neither splits what was merged.
    let pod = staying.first().unwrap();
    let mark = plane.audit().mark().unwrap();
    t.ready(pod, false).await;
    t.expect_slices("web", "the Pod unready", |slices| {
        let lines = describe_all(slices);
        let unready = format!("{pod}-unready");
        let words = lines.iter().flat_map(|line| line.split(' '));
        if words.into_iter().any(|word| word == unready) {
            Ok(())
        } else {
            Err(format!("{lines:?}"))
        }
    })
    .await;
    let writes = slice_writes(plane, mark, "").await;
    assert!(
        writes.iter().any(|write| write.verb == "update"),
        "nobody answered"
    );
    assert!(writes.iter().all(|write| write.verb == "update"), "{writes:#?}");
    t.expect_slices("web", "as many slices as after merging", |slices| {
        let endpoints = slices.iter().flat_map(|slice| slice.endpoints.iter().flatten());
        match (slices.len(), endpoints.count()) {
            found if found == (remaining, staying.len()) => Ok(()),
            found => Err(format!("{found:?}")),
        }
    })
    .await;
    manager.stop().await;
    kcm.stop().await.unwrap();
}
