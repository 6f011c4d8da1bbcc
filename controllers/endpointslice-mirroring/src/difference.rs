//! How the endpoints of a slice differ from those that it is to hold (kubernetes/kubernetes
//! `pkg/controller/endpointslicemirroring/reconciler.go`, `totalChanges`).

use std::collections::HashMap;

use quaymaster_model::EndpointRecord;
use quaymaster_slices::convert::differs;

use crate::desired::Identity;

/// Numbers of endpoints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) added: usize,
    pub(crate) updated: usize,
    pub(crate) removed: usize,
}

impl Difference {
    /// From what is observed to what is desired. The order does not count, and neither do hints nor the resourceVersion
    /// of a target. An endpoint that stands twice is once too many.
    pub(crate) fn of(observed: &[EndpointRecord], desired: &[EndpointRecord]) -> Self {
        let mut missing: HashMap<Identity<'_>, &EndpointRecord> = desired
            .iter()
            .map(|endpoint| (Identity::of(endpoint), endpoint))
            .collect();
        let mut difference = Self::default();
        for endpoint in observed {
            match missing.remove(&Identity::of(endpoint)) {
                Some(desired) => difference.updated += usize::from(differs(desired, endpoint)),
                None => difference.removed += 1,
            }
        }
        difference.added = missing.len();
        difference
    }

    pub(crate) fn is_none(self) -> bool {
        self == Self::default()
    }
}

impl std::ops::AddAssign for Difference {
    fn add_assign(&mut self, other: Self) {
        self.added += other.added;
        self.updated += other.updated;
        self.removed += other.removed;
    }
}

#[cfg(test)]
mod tests;
