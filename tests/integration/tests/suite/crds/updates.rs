//! What may be changed of an object that exists.

use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::{api, message, object, served};
use crate::harness::{Minor, alone_on_each_minor};

alone_on_each_minor!(
    what_an_object_is_about_stays_and_the_rest_may_change,
    a_claim_of_the_same_value_is_refused
);

async fn what_an_object_is_about_stays_and_the_rest_may_change(minor: Minor) {
    let (_plane, client) = served(minor).await;
    let claim =
        json!({ "namespace": "a", "name": "db", "requestUID": "u", "replica": "r", "secondsToLive": 75 });
    for (kind, name, spec, taken, refused, field, words) in [
        (
            "ServiceIPPool",
            "changes",
            json!({ "cidrs": ["10.96.8.0/24"] }),
            Some(json!({ "cidrs": ["10.96.8.0/25"], "state": "Draining", "usage": "ClusterIP" })),
            json!({ "usage": "LoadBalancer" }),
            "spec.usage",
            "Unsupported value",
        ),
        (
            "ServiceReservation",
            "changes",
            json!({ "serviceName": "db", "clusterIPs": ["10.96.8.1"] }),
            Some(json!({ "clusterIPs": ["10.96.8.2"] })),
            json!({ "serviceName": "db-2" }),
            "spec.serviceName",
            "make a new object",
        ),
        (
            "AllocationClaim",
            "np-30001",
            claim,
            None::<Value>,
            json!({ "replica": "s" }),
            "spec",
            "must stay as it was made",
        ),
    ] {
        let api = api(&client, kind);
        api.create(&PostParams::default(), &object(kind, name, &spec))
            .await
            .unwrap();
        let change = async |spec: &Value| {
            let patch = json!({ "spec": spec });
            api.patch(name, &PatchParams::default(), &Patch::Merge(&patch))
                .await
                .map_err(message)
        };
        if let Some(taken) = &taken {
            change(taken).await.unwrap();
        }
        let refusal = change(&refused).await.unwrap_err();
        assert!(
            refusal.contains(&format!("{field}: ")) && refusal.contains(words),
            "{kind}: {refusal}"
        );
    }
}

async fn a_claim_of_the_same_value_is_refused(minor: Minor) {
    let (_plane, client) = served(minor).await;
    let api = api(&client, "AllocationClaim");
    let name = quaymaster_api::Claimed::Address("fd00:10:96:8::51".parse().unwrap()).to_string();
    let claim = |replica: &str| {
        let spec = json!({
            "namespace": "a", "generateName": "db-", "requestUID": "u", "replica": replica, "secondsToLive": 75,
        });
        object("AllocationClaim", &name, &spec)
    };
    api.create(&PostParams::default(), &claim("a")).await.unwrap();
    match api.create(&PostParams::default(), &claim("b")).await {
        Err(kube::Error::Api(status)) => assert_eq!((status.code, &*status.reason), (409, "AlreadyExists")),
        other => panic!("{other:?}"),
    }
}
