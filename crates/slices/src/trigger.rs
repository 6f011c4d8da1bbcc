//! The time of the change that a write stems from
//! (`k8s.io/endpointslice/util/trigger_time_tracker.go`).

use quaymaster_model::Timestamp;

/// The earliest change that no write has carried yet.
///
/// The first writes carry the time of the Service itself, also after a restart. All writes of one change carry its
/// time; that of a failed write goes into the next. What no write carried once nothing is left to be written had no
/// effect on slices, and is forgotten.
#[derive(Debug)]
pub(crate) struct Trigger(Option<Timestamp>);

impl Trigger {
    pub(crate) fn of_service(created: Option<Timestamp>) -> Self {
        Self(created)
    }

    /// Something changed at this time, or a write that carried it failed.
    pub(crate) fn add(&mut self, time: Option<Timestamp>) {
        self.0 = match (self.0, time) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    /// For the writes that are sent now.
    pub(crate) fn time(&self) -> Option<Timestamp> {
        self.0
    }

    /// Writes were planned; `more` are to follow from the same changes.
    pub(crate) fn planned(&mut self, more: bool) {
        if !more {
            self.0 = None;
        }
    }
}
