//! Putting the loop together.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use kube::runtime::events::Reporter;
use quaymaster_model::Interner;
use quaymaster_runtime::api::{DEFAULT_TIMEOUT, Writer};
use quaymaster_runtime::client::{ConnectError, Connection, UserAgent};
use quaymaster_runtime::events::EventSink;
use quaymaster_runtime::health::{Condition, Health};
use quaymaster_runtime::metrics::{EventMetrics, QueueMetrics, Registry, WriteMetrics};
use quaymaster_runtime::permit::Permits;
use quaymaster_runtime::pool::WritePool;
use quaymaster_world::{Kind, World};
use tokio_util::sync::CancellationToken;

use crate::controller::Controller;
use crate::core::{self, Core, Seat, TICK};
use crate::feed;
use crate::held_metrics::{InternerCollector, WorldMetrics};
use crate::kinds;
use crate::watch_metrics::WatchCollector;

/// A core that has not given a sign of life for this long is held for dead. It gives one each second; the longest it
/// ever worked at a stretch is a start over a very large cluster.
const HEARTBEAT_LIMIT: Duration = Duration::from_mins(1).saturating_add(TICK);

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
    /// When this replica may write. While it may not, it reads and keeps its state up to date, so that it can go on at
    /// once when its term begins.
    pub permits: Permits,
    /// Where metrics go.
    pub registry: Registry,
    /// Where readiness goes.
    pub health: Health,
    /// Settings of the watches.
    pub watch: quaymaster_watch::Config,
}

/// The loop and its controllers.
pub struct Engine {
    options: Options,
    controllers: Vec<Registered>,
    /// What is read, each kind with its part in readiness.
    kinds: BTreeMap<Kind, Condition>,
}

struct Registered {
    controller: Box<dyn Controller>,
    registration: Registration,
}

/// What belongs to a controller beside itself.
#[derive(Debug, Clone, Copy)]
pub struct Registration {
    /// Name of its queue in metrics, as kube-controller-manager has it where it has it.
    pub queue: &'static str,
    /// The component that its Events come from, likewise.
    pub reporter: &'static str,
    /// So many keys may have writes in flight at once; a key that has some may go on. Without it nothing but the
    /// adaptive limit of writes in flight bounds them.
    pub most_keys: Option<NonZeroUsize>,
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
            kinds: BTreeMap::new(),
        }
    }

    /// Adds a controller. From here on the process is not ready before all that the controller reads has been read.
    #[must_use]
    pub fn with(mut self, controller: Box<dyn Controller>, registration: Registration) -> Self {
        for kind in controller.reads() {
            let health = &self.options.health;
            self.kinds
                .entry(*kind)
                .or_insert_with(|| health.condition(format!("{} read", kinds::resource(*kind).name)));
        }
        self.controllers.push(Registered {
            controller,
            registration,
        });
        self
    }

    /// Reads and writes until `cancel` fires. Writes in flight then are given up; what they did is found at the next
    /// start.
    pub async fn run(self, cancel: CancellationToken) -> Result<(), EngineError> {
        let Self {
            options,
            controllers,
            kinds: read,
        } = self;
        let Options {
            connection,
            version,
            holder,
            permits,
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

        let kinds: Vec<Kind> = read.keys().copied().collect();
        let interner = Arc::new(Interner::new());
        let reader = connection.client(&agent(&names))?;
        let feed = feed::start(&reader, &kinds, &interner, &watch, &cancel);
        for (kind, stats) in &feed.stats {
            if let Some(condition) = read.get(kind) {
                let stats = Arc::clone(stats);
                let asked = Arc::clone(&stats);
                condition.trouble(move || asked.last_error().filter(|_| !asked.is_healthy()));
                let absent = || "absent, its CustomResourceDefinition is not installed".to_owned();
                condition.remark(move || stats.is_absent().then(absent));
            }
        }
        let synced = read.into_iter().collect();
        registry.register_collector(WatchCollector(feed.stats));

        registry.register_collector(InternerCollector(Arc::clone(&interner)));

        let (pool, answers) = WritePool::new(POOL_BOUND);
        let queue_metrics = QueueMetrics::register(&registry);
        let event_metrics = EventMetrics::register(&registry);
        let mut seats = Vec::with_capacity(controllers.len());
        for (at, registered) in controllers.into_iter().enumerate() {
            let Registered {
                controller,
                registration:
                    Registration {
                        queue,
                        reporter,
                        most_keys,
                    },
            } = registered;
            // Audit logs tell controllers apart by it.
            let agent = agent(controller.name());
            let writer = Writer::new(connection.client(&agent)?, DEFAULT_TIMEOUT);
            let events = EventSink::start(
                connection.client(&agent)?,
                Reporter {
                    controller: reporter.to_owned(),
                    instance: Some(holder.clone()),
                },
                permits.clone(),
                event_metrics.clone(),
                cancel.clone(),
            );
            let handles = queue_metrics.for_queue(queue);
            seats.push(Seat::new(
                controller,
                writer,
                handles,
                events,
                most_keys,
                seed(&holder, at),
            ));
        }
        let core = Core {
            world: World::new(),
            seats,
            limit: core::limit(),
            pool,
            permit: permits.current(),
            permits,
            interner,
            world_metrics: WorldMetrics::register(&registry),
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

#[cfg(test)]
mod tests;
