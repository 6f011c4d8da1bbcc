//! The controller as the engine sees it.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use quaymaster_engine::controller::{Object, Stored};
use quaymaster_engine::{Answer, Controller, Dirty, Moment, Planned, Request, Verdict};
use quaymaster_model::{ObjectKey, ServiceRecord, TrafficDistribution};
use quaymaster_queue::Priority;
use quaymaster_runtime::api::{Remedy, Verb, WriteError};
use quaymaster_runtime::metrics::Registry;
use quaymaster_slices::convert::HintMode;
use quaymaster_slices::topology::Zones;
use quaymaster_slices::{Context, Failure, Finished, Outcome, ServiceSlices, Settings, Turns, WriteId};
use quaymaster_world::{Delta, Kind, ServiceId, World};

use crate::backing::Backing;
use crate::gauges::Gauges;
use crate::metrics::{Metrics, SyncResult, Topology};
use crate::{NAME, notices, view};

/// What can be chosen.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Maximum of a slice, and the rules of the apiserver's version.
    pub settings: Settings,
    /// How long changes of Pods are gathered before slices are written
    /// (`--endpointslice-updates-batch-period`). Changes of Services are never delayed.
    pub batch_period: Duration,
}

/// The held state of all Services, and what it takes to turn it into requests.
pub struct EndpointSlices {
    pub(crate) options: Options,
    pub(crate) services: HashMap<ServiceId, ServiceSlices>,
    /// Services that ask for hints by annotation: what Nodes offer concerns them.
    pub(crate) auto: BTreeSet<ServiceId>,
    /// Slices that a policy stored under other labels than were sent, and the Services whose they are nevertheless.
    pub(crate) strays: HashMap<ObjectKey, ObjectKey>,
    pub(crate) zones: Zones,
    pub(crate) gauges: Gauges,
    /// When Services may merge sparse slices.
    turns: Turns,
    metrics: Metrics,
    /// How many states were made, for [`Self::next_numbers`].
    states: u64,
}

impl std::fmt::Debug for EndpointSlices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EndpointSlices")
            .field("services", &self.services.len())
            .finish_non_exhaustive()
    }
}

impl EndpointSlices {
    /// A controller that knows of no Service yet.
    pub fn new(options: Options, registry: &Registry) -> Self {
        let metrics = Metrics::register(registry);
        Self {
            options,
            services: HashMap::new(),
            auto: BTreeSet::new(),
            strays: HashMap::new(),
            zones: Zones::default(),
            gauges: Gauges::new(metrics.clone()),
            turns: Turns::default(),
            metrics,
            states: 0,
        }
    }

    /// Where the numbers of the writes of a new state begin: no state ever makes as many as lie between two of these.
    pub(crate) fn next_numbers(&mut self) -> u64 {
        self.states += 1;
        self.states << 32
    }

    /// Calls `act` with the state of a Service, if one is held.
    pub(crate) fn with<T>(
        &mut self,
        world: &World,
        id: ServiceId,
        act: impl FnOnce(&mut ServiceSlices, Context<'_, Backing<'_>>) -> T,
    ) -> Option<T> {
        let service = world.service(id)?;
        let state = self.services.get_mut(&id)?;
        let backing = Backing {
            world,
            service: id,
            namespace: &service.key.namespace,
            zones: &self.zones,
        };
        let cx = Context {
            service,
            cluster: &backing,
            settings: &self.options.settings,
        };
        Some(act(state, cx))
    }
}

impl Controller for EndpointSlices {
    fn name(&self) -> &'static str {
        NAME
    }

    fn reads(&self) -> &'static [Kind] {
        &[Kind::Service, Kind::Pod, Kind::Node, Kind::Slice]
    }

    fn start(&mut self, world: &World, dirty: &mut Dirty) {
        for node in world.nodes() {
            self.zones.node_changed(None, Some(node));
        }
        for (id, service) in world.services() {
            self.service_changed(world, id, None, service, dirty);
        }
    }

    fn on(&mut self, world: &World, delta: &Delta<'_>, dirty: &mut Dirty) {
        self.mark(world, delta, dirty);
    }

    fn plan(&mut self, world: &World, key: &ObjectKey, limit: usize, now: Moment) -> Planned {
        let Some(id) = world.service_id(key) else {
            return Planned::default();
        };
        let mut turns = self.turns;
        let planned = self.with(world, id, |state, cx| {
            let plan = state.plan(cx, limit, now.at, &mut turns)?;
            Some((plan, state.summary(cx)))
        });
        self.turns = turns;
        let (Some(service), Some(Some((plan, summary)))) = (world.service(id), planned) else {
            return Planned::default();
        };
        self.gauges.update(id, summary);
        for (added, removed) in &plan.changes {
            self.metrics.synced_endpoints(count(*added), count(*removed));
        }
        if !plan.writes.is_empty() {
            let (topology, distribution) = self.labels(service);
            self.metrics
                .slices_changed(topology, distribution, count(plan.writes.len()));
        }
        Planned {
            requests: plan.writes.into_iter().map(Request::from).collect(),
            notices: plan
                .events
                .iter()
                .map(|event| notices::topology(service, event))
                .collect(),
            truncated: plan.truncated,
            look_again: plan.look_again,
            ..Planned::default()
        }
    }

    fn answered(&mut self, world: &World, answer: &Answer<'_>) -> Verdict {
        if answer.result.is_ok() {
            self.metrics.changed(answer.verb);
        }
        let outcome = match &answer.result {
            Ok(Stored::Object(Object::Slice(slice))) => Outcome::Stored(std::sync::Arc::clone(slice)),
            // Nothing but slices is asked about.
            Ok(Stored::Object(_)) => return Verdict::Done,
            Ok(Stored::Gone) => Outcome::Deleted,
            Ok(Stored::Going) => Outcome::Deleting,
            Err(error) => Outcome::Failed(failure(answer.verb, error)),
        };
        let Some(id) = world.service_id(answer.key) else {
            return Verdict::Done;
        };
        let name = &answer.object.name;
        // By its labels; a policy may have changed those of what was written.
        let is_anothers = view::is_anothers(world, answer.object, answer.key);
        // What an own write stored is no news to the world when the watch tells it, and what came and went while the watch
        // was down is told by nobody. Whether a slice was taken from us was for the answer to show.
        let is_untold = match &answer.result {
            Ok(_) | Err(WriteError::Conflict { .. }) => true,
            Err(_) => is_anothers,
        };
        let Some((after, more, is_held)) = self.with(world, id, |state, cx| {
            let after = state.finished(cx, name, WriteId(answer.write), outcome);
            if is_untold {
                view::catch_up(state, cx, world.slice(answer.object), name);
            }
            (after, state.has_work(), state.known_version(name).is_some())
        }) else {
            return Verdict::Done;
        };
        if is_anothers && is_held {
            self.strays.insert(answer.object.clone(), answer.key.clone());
        } else {
            self.strays.remove(answer.object);
        }
        self.metrics.synced(match &answer.result {
            Ok(_) => SyncResult::Success,
            Err(WriteError::Conflict { .. }) => SyncResult::Stale,
            Err(_) => SyncResult::Error,
        });
        if self.forget_unless_selecting(world, id) {
            return Verdict::Done;
        }
        match (after, world.service(id)) {
            (Finished::Retry, service) => {
                let notice = answer.result.as_ref().err().and_then(|error| {
                    let worth_telling = matches!(error.remedy(), Remedy::Report | Remedy::Retry);
                    let service = service.filter(|_| worth_telling)?;
                    Some(notices::write_failed(service, answer, error))
                });
                Verdict::Retry { notice }
            }
            (Finished::Altered, Some(service)) => Verdict::Altered {
                more,
                notice: notices::altered(service, answer),
            },
            _ if more => Verdict::Again,
            _ => Verdict::Done,
        }
    }

    fn term_began(&mut self, world: &World, dirty: &mut Dirty) {
        for id in self.services.keys().copied().collect::<Vec<_>>() {
            let decided = self.with(world, id, |state, cx| {
                state.take_back(cx).then(|| cx.service.key.clone())
            });
            if let Some(Some(key)) = decided {
                dirty.mark(key, Priority::Normal, Duration::ZERO);
            }
        }
    }

    fn measure(&mut self, _: &World) {
        self.gauges.show();
    }

    fn rival(&self) -> &'static str {
        "is kube-controller-manager's endpointslice-controller still on? append -endpointslice-controller to its \
         --controllers, and keep what is in it; or is there a second quaymaster? give all replicas \
         --leader-elect"
    }
}

impl EndpointSlices {
    fn labels(&self, service: &ServiceRecord) -> (Topology, TrafficDistribution) {
        match HintMode::of(service, self.options.settings.rules) {
            HintMode::Auto => (Topology::Auto, TrafficDistribution::None),
            HintMode::Off => (Topology::Disabled, TrafficDistribution::None),
            HintMode::OwnPlace { .. } => (Topology::Disabled, service.distribution()),
        }
    }
}

fn failure(verb: Verb, error: &WriteError) -> Failure {
    match error {
        WriteError::AlreadyExists { .. } => Failure::NameTaken,
        // The namespace is missing: it went before the Service's deletion was told. Until that is told, there may be one
        // of the same name again.
        WriteError::NotFound { .. } if verb == Verb::Create => Failure::Other,
        WriteError::NotFound { .. } => Failure::Missing,
        WriteError::NamespaceTerminating { .. } => Failure::NamespaceTerminating,
        _ => Failure::Other,
    }
}

fn count(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// How urgent a change is for the queue.
pub(crate) fn priority(urgency: quaymaster_slices::Urgency) -> Priority {
    match urgency {
        quaymaster_slices::Urgency::Low => Priority::Low,
        quaymaster_slices::Urgency::Normal => Priority::Normal,
        quaymaster_slices::Urgency::Urgent => Priority::Urgent,
    }
}
