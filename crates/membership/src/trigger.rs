//! The time of the change that a write stems from, which slices and Endpoints carry as an annotation
//! (`k8s.io/endpointslice/util/trigger_time_tracker.go`).

use quaymaster_model::{PodRecord, Timestamp};

/// The time of a change of a Pod that a Service selects: when the Pod became ready or ceased to be, if that is news. `before`
/// is none if the Service did not select it before.
pub fn of_pod(before: Option<&PodRecord>, after: Option<&PodRecord>) -> Option<Timestamp> {
    let before = before.and_then(|pod| pod.ready_since);
    let after = after.and_then(|pod| pod.ready_since);
    after.filter(|after| before.is_none_or(|before| *after > before))
}

/// The earliest change that no write has carried yet.
///
/// The first writes carry the time of the Service itself, also after a restart. All writes of one change carry its
/// time; that of a failed write goes into the next. What no write carried once nothing is left to be written had no
/// effect on what is kept for the Service, and is forgotten.
#[derive(Debug, Default)]
pub struct Trigger(Option<Timestamp>);

impl Trigger {
    /// Nothing was written for the Service yet, which was created at this time.
    pub fn of_service(created: Option<Timestamp>) -> Self {
        Self(created)
    }

    /// Something changed at this time, or a write that carried it failed.
    pub fn add(&mut self, time: Option<Timestamp>) {
        self.0 = match (self.0, time) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    /// For the writes that are sent now.
    pub fn time(&self) -> Option<Timestamp> {
        self.0
    }

    /// Writes were planned; `more` are to follow from the same changes.
    pub fn planned(&mut self, more: bool) {
        if !more {
            self.0 = None;
        }
    }
}
