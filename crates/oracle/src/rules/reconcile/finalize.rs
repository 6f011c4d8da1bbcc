//! From the slices of one address type to calls (`finalize` in `k8s.io/endpointslice`).

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;

use super::Write;
use crate::names;
use crate::rules::slices::owned_by;

/// Creates, then updates, then deletes; each slice that would be created takes over the name of one that would be
/// deleted, as long as there are both.
pub(super) fn finalize(
    service: &Service,
    mut create: Vec<EndpointSlice>,
    mut update: Vec<EndpointSlice>,
    delete: Vec<EndpointSlice>,
    trigger_time: Option<Timestamp>,
) -> Vec<Write> {
    let mut deletes = Vec::new();
    for doomed in delete {
        match create.pop() {
            // A slice owned by an earlier Service of this name is about to be garbage-collected.
            Some(mut new) if new.address_type == doomed.address_type && owned_by(&doomed, service) => {
                new.metadata.name = doomed.metadata.name;
                update.push(new);
            }
            rejected => {
                create.extend(rejected);
                deletes.push(doomed);
            }
        }
    }
    if service.metadata.deletion_timestamp.is_some() {
        create.clear();
    }
    let stamped = |slice| stamp(slice, trigger_time);
    let creates = create.into_iter().map(stamped).map(Write::Create);
    let updates = update.into_iter().map(stamped).map(Write::Update);
    creates
        .chain(updates)
        .chain(deletes.into_iter().map(Write::Delete))
        .collect()
}

fn stamp(mut slice: EndpointSlice, trigger_time: Option<Timestamp>) -> EndpointSlice {
    let annotations = slice.metadata.annotations.get_or_insert_default();
    match trigger_time {
        Some(time) => _ = annotations.insert(names::TRIGGER_TIME.to_owned(), time.to_string()),
        None => _ = annotations.remove(names::TRIGGER_TIME),
    }
    slice
}
