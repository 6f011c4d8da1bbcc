//! The binary as a running process.

use std::path::Path;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use quaymaster_testkit::ControlPlane;
use quaymaster_testkit::process::{Launch, Quaymaster};

use super::{SOON, binary};

/// The user that the binary runs as, and is found by in the audit log.
pub(crate) const USER: &str = "quaymaster";

/// How long the binary may take to end after SIGTERM: what a Pod gets by default.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A running binary that serves health and metrics. It ends with the handle.
#[derive(Debug)]
pub(crate) struct Manager {
    pub(crate) process: Quaymaster,
    pub(crate) port: u16,
    pub(crate) holder: String,
}

impl Manager {
    /// Starts the binary and waits until it has read everything.
    pub(crate) async fn start(plane: &ControlPlane, kubeconfig: &Path, args: &[&str]) -> Self {
        let mut manager = Self::launch(plane, kubeconfig, args);
        let url = manager.process.url("/readyz");
        manager.process.wait_ready(&url, SOON).await.unwrap();
        manager
    }

    /// Starts the binary; `--port` among `args` replaces the port of its own.
    pub(crate) fn launch(plane: &ControlPlane, kubeconfig: &Path, args: &[&str]) -> Self {
        static HOLDERS: AtomicU32 = AtomicU32::new(0);
        let holder = format!("suite-{}", HOLDERS.fetch_add(1, Ordering::Relaxed));
        let process = Launch::new(binary(), plane.logs().join(format!("quaymaster-{holder}.log")))
            .connect(kubeconfig)
            .unwrap()
            .arg(format!("--holder={holder}"))
            .arg("--log-format=json")
            .args(args.iter().copied())
            .start()
            .unwrap();
        Self {
            port: process.port(),
            process,
            holder,
        }
    }

    /// Asks it to end (SIGTERM), which it must do by itself and soon.
    pub(crate) async fn stop(mut self) -> ExitStatus {
        let status = self.process.server().terminate(STOP_LIMIT).await.unwrap();
        assert!(status.success(), "after SIGTERM: {status}; {}", self.log());
        status
    }

    /// Everything it printed.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.process.log()).unwrap_or_default()
    }

    /// The lines at a level such as `ERROR`.
    pub(crate) fn lines(&self, level: &str) -> Vec<String> {
        let level = format!("\"level\":\"{level}\"");
        self.log()
            .lines()
            .filter(|line| line.contains(&level))
            .map(str::to_owned)
            .collect()
    }
}
