//! The watches, and what they tell the core.

use std::sync::Arc;

use quaymaster_model::Interner;
use quaymaster_watch::{Config, Stats, StreamingSupport, Watch};
use quaymaster_wire::Reader as _;
use quaymaster_world::{Kind, View, World};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::kinds::{self, Known};

/// What a watch tells, of whatever kind.
pub(crate) trait Tell: Send {
    /// Applies it. Returns the kind whose list it completed, or which turned out to be absent.
    fn apply(self: Box<Self>, world: &mut World, views: &mut dyn View) -> Option<Kind>;
}

/// A batch on its way to the core.
pub(crate) type Told = Box<dyn Tell>;

/// Batches between the watches and the core. A batch is a page of at most 500 objects or what one read from a socket
/// gave, so this bounds the memory of a slow core to a few MB of records.
const CHANNEL_SIZE: usize = 64;

/// The watches of a process.
pub(crate) struct Feed {
    pub(crate) told: mpsc::Receiver<Told>,
    /// What can be seen of each watch.
    pub(crate) stats: Vec<(Kind, Arc<Stats>)>,
}

/// Starts a watch for each kind. They end with `cancel`, or when the feed is dropped.
pub(crate) fn start(
    client: &kube::Client,
    kinds: &[Kind],
    interner: &Arc<Interner>,
    config: &Config,
    cancel: &CancellationToken,
) -> Feed {
    let (sender, told) = mpsc::channel(CHANNEL_SIZE);
    let streaming = StreamingSupport::default();
    let start = Start {
        client,
        interner,
        config,
        streaming,
        sender,
        cancel,
    };
    let stats = kinds
        .iter()
        .map(|kind| (*kind, (kinds::ops(*kind).watch)(&start)))
        .collect();
    Feed { told, stats }
}

/// What it takes to start a watch.
pub(crate) struct Start<'a> {
    client: &'a kube::Client,
    interner: &'a Arc<Interner>,
    config: &'a Config,
    streaming: StreamingSupport,
    sender: mpsc::Sender<Told>,
    cancel: &'a CancellationToken,
}

impl Start<'_> {
    /// Starts the watch of a kind.
    pub(crate) fn watch<R: Known>(&self) -> Arc<Stats> {
        let watch = Watch::new(
            self.client.clone(),
            R::RESOURCE.source(),
            R::Reader::new(Arc::clone(self.interner)),
            self.config.clone(),
            self.streaming.clone(),
        );
        let stats = watch.stats();
        let wrap = |batch| Box::new(batch) as Told;
        tokio::spawn(watch.run(self.sender.clone(), wrap, self.cancel.clone()));
        stats
    }
}
