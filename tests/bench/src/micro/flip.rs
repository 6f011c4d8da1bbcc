//! One flip, from the bytes of the watch event to the answered write.

mod bench;
mod server;

use anyhow::Result;
use quaymaster_wire::Frame;
use quaymaster_wire::json::Json;
use serde_json::json;

use super::table::{Cost, line};
use crate::pods::{self, PodShape};
use bench::{Bench, Steps};

/// The best of so many runs is shown for each step.
const RUNS: usize = 5;

/// Prints what each step of a flip costs, for Services of these sizes.
pub(crate) fn run(sizes: &[usize], flips: usize) -> Result<()> {
    for size in sizes {
        let mut bench = Bench::new(*size)?;
        let mut best: Option<Steps> = None;
        for run in 0..RUNS {
            let steps = bench.flips(run, flips)?;
            best = Some(best.map_or(steps, |best| best.min(steps)));
        }
        let best = best.unwrap_or_default();
        println!("\nReadiness flip, Service of {size} Pods");
        let mut core = Cost::default();
        for (name, cost, on_core) in best.named() {
            line(name, cost, flips);
            if on_core {
                core = core.plus(cost);
            }
        }
        line("all of it that the core task does", core, flips);
        line("all of it", best.total(), flips);
    }
    Ok(())
}

/// A Pod as the apiserver sends it, managed fields included.
pub(crate) fn pod_json(app: &str, number: usize, ready: bool, version: usize) -> String {
    let name = format!("{app}-7d4b9c6f58-{number:05}");
    let mut pod = pods::spec(&PodShape {
        namespace: "ns",
        name: &name,
        app,
        node: "node-000",
    });
    let minute = version / 60 % 60;
    let since = format!("2026-01-01T00:{minute:02}:{:02}Z", version % 60);
    pod["status"] = pods::status(&pods::address(number), ready, &since);
    pod["metadata"]["uid"] = json!(format!("00000000-0000-4000-8000-{number:012}"));
    pod["metadata"]["resourceVersion"] = json!(version.to_string());
    pod["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
    pod["metadata"]["managedFields"] = managed_fields();
    pod.to_string()
}

/// What server-side apply keeps of who set what: a third of a typical Pod.
fn managed_fields() -> serde_json::Value {
    let variables: serde_json::Map<String, serde_json::Value> = (0..12)
        .map(|number| {
            let key = format!("k:{{\"name\":\"SETTING_{number}\"}}");
            (key, json!({".": {}, "f:name": {}, "f:value": {}}))
        })
        .collect();
    let condition =
        json!({".": {}, "f:lastProbeTime": {}, "f:lastTransitionTime": {}, "f:status": {}, "f:type": {}});
    json!([
        {"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1",
            "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {"f:containers": {"k:{\"name\":\"app\"}": {".": {}, "f:env": variables}}}}},
        {"manager": "kubelet", "operation": "Update", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z",
            "fieldsType": "FieldsV1", "subresource": "status",
            "fieldsV1": {"f:status": {"f:conditions": {"k:{\"type\":\"Ready\"}": condition,
                "k:{\"type\":\"ContainersReady\"}": condition, "k:{\"type\":\"Initialized\"}": condition}}}},
    ])
}

/// A frame of a watch.
fn frame(r#type: &str, object: &str) -> String {
    format!("{{\"type\":\"{type}\",\"object\":{object}}}\n")
}

/// The record of a frame.
fn decode<R: quaymaster_wire::json::Record>(decoder: &Json<R>, frame: &[u8]) -> Result<R> {
    match decoder.frame(frame)? {
        Frame::Object { record, .. } => Ok(record),
        other => anyhow::bail!("not an object: {:?}", std::mem::discriminant(&other)),
    }
}
