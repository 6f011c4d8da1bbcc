//! What consumers see of the slices, and what they must never miss.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use quaymaster_model::{EndpointAddress, IpFamily, SliceRecord, Text};

use super::{PodInFamily, Sim, family, is_of_service};
use crate::Write;
use crate::write::{Op, Outcome};

/// Pods and addresses of all slices that count.
pub(super) type Union = HashSet<(PodInFamily, Vec<EndpointAddress>)>;

impl Sim {
    /// The stored slices without what a policy made of them.
    pub(in crate::tests::faults) fn as_sent(&self) -> impl Iterator<Item = &Arc<SliceRecord>> {
        let slices = self.stored.iter();
        slices.map(|(name, stored)| self.sent.get(name).unwrap_or(stored))
    }

    /// Pods and addresses of all slices that count, as consumers see them.
    pub(super) fn union(&self) -> Union {
        let mut union = HashSet::new();
        let slices: Vec<&Arc<SliceRecord>> = if self.as_stored {
            self.stored.values().collect()
        } else {
            self.as_sent().collect()
        };
        for slice in slices.into_iter().filter(|slice| is_of_service(slice)) {
            for endpoint in &slice.endpoints {
                if let (Some(target), Some(family)) = (&endpoint.target, family(slice)) {
                    union.insert(((target.name.clone(), family), endpoint.addresses.to_vec()));
                }
            }
        }
        union
    }

    /// Notes from when on each Pod is to be published.
    pub(super) fn want(&mut self) {
        let mut wanted = HashMap::new();
        for pod in self.seen.pods.values() {
            for family in [IpFamily::V4, IpFamily::V6] {
                let Some(endpoint) = self.desired(pod, family) else {
                    continue;
                };
                let key = (pod.key.name.clone(), family);
                let addresses = endpoint.addresses.to_vec();
                let since = match self.wanted.get(&key) {
                    Some((before, since)) if *before == addresses => *since,
                    _ => self.last_write,
                };
                wanted.insert(key, (addresses, since));
            }
        }
        self.wanted = wanted;
    }

    /// Notes which Pods a policy took out of a write.
    pub(super) fn note_taken_out(&mut self, write: &Write, outcome: &Outcome) {
        let Outcome::Stored(stored) = outcome else { return };
        if !self.as_stored {
            return;
        }
        let is_stored = |pod: &Text| {
            let mut targets = stored
                .endpoints
                .iter()
                .filter_map(|endpoint| endpoint.target.as_ref());
            targets.any(|target| target.name == *pod)
        };
        let taken_out: Vec<Text> = sent_pods(write).filter(|pod| !is_stored(pod)).cloned().collect();
        self.taken_out
            .extend(taken_out.into_iter().map(|pod| (pod, self.last_write)));
    }

    /// No Pod that is to be published left all slices by this write.
    pub(super) fn expect_nobody_missing(&self, before: &Union, write: &Write) -> Result<(), String> {
        let after = self.union();
        for (pod, (addresses, since)) in &self.wanted {
            let key = (pod.clone(), addresses.clone());
            let lost = before.contains(&key) && !after.contains(&key);
            // What a policy takes out of a write is its doing, also where a write that was sent before takes the Pod out of
            // another slice.
            let taken_out = self
                .taken_out
                .get(&pod.0)
                .is_some_and(|until| write.id.0 <= *until);
            let edited = taken_out || self.touched_by_others.contains(&pod.0);
            if lost && write.id.0 > *since && !edited {
                return Err(format!("{} {:?} left all slices by {write:#?}", pod.0, pod.1));
            }
        }
        Ok(())
    }
}

/// The Pods of which a write puts an endpoint into its slice.
fn sent_pods(write: &Write) -> impl Iterator<Item = &Text> {
    let endpoints = match &write.op {
        Op::Create(draft) | Op::Update { draft, .. } => draft.endpoints.as_slice(),
        Op::Delete { .. } => &[],
    };
    endpoints
        .iter()
        .filter_map(|endpoint| Some(&endpoint.target.as_ref()?.name))
}
