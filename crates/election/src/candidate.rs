//! One process that leads or would.

use std::time::Instant;

use crate::{Lease, Settings};

#[cfg(test)]
mod tests;

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Create the Lease, held by this process: there is none.
    Create,
    /// Write the Lease by this version, held by this process, with so many transitions: it is nobody's, or has run out, or is
    /// ours and to be renewed.
    Write {
        /// The version that was read.
        version: String,
        /// Times that it changed hands.
        transitions: i32,
    },
    /// Ask for the Lease: nothing is known of it.
    Read,
    /// Nothing before this time, unless something is read.
    Wait(Instant),
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was stored like this.
    Stored(Lease),
    /// It was read like this.
    Read(Lease),
    /// There is no Lease.
    Missing,
    /// It was refused: somebody else was faster. What is there now is not known.
    Conflict,
    /// Anything else, a time-out as well: it may have been stored or not.
    Failed,
}

/// Whether this process leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It does not.
    StandsBy,
    /// It does, up to this time, which each renewal puts off.
    Leads(Instant),
}

/// What is known of the Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Known {
    Nothing,
    /// That there is none.
    Missing,
    /// As it was read, and since when it is known to be like this.
    There(Lease, Instant),
}

/// One process that leads or would.
#[derive(Clone, Debug)]
pub struct Candidate {
    identity: String,
    settings: Settings,
    known: Known,
    /// While it holds the Lease: when the last renewal that succeeded was sent.
    renewed: Option<Instant>,
    /// Where it created the Lease: when it may lead. Somebody may have deleted one whose holder still leads, and nothing tells
    /// for how long there has been none.
    leads_from: Option<Instant>,
    /// The step that is under way, and when its request was sent.
    sent: Option<(Step, Instant)>,
    /// When the last request was sent, which the next one waits for.
    tried: Option<Instant>,
    /// Whether it gives up for good.
    resigned: bool,
}

impl Candidate {
    /// One that knows nothing yet. No two processes may have the same identity, not even one after the other.
    pub fn new(identity: impl Into<String>, settings: Settings) -> Self {
        Self {
            identity: identity.into(),
            settings,
            known: Known::Nothing,
            renewed: None,
            leads_from: None,
            sent: None,
            tried: None,
            resigned: false,
        }
    }

    /// Whether it leads at `now`. A leader whose time has ended does not lead again in this process: it ends.
    pub fn role(&self, now: Instant) -> Role {
        match self.held_until(now) {
            Some(deadline) if self.leads_from.is_none_or(|from| from <= now) => Role::Leads(deadline),
            _ => Role::StandsBy,
        }
    }

    /// Up to when it holds the Lease, if it does at `now`.
    fn held_until(&self, now: Instant) -> Option<Instant> {
        let deadline = self
            .renewed
            .map(|renewed| renewed + self.settings.renew_deadline());
        deadline.filter(|deadline| now < *deadline)
    }

    /// Who holds the Lease, as far as is known.
    pub fn holder(&self) -> Option<&str> {
        match &self.known {
            Known::There(lease, _) => lease.holder(),
            Known::Nothing | Known::Missing => None,
        }
    }

    /// The Lease was told by a watch; `None` where it was deleted. What is told out of order is told by versions that were known
    /// before, and must not be told here.
    pub fn told(&mut self, lease: Option<Lease>, now: Instant) {
        self.known = match (lease, &self.known) {
            (None, _) => Known::Missing,
            // The same again: it has not changed since.
            (Some(lease), Known::There(known, since)) if known.version == lease.version => {
                Known::There(lease, *since)
            }
            (Some(lease), _) => Known::There(lease, now),
        };
        if self.holder() != Some(self.identity.as_str()) {
            // Somebody else has it: whatever our own time says, ours has ended.
            self.renewed = None;
        }
    }

    /// What is to be done at `now`. While a request is under way there is nothing to do but to wait for its answer.
    pub fn next(&self, now: Instant) -> Step {
        let again = self.tried.map(|tried| tried + self.settings.retry());
        if self.sent.is_some() || self.resigned {
            return Step::Wait(now + self.settings.retry());
        }
        let due = match &self.known {
            Known::Nothing | Known::Missing => now,
            Known::There(lease, _) if lease.is_given_back() => now,
            Known::There(lease, since) => {
                let renewed = self.renewed.filter(|_| self.held_until(now).is_some());
                match (lease.holder(), renewed) {
                    (Some(holder), Some(renewed)) if holder == self.identity => {
                        renewed + self.settings.retry()
                    }
                    // Nobody's by an edit; or ours by name, and not by what this process did: from before a restart, or by
                    // an answer that was lost.
                    _ => *since + self.settings.good_for(lease),
                }
            }
        };
        let due = again.map_or(due, |again| due.max(again));
        if now < due {
            return Step::Wait(due);
        }
        match &self.known {
            Known::Nothing => Step::Read,
            Known::Missing => Step::Create,
            Known::There(lease, _) => {
                let ours = lease.holder() == Some(self.identity.as_str());
                let before = lease.transitions.unwrap_or(0).max(0);
                Step::Write {
                    version: lease.version.clone(),
                    transitions: before.saturating_add(i32::from(!ours)),
                }
            }
        }
    }

    /// A step is begun: its request goes out now.
    pub fn began(&mut self, step: Step, now: Instant) {
        self.sent = Some((step, now));
        self.tried = Some(now);
    }

    /// The answer to it.
    pub fn answered(&mut self, answer: Answer, now: Instant) {
        let Some((step, sent)) = self.sent.take() else {
            return;
        };
        match answer {
            Answer::Missing => self.told(None, now),
            Answer::Stored(lease) => {
                self.told(Some(lease), now);
                if self.holder() == Some(self.identity.as_str()) && !self.resigned {
                    if self.held_until(now).is_none() {
                        self.leads_from = (step == Step::Create).then(|| sent + self.settings.lease());
                    }
                    self.renewed = Some(sent);
                }
            }
            // That it is ours by name renews nothing: it may have been written long ago.
            Answer::Read(lease) => self.told(Some(lease), now),
            // Who was refused has lost, or a request of its own before was stored after all: what is there is asked for.
            Answer::Conflict => {
                self.known = Known::Nothing;
                // A leader has no time to lose; others would only meet again.
                if self.held_until(now).is_some() {
                    self.tried = None;
                }
            }
            Answer::Failed => {}
        }
    }

    /// Ends in order: from now on it does not try any more. Where it leads, the version by which the Lease is to be
    /// [given back](Lease::is_given_back).
    pub fn resign(&mut self, now: Instant) -> Option<String> {
        self.resigned = true;
        let leads = matches!(self.role(now), Role::Leads(_));
        self.renewed = None;
        match &self.known {
            Known::There(lease, _) if leads && self.sent.is_none() => Some(lease.version.clone()),
            _ => None,
        }
    }
}
