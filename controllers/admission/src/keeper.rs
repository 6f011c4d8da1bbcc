//! The loop that keeps what the webhook needs in the cluster: its certificate, its configuration, and the policies beside it.
//!
//! Each turn reads what is there, decides over it without waiting, and writes what differs, if anything does. Every replica keeps
//! the Secret, by compare and swap; the rest only who may write.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::ByteString;
use kube::Client;
use quaymaster_ipam::Shared;
use quaymaster_webhook::authority::Names;
use quaymaster_webhook::rotation::{Policy, State};
use quaymaster_webhook::{Certificates, Identity};
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::cluster::{CallError, Cluster, Configuration};
use crate::configuration::Wanted;
use crate::facts::Facts;
use crate::policies::{Policies, There};
use crate::secret::{self, Plan};
use crate::target;
use crate::told::Told;

/// What is kept, and how.
#[derive(Clone, Debug)]
pub struct Keep {
    /// The name of the `MutatingWebhookConfiguration`; empty where neither it nor policies are kept.
    pub configuration: String,
    /// Namespaces whose Services do without the webhook and without exclusive pools.
    pub exempt: Vec<String>,
    /// The Secret of an authority of our own; none where the certificate is another's.
    pub authority: Option<Authority>,
    /// Between two looks.
    pub turn: Duration,
}

/// An authority of our own, in a Secret.
#[derive(Clone, Debug)]
pub struct Authority {
    /// The Secret's namespace.
    pub namespace: String,
    /// The Secret's name.
    pub name: String,
    /// How long certificates hold, and for which names; without one for those under which the configuration knows the webhook.
    pub policy: Policy,
}

/// Between two looks at what is there.
pub const TURN: Duration = Duration::from_secs(10);

/// Between two looks at the index.
const LOOK: Duration = Duration::from_millis(500);

/// Before what was changed meanwhile is looked at again.
const AGAIN: Duration = Duration::from_millis(200);

/// Between two attempts to write what somebody undoes, at most.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// Whether this replica may write what all share.
pub type MayWrite = Box<dyn Fn() -> bool + Send + Sync>;

/// What tells the time.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// By the clock that only goes forward: for pauses.
    pub at: fn() -> Instant,
    /// By the wall clock: for certificates.
    pub wall: fn() -> Timestamp,
}

/// Keeps it.
pub struct Keeper {
    keep: Keep,
    cluster: Cluster,
    index: Shared,
    certificates: Certificates,
    may_write: MayWrite,
    clocks: Clocks,
    told: Told,
    undone: Undone,
    /// The same of policies.
    rivals: Undone,
    wake: Arc<Notify>,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper")
            .field("keep", &self.keep)
            .finish_non_exhaustive()
    }
}

impl Keeper {
    /// Keeps it by this client. What our authority signs is presented by `certificates`.
    pub fn new(
        keep: Keep,
        client: Client,
        index: Shared,
        certificates: Certificates,
        may_write: MayWrite,
        clocks: Clocks,
    ) -> Self {
        Self {
            keep,
            cluster: Cluster::new(client),
            index,
            certificates,
            may_write,
            clocks,
            told: Told::default(),
            undone: Undone::default(),
            rivals: Undone::default(),
            wake: Arc::default(),
        }
    }

    /// Tells that something has changed, such as who may write: the next turn begins at once.
    pub fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// Goes on until `cancel`.
    pub async fn run(mut self, cancel: CancellationToken) {
        let wake = self.wake();
        let all = async {
            loop {
                let facts = Facts::of(&self.index);
                let pause = self.turn(&facts).await;
                tokio::select! {
                    () = wake.notified() => {}
                    () = tokio::time::sleep(pause) => {}
                    () = differs(&self.index, &facts) => {}
                }
            }
        };
        cancel.run_until_cancelled(all).await;
    }

    /// One look, and what follows. Gives the time until the next one.
    async fn turn(&mut self, facts: &Facts) -> Duration {
        if self.keep.configuration.is_empty() {
            let (_, pause) = self.certificate(None).await;
            return pause.unwrap_or(self.keep.turn).min(self.keep.turn);
        }
        let found = self.cluster.configuration(&self.keep.configuration).await;
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                let problem = format!(
                    "the MutatingWebhookConfiguration {} cannot be read: {error}",
                    self.keep.configuration
                );
                self.told.tell("configuration", Some(problem));
                return self.keep.turn;
            }
        };
        let absent = found.is_none().then(|| {
            format!(
                "there is no MutatingWebhookConfiguration {}, so the apiserver asks nobody for addresses and node ports: install \
                 it with the chart, or name the one that there is by --webhook-configuration",
                self.keep.configuration
            )
        });
        self.told.tell("configuration", absent);
        let (bundle, pause) = self.certificate(found.as_ref()).await;
        if !(self.may_write)() {
            return pause.unwrap_or(self.keep.turn).min(self.keep.turn);
        }
        if let Some(found) = &found {
            let wanted = Wanted {
                asks: facts.asks(&self.keep.exempt),
                bundle,
            };
            self.correct(found, &wanted).await;
        }
        self.policies(facts).await;
        pause.unwrap_or(self.keep.turn).min(self.keep.turn)
    }

    /// Sees to the certificate. Gives the authorities to be trusted, and when the next turn is due if that is early.
    async fn certificate(&mut self, found: Option<&Configuration>) -> (Option<String>, Option<Duration>) {
        let Some(authority) = self.keep.authority.clone() else {
            return (None, None);
        };
        let webhooks = found.map_or(&[][..], |found| &found.webhooks);
        let mut policy = authority.policy;
        if policy.names == Names::new() {
            policy.names = target::names(webhooks);
        }
        if policy.names == Names::new() {
            let problem = "there is no certificate yet, as nothing says under which name the apiserver knows the webhook: give \
                           --webhook-service, or install the MutatingWebhookConfiguration";
            self.told.tell("names", Some(problem.to_owned()));
            return (None, None);
        }
        self.told.tell("names", None);
        let at = format!("the Secret {}/{}", authority.namespace, authority.name);
        let result = self
            .secret(&authority.namespace, &authority.name, &policy, webhooks)
            .await;
        match result {
            Ok((state, pause)) => {
                let unusable = self.present(&state).err();
                self.told.tell(
                    "secret",
                    unusable.map(|error| format!("{at} cannot be used: {error}")),
                );
                (Some(bundle(&state)), pause)
            }
            Err(SecretError::Call(CallError::Stale)) => (None, Some(AGAIN)),
            Err(error) => {
                self.told.tell("secret", Some(format!("{at}: {error}")));
                (None, None)
            }
        }
    }

    async fn secret(
        &mut self,
        namespace: &str,
        name: &str,
        policy: &Policy,
        webhooks: &[Value],
    ) -> Result<(State, Option<Duration>), SecretError> {
        let found = self.cluster.secret(namespace, name).await?;
        let now = (self.clocks.wall)();
        let trusted = |state: &State| {
            let wanted = Wanted {
                asks: None,
                bundle: Some(bundle(state)),
            };
            wanted.is_trusted_by(webhooks)
        };
        let (plan, problem) = secret::plan(now, policy, found.as_ref(), trusted)?;
        if let Some(problem) = problem {
            tracing::warn!(
                namespace,
                name,
                problem,
                "the webhook's certificates are made anew"
            );
        }
        match plan {
            Plan::Foreign => Err(SecretError::Foreign),
            Plan::Publish(state) => Ok((state, None)),
            Plan::Keep(state, until) => {
                let pause = Duration::try_from(until.duration_since(now)).unwrap_or_default();
                Ok((state, Some(pause)))
            }
            Plan::Write(state, step) => {
                let secret = secret::written(found.as_ref(), namespace, name, &state);
                self.cluster.store_secret(&secret).await?;
                tracing::info!(namespace, name, ?step, "a step of the webhook's certificates");
                Ok((state, Some(Duration::ZERO)))
            }
        }
    }

    fn present(&self, state: &State) -> Result<(), String> {
        let identity = Identity::from_data(&state.to_data()).map_err(|error| error.to_string())?;
        let changed = self
            .certificates
            .set(&identity)
            .map_err(|error| error.to_string())?;
        if changed {
            tracing::info!("the webhook presents another certificate from now on");
        }
        Ok(())
    }

    /// Makes the policies what they are to be.
    async fn policies(&mut self, facts: &Facts) {
        let policies = Policies::of(facts, &self.keep.exempt);
        let left_out = (!policies.left_out.is_empty()).then(|| {
            format!(
                "exclusive pools that no policy has room for, so that where the webhook is passed by others may have their \
                 values: {}; let their ranges be whole networks, or have fewer of them",
                policies.left_out.join(", ")
            )
        });
        self.told.tell("exclusive pools", left_out);
        if policies.known.is_empty() {
            return;
        }
        let result = match self.cluster.policies().await {
            Ok(there) => self.change(&policies, &there).await,
            Err(error) => Err(error),
        };
        match result {
            Err(CallError::Stale) => {
                tokio::time::sleep(AGAIN).await;
                self.wake.notify_one();
            }
            result => self.told.tell(
                "policies",
                result.err().map(|error| {
                    format!("the ValidatingAdmissionPolicies of exclusive pools cannot be kept: {error}")
                }),
            ),
        }
    }

    async fn change(&mut self, policies: &Policies, there: &There) -> Result<(), CallError> {
        let changes = policies.changes(there);
        if changes.is_empty() {
            return Ok(());
        }
        // What is written again unchanged was taken back by somebody.
        let (now, content) = (
            (self.clocks.at)(),
            vec![Value::from(format!("{:?}", policies.wanted))],
        );
        if !self.rivals.may_write(&content, now, self.keep.turn) {
            return Ok(());
        }
        for change in &changes {
            self.cluster.change(change).await?;
            tracing::info!("{change}");
        }
        self.rivals.wrote(content, now);
        Ok(())
    }

    /// Writes what of the configuration is ours and differs.
    async fn correct(&mut self, found: &Configuration, wanted: &Wanted) {
        let Some(corrected) = wanted.corrected(&found.webhooks) else {
            self.told.tell("writing", None);
            return;
        };
        let now = (self.clocks.at)();
        if !self.undone.may_write(&corrected, now, self.keep.turn) {
            let problem = "somebody takes back what of the MutatingWebhookConfiguration is ours (rules, matchConditions, \
                           caBundle and others): it is put right ever more slowly; see its managedFields for who that is";
            self.told.tell("rival", Some(problem.to_owned()));
            return;
        }
        match self.cluster.set_webhooks(found, &corrected).await {
            Ok(()) => {
                self.undone.wrote(corrected, now);
                tracing::info!(
                    name = self.keep.configuration,
                    "the webhook's configuration is put right"
                );
                self.told.tell("writing", None);
            }
            Err(CallError::Stale) => {
                tokio::time::sleep(AGAIN).await;
                self.wake.notify_one();
            }
            Err(error) => {
                let problem = format!(
                    "the MutatingWebhookConfiguration {} cannot be written: {error}",
                    self.keep.configuration
                );
                self.told.tell("writing", Some(problem));
            }
        }
    }
}

/// Waits until the index says something else of what is kept. It is looked at often, since until then an exclusive pool is open.
async fn differs(index: &Shared, facts: &Facts) {
    loop {
        tokio::time::sleep(LOOK).await;
        if Facts::of(index) != *facts {
            return;
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum SecretError {
    #[error(
        "it is another's, as it has data and not our label {}={}: name another one by --webhook-secret, or give the \
         certificate by --webhook-cert-file and --webhook-key-file",
        crate::LABEL,
        crate::MANAGER
    )]
    Foreign,
    #[error("{0}")]
    Call(#[from] CallError),
    #[error("{0}")]
    Make(#[from] quaymaster_webhook::authority::AuthorityError),
}

/// The authorities as a configuration has them.
fn bundle(state: &State) -> String {
    let bytes = ByteString(state.bundle().into_bytes());
    // A text always.
    serde_json::to_value(bytes)
        .ok()
        .and_then(|value| value.as_str().map(ToOwned::to_owned))
        .unwrap_or_default()
}

/// What was written, so that it is known when somebody takes it back.
#[derive(Debug, Default)]
struct Undone {
    wrote: Option<(Vec<Value>, Instant)>,
    pause: Duration,
}

impl Undone {
    /// Whether this is to be written now: at once, unless it was written before, and taken back; then after a pause, which grows.
    fn may_write(&self, webhooks: &[Value], now: Instant, turn: Duration) -> bool {
        match &self.wrote {
            Some((wrote, at)) if wrote == webhooks => now >= *at + self.pause.max(turn / 2),
            _ => true,
        }
    }

    fn wrote(&mut self, webhooks: Vec<Value>, now: Instant) {
        let again = self.wrote.as_ref().is_some_and(|(wrote, _)| *wrote == webhooks);
        self.pause = if again {
            (self.pause * 2).clamp(Duration::from_secs(10), LONGEST_PAUSE)
        } else {
            Duration::ZERO
        };
        self.wrote = Some((webhooks, now));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_somebody_takes_back_is_written_ever_more_slowly() {
        let (start, mut undone) = (Instant::now(), Undone::default());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let (ours, other) = (vec![json!("ours")], vec![json!("other")]);
        let may = |undone: &Undone, webhooks: &[Value], seconds| {
            undone.may_write(webhooks, at(seconds), Duration::from_secs(2))
        };
        assert!(may(&undone, &ours, 0));
        undone.wrote(ours.clone(), at(0));
        assert!(!may(&undone, &ours, 0) && may(&undone, &ours, 2));
        undone.wrote(ours.clone(), at(2));
        assert!(!may(&undone, &ours, 11) && may(&undone, &ours, 12));
        undone.wrote(ours.clone(), at(12));
        assert!(!may(&undone, &ours, 31) && may(&undone, &ours, 32));
        assert!(may(&undone, &other, 13), "what is new is written at once");
        undone.wrote(other.clone(), at(13));
        assert!(may(&undone, &ours, 14));
    }
}
