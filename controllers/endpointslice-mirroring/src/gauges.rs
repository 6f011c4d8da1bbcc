//! Totals over all Endpoints, kept as sums so that a change of one costs nothing for the others.

use std::collections::HashMap;

use quaymaster_model::ObjectKey;

use crate::desired::Desired;

/// Sums of what is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) endpoints: usize,
    pub(crate) slices: usize,
}

/// What is wanted for each Endpoints object, and in all.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    of: HashMap<ObjectKey, Totals>,
    total: Totals,
}

impl Gauges {
    /// Endpoints were looked at.
    pub(crate) fn update(&mut self, key: &ObjectKey, desired: &Desired) {
        let totals = Totals {
            endpoints: desired.endpoints(),
            slices: desired.slices(),
        };
        self.remove(key);
        self.of.insert(key.clone(), totals);
        self.total.endpoints += totals.endpoints;
        self.total.slices += totals.slices;
    }

    /// Endpoints are not mirrored any more.
    pub(crate) fn remove(&mut self, key: &ObjectKey) {
        let before = self.of.remove(key).unwrap_or_default();
        self.total.endpoints -= before.endpoints;
        self.total.slices -= before.slices;
    }

    pub(crate) fn total(&self) -> Totals {
        self.total
    }
}

#[cfg(test)]
mod tests;
