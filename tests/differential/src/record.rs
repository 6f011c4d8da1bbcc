//! Everything that happened to objects, by an observer beside the controllers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::{WatchEvent, WatchParams};
use kube::{Api, Client, Resource};
use quaymaster_oracle::cidrs::GRACE_SECONDS;
use quaymaster_oracle::generate::{Kind, Object};
use quaymaster_oracle::names::{ENDPOINTS_CONTROLLER, ENDPOINTS_MANAGED_BY};
use serde::de::DeserializeOwned;
use tokio::task::JoinHandle;

use crate::kept::is_kept;
use crate::kinds::watch_all;

/// How often quiet is looked for.
const POLL: Duration = Duration::from_millis(50);

/// The grace of a ServiceCIDR, seen a moment late, with what the controller takes to write after it.
const GRACE: Duration = Duration::from_millis(GRACE_SECONDS.unsigned_abs() * 1000 + 1500);

/// One change.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// The revision of the change.
    pub(crate) revision: u64,
    /// When it was seen, since the observer began.
    pub(crate) at: Duration,
    /// Whether the object is gone with it.
    pub(crate) deleted: bool,
    /// The object after the change; for a deletion as it was last.
    pub(crate) object: Object,
}

/// What was seen so far.
#[derive(Debug)]
pub(crate) struct Log {
    events: Vec<Event>,
    begun: Instant,
    last_kept: Instant,
    kept_events: BTreeMap<Kind, usize>,
    /// When ServiceCIDRs that are there were seen to be deleted, by name.
    going: BTreeMap<String, Instant>,
    broken: Option<String>,
}

/// Watches of all kinds, from an empty cluster on.
#[derive(Debug)]
pub(crate) struct Recorder {
    log: Arc<Mutex<Log>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Recorder {
    /// Begins to watch; there must be none of the objects yet that matter.
    pub(crate) fn start(client: &Client) -> Self {
        let log = Arc::new(Mutex::new(Log {
            events: Vec::new(),
            begun: Instant::now(),
            last_kept: Instant::now(),
            kept_events: BTreeMap::new(),
            going: BTreeMap::new(),
            broken: None,
        }));
        let tasks = watch_all(client, &log);
        Self { log, tasks }
    }

    /// Waits until nothing that controllers keep has changed for `quiet`, and no ServiceCIDR is in the grace of its deletion.
    /// `false` when that does not come within `limit`.
    pub(crate) async fn quiet(&self, quiet: Duration, limit: Duration) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < limit {
            let (last, in_grace) = {
                let log = self.locked();
                let in_grace = log.going.values().any(|since| since.elapsed() < GRACE);
                (log.last_kept.max(begun), in_grace)
            };
            if last.elapsed() >= quiet && !in_grace {
                return true;
            }
            tokio::time::sleep(POLL).await;
        }
        false
    }

    /// How long it has been watching.
    pub(crate) fn now(&self) -> Duration {
        self.locked().begun.elapsed()
    }

    /// Families of which a Service ever had a slice of its own, by the Service's uid.
    pub(crate) fn families(&self) -> BTreeSet<(String, String)> {
        let log = self.locked();
        let slices = log.events.iter().filter_map(|event| match &event.object {
            Object::EndpointSlice(slice) => Some(slice),
            _ => None,
        });
        let families = slices.flat_map(|slice| {
            let owners = slice.metadata.owner_references.iter().flatten();
            owners.map(|owner| (owner.uid.clone(), slice.address_type.clone()))
        });
        families.collect()
    }

    /// Paths of objects of a kind of which one was deleted and another made under its name.
    pub(crate) fn recreated(&self, kind: Kind) -> BTreeSet<String> {
        let log = self.locked();
        let of_kind = log.events.iter().filter(|event| event.object.kind() == kind);
        let mut uids: BTreeMap<String, BTreeSet<Option<String>>> = BTreeMap::new();
        for event in of_kind {
            let uid = event.object.metadata().uid.clone();
            uids.entry(event.object.key().path()).or_default().insert(uid);
        }
        uids.retain(|_, uids| uids.len() > 1);
        uids.into_keys().collect()
    }

    /// Uids of Endpoints that ever had the label of their controller.
    pub(crate) fn kept_endpoints(&self) -> BTreeSet<String> {
        let log = self.locked();
        let labelled = log.events.iter().filter(|event| {
            let labels = event.object.metadata().labels.as_ref();
            let manager = labels.and_then(|labels| labels.get(ENDPOINTS_MANAGED_BY));
            event.object.kind() == Kind::Endpoints
                && manager.map(String::as_str) == Some(ENDPOINTS_CONTROLLER)
        });
        let uids = labelled.filter_map(|event| event.object.metadata().uid.clone());
        uids.collect()
    }

    /// Changes so far of what controllers keep, by kind.
    pub(crate) fn kept_events(&self) -> BTreeMap<Kind, usize> {
        self.locked().kept_events.clone()
    }

    /// Everything seen, by revision. Fails when a watch was interrupted in a way that may have missed something.
    pub(crate) fn finish(&self) -> Result<Vec<Event>, String> {
        let mut log = self.locked();
        if let Some(broken) = log.broken.take() {
            return Err(broken);
        }
        let mut events = std::mem::take(&mut log.events);
        drop(log);
        events.sort_by_key(|event| event.revision);
        Ok(events)
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Watches all objects of a kind, until the task is aborted.
pub(crate) fn watch<K>(client: &Client, log: &Arc<Mutex<Log>>) -> JoinHandle<()>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
    Object: From<K>,
{
    let api: Api<K> = Api::all(client.clone());
    let log = Arc::clone(log);
    tokio::spawn(async move {
        let mut revision = "0".to_owned();
        loop {
            let result = connection(&api, &mut revision, &log).await;
            if let Err(error) = result {
                let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                log.broken = Some(format!("watch of {}: {error}", K::kind(&())));
                return;
            }
        }
    })
}

/// One connection, to its regular end.
async fn connection<K>(api: &Api<K>, revision: &mut String, log: &Mutex<Log>) -> kube::Result<()>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
    Object: From<K>,
{
    let params = WatchParams::default();
    let mut stream = api.watch(&params, revision).await?.boxed();
    while let Some(event) = stream.try_next().await? {
        let (object, deleted) = match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => (object, false),
            WatchEvent::Deleted(object) => (object, true),
            WatchEvent::Bookmark(bookmark) => {
                *revision = bookmark.metadata.resource_version;
                continue;
            }
            WatchEvent::Error(status) => return Err(kube::Error::Api(status)),
        };
        let object = Object::from(object);
        *revision = object.metadata().resource_version.clone().unwrap_or_default();
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        if is_kept(&object) {
            log.last_kept = Instant::now();
            *log.kept_events.entry(object.kind()).or_default() += 1;
        }
        if let Object::ServiceCIDR(cidr) = &object {
            let name = cidr.metadata.name.clone().unwrap_or_default();
            if deleted {
                log.going.remove(&name);
            } else if cidr.metadata.deletion_timestamp.is_some() {
                log.going.entry(name).or_insert_with(Instant::now);
            }
        }
        let at = log.begun.elapsed();
        log.events.push(Event {
            revision: revision.parse().unwrap_or_default(),
            at,
            deleted,
            object,
        });
    }
    Ok(())
}
