//! What is said of a pool, a sentence for each condition: it names the object and the way out.

use quaymaster_api::State;
use quaymaster_ipam::status::Said;

use crate::plan::Facts;

/// The types, in the order in which they are told.
pub const READY: &str = "Ready";
/// Some of what the pool names an older pool has.
pub const OVERLAPPING: &str = "Overlapping";
/// All that the pool names the apiserver serves.
pub const IN_RANGE: &str = "InRange";
/// So much is taken that it is reported.
pub const CAPACITY_LOW: &str = "CapacityLow";
/// Nothing is left.
pub const EXHAUSTED: &str = "Exhausted";
/// Nothing is given any more.
pub const DRAINING: &str = "Draining";
/// Reason of [`CAPACITY_LOW`] from `thresholds.criticalPercent` on.
pub const CRITICAL: &str = "NearlyFull";

/// All conditions of a pool.
pub fn of(facts: &Facts<'_>) -> Vec<Said> {
    vec![
        ready(facts),
        overlapping(facts),
        in_range(facts),
        capacity_low(facts),
        exhausted(facts),
        draining(facts),
    ]
}

fn said(kind: &'static str, holds: bool, reason: &'static str, message: String) -> Said {
    Said {
        kind,
        holds: Some(holds),
        reason,
        message,
    }
}

fn ready(facts: &Facts<'_>) -> Said {
    let name = facts.name();
    let no = |reason, message| said(READY, false, reason, message);
    if let Some(problem) = &facts.compiled.problem {
        return no(
            "Invalid",
            format!("NodePortPool {name} serves nothing until this is corrected: {problem}"),
        );
    }
    match facts.state() {
        State::Disabled => {
            return no(
                "Disabled",
                format!(
                    "NodePortPool {name} serves nothing: set spec.state to Active to have it serve again"
                ),
            );
        }
        State::Draining => {
            return no(
                "Draining",
                format!(
                    "NodePortPool {name} gives nothing out any more: set spec.state to Active to have it serve again"
                ),
            );
        }
        State::Active | State::Manual | State::Unknown => {}
    }
    if facts.numbers.capacity == 0 {
        return match (facts.compiled.beyond, facts.older(), facts.range) {
            (true, _, Some((first, last))) => no(
                "OutOfRange",
                format!(
                    "NodePortPool {name} serves nothing, since kube-apiserver's --service-node-port-range is {first}-{last}: change \
                     spec.ranges, or the flag"
                ),
            ),
            (_, Some(older), _) => no(
                "Overlapping",
                format!(
                    "NodePortPool {name} serves nothing, since {older} has all of its node ports: change spec.ranges of one of them"
                ),
            ),
            _ => no(
                "Empty",
                format!(
                    "NodePortPool {name} serves nothing, since spec.exclude takes all out that spec.ranges name: change one of them"
                ),
            ),
        };
    }
    if facts.state() == State::Manual {
        let message = format!(
            "NodePortPool {name} serves Services that name it in the annotation {}",
            quaymaster_model::names::ANNOTATION_NODE_PORT_POOL
        );
        return said(READY, true, "Manual", message);
    }
    let message = format!("NodePortPool {name} serves Services");
    said(READY, true, "Serving", message)
}

fn overlapping(facts: &Facts<'_>) -> Said {
    let name = facts.name();
    match facts.older() {
        Some(older) => said(
            OVERLAPPING,
            true,
            "OlderPoolServes",
            format!(
                "{older} is older and has node ports that NodePortPool {name} names as well, which it therefore does not give out: \
                 take them out of spec.ranges of one of them"
            ),
        ),
        None => said(
            OVERLAPPING,
            false,
            "Apart",
            format!("NodePortPool {name} names no node port that an older pool has"),
        ),
    }
}

fn in_range(facts: &Facts<'_>) -> Said {
    let name = facts.name();
    match facts.range {
        None => Said {
            kind: IN_RANGE,
            holds: None,
            reason: "RangeUnknown",
            message: format!(
                "It is not known which node ports kube-apiserver serves, so that NodePortPool {name} may name others: let quaymaster \
                 create Services, or give it --service-node-port-range"
            ),
        },
        Some((first, last)) if facts.compiled.beyond => said(
            IN_RANGE,
            false,
            "OutOfRange",
            format!(
                "NodePortPool {name} names node ports outside of kube-apiserver's --service-node-port-range, {first}-{last}, which are \
                 not given out: change spec.ranges, or the flag"
            ),
        ),
        Some((first, last)) => said(
            IN_RANGE,
            true,
            "InRange",
            format!("kube-apiserver serves all that NodePortPool {name} has: {first}-{last}"),
        ),
    }
}

/// Whether it matters how much is left.
fn gives(facts: &Facts<'_>) -> bool {
    matches!(facts.state(), State::Active | State::Manual) && facts.numbers.capacity > 0
}

fn capacity_low(facts: &Facts<'_>) -> Said {
    let (name, numbers) = (facts.name(), facts.numbers);
    let thresholds = &facts.pool.spec.policy.thresholds;
    let reached = |percent: u8| {
        let taken = u64::from(numbers.capacity - numbers.free) * 100;
        gives(facts) && taken >= u64::from(numbers.capacity) * u64::from(percent)
    };
    let low = |reason, percent| {
        let message = format!(
            "NodePortPool {name} has {} of {} node ports left, so that {percent} % or more are taken: add to spec.ranges, or delete \
             Services",
            numbers.free, numbers.capacity
        );
        said(CAPACITY_LOW, true, reason, message)
    };
    if reached(thresholds.critical_percent) {
        return low(CRITICAL, thresholds.critical_percent);
    }
    if reached(thresholds.warn_percent) {
        return low("AboveWarnPercent", thresholds.warn_percent);
    }
    let message = format!(
        "Less than {} % of the node ports of NodePortPool {name} are taken",
        thresholds.warn_percent
    );
    said(CAPACITY_LOW, false, "Enough", message)
}

fn exhausted(facts: &Facts<'_>) -> Said {
    let (name, numbers) = (facts.name(), facts.numbers);
    if gives(facts) && numbers.free == 0 {
        let others = numbers.capacity - numbers.used - numbers.quarantined;
        let message = format!(
            "NodePortPool {name} has none of its {} node ports left, of which {} are of Services, {} in quarantine and {others} \
             otherwise taken: add to spec.ranges, or delete Services",
            numbers.capacity, numbers.used, numbers.quarantined
        );
        return said(EXHAUSTED, true, "NoneLeft", message);
    }
    let message = format!("NodePortPool {name} is not exhausted");
    said(EXHAUSTED, false, "SomeLeft", message)
}

fn draining(facts: &Facts<'_>) -> Said {
    let (name, held) = (facts.name(), facts.numbers.used + facts.numbers.foreign);
    if facts.state() != State::Draining {
        let message = format!("spec.state of NodePortPool {name} is not Draining");
        return said(DRAINING, false, "NotAsked", message);
    }
    if held == 0 {
        let message =
            format!("No Service has a node port of NodePortPool {name} any more: it can be deleted");
        return said(DRAINING, true, "Drained", message);
    }
    let message = format!(
        "Services have {held} node ports of NodePortPool {name} and keep them: delete the Services, or give them node ports of \
         another pool, before the pool is deleted"
    );
    said(DRAINING, true, "InUse", message)
}
