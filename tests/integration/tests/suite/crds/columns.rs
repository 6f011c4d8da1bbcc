//! What `kubectl get` shows.

use kube::Client;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::{api, object, served};
use crate::harness::{Minor, alone_on_each_minor};

alone_on_each_minor!(what_matters_shows_in_columns);

/// The cells of one object by the names of columns, but for its age; those that only `-o wide` shows in brackets.
async fn cells(client: &Client, path: &str) -> Vec<String> {
    let request = http::Request::get(format!("/apis/quaymaster.io/v1alpha1/{path}"))
        .header("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
        .body(Vec::new())
        .unwrap();
    let table: Value = client.request(request).await.unwrap();
    let columns = table["columnDefinitions"].as_array().unwrap();
    let cells = table["rows"][0]["cells"].as_array().unwrap();
    columns
        .iter()
        .zip(cells)
        .filter(|(column, _)| column["name"] != "Age")
        .map(|(column, cell)| {
            let cell = cell.as_str().map_or_else(|| cell.to_string(), str::to_owned);
            let shown = format!("{}: {cell}", column["name"].as_str().unwrap());
            if column["priority"] == 0 {
                shown
            } else {
                format!("({shown})")
            }
        })
        .collect()
}

async fn what_matters_shows_in_columns(minor: Minor) {
    let (_plane, client) = served(minor).await;
    let condition = |kind: &str, status: &str| {
        json!({
            "type": kind, "status": status, "reason": "Tested", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    };
    for (kind, path, spec, status, before, after) in [
        (
            "ServiceIPPool",
            "serviceippools/shown",
            json!({ "cidrs": ["10.96.8.0/24", "fd00:10:96:8::/64"] }),
            json!({
                "conditions": [condition("Draining", "False"), condition("Ready", "True")],
                "ipv4": { "used": "12", "free": "240", "quarantined": "2" },
                "ipv6": { "used": "3", "free": "18446744073709551612", "quarantined": "0" },
            }),
            vec![
                "Name: shown",
                "Usage: ClusterIP",
                r#"(CIDRs: ["10.96.8.0/24","fd00:10:96:8::/64"])"#,
                "Used: ",
                "Free: ",
                "Quar: ",
                "State: Active",
                "Ready: ",
            ],
            vec![
                "Name: shown",
                "Usage: ClusterIP",
                r#"(CIDRs: ["10.96.8.0/24","fd00:10:96:8::/64"])"#,
                "Used: 12 3",
                "Free: 240 18446744073709551612",
                "Quar: 2 0",
                "State: Active",
                "Ready: True",
            ],
        ),
        (
            "NodePortPool",
            "nodeportpools/shown",
            json!({ "ranges": [{ "first": 30_000, "last": 30_100 }], "state": "Manual" }),
            json!({ "conditions": [condition("Ready", "False")], "used": 1, "free": 98, "quarantined": 2 }),
            vec!["Name: shown"],
            vec!["Name: shown"],
        ),
        (
            "ServiceReservation",
            "namespaces/default/servicereservations/shown",
            json!({ "serviceName": "db", "clusterIPs": ["10.96.8.1"], "nodePorts": [
                { "portName": "a", "nodePort": 30_001 }, { "portName": "b", "nodePort": 30_002 },
            ] }),
            json!({ "conditions": [condition("Reserved", "True"), condition("Bound", "False")] }),
            vec!["Name: shown"],
            vec!["Name: shown"],
        ),
    ] {
        let api = api(&client, kind);
        api.create(&PostParams::default(), &object(kind, "shown", &spec))
            .await
            .unwrap();
        assert_eq!(cells(&client, path).await, before, "{kind}");
        let patch = json!({ "status": status });
        api.patch_status("shown", &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap();
        assert_eq!(cells(&client, path).await, after, "{kind}");
    }
}
