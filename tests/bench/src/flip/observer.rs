//! Sees slices and Endpoints change, independently of the controllers.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures::{StreamExt as _, pin_mut};
use k8s_openapi::api::core::v1::Endpoints;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::serde::de::DeserializeOwned;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Api, Client, Resource};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

/// How long a flip may take to be seen.
const LIMIT: Duration = Duration::from_mins(1);

/// A watch of all slices, and one of all Endpoints.
pub(crate) struct Observer {
    slices: Watched<EndpointSlice>,
    endpoints: Watched<Endpoints>,
}

/// How many objects of each kind were seen to change, each change counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) slices: u64,
    pub(crate) endpoints: u64,
}

struct Watched<K> {
    seen: UnboundedReceiver<(Instant, K)>,
    task: JoinHandle<Result<()>>,
    changes: u64,
}

impl<K> Watched<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + Sync + 'static,
{
    async fn start(client: &Client) -> Result<Self> {
        let api: Api<K> = Api::all(client.clone());
        let list = api.list_metadata(&ListParams::default().limit(1)).await?;
        let version = list.metadata.resource_version.context("a list without version")?;
        let (sender, seen) = unbounded_channel();
        Ok(Self {
            seen,
            task: tokio::spawn(watch(api, version, sender)),
            changes: 0,
        })
    }

    fn changes(&mut self) -> u64 {
        while self.seen.try_recv().is_ok() {
            self.changes += 1;
        }
        self.changes
    }
}

impl<K> Drop for Watched<K> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Observer {
    /// Watches from now on.
    pub(crate) async fn start(client: &Client) -> Result<Self> {
        Ok(Self {
            slices: Watched::start(client).await?,
            endpoints: Watched::start(client).await?,
        })
    }

    /// Waits until a slice says that the address, which nothing else has, is ready, or not. Returns when that was seen.
    pub(crate) async fn wait(&mut self, address: &str, ready: bool) -> Result<Instant> {
        let deadline = tokio::time::Instant::now() + LIMIT;
        loop {
            let Ok(seen) = tokio::time::timeout_at(deadline, self.slices.seen.recv()).await else {
                bail!("after {LIMIT:?} no slice says that {address} has ready={ready}");
            };
            let (at, slice) = seen.context("the watch of slices ended")?;
            self.slices.changes += 1;
            if says(&slice, address, ready) {
                return Ok(at);
            }
        }
    }

    /// Changes seen so far.
    pub(crate) fn changes(&mut self) -> Changes {
        Changes {
            slices: self.slices.changes(),
            endpoints: self.endpoints.changes(),
        }
    }
}

async fn watch<K>(api: Api<K>, mut version: String, sender: UnboundedSender<(Instant, K)>) -> Result<()>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
    loop {
        let stream = api.watch(&WatchParams::default(), &version).await?;
        pin_mut!(stream);
        while let Some(event) = stream.next().await {
            let at = Instant::now();
            match event? {
                WatchEvent::Added(object) | WatchEvent::Modified(object) | WatchEvent::Deleted(object) => {
                    version = object.meta().resource_version.clone().unwrap_or(version);
                    if sender.send((at, object)).is_err() {
                        return Ok(());
                    }
                }
                WatchEvent::Bookmark(bookmark) => version = bookmark.metadata.resource_version,
                WatchEvent::Error(status) => bail!("a watch failed: {}", status.message),
            }
        }
    }
}

fn says(slice: &EndpointSlice, address: &str, ready: bool) -> bool {
    slice.endpoints.iter().flatten().any(|endpoint| {
        let is_ready = endpoint
            .conditions
            .as_ref()
            .and_then(|conditions| conditions.ready);
        endpoint.addresses.iter().any(|one| one == address) && is_ready == Some(ready)
    })
}
