//! The status of an object, as it was written last.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use quaymaster_model::ResourceVersion;

/// Between two writes of numbers alone.
pub(crate) const PAUSE: Duration = Duration::from_secs(3);

/// The status of an object, as it was written last.
#[derive(Debug)]
pub(crate) struct Written<S> {
    /// A write is under way.
    pub(crate) busy: bool,
    /// What was sent last, and when.
    pub(crate) sent: Option<(S, Instant)>,
    /// The version at which the apiserver stored something other than what was sent: to send it again would store that again.
    pub(crate) altered: Option<ResourceVersion>,
    /// Conditions that Events have told of while they last.
    pub(crate) told: BTreeSet<&'static str>,
    /// No address was free when it was looked at.
    pub(crate) was_full: bool,
}

impl<S> Default for Written<S> {
    fn default() -> Self {
        Self {
            busy: false,
            sent: None,
            altered: None,
            told: BTreeSet::new(),
            was_full: false,
        }
    }
}

impl<S: PartialEq> Written<S> {
    /// Whether a status was stored otherwise already, by the object of this version.
    pub(crate) fn is_refused(&self, wanted: &S, version: &ResourceVersion) -> bool {
        let same = self.sent.as_ref().is_some_and(|(sent, _)| sent == wanted);
        same && self.altered.as_ref() == Some(version)
    }

    /// Until when numbers wait.
    pub(crate) fn rests_until(&self, now: Instant) -> Option<Instant> {
        let until = self.sent.as_ref().map(|(_, at)| *at + PAUSE);
        until.filter(|until| *until > now)
    }

    /// A status is sent.
    pub(crate) fn send(&mut self, status: S, now: Instant) {
        self.busy = true;
        self.altered = None;
        self.sent = Some((status, now));
    }
}
