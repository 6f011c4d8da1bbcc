//! What becomes of the Secret with our authority and what it signed.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use quaymaster_webhook::authority::AuthorityError;
use quaymaster_webhook::rotation::{self, Policy, State, Step};

use crate::{LABEL, MANAGER};

/// What is to be done about the Secret.
#[derive(Debug)]
pub(crate) enum Plan {
    /// Nothing, until then.
    Keep(State, Timestamp),
    /// Every webhook configuration has to trust the authorities first.
    Publish(State),
    /// One more step, which is to be written.
    Write(State, Step),
    /// It is not ours.
    Foreign,
}

/// Decides on the next step; with what cannot be read of the Secret, which is replaced then. `trusted` says whether every
/// webhook configuration has the authorities of a state.
pub(crate) fn plan(
    now: Timestamp,
    policy: &Policy,
    found: Option<&Secret>,
    trusted: impl Fn(&State) -> bool,
) -> Result<(Plan, Option<String>), AuthorityError> {
    let (state, problem) = match found {
        None => (None, None),
        Some(secret) if !is_ours(secret) => return Ok((Plan::Foreign, None)),
        Some(secret) => match State::from_data(secret.data.as_ref().unwrap_or(&BTreeMap::new())) {
            Ok(state) => (state, None),
            Err(error) => (None, Some(error.to_string())),
        },
    };
    let step = rotation::next(now, policy, state.as_ref());
    let plan = match (step, state) {
        (Step::Wait(until), Some(state)) => Plan::Keep(state, until),
        (Step::Publish, Some(mut state)) => {
            if trusted(&state) {
                state.published(now);
                Plan::Write(state, step)
            } else {
                Plan::Publish(state)
            }
        }
        (step, state) => match rotation::take(step, now, policy, state)? {
            Some(state) => Plan::Write(state, step),
            // Only steps without a change give nothing, and these have a state.
            None => Plan::Foreign,
        },
    };
    Ok((plan, problem))
}

/// One that somebody made, and left empty for us or for another, may be used.
fn is_ours(secret: &Secret) -> bool {
    let labels = secret.metadata.labels.as_ref();
    labels.is_some_and(|labels| labels.get(LABEL).is_some_and(|by| by == MANAGER))
        || secret.data.as_ref().is_none_or(BTreeMap::is_empty)
}

/// The Secret as it is to be stored: in place of the one that was found, or new.
pub(crate) fn written(found: Option<&Secret>, namespace: &str, name: &str, state: &State) -> Secret {
    let mut secret = found.cloned().unwrap_or_default();
    secret.metadata.namespace = Some(namespace.to_owned());
    secret.metadata.name = Some(name.to_owned());
    let labels = secret.metadata.labels.get_or_insert_default();
    labels.insert(LABEL.to_owned(), MANAGER.to_owned());
    let data: BTreeMap<String, ByteString> = state.to_data();
    secret.data = Some(data);
    secret
}
