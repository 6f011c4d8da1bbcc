//! Endpoints and slices that controllers have left behind, and when they go.
//!
//! kube-controller-manager leaves both when a Service loses its selector or becomes an ExternalName, since users rely on
//! making a Service with a selector and keeping its endpoints by hand later (kubernetes/kubernetes#118376). So what goes
//! here has the label of its controller, and each of its addresses is that of a Pod, as controllers write them: taking the
//! label off, or putting in an address of one's own, keeps an object. It goes a time of grace after it was left, or after
//! whatever was written to it last; and only once the apiserver has said that the Service still selects no Pods.
//!
//! Mirrored slices are not touched: they go with the Endpoints that they mirror.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use quaymaster_model::{
    EndpointsRecord, ObjectKey, ResourceVersion, ServiceRecord, SliceRecord, Text, Uid, names,
};
use quaymaster_world::World;

/// An object that was left behind, by its place beside the Service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// The Endpoints of the Service's name.
    Endpoints,
    /// The slice of this name.
    Slice(Text),
}

/// What is to be asked of the apiserver; `id` comes back with the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// For the Service as it is now.
    Service {
        /// Of this request.
        id: u64,
    },
    /// For the Endpoints as they are now, with their content.
    Endpoints {
        /// Of this request.
        id: u64,
    },
    /// To delete an object in this version.
    Delete {
        /// The object.
        what: What,
        /// The object must still be this one ...
        uid: Uid,
        /// ... in this version.
        version: ResourceVersion,
        /// Of this request.
        id: u64,
    },
}

/// What is left behind of one Service, as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The Service.
    pub service: Uid,
    /// Each object with its UID and version. Never empty.
    pub objects: BTreeMap<What, (Uid, ResourceVersion)>,
}

/// What controllers have left of the Service of this key. Nothing where there is no Service: all of it goes with that, by
/// other hands.
pub fn left(world: &World, key: &ObjectKey) -> Option<Left> {
    let service = world.service(world.service_id(key)?)?;
    if !is_left(service) {
        return None;
    }
    let slices = world
        .slices_of(key)
        .filter(|slice| is_stale_slice(slice, service));
    let mut objects: BTreeMap<What, (Uid, ResourceVersion)> = slices
        .map(|slice| {
            let version = (slice.uid.clone(), slice.resource_version.clone());
            (What::Slice(slice.key.name.clone()), version)
        })
        .collect();
    if let Some(endpoints) = world.endpoints(key)
        && is_stale_endpoints(endpoints)
    {
        let version = (endpoints.uid.clone(), endpoints.resource_version.clone());
        objects.insert(What::Endpoints, version);
    }
    (!objects.is_empty()).then(|| Left {
        service: service.uid.clone(),
        objects,
    })
}

/// Whether no controller keeps endpoints for this Service, so that what there is of theirs is stale.
pub fn is_left(service: &ServiceRecord) -> bool {
    !service.selects_pods() && !service.terminating
}

fn is_stale_slice(slice: &SliceRecord, service: &ServiceRecord) -> bool {
    slice.is_managed_by(names::MANAGER_ENDPOINTSLICE)
        && slice.owned_by_service(&service.uid)
        && !slice.terminating
        && slice.endpoints.iter().all(|endpoint| {
            endpoint
                .target
                .as_ref()
                .is_some_and(|target| *target.kind == *"Pod")
        })
}

/// As far as is known without their content, which is not held.
fn is_stale_endpoints(endpoints: &EndpointsRecord) -> bool {
    endpoints.is_managed() && !endpoints.is_leader_lock() && !endpoints.terminating
}

/// Whether each address is that of a Pod.
pub fn is_of_pods(endpoints: &EndpointsRecord) -> bool {
    let subsets = endpoints.subsets.as_deref().unwrap_or_default();
    let mut addresses = subsets
        .iter()
        .flat_map(|subset| subset.ready.iter().chain(&subset.not_ready));
    addresses.all(|address| {
        address
            .target
            .as_ref()
            .is_some_and(|target| *target.kind == *"Pod")
    })
}

/// All Services of which something was left behind.
#[derive(Debug)]
pub struct Stale {
    grace: Duration,
    services: HashMap<ObjectKey, Pending>,
    last_id: u64,
}

/// Those of one Service.
#[derive(Debug)]
struct Pending {
    service: Uid,
    /// The question for the Service that is under way.
    asked: Option<u64>,
    /// The Service selects no Pods, says the apiserver. Holds for what is deleted next.
    confirmed: bool,
    objects: BTreeMap<What, Found>,
}

/// An object, as it was when it was found.
#[derive(Debug)]
struct Found {
    uid: Uid,
    version: ResourceVersion,
    since: Instant,
    /// The request for it that is under way.
    sent: Option<u64>,
    content: Content,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// To be asked for. Of Endpoints alone.
    Unknown,
    /// A controller wrote it.
    Controllers,
    /// Somebody put in addresses by hand.
    ByHand,
}

/// What comes next for one Service.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Next {
    /// To be asked for now.
    pub asks: Vec<Ask>,
    /// There is more to be asked for.
    pub more: bool,
    /// When there will be.
    pub at: Option<Instant>,
}

/// What an answer says.
#[derive(Debug)]
pub enum Said<'a> {
    /// The Service as it is.
    Service(&'a ServiceRecord),
    /// The Endpoints as they are.
    Endpoints(&'a EndpointsRecord),
    /// Nothing is there (any more), or it is on its way out.
    Gone,
    /// It failed.
    Failed,
}

/// What follows from an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Nothing, unless something changes.
    Rest,
    /// Look again at once.
    Again,
    /// Look again after a pause.
    Later,
    /// Look again at once: the Endpoints are kept by hand.
    ByHand,
}

impl Stale {
    /// Nothing is known to be left. `grace` counts from when this process finds an object in its present version; less than
    /// a second is one, so that nothing is asked in a circle while the watch is behind.
    pub fn new(grace: Duration) -> Self {
        Self {
            grace: grace.max(Duration::from_secs(1)),
            services: HashMap::new(),
            last_id: 0,
        }
    }

    /// How many objects are waited for.
    pub fn len(&self) -> usize {
        self.services.values().map(|pending| pending.objects.len()).sum()
    }

    /// Whether nothing is waited for.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// Whether something of this Service is waited for.
    pub fn knows(&self, key: &ObjectKey) -> bool {
        self.services.contains_key(key)
    }

    /// What comes next for a Service of which this is left; at most `limit` requests.
    pub fn next(&mut self, key: &ObjectKey, left: Option<Left>, now: Instant, limit: usize) -> Next {
        let Some(left) = left else {
            self.services.remove(key);
            return Next::default();
        };
        if self
            .services
            .get(key)
            .is_some_and(|pending| pending.service != left.service)
        {
            self.services.remove(key);
        }
        let pending = self.services.entry(key.clone()).or_insert_with(|| Pending {
            service: left.service.clone(),
            asked: None,
            confirmed: false,
            objects: BTreeMap::new(),
        });
        pending.hold(left, now);
        pending.next(now, self.grace, limit, &mut self.last_id)
    }

    /// A request is answered.
    pub fn answered(&mut self, key: &ObjectKey, id: u64, said: &Said<'_>) -> Then {
        let Some(pending) = self.services.get_mut(key) else {
            return Then::Rest;
        };
        if pending.asked == Some(id) {
            pending.asked = None;
            return match said {
                Said::Service(service) if service.uid == pending.service && is_left(service) => {
                    pending.confirmed = true;
                    Then::Again
                }
                Said::Failed => Then::Later,
                // Its time begins anew, if the watch tells that it ever does.
                _ => {
                    self.services.remove(key);
                    Then::Again
                }
            };
        }
        let Some(found) = pending.objects.values_mut().find(|found| found.sent == Some(id)) else {
            return Then::Rest;
        };
        found.sent = None;
        match said {
            Said::Endpoints(endpoints)
                if endpoints.uid == found.uid && endpoints.resource_version == found.version =>
            {
                if is_of_pods(endpoints) {
                    found.content = Content::Controllers;
                    Then::Again
                } else {
                    found.content = Content::ByHand;
                    Then::ByHand
                }
            }
            Said::Failed => Then::Later,
            // Its deletion is known. What a question did not find the watch will tell.
            Said::Gone if found.content == Content::Controllers => Then::Again,
            // It was written meanwhile, which the watch will tell.
            _ => Then::Rest,
        }
    }
}

impl Pending {
    /// Takes up what is left now. What was written since it was found counts as found anew.
    fn hold(&mut self, left: Left, now: Instant) {
        let mut before = std::mem::take(&mut self.objects);
        for (what, (uid, version)) in left.objects {
            let same = |found: &Found| found.uid == uid && found.version == version;
            let found = before
                .remove(&what)
                .filter(same)
                .unwrap_or_else(|| Found::new(&what, uid, version, now));
            self.objects.insert(what, found);
        }
    }

    fn next(&mut self, now: Instant, grace: Duration, limit: usize, last_id: &mut u64) -> Next {
        let mut next = Next::default();
        let waiting = |found: &&mut Found| found.sent.is_none() && found.content != Content::ByHand;
        let (mut due, mut at) = (Vec::new(), None::<Instant>);
        for (what, found) in &mut self.objects {
            if !waiting(&found) {
                continue;
            }
            // A time that cannot be told is never.
            let Some(until) = found.since.checked_add(grace) else {
                continue;
            };
            if until <= now {
                due.push((what, found));
            } else {
                at = Some(at.map_or(until, |at| at.min(until)));
            }
        }
        next.at = at;
        if due.is_empty() || self.asked.is_some() {
            return next;
        }
        let mut id = || {
            *last_id += 1;
            *last_id
        };
        // The content first, so that nothing comes between the last word about the Service and the deletions.
        if let Some((_, found)) = due
            .iter_mut()
            .find(|(_, found)| found.content == Content::Unknown)
        {
            let id = id();
            found.sent = Some(id);
            next.asks.push(Ask::Endpoints { id });
            return next;
        }
        if !std::mem::take(&mut self.confirmed) {
            let id = id();
            self.asked = Some(id);
            next.asks.push(Ask::Service { id });
            return next;
        }
        next.more = due.len() > limit;
        for (what, found) in due.into_iter().take(limit) {
            let id = id();
            found.sent = Some(id);
            next.asks.push(Ask::Delete {
                what: what.clone(),
                uid: found.uid.clone(),
                version: found.version.clone(),
                id,
            });
        }
        next
    }
}

impl Found {
    fn new(what: &What, uid: Uid, version: ResourceVersion, since: Instant) -> Self {
        let content = match what {
            What::Endpoints => Content::Unknown,
            // Held whole, and judged before.
            What::Slice(_) => Content::Controllers,
        };
        Self {
            uid,
            version,
            since,
            sent: None,
            content,
        }
    }
}
