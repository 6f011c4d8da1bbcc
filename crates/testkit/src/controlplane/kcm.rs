//! kube-controller-manager beside the apiserver.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};
use std::{fs, io};

use super::ControlPlaneError;
use super::start::exit_error;
use crate::server::Server;

/// What KCM logs when its first controller starts: up to 1.34 and from 1.35 on.
const STARTED: [&str; 2] = ["Started controller", "Controller starting..."];
/// A KCM that neither logs one of these nor ends within this time is taken as started: a later version may use
/// other words.
const START_LIMIT: Duration = Duration::from_secs(10);
const START_POLL: Duration = Duration::from_millis(20);
/// How long KCM may take to end on SIGTERM.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// A running kube-controller-manager. It ends with the handle.
#[derive(Debug)]
pub struct Kcm {
    server: Server,
}

/// What a KCM is started with.
#[derive(Debug)]
pub(super) struct Launch<'a> {
    pub(super) program: &'a Path,
    pub(super) kubeconfig: &'a Path,
    pub(super) controllers: &'a [String],
    pub(super) feature_gates: Option<String>,
    pub(super) args: &'a [String],
    pub(super) log: PathBuf,
}

impl Launch<'_> {
    /// Starts KCM and waits until its controllers start.
    pub(super) async fn start(self) -> Result<Kcm, ControlPlaneError> {
        let mut command = Command::new(self.program);
        command
            .arg(format!("--kubeconfig={}", self.kubeconfig.display()))
            .arg(format!("--controllers={}", self.controllers.join(",")))
            .arg("--leader-elect=false")
            .arg("--secure-port=0")
            // The level at which newer versions say that a controller starts; at --v=1 every flag is printed too.
            .arg("--vmodule=controllermanager=1")
            .args(self.feature_gates)
            .args(self.args);
        let mut server = Server::start("kube-controller-manager", command, self.log)
            .map_err(ControlPlaneError::io("starting kube-controller-manager"))?;
        let deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline {
            let log = fs::read_to_string(server.log()).unwrap_or_default();
            if STARTED.iter().any(|line| log.contains(line)) {
                break;
            }
            if let Some(status) = server.exited() {
                return Err(exit_error(&server, status));
            }
            tokio::time::sleep(START_POLL).await;
        }
        Ok(Kcm { server })
    }
}

impl Kcm {
    /// The process: its id, log, memory, CPU time and signals.
    pub fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Asks KCM to end (SIGTERM) and waits; one that hangs is killed.
    pub async fn stop(mut self) -> io::Result<ExitStatus> {
        self.server.terminate(STOP_GRACE).await
    }

    /// Kills KCM (SIGKILL).
    pub fn kill(mut self) -> io::Result<ExitStatus> {
        self.server.kill()
    }
}
