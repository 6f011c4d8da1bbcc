//! One sync of one Service: existing slices in, writes and events out (`syncService` in
//! `kubernetes/pkg/controller/endpointslice`, `Reconcile` in `k8s.io/endpointslice`).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;

use crate::names;
use crate::rules::address::{AddressType, address_types};
use crate::rules::desired::{DesiredGroup, Rules, SkippedPod, family, managed};
use crate::rules::hints::{self, Planned};
use crate::rules::minors::NULL_EQUALS_EMPTY;
use crate::rules::pods::selects;
use crate::rules::ports::{PortHash, PortKey, port_set};
use crate::rules::slices::{equals_placeholder, name, new_slice, owned_by, sorted_in_place};
use crate::rules::topology::{TopologyCache, disabled};
use crate::rules::trigger::{TriggerTimes, key};

mod finalize;
mod place;
#[cfg(test)]
mod tests;

/// How a controller is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// `--max-endpoints-per-slice`, 1 to 1000; upstream's default is 100.
    pub max_endpoints_per_slice: usize,
    /// Minor version of the control plane: 37 for Kubernetes 1.37.
    pub minor: u32,
}

impl Config {
    fn rules(self) -> Rules {
        Rules { minor: self.minor }
    }
}

/// What a running controller remembers between syncs. The generation tracker is not part of it: it compares the
/// controller's cache with its own writes, and here there is no cache.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Shares of zones, and hints given so far.
    pub topology: TopologyCache,
    /// Trigger times seen so far.
    pub trigger_times: TriggerTimes,
}

/// One write to the API server.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// POST of this body; it has `generateName` and no name.
    Create(EndpointSlice),
    /// PUT of this body. In place it carries the resourceVersion it was read with; a recycled slice has none.
    Update(EndpointSlice),
    /// DELETE of the slice of this name, without preconditions; the body is the slice as it was read.
    Delete(EndpointSlice),
}

/// An event on the Service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// `Normal` or `Warning`.
    pub type_: &'static str,
    /// Machine-readable reason.
    pub reason: &'static str,
    /// Text.
    pub message: String,
}

impl Event {
    pub(crate) fn new(type_: &'static str, reason: &'static str, message: String) -> Self {
        Self {
            type_,
            reason,
            message,
        }
    }
}

/// What one sync does, if every call to the API server succeeds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Writes in upstream's order: for each address type (which upstream takes in any order) creates, updates,
    /// deletes; then the deletes of slices of types the Service no longer has.
    pub writes: Vec<Write>,
    /// Events in the order they are emitted.
    pub events: Vec<Event>,
    /// Pods left out because their node does not exist.
    pub skipped: BTreeSet<SkippedPod>,
    /// The error the sync ends with; it is retried with back-off.
    pub error: Option<String>,
}

impl Outcome {
    /// Bodies of the slices that are created.
    pub fn creates(&self) -> Vec<&EndpointSlice> {
        self.bodies(|write| {
            if let Write::Create(slice) = write {
                Some(slice)
            } else {
                None
            }
        })
    }

    /// Bodies of the slices that are updated, in place or recycled.
    pub fn updates(&self) -> Vec<&EndpointSlice> {
        self.bodies(|write| {
            if let Write::Update(slice) = write {
                Some(slice)
            } else {
                None
            }
        })
    }

    /// The slices that are deleted.
    pub fn deletes(&self) -> Vec<&EndpointSlice> {
        self.bodies(|write| {
            if let Write::Delete(slice) = write {
                Some(slice)
            } else {
                None
            }
        })
    }

    fn bodies(&self, pick: impl Fn(&Write) -> Option<&EndpointSlice>) -> Vec<&EndpointSlice> {
        self.writes.iter().filter_map(pick).collect()
    }
}

/// The first sync of `service` by a controller that has just started: it knows the nodes, and nothing else.
///
/// `pods` are all Pods and `existing` all slices of the Service's namespace; what does not concern the Service is
/// left out here.
pub fn reconcile(
    service: &Service,
    pods: &[Pod],
    nodes: &[Node],
    existing: &[EndpointSlice],
    config: Config,
) -> Outcome {
    let mut state = State {
        topology: TopologyCache::of_nodes(nodes),
        ..State::default()
    };
    reconcile_with(&mut state, service, pods, nodes, existing, config)
}

/// A sync of `service` by a controller that remembers `state`. The caller tells `state.topology` about changed
/// nodes; `nodes` are for zones and for the check that a Pod's node exists.
pub fn reconcile_with(
    state: &mut State,
    service: &Service,
    pods: &[Pod],
    nodes: &[Node],
    existing: &[EndpointSlice],
    config: Config,
) -> Outcome {
    let mut outcome = Outcome::default();
    if !managed(service) {
        return outcome;
    }
    let matched: Vec<&Pod> = pods.iter().filter(|pod| selects(service, pod)).collect();
    let trigger_time = state.trigger_times.compute(service, &matched);
    let address_types = address_types(service);

    let (mut by_type, mut other_types) = (BTreeMap::<AddressType, Vec<EndpointSlice>>::new(), Vec::new());
    for slice in existing.iter().filter(|slice| listed(slice, service)) {
        match AddressType::parse(&slice.address_type) {
            Some(address_type) if address_types.contains(&address_type) => {
                by_type.entry(address_type).or_default().push(slice.clone());
            }
            unsupported => {
                if let Some(address_type) = unsupported {
                    state.topology.forget(&key(service), address_type);
                } else {
                    // Upstream drops the mark for any type, also for one that never has hints.
                    state.topology.forget_mark(&key(service));
                }
                other_types.push(slice.clone());
            }
        }
    }

    let mut errors = Vec::new();
    for address_type in address_types {
        let existing = by_type.remove(&address_type).unwrap_or_default();
        let mut sync = Sync {
            service,
            pods,
            nodes,
            config,
            trigger_time,
            address_type,
        };
        errors.extend(sync.run(&mut state.topology, existing, &mut outcome));
    }
    outcome.writes.extend(other_types.into_iter().map(Write::Delete));
    outcome.error = aggregate(&errors);
    if let Some(error) = &outcome.error {
        let message = format!(
            "Error updating Endpoint Slices for Service {}: {error}",
            key(service)
        );
        outcome
            .events
            .push(Event::new("Warning", "FailedToUpdateEndpointSlices", message));
    }
    outcome
}

/// Whether a slice is listed for a Service: its namespace, its name label, our manager, not being deleted.
fn listed(slice: &EndpointSlice, service: &Service) -> bool {
    let label = |key: &str| slice.metadata.labels.as_ref().and_then(|labels| labels.get(key));
    slice.metadata.namespace == service.metadata.namespace
        && label(names::SERVICE_NAME) == service.metadata.name.as_ref()
        && label(names::SLICE_MANAGED_BY).is_some_and(|manager| manager == names::SLICE_CONTROLLER)
        && slice.metadata.deletion_timestamp.is_none()
}

/// One error for several, as `k8s.io/apimachinery/pkg/util/errors` prints them: repeated ones once, brackets
/// around more than one.
fn aggregate(errors: &[String]) -> Option<String> {
    let mut distinct: Vec<&str> = Vec::new();
    for error in errors {
        if !distinct.contains(&error.as_str()) {
            distinct.push(error);
        }
    }
    match distinct.as_slice() {
        [] => None,
        [one] => Some((*one).to_owned()),
        several => Some(format!("[{}]", several.join(", "))),
    }
}

/// The sync of one address type.
struct Sync<'a> {
    service: &'a Service,
    pods: &'a [Pod],
    nodes: &'a [Node],
    config: Config,
    trigger_time: Option<Timestamp>,
    address_type: AddressType,
}

/// Key of a group of slices. Before Kubernetes 1.36 a `null` port list was not the empty one
/// (kubernetes/kubernetes#133474), so slices without ports never matched the Pods they are for.
type Ports = Option<Vec<PortKey>>;

impl Sync<'_> {
    /// Adds writes, events and skipped Pods to `outcome`, and gives the errors.
    fn run(
        &mut self,
        topology: &mut TopologyCache,
        existing: Vec<EndpointSlice>,
        outcome: &mut Outcome,
    ) -> Vec<String> {
        let rules = self.config.rules();
        let (groups, skipped) = family(self.service, self.pods, self.nodes, self.address_type, rules);

        let mut delete = Vec::new();
        let mut owned: BTreeMap<Ports, Vec<EndpointSlice>> = BTreeMap::new();
        let all: Vec<EndpointSlice> = existing
            .into_iter()
            .map(|slice| {
                if owned_by(&slice, self.service) {
                    let slice = sorted_in_place(&slice, PortHash::of(self.config.minor));
                    owned
                        .entry(self.group_of(&slice))
                        .or_default()
                        .push(slice.clone());
                    slice
                } else {
                    delete.push(slice.clone());
                    slice
                }
            })
            .collect();

        let (mut create, mut update) = (Vec::new(), Vec::new());
        for (ports, group) in groups {
            let existing = owned.remove(&Some(ports)).unwrap_or_default();
            let DesiredGroup { ports, endpoints } = group;
            let placed = place::place(
                self.service,
                existing,
                endpoints,
                || new_slice(self.service, self.address_type, &ports),
                self.config.max_endpoints_per_slice,
            );
            create.extend(placed.create);
            update.extend(placed.update);
            delete.extend(placed.delete);
        }
        // What is left are groups no Pod has any more.
        delete.extend(owned.into_values().flatten());
        self.placeholder(all.len(), &mut create, &mut delete);

        let unchanged = unchanged(&all, &update, &delete);
        let mut planned = Planned {
            create,
            update,
            unchanged,
        };
        let events = self.hints(topology, &mut planned);
        outcome.writes.extend(finalize::finalize(
            self.service,
            planned.create,
            planned.update,
            delete,
            self.trigger_time,
        ));
        outcome.events.extend(events);

        let service = key(self.service);
        let errors = skipped
            .iter()
            .map(|SkippedPod { pod, node }| {
                format!("skipping Pod {pod} for Service {service}: Node {node} Not Found")
            })
            .collect();
        outcome.skipped.extend(skipped);
        errors
    }

    fn group_of(&self, slice: &EndpointSlice) -> Ports {
        if slice.ports.is_none() && self.config.minor < NULL_EQUALS_EMPTY {
            return None;
        }
        Some(port_set(slice.ports.as_ref()))
    }

    /// Where no slice would be left, one empty slice is wanted; one that is there already is kept.
    fn placeholder(&self, existing: usize, create: &mut Vec<EndpointSlice>, delete: &mut Vec<EndpointSlice>) {
        if existing != delete.len() || !create.is_empty() {
            return;
        }
        let placeholder = new_slice(self.service, self.address_type, &[]);
        match delete.as_slice() {
            [only] if equals_placeholder(only, &placeholder) => delete.clear(),
            _ => create.push(placeholder),
        }
    }

    fn hints(&self, topology: &mut TopologyCache, planned: &mut Planned) -> Vec<Event> {
        let service = key(self.service);
        if hints::auto(self.service) {
            return topology.add_hints(&service, self.address_type, planned);
        }
        let mut events = Vec::new();
        if topology.is_populated(&service) {
            events.push(disabled(
                "Topology Aware Hints has been disabled",
                self.address_type,
            ));
        }
        topology.forget(&service, self.address_type);
        match hints::traffic_distribution(self.service, self.config.rules()) {
            Some(distribution) => hints::follow(planned, distribution),
            None => hints::remove(planned),
        }
        events
    }
}

fn unchanged(
    existing: &[EndpointSlice],
    update: &[EndpointSlice],
    delete: &[EndpointSlice],
) -> Vec<EndpointSlice> {
    let changed: BTreeSet<String> = update.iter().chain(delete).map(name).collect();
    existing
        .iter()
        .filter(|slice| !changed.contains(&name(slice)))
        .cloned()
        .collect()
}
