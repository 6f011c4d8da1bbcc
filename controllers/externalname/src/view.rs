//! What a change touches.
//!
//! A key stands for the Service of that name, for what was made for it, and for a slice of that name that names no
//! Service.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use quaymaster_engine::Dirty;
use quaymaster_model::{EndpointsRecord, ObjectKey, ServicePort, ServiceRecord, SliceRecord, names};
use quaymaster_queue::Priority;
use quaymaster_world::{Change, Delta, World};

use crate::controller::ExternalNames;
use crate::{checks, stale};

/// What is made by several calls is looked at when it had time to be whole: a Service and the one it points to, a
/// Service and its slices.
pub(crate) const SETTLE: Duration = Duration::from_secs(10);

impl ExternalNames {
    pub(crate) fn mark_all(&mut self, world: &World, dirty: &mut Dirty) {
        let mut keys: HashSet<&ObjectKey> = HashSet::new();
        for (_, service) in world.services() {
            self.targets.changed(None, Some(service));
            if stale::is_left(service) {
                keys.insert(&service.key);
            }
        }
        let by_hand: HashSet<ObjectKey> = world
            .slices()
            .filter(|slice| checks::is_hand_made(slice))
            .map(|slice| key_of(slice))
            .collect();
        for key in keys.into_iter().chain(&by_hand) {
            mark(key, dirty);
        }
    }

    pub(crate) fn mark(&mut self, world: &World, delta: &Delta<'_>, dirty: &mut Dirty) {
        match delta {
            Delta::Service { change, .. } => self.service_changed(*change, dirty),
            Delta::Slice { change, .. } => self.slice_changed(world, *change, dirty),
            Delta::Endpoints { change, .. } => Self::endpoints_changed(world, *change, dirty),
            Delta::Pod { .. }
            | Delta::Node { .. }
            | Delta::ServiceCidr { .. }
            | Delta::IpAddress { .. }
            | Delta::Namespace { .. }
            | Delta::ServiceIpPool { .. }
            | Delta::NodePortPool { .. }
            | Delta::ServiceReservation { .. }
            | Delta::AllocationClaim { .. } => {}
        }
    }

    fn service_changed(&mut self, change: Change<'_, ServiceRecord>, dirty: &mut Dirty) {
        let (before, after) = (change.before(), change.after());
        if let (Some(before), Some(after)) = (before, after)
            && looks_the_same(before, after)
        {
            return;
        }
        self.targets.changed(before, after);
        let key = &change.latest().key;
        // One that selects Pods, now and before, is nothing of ours, unless something is remembered of the name.
        let is_ours = |service: Option<&ServiceRecord>| service.is_some_and(stale::is_left);
        if is_ours(before) || is_ours(after) || self.remembers(key) {
            mark(key, dirty);
        }
        for source in self.targets.leading_to(key) {
            mark(source, dirty);
        }
    }

    fn slice_changed(&self, world: &World, change: Change<'_, Arc<SliceRecord>>, dirty: &mut Dirty) {
        let (before, after) = (change.before(), change.after());
        if let (Some(before), Some(after)) = (before, after)
            && same_in_checks(before, after)
            && !self.may_be_stale(after)
        {
            return;
        }
        for slice in [before, after].into_iter().flatten() {
            let key = key_of(slice);
            let concerns = checks::is_hand_made(slice)
                || (self.may_be_stale(slice) && is_left(world, &key))
                || self.remembers(&key);
            if concerns {
                mark(&key, dirty);
            }
        }
    }

    /// Whether a slice is one that goes once its Service selects no Pods.
    fn may_be_stale(&self, slice: &SliceRecord) -> bool {
        self.stale.is_some() && slice.is_managed_by(names::MANAGER_ENDPOINTSLICE)
    }

    fn endpoints_changed(world: &World, change: Change<'_, Arc<EndpointsRecord>>, dirty: &mut Dirty) {
        let key = &change.latest().key;
        let is_managed =
            |endpoints: Option<&Arc<EndpointsRecord>>| endpoints.is_some_and(|it| it.is_managed());
        if (is_managed(change.before()) || is_managed(change.after())) && is_left(world, key) {
            mark(key, dirty);
        }
    }

    /// Whether something is held of a key, which may have to be forgotten.
    fn remembers(&self, key: &ObjectKey) -> bool {
        let waits = self.stale.as_ref().is_some_and(|stale| stale.knows(key));
        waits || self.told.knows(key)
    }
}

/// The key that a slice is looked at with.
pub(crate) fn key_of(slice: &SliceRecord) -> ObjectKey {
    let name = slice.service_name().unwrap_or(&slice.key.name);
    ObjectKey::new(slice.key.namespace.clone(), name.clone())
}

fn mark(key: &ObjectKey, dirty: &mut Dirty) {
    dirty.mark(key.clone(), Priority::Low, SETTLE);
}

fn is_left(world: &World, key: &ObjectKey) -> bool {
    let service = world.service_id(key).and_then(|id| world.service(id));
    service.is_some_and(stale::is_left)
}

/// Whether nothing changed that is looked at here.
fn looks_the_same(before: &ServiceRecord, after: &ServiceRecord) -> bool {
    before.kind == after.kind
        && before.selector == after.selector
        && before.external_name == after.external_name
        && ServicePort::same_but_for_node_ports(&before.ports, &after.ports)
        && before.terminating == after.terminating
}

fn same_in_checks(before: &SliceRecord, after: &SliceRecord) -> bool {
    before.labels == after.labels
        && before.ports == after.ports
        && before.owners == after.owners
        && before.terminating == after.terminating
}
