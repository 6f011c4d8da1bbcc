//! One cluster, kept by kube-controller-manager and by this binary in turn.

use std::time::Instant;

use k8s_openapi::api::discovery::v1::EndpointSlice;

use crate::harness::{
    Cluster, Manager, Minor, Shapes, Test, alone_on_each_minor, describe_all, slice_writes,
};

alone_on_each_minor!(
    taking_over_from_kube_controller_manager_writes_nothing_and_so_does_going_back,
    beside_kube_controller_manager_each_pod_is_served_once_both_come_to_rest_and_the_log_tells_of_the_other,
);

const OURS: &str = "quaymaster/";
const KCM: &str = "kube-controller-manager/";
const CONTROLLER: [&str; 1] = ["endpointslice-controller"];
/// Without its own limit of 20 requests a second this test would take a minute.
const FAST: [&str; 2] = ["--kube-api-qps=500", "--kube-api-burst=1000"];

async fn taking_over_from_kube_controller_manager_writes_nothing_and_so_does_going_back(minor: Minor) {
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start(minor, |builder| builder).await));
    let plane = &cluster.plane;
    let t = Test::new(cluster, "witnesses").await;
    let mark = plane.audit().mark().unwrap();
    // Before 1.36 it writes slices without ports for ever: of a headless Service without ports, and of Pods that have none
    // of the Service's ports (kubernetes/kubernetes#133474).
    let without: &[&str] = if minor == Minor::V1_33 {
        &["portless", "unresolved"]
    } else {
        &[]
    };
    let kcm = plane.start_kcm_with(&CONTROLLER, &FAST).await.unwrap();
    let shapes = Shapes::create_without(plane, 2, 260, without).await;
    assert!(!slice_writes(plane, mark, KCM).await.is_empty());
    kcm.stop().await.unwrap();
    // Otherwise what follows would show nothing. It backs off for seconds where its caches were behind, and looks at rest then though
    // it has not finished: so it is given some times to.
    let mut own = kcm_over(&t, "own-0").await;
    for again in 1..5 {
        if own == 0 {
            break;
        }
        own = kcm_over(&t, &format!("own-{again}")).await;
    }
    assert_eq!(own, 0, "it rests over slices of its own");

    let before = shapes.versions().await;
    let mark = plane.audit().mark().unwrap();
    let manager: Manager = cluster.manager().await;
    let writes = slice_writes(plane, mark, OURS).await;
    assert!(
        writes.is_empty(),
        "{} writes, the first: {:#?}",
        writes.len(),
        writes.first()
    );
    assert_eq!(shapes.versions().await, before);

    // Slices that this binary made: a third namespace.
    let mark = plane.audit().mark().unwrap();
    let ours = Shapes::create_without(plane, 1, 260, without).await;
    assert!(!slice_writes(plane, mark, OURS).await.is_empty());
    manager.stop().await;
    let before = ours.versions().await;
    assert_eq!(kcm_over(&t, "back").await, 0);
    assert_eq!(ours.versions().await, before);
}

/// How many slices kube-controller-manager writes when it is started and nothing has changed but for a new Service, which shows
/// that it looks at all: at those that it finds first.
async fn kcm_over(t: &Test, witness: &str) -> usize {
    let plane = &t.cluster.plane;
    let mark = plane.audit().mark().unwrap();
    let kcm = plane.start_kcm_with(&CONTROLLER, &FAST).await.unwrap();
    t.service(witness).create(&t.client).await.unwrap();
    t.expect(witness, ["IPv4 - = none"]).await;
    let writes = slice_writes(plane, mark, KCM).await;
    kcm.stop().await.unwrap();
    let others = writes.len() - 1;
    println!("kube-controller-manager writes {others} slices when it starts");
    others
}

/// As on a managed control plane, whose controller cannot be switched off.
async fn beside_kube_controller_manager_each_pod_is_served_once_both_come_to_rest_and_the_log_tells_of_the_other(
    minor: Minor,
) {
    /// Pods of each Service, and how often all of them change at once: far more than the conflicts that are taken for a
    /// change by hand.
    const PODS: usize = 6;
    const ROUNDS: usize = 4;
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start(minor, |builder| builder).await));
    let plane = &cluster.plane;
    let begun = Instant::now();
    let manager = cluster.manager().await;
    let kcm = plane.start_kcm_with(&CONTROLLER, &FAST).await.unwrap();
    let t = Test::new(cluster, "both").await;
    let services = ["one", "two", "three", "four", "five"];
    let names = |service: &str| -> Vec<String> { (0..PODS).map(|pod| format!("{service}-{pod}")).collect() };
    for service in services {
        t.service(service).create(&t.client).await.unwrap();
        for pod in names(service) {
            t.pod(&pod, service).create(&t.client).await.unwrap();
        }
    }
    let mut mark = t.mark();
    for round in 0..=ROUNDS {
        let ready = round % 2 == 0;
        if round > 0 {
            mark = t.mark();
            for pod in services.iter().flat_map(|service| names(service)) {
                t.ready(&pod, ready).await;
            }
        }
        let state = if ready { "" } else { "-unready" };
        for service in services {
            let wanted: Vec<String> = names(service).iter().map(|pod| format!("{pod}{state}")).collect();
            // Both may have made a slice for a part of the Pods, and neither moves them without need.
            t.expect_slices(service, &format!("{wanted:?}, each once"), |slices| {
                let found = endpoints(slices);
                if found == wanted {
                    Ok(())
                } else {
                    Err(format!("{found:?}"))
                }
            })
            .await;
        }
    }
    // Both writers, whoever they are: it waits until nobody writes any more.
    let last = slice_writes(plane, mark, "").await;
    println!("{} writes of both in the last round", last.len());
    let told = manager.lines("WARN");
    let told: Vec<_> = told
        .iter()
        .filter(|line| line.contains("another writer is at work"))
        .collect();
    let minutes = usize::try_from(begun.elapsed().as_secs() / 60).unwrap();
    assert!(
        (1..=minutes + 1).contains(&told.len()),
        "once a minute, in {minutes}: {told:#?}"
    );
    assert!(told[0].contains("kube-controller-manager"), "{told:#?}");
    kcm.stop().await.unwrap();
    manager.stop().await;
}

/// The endpoints of all slices, as [`describe_all`] shows them.
fn endpoints(slices: &[EndpointSlice]) -> Vec<String> {
    let mut all: Vec<String> = describe_all(slices)
        .iter()
        .filter_map(|line| line.split_once(" = "))
        .flat_map(|(_, endpoints)| endpoints.split(' '))
        .filter(|endpoint| *endpoint != "none")
        .map(str::to_owned)
        .collect();
    all.sort();
    all
}
