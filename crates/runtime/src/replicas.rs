//! That this replica is there, and which others are: each renews a Lease of its own, leader or not.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client};
use quaymaster_election::{Members, View};
use quaymaster_model::digest::fnv128a;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::permit::AnyReplica;

/// Between two renewals.
const RENEW: Duration = Duration::from_secs(2);
/// For how long a Lease is good that is not renewed.
const LEASE: Duration = Duration::from_secs(10);
/// The apiserver gives a request up after a minute; and others may see it a Lease later.
const HAND_OVER: Duration = Duration::from_secs(70);
/// Longest wait for one answer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Stands for replicas that there may be.
const UNKNOWN: &str = "";

/// Label of the Leases of replicas.
const LABEL: &str = "quaymaster.io/replica";

/// One of several replicas.
pub struct Replica {
    api: Api<Lease>,
    me: String,
    name: String,
    members: Members,
    _permit: AnyReplica,
}

impl Replica {
    /// One with this name, of those whose Leases are in a namespace.
    pub fn new(client: Client, namespace: &str, me: String, permit: AnyReplica) -> Self {
        let digest = fnv128a(me.as_bytes());
        Self {
            api: Api::namespaced(client, namespace),
            // What it is called need not be a name of an object.
            name: format!("quaymaster-replica-{digest:032x}"),
            members: Members::new(me.clone(), LEASE, HAND_OVER),
            me,
            _permit: permit,
        }
    }

    /// Renews the Lease, and looks who is there.
    pub async fn look(&mut self) -> kube::Result<View> {
        let renewed = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": { "name": self.name, "labels": { LABEL: "true" } },
            "spec": {
                "holderIdentity": self.me,
                "leaseDurationSeconds": LEASE.as_secs(),
                "renewTime": MicroTime(Timestamp::now()),
            },
        });
        let parameters = PatchParams::apply("quaymaster").force();
        self.api
            .patch(&self.name, &parameters, &Patch::Apply(&renewed))
            .await?;
        let leases = self
            .api
            .list(&ListParams::default().labels(&format!("{LABEL}=true")))
            .await?;
        let now = Instant::now();
        let mut names = Vec::with_capacity(leases.items.len());
        for lease in &leases.items {
            let holder = lease
                .spec
                .as_ref()
                .and_then(|spec| spec.holder_identity.as_deref());
            if let (Some(holder), Some(version)) = (holder, lease.metadata.resource_version.as_deref()) {
                self.members.told(holder, version, now);
                names.push(holder);
            }
        }
        self.members.keep(&names);
        Ok(self.members.view(now))
    }

    /// Goes on so until `cancel`, and tells who is there. At the end the Lease is taken away.
    pub async fn keep(mut self, cancel: CancellationToken, tell: impl Fn(View)) {
        let mut seen = Instant::now();
        loop {
            tokio::select! {
                () = cancel.cancelled() => break,
                () = tokio::time::sleep(RENEW) => {}
            }
            // The others take it for gone by now, and give out of its share: nothing is its own any more.
            if seen.elapsed() >= LEASE {
                tell(View {
                    now: vec![self.me.clone(), UNKNOWN.to_owned()],
                    before: Vec::new(),
                });
            }
            match tokio::time::timeout(TIMEOUT, self.look()).await {
                Ok(Ok(view)) => {
                    seen = Instant::now();
                    tell(view);
                }
                Ok(Err(error)) => tracing::warn!(%error, "the lease of this replica cannot be renewed"),
                Err(_) => tracing::warn!("the lease of this replica cannot be renewed in time"),
            }
        }
        let parameters = DeleteParams::default();
        let gone = self.api.delete(&self.name, &parameters);
        if !matches!(tokio::time::timeout(TIMEOUT, gone).await, Ok(Ok(_))) {
            tracing::debug!("the lease of this replica is left to run out");
        }
    }
}
