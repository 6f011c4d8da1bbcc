//! What consumers of one Service see, from revision to revision.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointPort, EndpointSlice};

use crate::batch::RESTED;
use crate::plane::Hold;

/// A backend that is not to get traffic any more must be gone after so long, on a busy machine, and with the longest pause
/// before a repair.
const GONE_WITHIN: Duration = Duration::from_mins(1);

/// An endpoint as traffic sees it: family, Pod and address; with the ports that its slice has, or whatever these are. Each is
/// looked at both ways: while ports change it must be published under some, and once they rest under the right ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Backend {
    family: String,
    pod: String,
    address: String,
    ports: Option<String>,
}

impl Backend {
    /// An address of a Pod, whatever its ports, and with these.
    pub(super) fn of(family: &str, pod: &str, address: &str, ports: &str) -> [Self; 2] {
        [None, Some(ports.to_owned())].map(|ports| Self {
            family: family.to_owned(),
            pod: pod.to_owned(),
            address: address.to_owned(),
            ports,
        })
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            family,
            pod,
            address,
            ports,
        } = self;
        write!(f, "{family}: ready endpoint {address} ({pod})")?;
        match ports {
            Some(ports) => write!(f, " with ports {ports}"),
            None => Ok(()),
        }
    }
}

/// The backends that should be published, with the uids of what they are.
pub(super) type Required = BTreeMap<Backend, String>;

/// Which of its backends the slices of a Service may not lose, or not keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeps {
    /// What is ready stays, and nothing else.
    WhatIsReady,
    /// Nobody looks after the Service, or what is chosen of it is anybody's choice: what is there may stay.
    Everything,
    /// The Service is being deleted: what would need a new slice gets none, so that an endpoint whose ports change may go.
    WhatStaysAsItIs,
}

/// The ready backends of a Service.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    /// Those that should be published and are.
    held: BTreeMap<Backend, Held>,
    /// Those that are published and should not be, since when.
    surplus: BTreeMap<Backend, Duration>,
}

/// A backend that has been ready since some revision.
#[derive(Debug)]
struct Held {
    /// The uid of its Pod.
    uid: String,
    /// Whether the controller has published it since. A slice that says so from before may be put right by a write
    /// that was decided when the backend was not ready.
    published: bool,
}

impl Traffic {
    /// What does not hold any more after a change: a backend that stays ready, and was published while it was, must not
    /// be missing from the union of slices; one that is not ready must go.
    pub(super) fn step(
        &mut self,
        required: &Required,
        published: &BTreeSet<Backend>,
        written: &BTreeSet<Backend>,
        at: Duration,
        keeps: Keeps,
        holds: &[Hold],
    ) -> Vec<String> {
        self.held
            .retain(|backend, held| required.get(backend) == Some(&held.uid));
        let missing = self
            .held
            .iter()
            .filter(|(backend, held)| held.published && !published.contains(backend))
            .filter(|(backend, _)| keeps != Keeps::WhatStaysAsItIs || backend.ports.is_some());
        let missing = once(missing.map(|(backend, _)| backend.clone()).collect());
        let mut found: Vec<String> = missing
            .iter()
            .map(|backend| format!("{backend} is missing"))
            .collect();
        self.held.retain(|backend, _| published.contains(backend));
        for backend in written {
            if let Some(held) = self.held.get_mut(backend) {
                held.published = true;
            }
        }

        let surplus = |backend: &&Backend| keeps != Keeps::Everything && !required.contains_key(*backend);
        let surplus: BTreeSet<Backend> = published.iter().filter(surplus).cloned().collect();
        self.surplus.retain(|backend, _| surplus.contains(backend));
        found.extend(self.overdue(at, holds));
        for backend in surplus {
            self.surplus.entry(backend).or_insert(at);
        }

        for (backend, uid) in required {
            if published.contains(backend) && !self.held.contains_key(backend) {
                let (uid, published) = (uid.clone(), written.contains(backend));
                self.held.insert(backend.clone(), Held { uid, published });
            }
        }
        found
    }

    /// No controller answers for these: somebody else has just edited them.
    pub(super) fn forget(&mut self, edited: &BTreeSet<Backend>) {
        self.held.retain(|backend, _| !edited.contains(backend));
        self.surplus.retain(|backend, _| !edited.contains(backend));
    }

    /// Backends that are published for longer than they may be; each is told once.
    pub(super) fn overdue(&mut self, at: Duration, holds: &[Hold]) -> Vec<String> {
        let overdue = self
            .surplus
            .iter()
            .filter(|(_, since)| worked(**since, at, holds) > GONE_WITHIN || rested(**since, at, holds));
        let overdue: Vec<Backend> = overdue.map(|(backend, _)| backend.clone()).collect();
        for backend in &overdue {
            // Not again, however long it stays.
            self.surplus.insert(backend.clone(), Duration::MAX);
        }
        let tell = |backend| {
            format!("{backend} is still published after {GONE_WITHIN:?} or at rest, and should not be")
        };
        once(overdue).into_iter().map(tell).collect()
    }
}

/// Without those of particular ports of which the same is said whatever the ports.
fn once(backends: Vec<Backend>) -> Vec<Backend> {
    let of_all: BTreeSet<Backend> = backends
        .iter()
        .filter(|backend| backend.ports.is_none())
        .cloned()
        .collect();
    let any = |backend: &Backend| Backend {
        ports: None,
        ..backend.clone()
    };
    let mut told = backends;
    told.retain(|backend| backend.ports.is_none() || !of_all.contains(&any(backend)));
    told
}

/// For how long who keeps the slices in the end has done so, without the times when nobody did.
fn worked(since: Duration, at: Duration, holds: &[Hold]) -> Duration {
    let begun = holds.iter().filter(|hold| hold.from <= at);
    let Some(last) = begun.clone().next_back() else {
        return Duration::ZERO;
    };
    let own = begun.filter(|hold| hold.holder == last.holder);
    own.map(|hold| {
        let until = hold.until.unwrap_or(at).min(at);
        until.saturating_sub(hold.from.max(since))
    })
    .sum()
}

/// Whether who keeps the slices in the end came to rest meanwhile, and was released, without doing anything about it.
fn rested(since: Duration, at: Duration, holds: &[Hold]) -> bool {
    let begun = holds.iter().filter(|hold| hold.from <= at);
    let Some(last) = begun.clone().next_back() else {
        return false;
    };
    let mut own = begun.filter(|hold| hold.holder == last.holder);
    own.any(|hold| {
        let until = hold.until.filter(|until| *until <= at);
        until.is_some_and(|until| until.saturating_sub(hold.from.max(since)) >= RESTED)
    })
}

/// What a slice publishes as ready.
pub(super) fn ready_backends(slice: &EndpointSlice) -> BTreeSet<Backend> {
    let ports = spelled(slice.ports.as_deref().unwrap_or_default());
    let endpoints = slice.endpoints.iter().flatten();
    endpoints
        .filter(|endpoint| is_ready(endpoint))
        .flat_map(|endpoint| backends(&slice.address_type, &ports, endpoint))
        .collect()
}

pub(super) fn is_ready(endpoint: &Endpoint) -> bool {
    let conditions = endpoint.conditions.as_ref();
    conditions.and_then(|conditions| conditions.ready) != Some(false)
}

/// What an endpoint is to traffic, without its ports and with them.
pub(super) fn backends(family: &str, ports: &str, endpoint: &Endpoint) -> Vec<Backend> {
    let target = endpoint.target_ref.as_ref();
    let pod = target.and_then(|target| target.name.clone()).unwrap_or_default();
    let addresses = endpoint.addresses.iter();
    addresses
        .flat_map(|address| Backend::of(family, &pod, address, ports))
        .collect()
}

/// Ports as a set.
pub(super) fn spelled(ports: &[EndpointPort]) -> String {
    let one = |port: &EndpointPort| {
        format!(
            "{}:{}/{}/{}",
            port.name.as_deref().unwrap_or_default(),
            port.port
                .map_or_else(|| "all".to_owned(), |number| number.to_string()),
            port.protocol.as_deref().unwrap_or("TCP"),
            port.app_protocol.as_deref().unwrap_or_default(),
        )
    };
    let mut ports: Vec<String> = ports.iter().map(one).collect();
    ports.sort();
    ports.join(",")
}
