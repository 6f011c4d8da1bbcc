//! Endpoints, in clusters of one test each: taken over and handed back, swept at the start, cut.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::Endpoints;
use kube::api::PostParams;
use kube::{Api, Client};
use quaymaster_testkit::audit::Mark;
use quaymaster_testkit::{ControlPlane, eventually, objects, pod, service};
use serde_json::{Value, json};

use crate::harness::{
    Cluster, LATER, Manager, Minor, SOON, Shapes, Test, alone_on_each_minor, fresh_ip, slice_writes,
    writes_of,
};

alone_on_each_minor!(
    taking_endpoints_over_from_kube_controller_manager_writes_nothing_and_so_does_going_back,
    a_thousand_and_one_pods_are_cut_alike_by_both_and_written_by_us_once,
    endpoints_without_a_service_are_swept_at_the_start,
    unused_endpoints_are_deleted_after_the_grace_time_where_nobody_keeps_them,
    within_a_batch_period_changes_of_pods_are_one_write_of_endpoints_and_one_of_slices,
);

const OURS: &str = "quaymaster/";
const KCM: &str = "kube-controller-manager/";
const CONTROLLER: [&str; 1] = ["endpoints-controller"];
/// Without its own limit of 20 requests a second this test would take a minute.
const FAST: [&str; 2] = ["--kube-api-qps=500", "--kube-api-burst=1000"];

async fn endpoints_writes(plane: &ControlPlane, mark: Mark, agent: &str) -> usize {
    let writes = writes_of(plane, "endpoints", mark, agent).await;
    for write in writes.iter().take(3) {
        println!("{} {} {}", write.user_agent, write.verb, write.request_uri);
    }
    writes.len()
}

/// How many Endpoints kube-controller-manager writes when it is started and nothing has changed.
async fn kcm_over(plane: &ControlPlane) -> usize {
    let mark = plane.audit().mark().unwrap();
    let kcm = plane.start_kcm_with(&CONTROLLER, &FAST).await.unwrap();
    let writes = endpoints_writes(plane, mark, KCM).await;
    kcm.stop().await.unwrap();
    writes
}

async fn taking_endpoints_over_from_kube_controller_manager_writes_nothing_and_so_does_going_back(
    minor: Minor,
) {
    let cluster = Cluster::start(minor, |builder| builder).await;
    let plane = &cluster.plane;
    let mark = plane.audit().mark().unwrap();
    let kcm = plane.start_kcm_with(&CONTROLLER, &FAST).await.unwrap();
    let shapes = Shapes::create(plane, 2, 260).await;
    assert!(endpoints_writes(plane, mark, KCM).await > 0);
    kcm.stop().await.unwrap();
    // Otherwise what follows would show nothing.
    assert_eq!(kcm_over(plane).await, 0, "it rests over Endpoints of its own");

    let theirs = shapes.all_endpoints().await;
    assert!(theirs.len() > 20, "{}", theirs.len());
    let mark = plane.audit().mark().unwrap();
    let manager = cluster.manager().await;
    assert_eq!(endpoints_writes(plane, mark, OURS).await, 0);
    assert_eq!(shapes.all_endpoints().await, theirs);

    // Those that this binary makes.
    let mark = plane.audit().mark().unwrap();
    let ours = Shapes::create(plane, 1, 260).await;
    assert!(endpoints_writes(plane, mark, OURS).await > 0);
    manager.stop().await;
    let before = ours.all_endpoints().await;
    assert_eq!(kcm_over(plane).await, 0);
    // And ours over all of them.
    let mark = plane.audit().mark().unwrap();
    let manager = cluster.manager().await;
    assert_eq!(endpoints_writes(plane, mark, OURS).await, 0);
    assert_eq!(ours.all_endpoints().await, before);
    manager.stop().await;
}

async fn a_thousand_and_one_pods_are_cut_alike_by_both_and_written_by_us_once(minor: Minor) {
    let cluster = Cluster::start(minor, |builder| builder).await;
    let plane = &cluster.plane;
    let client = plane.client().await.unwrap();
    let namespace = plane.namespace("large").await.unwrap();
    let endpoints: Api<Endpoints> = Api::namespaced(client.clone(), &namespace);
    let pods = (0..1001).map(|number| {
        pod(format!("web-{number}"))
            .namespace(&namespace)
            .labels([("app", "web")])
            .node("node-a")
            .ip(fresh_ip())
            .ready()
    });
    stream::iter(pods)
        .map(async |pod| pod.create(&client).await.map(drop))
        .buffer_unordered(24)
        .for_each(async |result| result.unwrap())
        .await;
    service("web")
        .namespace(&namespace)
        .selector([("app", "web")])
        .port("http", 80, 8080)
        .create(&client)
        .await
        .unwrap();
    let kcm = plane.start_kcm_with(&CONTROLLER, &FAST).await.unwrap();
    eventually(LATER, "Endpoints that are cut", async || cut(&endpoints).await).await;
    kcm.stop().await.unwrap();
    // It writes them at every look, also once more as it is stopped.
    let cut = endpoints.get("web").await.unwrap();

    let mark = plane.audit().mark().unwrap();
    let manager = cluster.manager().await;
    assert_eq!(endpoints_writes(plane, mark, OURS).await, 0);
    assert_eq!(endpoints.get("web").await.unwrap(), cut);
    // Ours from scratch, but for what differs with each object.
    endpoints
        .delete("web", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    let again = eventually(SOON, "new Endpoints", async || self::cut(&endpoints).await).await;
    assert_eq!(again.subsets, cut.subsets);
    assert_eq!(again.metadata.labels, cut.metadata.labels);
    // The Pod that was left out does not matter.
    let published: Vec<String> = again.subsets.iter().flatten().flat_map(pods_of).collect();
    let left_out = (0..1001)
        .map(|number| format!("web-{number}"))
        .find(|name| !published.contains(name));
    let mark = plane.audit().mark().unwrap();
    objects::set_ready(&client, &namespace, &left_out.unwrap(), false)
        .await
        .unwrap();
    assert_eq!(endpoints_writes(plane, mark, OURS).await, 0);
    let mark = plane.audit().mark().unwrap();
    objects::delete_now(&client, &namespace, &published[0])
        .await
        .unwrap();
    eventually(SOON, "Endpoints that are whole", async || {
        annotation(&endpoints.get("web").await.unwrap()).is_none()
    })
    .await;
    assert_eq!(endpoints_writes(plane, mark, OURS).await, 1);
    let whole = endpoints.get("web").await.unwrap();
    assert_eq!(annotation(&whole), None);
    manager.stop().await;
}

/// The Endpoints `web`, if they are cut to a thousand addresses.
async fn cut(endpoints: &Api<Endpoints>) -> Result<Endpoints, String> {
    let found = endpoints.get_opt("web").await.unwrap();
    let found = found.ok_or_else(|| "there are none".to_owned())?;
    let addresses = found.subsets.iter().flatten().flat_map(pods_of).count();
    if addresses == 1000 && annotation(&found) == Some("truncated") {
        Ok(found)
    } else {
        Err(format!("{addresses} addresses, {:?}", annotation(&found)))
    }
}

fn annotation(endpoints: &Endpoints) -> Option<&str> {
    let annotations = endpoints.metadata.annotations.as_ref()?;
    annotations
        .get("endpoints.kubernetes.io/over-capacity")
        .map(String::as_str)
}

fn pods_of(subset: &k8s_openapi::api::core::v1::EndpointSubset) -> Vec<String> {
    let addresses = subset
        .addresses
        .iter()
        .chain(&subset.not_ready_addresses)
        .flatten();
    addresses
        .filter_map(|address| address.target_ref.clone()?.name)
        .collect()
}

async fn put(client: &Client, namespace: &str, name: &str, metadata: Value) {
    let endpoints: Api<Endpoints> = Api::namespaced(client.clone(), namespace);
    let mut object = json!({
        "metadata": metadata,
        "subsets": [{ "addresses": [{ "ip": "192.0.2.1" }], "ports": [{ "port": 80 }] }],
    });
    object["metadata"]["name"] = json!(name);
    let object = serde_json::from_value(object).unwrap();
    endpoints.create(&PostParams::default(), &object).await.unwrap();
}

async fn endpoints_without_a_service_are_swept_at_the_start(minor: Minor) {
    let cluster = Cluster::start(minor, |builder| builder).await;
    let plane = &cluster.plane;
    let client = plane.client().await.unwrap();
    let namespace = plane.namespace("orphans").await.unwrap();
    let lock = json!({ "annotations": { "control-plane.alpha.kubernetes.io/leader": "{}" } });
    put(&client, &namespace, "by-hand", json!({})).await;
    put(&client, &namespace, "lock", lock).await;
    put(&client, &namespace, "of-a-service", json!({})).await;
    service("of-a-service")
        .namespace(&namespace)
        .port("http", 80, 8080)
        .create(&client)
        .await
        .unwrap();
    let names = async || {
        let endpoints: Api<Endpoints> = Api::namespaced(client.clone(), &namespace);
        let list = endpoints.list(&kube::api::ListParams::default()).await.unwrap();
        list.into_iter()
            .filter_map(|endpoints| endpoints.metadata.name)
            .collect::<Vec<_>>()
    };
    let manager = cluster.manager().await;
    eventually(LATER, "the orphan to be gone", async || {
        let names = names().await;
        if names == ["lock", "of-a-service"] {
            Ok(())
        } else {
            Err(format!("{names:?}"))
        }
    })
    .await;
    // Those that come later stay until the next start.
    put(&client, &namespace, "by-hand", json!({})).await;
    let mark = plane.audit().mark().unwrap();
    assert_eq!(endpoints_writes(plane, mark, OURS).await, 0);
    assert_eq!(names().await, ["by-hand", "lock", "of-a-service"]);
    manager.stop().await;
}

async fn unused_endpoints_are_deleted_after_the_grace_time_where_nobody_keeps_them(minor: Minor) {
    let cluster = Cluster::start(minor, |builder| builder).await;
    let plane = &cluster.plane;
    let client = plane.client().await.unwrap();
    let namespace = plane.namespace("unused").await.unwrap();
    for name in ["web", "taken-over"] {
        service(name)
            .namespace(&namespace)
            .selector([("app", "web")])
            .port("http", 80, 8080)
            .create(&client)
            .await
            .unwrap();
    }
    let kcm = plane.start_kcm_with(&CONTROLLER, &FAST).await.unwrap();
    let endpoints: Api<Endpoints> = Api::namespaced(client.clone(), &namespace);
    eventually(LATER, "both to have Endpoints", async || {
        endpoints
            .list(&kube::api::ListParams::default())
            .await
            .unwrap()
            .items
            .len()
            == 2
    })
    .await;
    kcm.stop().await.unwrap();
    // Its user keeps the Endpoints by hand from here on; the label stays.
    let services: Api<k8s_openapi::api::core::v1::Service> = Api::namespaced(client.clone(), &namespace);
    let bare = kube::api::Patch::Merge(json!({ "spec": { "selector": null } }));
    services
        .patch("taken-over", &kube::api::PatchParams::default(), &bare)
        .await
        .unwrap();
    put(&client, &namespace, "by-hand", json!({})).await;
    let mark = plane.audit().mark().unwrap();
    let without = "--controllers=*,-endpoints-controller";
    let off = Manager::start(plane, &cluster.kubeconfig, &[without]).await;
    assert_eq!(
        endpoints_writes(plane, mark, OURS).await,
        0,
        "nothing without the flag"
    );
    off.stop().await;
    let arguments = [without, "--delete-unused-endpoints-after=1s"];
    let manager = Manager::start(plane, &cluster.kubeconfig, &arguments).await;
    eventually(LATER, "the unused ones to be gone", async || {
        endpoints.get_opt("web").await.unwrap().is_none()
    })
    .await;
    assert_eq!(endpoints_writes(plane, mark, OURS).await, 1);
    manager.stop().await;
}

/// Long enough for some changes to come within one on a slow machine.
const BATCH_PERIOD: Duration = Duration::from_secs(10);

async fn within_a_batch_period_changes_of_pods_are_one_write_of_endpoints_and_one_of_slices(minor: Minor) {
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start(minor, |builder| builder).await));
    let plane = &cluster.plane;
    let arguments = [
        "--endpoint-updates-batch-period=10s",
        "--endpointslice-updates-batch-period=10s",
    ];
    let manager = Manager::start(plane, &cluster.kubeconfig, &arguments).await;
    let t = Test::new(cluster, "batch").await;
    let mark = t.mark();
    t.service("web").create(&t.client).await.unwrap();
    let begun = Instant::now();
    t.expect_subsets("web", []).await;
    // Both controllers have to know the Service before its Pods.
    t.expect("web", ["IPv4 - = none"]).await;
    assert!(begun.elapsed() < BATCH_PERIOD, "a Service does not wait");
    for name in ["a", "b", "c", "d"] {
        t.pod(name, "web").create(&t.client).await.unwrap();
    }
    t.expect_subsets("web", ["http:8080 = a b c d"]).await;
    assert_eq!(
        endpoints_writes(plane, mark, OURS).await,
        2,
        "one for the Service, one for its Pods"
    );
    t.expect("web", ["IPv4 http:8080 = a b c d"]).await;
    assert_eq!(slice_writes(plane, mark, OURS).await.len(), 2);
    let mark = t.mark();
    for name in ["a", "b", "c"] {
        t.ready(name, false).await;
    }
    t.remove("d").await;
    t.expect_subsets("web", ["http:8080 = a-unready b-unready c-unready"])
        .await;
    assert_eq!(endpoints_writes(plane, mark, OURS).await, 1);
    t.expect("web", ["IPv4 http:8080 = a-unready b-unready c-unready"])
        .await;
    assert_eq!(slice_writes(plane, mark, OURS).await.len(), 1);
    manager.stop().await;
}
