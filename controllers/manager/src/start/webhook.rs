//! The server of admission reviews.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use k8s_openapi::jiff::Timestamp;
use quaymaster_admission::{Authority, Clocks, Keep, Keeper, Services, TURN};
use quaymaster_ipam::Shared;
use quaymaster_runtime::client::{Connection, UserAgent};
use quaymaster_runtime::health::Condition;
use quaymaster_runtime::metrics::Registry;
use quaymaster_runtime::permit::Permits;
use quaymaster_webhook::authority::Names;
use quaymaster_webhook::metrics::WebhookMetrics;
use quaymaster_webhook::rotation::Policy;
use quaymaster_webhook::{Certificates, Identity, Server, Settings};
use tokio_util::sync::CancellationToken;

use super::replicas;
use crate::flags::WebhookFlags;

/// How often the files of the certificate are looked at: those of a Secret that is mounted change by themselves.
const LOOK: Duration = Duration::from_secs(10);

/// How often it is looked whether there is a certificate.
const SOON: Duration = Duration::from_millis(100);

/// What of the process the webhook uses.
pub(super) struct Process<'a> {
    pub(super) index: &'a Shared,
    pub(super) registry: &'a Registry,
    pub(super) connection: &'a Connection,
    pub(super) client: &'a kube::Client,
    pub(super) agent: &'a UserAgent,
    /// Where replicas make themselves known to each other.
    pub(super) namespace: &'a str,
    pub(super) permits: &'a Permits,
    /// Holds once reviews are answered.
    pub(super) answering: Option<Condition>,
    pub(super) cancel: &'a CancellationToken,
}

/// Where the certificate is.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// Answers reviews until `cancel`; where no port is given does nothing until then.
pub(super) async fn serve(flags: &WebhookFlags, process: Process<'_>) -> anyhow::Result<()> {
    let cancel = process.cancel;
    if flags.webhook_port == 0 {
        cancel.cancelled().await;
        return Ok(());
    }
    let certificates = Certificates::new();
    match (
        &flags.webhook_cert_file,
        &flags.webhook_key_file,
        &flags.webhook_secret,
    ) {
        (Some(certificate), Some(key), _) => {
            let (certificate, key) = (certificate.clone(), key.clone());
            let files = Files { certificate, key };
            files.present(&certificates).await?;
            let (watched, certificates) = (cancel.clone(), certificates.clone());
            tokio::spawn(async move {
                let _ = watched.run_until_cancelled(files.follow(&certificates)).await;
            });
        }
        (_, _, Some(_)) => {}
        _ => bail!(
            "--webhook-port: give --webhook-secret as well, or --webhook-cert-file and --webhook-key-file"
        ),
    }
    let metrics = WebhookMetrics::register(process.registry, &certificates);
    let address = SocketAddr::new(flags.webhook_bind_address, flags.webhook_port);
    let server = Server::bind(address, certificates.clone(), metrics, Settings::default())
        .await
        .context("choose another --webhook-bind-address or --webhook-port")?;
    // It may be what the answers of this process and of others hang on: so first of all.
    keep(flags, &process, certificates.clone());
    let Some(claims) = replicas::join(
        process.connection,
        process.agent,
        process.namespace,
        process.index,
        cancel,
    )
    .await?
    else {
        return Ok(());
    };
    tracing::info!(address = %server.address()?, "answering admission reviews");
    let services = Services::new(Arc::clone(process.index), Instant::now, Some(claims));
    let ready = async {
        while certificates.not_after().is_none() {
            tokio::time::sleep(SOON).await;
        }
        if let Some(answering) = &process.answering {
            answering.hold();
        }
    };
    tokio::join!(
        server.serve(Arc::new(services), cancel.clone()),
        cancel.run_until_cancelled(ready)
    );
    Ok(())
}

/// Begins to keep what the webhook needs in the cluster.
fn keep(flags: &WebhookFlags, process: &Process<'_>, certificates: Certificates) {
    if flags.webhook_configuration.is_empty() && flags.webhook_secret.is_none() {
        return;
    }
    let own = flags.webhook_secret.iter().chain(&flags.webhook_service);
    let mut exempt: Vec<String> = flags
        .webhook_exempt_namespaces
        .iter()
        .chain(own.map(|own| &own.namespace))
        .filter(|namespace| !namespace.is_empty())
        .cloned()
        .collect();
    exempt.sort();
    exempt.dedup();
    let names = flags
        .webhook_service
        .as_ref()
        .map(|service| Names::service(&service.namespace, &service.name));
    let keep = Keep {
        configuration: flags.webhook_configuration.clone(),
        exempt,
        authority: flags.webhook_secret.as_ref().map(|secret| Authority {
            namespace: secret.namespace.clone(),
            name: secret.name.clone(),
            policy: Policy::new(names.unwrap_or_default()),
        }),
        turn: TURN,
    };
    let permits = process.permits.clone();
    let keeper = Keeper::new(
        keep,
        process.client.clone(),
        Arc::clone(process.index),
        certificates,
        Box::new(move || permits.current().is_valid(Instant::now())),
        Clocks {
            at: Instant::now,
            wall: Timestamp::now,
        },
    );
    let (wake, mut terms) = (keeper.wake(), process.permits.clone());
    let follow = async move {
        loop {
            terms.next().await;
            wake.notify_one();
        }
    };
    let cancel = process.cancel.clone();
    tokio::spawn(async move { cancel.run_until_cancelled(follow).await });
    tokio::spawn(keeper.run(process.cancel.clone()));
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
