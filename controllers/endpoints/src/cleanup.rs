//! Endpoints that are of no use any more.

use std::collections::HashMap;
use std::time::Duration;

use quaymaster_engine::controller::{Object, Stored};
use quaymaster_engine::{Answer, Controller, Dirty, Moment, Planned, Verdict};
use quaymaster_model::{EndpointsRecord, ObjectKey, ResourceVersion};
use quaymaster_queue::Priority;
use quaymaster_runtime::api::{Verb, WriteError};
use quaymaster_world::{Delta, Kind, World};

use crate::controller::{going, selecting};
use crate::{CLEANUP_NAME, request};

/// Deletes what an Endpoints controller has left, in a cluster that does without one (KEP-4974).
///
/// Those go that carry its label, are no lock of leader election, and belong to a Service that selects Pods: nobody made them
/// by hand, and what they say is computed from Pods, as EndpointSlices are. Whether there are slices is not looked at. They are looked for when writing begins, and go after a time of
/// grace. Those that somebody writes meanwhile stay: an Endpoints controller may still be on. Right before each delete the
/// apiserver is asked whether the Service still selects Pods.
#[derive(Debug)]
pub struct Cleanup {
    grace: Duration,
    found: HashMap<ObjectKey, Found>,
}

/// Endpoints that were found, as they were then.
#[derive(Debug)]
struct Found {
    version: ResourceVersion,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    /// A request is in flight.
    Sent,
    /// The Service still selects Pods.
    Confirmed,
}

impl Cleanup {
    /// `grace` begins when this process begins to write.
    pub fn new(grace: Duration) -> Self {
        Self {
            grace,
            found: HashMap::new(),
        }
    }

    fn look(&mut self, world: &World, dirty: &mut Dirty) {
        for stored in world.all_endpoints() {
            let key = &stored.key;
            // What has a request in flight was found before.
            if leftover(world, key).is_none() || self.found.contains_key(key) {
                continue;
            }
            let found = Found {
                version: stored.resource_version.clone(),
                stage: Stage::Waiting,
            };
            self.found.insert(key.clone(), found);
            dirty.mark(key.clone(), Priority::Low, self.grace);
        }
    }
}

/// The Endpoints of this name, if an Endpoints controller made them and would keep them.
fn leftover<'a>(world: &'a World, key: &ObjectKey) -> Option<&'a EndpointsRecord> {
    let stored = going(world, key).filter(|stored| stored.is_managed())?;
    selecting(world, key).map(|_| stored)
}

impl Controller for Cleanup {
    fn name(&self) -> &'static str {
        CLEANUP_NAME
    }

    fn reads(&self) -> &'static [Kind] {
        &[Kind::Service, Kind::Endpoints]
    }

    fn start(&mut self, world: &World, dirty: &mut Dirty) {
        self.look(world, dirty);
    }

    /// What changes is looked at when its time has come.
    fn on(&mut self, _: &World, _: &Delta<'_>, _: &mut Dirty) {}

    fn term_began(&mut self, world: &World, dirty: &mut Dirty) {
        self.look(world, dirty);
    }

    fn plan(&mut self, world: &World, key: &ObjectKey, _: usize, _: Moment) -> Planned {
        let Some(found) = self.found.get_mut(key) else {
            return Planned::default();
        };
        if found.stage == Stage::Sent {
            return Planned::default();
        }
        let unchanged = |stored: &&EndpointsRecord| stored.resource_version == found.version;
        let Some(stored) = leftover(world, key).filter(unchanged) else {
            self.found.remove(key);
            tracing::info!(controller = CLEANUP_NAME, %key, "Endpoints were written meanwhile, or have gone: left alone");
            return Planned::default();
        };
        let request = if found.stage == Stage::Confirmed {
            request::delete(stored)
        } else {
            request::service(key)
        };
        found.stage = Stage::Sent;
        Planned {
            requests: vec![request],
            ..Planned::default()
        }
    }

    fn answered(&mut self, _: &World, answer: &Answer<'_>) -> Verdict {
        let Some(found) = self.found.get_mut(answer.key) else {
            return Verdict::Done;
        };
        let is_delete = answer.verb == Verb::Delete;
        match &answer.result {
            Ok(Stored::Object(Object::Service(service))) if !is_delete && service.selects_pods() => {
                found.stage = Stage::Confirmed;
                Verdict::Again
            }
            Ok(_) | Err(WriteError::Conflict { .. }) => {
                self.found.remove(answer.key);
                Verdict::Done
            }
            Err(_) => {
                found.stage = Stage::Waiting;
                Verdict::Retry { notice: None }
            }
        }
    }

    fn measure(&mut self, _: &World) {}

    fn rival(&self) -> &'static str {
        "is an Endpoints controller still on? kube-controller-manager's is left out with \
         --controllers=*,-endpoints-controller"
    }
}
