//! What quaymaster asked an apiserver to change, beside what became of it.

#[cfg(test)]
mod tests;

use quaymaster_testkit::audit::Entry;

use crate::handover::words;
use crate::plane::SLICES;

/// What it may write besides slices: what happened, who leads, and questions about its own permissions, which are
/// creations to the apiserver.
const BESIDE_SLICES: [&str; 4] = [
    "events",
    "leases",
    "selfsubjectaccessreviews",
    "selfsubjectrulesreviews",
];

/// Writes of what is not its own, and updates that an apiserver took and that changed nothing: they leave no revision.
/// `seen` is how many updates of its slices an observer saw.
pub(crate) fn violations(writes: &[Entry], seen: usize) -> Vec<String> {
    let (slices, others): (Vec<&Entry>, Vec<&Entry>) =
        writes.iter().partition(|entry| entry.resource() == SLICES);
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
    let all = slices.iter().filter(|entry| entry.verb == "deletecollection");
    found.extend(all.map(|entry| format!("a deletion of many slices at once: {}", words(entry))));
    let updates = slices
        .iter()
        .filter(|entry| matches!(entry.verb.as_str(), "update" | "patch") && entry.code() == 200);
    let without_effect = updates.count().saturating_sub(seen);
    if without_effect > 0 {
        found.push(format!("{without_effect} updates of slices changed nothing"));
    }
    found
}
