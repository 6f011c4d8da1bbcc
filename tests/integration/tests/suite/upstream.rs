//! Bugs that users of kube-controller-manager have reported, by number: docs/differences.md lists all of them with
//! their tests, of which these are the ones that fit nowhere else.

use std::time::Duration;

use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;
use quaymaster_testkit::objects;
use serde_json::json;

use crate::harness::{Test, fresh_ip, on_each_minor};

on_each_minor!(
    an_address_that_went_to_a_new_pod_stays_when_the_old_pod_ends_and_goes,
    conflicts_cause_no_event_and_leave_nothing_wrong,
    a_pod_on_a_missing_node_causes_no_events_and_no_writes,
);

/// Long enough for kube-controller-manager to fail and warn some times.
const WHILE: Duration = Duration::from_secs(3);

/// What the apiserver reports of addresses and ports of Services, as where its repair runs before its cache knows them.
const REPAIRS: [&str; 2] = ["ipallocator-repair-controller", "portallocator-repair-controller"];

/// Events about a Service by controllers of endpoints.
async fn events(t: &Test, service: &str) -> Vec<String> {
    let events: Api<Event> = Api::namespaced(t.client.clone(), &t.namespace);
    let events = events.list(&ListParams::default()).await.unwrap().items;
    let about = events.into_iter().filter(|event| {
        let regarding = event.regarding.as_ref();
        let reporter = event.reporting_controller.as_deref().unwrap_or_default();
        regarding.is_some_and(|it| it.name.as_deref() == Some(service)) && !REPAIRS.contains(&reporter)
    });
    about
        .map(|event| {
            format!(
                "{} {}",
                event.reason.unwrap_or_default(),
                event.note.unwrap_or_default()
            )
        })
        .collect()
}

/// kubernetes/kubernetes#115907, #135266, #135593
async fn an_address_that_went_to_a_new_pod_stays_when_the_old_pod_ends_and_goes(t: &Test) {
    let ip = fresh_ip();
    t.service("web").create(&t.client).await.unwrap();
    t.pod("old", "web").ip(&ip).create(&t.client).await.unwrap();
    t.expect("web", ["IPv4 http:8080 = old"]).await;
    // Its sandbox is gone and the address is free, while its object is still there and says running.
    t.pod("new", "web").ip(&ip).create(&t.client).await.unwrap();
    t.expect("web", ["IPv4 http:8080 = new old"]).await;
    objects::set_phase(&t.client, &t.namespace, "old", "Failed")
        .await
        .unwrap();
    t.expect("web", ["IPv4 http:8080 = new"]).await;
    t.remove("old").await;
    // A third one, so that there is something to wait for.
    t.pod("third", "web").create(&t.client).await.unwrap();
    t.expect("web", ["IPv4 http:8080 = new third"]).await;
}

/// kubernetes/kubernetes#92928
async fn conflicts_cause_no_event_and_leave_nothing_wrong(t: &Test) {
    const TIMES: usize = 40;
    t.service("web").create(&t.client).await.unwrap();
    t.pod("a", "web").create(&t.client).await.unwrap();
    let slices = t.expect("web", ["IPv4 http:8080 = a"]).await;
    let name = slices[0].metadata.name.clone().unwrap();
    let mark = t.mark();
    for time in 0..TIMES {
        // Whoever is second meets another version than the one it has read.
        let note = json!({"metadata": {"annotations": {"example.com/time": time.to_string()}}});
        tokio::join!(t.ready("a", time % 2 == 1), t.patch_slice(&name, note));
    }
    t.expect("web", ["IPv4 http:8080 = a"]).await;
    let writes = t.writes_since(mark, WHILE).await;
    let conflicts = writes.iter().filter(|entry| entry.code() == 409).count();
    println!("{conflicts} conflicts in {} writes", writes.len());
    assert_eq!(events(t, "web").await, [] as [&str; 0]);
}

/// openshift/origin#27377
async fn a_pod_on_a_missing_node_causes_no_events_and_no_writes(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    t.pod("here", "web").create(&t.client).await.unwrap();
    t.pod("there", "web")
        .node("never-there")
        .create(&t.client)
        .await
        .unwrap();
    t.expect("web", ["IPv4 http:8080 = here"]).await;
    let mark = t.mark();
    let writes = t.writes_since(mark, WHILE).await;
    assert!(writes.is_empty(), "{writes:#?}");
    assert_eq!(events(t, "web").await, [] as [&str; 0]);
}
