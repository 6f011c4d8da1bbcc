//! The controller as the engine sees it.

use std::time::Duration;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use quaymaster_engine::controller::{Object, Stored};
use quaymaster_engine::{Answer, Controller, Dirty, Moment, Planned, Verdict};
use quaymaster_model::{ObjectKey, ServiceRecord};
use quaymaster_runtime::api::Verb;
use quaymaster_runtime::events::Notice;
use quaymaster_runtime::metrics::{Labels, Registry};
use quaymaster_world::{Delta, Kind, World};

use crate::checks::{self, Cause};
use crate::domain::ClusterDomain;
use crate::stale::{self, Said, Stale, Then};
use crate::targets::Targets;
use crate::told::Told;
use crate::{NAME, notices, request};

/// What can be chosen.
#[derive(Debug, Clone)]
pub struct Options {
    /// The domain that the cluster's DNS answers for (`--cluster-domain`).
    pub domain: ClusterDomain,
    /// How long what controllers have left behind stays (`--delete-stale-endpoints-after`); none is for ever.
    pub grace: Option<Duration>,
}

/// What is known of Services that select no Pods, beyond the world.
pub struct ExternalNames {
    pub(crate) targets: Targets,
    pub(crate) told: Told,
    /// None where all of it stays.
    pub(crate) stale: Option<Stale>,
    mistakes: Family<Labels<1>, Gauge>,
    waiting: Gauge,
}

impl std::fmt::Debug for ExternalNames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExternalNames").finish_non_exhaustive()
    }
}

impl ExternalNames {
    /// A controller that knows of no Service yet.
    pub fn new(options: Options, registry: &Registry) -> Self {
        let (mistakes, waiting) = (Family::<Labels<1>, Gauge>::default(), Gauge::default());
        registry.register(
            "quaymaster_externalname_mistakes",
            "Services that select no Pods, and EndpointSlices made by hand, with a mistake that was told as an Event, by cause",
            mistakes.clone(),
        );
        registry.register(
            "quaymaster_externalname_stale_objects",
            "Endpoints and EndpointSlices that controllers have left behind and that are to be deleted; always 0 without \
             --delete-stale-endpoints-after",
            waiting.clone(),
        );
        let controller = Self {
            targets: Targets::new(options.domain),
            told: Told::default(),
            stale: options.grace.map(Stale::new),
            mistakes,
            waiting,
        };
        controller.show();
        controller
    }

    fn show(&self) {
        for cause in Cause::ALL {
            self.mistakes
                .get_or_create(&[("cause", cause.label())])
                .set(self.told.count(cause));
        }
        let waiting = self.stale.as_ref().map_or(0, Stale::len);
        self.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    /// All that is wrong with what a key stands for.
    fn mistakes(&self, world: &World, key: &ObjectKey) -> Vec<(Cause, Notice)> {
        let find = |key: &ObjectKey| world.service(world.service_id(key)?);
        let service: Option<&ServiceRecord> = find(key);
        let mut found = Vec::new();
        if let Some(service) = service {
            for finding in checks::of_service(service, self.targets.domain(), find) {
                found.push((finding.cause, notices::of_service(service, &finding)));
            }
        }
        let own = world.slice(key).filter(|slice| slice.service_name().is_none());
        for slice in world.slices_of(key).chain(own) {
            if let Some(finding) = checks::of_slice(slice, service) {
                found.push((finding.cause, notices::of_slice(slice, &finding)));
            }
        }
        found
    }
}

impl Controller for ExternalNames {
    fn name(&self) -> &'static str {
        NAME
    }

    fn reads(&self) -> &'static [Kind] {
        if self.stale.is_some() {
            &[Kind::Service, Kind::Endpoints, Kind::Slice]
        } else {
            &[Kind::Service, Kind::Slice]
        }
    }

    fn start(&mut self, world: &World, dirty: &mut Dirty) {
        self.mark_all(world, dirty);
    }

    fn on(&mut self, world: &World, delta: &Delta<'_>, dirty: &mut Dirty) {
        self.mark(world, delta, dirty);
    }

    fn term_began(&mut self, _: &World, _: &mut Dirty) {
        // Nothing is decided ahead of a plan. What another process told has the same name, and what it deleted is gone.
    }

    fn plan(&mut self, world: &World, key: &ObjectKey, limit: usize, now: Moment) -> Planned {
        let mistakes = self.mistakes(world, key);
        let (standing, later) = self.told.news(key, mistakes, now.at);
        let mut planned = Planned {
            standing,
            look_again: later,
            ..Planned::default()
        };
        if let Some(stale) = &mut self.stale {
            let next = stale.next(key, stale::left(world, key), now.at, limit);
            planned.requests = next
                .asks
                .into_iter()
                .map(|ask| request::request(key, ask))
                .collect();
            planned.truncated = next.more;
            planned.look_again = planned.look_again.into_iter().chain(next.at).min();
        }
        planned
    }

    fn answered(&mut self, _: &World, answer: &Answer<'_>) -> Verdict {
        let Some(stale) = &mut self.stale else {
            return Verdict::Done;
        };
        let said = match &answer.result {
            Ok(Stored::Object(Object::Service(service))) => Said::Service(service),
            Ok(Stored::Object(Object::Endpoints(endpoints))) => Said::Endpoints(endpoints),
            Ok(_) => Said::Gone,
            Err(_) => Said::Failed,
        };
        let (key, object) = (answer.key, answer.object);
        if answer.verb == Verb::Delete && answer.result.is_ok() {
            tracing::info!(controller = NAME, service = %key, %object, "deleted what a controller had left behind");
        }
        match stale.answered(key, answer.write, &said) {
            Then::Rest => Verdict::Done,
            Then::Again => Verdict::Again,
            Then::Later => Verdict::Retry { notice: None },
            Then::ByHand => {
                tracing::info!(
                    controller = NAME,
                    endpoints = %key,
                    "left alone: they have addresses that no controller wrote. Whoever keeps them should take the label \
                     endpoints.kubernetes.io/managed-by off"
                );
                Verdict::Again
            }
        }
    }

    fn measure(&mut self, _: &World) {
        self.show();
    }

    fn rival(&self) -> &'static str {
        "is a controller still on that keeps Endpoints or EndpointSlices of Services without a selector?"
    }
}
