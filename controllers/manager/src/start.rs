//! From flags to a running engine.

mod election;
mod reach;
mod replicas;
mod upgrade;
mod webhook;

use std::net::SocketAddr;
use std::pin::pin;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use quaymaster_engine::{Engine, EngineError, Options};
use quaymaster_model::{KubernetesVersion, UpstreamRules};
use quaymaster_runtime::admin::AdminServer;
use quaymaster_runtime::client::{Connection, Source, UserAgent};
use quaymaster_runtime::health::Health;
use quaymaster_runtime::metrics::{BuildInfo, ProcessCollector, Registry};
use quaymaster_runtime::shutdown;
use quaymaster_runtime::version::{ServerVersion, Support};
use tokio_util::sync::CancellationToken;

use self::election::Election;
use crate::controllers::{self, Built, Part, Setting};
use crate::flags::Flags;
use crate::{logging, permissions};

/// Wrong flags or settings: what clap itself exits with.
pub(crate) const EXIT_USAGE: u8 = 2;

/// Runs until a signal. Errors are one line, causes included, in the form of the logs.
pub(crate) async fn run(flags: Flags) -> ExitCode {
    let format = flags.logging.log_format;
    let selected = match controllers::of(&flags) {
        Ok(selected) => selected,
        Err(error) => {
            logging::fatal(format, &error.to_string());
            return ExitCode::from(EXIT_USAGE);
        }
    };
    match Box::pin(serve(flags, selected)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logging::fatal(format, &format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn serve(flags: Flags, selected: Vec<&'static Part>) -> anyhow::Result<()> {
    let cancel = shutdown::on_signal(logging::flush_at_once).context("cannot listen for signals")?;
    let version = env!("CARGO_PKG_VERSION");
    let registry = Registry::new();
    BuildInfo::register(
        &registry,
        version,
        option_env!("QUAYMASTER_REVISION").unwrap_or("unknown"),
    );
    registry.register_collector(ProcessCollector);
    logging::register(&registry);
    let health = Health::default();
    // Not ready while the apiserver is looked for: what is to be read is registered only later.
    let started = health.condition("started");
    let admin = serve_admin(&flags, &health, &registry, &cancel).await?;

    let source = flags
        .cluster
        .kubeconfig
        .clone()
        .map_or(Source::Environment, Source::Kubeconfig);
    let connection = Connection::load(&source).map_err(|error| anyhow::anyhow!(error.line()))?;
    let holder = flags.cluster.holder.clone().unwrap_or_else(default_holder);
    let agent = UserAgent {
        version: version.to_owned(),
        controller: "manager".to_owned(),
        holder: holder.clone(),
    };
    let client = connection
        .client(&agent)
        .map_err(|error| anyhow::anyhow!(error.line()))?;
    let limit = flags.cluster.start_timeout;
    let Some(server) = reach::reach(&client, &connection, limit, &started, &cancel).await? else {
        return Ok(());
    };
    if server.support()? == Support::Newer {
        tracing::warn!(version = %server, "this Kubernetes is newer than any this build was tested with");
    }
    let rules = UpstreamRules::of(KubernetesVersion { minor: server.minor });
    tracing::info!(
        version,
        server = connection.server(),
        kubernetes = %server,
        holder,
        controllers = ?selected,
        "starting"
    );
    let credentials = connection.credentials();
    let needs = permissions::together(selected.iter().map(|part| part.needs));
    permissions::check(&client, &needs, credentials.as_deref()).await;

    let address = connection.server();
    let election = Election::begin(&flags.election, &connection, &agent, &cancel)?;
    let options = Options {
        connection: connection.clone(),
        version: version.to_owned(),
        holder,
        permits: election.permits.clone(),
        registry: registry.clone(),
        health: health.clone(),
        watch: quaymaster_watch::Config::default(),
    };
    // Before anything holds, or the process would look ready for a moment.
    let answering = (flags.webhook.webhook_port != 0).then(|| health.condition("admission reviews answered"));
    let mut engine = Engine::new(options);
    let index = quaymaster_ipam::Shared::default();
    let setting = Setting {
        flags: &flags,
        rules,
        registry: &registry,
        index: &index,
    };
    for part in selected {
        let Built {
            controller,
            registration,
        } = (part.build)(&setting);
        engine = engine.with(controller, registration);
    }
    started.hold();
    // What is in use is read meanwhile.
    let process = webhook::Process {
        index: &index,
        registry: &registry,
        connection: &connection,
        client: &client,
        agent: &agent,
        namespace: &flags.election.leader_elect_resource_namespace,
        permits: &election.permits,
        answering,
        cancel: &cancel,
    };
    let webhook = webhook::serve(&flags.webhook, process);
    let work = work(engine, upgrade::noticed(&client, &address, rules), &cancel);
    let ended = together(Box::pin(work), Box::pin(webhook), &cancel).await;
    // Whatever ended it: a Lease that is held is given back.
    let election = election.ended().await;
    let upgraded = ended?;
    tracing::info!("stopped");
    stopped(admin).await?;
    election?;
    if let Some(now) = upgraded {
        bail!("the apiserver was Kubernetes {server} and is {now} now: start again to follow its rules");
    }
    Ok(())
}

/// Waits until health and metrics are served no more.
async fn stopped(admin: Option<AdminTask>) -> anyhow::Result<()> {
    if let Some(admin) = admin {
        admin.await.context("the health and metrics server broke")??;
    }
    Ok(())
}

/// Both until they end; whatever ends one of them, the process does not go on without it.
async fn together<T>(
    work: impl Future<Output = anyhow::Result<T>>,
    webhook: impl Future<Output = anyhow::Result<()>>,
    cancel: &CancellationToken,
) -> anyhow::Result<T> {
    let (done, webhook) = tokio::join!(
        async {
            let ended = work.await;
            cancel.cancel();
            ended
        },
        async {
            let ended = webhook.await;
            cancel.cancel();
            ended
        }
    );
    let done = done?;
    webhook?;
    Ok(done)
}

/// Until a signal, or until the apiserver is of another version: then that one is returned, and all is cancelled.
async fn work(
    engine: Engine,
    upgraded: impl Future<Output = ServerVersion>,
    cancel: &CancellationToken,
) -> anyhow::Result<Option<ServerVersion>> {
    let mut run = pin!(engine.run(cancel.clone()));
    let (result, upgraded) = tokio::select! {
        result = &mut run => (result, None),
        found = upgraded => {
            cancel.cancel();
            (run.await, Some(found))
        }
    };
    result.map_err(|EngineError::Connect(error)| anyhow::anyhow!(error.line()))?;
    Ok(upgraded)
}

type AdminTask = tokio::task::JoinHandle<Result<(), quaymaster_runtime::admin::AdminError>>;

async fn serve_admin(
    flags: &Flags,
    health: &Health,
    registry: &Registry,
    cancel: &CancellationToken,
) -> anyhow::Result<Option<AdminTask>> {
    if flags.admin.port == 0 {
        return Ok(None);
    }
    let address = SocketAddr::new(flags.admin.bind_address, flags.admin.port);
    let server = AdminServer::bind(address, health.clone(), registry.clone())
        .await
        .context("choose another --bind-address or --port, or --port=0 for none")?;
    tracing::info!(address = %server.address()?, "serving health and metrics");
    Ok(Some(tokio::spawn(server.serve(cancel.clone()))))
}

fn default_holder() -> String {
    let host = std::env::var("HOSTNAME")
        .ok()
        .or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".to_owned());
    format!("{host}_{}", std::process::id())
}
