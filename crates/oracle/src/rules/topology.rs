//! Topology hints by annotation (`topologycache` in `k8s.io/endpointslice`, KEP-2433).

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::discovery::v1::EndpointSlice;

use crate::names;
use crate::rules::address::AddressType;
use crate::rules::hints::{Planned, for_zone, ready, remove};
use crate::rules::pods::zone;
use crate::rules::reconcile::Event;
use crate::rules::slices::endpoints;

mod cpu;
#[cfg(test)]
mod tests;

/// How much more than its share an endpoint may carry: 20 %, upstream's `overloadThreshold`.
const OVERLOAD_THRESHOLD: f64 = 0.2;

/// What the controller remembers for topology hints: the CPU share of each zone, and the hints it gave.
#[derive(Clone, Debug, Default)]
pub struct TopologyCache {
    ratios: Ratios,
    hints: BTreeMap<String, BTreeMap<AddressType, BTreeMap<String, i64>>>,
    populated: BTreeSet<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
enum Ratios {
    /// No node was seen since the process started.
    #[default]
    Unknown,
    /// A node lacks zone or CPU, or there is only one zone.
    Insufficient,
    /// Share of each zone in the CPU of the cluster.
    Known(BTreeMap<String, f64>),
}

/// Bounds of the number of endpoints hinted to a zone.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Allocation {
    minimum: i64,
    maximum: i64,
    desired: f64,
}

impl TopologyCache {
    /// A cache that has seen these nodes and no Service.
    pub fn of_nodes(nodes: &[Node]) -> Self {
        let mut cache = Self::default();
        cache.set_nodes(nodes);
        cache
    }

    /// Computes the zones' shares anew. Nodes that are not ready, or carry a control-plane label, do not count; one
    /// node without a zone or without allocatable CPU makes all hints impossible.
    pub fn set_nodes(&mut self, nodes: &[Node]) {
        self.ratios = Ratios::Insufficient;
        let mut nanos: BTreeMap<String, i128> = BTreeMap::new();
        for node in nodes.iter().filter(|node| counts(node)) {
            match (zone(node), cpu::allocatable_nanos(node)) {
                (Some(zone), cpu) if cpu != 0 => *nanos.entry(zone).or_default() += cpu,
                _ => return,
            }
        }
        let total: i128 = nanos.values().sum();
        if total == 0 || nanos.len() < 2 {
            return;
        }
        let total = cpu::millis(total);
        self.ratios = Ratios::Known(
            nanos
                .into_iter()
                .map(|(zone, nanos)| (zone, cpu::millis(nanos) / total))
                .collect(),
        );
    }

    /// `namespace/name` of the Services whose recorded hints no longer fit the zones' shares; a change of nodes
    /// queues them.
    pub fn overloaded(&self) -> Vec<String> {
        let overloaded = |hints: &BTreeMap<String, i64>| {
            if hints.is_empty() {
                return false;
            }
            let Ratios::Known(ratios) = &self.ratios else {
                return true;
            };
            let total: f64 = hints.values().map(|count| float(*count)).sum();
            ratios.iter().any(|(zone, ratio)| {
                hints.get(zone).is_none_or(|count| {
                    float(*count) < (total * ratio * (1.0 / (1.0 + OVERLOAD_THRESHOLD))).ceil()
                })
            })
        };
        self.hints
            .iter()
            .filter(|(_, by_type)| by_type.values().any(overloaded))
            .map(|(service, _)| service.clone())
            .collect()
    }

    /// Whether the Service got hints in an earlier sync, in any family.
    pub fn is_populated(&self, service: &str) -> bool {
        self.populated.contains(service)
    }

    /// Forgets the hints of one family. The mark that the Service has hints goes for both families, as upstream.
    pub fn forget(&mut self, service: &str, address_type: AddressType) {
        if let Some(by_type) = self.hints.get_mut(service) {
            by_type.remove(&address_type);
            if by_type.is_empty() {
                self.hints.remove(service);
            }
        }
        self.populated.remove(service);
    }

    /// How many of so many ready endpoints no zone's minimum claims: two distributions that both keep all minima and
    /// maxima differ by no more in any zone. None where the algorithm gives no hints.
    pub fn free(&self, ready: usize) -> Option<usize> {
        let total = i64::try_from(ready).ok()?;
        let allocations = self.allocations(total).ok()?;
        let minima: i64 = allocations.values().map(|bounds| bounds.minimum).sum();
        usize::try_from(total - minima).ok()
    }

    /// Whether the algorithm would move no hint of these, by zone. It moves one only where a zone has half an endpoint
    /// to give and another half an endpoint to receive, so this may be so of counts outside the minima and maxima.
    pub fn is_settled(&self, hinted: &BTreeMap<String, usize>) -> bool {
        self.moved(hinted) == Some(0)
    }

    /// How many hints of these, by zone, the algorithm would move; none where it gives no hints. Which of several zones
    /// alike gives or receives makes no difference to that.
    pub fn moved(&self, hinted: &BTreeMap<String, usize>) -> Option<usize> {
        let count = |count: &usize| i64::try_from(*count).unwrap_or(i64::MAX);
        let counts: BTreeMap<String, i64> = hinted.iter().map(|(zone, n)| (zone.clone(), count(n))).collect();
        let allocations = self.allocations(counts.values().sum()).ok()?;
        let (giving, _) = giving_and_receiving(&allocations, &counts);
        usize::try_from(giving.values().sum::<i64>()).ok()
    }

    /// Whether hints of these numbers, by zone, stay as they are in slices that are not written: none for a zone that does
    /// not count, and no more for one than its maximum. What a zone has too few of is only moved where a slice is written.
    pub fn keeps(&self, hinted: &BTreeMap<String, usize>) -> bool {
        let total = i64::try_from(hinted.values().sum::<usize>()).unwrap_or(i64::MAX);
        let within =
            |bounds: &Allocation, count: usize| i64::try_from(count).is_ok_and(|n| n <= bounds.maximum);
        self.allocations(total).is_ok_and(|allocations| {
            let mut hinted = hinted.iter();
            hinted.all(|(zone, count)| allocations.get(zone).is_some_and(|bounds| within(bounds, *count)))
        })
    }

    /// Forgets only that the Service got hints.
    pub(crate) fn forget_mark(&mut self, service: &str) {
        self.populated.remove(service);
    }

    /// Gives hints to the slices of one family, or takes them away, and says why.
    pub(crate) fn add_hints(
        &mut self,
        service: &str,
        address_type: AddressType,
        planned: &mut Planned,
    ) -> Vec<Event> {
        match self.try_add(planned) {
            Ok(counts) => {
                let known = self.populated.contains(service);
                self.hints
                    .entry(service.to_owned())
                    .or_default()
                    .insert(address_type, counts);
                self.populated.insert(service.to_owned());
                if known {
                    return Vec::new();
                }
                let message = "Topology Aware Hints has been enabled";
                vec![Event::new(
                    "Normal",
                    "TopologyAwareHintsEnabled",
                    with_type(message, address_type),
                )]
            }
            Err(reason) => {
                self.forget(service, address_type);
                remove(planned);
                vec![disabled(&reason, address_type)]
            }
        }
    }

    fn try_add(&self, planned: &mut Planned) -> Result<BTreeMap<String, i64>, String> {
        let total = planned
            .all()
            .flat_map(endpoints)
            .filter(|endpoint| ready(endpoint))
            .count();
        let allocations = self.allocations(i64::try_from(total).unwrap_or(i64::MAX))?;

        let mut counts: BTreeMap<String, i64> = BTreeMap::new();
        planned.touch(|slice| match valid_hints(slice, &counts, &allocations) {
            Some(hinted) => {
                for (zone, count) in hinted {
                    *counts.entry(zone).or_default() += count;
                }
                false
            }
            None => true,
        });
        for slice in planned.written_mut() {
            // Unready endpoints of a copied slice keep their hints: upstream clears only a copy of the endpoint.
            for endpoint in slice
                .endpoints
                .iter_mut()
                .flatten()
                .filter(|endpoint| ready(endpoint))
            {
                let Some(zone) = endpoint.zone.clone().filter(|zone| !zone.is_empty()) else {
                    return Err("One or more endpoints do not have a zone specified".to_owned());
                };
                endpoint.hints = Some(for_zone(&zone));
                *counts.entry(zone).or_default() += 1;
            }
        }
        let (mut giving, mut receiving) = giving_and_receiving(&allocations, &counts);
        redistribute(planned, &mut giving, &mut receiving, &mut counts);
        if counts.is_empty() {
            return Err("No hints allocated for zones".to_owned());
        }
        Ok(counts)
    }

    /// Bounds for each zone with `total` ready endpoints, or the reason why there are none. Every step is in
    /// doubles and in upstream's order: exact arithmetic would allow counts that upstream refuses.
    fn allocations(&self, total: i64) -> Result<BTreeMap<String, Allocation>, String> {
        let ratios = match &self.ratios {
            Ratios::Unknown => return Err("Nodes only ready in one zone".to_owned()),
            Ratios::Insufficient => {
                let what = "allocatable CPU or zone not specified on one or more nodes";
                return Err(format!("Insufficient Node information: {what}"));
            }
            Ratios::Known(ratios) => ratios,
        };
        let zones = ratios.len();
        let refuse = |what: &str| Err(format!("{what} ({total} endpoints, {zones} zones)"));
        if i64::try_from(zones).unwrap_or(i64::MAX) > total {
            return refuse("Insufficient number of endpoints");
        }
        let mut allocations = BTreeMap::new();
        let mut minima = 0;
        for (zone, ratio) in ratios {
            let desired = ratio * float(total);
            let least = (desired * (1.0 / (1.0 + OVERLOAD_THRESHOLD))).ceil();
            let minimum = integer(least);
            minima += minimum;
            let allocation = Allocation {
                minimum,
                maximum: 0,
                desired: desired.max(least),
            };
            allocations.insert(zone.clone(), allocation);
        }
        if minima > total {
            return refuse(
                "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold",
            );
        }
        for allocation in allocations.values_mut() {
            allocation.maximum = allocation.minimum + total - minima;
        }
        Ok(allocations)
    }
}

/// The event that hints are not, or no longer, given.
pub(crate) fn disabled(reason: &str, address_type: AddressType) -> Event {
    Event::new(
        "Warning",
        "TopologyAwareHintsDisabled",
        with_type(reason, address_type),
    )
}

fn with_type(message: &str, address_type: AddressType) -> String {
    format!("{message}, addressType: {address_type}")
}

/// Whether a node counts for its zone's share.
fn counts(node: &Node) -> bool {
    let labels = node.metadata.labels.as_ref();
    let excluded = names::EXCLUDED_NODE_LABELS
        .iter()
        .any(|label| labels.is_some_and(|labels| labels.contains_key(*label)));
    let ready = node
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten())
        .find(|condition| condition.type_ == "Ready")
        .is_some_and(|condition| condition.status == "True");
    ready && !excluded
}

/// Hints for each zone in a slice that may stay as it is; `None` when it must be written: a ready endpoint without
/// a hint, a hint for a zone without allocation, or more for a zone than its maximum allows.
fn valid_hints(
    slice: &EndpointSlice,
    counts: &BTreeMap<String, i64>,
    allocations: &BTreeMap<String, Allocation>,
) -> Option<BTreeMap<String, i64>> {
    let mut hinted: BTreeMap<String, i64> = BTreeMap::new();
    for endpoint in endpoints(slice).iter().filter(|endpoint| ready(endpoint)) {
        let zones = endpoint
            .hints
            .as_ref()?
            .for_zones
            .as_ref()
            .filter(|zones| !zones.is_empty())?;
        for zone in zones {
            allocations.get(&zone.name)?;
            *hinted.entry(zone.name.clone()).or_default() += 1;
        }
    }
    let fits = |(zone, count): (&String, &i64)| {
        count + counts.get(zone).unwrap_or(&0) <= allocations.get(zone).map_or(0, |bounds| bounds.maximum)
    };
    hinted.iter().all(fits).then_some(hinted)
}

type Units = BTreeMap<String, i64>;

/// How many endpoints each zone gives to others, and receives from them.
fn giving_and_receiving(
    allocations: &BTreeMap<String, Allocation>,
    counts: &BTreeMap<String, i64>,
) -> (Units, Units) {
    let mut surplus: BTreeMap<String, f64> = BTreeMap::new();
    let mut shortage: BTreeMap<String, f64> = BTreeMap::new();
    for (zone, allocation) in allocations {
        let difference = float(*counts.get(zone).unwrap_or(&0)) - allocation.desired;
        if difference > 0.0 {
            surplus.insert(zone.clone(), difference);
        } else if difference < 0.0 {
            shortage.insert(zone.clone(), -difference);
        }
    }
    let (mut giving, mut receiving) = (Units::new(), Units::new());
    while let (Some((giver, give)), Some((receiver, receive))) = (most(&surplus), most(&shortage)) {
        if (give < 1.0 && receive < 1.0) || give < 0.5 || receive < 0.5 {
            break;
        }
        surplus.entry(giver.clone()).and_modify(|amount| *amount -= 1.0);
        shortage
            .entry(receiver.clone())
            .and_modify(|amount| *amount -= 1.0);
        *giving.entry(giver).or_default() += 1;
        *receiving.entry(receiver).or_default() += 1;
    }
    (giving, receiving)
}

/// The zone with the largest amount above zero. Of equal ones upstream takes any, here the first by name.
fn most(zones: &BTreeMap<String, f64>) -> Option<(String, f64)> {
    let mut best: Option<(&String, f64)> = None;
    for (zone, &amount) in zones {
        if amount > best.map_or(0.0, |(_, most)| most) {
            best = Some((zone, amount));
        }
    }
    best.map(|(zone, amount)| (zone.clone(), amount))
}

/// Hints ready endpoints of giving zones to receiving ones, slice by slice. Which of several receiving zones an
/// endpoint gets is unspecified upstream; here it is the first by name.
fn redistribute(planned: &mut Planned, giving: &mut Units, receiving: &mut Units, counts: &mut Units) {
    for slice in planned.written_mut() {
        for endpoint in slice
            .endpoints
            .iter_mut()
            .flatten()
            .filter(|endpoint| ready(endpoint))
        {
            let Some(zone) = endpoint.zone.clone() else {
                continue;
            };
            let Some(receiver) = receiving.keys().next().cloned() else {
                return;
            };
            if !giving.contains_key(&zone) {
                continue;
            }
            endpoint.hints = Some(for_zone(&receiver));
            take_unit(giving, &zone);
            take_unit(receiving, &receiver);
            *counts.entry(receiver).or_default() += 1;
            *counts.entry(zone).or_default() -= 1;
        }
    }
}

fn take_unit(units: &mut Units, zone: &str) {
    if let Some(left) = units.get_mut(zone) {
        *left -= 1;
        if *left == 0 {
            units.remove(zone);
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of endpoints are far below 2^52"
)]
fn float(count: i64) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a count of endpoints, rounded up, fits"
)]
fn integer(count: f64) -> i64 {
    count as i64
}
