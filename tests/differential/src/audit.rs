//! What quaymaster asked an apiserver to change, beside what became of it.

#[cfg(test)]
mod tests;

use quaymaster_testkit::audit::Entry;

use crate::handover::words;
use crate::kept::KEPT;

/// What it may write besides what it keeps: what happened, who leads, and questions about its own permissions, which are
/// creations to the apiserver.
const BESIDE_KEPT: [&str; 4] = [
    "events",
    "leases",
    "selfsubjectaccessreviews",
    "selfsubjectrulesreviews",
];

/// Writes of what is not its own, and updates that an apiserver took and that changed nothing: they leave no revision.
/// `seen` is how many updates of what it keeps an observer saw.
pub(crate) fn violations(writes: &[Entry], seen: usize) -> Vec<String> {
    let is_kept = |entry: &&Entry| KEPT.iter().any(|kept| kept.resource == entry.resource());
    let (kept, others): (Vec<&Entry>, Vec<&Entry>) = writes.iter().partition(is_kept);
    let foreign = others
        .into_iter()
        .filter(|entry| !BESIDE_KEPT.contains(&entry.resource()) || entry.verb.starts_with("delete"));
    let mut found: Vec<String> = foreign
        .map(|entry| {
            format!(
                "a write of what it does not keep: {} ({})",
                words(entry),
                entry.resource()
            )
        })
        .collect();
    let all = kept.iter().filter(|entry| entry.verb == "deletecollection");
    found.extend(all.map(|entry| format!("a deletion of many objects at once: {}", words(entry))));
    let updates = kept
        .iter()
        .filter(|entry| matches!(entry.verb.as_str(), "update" | "patch") && entry.code() == 200);
    let without_effect = updates.count().saturating_sub(seen);
    if without_effect > 0 {
        found.push(format!("{without_effect} updates changed nothing"));
    }
    found
}
