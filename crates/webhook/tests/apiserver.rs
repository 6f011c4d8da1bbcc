//! A real apiserver as the client.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's way to fail"
)]

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Service;
use kube::api::{Api, Patch as KubePatch, PatchParams, PostParams};
use quaymaster_runtime::metrics::Registry;
use quaymaster_testkit::ControlPlane;
use quaymaster_webhook::authority::Names;
use quaymaster_webhook::metrics::WebhookMetrics;
use quaymaster_webhook::rotation::{self, Cause, Policy, State, Step};
use quaymaster_webhook::{
    Admission, Certificates, Denial, Identity, Outcome, Patch, Reason, Request, Response, Server, Settings,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep};
use tokio_util::sync::CancellationToken;

const CONFIGURATION: &str = "quaymaster-test";

/// Labels what is created, but for what is called `denied`.
struct Labels;

impl Admission for Labels {
    fn paths(&self) -> &'static [&'static str] {
        &["/services"]
    }

    fn review(&self, _: &'static str, request: &Request<'_>) -> Outcome {
        if request.name == "denied" {
            let denial =
                Denial::new(Reason::ServiceUnavailable, "denied", "not yet, try again").retry_after(7);
            return Response::deny(denial).into();
        }
        let object: Value = serde_json::from_str(request.object.unwrap().get()).unwrap();
        let waits = request.timeout.unwrap().as_secs().to_string();
        let labels = json!({
            "name": object["metadata"]["name"], "user": &*request.user_info.username,
            "dry-run": request.dry_run().to_string(), "timeout": waits,
        });
        let response = Response::patch(Patch::default().add("/metadata/labels", labels));
        Outcome::later(async move {
            // As a claim takes its time.
            sleep(Duration::from_millis(30)).await;
            response
        })
    }
}

/// The namespace of a test, with a webhook for it.
struct Webhook {
    plane: ControlPlane,
    namespace: String,
    policy: Policy,
    state: State,
    certificates: Certificates,
    registry: Registry,
    shutdown: CancellationToken,
    server: JoinHandle<()>,
}

impl Webhook {
    async fn start() -> Self {
        let plane = ControlPlane::builder().no_kcm().start().await.unwrap();
        let namespace = plane.namespace("webhook").await.unwrap();
        let policy = Policy::new(Names::new().address(Ipv4Addr::LOCALHOST.into()));
        let now = Timestamp::now();
        let state = rotation::take(rotation::next(now, &policy, None), now, &policy, None);
        let state = state.unwrap().unwrap();
        let certificates = Certificates::new();
        certificates
            .set(&Identity::from_data(&state.to_data()).unwrap())
            .unwrap();
        let registry = Registry::new();
        let metrics = WebhookMetrics::register(&registry, &certificates);
        let address = (Ipv4Addr::LOCALHOST, 0).into();
        let server = Server::bind(address, certificates.clone(), metrics, Settings::default())
            .await
            .unwrap();
        let url = format!("https://{}/services", server.address().unwrap());
        let shutdown = CancellationToken::new();
        let webhook = Self {
            server: tokio::spawn(server.serve(Arc::new(Labels), shutdown.clone())),
            plane,
            namespace,
            policy,
            state,
            certificates,
            registry,
            shutdown,
        };
        webhook.register(&url).await;
        webhook
    }

    async fn register(&self, url: &str) {
        let configuration = json!({
            "metadata": {"name": CONFIGURATION},
            "webhooks": [{
                "name": "services.quaymaster.io",
                "clientConfig": {"url": url, "caBundle": bundle(&self.state)},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["services"]}],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}},
                "admissionReviewVersions": ["v1"], "sideEffects": "NoneOnDryRun", "failurePolicy": "Fail",
                "timeoutSeconds": 5,
            }],
        });
        let configuration: MutatingWebhookConfiguration = serde_json::from_value(configuration).unwrap();
        let api: Api<MutatingWebhookConfiguration> = Api::all(self.plane.client().await.unwrap());
        api.create(&PostParams::default(), &configuration).await.unwrap();
        // Known to the apiserver when it labels.
        let services = self.services().await;
        for attempt in 0.. {
            assert!(attempt < 200, "the webhook is not called");
            let made = services
                .create(&dry(), &service(&format!("probe-{attempt}")))
                .await;
            if made.is_ok_and(|made| made.metadata.labels.is_some()) {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn services(&self) -> Api<Service> {
        Api::namespaced(self.plane.client().await.unwrap(), &self.namespace)
    }

    /// Brings the bundle into the configuration.
    async fn publish(&self) {
        let api: Api<MutatingWebhookConfiguration> = Api::all(self.plane.client().await.unwrap());
        let patch = json!([{
            "op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": bundle(&self.state),
        }]);
        let patch: KubePatch<()> = KubePatch::Json(serde_json::from_value(patch).unwrap());
        api.patch(CONFIGURATION, &PatchParams::default(), &patch)
            .await
            .unwrap();
    }

    /// Takes a step, and presents what follows from it.
    fn take(&mut self, step: Step) {
        let taken = rotation::take(step, Timestamp::now(), &self.policy, Some(self.state.clone()));
        self.state = taken.unwrap().unwrap();
        let identity = Identity::from_data(&self.state.to_data()).unwrap();
        self.certificates.set(&identity).unwrap();
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.server.await.unwrap();
    }
}

fn bundle(state: &State) -> String {
    let bundle = k8s_openapi::ByteString(state.bundle().into_bytes());
    serde_json::from_value(serde_json::to_value(bundle).unwrap()).unwrap()
}

fn service(name: &str) -> Service {
    let service = json!({"metadata": {"name": name}, "spec": {"clusterIP": "None", "ports": [{"port": 80}]}});
    serde_json::from_value(service).unwrap()
}

fn dry() -> PostParams {
    PostParams {
        dry_run: true,
        ..PostParams::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apiserver_applies_what_is_answered_and_quotes_what_is_refused() {
    let webhook = Webhook::start().await;
    let services = webhook.services().await;
    for (params, dry_run) in [(dry(), "true"), (PostParams::default(), "false")] {
        let made = services.create(&params, &service("web")).await.unwrap();
        let labels = serde_json::to_value(made.metadata.labels).unwrap();
        assert_eq!(
            labels,
            json!({"name": "web", "user": "admin", "dry-run": dry_run, "timeout": "5"})
        );
    }
    let error = services
        .create(&PostParams::default(), &service("denied"))
        .await
        .unwrap_err();
    let kube::Error::Api(status) = error else {
        panic!("{error}");
    };
    let expected = "admission webhook \"services.quaymaster.io\" denied the request: not yet, try again";
    assert_eq!(
        (status.message.as_str(), status.reason.as_str(), status.code),
        (expected, "ServiceUnavailable", 503)
    );
    assert_eq!(status.details.as_ref().unwrap().retry_after_seconds, 7);
    let metrics = webhook.registry.encode();
    let connections = metrics
        .lines()
        .find_map(|line| line.strip_prefix("quaymaster_webhook_connections "));
    assert_eq!(
        connections,
        Some("1"),
        "the apiserver goes on with its connection"
    );
    webhook.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authorities_and_certificates_are_exchanged_under_creates_of_which_none_fails() {
    let mut webhook = Webhook::start().await;
    let services = webhook.services().await;
    let stop = Arc::new(AtomicBool::new(false));
    let made = Arc::new(AtomicUsize::new(0));
    let failed = Arc::new(std::sync::Mutex::new(Vec::<String>::new()));
    let creates = tokio::spawn({
        let (services, stop) = (services.clone(), Arc::clone(&stop));
        let (made, failed) = (Arc::clone(&made), Arc::clone(&failed));
        async move {
            let mut tick = interval(Duration::from_millis(20));
            let mut tasks = tokio::task::JoinSet::new();
            for number in 0.. {
                tick.tick().await;
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                // The apiserver keeps 25 connections, so many at once need new ones, which see what is presented then.
                for twin in 0..if number % 20 == 0 { 40 } else { 1 } {
                    let (services, made, failed) = (services.clone(), Arc::clone(&made), Arc::clone(&failed));
                    tasks.spawn(async move {
                        let object = service(&format!("service-{number}-{twin}"));
                        match services.create(&PostParams::default(), &object).await {
                            Ok(_) => {
                                made.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(error) => failed.lock().unwrap().push(error.to_string()),
                        }
                    });
                }
            }
            while tasks.join_next().await.is_some() {}
        }
    });
    let some = Duration::from_millis(600);
    for _ in 0..2 {
        sleep(some).await;
        webhook.take(Step::Announce(Cause::Due));
        webhook.publish().await;
        webhook.state.published(Timestamp::now());
        // In place of five minutes: one apiserver, on the same machine.
        sleep(some).await;
        webhook.take(Step::Promote);
        sleep(some).await;
        webhook.publish().await;
        sleep(some).await;
        webhook.take(Step::Renew(Cause::Due));
    }
    sleep(some).await;
    stop.store(true, Ordering::Relaxed);
    creates.await.unwrap();
    let failed = failed.lock().unwrap().clone();
    assert!(failed.is_empty(), "{} failed: {:?}", failed.len(), failed.first());
    assert!(made.load(Ordering::Relaxed) > 100, "{made:?}");
    webhook.stop().await;
    // Without it creates fail, so all before were answered by it.
    let error = services.create(&PostParams::default(), &service("last")).await;
    assert!(error.is_err());
}
