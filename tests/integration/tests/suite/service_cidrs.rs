//! ServiceCIDRs: what becomes of ranges that come and go.

use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::ServiceCIDR;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client};
use quaymaster_testkit::ControlPlane;
use quaymaster_testkit::audit::Mark;
use quaymaster_testkit::eventually;
use serde_json::json;

use crate::harness::{Cluster, LATER, Minor, SOON, alone_on_each_minor};

alone_on_each_minor!(
    a_range_is_made_ready_held_by_an_address_and_let_go_with_it,
    of_two_equal_ranges_that_are_deleted_together_one_waits_for_the_addresses,
    taking_service_cidrs_over_from_kube_controller_manager_and_back_writes_nothing_needless,
);

const KCM: [&str; 1] = ["service-cidr-controller"];
/// Longer than the ten seconds for which a range that may go still stays.
const GRACE_OVER: Duration = Duration::from_secs(13);

fn ranges(client: &Client) -> Api<ServiceCIDR> {
    Api::all(client.clone())
}

async fn create(client: &Client, name: &str, range: &str) {
    let cidr = json!({ "metadata": { "name": name }, "spec": { "cidrs": [range] } });
    let cidr = serde_json::from_value(cidr).unwrap();
    ranges(client)
        .create(&PostParams::default(), &cidr)
        .await
        .unwrap();
}

async fn delete(client: &Client, name: &str) {
    ranges(client)
        .delete(name, &DeleteParams::default())
        .await
        .unwrap();
}

/// A Service with this address, as soon as the apiserver gives it out.
async fn service_with(client: &Client, name: &str, address: &str) {
    let services: Api<Service> = Api::namespaced(client.clone(), "default");
    let service = json!({
        "metadata": { "name": name },
        "spec": { "clusterIP": address, "ports": [{ "port": 80 }] },
    });
    let service: Service = serde_json::from_value(service).unwrap();
    eventually(LATER, "the address is given out", async || {
        let made = services.create(&PostParams::default(), &service).await;
        made.map(drop).map_err(|error| error.to_string())
    })
    .await;
}

async fn without_service(client: &Client, name: &str) {
    let services: Api<Service> = Api::namespaced(client.clone(), "default");
    services.delete(name, &DeleteParams::default()).await.unwrap();
}

/// Finalizers, and the condition `Ready`; none if the range is gone.
async fn state(client: &Client, name: &str) -> Option<String> {
    let cidr = ranges(client).get_opt(name).await.unwrap()?;
    let conditions = cidr
        .status
        .and_then(|status| status.conditions)
        .unwrap_or_default();
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready");
    let ready = ready.map_or_else(
        || "none".to_owned(),
        |ready| format!("{} {:?} {:?}", ready.status, ready.reason, ready.message),
    );
    Some(format!(
        "{} {ready}",
        cidr.metadata.finalizers.unwrap_or_default().join(",")
    ))
}

const READY: &str = r#"networking.k8s.io/service-cidr-finalizer True "" "Kubernetes Service CIDR is ready""#;

async fn expect(client: &Client, limit: Duration, name: &str, wanted: Option<&str>) {
    eventually(limit, &format!("{name}: {wanted:?}"), async || {
        let found = state(client, name).await;
        let as_wanted = match (&found, wanted) {
            (None, None) => true,
            (Some(found), Some(wanted)) => found.starts_with(wanted),
            _ => false,
        };
        if as_wanted {
            Ok(())
        } else {
            Err(format!("{found:?}"))
        }
    })
    .await;
}

/// Writes of ServiceCIDRs by whoever calls itself so, once none has come for a while.
async fn writes(plane: &ControlPlane, mark: Mark, agent: &str) -> Vec<String> {
    tokio::time::sleep(Duration::from_secs(3)).await;
    let entries = plane.audit().entries_since(mark).unwrap();
    let of = entries.iter().filter(|entry| {
        entry.is_complete()
            && entry.is_write()
            && entry.resource() == "servicecidrs"
            && entry.user_agent.starts_with(agent)
    });
    of.map(|entry| {
        format!(
            "{} {} {} {}",
            entry.verb,
            entry.name(),
            entry.subresource(),
            entry.code()
        )
    })
    .collect()
}

async fn a_range_is_made_ready_held_by_an_address_and_let_go_with_it(minor: Minor) {
    let cluster = Cluster::start(minor, |builder| builder).await;
    let (client, mark) = (cluster.client().await, cluster.plane.audit().mark().unwrap());
    let manager = cluster.manager().await;
    // The apiserver's own.
    expect(&client, SOON, "kubernetes", Some(READY)).await;
    create(&client, "extra", "10.200.0.0/28").await;
    expect(&client, SOON, "extra", Some(READY)).await;
    service_with(&client, "web", "10.200.0.5").await;
    delete(&client, "extra").await;
    let held = r#"networking.k8s.io/service-cidr-finalizer False "Terminating" "There are still IPAddresses"#;
    expect(&client, SOON, "extra", Some(held)).await;
    tokio::time::sleep(GRACE_OVER).await;
    expect(&client, SOON, "extra", Some(held)).await;
    without_service(&client, "web").await;
    expect(&client, SOON, "extra", None).await;
    // One write for each step, and none refused.
    let found = writes(&cluster.plane, mark, "quaymaster/").await;
    let of_extra: Vec<&String> = found.iter().filter(|write| write.contains(" extra ")).collect();
    assert_eq!(
        of_extra,
        [
            "patch extra  200",
            "patch extra status 200",
            "patch extra status 200",
            "patch extra  200"
        ]
    );
    assert_eq!(
        found
            .iter()
            .filter(|write| write.contains(" kubernetes "))
            .count(),
        2
    );
    manager.stop().await;
}

/// kube-controller-manager lets both go, which leaves the address without a range.
async fn of_two_equal_ranges_that_are_deleted_together_one_waits_for_the_addresses(minor: Minor) {
    let cluster = Cluster::start(minor, |builder| builder).await;
    let client = cluster.client().await;
    let manager = cluster.manager().await;
    for name in ["first", "second"] {
        create(&client, name, "10.201.0.0/28").await;
        expect(&client, SOON, name, Some(READY)).await;
    }
    service_with(&client, "web", "10.201.0.5").await;
    delete(&client, "second").await;
    delete(&client, "first").await;
    expect(&client, SOON, "second", None).await;
    tokio::time::sleep(GRACE_OVER).await;
    expect(
        &client,
        SOON,
        "first",
        Some("networking.k8s.io/service-cidr-finalizer False"),
    )
    .await;
    without_service(&client, "web").await;
    expect(&client, SOON, "first", None).await;
    manager.stop().await;
}

async fn taking_service_cidrs_over_from_kube_controller_manager_and_back_writes_nothing_needless(
    minor: Minor,
) {
    let cluster = Cluster::start(minor, |builder| builder).await;
    let (client, plane) = (cluster.client().await, &cluster.plane);
    let kcm = plane.start_kcm(&KCM).await.unwrap();
    create(&client, "extra", "10.202.0.0/28").await;
    create(&client, "goes", "10.203.0.0/28").await;
    for name in ["kubernetes", "extra", "goes"] {
        expect(&client, SOON, name, Some(READY)).await;
    }
    service_with(&client, "web", "10.203.0.5").await;
    delete(&client, "goes").await;
    expect(
        &client,
        SOON,
        "goes",
        Some("networking.k8s.io/service-cidr-finalizer False"),
    )
    .await;
    kcm.stop().await.unwrap();
    // Before 1.34 it sets each condition anew whenever it looks.
    let mark = plane.audit().mark().unwrap();
    let kcm = plane.start_kcm(&KCM).await.unwrap();
    let own = writes(plane, mark, "kube-controller-manager/").await;
    kcm.stop().await.unwrap();

    let mark = plane.audit().mark().unwrap();
    let manager = cluster.manager().await;
    assert_eq!(writes(plane, mark, "quaymaster/").await, [""; 0]);
    create(&client, "ours", "10.204.0.0/28").await;
    expect(&client, SOON, "ours", Some(READY)).await;
    manager.stop().await;
    let mark = plane.audit().mark().unwrap();
    let kcm = plane.start_kcm(&KCM).await.unwrap();
    let mut back = writes(plane, mark, "kube-controller-manager/").await;
    if minor == Minor::V1_33 {
        back.retain(|write| write.contains(" ours ") && !write.contains(" status "));
    }
    let own: &[String] = if minor == Minor::V1_33 { &[] } else { &own };
    assert_eq!(back, own);
    // Either may end what the other has begun.
    without_service(&client, "web").await;
    expect(&client, SOON, "goes", None).await;
    kcm.stop().await.unwrap();
}
