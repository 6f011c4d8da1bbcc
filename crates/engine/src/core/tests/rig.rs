//! A core at work between a test that tells it things and answers its requests.

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use kube::client::Body;
use kube::runtime::events::Reporter;
use quaymaster_model::{Interner, ServiceRecord, SliceRecord};
use quaymaster_queue::{Limit, LimitConfig};
use quaymaster_runtime::api::{DEFAULT_TIMEOUT, Writer};
use quaymaster_runtime::events::EventSink;
use quaymaster_runtime::health::Health;
use quaymaster_runtime::metrics::{EventMetrics, QueueMetrics, Registry, WriteMetrics};
use quaymaster_runtime::permit::Permits;
use quaymaster_runtime::pool::{WriteDone, WritePool};
use quaymaster_watch::{Batch, Item};
use quaymaster_world::World;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::core::{Answered, Core, Seat, Token};
use crate::feed::Told;
use crate::fixtures::{Fake, Log, read, service_json, slice_json, version};
use crate::held_metrics::WorldMetrics;

/// Longer than whatever a core that works well takes.
const PATIENCE: Duration = Duration::from_mins(2);

/// For how long a core may stay away before it is held for dead.
pub(super) const HEARTBEAT: Duration = Duration::from_millis(1500);

/// A request that waits for its answer.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: String,
    pub(super) path: String,
    reply: oneshot::Sender<Response<Full<Bytes>>>,
}

impl Call {
    pub(super) fn answer(self, code: u16, body: impl Into<Bytes>) {
        self.answer_with(code, &[], body);
    }

    pub(super) fn answer_with(self, code: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) {
        let mut response = Response::builder().status(code);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        // Whoever asked may have given up.
        let _ = self.reply.send(response.body(Full::new(body.into())).unwrap());
    }

    /// Answers with a Status of this reason.
    pub(super) fn fail(self, code: u16, reason: &str) {
        let status = format!(r#"{{"kind":"Status","reason":"{reason}","code":{code},"message":"told so"}}"#);
        self.answer(code, status);
    }

    /// The last part of the path.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap()
    }
}

/// What a core is made of, but not yet at work.
pub(super) struct Setup {
    pub(super) fake: Fake,
    /// Registered after it.
    pub(super) others: Vec<Fake>,
    pub(super) permits: Permits,
    pub(super) most_keys: Option<usize>,
    /// Writes that may be in flight; stays so.
    pub(super) limit: usize,
}

impl Setup {
    pub(super) fn new(fake: Fake) -> Self {
        Self {
            fake,
            others: Vec::new(),
            permits: Permits::permanent(),
            most_keys: None,
            limit: 16,
        }
    }

    pub(super) fn build(self) -> Parts {
        let (asked, calls) = mpsc::unbounded_channel();
        let service = tower::service_fn(move |request: Request<Body>| {
            let asked = asked.clone();
            async move {
                let (head, body) = request.into_parts();
                drop(body.collect().await.unwrap());
                let (reply, answer) = oneshot::channel();
                let call = Call {
                    method: head.method.to_string(),
                    path: head.uri.path().to_owned(),
                    reply,
                };
                asked.send(call).unwrap();
                match answer.await {
                    Ok(response) => Ok::<_, Infallible>(response),
                    // The test let it fall: never answered.
                    Err(_) => std::future::pending().await,
                }
            }
        });
        let client = kube::Client::new(service, "default");
        let cancel = CancellationToken::new();
        let (registry, health, interner) = (Registry::new(), Health::default(), Arc::new(Interner::new()));
        let (pool, answers) = WritePool::new(128);
        let event_metrics = EventMetrics::register(&registry);
        let events = || {
            EventSink::start(
                client.clone(),
                Reporter {
                    controller: "fake".to_owned(),
                    instance: None,
                },
                self.permits.clone(),
                event_metrics.clone(),
                cancel.clone(),
            )
        };
        let log = Arc::clone(&self.fake.log);
        let queue = QueueMetrics::register(&registry).for_queue("fake");
        let most_keys = self.most_keys.and_then(NonZeroUsize::new);
        let synced = self
            .fake
            .reads
            .iter()
            .map(|kind| (*kind, health.condition(format!("{kind:?}"))))
            .collect();
        let seats = std::iter::once(self.fake)
            .chain(self.others)
            .map(|fake| {
                let writer = Writer::new(client.clone(), DEFAULT_TIMEOUT);
                Seat::new(Box::new(fake), writer, queue.clone(), events(), most_keys, 1)
            })
            .collect();
        let core = Core {
            world: World::new(),
            synced,
            seats,
            limit: Limit::new(LimitConfig {
                start: self.limit,
                min: self.limit,
                max: self.limit,
                ..LimitConfig::default()
            }),
            pool,
            permit: self.permits.current(),
            permits: self.permits,
            world_metrics: WorldMetrics::register(&registry),
            interner,
            write_metrics: WriteMetrics::register(&registry),
            heartbeat: health.heartbeat("core", HEARTBEAT),
            ticks: 0,
        };
        Parts {
            core,
            answers,
            calls,
            log,
            health,
            registry,
            cancel,
        }
    }

    pub(super) fn start(self) -> Rig {
        let Parts {
            core,
            answers,
            calls,
            log,
            health,
            registry,
            cancel,
        } = self.build();
        let (told, receiver) = mpsc::channel(64);
        let task = tokio::spawn(core.run(receiver, answers, cancel.clone()));
        Rig {
            told,
            calls,
            log,
            health,
            registry,
            cancel,
            task,
        }
    }
}

pub(super) struct Parts {
    pub(super) core: Core,
    pub(super) answers: mpsc::UnboundedReceiver<WriteDone<Token, Answered>>,
    pub(super) calls: mpsc::UnboundedReceiver<Call>,
    pub(super) log: Log,
    health: Health,
    registry: Registry,
    pub(super) cancel: CancellationToken,
}

pub(super) struct Rig {
    told: mpsc::Sender<Told>,
    calls: mpsc::UnboundedReceiver<Call>,
    log: Log,
    pub(super) health: Health,
    pub(super) registry: Registry,
    pub(super) cancel: CancellationToken,
    pub(super) task: JoinHandle<()>,
}

impl Rig {
    /// Starts a core whose world has these Services and slices, read whole; slices are of UID `u-<name>`, version 3.
    pub(super) async fn synced(setup: Setup, services: &[&str], slices: &[&str]) -> Self {
        let rig = setup.start();
        rig.tell(listed_slices(slices)).await;
        rig.tell(listed_services(services)).await;
        rig
    }

    pub(super) async fn tell(&self, told: Told) {
        self.told.send(told).await.unwrap();
    }

    /// The next request.
    pub(super) async fn call(&mut self) -> Call {
        tokio::time::timeout(PATIENCE, self.calls.recv())
            .await
            .expect("no request came")
            .unwrap()
    }

    /// The next request, if one comes before this time.
    pub(super) async fn call_before(&mut self, time: tokio::time::Instant) -> Option<Call> {
        tokio::time::timeout_at(time, self.calls.recv())
            .await
            .ok()
            .flatten()
    }

    /// Fails if a request comes within this time.
    pub(super) async fn quiet_for(&mut self, time: Duration) {
        if let Ok(call) = tokio::time::timeout(time, self.calls.recv()).await {
            panic!("nothing was to be asked: {call:?}");
        }
    }

    /// Lets everything happen that happens without time passing.
    pub(super) async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    /// What was logged since the last call.
    pub(super) async fn log(&self) -> Vec<String> {
        self.settle().await;
        std::mem::take(&mut *self.log.lock().unwrap())
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

fn batch<R>(items: Vec<Item<R>>) -> Batch<R> {
    Batch { items }
}

pub(super) fn service(name: &str, at: u64) -> Item<ServiceRecord> {
    Item::Apply(read(&service_json(name, &format!("u-{name}"), at)))
}

pub(super) fn slice(name: &str, at: u64) -> Item<SliceRecord> {
    Item::Apply(read(&slice_json(name, &format!("u-{name}"), at)))
}

pub(super) fn services(items: Vec<Item<ServiceRecord>>) -> Told {
    Box::new(batch(items))
}

pub(super) fn slices(items: Vec<Item<SliceRecord>>) -> Told {
    Box::new(batch(items))
}

fn list<R>(objects: Vec<Item<R>>, history_lost: bool) -> Vec<Item<R>> {
    let mut items = vec![Item::Restart { history_lost }];
    items.extend(objects);
    items.push(Item::Synced(version(5)));
    items
}

pub(super) fn listed_services(names: &[&str]) -> Told {
    services(list(names.iter().map(|name| service(name, 3)).collect(), false))
}

pub(super) fn listed_slices(names: &[&str]) -> Told {
    slices(list(names.iter().map(|name| slice(name, 3)).collect(), false))
}

/// The list after etcd was restored from a snapshot.
pub(super) fn restored_slices(names: &[&str]) -> Told {
    slices(list(names.iter().map(|name| slice(name, 3)).collect(), true))
}
