//! What admission policies make of slices.

use std::sync::Arc;

use quaymaster_model::LabelSet;

use crate::SliceDraft;

/// A policy that changes all that is decided about.
pub(super) fn alter(draft: &mut SliceDraft) {
    let endpoints = Arc::make_mut(&mut draft.endpoints);
    endpoints.extend(endpoints.first().cloned());
    if let Some(first) = endpoints.first_mut() {
        first.zone = Some("moon".into());
    }
    for port in &mut draft.ports {
        port.port = Some(1);
    }
    draft.owners.clear();
    let labels = draft.labels.iter().map(|(k, v)| (k.clone(), v.clone()));
    draft.labels = LabelSet::new(labels.chain([("altered".into(), "yes".into())]));
}

/// A policy that keeps some Pods out of the slices of some ports.
pub(super) fn keep_out(draft: &mut SliceDraft) {
    if draft
        .ports
        .iter()
        .any(|port| port.port.is_some_and(|number| number % 2 == 1))
    {
        let kept_out = |name: &str| name.bytes().last().is_some_and(|digit| digit % 3 == 0);
        Arc::make_mut(&mut draft.endpoints).retain(|endpoint| {
            let target = endpoint.target.as_ref();
            !target.is_some_and(|target| kept_out(&target.name))
        });
    }
}
