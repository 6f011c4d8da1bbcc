//! The certificates, while requests come.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use quaymaster_admission::{Authority, Keep, Keeper};
use quaymaster_ipam::Shared;
use quaymaster_webhook::Certificates;
use quaymaster_webhook::authority::Names;
use quaymaster_webhook::rotation::Policy;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::harness::{ALONE, Counting, Webhook, configure, create, plane, until};

/// Creates that may be under way: on a machine that is busy otherwise the rate falls, and no queue grows.
const IN_FLIGHT: usize = 50;

/// A year in a minute; short enough that each is renewed some times, and long enough for a machine that stands still for seconds.
fn short() -> Policy {
    Policy {
        names: Names::new(),
        authority_life: SignedDuration::from_secs(36),
        leaf_life: SignedDuration::from_secs(15),
        backdate: SignedDuration::from_secs(1),
        settle: SignedDuration::from_secs(2),
    }
}

fn keep(namespace: &str, policy: Policy) -> Keep {
    Keep {
        configuration: namespace.to_owned(),
        exempt: vec!["kube-system".to_owned()],
        authority: Some(Authority {
            namespace: namespace.to_owned(),
            name: "tls".to_owned(),
            policy,
        }),
        turn: Duration::from_millis(250),
    }
}

/// A replica: its server, and what keeps its certificate.
struct Replica {
    _webhook: Webhook,
    cancel: CancellationToken,
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

async fn replica(client: &Client, keep: Keep, counting: &Arc<Counting>, leads: bool) -> (Replica, u16) {
    let certificates = Certificates::new();
    let webhook = Webhook::serve(Arc::clone(counting), certificates.clone()).await;
    let (port, cancel) = (webhook.address.port(), CancellationToken::new());
    let keeper = Keeper::new(
        keep,
        client.clone(),
        Shared::default(),
        certificates,
        Box::new(move || leads),
        quaymaster_admission::Clocks {
            at: std::time::Instant::now,
            wall: jiff::Timestamp::now,
        },
    );
    tokio::spawn(keeper.run(cancel.clone()));
    let replica = Replica {
        _webhook: webhook,
        cancel,
    };
    (replica, port)
}

async fn register(client: &Client, namespace: &str, ports: &[u16]) {
    let webhooks: Vec<_> = ports
        .iter()
        .enumerate()
        .map(|(nth, port)| {
            json!({
                "name": format!("w{nth}.quaymaster.io"),
                "clientConfig": {"url": format!("https://127.0.0.1:{port}/dual")},
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                // Closed until ours are in it, or nobody could create a Service meanwhile.
                "matchConditions": [{"name": "quaymaster-lacks-a-value", "expression": "false"}],
            })
        })
        .collect();
    configure(client, namespace, &json!(webhooks)).await;
}

async fn leaf(client: &Client, namespace: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let data = secrets.get_opt("tls").await.unwrap()?.data?;
    Some((data["tls.crt"].0.clone(), data["ca-current.crt"].0.clone()))
}

/// Two replicas, of which one leads; up to 50 Services a second for a minute.
#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_refused_while_certificates_change() {
    let _alone = ALONE.write().await;
    let plane = plane("1.37").await;
    let client = plane.client().await.unwrap();
    let namespace = plane.namespace("rotation").await.unwrap();
    let counting = Arc::new(Counting::default());
    let (_leader, one) = replica(&client, keep(&namespace, short()), &counting, true).await;
    let (_other, two) = replica(&client, keep(&namespace, short()), &counting, false).await;
    register(&client, &namespace, &[one, two]).await;
    let spec = json!({"ports": [{"port": 80}]});
    until("both replicas are asked", async |attempt| {
        let name = format!("probe-{attempt}");
        let created = create(&client, &namespace, &name, &spec).await;
        created.is_ok() && counting.seen("/dual", &format!("{namespace}/{name}")) == 2
    })
    .await;
    let (begin, mut creates) = (Instant::now(), Vec::new());
    let room = Arc::new(Semaphore::new(IN_FLIGHT));
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let (mut leaves, mut authorities) = (BTreeSet::new(), BTreeSet::new());
    for nth in 0.. {
        ticks.tick().await;
        let room = Arc::clone(&room).acquire_owned().await.unwrap();
        if begin.elapsed() > Duration::from_mins(1) {
            break;
        }
        if nth % 25 == 0
            && let Some((leaf, authority)) = leaf(&client, &namespace).await
        {
            leaves.insert(leaf);
            authorities.insert(authority);
        }
        let (client, namespace, spec) = (client.clone(), namespace.clone(), spec.clone());
        creates.push(tokio::spawn(async move {
            let answer = create(&client, &namespace, &format!("s{nth}"), &spec).await;
            drop(room);
            answer
        }));
    }
    let mut refused = Vec::new();
    let count = creates.len();
    for created in creates {
        refused.extend(created.await.unwrap().err().map(|error| error.to_string()));
    }
    assert!(
        refused.is_empty(),
        "{} of {count}: {:?}",
        refused.len(),
        refused.first()
    );
    let changes = (leaves.len(), authorities.len());
    eprintln!("{count} Services, (leaves, authorities) {changes:?}");
    assert!(
        count > 500 && changes.0 > 3 && changes.1 > 1,
        "{count} {changes:?}"
    );
}
