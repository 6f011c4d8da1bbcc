//! The log of one watch: each trouble once, not once for each attempt.

use crate::backoff::FailureKind;
use std::time::{Duration, Instant};

use tracing::{debug, error, info, warn};

use crate::error::{Verb, WatchError, chain};
use quaymaster_model::{ObjectKey, ResourceVersion};

/// A trouble that lasts is named so often.
const REMINDER: Duration = Duration::from_mins(1);

/// What was logged last, to tell change from repetition.
#[derive(Debug)]
pub(super) struct Report {
    resource: String,
    trouble: Option<Trouble>,
    undecodable: Throttle,
}

#[derive(Debug, PartialEq, Eq)]
struct Kind {
    verb: Verb,
    label: &'static str,
    code: u16,
}

#[derive(Debug)]
struct Trouble {
    kind: Kind,
    throttle: Throttle,
    /// Whether a line above debug level told of it; only then is the end worth one too.
    told: bool,
}

/// Lets one line through in a while, and counts the others.
#[derive(Debug, Default)]
struct Throttle {
    last: Option<Instant>,
    held_back: u64,
}

impl Throttle {
    /// Whether to log now; with the number of lines held back since the last one.
    fn admit(&mut self, now: Instant) -> Option<u64> {
        if self
            .last
            .is_some_and(|last| now.saturating_duration_since(last) < REMINDER)
        {
            self.held_back += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.held_back))
    }
}

impl Report {
    pub(super) fn new(resource: &str) -> Self {
        Self {
            resource: resource.to_owned(),
            trouble: None,
            undecodable: Throttle::default(),
        }
    }

    /// A list or watch failed and is tried again after `delay`. Returns whether a warning was logged.
    pub(super) fn failed(&mut self, error: &WatchError, delay: Duration, now: Instant) -> bool {
        let kind = Kind {
            verb: error.verb,
            label: error.cause.label(),
            code: error.cause.status().map_or(0, |status| status.code),
        };
        let expected = delay.is_zero() && error.cause.backoff_kind() == FailureKind::Lenient;
        let trouble = match &mut self.trouble {
            Some(trouble) if trouble.kind == kind => trouble,
            other => other.insert(Trouble {
                kind,
                throttle: Throttle::default(),
                told: false,
            }),
        };
        if expected {
            debug!(
                resource = self.resource,
                error = chain(error),
                "watch interrupted, going on at once"
            );
            return false;
        }
        let Some(repeated) = trouble.throttle.admit(now) else {
            debug!(
                resource = self.resource,
                error = chain(error),
                ?delay,
                "watch failed again"
            );
            return false;
        };
        trouble.told = true;
        warn!(
            resource = self.resource,
            verb = %error.verb,
            error = chain(error),
            retry_in = ?delay,
            repeated,
            "watch failed, trying again"
        );
        true
    }

    /// The server answered as it should. Returns whether that was worth a line.
    pub(super) fn recovered(&mut self) -> bool {
        let told = self.trouble.take().is_some_and(|trouble| trouble.told);
        if told {
            info!(resource = self.resource, "watch recovered");
        }
        told
    }

    /// The server does not serve the collection, and may do so one day.
    pub(super) fn absent(&mut self) {
        self.trouble = None;
        info!(
            resource = self.resource,
            "not served: its CustomResourceDefinition is not installed; going on without, and asking again"
        );
    }

    /// It does so now.
    pub(super) fn served(&mut self) {
        info!(resource = self.resource, "served now");
    }

    pub(super) fn refused(&mut self, error: &WatchError) {
        info!(
            resource = self.resource,
            error = chain(error),
            "the server refuses streaming lists; listing in pages instead"
        );
    }

    pub(super) fn went_back(&mut self, position: &ResourceVersion, present: Option<&ResourceVersion>) {
        warn!(
            resource = self.resource,
            %position,
            present = present.map(ToString::to_string),
            "the server's history went back (restored from a snapshot?); listing again"
        );
    }

    pub(super) fn undecodable(&mut self, key: Option<&ObjectKey>, reason: &str) {
        // The clock is read here and not given: it decides on log lines only.
        if let Some(skipped) = self.undecodable.admit(Instant::now()) {
            error!(
                resource = self.resource,
                key = key.map(tracing::field::display),
                reason,
                unreported = skipped,
                "undecodable object skipped"
            );
        }
    }

    pub(super) fn frame_too_large(&mut self, bytes: usize) {
        if let Some(skipped) = self.undecodable.admit(Instant::now()) {
            error!(
                resource = self.resource,
                at_least_bytes = bytes,
                unreported = skipped,
                "watch frame beyond the limit skipped"
            );
        }
    }
}

#[cfg(test)]
mod tests;
