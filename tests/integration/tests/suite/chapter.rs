//! What textbooks do with Services, step by step, with Pods made by controllers.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ReplicationController, Service};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use quaymaster_testkit::eventually;
use serde_json::{Value, json};

use crate::harness::{Kubelet, LATER, Test, describe_all, on_each_minor, pods_of};

on_each_minor!(
    a1_a_replication_controllers_pods_stand_behind_their_service,
    a3_session_affinity_changes_nothing_in_the_slices,
    a4_two_named_ports_share_one_slice_and_an_unnamed_second_port_is_refused,
    a5_two_versions_with_one_port_name_on_two_numbers_live_side_by_side,
    a6_a_port_without_target_leads_to_itself,
    a7_a_replaced_pod_brings_its_new_address,
    a8_without_its_deployment_a_service_stays_and_is_empty,
    a10_pods_may_come_before_or_after_their_service,
    f1_a_rolling_update_ends_with_the_new_version_alone,
    f2_the_selector_names_the_version_and_the_switch_is_whole,
    h2_deleting_everything_leaves_the_apiservers_own_service_alone,
);

fn template(labels: &Value, ports: &Value) -> Value {
    json!({
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "app", "image": "registry.invalid/none", "ports": ports}],
            "terminationGracePeriodSeconds": 1},
    })
}

async fn deploy(t: &Test, name: &str, replicas: u32, labels: Value, ports: Value) {
    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template(&labels, &ports)},
    }))
    .unwrap();
    deployments(t)
        .create(&PostParams::default(), &deployment)
        .await
        .unwrap();
}

fn deployments(t: &Test) -> Api<Deployment> {
    Api::namespaced(t.client.clone(), &t.namespace)
}

async fn scale(t: &Test, name: &str, replicas: u32) {
    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    deployments(t)
        .patch_scale(name, &PatchParams::default(), &patch)
        .await
        .unwrap();
}

async fn apply_service(t: &Test, name: &str, spec: Value) -> kube::Result<Service> {
    let service: Service = serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap();
    t.services().create(&PostParams::default(), &service).await
}

/// Waits until the Service's slices hold so many ready endpoints, and each of the slices begins so.
async fn expect_ready(t: &Test, service: &str, count: usize, begins: &str) {
    eventually(
        LATER,
        &format!("{service} to have {count} ready endpoints"),
        async || {
            let slices = t.slices(service).await;
            let lines = describe_all(&slices);
            let right = pods_of(&slices).len() == count
                && lines.iter().all(|line| {
                    line.starts_with(begins) && !line.contains("-unready") && !line.contains("-draining")
                });
            if right { Ok(()) } else { Err(format!("{lines:?}")) }
        },
    )
    .await;
}

async fn a1_a_replication_controllers_pods_stand_behind_their_service(t: &Test) {
    let _kubelet = Kubelet::of(&t.client, &t.namespace);
    let controller: ReplicationController = serde_json::from_value(json!({
        "metadata": {"name": "test-rc"},
        "spec": {"replicas": 3, "selector": {"app": "test1"},
            "template": template(&json!({"app": "test1"}), &json!([{"containerPort": 8080}]))},
    }))
    .unwrap();
    let controllers: Api<ReplicationController> = Api::namespaced(t.client.clone(), &t.namespace);
    controllers
        .create(&PostParams::default(), &controller)
        .await
        .unwrap();
    let spec = json!({"selector": {"app": "test1"}, "ports": [{"port": 80, "targetPort": 8080}]});
    let service = apply_service(t, "test-svc", spec).await.unwrap();
    assert!(service.spec.unwrap().cluster_ip.is_some_and(|ip| ip != "None"));
    expect_ready(t, "test-svc", 3, "IPv4 :8080 = test-rc-").await;
}

async fn a3_session_affinity_changes_nothing_in_the_slices(t: &Test) {
    t.pod("a", "test1").create(&t.client).await.unwrap();
    let spec = json!({"selector": {"app": "test1"}, "ports": [{"port": 80, "targetPort": 8080}],
        "sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}}});
    apply_service(t, "test-svc1", spec).await.unwrap();
    t.expect("test-svc1", ["IPv4 :8080 = a"]).await;
}

async fn a4_two_named_ports_share_one_slice_and_an_unnamed_second_port_is_refused(t: &Test) {
    t.pod("a", "test1").create(&t.client).await.unwrap();
    let spec = |second: Value| {
        json!({"selector": {"app": "test1"},
        "ports": [{"name": "http", "port": 80, "targetPort": 8080}, second]})
    };
    let error = apply_service(t, "refused", spec(json!({"port": 443, "targetPort": 8443})))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("name: Required value"), "{error}");
    let second = json!({"name": "https", "port": 443, "targetPort": 8443});
    apply_service(t, "test-svc2", spec(second)).await.unwrap();
    t.expect("test-svc2", ["IPv4 http:8080 https:8443 = a"]).await;
}

async fn a5_two_versions_with_one_port_name_on_two_numbers_live_side_by_side(t: &Test) {
    let _kubelet = Kubelet::of(&t.client, &t.namespace);
    let ports = |http: u16, https: u16| json!([{"name": "http", "containerPort": http}, {"name": "https", "containerPort": https}]);
    deploy(
        t,
        "v1",
        2,
        json!({"app": "web", "version": "1"}),
        ports(8080, 8443),
    )
    .await;
    deploy(t, "v2", 1, json!({"app": "web", "version": "2"}), ports(80, 443)).await;
    let spec = json!({"selector": {"app": "web"}, "ports": [
        {"name": "http", "port": 80, "targetPort": "http"}, {"name": "https", "port": 443, "targetPort": "https"}]});
    apply_service(t, "web", spec).await.unwrap();
    expect_ready(t, "web", 3, "IPv4 http:80").await;
    let lines = describe_all(&t.slices("web").await);
    assert_eq!(lines.len(), 2, "{lines:?}");
    for (line, version) in [(&lines[0], "v2-"), (&lines[1], "v1-")] {
        let (_, pods) = line.split_once(" = ").unwrap();
        assert!(pods.split(' ').all(|pod| pod.starts_with(version)), "{lines:?}");
    }
    assert!(
        lines[0].starts_with("IPv4 http:80 https:443 =")
            && lines[1].starts_with("IPv4 http:8080 https:8443 ="),
        "{lines:?}"
    );
}

async fn a6_a_port_without_target_leads_to_itself(t: &Test) {
    let _kubelet = Kubelet::of(&t.client, &t.namespace);
    deploy(t, "sleep-2", 1, json!({"app": "sleep-2"}), json!([])).await;
    apply_service(
        t,
        "sleep-2",
        json!({"selector": {"app": "sleep-2"}, "ports": [{"port": 80}]}),
    )
    .await
    .unwrap();
    expect_ready(t, "sleep-2", 1, "IPv4 :80 = sleep-2-").await;
}

async fn a7_a_replaced_pod_brings_its_new_address(t: &Test) {
    let _kubelet = Kubelet::of(&t.client, &t.namespace);
    deploy(t, "sleep-2", 1, json!({"app": "sleep-2"}), json!([])).await;
    let service = apply_service(
        t,
        "sleep-2",
        json!({"selector": {"app": "sleep-2"}, "ports": [{"port": 80}]}),
    )
    .await
    .unwrap();
    expect_ready(t, "sleep-2", 1, "IPv4 :80 = sleep-2-").await;
    let old = t.slice("sleep-2").await.endpoints.unwrap().remove(0);
    let pod = old.target_ref.unwrap().name.unwrap();
    t.pods().delete(&pod, &DeleteParams::default()).await.unwrap();
    eventually(LATER, "another address", async || {
        let slices = t.slices("sleep-2").await;
        let addresses: Vec<String> = slices
            .iter()
            .flat_map(|slice| slice.endpoints.iter().flatten())
            .flat_map(|endpoint| endpoint.addresses.clone())
            .collect();
        if addresses.len() == 1 && addresses != old.addresses {
            Ok(())
        } else {
            Err(format!("{addresses:?}"))
        }
    })
    .await;
    let now = t.services().get("sleep-2").await.unwrap();
    assert_eq!(now.spec.unwrap().cluster_ip, service.spec.unwrap().cluster_ip);
}

async fn a8_without_its_deployment_a_service_stays_and_is_empty(t: &Test) {
    let _kubelet = Kubelet::of(&t.client, &t.namespace);
    deploy(t, "sleep-2", 2, json!({"app": "sleep-2"}), json!([])).await;
    apply_service(
        t,
        "sleep-2",
        json!({"selector": {"app": "sleep-2"}, "ports": [{"port": 80}]}),
    )
    .await
    .unwrap();
    expect_ready(t, "sleep-2", 2, "IPv4 :80 = sleep-2-").await;
    deployments(t)
        .delete("sleep-2", &DeleteParams::background())
        .await
        .unwrap();
    // By way of the garbage collector, twice.
    expect_ready(t, "sleep-2", 0, "IPv4 - = none").await;
    t.expect("sleep-2", ["IPv4 - = none"]).await;
    t.services().get("sleep-2").await.unwrap();
}

async fn a10_pods_may_come_before_or_after_their_service(t: &Test) {
    let _kubelet = Kubelet::of(&t.client, &t.namespace);
    let spec = |app: &str| json!({"selector": {"app": app}, "ports": [{"port": 80}]});
    apply_service(t, "early", spec("early")).await.unwrap();
    t.expect("early", ["IPv4 - = none"]).await;
    deploy(t, "late", 2, json!({"app": "late"}), json!([])).await;
    deploy(t, "early", 2, json!({"app": "early"}), json!([])).await;
    expect_ready(t, "early", 2, "IPv4 :80 = early-").await;
    apply_service(t, "late", spec("late")).await.unwrap();
    expect_ready(t, "late", 2, "IPv4 :80 = late-").await;
}

async fn f1_a_rolling_update_ends_with_the_new_version_alone(t: &Test) {
    let _kubelet = Kubelet::of(&t.client, &t.namespace);
    deploy(t, "web", 4, json!({"app": "web"}), json!([])).await;
    apply_service(
        t,
        "web",
        json!({"selector": {"app": "web"}, "ports": [{"port": 80}]}),
    )
    .await
    .unwrap();
    expect_ready(t, "web", 4, "IPv4 :80 = web-").await;
    let before = t.slices("web").await;
    let old = pods_of(&before);
    let trace = crate::harness::Trace::begin(&t.client, &t.namespace).await;
    let patch = json!({"spec": {"template": {"metadata": {"labels": {"app": "web", "version": "2"}}}}});
    deployments(t)
        .patch("web", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
    eventually(LATER, "new Pods alone", async || {
        let slices = t.slices("web").await;
        let now = pods_of(&slices);
        let right = now.len() == 4
            && now.is_disjoint(&old)
            && describe_all(&slices)
                .iter()
                .all(|line| !line.contains("-unready") && !line.contains("-draining"));
        if right {
            Ok(())
        } else {
            Err(format!("{:?}", describe_all(&slices)))
        }
    })
    .await;
    for revision in trace.end().await {
        let ready = revision
            .values()
            .flat_map(|slice| slice.endpoints.iter().flatten())
            .filter(|endpoint| {
                endpoint
                    .conditions
                    .as_ref()
                    .is_some_and(|conditions| conditions.ready == Some(true))
            })
            .count();
        // The Deployment itself keeps three quarters available.
        assert!(ready >= 3, "{ready} ready");
    }
    scale(t, "web", 0).await;
    t.expect("web", ["IPv4 - = none"]).await;
    scale(t, "web", 2).await;
    expect_ready(t, "web", 2, "IPv4 :80 = web-").await;
}

async fn f2_the_selector_names_the_version_and_the_switch_is_whole(t: &Test) {
    let _kubelet = Kubelet::of(&t.client, &t.namespace);
    for version in ["1", "2"] {
        let labels = json!({"app": "web", "version": version});
        deploy(t, &format!("v{version}"), 3, labels, json!([])).await;
    }
    let spec =
        json!({"selector": {"app": "web", "version": "1"}, "ports": [{"port": 8088, "targetPort": 80}]});
    apply_service(t, "web", spec).await.unwrap();
    expect_ready(t, "web", 3, "IPv4 :80 = v1-").await;
    eventually(LATER, "version 2 to be ready", async || {
        let pods = t
            .pods()
            .list(&ListParams::default().labels("version=2"))
            .await
            .unwrap()
            .items;
        pods.len() == 3
            && pods
                .iter()
                .all(|pod| pod.status.as_ref().is_some_and(|status| status.pod_ip.is_some()))
    })
    .await;
    // The binary might see the Service's change before the last of these Pods, and write twice.
    t.all_is_read().await;
    let mark = t.mark();
    t.patch_service(
        "web",
        json!({"spec": {"selector": {"app": "web", "version": "2"}}}),
    )
    .await;
    expect_ready(t, "web", 3, "IPv4 :80 = v2-").await;
    let writes = t.writes_since(mark, std::time::Duration::from_secs(1)).await;
    assert_eq!(writes.len(), 1, "one write switches all three: {writes:#?}");
}

async fn h2_deleting_everything_leaves_the_apiservers_own_service_alone(t: &Test) {
    let _kubelet = Kubelet::of(&t.client, &t.namespace);
    for app in ["web", "api"] {
        deploy(t, app, 2, json!({"app": app}), json!([])).await;
        apply_service(t, app, json!({"selector": {"app": app}, "ports": [{"port": 80}]}))
            .await
            .unwrap();
        expect_ready(t, app, 2, "IPv4 :80 = ").await;
    }
    deployments(t)
        .delete_collection(&DeleteParams::background(), &ListParams::default())
        .await
        .unwrap();
    t.services()
        .delete_collection(&DeleteParams::default(), &ListParams::default())
        .await
        .unwrap();
    eventually(LATER, "no slices and no Pods", async || {
        let slices = t
            .endpoint_slices()
            .list(&ListParams::default())
            .await
            .unwrap()
            .items;
        let pods = t.pods().list(&ListParams::default()).await.unwrap().items.len();
        if slices.is_empty() && pods == 0 {
            Ok(())
        } else {
            Err(format!("{pods} Pods, {:?}", describe_all(&slices)))
        }
    })
    .await;
    let services: Api<Service> = Api::namespaced(t.client.clone(), "default");
    services.get("kubernetes").await.unwrap();
}
