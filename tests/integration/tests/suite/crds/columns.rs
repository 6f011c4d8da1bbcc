//! What `kubectl get` shows.

use kube::Client;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::{api, object, served};
use crate::harness::{Minor, alone_on_each_minor};

alone_on_each_minor!(what_matters_shows_in_columns);

/// The cells of one object after the names of their columns, but for its age; those that only `-o wide` shows in brackets.
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
            let shown = format!("{} {cell}", column["name"].as_str().unwrap());
            let shown = shown.trim_start_matches("Name ").to_owned();
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
            r#"shown, Usage ClusterIP, (CIDRs ["10.96.8.0/24","fd00:10:96:8::/64"]), Used null, Free null, Quar null, (Used-IPv6 null), (Free-IPv6 null), State Active, Ready null"#,
            r#"shown, Usage ClusterIP, (CIDRs ["10.96.8.0/24","fd00:10:96:8::/64"]), Used 12, Free 240, Quar 2, (Used-IPv6 3), (Free-IPv6 18446744073709551612), State Active, Ready True"#,
        ),
        (
            "ServiceIPPool",
            "serviceippools/shown-ipv6",
            json!({ "ranges": [{ "first": "fd00::1", "last": "fd00::8" }], "state": "Disabled" }),
            json!({ "ipv6": { "used": "3", "free": "5", "quarantined": "0" } }),
            "shown-ipv6, Usage ClusterIP, (CIDRs null), Used null, Free null, Quar null, (Used-IPv6 null), \
             (Free-IPv6 null), State Disabled, Ready null",
            "shown-ipv6, Usage ClusterIP, (CIDRs null), Used 3, Free 5, Quar 0, (Used-IPv6 3), (Free-IPv6 5), \
             State Disabled, Ready null",
        ),
        (
            "NodePortPool",
            "nodeportpools/shown",
            json!({ "ranges": [{ "first": 30_000, "last": 30_100 }], "state": "Manual" }),
            json!({ "conditions": [condition("Ready", "False")], "used": 1, "free": 98, "quarantined": 2 }),
            r#"shown, (Ranges [{"first":30000,"last":30100}]), Used null, Free null, Quar null, State Manual, Ready null"#,
            r#"shown, (Ranges [{"first":30000,"last":30100}]), Used 1, Free 98, Quar 2, State Manual, Ready False"#,
        ),
        (
            "ServiceReservation",
            "namespaces/default/servicereservations/shown",
            json!({ "serviceName": "db", "clusterIPs": ["10.96.8.1"], "nodePorts": [
                { "portName": "a", "nodePort": 30_001 }, { "portName": "b", "nodePort": 30_002 },
            ] }),
            json!({ "conditions": [condition("Reserved", "True"), condition("Bound", "False")] }),
            r#"shown, Service db, ClusterIPs ["10.96.8.1"], (NodePorts [{"nodePort":30001,"portName":"a"},{"nodePort":30002,"portName":"b"}]), Reserved null, Bound null"#,
            r#"shown, Service db, ClusterIPs ["10.96.8.1"], (NodePorts [{"nodePort":30001,"portName":"a"},{"nodePort":30002,"portName":"b"}]), Reserved True, Bound False"#,
        ),
    ] {
        let api = api(&client, kind);
        let name = path.rsplit('/').next().unwrap();
        api.create(&PostParams::default(), &object(kind, name, &spec))
            .await
            .unwrap();
        assert_eq!(cells(&client, path).await.join(", "), before, "{kind}");
        let patch = json!({ "status": status });
        api.patch_status(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap();
        assert_eq!(cells(&client, path).await.join(", "), after, "{kind}");
    }
}
