//! What a change touches.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use quaymaster_engine::Dirty;
use quaymaster_model::{EndpointsRecord, ObjectKey, ServiceRecord, SliceRecord, names};
use quaymaster_queue::Priority;
use quaymaster_world::{Change, Delta, Origin, World};

use crate::content::Known;
use crate::controller::Mirroring;
use crate::mirror::Source;

/// The Endpoints of this name, if they are to be mirrored: the Service exists and has no selector, whatever its type, and
/// neither label nor annotation is against it (kubernetes/kubernetes
/// `pkg/controller/endpointslicemirroring/endpointslicemirroring_controller.go`, `syncEndpoints` and `shouldMirror`).
pub(crate) fn mirrored<'a>(world: &'a World, key: &ObjectKey) -> Option<&'a Arc<EndpointsRecord>> {
    let service = world.service(world.service_id(key)?)?;
    let endpoints = world.endpoints(key)?;
    (service.selector.is_none() && !is_skipped(endpoints) && !endpoints.is_leader_lock()).then_some(endpoints)
}

/// Whether the label says so; values other than `true` say nothing.
fn is_skipped(endpoints: &EndpointsRecord) -> bool {
    let skip = endpoints.labels.get(names::LABEL_SKIP_MIRROR);
    skip.is_some_and(|skip| *skip == "true")
}

/// The Endpoints whose slice this is, by its labels.
pub(crate) fn owner(slice: &SliceRecord) -> Option<ObjectKey> {
    slice.service_of(names::MANAGER_MIRRORING)
}

impl Mirroring {
    pub(crate) fn mark(&mut self, world: &World, delta: &Delta<'_>, dirty: &mut Dirty) {
        match delta {
            Delta::Endpoints { change, .. } => self.endpoints_changed(world, *change, dirty),
            Delta::Service { change, .. } => self.service_changed(world, *change, dirty),
            Delta::Slice {
                change,
                origin: Origin::Watch,
            } => self.slice_changed(world, *change, dirty),
            // The answer to an own write comes by itself, with what it was an answer to. The other kinds are not read.
            Delta::Slice {
                origin: Origin::OwnWrite,
                ..
            }
            | Delta::Pod { .. }
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

    fn endpoints_changed(
        &mut self,
        world: &World,
        change: Change<'_, Arc<EndpointsRecord>>,
        dirty: &mut Dirty,
    ) {
        let key = &change.latest().key;
        if let Some(mirror) = self.mirrors.get_mut(key) {
            mirror.content.told(change.after().map(|endpoints| &**endpoints));
            if !matches!(change, Change::Updated { .. }) {
                mirror.replaced();
            }
        }
        if change.after().is_none() {
            dirty.forget(key.clone());
        }
        self.look(world, key, Duration::ZERO, dirty);
    }

    fn service_changed(&mut self, world: &World, change: Change<'_, ServiceRecord>, dirty: &mut Dirty) {
        // Whether there is a Service without a selector.
        let is_without =
            |service: Option<&ServiceRecord>| service.is_some_and(|service| service.selector.is_none());
        if is_without(change.before()) != is_without(change.after()) {
            self.look(world, &change.latest().key, Duration::ZERO, dirty);
        }
    }

    /// Has the slices of these Endpoints looked at, if they are to be mirrored or there are any.
    pub(crate) fn look(&mut self, world: &World, key: &ObjectKey, delay: Duration, dirty: &mut Dirty) {
        if mirrored(world, key).is_some() {
            self.mirrors.entry(key.clone()).or_default();
        }
        if let Some(mirror) = self.mirrors.get_mut(key) {
            mirror.look = true;
            dirty.mark(key.clone(), Priority::Normal, delay);
        }
    }

    fn slice_changed(&mut self, world: &World, change: Change<'_, Arc<SliceRecord>>, dirty: &mut Dirty) {
        let slice = &change.latest().key;
        let before = change.before().and_then(|slice| owner(slice));
        let after = change.after().and_then(|slice| owner(slice));
        let stray = if change.after().is_none() {
            self.strays.remove(slice)
        } else {
            self.strays.get(slice).cloned()
        };
        let keys: HashSet<ObjectKey> = [before, after, stray].into_iter().flatten().collect();
        for key in keys {
            self.slice_of(world, &key, slice, dirty);
        }
    }

    /// Somebody else did something to a slice of these Endpoints, or an own write is told before its answer comes.
    fn slice_of(&mut self, world: &World, key: &ObjectKey, slice: &ObjectKey, dirty: &mut Dirty) {
        let mirror = self.mirrors.entry(key.clone()).or_default();
        if mirror.is_being_written(&slice.name) {
            // The answer will show.
            mirror.look = true;
            return;
        }
        let is_repair = match mirrored(world, key) {
            // The garbage collector is at work as well.
            None => false,
            Some(endpoints) => match mirror.content.of(endpoints) {
                Known::Content(content) => {
                    let subsets = content.subsets.as_deref().unwrap_or_default();
                    let source = Source { endpoints, subsets };
                    if !mirror.has_work(world, source, &self.options.settings) {
                        // There may be once what is in flight is answered.
                        mirror.look |= !mirror.is_idle();
                        return;
                    }
                    true
                }
                Known::Ask | Known::Later => false,
            },
        };
        mirror.look = true;
        if is_repair {
            dirty.repair(key.clone(), self.options.batch_period);
        } else {
            dirty.mark(key.clone(), Priority::Normal, self.options.batch_period);
        }
    }
}
