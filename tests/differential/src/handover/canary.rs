//! Objects that show whether a controller looks at all: one that does nothing would pass for one that has nothing to do.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::core::v1::{Endpoints, Namespace, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::ServiceCIDR;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client};
use quaymaster_oracle::generate::{Action, Cluster, Object, Step, StepKind};
use quaymaster_oracle::names::SERVICE_NAME;
use quaymaster_testkit::audit::Entry;
use serde_json::{Value, from_value, json};
use tokio::time::{Instant, sleep};

use crate::apply;
use crate::controllers::Controller;
use crate::failure::SubjectFailure;
use crate::plane::{Holder, Plane};

/// Where they are, and what names of those without namespace begin with.
const CANARY: &str = "canary";
/// Longest wait for a controller's answer.
const LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

/// Whether a write is of one of them.
pub(super) fn is_of(entry: &Entry) -> bool {
    entry.namespace() == CANARY || entry.namespace().is_empty() && entry.name().starts_with(CANARY)
}

/// Gives each controller that runs something to do, and waits until it is done.
///
/// # Errors
/// Where one does nothing.
pub(super) async fn sing(plane: &Plane, holder: Holder) -> Result<()> {
    // Each hold has its own.
    let number = plane.holds.len();
    let (selects, mirrored, cidr) = (
        format!("selects-{number}"),
        format!("mirrored-{number}"),
        format!("{CANARY}-{number}"),
    );
    let has = |controller| plane.controllers().has(controller);
    let client = &plane.client;
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some(CANARY.to_owned());
    match Api::all(client.clone())
        .create(&PostParams::default(), &namespace)
        .await
    {
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        result => _ = result.context("creating the canary's namespace")?,
    }
    put(plane, service(&selects, &json!({ "app": CANARY }))?).await?;
    if has(Controller::Mirroring) {
        put(plane, service(&mirrored, &Value::Null)?).await?;
        let endpoints: Endpoints = from_value(json!({
            "metadata": { "namespace": CANARY, "name": mirrored },
            "subsets": [{ "addresses": [{ "ip": "10.201.0.1" }], "ports": [{ "port": 80 }] }],
        }))?;
        put(plane, endpoints.into()).await?;
    }
    if has(Controller::ServiceCidr) {
        let cidr: ServiceCIDR = from_value(json!({
            "metadata": { "name": cidr },
            "spec": { "cidrs": [format!("172.15.{number}.0/24")] },
        }))?;
        put(plane, cidr.into()).await?;
    }
    let begun = Instant::now();
    loop {
        let mut waiting = Vec::new();
        if has(Controller::EndpointSlice) && !has_slice(client, &selects).await? {
            waiting.push(Controller::EndpointSlice);
        }
        let endpoints = Api::<Endpoints>::namespaced(client.clone(), CANARY);
        if has(Controller::Endpoints) && endpoints.get_opt(&selects).await?.is_none() {
            waiting.push(Controller::Endpoints);
        }
        if has(Controller::Mirroring) && !has_slice(client, &mirrored).await? {
            waiting.push(Controller::Mirroring);
        }
        if has(Controller::ServiceCidr) && !is_ready(client, &cidr).await? {
            waiting.push(Controller::ServiceCidr);
        }
        if waiting.is_empty() {
            return Ok(());
        }
        if begun.elapsed() >= LIMIT {
            let names: Vec<&str> = waiting.iter().map(|controller| controller.name()).collect();
            let controllers = names.join(", ");
            match holder {
                Holder::Kcm => bail!("{controllers} of kube-controller-manager did nothing within {LIMIT:?}"),
                Holder::Subject => {
                    return Err(SubjectFailure::DoesNothing {
                        controllers,
                        limit: LIMIT,
                    }
                    .into());
                }
            }
        }
        sleep(POLL).await;
    }
}

fn service(name: &str, selector: &Value) -> Result<Object> {
    let service: Service = from_value(json!({
        "metadata": { "namespace": CANARY, "name": name },
        "spec": { "clusterIP": "None", "selector": selector, "ports": [{ "port": 80 }] },
    }))?;
    Ok(service.into())
}

/// As a step does, so that its writes are known for no controller's.
async fn put(plane: &Plane, object: Object) -> Result<()> {
    let step = Step {
        kind: StepKind::ServiceAdded,
        action: Action::Put(object),
    };
    let (edits, _) = apply::step(&plane.client, &Cluster::default(), &step)
        .await
        .with_context(|| format!("creating the canary {}", step.action.path()))?;
    plane.edits().add(edits);
    Ok(())
}

async fn has_slice(client: &Client, service: &str) -> Result<bool> {
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), CANARY);
    let params = ListParams::default().labels(&format!("{SERVICE_NAME}={service}"));
    Ok(!slices.list(&params).await?.items.is_empty())
}

async fn is_ready(client: &Client, cidr: &str) -> Result<bool> {
    let cidrs: Api<ServiceCIDR> = Api::all(client.clone());
    let found = cidrs.get_opt(cidr).await?;
    let status = found.and_then(|cidr| cidr.status);
    let conditions = status.and_then(|status| status.conditions);
    Ok(conditions.is_some_and(|conditions| !conditions.is_empty()))
}
