//! The controller as the engine sees it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use quaymaster_engine::controller::{Moment, Object, Stored};
use quaymaster_engine::{Answer, Controller, Dirty, Planned, Request, Verdict};
use quaymaster_model::write::WriteId;
use quaymaster_model::{EndpointsRecord, ObjectKey};
use quaymaster_runtime::api::{Remedy, Verb, WriteError};
use quaymaster_runtime::events::Notice;
use quaymaster_runtime::metrics::Registry;
use quaymaster_world::{Delta, Kind, World};

use crate::content::Known;
use crate::gauges::Gauges;
use crate::metrics::Metrics;
use crate::mirror::{Answered, Mirror, Next, Settings, Source};
use crate::{NAME, notices, view};

/// What can be chosen.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// What is mirrored of a subset, and the rules of the apiserver's version.
    pub settings: Settings,
    /// How long what others do to slices is gathered before it is put right
    /// (`--mirroring-endpointslice-updates-batch-period`). Changes of Endpoints and Services are never delayed.
    pub batch_period: Duration,
}

/// The held state of all mirrored Endpoints, and what it takes to turn it into requests.
pub struct Mirroring {
    pub(crate) options: Options,
    /// Endpoints that are mirrored, and such of which there are mirrored slices.
    pub(crate) mirrors: HashMap<ObjectKey, Mirror>,
    /// Slices that a policy stored under other labels than were sent, and the Endpoints whose they are nevertheless.
    pub(crate) strays: HashMap<ObjectKey, ObjectKey>,
    gauges: Gauges,
    metrics: Metrics,
    last_write: u64,
}

impl std::fmt::Debug for Mirroring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mirroring")
            .field("mirrors", &self.mirrors.len())
            .finish_non_exhaustive()
    }
}

impl Mirroring {
    /// A controller that knows of no Endpoints yet.
    pub fn new(options: Options, registry: &Registry) -> Self {
        Self {
            options,
            mirrors: HashMap::new(),
            strays: HashMap::new(),
            gauges: Gauges::default(),
            metrics: Metrics::register(registry),
            last_write: 0,
        }
    }
}

impl Controller for Mirroring {
    fn name(&self) -> &'static str {
        NAME
    }

    fn reads(&self) -> &'static [Kind] {
        &[Kind::Service, Kind::Endpoints, Kind::Slice]
    }

    fn start(&mut self, world: &World, dirty: &mut Dirty) {
        for slice in world.slices() {
            if let Some(key) = view::owner(slice) {
                self.mirrors.entry(key).or_default();
            }
        }
        let with_slices: Vec<ObjectKey> = self.mirrors.keys().cloned().collect();
        let endpoints = world.all_endpoints().map(|endpoints| &endpoints.key);
        for key in with_slices.iter().chain(endpoints) {
            self.look(world, key, Duration::ZERO, dirty);
        }
    }

    fn on(&mut self, world: &World, delta: &Delta<'_>, dirty: &mut Dirty) {
        self.mark(world, delta, dirty);
    }

    fn plan(&mut self, world: &World, key: &ObjectKey, limit: usize, now: Moment) -> Planned {
        let Some(mirror) = self.mirrors.get_mut(key) else {
            return Planned::default();
        };
        if !mirror.look && mirror.began.is_none() {
            return Planned::default();
        }
        let began = *mirror.began.get_or_insert(now.at);
        let mut planned = Planned::default();
        let endpoints = view::mirrored(world, key);
        if std::mem::take(&mut mirror.look) {
            match endpoints {
                None => {
                    self.gauges.remove(key);
                    let next = mirror.clean_up(world, key, limit, &mut self.last_write);
                    send(next, &mut planned);
                }
                Some(endpoints) => self.mirror(world, endpoints, limit, &mut planned),
            }
        }
        let Some(mirror) = self.mirrors.get_mut(key) else {
            return planned;
        };
        if mirror.is_idle() {
            mirror.began = None;
            self.metrics.took(now.at.saturating_duration_since(began));
            if endpoints.is_none() && !mirror.look {
                self.mirrors.remove(key);
                self.strays.retain(|_, of| of != key);
            }
        }
        planned
    }

    fn answered(&mut self, world: &World, answer: &Answer<'_>) -> Verdict {
        let Some(mirror) = self.mirrors.get_mut(answer.key) else {
            return Verdict::Done;
        };
        let id = WriteId(answer.write);
        let mut is_altered = false;
        let what = match &answer.result {
            Ok(Stored::Object(Object::Endpoints(found))) => {
                return self.content_answered(world, answer, Some(Arc::clone(found)));
            }
            _ if answer.verb == Verb::Get => return self.content_answered(world, answer, None),
            Ok(Stored::Object(Object::Slice(slice))) => {
                let (what, altered) = mirror.stored(id, slice);
                is_altered = altered;
                let is_stray = view::owner(slice).as_ref() != Some(answer.key);
                if is_stray && mirror.altered().any(|name| *name == slice.key.name) {
                    self.strays.insert(answer.object.clone(), answer.key.clone());
                } else {
                    self.strays.remove(answer.object);
                }
                // The watch may have been faster, and may know of a later change.
                let known = world.slice(answer.object).map(|known| &known.resource_version);
                mirror.look |= known != Some(&slice.resource_version);
                what
            }
            // Nothing but slices is written.
            Ok(Stored::Object(_)) => return Verdict::Done,
            Ok(Stored::Gone | Stored::Going) => mirror.ended(&answer.object.name, id),
            Err(error) => {
                if mirror.ended(&answer.object.name, id) == Answered::Unknown {
                    return Verdict::Done;
                }
                return self.failed(world, answer, error);
            }
        };
        match what {
            Answered::Unknown => return Verdict::Done,
            Answered::CleanUp => {}
            Answered::Change => self.metrics.changed(answer.verb),
        }
        let more = mirror.look || mirror.is_idle();
        match world.endpoints(answer.key).filter(|_| is_altered) {
            Some(endpoints) => Verdict::Altered {
                more,
                notice: notices::altered(endpoints, answer),
            },
            // Also to take note that all is done.
            None if more => Verdict::Again,
            None => Verdict::Done,
        }
    }

    fn term_began(&mut self, _: &World, _: &mut Dirty) {
        // What is decided is handed out at once, so nothing of an earlier term is left.
    }

    fn measure(&mut self, _: &World) {
        self.metrics.show(self.gauges.total());
    }

    fn rival(&self) -> &'static str {
        "is kube-controller-manager's endpointslice-mirroring-controller still on? append -endpointslice-mirroring-controller to its \
         --controllers, and keep what is in it; or is there a second quaymaster? give all replicas \
         --leader-elect"
    }
}

impl Mirroring {
    /// Plans for Endpoints that are to be mirrored.
    fn mirror(
        &mut self,
        world: &World,
        endpoints: &Arc<EndpointsRecord>,
        limit: usize,
        planned: &mut Planned,
    ) {
        let key = &endpoints.key;
        let Some(mirror) = self.mirrors.get_mut(key) else {
            return;
        };
        let content = match mirror.content.of(endpoints) {
            Known::Content(content) => content,
            Known::Ask => {
                self.last_write += 1;
                mirror.content.ask(WriteId(self.last_write));
                let request = Request::get(Kind::Endpoints, key.clone(), self.last_write);
                planned.requests.push(request);
                return;
            }
            // The answer, or the watch, wakes it.
            Known::Later => return,
        };
        let subsets = content.subsets.as_deref().unwrap_or_default();
        let source = Source { endpoints, subsets };
        let settings = &self.options.settings;
        let next = mirror.next(world, source, settings, limit, &mut self.last_write);
        self.gauges.update(key, &next.desired);
        self.metrics.synced(next.difference, next.desired.skipped);
        let left_out = (next.desired.invalid, next.desired.skipped);
        let before = std::mem::replace(&mut mirror.left_out, left_out);
        planned
            .notices
            .extend(told(endpoints, settings.max_endpoints, before, left_out));
        send(next, planned);
    }

    /// The apiserver was asked what Endpoints say.
    fn content_answered(
        &mut self,
        world: &World,
        answer: &Answer<'_>,
        found: Option<Arc<EndpointsRecord>>,
    ) -> Verdict {
        let Some(mirror) = self.mirrors.get_mut(answer.key) else {
            return Verdict::Done;
        };
        let endpoints = world.endpoints(answer.key);
        let is_news = mirror.content.answered(WriteId(answer.write), found, endpoints);
        mirror.look |= is_news;
        if answer.result.is_err() {
            mirror.look = true;
            Verdict::Retry { notice: None }
        } else if mirror.look || mirror.is_idle() {
            Verdict::Again
        } else {
            Verdict::Done
        }
    }

    /// A write of a slice has failed.
    fn failed(&mut self, world: &World, answer: &Answer<'_>, error: &WriteError) -> Verdict {
        let Some(mirror) = self.mirrors.get_mut(answer.key) else {
            return Verdict::Done;
        };
        mirror.look = true;
        match error {
            // Once the holder is known, its name is passed over for that.
            WriteError::AlreadyExists { .. } if world.slice(answer.object).is_none() => {
                mirror.refuse(&answer.object.name);
            }
            WriteError::NamespaceTerminating { .. } => {
                mirror.stop_creating();
                return Verdict::Again;
            }
            _ => {}
        }
        let worth_telling = matches!(error.remedy(), Remedy::Report | Remedy::Retry);
        let endpoints = world.endpoints(answer.key).filter(|_| worth_telling);
        Verdict::Retry {
            notice: endpoints.map(|endpoints| notices::write_failed(endpoints, answer, error)),
        }
    }
}

fn send(next: Next, planned: &mut Planned) {
    planned
        .requests
        .extend(next.writes.into_iter().map(Request::from));
    planned.truncated = next.truncated;
}

/// What is said of addresses that are left out: each cause when its number changes. Upstream says it on every sync.
fn told(
    endpoints: &EndpointsRecord,
    most: usize,
    before: (usize, usize),
    left_out: (usize, usize),
) -> Vec<Notice> {
    let (invalid, skipped) = left_out;
    let mut notices = Vec::new();
    if invalid > 0 && invalid != before.0 {
        notices.push(notices::invalid(endpoints, invalid));
    }
    let surplus = |(invalid, skipped): (usize, usize)| skipped - invalid;
    if surplus(left_out) > 0 && surplus(left_out) != surplus(before) {
        notices.push(notices::too_many(endpoints, most, skipped));
    }
    notices
}
