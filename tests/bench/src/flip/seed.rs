//! Brings a cluster into being.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::PostParams;
use kube::{Api, Client};
use quaymaster_testkit::{node, service};
use serde_json::{Value, json};

use super::cluster::{Backed, Layout, NODES, address, node as node_name};
use crate::pods::{self, PodShape};

/// Requests at once: enough that apiserver and etcd never wait for the driver, and etcd commits many writes together.
/// HTTP/2 carries them on one connection, on which the apiserver allows 100.
const AT_ONCE: usize = 48;
/// Zones that Nodes are spread over.
const ZONES: [&str; 3] = ["zone-a", "zone-b", "zone-c"];
/// Progress is told after so many Pods.
const TELL_EVERY: usize = 2_000;
/// When all Pods became ready. One time for all: what is measured are flips, not this.
const SINCE: &str = "2026-01-01T00:00:00Z";

/// Creates Nodes, namespaces, Services and ready Pods. Returns the mean size of a Pod as JSON, in bytes.
pub(crate) async fn seed(client: &Client, layout: &Layout) -> Result<usize> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    for name in &layout.namespaces {
        let namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        namespaces.create(&PostParams::default(), &namespace).await?;
    }
    stream::iter((0..NODES).map(Ok))
        .try_for_each_concurrent(AT_ONCE, async |number| {
            let built = node(node_name(number)).zone(ZONES[number % ZONES.len()]);
            let created = built.cpu("4").ready().create(client).await;
            created
                .with_context(|| format!("creating {}", node_name(number)))
                .map(drop)
        })
        .await?;
    stream::iter(&layout.services)
        .map(Ok)
        .try_for_each_concurrent(AT_ONCE, async |backed: &Backed| {
            let built = service(&backed.name)
                .namespace(&backed.namespace)
                .target_port_name("http", 80, "http");
            let built = if backed.custom {
                built
            } else {
                built.selector([("app", &backed.name)])
            };
            built
                .create(client)
                .await
                .with_context(|| format!("creating {}", backed.name))?;
            if backed.custom {
                endpoints(client, backed, None).await?;
            }
            anyhow::Ok(())
        })
        .await?;
    pods(client, layout).await?;
    mean_size(client, layout).await
}

/// Writes the Endpoints that are kept by hand, as one who applies them does: all addresses, one of them perhaps not ready.
pub(crate) async fn endpoints(client: &Client, backed: &Backed, unready: Option<usize>) -> Result<()> {
    let of = |ready: bool| -> Vec<Value> {
        let numbers = backed.pods.clone();
        numbers
            .filter(|number| (unready != Some(*number)) == ready)
            .map(|number| json!({"ip": address(number)}))
            .collect()
    };
    let body = json!({
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": backed.name, "namespace": backed.namespace},
        "subsets": [{
            "addresses": of(true),
            "notReadyAddresses": of(false),
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        }],
    });
    let path = format!(
        "/api/v1/namespaces/{}/endpoints/{}?fieldManager=bench&force=true",
        backed.namespace, backed.name
    );
    let request = http::Request::patch(path)
        .header(http::header::CONTENT_TYPE, "application/apply-patch+yaml")
        .body(serde_json::to_vec(&body)?)?;
    let applied = client.request_text(request).await;
    applied
        .map(drop)
        .with_context(|| format!("applying the Endpoints {}", backed.name))
}

async fn pods(client: &Client, layout: &Layout) -> Result<()> {
    let begun = Instant::now();
    let done = AtomicUsize::new(0);
    let all = layout
        .services
        .iter()
        .filter(|backed| !backed.custom)
        .flat_map(|backed| backed.pods.clone().map(move |number| (backed, number)));
    stream::iter(all)
        .map(Ok)
        .try_for_each_concurrent(AT_ONCE, async |(backed, number): (&Backed, usize)| {
            create(client, backed, number)
                .await
                .with_context(|| format!("creating {}", backed.pod_name(number)))?;
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(TELL_EVERY) || done == layout.pods() {
                let seconds = begun.elapsed().as_secs_f64();
                println!(
                    "  {done} of {} Pods after {seconds:.0} s, {:.0} a second",
                    layout.pods(),
                    rate(done, seconds)
                );
            }
            Ok(())
        })
        .await
}

async fn create(client: &Client, backed: &Backed, number: usize) -> Result<()> {
    let name = backed.pod_name(number);
    let shape = PodShape {
        namespace: &backed.namespace,
        name: &name,
        app: &backed.name,
        node: &node_name(number),
    };
    let path = format!("/api/v1/namespaces/{}/pods", backed.namespace);
    let request = http::Request::post(&path)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(serde_json::to_vec(&pods::spec(&shape))?)?;
    client.request_text(request).await?;
    let status = json!({"status": pods::status(&address(number), true, SINCE)});
    let request = http::Request::patch(format!("{path}/{name}/status"))
        .header(http::header::CONTENT_TYPE, "application/merge-patch+json")
        .body(serde_json::to_vec(&status)?)?;
    client.request_text(request).await?;
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a number of Pods, to be shown")]
fn rate(done: usize, seconds: f64) -> f64 {
    done as f64 / seconds.max(1e-3)
}

async fn mean_size(client: &Client, layout: &Layout) -> Result<usize> {
    let mut total = 0;
    let services = layout.services.iter().take(NODES);
    for backed in services.clone() {
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}",
            backed.namespace,
            backed.pod_name(backed.pods.start)
        );
        total += client
            .request_text(http::Request::get(path).body(Vec::new())?)
            .await?
            .len();
    }
    Ok(total / services.count().max(1))
}
