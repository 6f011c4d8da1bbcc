//! One control plane and who keeps its objects.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::jiff::Timestamp;
use kube::api::ListParams;
use kube::{Api, Client};
use quaymaster_oracle::mirroring;
use quaymaster_testkit::audit::{Entry, Mark};
use quaymaster_testkit::process::{Launch, Quaymaster};
use quaymaster_testkit::{ControlPlane, Kcm};

use crate::apply::Edits;
use crate::batch::Settings;
use crate::controllers::{Controller, Controllers};
use crate::failure::{SubjectFailure, not_started};
use crate::handover;
use crate::kept::{ENDPOINTS, SLICES, kept_by};
use crate::record::Recorder;
use crate::snapshot::Snapshot;
use crate::world::MAIN_RANGES;

/// KCM at its default of 20 requests a second would be waited for most of the time.
const KCM_ARGS: [&str; 5] = [
    "--kube-api-qps=1000",
    "--kube-api-burst=2000",
    "--concurrent-service-endpoint-syncs=10",
    "--concurrent-endpoint-syncs=10",
    "--mirroring-concurrent-service-endpoint-syncs=10",
];
const READY_LIMIT: Duration = Duration::from_mins(1);
const STOP_GRACE: Duration = Duration::from_secs(20);

/// What is compared with kube-controller-manager.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    /// This project, by its program, and its environment.
    Quaymaster {
        binary: PathBuf,
        environment: Vec<(String, String)>,
    },
    /// kube-controller-manager itself, with or without one of its controllers: what differs then is the harness's doing, or
    /// is to be found.
    Kcm { left_out: Option<Controller> },
}

impl Subject {
    pub(crate) fn is_kcm(&self) -> bool {
        matches!(self, Self::Kcm { .. })
    }

    /// The controller that is left out, which is to be found.
    pub(crate) fn left_out(&self) -> Option<Controller> {
        match self {
            Self::Kcm { left_out } => *left_out,
            Self::Quaymaster { .. } => None,
        }
    }

    /// What it is called beside kube-controller-manager.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Quaymaster { .. } => "quaymaster".to_owned(),
            Self::Kcm { left_out: None } => "kube-controller-manager again".to_owned(),
            Self::Kcm {
                left_out: Some(left_out),
            } => format!("kube-controller-manager without {}", left_out.name()),
        }
    }

    /// What a holder is called beside this one.
    pub(crate) fn name_of(&self, holder: Holder) -> String {
        match holder {
            Holder::Kcm => "kube-controller-manager".to_owned(),
            Holder::Subject => self.name(),
        }
    }

    /// Whether this holder asked for it, by how it names itself to the apiserver.
    pub(crate) fn wrote(&self, holder: Holder, entry: &Entry) -> bool {
        let user_agent = &entry.user_agent;
        if holder == Holder::Kcm || self.is_kcm() {
            // The garbage collector of the control plane is a kube-controller-manager, too.
            user_agent.starts_with("kube-controller-manager/") && !user_agent.contains("garbage-collector")
        } else {
            user_agent.starts_with("quaymaster/")
        }
    }
}

/// Who keeps the objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// kube-controller-manager.
    Kcm,
    /// What is compared with it.
    Subject,
}

impl Holder {
    /// Its place in what is counted for both.
    pub(crate) fn side(self) -> usize {
        match self {
            Self::Kcm => 0,
            Self::Subject => 1,
        }
    }
}

enum Running {
    Kcm(Kcm),
    Quaymaster(Quaymaster),
}

/// Paths of Services of which a write was refused that says what the controller takes for right.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refused {
    /// A slice was to be created that was there already.
    pub(crate) slices: BTreeSet<String>,
    /// Endpoints were not valid.
    pub(crate) endpoints: BTreeSet<String>,
}

impl Refused {
    /// With those of another time.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.slices.extend(other.slices);
        self.endpoints.extend(other.endpoints);
        self
    }
}

/// A control plane, an observer of it, and its controller when that runs.
pub(crate) struct Plane {
    servers: ControlPlane,
    /// The administrator's client.
    pub(crate) client: Client,
    pub(crate) recorder: Recorder,
    edits: Mutex<Edits>,
    subject: Subject,
    controllers: Controllers,
    max_endpoints: usize,
    max_mirrored: usize,
    /// 37 for Kubernetes 1.37.
    minor: u32,
    running: Option<Running>,
    /// The end of the audit log when the last hold began.
    held_since: Mark,
    pub(crate) holds: Vec<Hold>,
}

/// A time during which one of them keeps the objects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hold {
    pub(crate) holder: Holder,
    /// The revision before its first write. What is written up to the next hold is its doing.
    pub(crate) after: u64,
    /// Before its process was started, by the recorder's clock: it may write before it is known to work.
    pub(crate) from: Duration,
    /// The end; none while it lasts.
    pub(crate) until: Option<Duration>,
    /// Before its process was started, by the clock of this machine.
    pub(crate) started: Timestamp,
    /// After its process had ended; none while it runs.
    pub(crate) ended: Option<Timestamp>,
}

impl Plane {
    /// Starts a control plane without their controllers.
    ///
    /// # Errors
    /// Where it does not start.
    pub(crate) async fn start(settings: &Settings<'_>) -> Result<Self> {
        let builder = ControlPlane::builder()
            .minor(settings.minor.to_string())
            .audit_log(true)
            .service_cidrs(MAIN_RANGES)
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
            subject: settings.subject.clone(),
            controllers: settings.controllers.clone(),
            max_endpoints: settings.max_endpoints,
            max_mirrored: settings.max_mirrored,
            minor: settings.minor.number(),
            running: None,
            held_since: Mark::default(),
            holds: Vec::new(),
        })
    }

    /// Starts the controller, and waits until it works.
    ///
    /// # Errors
    /// Where it does not start.
    pub(crate) async fn hold(&mut self, holder: Holder) -> Result<()> {
        let after = self.revision().await?;
        self.held_since = self.mark()?;
        let (from, started) = (self.recorder.now(), Timestamp::now());
        self.running = Some(match (holder, self.subject.clone()) {
            (Holder::Kcm, _) => Running::Kcm(self.start_kcm(&self.controllers).await?),
            (Holder::Subject, Subject::Kcm { left_out }) => {
                let controllers = left_out.map(|left_out| self.controllers.without(left_out));
                Running::Kcm(
                    self.start_kcm(controllers.as_ref().unwrap_or(&self.controllers))
                        .await?,
                )
            }
            (Holder::Subject, Subject::Quaymaster { binary, environment }) => {
                Running::Quaymaster(self.start_quaymaster(&binary, &environment).await?)
            }
        });
        self.holds.push(Hold {
            holder,
            after,
            from,
            until: None,
            started,
            ended: None,
        });
        Ok(())
    }

    async fn start_kcm(&self, controllers: &Controllers) -> Result<Kcm> {
        let mut arguments = KCM_ARGS.map(str::to_owned).to_vec();
        arguments.push(format!("--max-endpoints-per-slice={}", self.max_endpoints));
        arguments.push(format!(
            "--mirroring-max-endpoints-per-subset={}",
            self.max_mirrored
        ));
        let controllers = controllers.names();
        // It takes an empty list for the default.
        let controllers = if controllers.is_empty() {
            vec!["-*"]
        } else {
            controllers
        };
        Ok(self.servers.start_kcm_with(&controllers, &arguments).await?)
    }

    async fn start_quaymaster(&self, binary: &Path, environment: &[(String, String)]) -> Result<Quaymaster> {
        let log = self
            .servers
            .logs()
            .join(format!("quaymaster-{}.log", self.holds.len()));
        let mut launch = Launch::new(binary, log)
            .connect(self.servers.kubeconfig())?
            .arg(format!("--controllers={}", self.controllers.names().join(",")));
        for (name, value) in environment {
            launch = launch.env(name, value);
        }
        if self.controllers.has(Controller::EndpointSlice) {
            launch = launch.arg(format!("--max-endpoints-per-slice={}", self.max_endpoints));
        }
        if self.controllers.has(Controller::Mirroring) {
            launch = launch.arg(format!(
                "--mirroring-max-endpoints-per-subset={}",
                self.max_mirrored
            ));
        }
        launch.start_ready(READY_LIMIT).await.map_err(not_started)
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
                    let tail = quaymaster.server().log_tail(20);
                    return Err(SubjectFailure::Ended { status, tail }.into());
                }
                quaymaster.server().terminate(STOP_GRACE).await?;
            }
            None => {}
        }
        let now = self.recorder.now();
        if let Some(hold) = self.holds.last_mut() {
            hold.until.get_or_insert(now);
            hold.ended.get_or_insert_with(Timestamp::now);
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

    pub(crate) fn controllers(&self) -> &Controllers {
        &self.controllers
    }

    pub(crate) fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Whether the entry is a change that this holder asked for, granted or not.
    fn wrote(&self, entry: &Entry, holder: Holder) -> bool {
        entry.is_complete() && entry.is_write() && self.subject.wrote(holder, entry)
    }

    /// Changes of what is kept that a holder has asked for since, granted or not.
    pub(crate) fn kept_writes(&self, since: Mark, holder: Holder) -> Result<Vec<Entry>> {
        let mut entries = self.servers.audit().entries_since(since)?;
        let kept = |entry: &Entry| kept_by(&self.controllers).any(|kept| kept.resource == entry.resource());
        entries.retain(|entry| self.wrote(entry, holder) && kept(entry));
        Ok(entries)
    }

    /// All that either of them has ever asked to change here.
    pub(crate) fn writes(&self) -> Result<Vec<Entry>> {
        let mut entries = self.servers.audit().entries()?;
        entries.retain(|entry| self.wrote(entry, Holder::Kcm) || self.wrote(entry, Holder::Subject));
        Ok(entries)
    }

    /// How the controllers that mirror are set up here.
    pub(crate) fn mirroring(&self) -> mirroring::Config {
        mirroring::Config {
            max_endpoints_per_subset: self.max_mirrored,
            minor: self.minor,
        }
    }

    /// Of which Services who held last was refused what the other one would not have asked for.
    pub(crate) fn refused(&self) -> Result<Refused> {
        let entries = self.servers.audit().entries_since(self.held_since)?;
        let mut refused = Refused::default();
        for entry in &entries {
            let namespace = entry.namespace();
            match (entry.resource(), entry.verb.as_str(), entry.code()) {
                (SLICES, "create", 409) => {
                    let service = handover::service_asked(entry);
                    refused.slices.insert(format!("{namespace}/{service}"));
                }
                (ENDPOINTS, "create" | "update", 422) => {
                    refused.endpoints.insert(format!("{namespace}/{}", entry.name()));
                }
                _ => {}
            }
        }
        Ok(refused)
    }

    /// What there is now.
    pub(crate) async fn snapshot(&self) -> Result<Snapshot> {
        Snapshot::read(&self.client, &self.recorder.families()).await
    }

    /// What steps did to kept objects here.
    pub(crate) fn edits(&self) -> MutexGuard<'_, Edits> {
        self.edits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies the logs to where they stay, and gives the place.
    pub(crate) fn keep_logs(&self) -> std::io::Result<PathBuf> {
        self.servers.copy_logs()
    }
}
