//! The Pods of each Service and the Services of each Pod.

use quaymaster_model::{Interned, LabelSet, Selector, Text};
use smallvec::SmallVec;

use crate::group::{GroupId, Groups};
use crate::id::narrow;
use crate::pairs::{Filed, PairId, Pairs};
use crate::{Moved, PodId, ServiceId, ServiceIds};

/// Which Pods back which Service.
///
/// Whoever holds the records tells every change of a Pod's labels and of a Service's selector; nothing else counts.
pub struct Membership {
    /// By [`PodId`].
    pods: Vec<Option<Place>>,
    /// By [`ServiceId`].
    services: Vec<Option<Member>>,
    groups: Groups,
    pairs: Pairs,
    counts: Counts,
    probes: u64,
}

/// Where a Pod stands.
#[derive(Clone, Copy)]
struct Place {
    group: GroupId,
    at: u32,
}

/// A Service with a selector.
struct Member {
    namespace: Text,
    selector: Selector,
    /// The one pair under which the Service is found.
    filed: Filed,
    /// Groups that match, in no order; each knows its place here.
    groups: SmallVec<[GroupId; 2]>,
    /// Sum of the Pods of these groups.
    pods: usize,
}

#[derive(Default)]
struct Counts {
    pods: usize,
    services: usize,
    links: usize,
    filed: usize,
}

/// How much is held; for metrics, since a count that only grows is a leak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sizes {
    /// Pods.
    pub pods: usize,
    /// Services with a selector.
    pub services: usize,
    /// Distinct label sets of Pods, counted for each namespace.
    pub groups: usize,
    /// Pairs of a Service and a group that it matches.
    pub links: usize,
    /// Label pairs that a group carries or under which a Service is filed.
    pub label_pairs: usize,
    /// Estimate of the memory held, in bytes, without the shared labels and names.
    pub bytes: usize,
}

impl Default for Membership {
    fn default() -> Self {
        Self::new()
    }
}

impl Membership {
    /// No Pods, no Services.
    pub fn new() -> Self {
        Self {
            pods: Vec::new(),
            services: Vec::new(),
            groups: Groups::new(),
            pairs: Pairs::new(),
            counts: Counts::default(),
            probes: 0,
        }
    }

    /// Adds a Pod, or moves it to other labels. Tells which Services it left, stayed with and joined.
    ///
    /// Costs a look-up while labels stay as they are, or are those of a group that exists. Otherwise the Services
    /// filed under the pairs of the new labels are compared with them.
    pub fn upsert_pod(&mut self, id: PodId, namespace: &Text, labels: &Interned<LabelSet>) -> Moved {
        let old = self.place(id);
        if let Some(place) = old
            && self.groups.get(place.group).is(namespace, labels)
        {
            return Moved {
                stayed: ServiceIds::from_slice(&self.groups.get(place.group).services),
                ..Moved::default()
            };
        }
        let before = self.remove_pod(id);
        let group = match self.groups.find(namespace, labels) {
            Some(group) => group,
            None => self.insert_group(namespace, labels),
        };
        self.attach(id, group);
        Moved::between(&before, &self.groups.get(group).services)
    }

    /// Removes a Pod; gives the Services it belonged to, sorted. Unknown Pods belong to none.
    pub fn remove_pod(&mut self, id: PodId) -> ServiceIds {
        let Some(place) = self.pods.get_mut(id.index()).and_then(Option::take) else {
            return ServiceIds::new();
        };
        self.counts.pods -= 1;
        let group = self.groups.get_mut(place.group);
        group.pods.swap_remove(place.at as usize);
        let services = ServiceIds::from_slice(&group.services);
        let moved = group.pods.get(place.at as usize).copied();
        let empty = group.pods.is_empty();
        if let Some(moved) = moved {
            self.pods[moved.index()] = Some(place);
        }
        for service in &services {
            member(&mut self.services, *service).pods -= 1;
        }
        if empty {
            self.remove_group(place.group);
        }
        services
    }

    /// Adds a Service or changes its selector; without a selector it matches nothing and is not held.
    ///
    /// Returns whether the selector is another one than before, so that the Pods may be others as well. Costs as
    /// many comparisons as groups carry the rarest pair of the selector.
    pub fn upsert_service(&mut self, id: ServiceId, namespace: &Text, selector: Option<&Selector>) -> bool {
        let old = self.services.get(id.index()).and_then(Option::as_ref);
        let same = match (old, selector) {
            (Some(old), Some(selector)) => old.selector == *selector && old.namespace == *namespace,
            (None, None) => true,
            _ => false,
        };
        if same {
            return false;
        }
        self.remove_service(id);
        if let Some(selector) = selector {
            self.insert_service(id, namespace, selector);
        }
        true
    }

    /// Removes a Service. Does nothing for one that is not held.
    pub fn remove_service(&mut self, id: ServiceId) {
        let Some(service) = self.services.get(id.index()).and_then(Option::as_ref) else {
            return;
        };
        let filed = service.filed;
        for group in service.groups.clone() {
            self.unlink(group, id);
        }
        self.services[id.index()] = None;
        self.counts.services -= 1;
        if let Some(moved) = self.pairs.unfile_service(filed) {
            member(&mut self.services, moved).filed = filed;
        }
    }

    /// Services that select a Pod, sorted by id; none for an unknown Pod.
    pub fn services_of(&self, id: PodId) -> &[ServiceId] {
        self.place(id)
            .map_or(&[], |place| &self.groups.get(place.group).services)
    }

    /// Pods that a Service selects, in no order; none for an unknown Service.
    pub fn pods_of(&self, id: ServiceId) -> impl Iterator<Item = PodId> {
        self.member(id)
            .into_iter()
            .flat_map(|service| &service.groups)
            .flat_map(|group| self.groups.get(*group).pods.iter().copied())
    }

    /// Whether a Service selects a Pod. Searches among the Services of the Pod, never among the Pods.
    pub fn contains(&self, service: ServiceId, pod: PodId) -> bool {
        self.services_of(pod).binary_search(&service).is_ok()
    }

    /// How many Pods a Service selects, in constant time.
    pub fn count(&self, id: ServiceId) -> usize {
        self.member(id).map_or(0, |service| service.pods)
    }

    /// Index entries looked at since the start, to find which selectors match which labels. Divided by the events
    /// this is the cost of one; it must not follow the size of the cluster.
    pub fn probes(&self) -> u64 {
        self.probes
    }

    /// How much is held.
    pub fn sizes(&self) -> Sizes {
        let Counts {
            pods,
            services,
            links,
            filed,
        } = self.counts;
        Sizes {
            pods,
            services,
            groups: self.groups.len(),
            links,
            label_pairs: self.pairs.len(),
            bytes: self.pods.capacity() * size_of::<Option<Place>>()
                + self.services.capacity() * size_of::<Option<Member>>()
                + self.groups.bytes()
                + self.pairs.bytes()
                + pods * size_of::<PodId>()
                + links * size_of::<GroupId>()
                + filed * (size_of::<Filed>() + size_of::<GroupId>()),
        }
    }

    fn place(&self, id: PodId) -> Option<Place> {
        self.pods.get(id.index()).copied().flatten()
    }

    fn member(&self, id: ServiceId) -> Option<&Member> {
        self.services.get(id.index()).and_then(Option::as_ref)
    }

    fn attach(&mut self, id: PodId, group: GroupId) {
        let held = self.groups.get_mut(group);
        held.pods.push(id);
        let at = narrow(held.pods.len() - 1);
        for service in &held.services {
            member(&mut self.services, *service).pods += 1;
        }
        if self.pods.len() <= id.index() {
            self.pods.resize(id.index() + 1, None);
        }
        self.pods[id.index()] = Some(Place { group, at });
        self.counts.pods += 1;
    }

    /// A group for labels that no Pod has had until now, linked to the Services that match.
    fn insert_group(&mut self, namespace: &Text, labels: &Interned<LabelSet>) -> GroupId {
        let group = self.groups.insert(namespace, labels);
        let mut matching = ServiceIds::new();
        let mut filed = Vec::with_capacity(labels.len());
        for (key, value) in labels.iter() {
            let pair = self.pairs.find_or_insert(namespace, key, value);
            filed.push(self.pairs.file_group(pair, group));
            let candidates = self.pairs.services(pair);
            self.probes += 1 + candidates.len() as u64;
            // A Service is filed under one pair only and so comes up at most once.
            matching.extend(candidates.iter().copied().filter(|id| {
                self.services[id.index()]
                    .as_ref()
                    .is_some_and(|service| service.selector.matches(labels))
            }));
        }
        self.counts.filed += filed.len();
        self.groups.get_mut(group).filed = filed.into_boxed_slice();
        matching.sort_unstable();
        for service in matching {
            self.link(group, service);
        }
        group
    }

    fn remove_group(&mut self, id: GroupId) {
        for service in self.groups.get(id).services.clone() {
            self.unlink(id, service);
        }
        let group = self.groups.remove(id);
        self.counts.filed -= group.filed.len();
        for filed in group.filed {
            let Some(moved) = self.pairs.unfile_group(filed) else {
                continue;
            };
            let moved = self.groups.get_mut(moved);
            if let Some(place) = moved.filed.iter_mut().find(|place| place.pair == filed.pair) {
                place.at = filed.at;
            }
        }
    }

    fn insert_service(&mut self, id: ServiceId, namespace: &Text, selector: &Selector) {
        let Some(pair) = self.rarest(namespace, selector) else {
            return;
        };
        let filed = self.pairs.file_service(pair, id);
        if self.services.len() <= id.index() {
            self.services.resize_with(id.index() + 1, || None);
        }
        self.services[id.index()] = Some(Member {
            namespace: namespace.clone(),
            selector: selector.clone(),
            filed,
            groups: SmallVec::new(),
            pods: 0,
        });
        self.counts.services += 1;
        let candidates = self.pairs.groups(pair).to_vec();
        self.probes += candidates.len() as u64;
        for group in candidates {
            if selector.matches(&self.groups.get(group).labels) {
                self.link(group, id);
            }
        }
    }

    /// The pair of the selector that the fewest groups carry, of several the one with the fewest Services: it costs
    /// the fewest comparisons, now and for each later group. None for a selector without pairs, which matches nothing.
    fn rarest(&mut self, namespace: &Text, selector: &Selector) -> Option<PairId> {
        self.probes += selector.pairs().len() as u64;
        let (key, value) = selector.pairs().iter().min_by_key(|(key, value)| {
            self.pairs.find(namespace, key, value).map_or((0, 0), |pair| {
                (self.pairs.groups(pair).len(), self.pairs.services(pair).len())
            })
        })?;
        Some(self.pairs.find_or_insert(namespace, key, value))
    }

    fn link(&mut self, group_id: GroupId, id: ServiceId) {
        let group = self.groups.get_mut(group_id);
        let service = member(&mut self.services, id);
        if let Err(index) = group.services.binary_search(&id) {
            group.services.insert(index, id);
            group.places.insert(index, narrow(service.groups.len()));
            service.groups.push(group_id);
            service.pods += group.pods.len();
            self.counts.links += 1;
        }
    }

    fn unlink(&mut self, group_id: GroupId, id: ServiceId) {
        let group = self.groups.get_mut(group_id);
        let Ok(index) = group.services.binary_search(&id) else {
            return;
        };
        group.services.remove(index);
        let at = group.places.remove(index);
        let service = member(&mut self.services, id);
        service.pods -= group.pods.len();
        service.groups.swap_remove(at as usize);
        self.counts.links -= 1;
        let Some(moved) = service.groups.get(at as usize).copied() else {
            return;
        };
        let moved = self.groups.get_mut(moved);
        if let Ok(index) = moved.services.binary_search(&id) {
            moved.places[index] = at;
        }
    }
}

/// The Service behind an id found in an index: what is indexed is held.
#[expect(clippy::expect_used, reason = "indexes name only what is held")]
fn member(services: &mut [Option<Member>], id: ServiceId) -> &mut Member {
    services[id.index()].as_mut().expect("an indexed Service is held")
}

#[cfg(test)]
mod tests;
