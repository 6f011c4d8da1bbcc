//! One control plane and who keeps its objects.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::{Api, Client};
use quaymaster_testkit::audit::{Entry, Mark};
use quaymaster_testkit::process::{Launch, Quaymaster};
use quaymaster_testkit::{ControlPlane, Kcm};

use crate::apply::Edits;
use crate::batch::Settings;
use crate::kept::KEPT;
use crate::record::Recorder;
use crate::snapshot::Snapshot;

/// KCM at its default of 20 requests a second would be waited for most of the time.
const KCM_ARGS: [&str; 3] = [
    "--kube-api-qps=1000",
    "--kube-api-burst=2000",
    "--concurrent-service-endpoint-syncs=10",
];
const READY_LIMIT: Duration = Duration::from_mins(1);
const STOP_GRACE: Duration = Duration::from_secs(20);

fn is_write(entry: &Entry, holder: Holder) -> bool {
    entry.is_complete() && entry.is_write() && holder.is(&entry.user_agent)
}

/// Who keeps the slices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// `endpointslice-controller` of kube-controller-manager.
    Kcm,
    /// This project.
    Quaymaster,
}

impl Holder {
    /// Its place in what is counted for both.
    pub(crate) fn side(self) -> usize {
        match self {
            Self::Kcm => 0,
            Self::Quaymaster => 1,
        }
    }

    /// Whether this is how it names itself to the apiserver.
    fn is(self, user_agent: &str) -> bool {
        match self {
            // The garbage collector of the control plane is a kube-controller-manager, too.
            Self::Kcm => {
                user_agent.starts_with("kube-controller-manager/")
                    && !user_agent.contains("garbage-collector")
            }
            Self::Quaymaster => user_agent.starts_with("quaymaster/"),
        }
    }
}

enum Running {
    Kcm(Kcm),
    Quaymaster(Quaymaster),
}

/// A control plane, an observer of it, and its controller when that runs.
pub(crate) struct Plane {
    servers: ControlPlane,
    /// The administrator's client.
    pub(crate) client: Client,
    pub(crate) recorder: Recorder,
    edits: Mutex<Edits>,
    binary: PathBuf,
    environment: Vec<(String, String)>,
    max_endpoints: usize,
    running: Option<Running>,
    pub(crate) holds: Vec<Hold>,
}

/// A time during which one of them keeps the slices.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hold {
    pub(crate) holder: Holder,
    /// The revision before its first write. What is written up to the next hold is its doing.
    pub(crate) after: u64,
    /// By the recorder's clock.
    pub(crate) from: Duration,
    /// The end; none while it lasts.
    pub(crate) until: Option<Duration>,
}

impl Plane {
    /// Starts a control plane without a slice controller.
    ///
    /// # Errors
    /// Where it does not start.
    pub(crate) async fn start(settings: &Settings<'_>) -> Result<Self> {
        let builder = ControlPlane::builder()
            .minor(settings.minor.to_string())
            .audit_log(true)
            .service_cidrs(["10.96.0.0/16", "fd00:96::/108"])
            // Thousands of objects in a few seconds, by one user: its share of the apiserver is not the subject.
            .extra_apiserver_args([
                "--enable-priority-and-fairness=false",
                "--max-requests-inflight=0",
            ]);
        let servers = builder.start().await.context("starting a control plane")?;
        let client = servers.client().await?;
        let recorder = Recorder::start(&client);
        Ok(Self {
            servers,
            client,
            recorder,
            edits: Mutex::default(),
            binary: settings.binary.to_owned(),
            environment: settings.environment.to_vec(),
            max_endpoints: settings.max_endpoints,
            running: None,
            holds: Vec::new(),
        })
    }

    /// Starts the controller, and waits until it works.
    ///
    /// # Errors
    /// Where it does not start.
    pub(crate) async fn hold(&mut self, holder: Holder) -> Result<()> {
        let max = format!("--max-endpoints-per-slice={}", self.max_endpoints);
        let after = self.revision().await?;
        self.running = Some(match holder {
            Holder::Kcm => {
                let mut arguments = KCM_ARGS.map(str::to_owned).to_vec();
                arguments.push(max);
                let kcm = self
                    .servers
                    .start_kcm_with(&["endpointslice-controller"], &arguments)
                    .await?;
                Running::Kcm(kcm)
            }
            Holder::Quaymaster => {
                let log = self
                    .servers
                    .logs()
                    .join(format!("quaymaster-{}.log", self.holds.len()));
                let mut launch = Launch::new(&self.binary, log).connect(self.servers.kubeconfig())?;
                for (name, value) in &self.environment {
                    launch = launch.env(name, value);
                }
                Running::Quaymaster(launch.arg(max).start_ready(READY_LIMIT).await?)
            }
        });
        self.holds.push(Hold {
            holder,
            after,
            from: self.recorder.now(),
            until: None,
        });
        Ok(())
    }

    /// Ends the controller in order.
    ///
    /// # Errors
    /// Where it had already ended, or does not end.
    pub(crate) async fn release(&mut self) -> Result<()> {
        match self.running.take() {
            Some(Running::Kcm(kcm)) => _ = kcm.stop().await?,
            Some(Running::Quaymaster(mut quaymaster)) => {
                if let Some(status) = quaymaster.server().exited() {
                    self.servers.keep_logs();
                    anyhow::bail!(
                        "quaymaster ended by itself with {status}; its log ends with\n{}",
                        quaymaster.server().log_tail(20)
                    );
                }
                quaymaster.server().terminate(STOP_GRACE).await?;
            }
            None => {}
        }
        let now = self.recorder.now();
        if let Some(hold) = self.holds.last_mut() {
            hold.until.get_or_insert(now);
        }
        Ok(())
    }

    /// The revision of the control plane now.
    async fn revision(&self) -> Result<u64> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let list = namespaces.list_metadata(&ListParams::default().limit(1)).await?;
        let revision = list.metadata.resource_version.unwrap_or_default();
        revision
            .parse()
            .with_context(|| format!("{revision:?} is no revision"))
    }

    /// The end of the audit log as it is now.
    pub(crate) fn mark(&self) -> Result<Mark> {
        Ok(self.servers.audit().mark()?)
    }

    /// Changes of what is kept that a controller has asked for since, granted or not.
    pub(crate) fn kept_writes(&self, since: Mark, holder: Holder) -> Result<Vec<Entry>> {
        let mut entries = self.servers.audit().entries_since(since)?;
        let kept = |entry: &Entry| KEPT.iter().any(|kept| kept.resource == entry.resource());
        entries.retain(|entry| is_write(entry, holder) && kept(entry));
        Ok(entries)
    }

    /// All that quaymaster has ever asked to change here.
    pub(crate) fn writes_of_quaymaster(&self) -> Result<Vec<Entry>> {
        let mut entries = self.servers.audit().entries()?;
        entries.retain(|entry| is_write(entry, Holder::Quaymaster));
        Ok(entries)
    }

    /// What there is now.
    pub(crate) async fn snapshot(&self) -> Result<Snapshot> {
        Snapshot::read(&self.client, &self.recorder.families()).await
    }

    /// What steps did to kept objects here.
    pub(crate) fn edits(&self) -> MutexGuard<'_, Edits> {
        self.edits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies the logs to where they stay.
    pub(crate) fn keep_logs(&self) {
        self.servers.keep_logs();
    }
}
