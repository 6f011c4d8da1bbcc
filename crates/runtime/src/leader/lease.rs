//! The Lease as it is asked for and written.

use k8s_openapi::api::coordination::v1;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::PostParams;
use quaymaster_election::{Answer, Lease, Step};

use super::Contest;

/// What of a Lease matters.
pub(super) fn read(lease: &v1::Lease) -> Lease {
    let spec = lease.spec.as_ref();
    Lease {
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
        holder: spec.and_then(|spec| spec.holder_identity.clone()),
        seconds: spec.and_then(|spec| spec.lease_duration_seconds),
        transitions: spec.and_then(|spec| spec.lease_transitions),
    }
}

/// Does what a candidate wants done.
pub(super) async fn request(api: &Api<v1::Lease>, contest: &Contest, step: Step) -> Answer {
    let creates = step == Step::Create;
    let stored = match step {
        Step::Create => {
            let lease = held(contest, None, 0);
            api.create(&PostParams::default(), &lease).await
        }
        Step::Write { version, transitions } => {
            let lease = held(contest, Some(version), transitions);
            api.replace(&contest.name, &PostParams::default(), &lease).await
        }
        Step::Read => {
            return match api.get_opt(&contest.name).await {
                Ok(Some(lease)) => Answer::Read(read(&lease)),
                Ok(None) => Answer::Missing,
                Err(error) => failed(&error),
            };
        }
        Step::Wait(_) => return Answer::Failed,
    };
    match stored {
        Ok(lease) => Answer::Stored(read(&lease)),
        Err(kube::Error::Api(status)) if status.code == 404 && creates => {
            tracing::warn!(
                namespace = contest.namespace,
                "the lease cannot be made: is there such a namespace? choose another --leader-elect-resource-namespace"
            );
            Answer::Failed
        }
        Err(error) => failed(&error),
    }
}

/// Takes this process out as the holder. What `client-go` writes, so that its candidates know it as well: no holder, and a duration
/// of a second (`tools/leaderelection/leaderelection.go`, `release`).
pub(super) async fn give_back(api: &Api<v1::Lease>, contest: &Contest, version: &str) -> kube::Result<()> {
    let mut lease = held(contest, Some(version.to_owned()), 0);
    if let Some(spec) = &mut lease.spec {
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        spec.lease_transitions = None;
    }
    api.replace(&contest.name, &PostParams::default(), &lease)
        .await
        .map(drop)
}

/// The Lease held by this process. Its times are for people, and for programs that look at them.
fn held(contest: &Contest, version: Option<String>, transitions: i32) -> v1::Lease {
    let now = Some(MicroTime(Timestamp::now()));
    let mut lease = v1::Lease::default();
    lease.metadata.name = Some(contest.name.clone());
    lease.metadata.namespace = Some(contest.namespace.clone());
    lease.metadata.resource_version = version;
    lease.spec = Some(v1::LeaseSpec {
        acquire_time: now.clone(),
        renew_time: now,
        holder_identity: Some(contest.identity.clone()),
        lease_duration_seconds: Some(contest.settings.seconds()),
        lease_transitions: Some(transitions),
        ..v1::LeaseSpec::default()
    });
    lease
}

fn failed(error: &kube::Error) -> Answer {
    match error {
        kube::Error::Api(status) if status.code == 409 => Answer::Conflict,
        kube::Error::Api(status) if status.code == 404 => Answer::Missing,
        error => {
            tracing::warn!(%error, "the lease could not be read or written");
            Answer::Failed
        }
    }
}
