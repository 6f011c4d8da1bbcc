//! Objects that are valid, however unusual.

use serde_json::{Value, json};

use super::{served, tried};
use crate::harness::{Minor, alone_on_each_minor};

alone_on_each_minor!(
    what_is_valid_is_taken,
    a_pool_may_be_as_large_as_its_schema_allows,
);

async fn what_is_valid_is_taken(minor: Minor) {
    let (_plane, client) = served(minor).await;
    for (kind, spec) in valid() {
        if let Err(message) = tried(&client, kind, &spec).await {
            panic!("{kind} {spec} was refused: {message}");
        }
    }
}

fn valid() -> Vec<(&'static str, Value)> {
    let range = |first: &str, last: &str| json!({ "ranges": [{ "first": first, "last": last }] });
    let pool = "ServiceIPPool";
    vec![
        (pool, json!({ "cidrs": ["10.96.8.0/22", "fd00:10:96:8::/64"] })),
        (pool, json!({ "cidrs": ["10.96.8.0/30", "fd00:10:96:8::4/126"] })),
        (pool, json!({ "cidrs": ["10.0.0.0/8", "::/64"] })),
        (
            pool,
            json!({ "cidrs": ["10.96.8.0/24"], "exclude": ["10.96.8.7", "10.96.8.8/31", "10.96.8.10/32"] }),
        ),
        (
            pool,
            json!({ "cidrs": ["fd00::/64"], "exclude": ["fd00::1", "fd00::8/125", "fd00::/128"] }),
        ),
        (
            pool,
            json!({ "usage": "ClusterIP", "cidrs": ["10.96.8.0/24"], "priority": 0, "state": "Draining" }),
        ),
        // Digits of different number: compared as numbers, not as text.
        (pool, range("10.96.9.0", "10.96.10.0")),
        (pool, range("9.255.255.255", "10.0.0.0")),
        (pool, range("10.96.20.10", "10.96.20.10")),
        (pool, range("fd00:10:96:8::9", "fd00:10:96:8::10")),
        (pool, range("fd00:10:96:8::", "fd00:10:96:8:ffff:ffff:ffff:ffff")),
        (pool, range("fd00::9:0:0:0", "fd00::a:0:0:0")),
        (pool, range("::", "::ffff")),
        (pool, range("::1", "::1:0:0")),
        (pool, range("fd00:0:0:1::", "fd00:0:0:1:8000::")),
        (pool, range("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:9")),
        (pool, range("1:2:3:4::", "1:2:3:4::1")),
        (
            pool,
            json!({ "cidrs": ["10.96.8.0/24"], "namespaces": ["a", "b-1"], "namespaceSelector": {
                "matchLabels": { "team.example.com/name": "Red", "empty": "" },
                "matchExpressions": [
                    { "key": "a", "operator": "In", "values": ["1"] },
                    { "key": "b", "operator": "NotIn", "values": ["1", ""] },
                    { "key": "c", "operator": "Exists" },
                    { "key": "d", "operator": "DoesNotExist", "values": [] },
                ],
            }, "serviceSelector": {} }),
        ),
        (
            pool,
            json!({ "cidrs": ["10.96.8.0/24"], "thresholds": { "warnPercent": 90, "criticalPercent": 90 } }),
        ),
        (
            pool,
            json!({ "cidrs": ["10.96.8.0/24"], "quarantine": { "seconds": 0, "enforce": "Gapless" } }),
        ),
        (
            "NodePortPool",
            json!({ "ranges": [{ "first": 1, "last": 65535 }] }),
        ),
        (
            "NodePortPool",
            json!({
                "ranges": [{ "first": 30000, "last": 30000 }],
                "exclude": [{ "first": 30000, "last": 30000 }],
                "use": ["HealthCheck"],
                "shareAcrossProtocols": false,
                "quarantine": { "enforce": "Hold" },
            }),
        ),
        (
            "ServiceReservation",
            json!({ "serviceName": "db", "clusterIPs": ["fd00::1", "10.96.8.1"] }),
        ),
        (
            "ServiceReservation",
            json!({ "serviceName": "1", "nodePorts": [
                { "portName": "dns", "nodePort": 30053 }, { "portName": "dns-tcp", "nodePort": 30053 },
            ] }),
        ),
        (
            "ServiceReservation",
            json!({ "serviceName": "db", "nodePorts": [{ "nodePort": 30053 }] }),
        ),
        (
            "ServiceReservation",
            json!({ "serviceName": "db", "healthCheckNodePort": 30054, "expireAfterSeconds": 1 }),
        ),
        (
            "AllocationClaim",
            json!({
                "namespace": "a", "name": "db", "requestUID": "u", "replica": "r", "secondsToLive": 75,
            }),
        ),
    ]
}

/// The runtime budget of rules is not used up by what their bounds allow.
async fn a_pool_may_be_as_large_as_its_schema_allows(minor: Minor) {
    let (_plane, client) = served(minor).await;
    let cidrs: Vec<String> = (0..64)
        .map(|number| format!("fd00:ffff:ffff:ff{number:02x}::/64"))
        .collect();
    let exclude: Vec<String> = (0..64)
        .map(|number| format!("fd00:ffff:ffff:ff00:ffff:ffff:ffff:ff{:02x}", number + 16))
        .collect();
    let ranges: Vec<Value> = (0..64)
        .map(|number| {
            let part = format!("fdff:ffff:ffff:ff{:02x}:ffff:ffff:ffff", number + 16);
            json!({ "first": format!("{part}:fff0"), "last": format!("{part}:ffff") })
        })
        .collect();
    let selector = json!({ "matchExpressions": (0..32).map(|number| json!({
        "key": format!("key-{number}"), "operator": "In", "values": (0..64).map(|value| format!("{value}")).collect::<Vec<_>>(),
    })).collect::<Vec<_>>() });
    let spec = json!({
        "cidrs": cidrs, "exclude": exclude, "ranges": ranges,
        "namespaces": (0..256).map(|number| format!("namespace-{number}")).collect::<Vec<_>>(),
        "namespaceSelector": selector, "serviceSelector": selector,
    });
    tried(&client, "ServiceIPPool", &spec).await.unwrap();

    let ranges: Vec<Value> = (0..64)
        .map(|number| json!({ "first": 30_000 + number, "last": 30_000 + number }))
        .collect();
    let spec = json!({ "ranges": ranges, "exclude": ranges });
    tried(&client, "NodePortPool", &spec).await.unwrap();

    let ports: Vec<Value> = (0..256)
        .map(|number| json!({ "portName": format!("port-{number}"), "nodePort": 30_000 + number }))
        .collect();
    let spec = json!({ "serviceName": "large", "nodePorts": ports, "healthCheckNodePort": 32_000 });
    tried(&client, "ServiceReservation", &spec).await.unwrap();
}
