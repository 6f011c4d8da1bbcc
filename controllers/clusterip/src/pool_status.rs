//! What the status of a pool should be.

use ipnet::IpNet;
use quaymaster_allocator::{Counts, Reason, Spans};
use quaymaster_api::{AddressCounts, ServiceIPPoolSpec, ServiceIPPoolStatus, State};
use quaymaster_ipam::Class;
use quaymaster_ipam::compile::Compiled;
use quaymaster_model::{ServiceCidrRecord, Timestamp};

use crate::conditions::{self, Wanted};

/// Types of conditions.
pub(crate) const READY: &str = "Ready";
pub(crate) const OVERLAPPING: &str = "Overlapping";
pub(crate) const SERVICE_CIDR_READY: &str = "ServiceCIDRReady";
pub(crate) const CAPACITY_LOW: &str = "CapacityLow";
pub(crate) const EXHAUSTED: &str = "Exhausted";
pub(crate) const DRAINING: &str = "Draining";

/// The reason of [`CAPACITY_LOW`] from which on an Event is told.
pub(crate) const CRITICAL: &str = "AboveCriticalPercent";

/// Networks that a status can list (`EffectiveCidrs` of the schema).
const MOST_NETS: usize = 4096;

/// What of a user's fields is named in a sentence at most.
const MOST_NAMED: usize = 3;

/// All that a status follows from.
pub(crate) struct Facts<'a> {
    pub(crate) name: &'a str,
    pub(crate) generation: i64,
    pub(crate) spec: &'a ServiceIPPoolSpec,
    pub(crate) compiled: &'a Compiled<Spans>,
    /// By family, of what is in force.
    pub(crate) counts: [Counts; 2],
    pub(crate) cidrs: &'a [&'a ServiceCidrRecord],
    pub(crate) old: &'a ServiceIPPoolStatus,
    pub(crate) wall: Timestamp,
}

/// What the status of a pool should be.
pub(crate) fn status(facts: &Facts<'_>) -> ServiceIPPoolStatus {
    let covered = Covered::new(facts);
    let wanted = vec![
        ready(facts, &covered),
        overlapping(facts),
        service_cidr_ready(facts, &covered),
        capacity_low(facts),
        exhausted(facts),
        draining(facts),
    ];
    let effective = &facts.compiled.effective;
    let nets = effective.nets().into_iter().take(MOST_NETS);
    let [four, six] = facts.counts.map(counts);
    ServiceIPPoolStatus {
        observed_generation: Some(facts.generation),
        conditions: conditions::merged(&facts.old.conditions, wanted, facts.generation, facts.wall),
        effective_cidrs: nets.map(|net| net.to_string()).collect(),
        ipv4: (!effective.four().is_empty()).then_some(four),
        ipv6: (!effective.six().is_empty()).then_some(six),
        // Of a set of bits there is no cheap way to tell it.
        largest_free_block: None,
    }
}

/// Whether a status differs from another one in more than numbers and what follows from fewer of them being in use: what must not
/// wait for other changes.
pub(crate) fn is_urgent(old: &ServiceIPPoolStatus, new: &ServiceIPPoolStatus) -> bool {
    if old.observed_generation != new.observed_generation || old.effective_cidrs != new.effective_cidrs {
        return true;
    }
    new.conditions.iter().any(|one| {
        let Some(before) = conditions::of(&old.conditions, &one.type_) else {
            return true;
        };
        let is_relief = matches!(one.type_.as_str(), CAPACITY_LOW | EXHAUSTED) && one.status == "False";
        (&before.status, &before.reason) != (&one.status, &one.reason) && !is_relief
    })
}

fn counts(counts: Counts) -> AddressCounts {
    AddressCounts {
        capacity: counts.size.into(),
        used: counts.of(Reason::Used).into(),
        pending: counts.of(Reason::Pending).into(),
        quarantined: counts.of(Reason::Quarantined).into(),
        reserved: counts.of(Reason::Reserved).into(),
        foreign: counts.of(Reason::Foreign).into(),
        free: counts.free().into(),
    }
}

/// What the cluster serves of a pool.
struct Covered {
    /// No ServiceCIDR has it.
    beyond: Vec<String>,
    /// Only ServiceCIDRs have it that give nothing out; with their names, and why.
    unready: Vec<String>,
    /// All that ServiceCIDRs have, with their names.
    there_is: Vec<String>,
    /// Something is in force.
    some: bool,
}

impl Covered {
    fn new(facts: &Facts<'_>) -> Self {
        let nets = |usable: bool| {
            let of = facts.cidrs.iter().flat_map(|cidr| {
                let is_ready = crate::feed::is_usable(cidr);
                cidr.cidrs
                    .iter()
                    .filter(move |net| (is_ready && serves(net)) == usable)
            });
            Spans::of_nets(of.copied())
        };
        let effective = &facts.compiled.effective;
        let without = effective.without(&nets(true));
        let unready_span = without.common(&nets(false));
        let unready_span = &unready_span;
        let unready = facts.cidrs.iter().flat_map(|cidr| {
            let is_ready = crate::feed::is_usable(cidr);
            let concerned = move |net: &&IpNet| {
                let span = Spans::of_nets([**net]);
                !(span.common(unready_span).is_empty() || is_ready && serves(net))
            };
            cidr.cidrs.iter().filter(concerned).map(move |net| {
                let why = if serves(net) {
                    "is not ready"
                } else {
                    "is shorter than /64"
                };
                format!("ServiceCIDR {} ({net}) {why}", cidr.key.name)
            })
        });
        let there_is = facts.cidrs.iter().flat_map(|cidr| {
            let nets = cidr.cidrs.iter();
            nets.map(|net| format!("{net} (ServiceCIDR {})", cidr.key.name))
        });
        Self {
            beyond: named(facts.spec, &without.without(unready_span)),
            unready: unready.collect(),
            there_is: there_is.collect(),
            some: facts.counts.iter().any(|counts| counts.size > 0),
        }
    }

    fn is_whole(&self) -> bool {
        self.beyond.is_empty() && self.unready.is_empty()
    }

    /// What is wrong, and what is to be done.
    fn told(&self, pool: &str) -> String {
        let mut parts = Vec::new();
        if !self.beyond.is_empty() {
            let within = if self.there_is.is_empty() {
                String::new()
            } else {
                format!(", or choose addresses within {}", list(&self.there_is, "or"))
            };
            parts.push(format!(
                "no ServiceCIDR has {} of ServiceIPPool {pool}: create one that does{within}",
                list(&self.beyond, "and")
            ));
        }
        if !self.unready.is_empty() {
            parts.push(format!(
                "{}, so that ServiceIPPool {pool} gives nothing of it out: wait for it, or create another one with these addresses \
                 (IPv6 from /64 on)",
                list(&self.unready, "and")
            ));
        }
        parts.join("; ")
    }
}

/// Whether the apiserver gives addresses of a network out (`pkg/registry/core/service/ipallocator/ipallocator.go`).
fn serves(net: &IpNet) -> bool {
    net.addr().is_ipv4() || net.prefix_len() >= 64
}

/// The fields of a pool that name one of these addresses, as they are written.
fn named(spec: &ServiceIPPoolSpec, addresses: &Spans) -> Vec<String> {
    if addresses.is_empty() {
        return Vec::new();
    }
    let concerns = |span: &Spans| !span.common(addresses).is_empty();
    let cidrs = spec.cidrs.iter().filter(|text| {
        let net = text.parse::<IpNet>().ok();
        net.is_some_and(|net| concerns(&Spans::of_nets([net])))
    });
    let ranges = spec.ranges.iter().filter_map(|range| {
        let mut span = Spans::default();
        span.add(range.first.parse().ok()?, range.last.parse().ok()?);
        concerns(&span).then(|| format!("{}-{}", range.first, range.last))
    });
    cidrs.cloned().chain(ranges).collect()
}

fn list(all: &[String], word: &str) -> String {
    let (shown, left) = all.split_at(all.len().min(MOST_NAMED));
    let mut text = shown.join(", ");
    if left.is_empty() {
        if let Some(at) = text.rfind(", ").filter(|_| shown.len() > 1) {
            text.replace_range(at..at + 2, &format!(" {word} "));
        }
        text
    } else {
        format!("{text} {word} {} more", left.len())
    }
}

fn ready(facts: &Facts<'_>, covered: &Covered) -> Wanted {
    let (pool, compiled) = (facts.name, facts.compiled);
    let not = |reason, message: String| Wanted::new(READY, false, reason, message);
    let is = |reason, message: String| Wanted::new(READY, true, reason, message);
    if let Some(problem) = &compiled.problem {
        let message = format!("ServiceIPPool {pool} serves nothing until its spec is corrected: {problem}");
        return not("Invalid", message);
    }
    match facts.spec.policy.state {
        State::Disabled => {
            return not(
                "Disabled",
                format!("ServiceIPPool {pool} is switched off: set spec.state to Active to have it serve"),
            );
        }
        State::Draining => {
            return not(
                "Draining",
                format!(
                    "ServiceIPPool {pool} gives nothing out any more: set spec.state to Active to have it serve"
                ),
            );
        }
        State::Active | State::Manual | State::Unknown => {}
    }
    if compiled.effective.is_empty() {
        return if compiled.overlaps.is_empty() {
            not(
                "Empty",
                format!(
                    "ServiceIPPool {pool} has no address: spec.exclude takes all out, take some of it back"
                ),
            )
        } else {
            not(
                "Overlapping",
                format!(
                    "ServiceIPPool {pool} has no address of its own, since {} is older and has all of them: choose others",
                    older(&compiled.overlaps)
                ),
            )
        };
    }
    if !covered.some {
        return not("OutsideServiceCIDR", covered.told(pool));
    }
    if facts.spec.policy.state == State::Manual {
        let message = format!(
            "ServiceIPPool {pool} serves Services that name it with the annotation {}",
            quaymaster_model::names::ANNOTATION_POOL
        );
        return is("Manual", message);
    }
    is("Serving", format!("ServiceIPPool {pool} gives addresses out"))
}

fn older(pools: &[String]) -> String {
    let pools: Vec<String> = pools.iter().map(|pool| format!("ServiceIPPool {pool}")).collect();
    list(&pools, "and")
}

fn overlapping(facts: &Facts<'_>) -> Wanted {
    let overlaps = &facts.compiled.overlaps;
    if overlaps.is_empty() {
        let message = format!("no older pool has an address of ServiceIPPool {}", facts.name);
        return Wanted::new(OVERLAPPING, false, "NoOverlap", message);
    }
    let message = format!(
        "ServiceIPPool {} does not serve what it has in common with {}, which is older: take it out of one of them, or exclude it",
        facts.name,
        older(overlaps)
    );
    Wanted::new(OVERLAPPING, true, "OlderPool", message)
}

fn service_cidr_ready(facts: &Facts<'_>, covered: &Covered) -> Wanted {
    if facts.compiled.effective.is_empty() {
        let message = format!(
            "ServiceIPPool {} has no address that a ServiceCIDR could have",
            facts.name
        );
        return Wanted::new(SERVICE_CIDR_READY, false, "NoAddresses", message);
    }
    if covered.is_whole() {
        let message = format!(
            "all addresses of ServiceIPPool {} are in ServiceCIDRs that are ready",
            facts.name
        );
        return Wanted::new(SERVICE_CIDR_READY, true, "InServiceCIDR", message);
    }
    let reason = if covered.beyond.is_empty() {
        "NotReady"
    } else {
        "OutsideServiceCIDR"
    };
    Wanted::new(SERVICE_CIDR_READY, false, reason, covered.told(facts.name))
}

/// Of a family with a capacity: what it is called, how many addresses are free, and how many there are.
fn families<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = (Class, u128, u128)> + 'a {
    let of = [Class::V4, Class::V6].into_iter().zip(facts.counts);
    of.filter(|(_, counts)| counts.size > 0)
        .map(|(class, counts)| (class, counts.free(), counts.size))
}

fn capacity_low(facts: &Facts<'_>) -> Wanted {
    let worst = families(facts).max_by_key(|(_, free, size)| percent(*free, *size));
    let Some((class, free, size)) = worst else {
        let message = format!("ServiceIPPool {} has no address in force", facts.name);
        return Wanted::new(CAPACITY_LOW, false, "NoCapacity", message);
    };
    let thresholds = &facts.spec.policy.thresholds;
    let used = percent(free, size);
    let above = |limit: u8| used >= limit.into();
    let (reason, limit) = if above(thresholds.critical_percent) {
        (CRITICAL, thresholds.critical_percent)
    } else if above(thresholds.warn_percent) {
        ("AboveWarnPercent", thresholds.warn_percent)
    } else {
        let message = format!(
            "less than {} % of ServiceIPPool {} are in use",
            thresholds.warn_percent, facts.name
        );
        return Wanted::new(CAPACITY_LOW, false, "BelowWarnPercent", message);
    };
    let message = format!(
        "of {size} {} of ServiceIPPool {} {free} are free, and {limit} % or more are in use: give the pool more, or delete Services \
         that use it",
        plural(class),
        facts.name
    );
    Wanted::new(CAPACITY_LOW, true, reason, message)
}

fn exhausted(facts: &Facts<'_>) -> Wanted {
    let full = families(facts).find(|(_, free, _)| *free == 0);
    let Some((class, _, size)) = full else {
        let message = format!("ServiceIPPool {} has free addresses", facts.name);
        return Wanted::new(EXHAUSTED, false, "NotExhausted", message);
    };
    let message = format!(
        "of {size} {} of ServiceIPPool {} none is free: give the pool more, or delete Services that use it",
        plural(class),
        facts.name
    );
    Wanted::new(EXHAUSTED, true, "NoFreeAddress", message)
}

fn draining(facts: &Facts<'_>) -> Wanted {
    if facts.spec.policy.state != State::Draining {
        let message = format!("spec.state of ServiceIPPool {} is not Draining", facts.name);
        return Wanted::new(DRAINING, false, "NotDraining", message);
    }
    let left = |reason| -> u128 { facts.counts.iter().map(|counts| counts.of(reason)).sum() };
    let used = left(Reason::Used) + left(Reason::Pending);
    if used == 0 {
        let message = format!(
            "no Service has an address of ServiceIPPool {} any more: it can be deleted",
            facts.name
        );
        return Wanted::new(DRAINING, true, "Drained", message);
    }
    let message = format!(
        "Services still have {used} addresses of ServiceIPPool {}: delete or recreate them to drain it",
        facts.name
    );
    Wanted::new(DRAINING, true, "InUse", message)
}

fn plural(class: Class) -> &'static str {
    match class {
        Class::V6 => "IPv6 addresses",
        Class::V4 | Class::Port => "IPv4 addresses",
    }
}

/// How many of a hundred are not free, rounded down.
fn percent(free: u128, size: u128) -> u128 {
    (size - free).saturating_mul(100) / size.max(1)
}
