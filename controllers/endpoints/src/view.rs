//! What a change touches.

use std::sync::Arc;
use std::time::Duration;

use quaymaster_engine::Dirty;
use quaymaster_membership::backing;
use quaymaster_membership::trigger::{self, Trigger};
use quaymaster_model::{EndpointsRecord, PodRecord, ServiceRecord, Timestamp, names};
use quaymaster_queue::Priority;
use quaymaster_world::{Change, Delta, Moved, Origin, ServiceId, World};

use crate::controller::{Endpoints, going, selecting};
use crate::held::{Held, News, Orphan};

/// Up to Kubernetes 1.36 the apiserver deletes Endpoints with their Service. So long it is waited for that before it is
/// done here, so that it is done once.
const LEFT_TO_THE_APISERVER: Duration = Duration::from_secs(1);

impl Endpoints {
    pub(crate) fn mark(&mut self, world: &World, delta: &Delta<'_>, dirty: &mut Dirty) {
        match delta {
            Delta::Pod { change, moved, .. } => self.pod_changed(world, *change, moved, dirty),
            Delta::Service { change, .. } => match change.after() {
                Some(service) => self.service_changed(change.before(), service, world, dirty),
                None => self.service_removed(world, change.latest(), dirty),
            },
            Delta::Endpoints {
                change,
                origin: Origin::Watch,
            } => self.endpoints_changed(world, *change, dirty),
            // The answer to an own write comes by itself; other kinds are not read.
            Delta::Endpoints { .. }
            | Delta::Node { .. }
            | Delta::Slice { .. }
            | Delta::ServiceCidr { .. }
            | Delta::IpAddress { .. }
            | Delta::Namespace { .. }
            | Delta::ServiceIpPool { .. }
            | Delta::NodePortPool { .. }
            | Delta::ServiceReservation { .. }
            | Delta::AllocationClaim { .. } => {}
        }
    }

    pub(crate) fn service_changed(
        &mut self,
        before: Option<&ServiceRecord>,
        service: &ServiceRecord,
        world: &World,
        dirty: &mut Dirty,
    ) {
        if before.is_some_and(|before| before.same_but_for_allocation(service)) {
            return;
        }
        if !service.selects_pods() {
            self.selects_none(before, service, world, dirty);
            return;
        }
        let held = self.held.entry(service.key.clone()).or_default();
        if !before.is_some_and(ServiceRecord::selects_pods) {
            held.trigger = Trigger::of_service(service.created);
            held.altered = None;
        }
        held.namespace_terminating = false;
        dirty.mark(service.key.clone(), Priority::Normal, Duration::ZERO);
    }

    /// What there are of Endpoints stays as it is. But those of an earlier Service of the name, which are still to go, are
    /// not to be taken for those of this one: nobody has written them since it came.
    fn selects_none(
        &mut self,
        before: Option<&ServiceRecord>,
        service: &ServiceRecord,
        world: &World,
        dirty: &mut Dirty,
    ) {
        let Some(held) = self.held.get_mut(&service.key) else {
            return;
        };
        if before.is_none() {
            if held.orphan.is_older_than(&service.resource_version) {
                dirty.mark(service.key.clone(), Priority::Normal, Duration::ZERO);
                return;
            }
            held.orphan = Orphan::Unknown;
        }
        self.forget_if_unused(world, &service.key);
    }

    fn service_removed(&mut self, world: &World, service: &ServiceRecord, dirty: &mut Dirty) {
        let key = &service.key;
        let Some(stored) = going(world, key) else {
            if self.held.get(key).is_some_and(Held::may_make_endpoints) {
                dirty.mark(key.clone(), Priority::Normal, Duration::ZERO);
            } else {
                self.forget_if_unused(world, key);
                dirty.forget(key.clone());
            }
            return;
        };
        let held = self.held.entry(key.clone()).or_default();
        held.orphan = Orphan::left(stored);
        let delay = if self.options.rules.apiserver_deletes_endpoints {
            LEFT_TO_THE_APISERVER
        } else {
            Duration::ZERO
        };
        dirty.mark(key.clone(), Priority::Normal, delay);
    }

    fn pod_changed(
        &mut self,
        world: &World,
        change: Change<'_, PodRecord>,
        moved: &Moved,
        dirty: &mut Dirty,
    ) {
        let (before, after) = (change.before(), change.after());
        for id in &moved.left {
            self.one_pod_changed(world, *id, before, None, None, dirty);
        }
        let news = trigger::of_pod(before, after);
        for id in &moved.stayed {
            self.one_pod_changed(world, *id, before, after, news, dirty);
        }
        let joined = trigger::of_pod(None, after);
        for id in &moved.joined {
            self.one_pod_changed(world, *id, None, after, joined, dirty);
        }
    }

    fn one_pod_changed(
        &mut self,
        world: &World,
        id: ServiceId,
        before: Option<&PodRecord>,
        after: Option<&PodRecord>,
        trigger: Option<Timestamp>,
        dirty: &mut Dirty,
    ) {
        let Some(service) = world.service(id) else { return };
        let backs = |pod: &&PodRecord| backing::backs(pod, service.publish_not_ready);
        let (before, after) = (before.filter(backs), after.filter(backs));
        if !differ(before, after) {
            return;
        }
        let Some(held) = self.held.get_mut(&service.key) else {
            return;
        };
        held.trigger.add(trigger);
        dirty.mark(
            service.key.clone(),
            priority(before, after),
            self.options.batch_period,
        );
    }

    fn endpoints_changed(
        &mut self,
        world: &World,
        change: Change<'_, Arc<EndpointsRecord>>,
        dirty: &mut Dirty,
    ) {
        if let Change::Updated { old, new } = change
            && looks_the_same(old, new)
        {
            return;
        }
        let key = &change.latest().key;
        let Some(held) = self.held.get_mut(key) else {
            return;
        };
        if held.sent.is_some() {
            held.news = held.news.max(News::Endpoints);
        } else if selecting(world, key).is_some() {
            dirty.repair(key.clone(), Duration::ZERO);
        } else if held.may_make_endpoints() {
            dirty.mark(key.clone(), Priority::Normal, Duration::ZERO);
        } else if change.after().is_none() {
            // It was to go, and has gone.
            held.orphan = Orphan::Unknown;
            self.forget_if_unused(world, key);
            dirty.forget(key.clone());
        }
    }
}

/// Whether Endpoints differ for a Pod that may be published before, after, or both: nothing else of it is written there.
fn differ(before: Option<&PodRecord>, after: Option<&PodRecord>) -> bool {
    let (before, after) = match (before, after) {
        (None, None) => return false,
        (Some(before), Some(after)) => (before, after),
        _ => return true,
    };
    before.uid != after.uid
        || before.node != after.node
        || before.ports != after.ports
        || before.addresses != after.addresses
        || before.hostname != after.hostname
        || before.flags.ready != after.flags.ready
}

/// What takes traffic from a Pod that cannot serve it goes first.
pub(crate) fn priority(before: Option<&PodRecord>, after: Option<&PodRecord>) -> Priority {
    let serves = |pod: Option<&PodRecord>| pod.is_some_and(|pod| pod.flags.ready && !pod.flags.terminating);
    if serves(before) && !serves(after) {
        Priority::Urgent
    } else {
        Priority::Normal
    }
}

/// Whether what others changed of Endpoints is theirs to change.
fn looks_the_same(old: &EndpointsRecord, new: &EndpointsRecord) -> bool {
    let over_capacity =
        |endpoints: &EndpointsRecord| endpoints.annotation(names::ANNOTATION_OVER_CAPACITY).cloned();
    old.digest == new.digest && old.labels == new.labels && over_capacity(old) == over_capacity(new)
}
