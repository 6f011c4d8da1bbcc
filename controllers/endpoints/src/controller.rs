//! The controller as the engine sees it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use prometheus_client::metrics::gauge::Gauge;
use quaymaster_engine::controller::{Object, Stored};
use quaymaster_engine::{Answer, Controller, Dirty, Moment, Planned, Request, Verdict};
use quaymaster_model::{EndpointsRecord, ObjectKey, ServiceRecord, Timestamp, Uid, UpstreamRules};
use quaymaster_queue::Priority;
use quaymaster_runtime::api::{Remedy, Verb, WriteError};
use quaymaster_runtime::metrics::Registry;
use quaymaster_world::{Delta, Kind, ServiceId, World};

use crate::held::{Altered, Held, News, Orphan, Sent, Unanswered};
use crate::wanted::{Look, Wanted};
use crate::{NAME, notices, request};

/// A request without an answer may still be carried out so long: the apiserver's own time limit, and the watch after it.
const LATEST: Duration = Duration::from_secs(70);

/// What can be chosen.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The rules of the apiserver's version.
    pub rules: UpstreamRules,
    /// How long changes of Pods are gathered before Endpoints are written (`--endpoint-updates-batch-period`). Changes of
    /// Services are never delayed.
    pub batch_period: Duration,
}

/// What is held of all Services that select Pods, and of Endpoints without a Service.
pub struct Endpoints {
    pub(crate) options: Options,
    pub(crate) held: HashMap<ObjectKey, Held>,
    /// Of how many addresses were left out.
    truncated: i64,
    truncated_shown: Gauge,
}

impl std::fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoints")
            .field("held", &self.held.len())
            .finish_non_exhaustive()
    }
}

impl Endpoints {
    /// A controller that knows of no Service yet.
    pub fn new(options: Options, registry: &Registry) -> Self {
        let truncated_shown = Gauge::default();
        registry.register(
            "quaymaster_endpoints_truncated",
            "Services whose Endpoints lack addresses, as they would have more than 1000",
            truncated_shown.clone(),
        );
        Self {
            options,
            held: HashMap::new(),
            truncated: 0,
            truncated_shown,
        }
    }

    /// Forgets a key of which nothing is to be remembered: it has no Service that selects Pods, no request in flight, and no
    /// Endpoints that are to go or may still come.
    pub(crate) fn forget_if_unused(&mut self, world: &World, key: &ObjectKey) {
        let is_unused = |held: &Held| !held.may_make_endpoints() && held.orphan == Orphan::Unknown;
        if self.held.get(key).is_some_and(is_unused) && selecting(world, key).is_none() {
            self.truncated -= self.held.remove(key).map_or(0, |held| held.truncated.into());
        }
    }

    /// The Service selects Pods: what its Endpoints need.
    fn keep(&mut self, world: &World, id: ServiceId, service: &ServiceRecord) -> Option<Request> {
        let held = self.held.get_mut(&service.key)?;
        // Whatever a Service before it left is taken over.
        held.orphan = Orphan::Unknown;
        held.unanswered = Unanswered::None;
        let stored = world.endpoints(&service.key);
        let pods = world.membership().pods_of(id).filter_map(|id| world.pod(id));
        let wanted = Wanted::of(service, pods, self.options.rules.port_order);
        self.truncated += i64::from(wanted.truncated) - i64::from(held.truncated);
        held.truncated = wanted.truncated;
        let is_done = match stored {
            Some(stored) => wanted.is_stored(service, stored) || held.is_left_as_altered(&wanted, stored),
            None => held.namespace_terminating,
        };
        let trigger = held.trigger.time();
        held.trigger.planned(false);
        if is_done {
            return None;
        }
        held.sent = Some(Box::new(Sent::Write {
            service: service.uid.clone(),
            trigger,
            look: wanted.look(),
        }));
        Some(request::write(&service.key, wanted, trigger, stored))
    }

    /// There is a Service and it selects no Pods: its Endpoints are not ours, unless an earlier Service of the name left
    /// them.
    fn leave(&mut self, world: &World, key: &ObjectKey) -> Option<Request> {
        let held = self.held.get_mut(key)?;
        held.unanswered = Unanswered::None;
        let stored = going(world, key).filter(|stored| held.orphan.is_left_as(stored));
        let Some(stored) = stored else {
            held.orphan = Orphan::Unknown;
            return None;
        };
        held.sent = Some(Box::new(Sent::Delete));
        Some(request::delete(stored))
    }

    /// There is no Service: its Endpoints go, whoever made them. Those of which no Service was seen only after the apiserver
    /// has said that there is none.
    fn sweep(&mut self, world: &World, key: &ObjectKey, now: Instant) -> Option<Request> {
        let held = self.held.get_mut(key)?;
        let Some(stored) = going(world, key) else {
            held.orphan = Orphan::Unknown;
            held.wait(now);
            return None;
        };
        held.unanswered = Unanswered::None;
        if held.orphan.is(stored) {
            held.sent = Some(Box::new(Sent::Delete));
            Some(request::delete(stored))
        } else {
            held.orphan = Orphan::Unknown;
            held.sent = Some(Box::new(Sent::Question));
            Some(request::service(key))
        }
    }
}

/// Endpoints that may be deleted. Locks of leader election have no Service, and that is no reason to take them from who
/// holds them.
pub(crate) fn going<'a>(world: &'a World, key: &ObjectKey) -> Option<&'a EndpointsRecord> {
    let stored = world.endpoints(key)?;
    (!stored.is_leader_lock() && !stored.terminating).then_some(stored)
}

/// The Service of this name, if it selects Pods.
pub(crate) fn selecting<'a>(world: &'a World, key: &ObjectKey) -> Option<(ServiceId, &'a ServiceRecord)> {
    let id = world.service_id(key)?;
    let service = world.service(id)?;
    service.selects_pods().then_some((id, service))
}

impl Controller for Endpoints {
    fn name(&self) -> &'static str {
        NAME
    }

    fn reads(&self) -> &'static [Kind] {
        &[Kind::Service, Kind::Pod, Kind::Endpoints]
    }

    fn start(&mut self, world: &World, dirty: &mut Dirty) {
        for (_, service) in world.services() {
            self.service_changed(None, service, world, dirty);
        }
        Self::mark_orphans(world, dirty);
    }

    fn on(&mut self, world: &World, delta: &Delta<'_>, dirty: &mut Dirty) {
        self.mark(world, delta, dirty);
    }

    fn plan(&mut self, world: &World, key: &ObjectKey, _: usize, now: Moment) -> Planned {
        let held = self.held.entry(key.clone()).or_default();
        if held.sent.is_some() {
            held.news = News::Other;
            return Planned::default();
        }
        held.news = News::None;
        let request = match selecting(world, key) {
            Some((id, service)) => self.keep(world, id, service),
            None if world.service_id(key).is_some() => self.leave(world, key),
            None => self.sweep(world, key, now.at),
        };
        self.forget_if_unused(world, key);
        Planned {
            requests: request.into_iter().collect(),
            look_again: self.held.get(key).and_then(Held::awaited_until),
            ..Planned::default()
        }
    }

    fn answered(&mut self, world: &World, answer: &Answer<'_>) -> Verdict {
        let sent = self.held.get_mut(answer.key).and_then(|held| held.sent.take());
        let verdict = match sent.map(|sent| *sent) {
            None => Verdict::Done,
            Some(Sent::Write {
                service,
                trigger,
                look,
            }) => self.written(world, answer, &service, trigger, look),
            Some(Sent::Question) => self.confirmed(world, answer),
            Some(Sent::Delete) => self.deleted(world, answer),
        };
        self.forget_if_unused(world, answer.key);
        verdict
    }

    /// Orphans are looked for by each process that begins to write, as kube-controller-manager does it.
    fn term_began(&mut self, world: &World, dirty: &mut Dirty) {
        Self::mark_orphans(world, dirty);
    }

    fn measure(&mut self, _: &World) {
        self.truncated_shown.set(self.truncated);
    }

    fn rival(&self) -> &'static str {
        "is kube-controller-manager's endpoints-controller still on? append -endpoints-controller to its \
         --controllers, and keep what is in it; or is there a second quaymaster? give all replicas \
         --leader-elect"
    }
}

impl Endpoints {
    /// Asks whether there is a Service, for all Endpoints of which none is known: those whose Service was deleted while
    /// nobody watched, and those that never had one (kubernetes/kubernetes#57794).
    fn mark_orphans(world: &World, dirty: &mut Dirty) {
        let orphans = world
            .all_endpoints()
            .filter(|stored| world.service_id(&stored.key).is_none() && !stored.is_leader_lock());
        for stored in orphans {
            dirty.mark(stored.key.clone(), Priority::Low, Duration::ZERO);
        }
    }

    fn written(
        &mut self,
        world: &World,
        answer: &Answer<'_>,
        service: &Uid,
        trigger: Option<Timestamp>,
        look: Look,
    ) -> Verdict {
        let known = world.endpoints(answer.key).map(|known| &**known);
        let Some(held) = self.held.get_mut(answer.key) else {
            return Verdict::Done;
        };
        let stored = match &answer.result {
            Ok(Stored::Object(Object::Endpoints(stored))) => stored,
            Ok(_) => return Verdict::Done,
            // Everything in the namespace goes, the Service as well.
            Err(WriteError::NamespaceTerminating { .. }) if answer.verb == Verb::Create => {
                held.namespace_terminating = true;
                return held.next();
            }
            Err(error) => {
                held.trigger.add(trigger);
                if answer.verb == Verb::Create && matches!(error.remedy(), Remedy::Retry | Remedy::Stop) {
                    held.unanswered = Unanswered::Create;
                }
                let worth_telling = matches!(error.remedy(), Remedy::Report | Remedy::Retry);
                let notice = worth_telling.then(|| notices::write_failed(known, answer, error));
                return Verdict::Retry { notice };
            }
        };
        held.unanswered = Unanswered::None;
        let is_of_present_service = world
            .service_id(answer.key)
            .and_then(|id| world.service(id))
            .is_some_and(|present| present.uid == *service);
        if !is_of_present_service {
            held.orphan = Orphan::left(stored);
            held.news = News::Other;
        }
        // What was told of Endpoints may have been no more than what the answer says.
        let is_latest = known.is_some_and(|known| known.resource_version == stored.resource_version);
        if held.news == News::Endpoints && is_latest {
            held.news = News::None;
        }
        let found = Look::of(stored);
        if found == look {
            held.altered = None;
            return held.next();
        }
        held.altered = Some(Box::new(Altered {
            sent: look,
            stored: found,
        }));
        Verdict::Altered {
            more: held.news != News::None,
            notice: notices::altered(stored),
        }
    }

    fn confirmed(&mut self, world: &World, answer: &Answer<'_>) -> Verdict {
        let Some(held) = self.held.get_mut(answer.key) else {
            return Verdict::Done;
        };
        match &answer.result {
            Ok(Stored::Gone) => {
                if let Some(stored) = world.endpoints(answer.key) {
                    held.orphan = Orphan::Confirmed {
                        uid: stored.uid.clone(),
                    };
                }
                Verdict::Again
            }
            // The watch will tell of the Service.
            Ok(_) => held.next(),
            Err(_) => Verdict::Retry { notice: None },
        }
    }

    fn deleted(&mut self, world: &World, answer: &Answer<'_>) -> Verdict {
        let Some(held) = self.held.get_mut(answer.key) else {
            return Verdict::Done;
        };
        match &answer.result {
            Ok(_) => {
                if matches!(held.orphan, Orphan::Confirmed { .. }) {
                    tracing::info!(controller = NAME, key = %answer.key, "Endpoints without a Service deleted");
                }
                held.orphan = Orphan::Unknown;
                // The watch may have told no more than that.
                if held.news == News::Endpoints && world.endpoints(answer.key).is_none() {
                    held.news = News::None;
                }
                held.next()
            }
            Err(error) => {
                if matches!(error, WriteError::Conflict { .. }) {
                    // Somebody writes them, perhaps before the Service comes.
                    held.orphan = Orphan::Unknown;
                }
                Verdict::Retry { notice: None }
            }
        }
    }
}

impl Held {
    /// There is no Service and there are no Endpoints, but a create may have been carried out of which the watch has not told
    /// yet. Nobody else would ever delete what it made.
    fn wait(&mut self, now: Instant) {
        self.unanswered = match self.unanswered {
            Unanswered::Create => Unanswered::AwaitedUntil(now + LATEST),
            Unanswered::AwaitedUntil(until) if now < until => Unanswered::AwaitedUntil(until),
            _ => Unanswered::None,
        };
    }

    fn awaited_until(&self) -> Option<Instant> {
        match self.unanswered {
            Unanswered::AwaitedUntil(until) => Some(until),
            _ => None,
        }
    }

    /// What is to be done after an answer that says nothing else.
    fn next(&self) -> Verdict {
        if self.news == News::None {
            Verdict::Done
        } else {
            Verdict::Again
        }
    }
}
