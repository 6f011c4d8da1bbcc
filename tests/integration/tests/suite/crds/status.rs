//! The status is a resource of its own.

use kube::api::{Patch, PatchParams, PostParams};
use quaymaster_api::{AddressCounts, Count, ServiceIPPool, ServiceIPPoolStatus};
use serde_json::{Value, json};

use super::{api, message, object, served};
use crate::harness::{Minor, alone_on_each_minor};

alone_on_each_minor!(
    status_and_spec_are_written_apart,
    conditions_are_told_apart_by_their_type,
    a_status_of_the_types_is_stored_as_it_is
);

fn condition(kind: &str, status: &str) -> Value {
    json!({
        "type": kind, "status": status, "reason": "Tested", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    })
}

async fn status_and_spec_are_written_apart(minor: Minor) {
    let (_plane, client) = served(minor).await;
    for (kind, spec, change, field) in [
        (
            "ServiceIPPool",
            json!({ "cidrs": ["10.96.8.0/24"] }),
            json!({ "priority": 1 }),
            "priority",
        ),
        (
            "NodePortPool",
            json!({ "ranges": [{ "first": 1, "last": 2 }] }),
            json!({ "priority": 1 }),
            "priority",
        ),
        (
            "ServiceReservation",
            json!({ "serviceName": "db", "healthCheckNodePort": 1 }),
            json!({ "healthCheckNodePort": 2 }),
            "healthCheckNodePort",
        ),
    ] {
        let api = api(&client, kind);
        let made = api
            .create(&PostParams::default(), &object(kind, "apart", &spec))
            .await
            .unwrap();
        let both = json!({ "spec": change, "status": { "conditions": [condition("Ready", "True")] } });
        let params = PatchParams::default();
        let told = api
            .patch_status("apart", &params, &Patch::Merge(&both))
            .await
            .unwrap();
        assert_eq!(told.data["spec"], made.data["spec"], "{kind}");
        assert_eq!(told.data["status"]["conditions"][0]["type"], "Ready", "{kind}");
        assert_eq!(told.metadata.generation, Some(1), "{kind}");

        let both = json!({ "spec": change, "status": { "conditions": [] } });
        let told = api.patch("apart", &params, &Patch::Merge(&both)).await.unwrap();
        assert_eq!(told.data["spec"][field], change[field], "{kind}");
        assert_eq!(told.data["status"]["conditions"][0]["type"], "Ready", "{kind}");
        assert_eq!(told.metadata.generation, Some(2), "{kind}");
    }
}

async fn conditions_are_told_apart_by_their_type(minor: Minor) {
    let (_plane, client) = served(minor).await;
    let api = api(&client, "ServiceIPPool");
    let spec = json!({ "cidrs": ["10.96.8.0/24"] });
    api.create(&PostParams::default(), &object("ServiceIPPool", "typed", &spec))
        .await
        .unwrap();
    let apply = async |manager: &str, conditions: Value| {
        let patch = json!({
            "apiVersion": "quaymaster.io/v1alpha1", "kind": "ServiceIPPool", "status": { "conditions": conditions },
        });
        api.patch_status("typed", &PatchParams::apply(manager), &Patch::Apply(&patch))
            .await
            .map_err(message)
    };
    apply("a", json!([condition("Ready", "True")])).await.unwrap();
    let told = apply("b", json!([condition("Exhausted", "False")]))
        .await
        .unwrap();
    let types: Vec<&str> = told.data["status"]["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|condition| condition["type"].as_str().unwrap())
        .collect();
    assert_eq!(types, ["Ready", "Exhausted"], "each manager has its own");

    let twice =
        json!({ "status": { "conditions": [condition("Ready", "True"), condition("Ready", "False")] } });
    let refusal = api
        .patch_status("typed", &PatchParams::default(), &Patch::Merge(&twice))
        .await
        .map_err(message)
        .unwrap_err();
    assert!(
        refusal.contains("status.conditions[1]: Duplicate value"),
        "{refusal}"
    );
    let refusal = apply("a", json!([condition("Ready", "Maybe")]))
        .await
        .unwrap_err();
    assert!(
        refusal.contains("status.conditions[0].status: Unsupported value"),
        "{refusal}"
    );
}

async fn a_status_of_the_types_is_stored_as_it_is(minor: Minor) {
    let (_plane, client) = served(minor).await;
    let pools: kube::Api<ServiceIPPool> = kube::Api::all(client.clone());
    let pool: ServiceIPPool = serde_json::from_value(json!({
        "metadata": { "name": "counted" }, "spec": { "cidrs": ["fd00:10:96:8::/64"] },
    }))
    .unwrap();
    pools.create(&PostParams::default(), &pool).await.unwrap();
    let status = ServiceIPPoolStatus {
        observed_generation: Some(1),
        conditions: vec![serde_json::from_value(condition("Ready", "False")).unwrap()],
        effective_cidrs: vec!["fd00:10:96:8::/64".to_owned()],
        ipv4: None,
        ipv6: Some(AddressCounts {
            capacity: Count((1 << 64) - 1),
            used: Count(7),
            ..AddressCounts::default()
        }),
        largest_free_block: Some(Count(1 << 63)),
    };
    let patch = json!({ "status": status });
    let told = pools
        .patch_status("counted", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .unwrap();
    assert_eq!(told.status, Some(status));
    assert_eq!(pools.get("counted").await.unwrap(), told);
}
