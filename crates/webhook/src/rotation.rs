//! When the next certificates are due, and what comes after what, so that no handshake fails.
//!
//! An authority is replaced in steps: the next one is made and goes into the bundle of trusted ones
//! ([`Step::Announce`]); once every webhook configuration has that bundle ([`Step::Publish`], [`State::published`]) and
//! apiservers have had the time to see it, it signs ([`Step::Promote`]); the old one stays trusted until it expires
//! ([`Step::Retire`]), since a replica may still present what it signed. Each step is one write of a Secret, so
//! whoever stops in between is followed by one who goes on.
//!
//! The caller, on each turn: reads the Secret ([`State::from_data`]), asks [`next`], makes the change ([`take`])
//! and writes it with the Secret's resourceVersion ([`State::to_data`]); then sees to it that each configuration's
//! `caBundle` is [`State::bundle`].

mod data;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};

use crate::authority::{AuthorityError, Certificate, Names, Pair, Validity, clamped};
pub use data::{CA_CERTIFICATES, DataError, TLS_CERTIFICATE, TLS_KEY};

/// What is wanted of certificates.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The names that the served one is for.
    pub names: Names,
    /// How long an authority holds.
    pub authority_life: SignedDuration,
    /// How long a served one holds.
    pub leaf_life: SignedDuration,
    /// How far in the past both begin: the apiserver's clock may be behind by that much.
    pub backdate: SignedDuration,
    /// From the bundle being in every configuration to its being known by every apiserver.
    pub settle: SignedDuration,
}

impl Policy {
    /// A year for authorities, 90 days for what is served, an hour for clocks, five minutes to settle.
    pub fn new(names: Names) -> Self {
        Self {
            names,
            authority_life: SignedDuration::from_hours(365 * 24),
            leaf_life: SignedDuration::from_hours(90 * 24),
            backdate: SignedDuration::from_hours(1),
            settle: SignedDuration::from_mins(5),
        }
    }
}

/// All that is kept.
#[derive(Clone, Debug)]
pub struct State {
    /// Signs.
    current: Pair,
    /// Is served.
    leaf: Pair,
    /// Will sign.
    next: Option<Next>,
    /// Do not sign any more, and are trusted until they expire.
    old: Vec<Certificate>,
}

#[derive(Clone, Debug)]
struct Next {
    authority: Pair,
    /// Since when the bundle with it is in every configuration.
    published: Option<Timestamp>,
}

impl State {
    /// The authorities to be trusted: the `caBundle` of webhook configurations.
    pub fn bundle(&self) -> String {
        let next = self.next.iter().map(|next| &next.authority.certificate);
        [&self.current.certificate]
            .into_iter()
            .chain(next)
            .chain(&self.old)
            .map(|certificate| certificate.pem.as_str())
            .collect()
    }

    /// What is to be served.
    pub fn leaf(&self) -> &Pair {
        &self.leaf
    }

    /// Notes that every webhook configuration has [`State::bundle`], as the apiserver has confirmed: the answer to
    /// [`Step::Publish`].
    pub fn published(&mut self, now: Timestamp) {
        if let Some(next) = &mut self.next {
            next.published = Some(now);
        }
    }
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Begin anew. There is no overlap: until the new bundle is in the configurations, reviews fail.
    Create(Cause),
    /// Make the next authority, and trust it.
    Announce(Cause),
    /// Bring the bundle into every configuration, and say so by [`State::published`].
    Publish,
    /// Let the next authority sign: what is served from now on is signed by it.
    Promote,
    /// Make a new certificate to serve.
    Renew(Cause),
    /// Trust an authority no more that has expired.
    Retire,
    /// Nothing until then.
    Wait(Timestamp),
}

/// Why something is made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// There is none, or none that can be read.
    Missing,
    /// Two thirds of its life are over.
    Due,
    /// It has expired.
    Expired,
    /// It does not hold yet, so one of two clocks is or was wrong.
    Early,
    /// It is for other names than wanted.
    Names,
    /// Another authority signed it.
    Signer,
}

/// Decides what is to be done next. `state` is none where there is nothing, or nothing that can be read.
pub fn next(now: Timestamp, policy: &Policy, state: Option<&State>) -> Step {
    let Some(state) = state else {
        return Step::Create(Cause::Missing);
    };
    let authority = &state.current.certificate;
    // One that does not hold now is as good as none: another is announced in its place.
    let candidate = state.next.as_ref().filter(|next| {
        let validity = next.authority.certificate.validity;
        !validity.expired(now) && !validity.early(now)
    });
    if authority.validity.expired(now) {
        // All it signed has expired as well, so nothing is lost by being early with the next one.
        return match candidate {
            Some(_) => Step::Promote,
            None => Step::Create(Cause::Expired),
        };
    }
    let settled = candidate.and_then(|next| settled(now, policy, next));
    if settled.is_some_and(|at| at <= now) {
        return Step::Promote;
    }
    let (leaf, due) = (&state.leaf.certificate, renewal(state));
    let cause = if leaf.validity.expired(now) {
        Some(Cause::Expired)
    } else if leaf.names != policy.names {
        Some(Cause::Names)
    } else if !leaf.is_signed_by(authority) {
        Some(Cause::Signer)
    } else if leaf.validity.early(now) {
        Some(Cause::Early)
    } else if due.is_some_and(|due| due <= now) {
        Some(Cause::Due)
    } else {
        None
    };
    if let Some(cause) = cause {
        return Step::Renew(cause);
    }
    if candidate.is_none() {
        if authority.validity.early(now) {
            return Step::Announce(Cause::Early);
        }
        if authority.validity.due() <= now {
            return Step::Announce(Cause::Due);
        }
    } else if settled.is_none() {
        return Step::Publish;
    }
    if state.old.iter().any(|old| old.validity.expired(now)) {
        return Step::Retire;
    }
    // Of an authority that has been announced the due time is over: then it is the one to settle.
    let turn = settled.unwrap_or_else(|| authority.validity.due());
    let ends = state.old.iter().map(|old| after(old.validity.not_after));
    Step::Wait(due.into_iter().chain(ends).fold(turn, Timestamp::min))
}

/// When the next authority may sign; none as long as the bundle is not out. A time that is to come is not believed: the
/// clock was wrong when it was noted, and waiting for it could take years.
fn settled(now: Timestamp, policy: &Policy, next: &Next) -> Option<Timestamp> {
    next.published
        .filter(|published| *published <= now)
        .map(|published| clamped(published, policy.settle))
}

/// When the leaf is to be renewed; none where it holds as long as its authority, since another would not hold longer.
fn renewal(state: &State) -> Option<Timestamp> {
    let leaf = state.leaf.certificate.validity;
    (leaf.not_after < state.current.certificate.validity.not_after).then(|| leaf.due())
}

/// The first second after one that is still valid.
fn after(not_after: Timestamp) -> Timestamp {
    clamped(not_after, SignedDuration::from_secs(1))
}

/// Makes the change of a step. Steps without one, [`Step::Publish`] and [`Step::Wait`], give nothing.
pub fn take(
    step: Step,
    now: Timestamp,
    policy: &Policy,
    state: Option<State>,
) -> Result<Option<State>, AuthorityError> {
    let authority = || Pair::authority(Validity::from(now, policy.authority_life, policy.backdate));
    let leaf = |authority: &Pair| {
        authority.sign(
            &policy.names,
            Validity::from(now, policy.leaf_life, policy.backdate),
        )
    };
    let anew = || -> Result<State, AuthorityError> {
        let current = authority()?;
        Ok(State {
            leaf: leaf(&current)?,
            current,
            next: None,
            old: Vec::new(),
        })
    };
    let Some(mut state) = state else {
        return match step {
            Step::Publish | Step::Wait(_) => Ok(None),
            _ => anew().map(Some),
        };
    };
    match step {
        Step::Publish | Step::Wait(_) => return Ok(None),
        Step::Create(_) => state = anew()?,
        Step::Announce(_) => {
            state.next = Some(Next {
                authority: authority()?,
                published: None,
            });
        }
        Step::Promote => {
            if let Some(next) = state.next.take() {
                state.leaf = leaf(&next.authority)?;
                let before = std::mem::replace(&mut state.current, next.authority);
                state.old.push(before.certificate);
            }
        }
        Step::Renew(_) => state.leaf = leaf(&state.current)?,
        Step::Retire => {}
    }
    // Whatever the step, what has expired need not be trusted.
    state.old.retain(|old| !old.validity.expired(now));
    Ok(Some(state))
}
