//! Control planes, and a webhook in this process.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Service;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use quaymaster_runtime::metrics::Registry;
use quaymaster_testkit::{Lease, SharedControlPlane, eventually};
use quaymaster_webhook::authority::Names;
use quaymaster_webhook::metrics::WebhookMetrics;
use quaymaster_webhook::rotation::{self, Policy};
use quaymaster_webhook::{Admission, Certificates, Identity, Outcome, Request, Response, Server, Settings};
use serde_json::{Value, json};
use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;

/// What is measured by its own clock runs alone.
pub(crate) static ALONE: RwLock<()> = RwLock::const_new(());

/// How long anything may take to become so.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

static V1_33: SharedControlPlane = SharedControlPlane::new(|builder| dual(builder).minor("1.33"));
static V1_37: SharedControlPlane = SharedControlPlane::new(|builder| dual(builder).minor("1.37"));

// With policies, which hold in a whole cluster.
static V1_33_APART: SharedControlPlane = SharedControlPlane::new(|builder| dual(builder).minor("1.33"));
static V1_37_APART: SharedControlPlane = SharedControlPlane::new(|builder| dual(builder).minor("1.37"));

/// Another one, of which a test has to be the only one.
pub(crate) async fn plane_apart(minor: &str) -> Lease {
    let shared = if minor == "1.33" {
        &V1_33_APART
    } else {
        &V1_37_APART
    };
    shared.get().await.unwrap()
}

fn dual(builder: quaymaster_testkit::Builder) -> quaymaster_testkit::Builder {
    builder
        .service_cidrs(["10.96.0.0/20", "fd00:10:96::/112"])
        .audit_log(true)
}

/// The control plane of a minor that all tests share.
pub(crate) async fn plane(minor: &str) -> Lease {
    let shared = if minor == "1.33" { &V1_33 } else { &V1_37 };
    shared.get().await.unwrap()
}

/// Lets everything pass, and counts what comes, by path and name.
#[derive(Default)]
pub(crate) struct Counting {
    seen: Mutex<HashMap<(&'static str, String), u32>>,
}

impl Counting {
    /// How often a Service was asked about by a path.
    pub(crate) fn seen(&self, path: &'static str, service: &str) -> u32 {
        let seen = self.seen.lock().unwrap();
        seen.get(&(path, service.to_owned())).copied().unwrap_or(0)
    }
}

/// The paths that are counted apart.
pub(crate) const PATHS: [&str; 3] = ["/dual", "/single", "/explicit"];

impl Admission for Counting {
    fn paths(&self) -> &'static [&'static str] {
        &PATHS
    }

    fn review(&self, path: &'static str, request: &Request<'_>) -> Outcome {
        let service = format!("{}/{}", request.namespace, request.name);
        *self.seen.lock().unwrap().entry((path, service)).or_default() += 1;
        Response::allow().into()
    }
}

/// A webhook's server in this process, which ends with the handle.
pub(crate) struct Webhook {
    pub(crate) address: SocketAddr,
    cancel: CancellationToken,
}

impl Webhook {
    /// Serves with certificates of its own, and tells who is to be trusted.
    pub(crate) async fn with_own_certificates<A: Admission>(admission: Arc<A>) -> (Self, String) {
        let now = Timestamp::now();
        let policy = Policy::new(names());
        let step = rotation::next(now, &policy, None);
        let state = rotation::take(step, now, &policy, None).unwrap().unwrap();
        let certificates = Certificates::new();
        let identity = Identity::from_data(&state.to_data()).unwrap();
        certificates.set(&identity).unwrap();
        (Self::serve(admission, certificates).await, state.bundle())
    }

    /// Serves with these certificates.
    pub(crate) async fn serve<A: Admission>(admission: Arc<A>, certificates: Certificates) -> Self {
        let metrics = WebhookMetrics::register(&Registry::new(), &certificates);
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Server::bind(any, certificates, metrics, Settings::default())
            .await
            .unwrap();
        let (address, cancel) = (server.address().unwrap(), CancellationToken::new());
        tokio::spawn(server.serve(admission, cancel.clone()));
        Self { address, cancel }
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// The names of a webhook in this process.
pub(crate) fn names() -> Names {
    Names::new().address([127, 0, 0, 1].into())
}

/// Applies a webhook configuration.
pub(crate) async fn configure(client: &Client, name: &str, webhooks: &Value) {
    let configurations: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": webhooks,
    });
    let params = PatchParams::apply("test").force();
    configurations
        .patch(name, &params, &Patch::Apply(&configuration))
        .await
        .unwrap();
}

/// A Service of this spec.
pub(crate) fn service(name: &str, spec: &Value) -> Service {
    serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap()
}

/// Creates a Service.
pub(crate) async fn create(
    client: &Client,
    namespace: &str,
    name: &str,
    spec: &Value,
) -> kube::Result<Service> {
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    services
        .create(&PostParams::default(), &service(name, spec))
        .await
}

/// Waits until what a create meets is what is to be met.
pub(crate) async fn until(what: &str, mut met: impl AsyncFnMut(u32) -> bool) {
    let mut attempt = 0;
    eventually(LIMIT, what, async || {
        attempt += 1;
        met(attempt).await.then_some(()).ok_or("not yet")
    })
    .await;
}
