//! The watches, and what they tell the core.

use std::sync::Arc;

use quaymaster_model::{Interner, NodeRecord, ObjectKey, PodRecord, ServiceRecord, SliceRecord, Text};
use quaymaster_watch::{Batch, Config, Source, Stats, StreamingSupport, Watch};
use quaymaster_wire::json::Json;
use quaymaster_world::Kind;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::decoder::{Gone, Identified, WatchDecoder};

/// What a watch tells, of whatever kind.
#[derive(Debug)]
pub(crate) enum Told {
    Pods(Batch<PodRecord, Gone>),
    Services(Batch<ServiceRecord, Gone>),
    Nodes(Batch<NodeRecord, Gone>),
    Slices(Batch<SliceRecord, Gone>),
}

/// Batches between the watches and the core. A batch is a page of at most 500 objects or what one read from a socket
/// gave, so this bounds the memory of a slow core to a few MB of records.
const CHANNEL_SIZE: usize = 64;

/// The watches of a process.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) told: mpsc::Receiver<Told>,
    /// What can be seen of each watch.
    pub(crate) stats: Vec<(Kind, Arc<Stats>)>,
}

/// Resource of a kind, as RBAC and metrics name it.
pub fn resource(kind: Kind) -> &'static str {
    match kind {
        Kind::Pod => "pods",
        Kind::Service => "services",
        Kind::Node => "nodes",
        Kind::Slice => "endpointslices",
    }
}

/// API group of a kind; empty for the core group.
pub fn group(kind: Kind) -> &'static str {
    match kind {
        Kind::Pod | Kind::Service | Kind::Node => "",
        Kind::Slice => "discovery.k8s.io",
    }
}

fn source(kind: Kind) -> Source {
    match kind {
        // What has finished is no endpoint of anything. A Pod that finishes is told as deleted.
        Kind::Pod => {
            Source::new("pods", "/api/v1/pods").fields("status.phase!=Succeeded,status.phase!=Failed")
        }
        Kind::Service => Source::new("services", "/api/v1/services"),
        Kind::Node => Source::new("nodes", "/api/v1/nodes"),
        Kind::Slice => Source::new(
            "endpointslices.discovery.k8s.io",
            "/apis/discovery.k8s.io/v1/endpointslices",
        ),
    }
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
        .map(|kind| {
            let stats = match kind {
                Kind::Pod => start.watch(*kind, Told::Pods),
                Kind::Service => start.watch(*kind, Told::Services),
                Kind::Node => start.watch(*kind, Told::Nodes),
                Kind::Slice => start.watch(*kind, Told::Slices),
            };
            (*kind, stats)
        })
        .collect();
    Feed { told, stats }
}

struct Start<'a> {
    client: &'a kube::Client,
    interner: &'a Arc<Interner>,
    config: &'a Config,
    streaming: StreamingSupport,
    sender: mpsc::Sender<Told>,
    cancel: &'a CancellationToken,
}

impl Start<'_> {
    fn watch<R>(&self, kind: Kind, wrap: fn(Batch<R, Gone>) -> Told) -> Arc<Stats>
    where
        R: Identified + Send + 'static,
    {
        let decoder = WatchDecoder(Json::<R>::new(Arc::clone(self.interner)));
        let watch = Watch::new(
            self.client.clone(),
            source(kind),
            decoder,
            self.config.clone(),
            self.streaming.clone(),
        );
        let stats = watch.stats();
        tokio::spawn(watch.run(self.sender.clone(), wrap, self.cancel.clone()));
        stats
    }
}

impl Identified for PodRecord {
    fn gone(&self) -> Gone {
        Gone {
            key: self.key.clone(),
            uid: Some(self.uid.clone()),
        }
    }
}

impl Identified for ServiceRecord {
    fn gone(&self) -> Gone {
        Gone {
            key: self.key.clone(),
            uid: Some(self.uid.clone()),
        }
    }
}

impl Identified for NodeRecord {
    fn gone(&self) -> Gone {
        // Nodes are known by name alone.
        Gone {
            key: ObjectKey::new(Text::new(""), self.name.clone()),
            uid: None,
        }
    }
}

impl Identified for SliceRecord {
    fn gone(&self) -> Gone {
        Gone {
            key: self.key.clone(),
            uid: Some(self.uid.clone()),
        }
    }
}
