//! Sparse slices are merged while nothing happens, or until kube-controller-manager takes over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use quaymaster_model::{ObjectKey, Text, names};
use quaymaster_oracle::slices::{Write, auto, check_invariants, reconcile};

use super::{Run, Tally, play_seeds, requests, seeds, summary};
use crate::driver::{Counts, SECOND, slices_of};

/// More looks than it takes to merge all slices of any cluster here.
const MOST: usize = 10_000;

impl Run {
    /// The process starts again and may fill slices further than it has, so that those it finds are sparse.
    pub(super) fn raise_maximum(&mut self, max: usize) {
        self.config.max_endpoints_per_slice = max;
        self.driver.restart_with(max);
    }

    /// Lets time pass for as long as any Service is to be looked at again, and compares what comes of it.
    pub(super) fn rest(&mut self, tally: &mut Tally) -> Vec<String> {
        let start = self.server.slices();
        let version = self.server.resource_version();
        let mut merged: BTreeSet<ObjectKey> = BTreeSet::new();
        let mut last: Option<Instant> = None;
        for _ in 0..MOST {
            let Some((key, now)) = self.driver.wait() else {
                return self.compare_merged(&merged, &start, version);
            };
            let counts = self.driver.settle(&mut self.server, &key, self.lag);
            self.driver.tell_slices(&self.server);
            if counts == Counts::default() {
                continue;
            }
            if counts.creates > 0 || counts.updates > 1 || counts.deletes != 1 {
                return vec![format!("{key}: a merge takes {counts:?}")];
            }
            if last.is_some_and(|last| now < last + SECOND) {
                return vec![format!("{key}: merged less than a second after another Service")];
            }
            last = Some(now);
            tally.merges += 1;
            merged.insert(key);
        }
        vec!["never rests".to_owned()]
    }

    fn compare_merged(
        &self,
        merged: &BTreeSet<ObjectKey>,
        start: &[EndpointSlice],
        version: u64,
    ) -> Vec<String> {
        let mut wrong = self.lost_since(version, start);
        if endpoints(start).collect::<BTreeSet<_>>() != endpoints(&self.server.slices()).collect() {
            wrong.push("not the same endpoints in all fields after merging".to_owned());
        }
        for service in self.objects.all::<Service>() {
            let (namespace, name) = (
                service.metadata.namespace.as_deref().unwrap(),
                service.metadata.name.as_deref().unwrap(),
            );
            let key = ObjectKey::new(Text::new(namespace), Text::new(name));
            if merged.contains(&key) {
                let result = slices_of(&self.server, namespace, name);
                let found = self.compare_one(service, &key, &result);
                wrong.extend(found.into_iter().map(|what| format!("{key}: {what}")));
            }
        }
        wrong
    }

    fn compare_one(&self, service: &Service, key: &ObjectKey, result: &[EndpointSlice]) -> Vec<String> {
        let mut wrong = Vec::new();
        if auto(service) {
            wrong.push("merged although hints are given by annotation".to_owned());
        }
        let broken = check_invariants(result, &[], self.config.max_endpoints_per_slice);
        wrong.extend(broken.iter().map(ToString::to_string));
        let restarted = self.driver.first_writes(key);
        if !restarted.is_empty() {
            wrong.push(format!(
                "quaymaster writes after merging: {}",
                requests(&restarted)
            ));
        }
        let pods = self.objects.pods_in(&key.namespace);
        let back = reconcile(service, &pods, &self.objects.nodes(), result, self.config).writes;
        if !back.is_empty() {
            wrong.push(format!("upstream writes over merged slices: {}", summary(&back)));
        }
        wrong
    }

    /// Endpoints of these slices that were in none at some revision since, or would be if upstream took over there.
    fn lost_since(&self, version: u64, start: &[EndpointSlice]) -> Vec<String> {
        let name = |slice: &EndpointSlice| (slice.metadata.namespace.clone(), slice.metadata.name.clone());
        let mut slices: BTreeMap<_, _> = start.iter().map(|slice| (name(slice), slice.clone())).collect();
        let wanted: BTreeSet<String> = endpoints(start).collect();
        let mut wrong = Vec::new();
        for event in self.server.events_since(version) {
            let slice: EndpointSlice = serde_json::from_value(event.object.clone()).unwrap();
            if event.type_ == "DELETED" {
                slices.remove(&name(&slice));
            } else {
                slices.insert(name(&slice), slice.clone());
            }
            let now: BTreeSet<String> = endpoints(slices.values()).collect();
            let missing = wanted.difference(&now);
            wrong.extend(missing.map(|endpoint| format!("in no slice while merging: {endpoint}")));
            wrong.extend(self.taken_over(&slice, slices.values().cloned().collect()));
        }
        wrong
    }

    /// Upstream looks at the slices of a Service while two of them are merged. Which it takes for the one that keeps an
    /// endpoint depends on the order of its list.
    fn taken_over(&self, changed: &EndpointSlice, mut slices: Vec<EndpointSlice>) -> Vec<String> {
        let label = |slice: &EndpointSlice| {
            slice
                .metadata
                .labels
                .as_ref()?
                .get(names::LABEL_SERVICE_NAME)
                .cloned()
        };
        let namespace = &changed.metadata.namespace;
        let mut services = self.objects.all::<Service>();
        let Some(service) = services.find(|service| {
            service.metadata.namespace == *namespace && service.metadata.name == label(changed)
        }) else {
            return vec![format!("merged for no Service: {:?}", changed.metadata.name)];
        };
        slices.retain(|slice| slice.metadata.namespace == *namespace && label(slice) == label(changed));
        let wanted: BTreeSet<String> = endpoints(&slices).collect();
        let repeated = wanted.len() < endpoints(&slices).count();
        let (pods, nodes) = (
            self.objects.pods_in(namespace.as_deref().unwrap()),
            self.objects.nodes(),
        );
        let mut wrong = Vec::new();
        for _ in 0..2 {
            let mut left = slices.clone();
            let writes = reconcile(service, &pods, &nodes, &left, self.config).writes;
            // One, with which it finishes the merge or takes it back.
            if writes.len() != usize::from(repeated) {
                wrong.push(format!("upstream takes a merge over by {}", summary(&writes)));
            }
            for write in &writes {
                let (Write::Create(slice) | Write::Update(slice) | Write::Delete(slice)) = write;
                left.retain(|other| other.metadata.name != slice.metadata.name);
                if !matches!(write, Write::Delete(_)) {
                    left.push(slice.clone());
                }
            }
            if endpoints(&left).collect::<BTreeSet<_>>() != wanted {
                wrong.push("not the same endpoints once upstream took a merge over".to_owned());
            }
            let again = reconcile(service, &pods, &nodes, &left, self.config).writes;
            if !again.is_empty() {
                wrong.push(format!("upstream does not rest: {}", summary(&again)));
            }
            slices.reverse();
        }
        wrong
    }
}

/// All endpoints in full, each with its Service and family.
fn endpoints<'a>(slices: impl IntoIterator<Item = &'a EndpointSlice>) -> impl Iterator<Item = String> {
    slices.into_iter().flat_map(|slice| {
        let labels = slice.metadata.labels.as_ref();
        let service = labels.and_then(|labels| labels.get(names::LABEL_SERVICE_NAME));
        let service = format!(
            "{:?}/{service:?} {}",
            slice.metadata.namespace, slice.address_type
        );
        let endpoints = slice.endpoints.iter().flatten();
        endpoints.map(move |endpoint| format!("{service} {}", serde_json::to_string(endpoint).unwrap()))
    })
}

#[test]
fn merging_keeps_every_endpoint_in_all_fields_at_every_revision_and_upstream_leaves_the_result_as_it_is() {
    let seeds = seeds();
    let tally = play_seeds(seeds, Some(Duration::from_mins(5)));
    assert!(tally.merges as u64 > seeds / 2, "{tally:?}");
}
