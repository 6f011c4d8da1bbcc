//! The controller as the engine sees it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quaymaster_engine::controller::{Object, Stored};
use quaymaster_engine::{Answer, Controller, Dirty, Moment, Planned, Verdict};
use quaymaster_model::{ObjectKey, ResourceVersion, ServiceCidrRecord, Uid};
use quaymaster_queue::Priority;
use quaymaster_runtime::api::{Remedy, Verb, WriteError};
use quaymaster_world::{Change, Delta, Kind, World};

use crate::blockers::Blockers;
use crate::plan::{self, Facts, Step};
use crate::{NAME, notices, request};

/// What is known of ServiceCIDRs beyond the world: which of them addresses hold, and what is under way.
#[derive(Debug, Default)]
pub struct ServiceCidrs {
    blockers: Blockers,
    /// What is under way.
    busy: HashMap<ObjectKey, Step>,
    /// Since when it is known that one is being deleted, with its UID.
    deleted: HashMap<ObjectKey, (Uid, Instant)>,
    /// Versions at which the apiserver stored something other than what was sent: to send it again would store that again.
    altered: HashMap<ObjectKey, ResourceVersion>,
}

impl ServiceCidrs {
    /// A controller that knows of no ServiceCIDR yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is to be done with a ServiceCIDR.
    fn step(&mut self, world: &World, cidr: &ServiceCidrRecord, now: Moment) -> Step {
        let held = cidr.deleted.is_some()
            && self.blockers.holds(
                &cidr.key,
                world.service_cidrs().map(AsRef::as_ref),
                world.ip_addresses().map(AsRef::as_ref),
            );
        let known_for = self.known_for(cidr, now.at);
        plan::next(&Facts {
            cidr,
            held,
            known_for,
            wall: now.wall,
        })
    }

    /// How long it has been known that it is being deleted.
    fn known_for(&mut self, cidr: &ServiceCidrRecord, now: Instant) -> Duration {
        if cidr.deleted.is_none() {
            self.deleted.remove(&cidr.key);
            return Duration::ZERO;
        }
        let first = || (cidr.uid.clone(), now);
        let known = self.deleted.entry(cidr.key.clone()).or_insert_with(first);
        if known.0 != cidr.uid {
            *known = first();
        }
        now.saturating_duration_since(known.1)
    }

    fn cidr_changed(&mut self, world: &World, change: Change<'_, Arc<ServiceCidrRecord>>, dirty: &mut Dirty) {
        let key = &change.latest().key;
        let (before, after) = (change.before(), change.after());
        let mine = |cidr: &Arc<ServiceCidrRecord>| plan::is_kept(cidr);
        match after {
            None => {
                self.busy.remove(key);
                self.deleted.remove(key);
                self.altered.remove(key);
                dirty.forget(key.clone());
            }
            // Nothing was to be done, and now there is, though nobody deletes it: somebody has undone it.
            Some(new) if before.is_some_and(mine) && new.deleted.is_none() && !mine(new) => {
                dirty.repair(key.clone(), Duration::ZERO);
            }
            Some(_) => dirty.mark(key.clone(), Priority::Normal, Duration::ZERO),
        }
        // Which addresses hold which hangs on this alone, and to count them anew takes all of them.
        let decides = |cidr: &Arc<ServiceCidrRecord>| (cidr.deleted, cidr.cidrs.clone());
        if before.map(decides) == after.map(decides) {
            return;
        }
        self.blockers.forget();
        // Whoever is being deleted may be held by it, or no longer be. Upstream asks those alone that overlap one that came.
        for cidr in world
            .service_cidrs()
            .filter(|cidr| cidr.deleted.is_some() && cidr.key != *key)
        {
            dirty.mark(cidr.key.clone(), Priority::Normal, Duration::ZERO);
        }
    }
}

impl Controller for ServiceCidrs {
    fn name(&self) -> &'static str {
        NAME
    }

    fn reads(&self) -> &'static [Kind] {
        &[Kind::ServiceCidr, Kind::IpAddress]
    }

    fn start(&mut self, world: &World, dirty: &mut Dirty) {
        for cidr in world.service_cidrs() {
            dirty.mark(cidr.key.clone(), Priority::Normal, Duration::ZERO);
        }
    }

    fn on(&mut self, world: &World, delta: &Delta<'_>, dirty: &mut Dirty) {
        match delta {
            Delta::ServiceCidr { change, .. } => self.cidr_changed(world, *change, dirty),
            Delta::IpAddress { change, .. } => {
                // Labels decide whether it counts. What else is written to one is nothing of ours, and must not count it out
                // and in again.
                if let Change::Updated { old, new } = change
                    && old.labels == new.labels
                {
                    return;
                }
                let told = [(change.before(), false), (change.after(), true)];
                for (address, there) in told {
                    let cidrs = world.service_cidrs().map(AsRef::as_ref);
                    let changed =
                        address.and_then(|address| self.blockers.address_changed(cidrs, address, there));
                    if let Some(cidr) = changed {
                        dirty.mark(cidr, Priority::Normal, Duration::ZERO);
                    }
                }
            }
            Delta::Service { .. }
            | Delta::Pod { .. }
            | Delta::Node { .. }
            | Delta::Namespace { .. }
            | Delta::ServiceIpPool { .. }
            | Delta::NodePortPool { .. }
            | Delta::ServiceReservation { .. }
            | Delta::AllocationClaim { .. }
            | Delta::Slice { .. }
            | Delta::Endpoints { .. } => {}
        }
    }

    fn term_began(&mut self, _: &World, _: &mut Dirty) {
        // Nothing is decided ahead of a plan.
    }

    fn plan(&mut self, world: &World, key: &ObjectKey, _: usize, now: Moment) -> Planned {
        let Some(cidr) = world.service_cidr(key) else {
            return Planned::default();
        };
        if self.busy.contains_key(key) || self.altered.get(key) == Some(&cidr.resource_version) {
            return Planned::default();
        }
        let mut planned = Planned::default();
        let step = self.step(world, cidr, now);
        let request = match &step {
            Step::Rest => return planned,
            Step::Wait(left) => {
                planned.look_again = Some(now.at + *left);
                return planned;
            }
            Step::AddFinalizer => request::add_finalizer(cidr),
            Step::RemoveFinalizer => request::remove_finalizer(cidr),
            Step::SetReady(condition) => request::set_ready(cidr, condition, now.wall),
        };
        self.busy.insert(key.clone(), step);
        planned.requests.push(request);
        planned
    }

    fn answered(&mut self, world: &World, answer: &Answer<'_>) -> Verdict {
        let sent = self.busy.remove(answer.key);
        match &answer.result {
            Ok(Stored::Object(Object::ServiceCidr(stored))) => {
                match sent {
                    // What is answered where the object goes with its last finalizer is an object of before, by its version;
                    // the watch tells the deletion.
                    Some(Step::RemoveFinalizer) if Step::RemoveFinalizer.is_done(stored) => {
                        return Verdict::Done;
                    }
                    Some(step) if !step.is_done(stored) => {}
                    _ => return Verdict::Again,
                }
                self.altered
                    .insert(answer.key.clone(), stored.resource_version.clone());
                Verdict::Altered {
                    more: false,
                    notice: notices::altered(stored),
                }
            }
            Ok(_) | Err(WriteError::NotFound { .. }) => Verdict::Done,
            Err(error) => {
                let worth_telling = matches!(error.remedy(), Remedy::Report | Remedy::Retry);
                let cidr = world.service_cidr(answer.key);
                let cidr =
                    cidr.filter(|cidr| worth_telling && answer.verb == Verb::Apply && cidr.deleted.is_none());
                Verdict::Retry {
                    notice: cidr.map(|cidr| notices::not_ready(cidr, error)),
                }
            }
        }
    }

    fn measure(&mut self, _: &World) {}

    fn rival(&self) -> &'static str {
        "is kube-controller-manager's service-cidr-controller still on? append -service-cidr-controller to its \
         --controllers, and keep what is in it; or is there a second quaymaster? give all replicas \
         --leader-elect"
    }
}
