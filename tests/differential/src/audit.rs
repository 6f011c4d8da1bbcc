//! What quaymaster asked an apiserver to change, beside what became of it.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use quaymaster_testkit::audit::Entry;

use crate::controllers::Controllers;
use crate::handover::words;
use crate::kept::kept_by;

/// What it may write besides what it keeps: what happened, who leads, and questions about its own permissions, which are
/// creations to the apiserver.
const BESIDE_KEPT: [&str; 4] = [
    "events",
    "leases",
    "selfsubjectaccessreviews",
    "selfsubjectrulesreviews",
];

/// As the audit log has it.
const CIDRS: &str = "servicecidrs";

/// Writes of what is not its own, and updates that an apiserver took and that changed nothing: they leave no revision.
/// `seen` is how many updates of slices and Endpoints an observer saw.
pub(crate) fn violations(writes: &[Entry], seen: usize, controllers: &Controllers) -> Vec<String> {
    let is_kept = |entry: &&Entry| kept_by(controllers).any(|kept| kept.resource == entry.resource());
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
    let taken = kept
        .iter()
        .filter(|entry| matches!(entry.verb.as_str(), "update" | "patch") && entry.code() == 200);
    let (of_cidrs, updates): (Vec<&&Entry>, Vec<&&Entry>) =
        taken.partition(|entry| entry.resource() == CIDRS);
    let without_effect = updates.len().saturating_sub(seen) + unchanged(&of_cidrs);
    if without_effect > 0 {
        found.push(format!("{without_effect} updates changed nothing"));
    }
    found
}

/// How many writes were answered with a version that an earlier one was answered with: the apiserver makes of ServiceCIDRs
/// itself, so that they are not counted by what an observer saw.
fn unchanged(writes: &[&&Entry]) -> usize {
    let mut versions = BTreeSet::new();
    let answered = writes.iter().filter_map(|entry| {
        let version = entry
            .response_object
            .as_ref()?
            .pointer("/metadata/resourceVersion")?;
        Some((entry.name(), version.as_str()?))
    });
    answered.filter(|answer| !versions.insert(*answer)).count()
}
