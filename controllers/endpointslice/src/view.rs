//! What a change touches.

use std::sync::Arc;
use std::time::Duration;

use quaymaster_engine::Dirty;
use quaymaster_membership::trigger;
use quaymaster_model::{
    NodeRecord, ObjectKey, PodRecord, ServiceRecord, SliceRecord, Text, Timestamp, names,
};
use quaymaster_queue::Priority;
use quaymaster_slices::{Context, ServiceSlices, Urgency};
use quaymaster_world::{Change, Delta, Moved, Origin, ServiceId, World};

use crate::backing::Backing;
use crate::controller::{EndpointSlices, priority};

impl EndpointSlices {
    pub(crate) fn mark(&mut self, world: &World, delta: &Delta<'_>, dirty: &mut Dirty) {
        match delta {
            Delta::Pod { change, moved, .. } => self.pod_changed(world, *change, moved, dirty),
            Delta::Service { id, change, .. } => match change.after() {
                Some(service) => self.service_changed(world, *id, change.before(), service, dirty),
                None => self.service_removed(*id, change.latest(), dirty),
            },
            Delta::Node { change } => self.node_changed(world, *change, dirty),
            // The answer to an own write comes by itself, with what it was an answer to; the others are not read.
            Delta::Slice {
                origin: Origin::OwnWrite,
                ..
            }
            | Delta::Endpoints { .. }
            | Delta::ServiceCidr { .. }
            | Delta::IpAddress { .. }
            | Delta::Namespace { .. }
            | Delta::ServiceIpPool { .. }
            | Delta::NodePortPool { .. }
            | Delta::ServiceReservation { .. }
            | Delta::AllocationClaim { .. } => {}
            Delta::Slice {
                change,
                origin: Origin::Watch,
            } => self.slice_changed(world, *change, dirty),
        }
    }

    pub(crate) fn service_changed(
        &mut self,
        world: &World,
        id: ServiceId,
        before: Option<&ServiceRecord>,
        service: &ServiceRecord,
        dirty: &mut Dirty,
    ) {
        if before.is_some_and(|before| before.same_but_for_allocation(service)) {
            return;
        }
        if !service.selects_pods() {
            // Its slices, if any, stay as they are.
            self.forget_unless_selecting(world, id);
            self.auto.remove(&id);
            self.gauges.remove(id);
            return;
        }
        if service.topology_auto {
            self.auto.insert(id);
        } else {
            self.auto.remove(&id);
        }
        self.gauges.distribution(id, service.distribution());
        let first_write = self.next_numbers();
        let is_new = !self.services.contains_key(&id);
        self.services.entry(id).or_insert_with(|| {
            ServiceSlices::new(service.uid.clone(), service.created).numbered_from(first_write)
        });
        self.with(world, id, |state, cx| {
            if is_new {
                let ours = |slice: &&Arc<SliceRecord>| slice.is_managed_by(names::MANAGER_ENDPOINTSLICE);
                for slice in world.slices_of(&service.key).filter(ours) {
                    state.slice_seen(cx, Arc::clone(slice));
                }
            }
            state.refresh(cx);
        });
        dirty.mark(service.key.clone(), Priority::Normal, Duration::ZERO);
    }

    /// Whether the Service selects no Pods. Its state goes when it knows no more than what is observed: should the
    /// selector come back before, a new one would take a slice for what a write under way has already changed, and a
    /// Pod out of another one for it.
    pub(crate) fn forget_unless_selecting(&mut self, world: &World, id: ServiceId) -> bool {
        if world.service(id).is_some_and(ServiceRecord::selects_pods) {
            return false;
        }
        if self.services.get(&id).is_some_and(ServiceSlices::is_as_observed)
            && let Some(service) = world.service(id)
        {
            self.forget(id, &service.key);
        }
        true
    }

    fn forget(&mut self, id: ServiceId, service: &ObjectKey) {
        self.services.remove(&id);
        self.strays.retain(|_, of| of != service);
    }

    fn service_removed(&mut self, id: ServiceId, service: &ServiceRecord, dirty: &mut Dirty) {
        // The garbage collector deletes its slices.
        self.forget(id, &service.key);
        self.auto.remove(&id);
        self.gauges.remove(id);
        dirty.forget(service.key.clone());
    }

    fn pod_changed(
        &mut self,
        world: &World,
        change: Change<'_, PodRecord>,
        moved: &Moved,
        dirty: &mut Dirty,
    ) {
        let name = &change.latest().key.name;
        let pod = change.after();
        let (news, joined) = (trigger::of_pod(change.before(), pod), trigger::of_pod(None, pod));
        for id in &moved.left {
            self.one_pod_changed(world, *id, name, None, None, dirty);
        }
        for id in &moved.stayed {
            self.one_pod_changed(world, *id, name, pod, news, dirty);
        }
        for id in &moved.joined {
            self.one_pod_changed(world, *id, name, pod, joined, dirty);
        }
    }

    fn one_pod_changed(
        &mut self,
        world: &World,
        id: ServiceId,
        name: &Text,
        pod: Option<&PodRecord>,
        trigger: Option<Timestamp>,
        dirty: &mut Dirty,
    ) {
        let marked = self.with(world, id, |state, cx| {
            let urgency = state.pod_changed(cx, name, pod, trigger);
            (urgency, state.has_work(), cx.service.key.clone())
        });
        if let Some((urgency, true, key)) = marked {
            dirty.mark(key, priority(urgency), self.options.batch_period);
        }
    }

    fn node_changed(&mut self, world: &World, change: Change<'_, NodeRecord>, dirty: &mut Dirty) {
        let (before, after) = (change.before(), change.after());
        let place = |node: Option<&NodeRecord>| node.map(|node| node.zone.clone());
        if place(before) != place(after) {
            // Upstream looks at these Pods again only when something else happens to their Services.
            for id in world.pods_on(&change.latest().name) {
                let Some(pod) = world.pod(id) else { continue };
                for service in world.membership().services_of(id).to_vec() {
                    self.one_pod_changed(world, service, &pod.key.name, Some(pod), None, dirty);
                }
            }
        }
        if self.zones.node_changed(before, after) {
            for id in self.auto.iter().copied().collect::<Vec<_>>() {
                let (Some(state), Some(service)) = (self.services.get(&id), world.service(id)) else {
                    continue;
                };
                let hints = state.hint_state();
                // Upstream looks at those alone that are overloaded: a family that was refused waits for something else.
                if hints.covers(service.slice_families()) && !hints.is_overloaded(&self.zones) {
                    continue;
                }
                if let Some(key) = self.with(world, id, |state, cx| {
                    state.look_again();
                    cx.service.key.clone()
                }) {
                    dirty.mark(key, priority(Urgency::Low), Duration::ZERO);
                }
            }
        }
    }

    fn slice_changed(&mut self, world: &World, change: Change<'_, Arc<SliceRecord>>, dirty: &mut Dirty) {
        let slice = change.latest();
        let is_removed = change.after().is_none();
        let mut before = change.before().and_then(|slice| owner(slice));
        let mut after = change.after().and_then(|slice| owner(slice));
        if let Some(stray) = self.strays.get(&slice.key).cloned() {
            // Its labels tell of its Service only where they change.
            if before == after && !is_removed {
                after = Some(stray.clone());
            } else {
                self.strays.remove(&slice.key);
            }
            before = Some(stray);
        }
        if let Some(key) = before.filter(|before| after.as_ref() != Some(before)) {
            self.told(world, &key, dirty, |state, cx| {
                // A policy may have taken its labels by a write of ours. The answer will show.
                let may_be_own = !is_removed && state.is_being_written(&slice.key.name);
                !may_be_own && state.slice_gone(cx, &slice.key.name)
            });
        }
        if let Some(key) = after {
            self.told(world, &key, dirty, |state, cx| {
                state.slice_seen(cx, Arc::clone(slice))
            });
        }
    }

    /// Tells the state of a Service about a slice. `tell` returns whether somebody else's doing is to be put right.
    fn told(
        &mut self,
        world: &World,
        key: &ObjectKey,
        dirty: &mut Dirty,
        tell: impl FnOnce(&mut ServiceSlices, Context<'_, Backing<'_>>) -> bool,
    ) {
        let Some(id) = world.service_id(key) else { return };
        let told = self.with(world, id, |state, cx| (tell(state, cx), state.has_work()));
        if self.forget_unless_selecting(world, id) {
            return;
        }
        match told {
            Some((true, true)) => dirty.repair(key.clone(), self.options.batch_period),
            // What there is to write has another reason, but may not be what it was.
            Some((false, true)) => dirty.mark(key.clone(), Priority::Normal, self.options.batch_period),
            Some((_, false)) | None => {}
        }
    }
}

/// Tells a state what the world knows of a slice after an answer, which the state may not have been told. What is no news to
/// the state changes nothing.
pub(crate) fn catch_up(
    state: &mut ServiceSlices,
    cx: Context<'_, Backing<'_>>,
    known: Option<&Arc<SliceRecord>>,
    name: &Text,
) {
    match known {
        // Also where a policy has taken its labels.
        Some(slice) if state.known_version(name) == Some(&slice.resource_version) => {}
        Some(slice) if owner(slice).as_ref() == Some(&cx.service.key) => {
            _ = state.slice_seen(cx, Arc::clone(slice));
        }
        _ => _ = state.slice_gone(cx, name),
    }
}

/// Whether the world has a slice of this name that is none of this Service by its labels.
pub(crate) fn is_anothers(world: &World, object: &ObjectKey, service: &ObjectKey) -> bool {
    let known = world.slice(object);
    known.is_some_and(|slice| owner(slice).as_ref() != Some(service))
}

/// The Service whose slice of ours this is.
fn owner(slice: &SliceRecord) -> Option<ObjectKey> {
    slice.service_of(names::MANAGER_ENDPOINTSLICE)
}
