//! Events that move Pods between Services, and those that change nothing.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use quaymaster_model::{Interner, PodRecord, ServiceRecord};
use quaymaster_wire::json::Json;
use quaymaster_world::{Delta, Kind, World};
use serde_json::json;

use super::flip::pod_json;
use super::table::{Cost, line};

/// Services of one namespace, all with selectors that one Pod could match.
const SERVICES: usize = 1_000;
/// Pods of that namespace.
const PODS: usize = 2_000;
/// The best of so many runs is shown.
const RUNS: usize = 5;

/// Prints what events cost in a namespace of 1,000 Services.
pub(crate) fn run(events: usize) -> Result<()> {
    let interner = Arc::new(Interner::new());
    let services = Json::<ServiceRecord>::new(Arc::clone(&interner));
    let pods = Json::<PodRecord>::new(interner);
    let mut world = World::new();
    let mut ignore = |_: &World, _: &Delta<'_>| {};
    for kind in [Kind::Service, Kind::Pod] {
        world.begin(kind);
    }
    for number in 0..SERVICES {
        let service = json!({
            "metadata": {"name": app(number), "namespace": "ns", "uid": format!("service-{number}"),
                "resourceVersion": "1"},
            "spec": {"selector": {"app": app(number)}, "ports": [{"name": "http", "port": 80}],
                "ipFamilies": ["IPv4"], "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "type": "ClusterIP"},
        });
        world.apply_service(services.object(service.to_string().as_bytes())?, &mut ignore);
    }
    let record = |number: usize, app_number: usize, version: usize| -> Result<PodRecord> {
        let json = pod_json(&app(app_number), number, true, version);
        Ok(pods.object(json.as_bytes())?)
    };
    for number in 0..PODS {
        world.apply_pod(record(number, number % SERVICES, 1)?, &mut ignore);
    }

    println!("\nMembership, {SERVICES} Services and {PODS} Pods in one namespace");
    let mut moved = Cost::default();
    let mut ignored = Cost::default();
    for run in 0..RUNS {
        let (mut moving, mut ignoring) = (Cost::default(), Cost::default());
        for event in 0..events {
            let number = event % PODS;
            let to = (number + run * events + event + 1) % SERVICES;
            let pod = record(number, to, event + 2)?;
            let mut changes = 0;
            moving.of(|| {
                world.apply_pod(pod, &mut |_: &World, delta: &Delta<'_>| {
                    if let Delta::Pod { moved, .. } = delta {
                        changes += moved.joined.len();
                    }
                });
            });
            if changes > 1 {
                anyhow::bail!("a Pod joined {changes} Services at once");
            }
            let same = record(number, to, event + 3)?;
            ignoring.of(|| world.apply_pod(same, &mut ignore));
        }
        (moved, ignored) = if run == 0 {
            (moving, ignoring)
        } else {
            (moved.min(moving), ignored.min(ignoring))
        };
    }
    world.pods().next().context("no Pods are held")?;
    line("Pod moves from one Service to another", moved, events);
    line("Pod changes in nothing that is read", ignored, events);
    Ok(())
}

fn app(number: usize) -> String {
    format!("service-{number:04}")
}
