//! What is filled in where nothing is said.

use serde_json::{Value, json};

use super::{served, tried};
use crate::harness::{Minor, alone_on_each_minor};

alone_on_each_minor!(
    what_is_not_said_is_filled_in,
    what_is_filled_in_is_what_the_types_take_for_it
);

fn policy(mut rest: Value) -> Value {
    let common = json!({
        "priority": 100,
        "state": "Active",
        "exclusive": false,
        "strategy": "Random",
        "consistency": "Sharded",
        "onExhausted": "NextPool",
        "retain": { "secondsAfterDelete": 0 },
        "thresholds": { "warnPercent": 80, "criticalPercent": 95 },
    });
    for (field, value) in common.as_object().unwrap() {
        rest[field] = value.clone();
    }
    rest
}

async fn what_is_not_said_is_filled_in(minor: Minor) {
    let (_plane, client) = served(minor).await;
    for (kind, said, stored) in [
        (
            "ServiceIPPool",
            json!({ "cidrs": ["10.96.8.0/24"] }),
            policy(json!({
                "usage": "ClusterIP",
                "cidrs": ["10.96.8.0/24"],
                "quarantine": { "seconds": 300, "enforce": "Hold" },
                "serviceCIDR": { "manage": false },
            })),
        ),
        (
            "NodePortPool",
            json!({ "ranges": [{ "first": 30_000, "last": 30_100 }], "quarantine": { "seconds": 5 } }),
            policy(json!({
                "ranges": [{ "first": 30_000, "last": 30_100 }],
                "use": ["NodePort", "LoadBalancer", "HealthCheck"],
                "quarantine": { "seconds": 5, "enforce": "Memory" },
                "shareAcrossProtocols": true,
            })),
        ),
        (
            "ServiceReservation",
            json!({ "serviceName": "db", "nodePorts": [{ "nodePort": 30_001 }] }),
            json!({
                "serviceName": "db",
                "nodePorts": [{ "portName": "", "nodePort": 30_001 }],
                "enforce": "Hold",
            }),
        ),
    ] {
        let found = tried(&client, kind, &said).await.unwrap();
        assert_eq!(found.data["spec"], stored, "{kind}");
    }
}

async fn what_is_filled_in_is_what_the_types_take_for_it(minor: Minor) {
    let (_plane, client) = served(minor).await;
    let said = json!({ "cidrs": ["10.96.8.0/24"] });
    let found = tried(&client, "ServiceIPPool", &said).await.unwrap();
    let stored: quaymaster_api::ServiceIPPoolSpec =
        serde_json::from_value(found.data["spec"].clone()).unwrap();
    assert_eq!(stored, serde_json::from_value(said).unwrap());

    let said = json!({ "ranges": [{ "first": 30_000, "last": 30_100 }] });
    let found = tried(&client, "NodePortPool", &said).await.unwrap();
    let stored: quaymaster_api::NodePortPoolSpec =
        serde_json::from_value(found.data["spec"].clone()).unwrap();
    assert_eq!(stored, serde_json::from_value(said).unwrap());

    let said = json!({ "serviceName": "db", "healthCheckNodePort": 30_001 });
    let found = tried(&client, "ServiceReservation", &said).await.unwrap();
    let stored: quaymaster_api::ServiceReservationSpec =
        serde_json::from_value(found.data["spec"].clone()).unwrap();
    assert_eq!(stored, serde_json::from_value(said).unwrap());
}
