//! Sees slices change, independently of the controller.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures::{StreamExt as _, pin_mut};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

/// How long a flip may take to be seen.
const LIMIT: Duration = Duration::from_mins(1);

/// A watch of all slices.
pub(crate) struct Observer {
    seen: UnboundedReceiver<Seen>,
    task: JoinHandle<Result<()>>,
    changes: u64,
}

/// A slice as it was seen.
struct Seen {
    at: Instant,
    slice: EndpointSlice,
}

impl Observer {
    /// Watches from now on.
    pub(crate) async fn start(client: &Client) -> Result<Self> {
        let api: Api<EndpointSlice> = Api::all(client.clone());
        let list = api.list_metadata(&ListParams::default().limit(1)).await?;
        let version = list.metadata.resource_version.context("a list without version")?;
        let (sender, seen) = unbounded_channel();
        Ok(Self {
            seen,
            task: tokio::spawn(watch(api, version, sender)),
            changes: 0,
        })
    }

    /// Waits until a slice says that the Pod is ready, or not. Returns when that was seen.
    pub(crate) async fn wait(&mut self, namespace: &str, pod: &str, ready: bool) -> Result<Instant> {
        let deadline = tokio::time::Instant::now() + LIMIT;
        loop {
            let Ok(seen) = tokio::time::timeout_at(deadline, self.seen.recv()).await else {
                bail!("after {LIMIT:?} no slice says that {namespace}/{pod} has ready={ready}");
            };
            let seen = seen.context("the watch of slices ended")?;
            self.changes += 1;
            if says(&seen.slice, namespace, pod, ready) {
                return Ok(seen.at);
            }
        }
    }

    /// Number of changes of slices seen so far.
    pub(crate) fn changes(&mut self) -> u64 {
        while self.seen.try_recv().is_ok() {
            self.changes += 1;
        }
        self.changes
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn watch(api: Api<EndpointSlice>, mut version: String, sender: UnboundedSender<Seen>) -> Result<()> {
    loop {
        let stream = api.watch(&WatchParams::default(), &version).await?;
        pin_mut!(stream);
        while let Some(event) = stream.next().await {
            let at = Instant::now();
            match event? {
                WatchEvent::Added(slice) | WatchEvent::Modified(slice) | WatchEvent::Deleted(slice) => {
                    version = slice.metadata.resource_version.clone().unwrap_or(version);
                    if sender.send(Seen { at, slice }).is_err() {
                        return Ok(());
                    }
                }
                WatchEvent::Bookmark(bookmark) => version = bookmark.metadata.resource_version,
                WatchEvent::Error(status) => bail!("the watch of slices failed: {}", status.message),
            }
        }
    }
}

fn says(slice: &EndpointSlice, namespace: &str, pod: &str, ready: bool) -> bool {
    slice.metadata.namespace.as_deref() == Some(namespace)
        && slice.endpoints.iter().flatten().any(|endpoint| {
            let target = endpoint
                .target_ref
                .as_ref()
                .and_then(|target| target.name.as_deref());
            let is_ready = endpoint
                .conditions
                .as_ref()
                .and_then(|conditions| conditions.ready);
            target == Some(pod) && is_ready == Some(ready)
        })
}
