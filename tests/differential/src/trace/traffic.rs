//! What consumers of one Service see, from revision to revision.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};

use crate::plane::Hold;

/// A backend that is not to get traffic any more must be gone after so long, on a busy machine, and with the longest pause
/// before a repair.
const GONE_WITHIN: Duration = Duration::from_mins(1);

/// An endpoint as traffic sees it: family, Pod and address.
pub(super) type Backend = (String, String, String);

/// The backends that should be published, with the uids of what they are.
pub(super) type Required = BTreeMap<Backend, String>;

/// Which of its backends the slices of a Service may not lose, or not keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeps {
    /// What is ready stays, and nothing else.
    WhatIsReady,
    /// Nobody looks after the Service, or what is chosen of it is anybody's choice: what is there may stay.
    Everything,
    /// The Service is being deleted, so that what would need a new slice gets none.
    Nothing,
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
            .filter(|_| keeps != Keeps::Nothing);
        let mut found: Vec<String> = missing
            .map(|((family, pod, address), _)| {
                format!("{family}: ready endpoint {address} ({pod}) is missing")
            })
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
            .filter(|(_, since)| worked(**since, at, holds) > GONE_WITHIN);
        let overdue: Vec<Backend> = overdue.map(|(backend, _)| backend.clone()).collect();
        for backend in &overdue {
            // Not again, however long it stays.
            self.surplus.insert(backend.clone(), Duration::MAX);
        }
        let tell = |(family, pod, address): Backend| {
            format!("{family}: endpoint {address} ({pod}) is still published as ready after {GONE_WITHIN:?}")
        };
        overdue.into_iter().map(tell).collect()
    }
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

/// What a slice publishes as ready.
pub(super) fn ready_backends(slice: &EndpointSlice) -> BTreeSet<Backend> {
    let endpoints = slice.endpoints.iter().flatten();
    endpoints
        .filter(|endpoint| is_ready(endpoint))
        .flat_map(|endpoint| backends(&slice.address_type, endpoint))
        .collect()
}

pub(super) fn is_ready(endpoint: &Endpoint) -> bool {
    let conditions = endpoint.conditions.as_ref();
    conditions.and_then(|conditions| conditions.ready) != Some(false)
}

pub(super) fn backends(family: &str, endpoint: &Endpoint) -> Vec<Backend> {
    let pod = endpoint
        .target_ref
        .as_ref()
        .and_then(|target| target.name.clone());
    let of = |address: &String| {
        (
            family.to_owned(),
            pod.clone().unwrap_or_default(),
            address.clone(),
        )
    };
    endpoint.addresses.iter().map(of).collect()
}
