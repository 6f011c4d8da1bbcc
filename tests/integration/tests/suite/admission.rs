//! What the webhook needs in a cluster, as the binary keeps it.

use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::core::v1::Service;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client};
use quaymaster_api::ServiceIPPool;
use quaymaster_testkit::eventually;
use serde_json::{Value, json};

use crate::allocation::{namespace, service};
use crate::harness::{
    ALL_RULES, ALLOCATION_RULES, Cluster, Manager, Minor, SOON, alone_on_each_minor, free_port, grant,
    install_definitions,
};

alone_on_each_minor!(the_webhook_is_set_up_by_the_binary_and_exclusive_pools_hold_without_it,);

/// Longer than two looks.
const QUIET: Duration = Duration::from_secs(22);
const POLICY: &str = "quaymaster-exclusive-pools-addresses";

/// As little as a chart has to say.
async fn register(client: &Client, port: u16) {
    let configuration: MutatingWebhookConfiguration = serde_json::from_value(json!({
        "metadata": { "name": "quaymaster" },
        "webhooks": [{
            "name": "services.quaymaster.io",
            "clientConfig": { "url": format!("https://127.0.0.1:{port}/allocate") },
            "failurePolicy": "Ignore",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }],
    }))
    .unwrap();
    let api: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    api.create(&PostParams::default(), &configuration).await.unwrap();
}

async fn create(client: &Client, team: &str, name: &str, spec: Value) -> Result<String, String> {
    let api: Api<Service> = Api::namespaced(client.clone(), team);
    let created = api.create(&PostParams::default(), &service(name, spec)).await;
    let created = created.map_err(|error| error.to_string())?;
    Ok(created.spec.and_then(|spec| spec.cluster_ip).unwrap())
}

/// Waits until a Service of the other team is refused with this word.
async fn refused(client: &Client, spec: &Value, word: &str) {
    let services: Api<Service> = Api::namespaced(client.clone(), "team-b");
    eventually(SOON, &format!("it is refused: {word}"), async || {
        match create(client, "team-b", "thief", spec.clone()).await {
            Ok(address) => {
                services.delete("thief", &DeleteParams::default()).await.unwrap();
                Err(address)
            }
            Err(error) if error.contains(word) => Ok(()),
            Err(error) => Err(error),
        }
    })
    .await;
}

/// In the part of the range that the apiserver chooses from last.
async fn exclusive_pool(client: &Client) {
    let pool: ServiceIPPool = serde_json::from_value(json!({
        "apiVersion": "quaymaster.io/v1alpha1", "kind": "ServiceIPPool", "metadata": { "name": "red" },
        "spec": { "cidrs": ["10.0.0.64/28"], "namespaces": ["team-a"], "exclusive": true, "quarantine": { "seconds": 0 } },
    }))
    .unwrap();
    let api: Api<ServiceIPPool> = Api::all(client.clone());
    api.create(&PostParams::default(), &pool).await.unwrap();
}

async fn the_webhook_is_set_up_by_the_binary_and_exclusive_pools_hold_without_it(minor: Minor) {
    let cluster = Cluster::start(minor, |builder| builder).await;
    let client = cluster.client().await;
    install_definitions(&client).await;
    grant(&client, &[&ALL_RULES[..], &ALLOCATION_RULES[..]].concat(), None).await;
    for team in ["team-a", "team-b"] {
        namespace(&client, team).await;
    }
    let port = free_port();
    register(&client, port).await;
    let args = [
        "--controllers=*,clusterip,nodeport".to_owned(),
        format!("--webhook-port={port}"),
        "--webhook-secret=kube-system/quaymaster-webhook".to_owned(),
    ];
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let manager = Manager::start(&cluster.plane, &cluster.kubeconfig, &args).await;
    exclusive_pool(&client).await;
    let mut attempt = 0;
    eventually(SOON, "a Service has an address of its pool", async || {
        attempt += 1;
        let given = create(&client, "team-a", &format!("web-{attempt}"), json!({})).await;
        match given {
            Ok(address) if address.starts_with("10.0.0.") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let taken = json!({ "clusterIP": "10.0.0.78" });
    // By the webhook, or the policy, whichever is there first.
    refused(&client, &taken, "red").await;
    // The policy is written after the webhook's configuration, and an apiserver takes a moment until it holds.
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(client.clone());
    eventually(SOON, "the policy is there", async || {
        bindings.get_opt(POLICY).await.unwrap().map(drop).ok_or("not yet")
    })
    .await;
    manager.stop().await;

    // Nobody is asked, and it holds all the same.
    refused(&client, &taken, POLICY).await;
    let outside = create(&client, "team-a", "outside", json!({})).await.unwrap_err();
    assert!(
        outside.contains("none of the exclusive ServiceIPPools"),
        "{outside}"
    );
    create(&client, "team-b", "web", json!({})).await.unwrap();

    let mark = cluster.plane.audit().mark().unwrap();
    let manager = Manager::start(&cluster.plane, &cluster.kubeconfig, &args).await;
    tokio::time::sleep(QUIET).await;
    let kept = |resource: &str| {
        resource == "secrets"
            || resource.starts_with("mutatingwebhook")
            || resource.starts_with("validatingadmission")
    };
    let entries = cluster.plane.audit().entries_since(mark).unwrap();
    let ours = entries.iter().filter(|entry| {
        kept(entry.resource()) && entry.is_complete() && entry.user_agent.starts_with("quaymaster/")
    });
    let (writes, reads): (Vec<_>, Vec<_>) = ours.partition(|entry| entry.is_write());
    assert!(writes.is_empty() && reads.len() > 5, "{writes:?} {}", reads.len());
    let warnings = manager.lines("WARN");
    let of_us: Vec<_> = warnings
        .iter()
        .filter(|line| line.contains("quaymaster_admission"))
        .collect();
    assert!(of_us.is_empty(), "{of_us:?}");

    let pools: Api<ServiceIPPool> = Api::all(client.clone());
    pools.delete("red", &DeleteParams::default()).await.unwrap();
    eventually(SOON, "the policy is gone", async || {
        match bindings.get_opt(POLICY).await.unwrap() {
            None => Ok(()),
            Some(binding) => Err(format!("{:?}", binding.metadata)),
        }
    })
    .await;
    manager.stop().await;
}
