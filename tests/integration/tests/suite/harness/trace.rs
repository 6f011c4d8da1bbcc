//! Every revision of a namespace's slices, as an independent watcher sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use quaymaster_testkit::eventually;
use tokio::task::JoinHandle;

use super::{SOON, pods_of};

/// The slices at one revision, by name.
pub(crate) type Revision = BTreeMap<String, EndpointSlice>;

/// A watch that forgets nothing.
pub(crate) struct Trace {
    slices: Api<EndpointSlice>,
    revisions: Arc<Mutex<Vec<Revision>>>,
    task: JoinHandle<()>,
}

impl Trace {
    /// Begins with the slices as they are now.
    pub(crate) async fn begin(client: &Client, namespace: &str) -> Self {
        let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), namespace);
        let list = slices.list(&ListParams::default()).await.unwrap();
        let first: Revision = list.items.into_iter().map(named).collect();
        let revisions = Arc::new(Mutex::new(vec![first]));
        let version = list.metadata.resource_version.unwrap();
        let stream = slices.watch(&WatchParams::default(), &version).await.unwrap();
        let seen = Arc::clone(&revisions);
        let task = tokio::spawn(async move {
            let mut stream = stream.boxed();
            while let Some(event) = stream.try_next().await.unwrap() {
                let mut seen = seen.lock().unwrap();
                let mut next = seen.last().cloned().unwrap_or_default();
                match event {
                    WatchEvent::Added(slice) | WatchEvent::Modified(slice) => next.extend([named(slice)]),
                    WatchEvent::Deleted(slice) => drop(next.remove(&named(slice).0)),
                    WatchEvent::Bookmark(_) => continue,
                    WatchEvent::Error(error) => panic!("the trace broke: {error:?}"),
                }
                seen.push(next);
            }
        });
        Self {
            slices,
            revisions,
            task,
        }
    }

    /// All revisions up to now, the first as it was at the beginning.
    pub(crate) async fn end(self) -> Vec<Revision> {
        eventually(SOON, "the trace to be as new as the slices", async || {
            assert!(!self.task.is_finished(), "the trace ended early");
            let now: Revision = self
                .slices
                .list(&ListParams::default())
                .await
                .unwrap()
                .items
                .into_iter()
                .map(named)
                .collect();
            let versions = |slices: &Revision| -> Vec<_> {
                slices
                    .values()
                    .map(|slice| slice.metadata.resource_version.clone())
                    .collect()
            };
            versions(&now) == versions(self.revisions.lock().unwrap().last().unwrap())
        })
        .await;
        self.task.abort();
        self.revisions.lock().unwrap().clone()
    }
}

/// At each revision all of `pods` are in some slice, and no slice is larger than allowed.
pub(crate) fn assert_present(revisions: &[Revision], pods: &BTreeSet<String>, max: usize) {
    for (number, revision) in revisions.iter().enumerate() {
        let present = pods_of(revision.values());
        let missing: Vec<&String> = pods
            .iter()
            .filter(|pod| !present.contains(pod.as_str()))
            .collect();
        assert!(
            missing.is_empty(),
            "revision {number} of {} lacks {missing:?}",
            revisions.len()
        );
        assert!(
            revision
                .values()
                .all(|slice| slice.endpoints.as_ref().map_or(0, Vec::len) <= max)
        );
    }
}

fn named(slice: EndpointSlice) -> (String, EndpointSlice) {
    (slice.metadata.name.clone().unwrap_or_default(), slice)
}
