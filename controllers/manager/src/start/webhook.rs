//! The server of admission reviews.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use quaymaster_admission::Services;
use quaymaster_ipam::Shared;
use quaymaster_runtime::client::{Connection, UserAgent};
use quaymaster_runtime::metrics::Registry;
use quaymaster_runtime::permit::Permits;
use quaymaster_webhook::metrics::WebhookMetrics;
use quaymaster_webhook::{Certificates, Identity, Server, Settings};
use tokio_util::sync::CancellationToken;

use super::{keep, replicas};
use crate::flags::Flags;

/// How often the files of the certificate are looked at: those of a Secret that is mounted change by themselves.
const LOOK: Duration = Duration::from_secs(10);

/// Where the certificate is.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// Answers reviews until `cancel`; where no port is given does nothing until then.
pub(super) async fn serve(
    flags: &Flags,
    connection: &Connection,
    agent: &UserAgent,
    index: &Shared,
    registry: &Registry,
    permits: &Permits,
    cancel: &CancellationToken,
) -> anyhow::Result<()> {
    let namespace = &flags.election.leader_elect_resource_namespace;
    let flags = &flags.webhook;
    if flags.webhook_port == 0 {
        cancel.cancelled().await;
        return Ok(());
    }
    let files = match (&flags.webhook_cert_file, &flags.webhook_key_file) {
        (Some(certificate), Some(key)) => Some(Files {
            certificate: certificate.clone(),
            key: key.clone(),
        }),
        _ if flags.webhook_secret.is_some() => None,
        _ => bail!(
            "--webhook-port: give --webhook-secret as well, or --webhook-cert-file and --webhook-key-file"
        ),
    };
    let certificates = Certificates::new();
    if let Some(files) = &files {
        files.present(&certificates).await?;
    }
    let metrics = WebhookMetrics::register(registry, &certificates);
    let address = SocketAddr::new(flags.webhook_bind_address, flags.webhook_port);
    let server = Server::bind(address, certificates.clone(), metrics, Settings::default())
        .await
        .context("choose another --webhook-bind-address or --webhook-port")?;
    let Some(claims) = replicas::join(connection, agent, namespace, index, cancel).await? else {
        return Ok(());
    };
    tracing::info!(address = %server.address()?, "answering admission reviews");
    let services = Arc::new(Services::new(Arc::clone(index), Instant::now, Some(claims)));
    let keep = keep::keep(flags, connection, agent, index, permits, &certificates)?;
    let follow = async {
        match &files {
            Some(files) => files.follow(&certificates).await,
            None => std::future::pending().await,
        }
    };
    tokio::join!(
        server.serve(services, cancel.clone()),
        cancel.run_until_cancelled(follow),
        cancel.run_until_cancelled(keep),
    );
    Ok(())
}

impl Files {
    /// Presents the certificate as it is in the files now.
    async fn present(&self, certificates: &Certificates) -> anyhow::Result<bool> {
        let read = async |file: &PathBuf, flag: &str| {
            let content = tokio::fs::read(file).await;
            content.with_context(|| format!("--{flag}: {} cannot be read", file.display()))
        };
        let certificate = read(&self.certificate, "webhook-cert-file").await?;
        let key = read(&self.key, "webhook-key-file").await?;
        Ok(certificates.set(&Identity::from_pem(&certificate, &key)?)?)
    }

    /// Presents what the files become.
    async fn follow(&self, certificates: &Certificates) {
        loop {
            tokio::time::sleep(LOOK).await;
            match self.present(certificates).await {
                Ok(true) => tracing::info!("the webhook presents another certificate from now on"),
                Ok(false) => {}
                // The two files change one after the other.
                Err(error) => tracing::warn!(
                    error = format!("{error:#}"),
                    "the webhook's certificate cannot be read again: the one of before stays"
                ),
            }
        }
    }
}
