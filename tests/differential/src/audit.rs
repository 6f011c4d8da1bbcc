//! What controllers asked an apiserver to change, beside what became of it.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use quaymaster_testkit::audit::Entry;

use crate::controllers::Controllers;
use crate::handover::words;
use crate::kept::{CIDRS, is_kept_resource, kept_by};
use crate::plane::{Hold, Holder, Subject};

/// What it may write besides what it keeps: what happened, who leads, and questions about its own permissions, which are
/// creations to the apiserver.
const BESIDE_KEPT: [&str; 4] = [
    "events",
    "leases",
    "selfsubjectaccessreviews",
    "selfsubjectrulesreviews",
];

/// A busy apiserver may take a request up after the process that sent it has ended.
const TAKEN_UP: Duration = Duration::from_secs(1);

/// So many refused writes of what it keeps are nothing, and beyond them no more than one of so many.
const FEW_REFUSALS: usize = 10;
const MOST_REFUSED: usize = 20;

/// Writes of what controllers keep by one that does not hold: by one that outlived its hold, say, or that nobody started.
pub(crate) fn outside_of_holds(writes: &[Entry], holds: &[Hold], subject: &Subject) -> Vec<String> {
    let of_holder = |entry: &Entry| {
        // Of an entry that does not say when it came nothing is known.
        let Ok(at) = entry.request_received_timestamp.parse::<Timestamp>() else {
            return false;
        };
        holds.iter().any(|hold| {
            let ended = hold.ended.map(|ended| ended.checked_add(TAKEN_UP));
            subject.wrote(hold.holder, entry)
                && hold.started <= at
                && ended.is_none_or(|ended| ended.is_ok_and(|ended| at <= ended))
        })
    };
    let kept = writes.iter().filter(|entry| is_kept_resource(entry.resource()));
    let outside = kept.filter(|entry| !of_holder(entry));
    let told = outside.map(|entry| {
        let at = &entry.request_received_timestamp;
        format!("a write while another or none held, at {at}: {}", words(entry))
    });
    told.collect()
}

/// Writes of what is not quaymaster's own, and updates that an apiserver took and that changed nothing: they leave no revision.
/// `seen` is how many updates of its slices and Endpoints an observer saw; that all of them are among `writes` says that
/// these are its. Where kube-controller-manager is the subject, who wrote what cannot be told.
pub(crate) fn violations(
    writes: &[Entry],
    seen: usize,
    subject: &Subject,
    controllers: &Controllers,
) -> Vec<String> {
    if subject.is_kcm() {
        return Vec::new();
    }
    let own = writes
        .iter()
        .filter(|entry| subject.wrote(Holder::Subject, entry));
    let is_kept = |entry: &&Entry| kept_by(controllers).any(|kept| kept.resource == entry.resource());
    let (kept, others): (Vec<&Entry>, Vec<&Entry>) = own.partition(is_kept);
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
    // Conflicts with steps and with the garbage collector are few; who writes over what it should know gets many.
    let refused = kept.iter().filter(|entry| entry.code() >= 400).count();
    if refused > FEW_REFUSALS && refused * MOST_REFUSED > kept.len() {
        found.push(format!(
            "{refused} of {} writes of what it keeps were refused",
            kept.len()
        ));
    }
    let all = kept.iter().filter(|entry| entry.verb == "deletecollection");
    found.extend(all.map(|entry| format!("a deletion of many objects at once: {}", words(entry))));
    let taken = kept
        .iter()
        .filter(|entry| matches!(entry.verb.as_str(), "update" | "patch") && entry.code() == 200);
    let (of_cidrs, updates): (Vec<&&Entry>, Vec<&&Entry>) =
        taken.partition(|entry| entry.resource() == CIDRS);
    let audited = updates.len();
    if audited < seen {
        found.push(format!(
            "{seen} updates of what it keeps were seen and {audited} are in the audit log, so who made them is not known"
        ));
    }
    let without_effect = audited.saturating_sub(seen) + unchanged(&of_cidrs);
    if without_effect > 0 {
        found.push(format!("{without_effect} updates changed nothing"));
    }
    found
}

/// How many writes were answered with a version that an earlier one was answered with: the apiserver makes of ServiceCIDRs
/// itself, so that they are not counted by what an observer saw. One that takes the last finalizer of what is being deleted is
/// answered with the version that is gone by that.
fn unchanged(writes: &[&&Entry]) -> usize {
    let mut versions = BTreeSet::new();
    let answered = writes.iter().filter_map(|entry| {
        let metadata = entry.response_object.as_ref()?.get("metadata")?;
        let deleted = metadata.get("deletionTimestamp").is_some();
        let held = metadata.get("finalizers").and_then(|list| list.as_array());
        if deleted && held.is_none_or(Vec::is_empty) {
            return None;
        }
        Some((entry.name(), metadata.get("resourceVersion")?.as_str()?))
    });
    answered.filter(|answer| !versions.insert(*answer)).count()
}
