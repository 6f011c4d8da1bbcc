//! The controllers under measurement.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use kube::Client;
use kube::config::Config;
use quaymaster_testkit::process::{Launch, Quaymaster};
use quaymaster_testkit::{ControlPlane, Kcm};

/// How long reading the cluster may take.
const READY_LIMIT: Duration = Duration::from_mins(2);

/// What KCM is given: no limit of requests, and as many workers as it permits.
const KCM_ARGUMENTS: [&str; 5] = [
    "--kube-api-qps=10000",
    "--kube-api-burst=10000",
    "--concurrent-service-endpoint-syncs=50",
    "--concurrent-endpoint-syncs=50",
    "--mirroring-concurrent-service-endpoint-syncs=50",
];

/// Controllers that run on either side, by the names of both.
pub(crate) const SLICES: &[&str] = &["endpointslice-controller"];
/// See [`SLICES`].
pub(crate) const FAMILY: &[&str] = &[
    "endpoints-controller",
    "endpointslice-controller",
    "endpointslice-mirroring-controller",
    "service-cidr-controller",
];

/// Quaymaster, ready.
pub(crate) struct Ours {
    pub(crate) process: Quaymaster,
    /// From the start of the process to `/readyz`.
    pub(crate) ready_after: Duration,
    metrics: Client,
}

impl Ours {
    pub(crate) async fn start(
        plane: &ControlPlane,
        binary: &Path,
        controllers: &[&str],
        log: &str,
    ) -> Result<Self> {
        let launch = Launch::new(binary, plane.logs().join(log))
            .connect(plane.kubeconfig())?
            .arg(format!("--controllers={}", controllers.join(",")));
        let begun = Instant::now();
        let process = launch.start_ready(READY_LIMIT).await?;
        let ready_after = begun.elapsed();
        let mut config = Config::new(process.url("").parse()?);
        config.proxy_url = None;
        Ok(Self {
            process,
            ready_after,
            metrics: Client::try_from(config)?,
        })
    }

    /// Writes of slices so far, mirrored ones included, as the metrics tell.
    pub(crate) async fn writes(&self) -> Result<f64> {
        let text = self
            .metrics
            .request_text(http::Request::get("/metrics").body(Vec::new())?)
            .await
            .context("reading /metrics")?;
        Ok(changes(&text))
    }

    pub(crate) async fn stop(mut self) -> Result<()> {
        self.process.server().terminate(Duration::from_secs(10)).await?;
        Ok(())
    }
}

/// Sum of the counters of changes of both controllers of slices over their labels.
fn changes(metrics: &str) -> f64 {
    metrics
        .lines()
        .filter(|line| {
            line.starts_with("endpoint_slice_controller_changes{")
                || line.starts_with("endpoint_slice_mirroring_controller_changes{")
        })
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum()
}

/// Starts KCM with these controllers alone.
pub(crate) async fn kcm(plane: &ControlPlane, controllers: &[&str]) -> Result<Kcm> {
    Ok(plane.start_kcm_with(controllers, &KCM_ARGUMENTS).await?)
}

/// The version that the apiserver reports.
pub(crate) async fn version(client: &Client) -> Result<String> {
    Ok(client.apiserver_version().await?.git_version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_summed_over_operations() {
        let text = "# TYPE endpoint_slice_controller_changes counter\n\
                    endpoint_slice_controller_changes{operation=\"create\"} 7\n\
                    endpoint_slice_controller_changes{operation=\"update\"} 5\n\
                    endpoint_slice_mirroring_controller_changes{operation=\"update\"} 3\n\
                    endpoint_slice_controller_syncs{result=\"success\"} 100\n";
        assert!((changes(text) - 15.0).abs() < 1e-9);
    }
}
