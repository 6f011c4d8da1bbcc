//! Replicas of the binary that answer the apiserver's admission reviews.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::api::PostParams;
use kube::{Api, Client};
use quaymaster_webhook::authority::{Names, Pair, Validity};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use super::{Cluster, Manager, free_port};

/// Replicas, and the way of the apiserver to them.
pub(crate) struct Webhook {
    pub(crate) replicas: Vec<Manager>,
    /// Where the apiserver sends reviews: it leads to one replica after the other, connection by connection.
    pub(crate) port: u16,
    authority: Pair,
    files: tempfile::TempDir,
    args: Vec<String>,
    targets: Vec<u16>,
}

impl Webhook {
    /// Starts so many replicas, and registers them for all Services with this failure policy.
    pub(crate) async fn start(cluster: &Cluster, count: usize, args: &[&str], failure_policy: &str) -> Self {
        let life = Validity::from(
            Timestamp::now(),
            SignedDuration::from_hours(1),
            SignedDuration::from_mins(5),
        );
        let authority = Pair::authority(life).unwrap();
        let names = Names::new().address(Ipv4Addr::LOCALHOST.into());
        let leaf = authority.sign(&names, life).unwrap();
        let files = tempfile::tempdir().unwrap();
        std::fs::write(files.path().join("tls.crt"), &leaf.certificate.pem).unwrap();
        std::fs::write(files.path().join("tls.key"), leaf.key_pem()).unwrap();
        let targets: Vec<u16> = (0..count).map(|_| free_port()).collect();
        let mut webhook = Self {
            replicas: Vec::new(),
            port: balanced(targets.clone()).await,
            authority,
            files,
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            targets,
        };
        for place in 0..count {
            let replica = webhook.replica(cluster, place).await;
            webhook.replicas.push(replica);
        }
        webhook.register(&cluster.client().await, failure_policy).await;
        webhook
    }

    /// Starts the replica of a place, and waits until it has read everything.
    pub(crate) async fn replica(&self, cluster: &Cluster, place: usize) -> Manager {
        let file = |name: &str| -> PathBuf { self.files.path().join(name) };
        let mut args = vec![
            format!("--webhook-port={}", self.targets[place]),
            format!("--webhook-cert-file={}", file("tls.crt").display()),
            format!("--webhook-key-file={}", file("tls.key").display()),
        ];
        args.extend(self.args.iter().cloned());
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        Manager::start(&cluster.plane, &cluster.kubeconfig, &args).await
    }

    async fn register(&self, client: &Client, failure_policy: &str) {
        let configuration: MutatingWebhookConfiguration = serde_json::from_value(json!({
            "metadata": { "name": "quaymaster" },
            "webhooks": [{
                "name": "services.quaymaster.io",
                "clientConfig": {
                    "url": format!("https://127.0.0.1:{}/allocate", self.port),
                    "caBundle": ByteString(self.authority.certificate.pem.clone().into_bytes()),
                },
                "rules": [{
                    "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
                    "resources": ["services"], "scope": "Namespaced",
                }],
                "matchConditions": [{
                    "name": "not-the-apiserver",
                    "expression": "request.userInfo.username != 'system:apiserver'",
                }],
                "failurePolicy": failure_policy,
                "sideEffects": "NoneOnDryRun",
                "admissionReviewVersions": ["v1"],
                "timeoutSeconds": 10,
            }],
        }))
        .unwrap();
        let api: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
        api.create(&PostParams::default(), &configuration).await.unwrap();
    }
}

/// Leads each connection to the next of these ports that takes it. It ends with the runtime.
async fn balanced(targets: Vec<u16>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let next = Arc::new(AtomicUsize::new(0));
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (targets, next) = (targets.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                for _ in 0..targets.len() {
                    let target = targets[next.fetch_add(1, Ordering::Relaxed) % targets.len()];
                    if let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await {
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                        return;
                    }
                }
            });
        }
    });
    port
}
