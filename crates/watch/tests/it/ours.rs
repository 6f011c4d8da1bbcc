//! Our watch over a scripted server.

use std::sync::Arc;
use std::time::Duration;

use quaymaster_watch::{
    BackoffConfig, Batch, Config, Ended, Item, Source, Stats, StreamingSupport, Watch, client_config,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::mirror::Mirror;
use crate::records::{Mini, PATH, Record};
use crate::server::Server;

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Ours {
    pub(crate) stats: Arc<Stats>,
    pub(crate) cancel: CancellationToken,
    pub(crate) task: JoinHandle<Ended>,
    pub(crate) batches: mpsc::Receiver<Batch<Record>>,
    pub(crate) mirror: Mirror,
    /// Every item that came, as text.
    pub(crate) log: Vec<String>,
    /// Every change that the mirror made of them, as text.
    pub(crate) changes: Vec<String>,
}

pub(crate) fn client(server: &Server) -> kube::Client {
    let config = kube::Config::new(server.uri.parse().unwrap());
    kube::Client::try_from(client_config(config)).unwrap()
}

/// Short delays, so that tests take milliseconds; lists in pages.
pub(crate) fn paged() -> Config {
    Config {
        prefer_streaming: false,
        ..streaming()
    }
}

/// As [`paged`], with requests that are soon given up. Only where one is to be: a machine that is busy for so long looks
/// like a server that hangs.
pub(crate) fn impatient() -> Config {
    Config {
        page_limit: Duration::from_millis(400),
        start_limit: Duration::from_millis(400),
        ..paged()
    }
}

/// As [`paged`], with streaming lists.
pub(crate) fn streaming() -> Config {
    Config {
        backoff: BackoffConfig {
            first: Duration::from_millis(20),
            max: Duration::from_millis(100),
            ..BackoffConfig::default()
        },
        ..Config::default()
    }
}

impl Ours {
    pub(crate) fn start(server: &Server, config: Config) -> Self {
        Self::start_at(server, PATH, config, StreamingSupport::default())
    }

    /// Of a collection that need not be there.
    pub(crate) fn start_optional(server: &Server, config: Config) -> Self {
        let source = Source::new("configmaps", PATH).optional();
        Self::start_with(server, source, config, StreamingSupport::default())
    }

    pub(crate) fn start_at(server: &Server, path: &str, config: Config, support: StreamingSupport) -> Self {
        Self::start_with(server, Source::new("configmaps", path), config, support)
    }

    fn start_with(server: &Server, source: Source, config: Config, support: StreamingSupport) -> Self {
        let watch = Watch::new(client(server), source, Mini, config, support);
        let stats = watch.stats();
        let cancel = CancellationToken::new();
        let (sender, batches) = mpsc::channel(16);
        let task = tokio::spawn(watch.run(sender, |batch| batch, cancel.clone()));
        Self {
            stats,
            cancel,
            task,
            batches,
            mirror: Mirror::default(),
            log: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// Takes batches until `done`; fails if that takes too long.
    pub(crate) async fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let waited = timeout(PATIENCE, async {
            while !done(self) {
                let batch = self.batches.recv().await.expect("the watch must not end");
                self.take(batch);
            }
        });
        assert!(
            waited.await.is_ok(),
            "waited in vain until {what}; came: {:?}; error: {:?}",
            self.log,
            self.stats.last_error()
        );
    }

    pub(crate) async fn until_synced(&mut self) {
        self.until("synced", |ours| ours.mirror.has_synced()).await;
    }

    pub(crate) async fn until_held(&mut self, names: &[&str]) {
        self.until(&format!("{names:?} are held"), |ours| {
            ours.mirror.has_synced() && ours.names() == names
        })
        .await;
    }

    /// Takes what comes until `done`, which need not go with a batch; fails if that takes too long.
    pub(crate) async fn until_counted(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let waited = timeout(PATIENCE, async {
            while !done(self) {
                self.run_for(Duration::from_millis(5)).await;
            }
        });
        assert!(
            waited.await.is_ok(),
            "waited in vain until {what}; came: {:?}; error: {:?}",
            self.log,
            self.stats.last_error()
        );
    }

    /// Takes what comes within `time`.
    pub(crate) async fn run_for(&mut self, time: Duration) {
        let _ = timeout(time, async {
            while let Some(batch) = self.batches.recv().await {
                self.take(batch);
            }
        })
        .await;
    }

    fn take(&mut self, batch: Batch<Record>) {
        assert!(!batch.items.is_empty());
        self.log.extend(batch.items.iter().map(|item| match item {
            Item::Restart { history_lost: false } => "restart".to_owned(),
            Item::Restart { history_lost: true } => "restart after a loss".to_owned(),
            Item::Apply(record) => format!("+{}", record.name),
            Item::Delete(gone) => format!("-{}", gone.key.name),
            Item::Unreadable(key) => format!("?{}", key.name),
            Item::Absent => "absent".to_owned(),
            Item::Synced(_) => "synced".to_owned(),
        }));
        self.changes.extend(self.mirror.apply(batch));
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.mirror.names()
    }

    pub(crate) fn failures(&self, label: &str) -> u64 {
        self.stats.failures().find(|(name, _)| *name == label).unwrap().1
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}
