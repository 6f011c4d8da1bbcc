//! One cluster, kept by kube-controller-manager and by this binary in turn.

use quaymaster_testkit::ControlPlane;

use crate::harness::{Cluster, Manager, Minor, Shapes, alone_on_each_minor, slice_writes};

alone_on_each_minor!(taking_over_from_kube_controller_manager_writes_nothing_and_so_does_going_back,);

const OURS: &str = "quaymaster/";
const KCM: &str = "kube-controller-manager/";
const CONTROLLER: [&str; 1] = ["endpointslice-controller"];
/// Without its own limit of 20 requests a second this test would take a minute.
const FAST: [&str; 2] = ["--kube-api-qps=500", "--kube-api-burst=1000"];

async fn taking_over_from_kube_controller_manager_writes_nothing_and_so_does_going_back(minor: Minor) {
    let cluster = Cluster::start(minor, |builder| builder).await;
    let plane = &cluster.plane;
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
    let own = kcm_over(plane).await;

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
    let back = kcm_over(plane).await;
    // Over three namespaces it may write what it writes over two of its own, and half as much again.
    assert!(2 * back <= 3 * own, "{back} writes over ours, {own} over its own");
    if own == 0 {
        assert_eq!(ours.versions().await, before);
    }
}

/// How many slices kube-controller-manager writes when it is started and nothing has changed.
async fn kcm_over(plane: &ControlPlane) -> usize {
    let mark = plane.audit().mark().unwrap();
    let kcm = plane.start_kcm_with(&CONTROLLER, &FAST).await.unwrap();
    let writes = slice_writes(plane, mark, KCM).await;
    kcm.stop().await.unwrap();
    println!(
        "kube-controller-manager writes {} slices when it starts",
        writes.len()
    );
    writes.len()
}
