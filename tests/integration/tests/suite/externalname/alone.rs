//! What controllers have left of Services, and restarts, in clusters of one test each.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Endpoints, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client};
use quaymaster_testkit::{eventually, pod, service};
use serde_json::{Value, json};

use super::{TOLD, told};
use crate::harness::{Cluster, LATER, Manager, Minor, USER, alone_on_each_minor, fresh_ip};

alone_on_each_minor!(
    what_controllers_left_stays_by_default_and_goes_after_a_time_of_grace,
    a_mistake_is_not_told_again_after_a_restart,
);

/// A Service that selects a Pod `NAME-pod`, in a cluster of one test.
async fn with_pod(client: &Client, namespace: &str, name: &str) {
    pod(format!("{name}-pod"))
        .namespace(namespace)
        .labels([("app", name)])
        .node("node-a")
        .ip(fresh_ip())
        .ready()
        .create(client)
        .await
        .unwrap();
    service(name)
        .namespace(namespace)
        .selector([("app", name)])
        .port("http", 80, 8080)
        .create(client)
        .await
        .unwrap();
}

async fn patch(client: &Client, namespace: &str, name: &str, patch: Value) {
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    services
        .patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
}

/// What there is, as `endpoints NAME` and `slice of NAME by MANAGER`, with numbers.
async fn present(client: &Client, namespace: &str) -> BTreeMap<String, usize> {
    let mut present = BTreeMap::new();
    let endpoints: Api<Endpoints> = Api::namespaced(client.clone(), namespace);
    for one in endpoints.list(&ListParams::default()).await.unwrap() {
        *present
            .entry(format!("endpoints {}", one.metadata.name.unwrap()))
            .or_default() += 1;
    }
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), namespace);
    for slice in slices.list(&ListParams::default()).await.unwrap() {
        let labels = slice.metadata.labels.unwrap_or_default();
        let label = |key: &str| labels.get(key).cloned().unwrap_or_default();
        let by = label("endpointslice.kubernetes.io/managed-by");
        let by = by
            .trim_end_matches(".k8s.io")
            .trim_end_matches("-controller")
            .to_owned();
        let line = format!("slice of {} by {by}", label("kubernetes.io/service-name"));
        *present.entry(line).or_default() += 1;
    }
    present
}

async fn expect_present(client: &Client, namespace: &str, expected: &[&str]) {
    let expected: BTreeMap<String, usize> = expected.iter().map(|one| ((*one).to_owned(), 1)).collect();
    eventually(LATER, &format!("{expected:?}"), async || {
        let found = present(client, namespace).await;
        if found == expected {
            Ok(())
        } else {
            Err(format!("{found:?}"))
        }
    })
    .await;
}

/// Endpoints may have been made before their Pod was seen, and of those without addresses nothing would be mirrored.
async fn expect_addresses(endpoints: &Api<Endpoints>) {
    eventually(LATER, "addresses in all Endpoints", async || {
        let list = endpoints.list(&ListParams::default()).await.unwrap();
        list.iter().all(|one| one.subsets.iter().flatten().count() == 1)
    })
    .await;
}

async fn what_controllers_left_stays_by_default_and_goes_after_a_time_of_grace(minor: Minor) {
    let cluster = Cluster::start(minor, |builder| builder).await;
    let plane = &cluster.plane;
    let client = plane.client().await.unwrap();
    let namespace = plane.namespace("left").await.unwrap();
    let kcm = plane
        .start_kcm(&["endpoints-controller", "endpointslice-controller"])
        .await
        .unwrap();
    let all = ["web", "bare", "outside", "taken-over", "by-hand"];
    for name in all {
        with_pod(&client, &namespace, name).await;
    }
    let kept = ["endpoints web", "slice of web by endpointslice"];
    let of = |name: &str| {
        [
            format!("endpoints {name}"),
            format!("slice of {name} by endpointslice"),
        ]
    };
    let made: Vec<String> = all.into_iter().flat_map(of).collect();
    let mut made: Vec<&str> = made.iter().map(String::as_str).collect();
    expect_present(&client, &namespace, &made).await;
    let endpoints: Api<Endpoints> = Api::namespaced(client.clone(), &namespace);
    expect_addresses(&endpoints).await;
    for name in ["bare", "taken-over", "by-hand"] {
        patch(&client, &namespace, name, json!({"spec": {"selector": null}})).await;
    }
    let outside = json!({"spec": {"type": "ExternalName", "externalName": "example.org", "selector": null,
        "clusterIP": null, "clusterIPs": null, "ipFamilies": null, "ipFamilyPolicy": null,
        "internalTrafficPolicy": null}});
    patch(&client, &namespace, "outside", outside).await;
    kcm.stop().await.unwrap();
    // One is taken over by its label, one by an address.
    let label = json!({"metadata": {"labels": {"endpoints.kubernetes.io/managed-by": null}}});
    let address =
        json!({"subsets": [{"addresses": [{"ip": "192.0.2.1"}], "ports": [{"name": "http", "port": 80}]}]});
    for (name, change) in [("taken-over", label), ("by-hand", address)] {
        endpoints
            .patch(name, &PatchParams::default(), &Patch::Merge(change))
            .await
            .unwrap();
    }

    let manager = cluster.manager().await;
    let mirrored = ["bare", "outside", "taken-over", "by-hand"]
        .map(|name| format!("slice of {name} by endpointslicemirroring"));
    made.extend(mirrored.iter().map(String::as_str));
    expect_present(&client, &namespace, &made).await;
    tokio::time::sleep(TOLD).await;
    expect_present(&client, &namespace, &made).await;
    manager.stop().await;

    let mark = plane.audit().mark().unwrap();
    let arguments = ["--delete-stale-endpoints-after=3s"];
    let manager = Manager::start(plane, &cluster.kubeconfig, &arguments).await;
    let mut left = kept.to_vec();
    left.extend([
        "endpoints taken-over",
        "slice of taken-over by endpointslicemirroring",
        "endpoints by-hand",
        "slice of by-hand by endpointslicemirroring",
    ]);
    expect_present(&client, &namespace, &left).await;
    tokio::time::sleep(TOLD).await;
    expect_present(&client, &namespace, &left).await;
    let entries = plane.audit().entries_since(mark).unwrap();
    let writes = entries.iter().filter(|entry| {
        entry.user.username == USER
            && entry.is_write()
            && entry.is_complete()
            && entry.namespace() == namespace
            && entry.resource() != "events"
    });
    let mut verbs: BTreeMap<String, usize> = BTreeMap::new();
    for write in writes {
        let agent = &write.user_agent;
        let by = agent.split_once('(').unwrap().1.split_once(';').unwrap().0;
        // The garbage collector may be faster than the mirroring controller.
        if by == "externalname" {
            assert_eq!(write.code(), 200, "{}", write.request_uri);
            *verbs
                .entry(format!("{} {}", write.verb, write.resource()))
                .or_default() += 1;
        } else {
            assert_eq!((by, &*write.verb), ("endpointslice-mirroring", "delete"));
        }
    }
    let expected = [("delete endpoints", 2), ("delete endpointslices", 4)];
    let expected = expected.map(|(verb, count)| (verb.to_owned(), count)).into();
    assert_eq!(verbs, expected);
    assert_eq!(manager.lines("ERROR"), [""; 0], "it may do all of that");

    // Back to a selector: all is made anew.
    patch(
        &client,
        &namespace,
        "bare",
        json!({"spec": {"selector": {"app": "bare"}}}),
    )
    .await;
    let again = of("bare");
    left.extend(again.iter().map(String::as_str));
    expect_present(&client, &namespace, &left).await;
    manager.stop().await;
}

async fn a_mistake_is_not_told_again_after_a_restart(minor: Minor) {
    let cluster = Cluster::start(minor, |builder| builder).await;
    let plane = &cluster.plane;
    let client = plane.client().await.unwrap();
    let namespace = plane.namespace("once").await.unwrap();
    service("web")
        .namespace(&namespace)
        .external_name("192.0.2.1")
        .create(&client)
        .await
        .unwrap();
    let inside = format!("db.{namespace}.svc.k8s.example.org");
    service("inside")
        .namespace(&namespace)
        .external_name(&*inside)
        .create(&client)
        .await
        .unwrap();
    let arguments = ["--cluster-domain=k8s.example.org"];
    let expected = BTreeMap::from([
        ("ExternalNameIsIPAddress of web".to_owned(), 1),
        ("ExternalNameTargetMissing of inside".to_owned(), 1),
    ]);
    for _ in 0..2 {
        let manager = Manager::start(plane, &cluster.kubeconfig, &arguments).await;
        tokio::time::sleep(TOLD).await;
        // The first one may take longer.
        eventually(LATER, &format!("{expected:?}"), async || {
            let found = told(&client, &namespace).await;
            if found == expected {
                Ok(())
            } else {
                Err(format!("{found:?}"))
            }
        })
        .await;
        manager.stop().await;
    }
}
