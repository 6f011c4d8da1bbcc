//! Putting the loop together.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kube::runtime::events::Reporter;
use quaymaster_model::Interner;
use quaymaster_runtime::api::{DEFAULT_TIMEOUT, Writer};
use quaymaster_runtime::client::{ConnectError, Connection, UserAgent};
use quaymaster_runtime::events::EventSink;
use quaymaster_runtime::health::Health;
use quaymaster_runtime::metrics::{EventMetrics, QueueMetrics, Registry, WriteMetrics};
use quaymaster_runtime::permit::Permit;
use quaymaster_runtime::pool::WritePool;
use quaymaster_wire::json::Json;
use quaymaster_world::{Kind, World};
use tokio_util::sync::CancellationToken;

use crate::controller::Controller;
use crate::core::{self, Core, Seat, TICK};
use crate::feed;
use crate::watch_metrics::WatchCollector;

/// A core that has not given a sign of life for this long is held for dead. It gives one each second; the longest it
/// ever worked at a stretch is a start over a very large cluster.
const HEARTBEAT_LIMIT: Duration = Duration::from_secs(60).saturating_add(TICK);

/// Hard bound of writes in flight, twice what the adaptive limit ever allows.
const POOL_BOUND: usize = 128;

/// What a process gives its engine.
#[derive(Debug)]
pub struct Options {
    /// How the apiserver is reached. Watches, writes and Events each get connections of their own.
    pub connection: Connection,
    /// Who is to be seen at work in audit logs: the build's version.
    pub version: String,
    /// Identity of this replica.
    pub holder: String,
    /// Who may write, and until when.
    pub permit: Permit,
    /// Where metrics go.
    pub registry: Registry,
    /// Where readiness goes.
    pub health: Health,
    /// Settings of the watches.
    pub watch: quaymaster_watch::Config,
}

/// A controller with the names that belong to it.
pub struct Engine {
    options: Options,
    controllers: Vec<Registered>,
}

struct Registered {
    controller: Box<dyn Controller>,
    queue: &'static str,
    reporter: &'static str,
}

/// Why the engine could not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The apiserver's address or the credentials are of no use.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self
            .controllers
            .iter()
            .map(|registered| registered.controller.name())
            .collect();
        f.debug_struct("Engine")
            .field("controllers", &names)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine without controllers.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            controllers: Vec::new(),
        }
    }

    /// Adds a controller. `queue` is the name of its queue in metrics, `reporter` the component its Events come from:
    /// both as kube-controller-manager has them, where it has them.
    #[must_use]
    pub fn with(
        mut self,
        controller: Box<dyn Controller>,
        queue: &'static str,
        reporter: &'static str,
    ) -> Self {
        self.controllers.push(Registered {
            controller,
            queue,
            reporter,
        });
        self
    }

    /// Reads and writes until `cancel` fires. Writes in flight then are given up; what they did is found at the next
    /// start.
    pub async fn run(self, cancel: CancellationToken) -> Result<(), EngineError> {
        let Self { options, controllers } = self;
        let Options {
            connection,
            version,
            holder,
            permit,
            registry,
            health,
            watch,
        } = options;
        let agent = |controller: &str| UserAgent {
            version: version.clone(),
            controller: controller.to_owned(),
            holder: holder.clone(),
        };
        let names: Vec<&str> = controllers
            .iter()
            .map(|registered| registered.controller.name())
            .collect();
        let names = names.join(",");

        let kinds: BTreeSet<Kind> = controllers
            .iter()
            .flat_map(|registered| registered.controller.reads())
            .copied()
            .collect();
        let kinds: Vec<Kind> = kinds.into_iter().collect();
        let synced = kinds
            .iter()
            .map(|kind| (*kind, health.condition(format!("{} read", feed::resource(*kind)))))
            .collect();
        let interner = Arc::new(Interner::new());
        let reader = connection.client(&agent(&names))?;
        let feed = feed::start(&reader, &kinds, &interner, &watch, &cancel);
        registry.register_collector(WatchCollector(feed.stats));

        let writer = Writer::new(connection.client(&agent(&names))?, DEFAULT_TIMEOUT);
        let (pool, answers) = WritePool::new(writer, POOL_BOUND);
        let queue_metrics = QueueMetrics::register(&registry);
        let event_metrics = EventMetrics::register(&registry);
        let mut seats = Vec::with_capacity(controllers.len());
        for (at, registered) in controllers.into_iter().enumerate() {
            let events = EventSink::start(
                connection.client(&agent(registered.controller.name()))?,
                Reporter {
                    controller: registered.reporter.to_owned(),
                    instance: Some(holder.clone()),
                },
                permit.clone(),
                event_metrics.clone(),
                cancel.clone(),
            );
            let handles = queue_metrics.for_queue(registered.queue);
            seats.push(Seat::new(
                registered.controller,
                handles,
                events,
                seed(&holder, at),
            ));
        }
        let core = Core {
            world: World::new(),
            seats,
            limit: core::limit(),
            pool,
            permit,
            slices: Json::new(Arc::clone(&interner)),
            interner,
            write_metrics: WriteMetrics::register(&registry),
            heartbeat: health.heartbeat("core", HEARTBEAT_LIMIT),
            synced,
            ticks: 0,
        };
        core.run(feed.told, answers, cancel).await;
        Ok(())
    }
}

/// Replicas that fail together should not try again together.
fn seed(holder: &str, at: usize) -> u64 {
    holder.bytes().fold(at as u64, |seed, byte| {
        seed.wrapping_mul(31).wrapping_add(u64::from(byte))
    })
}
