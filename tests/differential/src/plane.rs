//! One control plane and the controller that keeps its slices.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context as _, Result};
use http::Request;
use kube::Client;
use quaymaster_testkit::process::{Launch, Quaymaster};
use quaymaster_testkit::{ControlPlane, Kcm};

use crate::record::Recorder;
use crate::trace::Edits;

/// KCM at its default of 20 requests a second would be waited for most of the time.
const KCM_ARGS: [&str; 3] = [
    "--kube-api-qps=1000",
    "--kube-api-burst=2000",
    "--concurrent-service-endpoint-syncs=10",
];
/// How the apiserver's metrics name writes.
const WRITES: [&str; 5] = [
    r#"verb="POST""#,
    r#"verb="PUT""#,
    r#"verb="PATCH""#,
    r#"verb="DELETE""#,
    r#"verb="DELETECOLLECTION""#,
];
const READY_LIMIT: Duration = Duration::from_mins(1);
const STOP_GRACE: Duration = Duration::from_secs(20);

/// Who keeps the slices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// `endpointslice-controller` of kube-controller-manager.
    Kcm,
    /// This project.
    Quaymaster,
}

enum Running {
    Kcm(Kcm),
    Quaymaster(Quaymaster),
}

/// A control plane, an observer of it, and its controller when that runs.
pub struct Plane {
    servers: ControlPlane,
    /// The administrator's client.
    pub client: Client,
    pub(crate) recorder: Recorder,
    /// What steps did to slices here.
    pub(crate) edits: Mutex<Edits>,
    binary: PathBuf,
    max_endpoints: usize,
    running: Option<Running>,
    starts: usize,
}

impl Plane {
    /// Starts a control plane without a slice controller.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn start(minor: Option<&str>, binary: &Path, max_endpoints: usize) -> Result<Self> {
        let mut builder = ControlPlane::builder()
            .service_cidrs(["10.96.0.0/16", "fd00:96::/108"])
            // Thousands of objects in a few seconds, by one user: its share of the apiserver is not the subject.
            .extra_apiserver_args([
                "--enable-priority-and-fairness=false",
                "--max-requests-inflight=0",
            ]);
        if let Some(minor) = minor {
            builder = builder.minor(minor);
        }
        let servers = builder.start().await.context("starting a control plane")?;
        let client = servers.client().await?;
        let recorder = Recorder::start(&client);
        Ok(Self {
            servers,
            client,
            recorder,
            edits: Mutex::default(),
            binary: binary.to_owned(),
            max_endpoints,
            running: None,
            starts: 0,
        })
    }

    /// Starts the controller, and waits until it works.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn hold(&mut self, holder: Holder) -> Result<()> {
        let max = format!("--max-endpoints-per-slice={}", self.max_endpoints);
        self.starts += 1;
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
                // Free a moment ago; if another process takes it first, quaymaster says so and the run ends.
                let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
                let log = self
                    .servers
                    .logs()
                    .join(format!("quaymaster-{}.log", self.starts));
                let mut quaymaster = Launch::new(&self.binary, log)
                    .arg("--kubeconfig")
                    .arg(self.servers.kubeconfig())
                    .arg(format!("--port={port}"))
                    .arg(max)
                    .start()?;
                quaymaster
                    .wait_ready(&format!("http://127.0.0.1:{port}/readyz"), READY_LIMIT)
                    .await?;
                Running::Quaymaster(quaymaster)
            }
        });
        Ok(())
    }

    /// Ends the controller in order.
    ///
    /// # Errors
    /// Where it had already ended, or does not end.
    pub async fn release(&mut self) -> Result<()> {
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
        Ok(())
    }

    /// Requests so far that ask for a change of slices, granted or not, by the apiserver's own count.
    ///
    /// # Errors
    /// Where the apiserver does not tell.
    pub async fn slice_writes(&self) -> Result<u64> {
        let request = Request::get("/metrics").body(Vec::new())?;
        let text = self.client.request_text(request).await?;
        let counts = text.lines().filter(|line| {
            line.starts_with("apiserver_request_total{")
                && line.contains(r#"resource="endpointslices""#)
                && WRITES.iter().any(|verb| line.contains(verb))
        });
        let count = |line: &str| line.rsplit(' ').next()?.parse::<u64>().ok();
        counts
            .map(|line| count(line).with_context(|| format!("no count in {line:?}")))
            .sum()
    }

    /// Copies the logs to where they stay.
    pub fn keep_logs(&self) {
        self.servers.keep_logs();
    }
}
