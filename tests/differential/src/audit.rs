//! What controllers asked an apiserver to change, beside what became of it.

#[cfg(test)]
mod tests;

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use quaymaster_testkit::audit::Entry;

use crate::handover::words;
use crate::plane::{Hold, Holder, SLICES};

/// What it may write besides slices: what happened, who leads, and questions about its own permissions, which are
/// creations to the apiserver.
const BESIDE_SLICES: [&str; 4] = [
    "events",
    "leases",
    "selfsubjectaccessreviews",
    "selfsubjectrulesreviews",
];

/// A busy apiserver may take a request up after the process that sent it has ended.
const TAKEN_UP: Duration = Duration::from_secs(1);

/// So many refused writes of slices are nothing, and beyond them no more than one of so many.
const FEW_REFUSALS: usize = 10;
const MOST_REFUSED: usize = 20;

/// Writes of slices by a controller that does not hold: by one that outlived its hold, say, or that nobody started.
pub(crate) fn outside_of_holds(writes: &[Entry], holds: &[Hold]) -> Vec<String> {
    let of_holder = |entry: &Entry| {
        // Of an entry that does not say when it came nothing is known.
        let Ok(at) = entry.request_received_timestamp.parse::<Timestamp>() else {
            return false;
        };
        holds.iter().any(|hold| {
            let ended = hold.ended.map(|ended| ended.checked_add(TAKEN_UP));
            hold.holder.wrote(entry)
                && hold.started <= at
                && ended.is_none_or(|ended| ended.is_ok_and(|ended| at <= ended))
        })
    };
    let slices = writes.iter().filter(|entry| entry.resource() == SLICES);
    let outside = slices.filter(|entry| !of_holder(entry));
    let told = outside.map(|entry| {
        let at = &entry.request_received_timestamp;
        format!("a write while another or none held, at {at}: {}", words(entry))
    });
    told.collect()
}

/// Writes of what is not quaymaster's own, and updates that an apiserver took and that changed nothing: they leave no revision.
/// `seen` is how many updates of its slices an observer saw; that all of them are among `writes` says that these are its.
pub(crate) fn violations(writes: &[Entry], seen: usize) -> Vec<String> {
    let own = writes.iter().filter(|entry| Holder::Quaymaster.wrote(entry));
    let (slices, others): (Vec<&Entry>, Vec<&Entry>) = own.partition(|entry| entry.resource() == SLICES);
    let foreign = others
        .into_iter()
        .filter(|entry| !BESIDE_SLICES.contains(&entry.resource()) || entry.verb.starts_with("delete"));
    let mut found: Vec<String> = foreign
        .map(|entry| {
            format!(
                "a write of what it does not keep: {} ({})",
                words(entry),
                entry.resource()
            )
        })
        .collect();
    // Conflicts with steps and with the garbage collector are few; who writes over what it should know gets many.
    let refused = slices.iter().filter(|entry| entry.code() >= 400).count();
    if refused > FEW_REFUSALS && refused * MOST_REFUSED > slices.len() {
        found.push(format!(
            "{refused} of {} writes of slices were refused",
            slices.len()
        ));
    }
    let all = slices.iter().filter(|entry| entry.verb == "deletecollection");
    found.extend(all.map(|entry| format!("a deletion of many slices at once: {}", words(entry))));
    let updates = slices
        .iter()
        .filter(|entry| matches!(entry.verb.as_str(), "update" | "patch") && entry.code() == 200);
    let audited = updates.count();
    if audited < seen {
        found.push(format!(
            "{seen} updates of slices were seen and {audited} are in the audit log, so who made them is not known"
        ));
    }
    let without_effect = audited.saturating_sub(seen);
    if without_effect > 0 {
        found.push(format!("{without_effect} updates of slices changed nothing"));
    }
    found
}
