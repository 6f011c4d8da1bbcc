use std::collections::BTreeMap;

use k8s_openapi::ByteString;

use super::*;
use crate::tls::Identity;

mod life;

pub(super) const DAY: SignedDuration = SignedDuration::from_hours(24);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

pub(super) fn start() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn day(count: i32) -> Timestamp {
    start() + DAY * count
}

pub(super) fn policy() -> Policy {
    Policy::new(Names::service("system", "webhook"))
}

/// What is there when all was made at the start.
fn fresh() -> State {
    let made = take(Step::Create(Cause::Missing), start(), &policy(), None);
    made.unwrap().unwrap()
}

/// Takes the steps that are due at that time, and returns them with what is left.
fn advance(mut state: State, now: Timestamp) -> (Vec<Step>, State) {
    let mut steps = Vec::new();
    loop {
        let step = next(now, &policy(), Some(&state));
        steps.push(step);
        assert!(steps.len() < 10, "{steps:?}");
        match take(step, now, &policy(), Some(state.clone())).unwrap() {
            Some(changed) => state = changed,
            None => return (steps, state),
        }
    }
}

/// [`fresh`] with a next authority, made and published at these times.
fn announced(made: Timestamp, published: Option<Timestamp>) -> State {
    let mut state = take(Step::Announce(Cause::Due), made, &policy(), Some(fresh()))
        .unwrap()
        .unwrap();
    if let Some(published) = published {
        state.published(published);
    }
    state
}

#[test]
fn what_comes_next_depends_on_the_time() {
    let (fresh, hour) = (fresh(), SignedDuration::from_hours(1));
    let authority = fresh.current.certificate.validity;
    // 365 days and an hour, from an hour before.
    assert_eq!(authority.due(), day(0) - hour + (DAY * 365 + hour) / 3 * 2);
    let leaf_due = day(0) - hour + (DAY * 90 + hour) / 3 * 2;
    let second = SignedDuration::from_secs(1);
    for (now, expected) in [
        (day(0), Step::Wait(leaf_due)),
        (leaf_due - second, Step::Wait(leaf_due)),
        (leaf_due, Step::Renew(Cause::Due)),
        (day(90), Step::Renew(Cause::Due)),
        (day(90) + second, Step::Renew(Cause::Expired)),
        // The leaf comes first: it is what is missed first.
        (day(364), Step::Renew(Cause::Expired)),
        (day(365), Step::Renew(Cause::Expired)),
        (day(365) + second, Step::Create(Cause::Expired)),
        (day(0) - hour * 2, Step::Renew(Cause::Early)),
    ] {
        assert_eq!(next(now, &policy(), Some(&fresh)), expected, "{now}");
    }
    assert_eq!(next(day(0), &policy(), None), Step::Create(Cause::Missing));
}

#[test]
fn the_next_authority_signs_only_when_the_bundle_with_it_is_out_and_has_settled() {
    let made = day(244);
    let (steps, state) = advance(fresh(), made);
    assert_eq!(
        steps,
        [
            Step::Renew(Cause::Expired),
            Step::Announce(Cause::Due),
            Step::Publish
        ]
    );
    // However long it takes.
    let (steps, mut state) = advance(state, made + DAY * 20);
    assert_eq!(steps, [Step::Publish]);
    let out = made + DAY * 20;
    let signer = state.next.clone().unwrap().authority.certificate;
    assert!(state.bundle().contains(&signer.pem));
    state.published(out);
    let (steps, state) = advance(state, out + MINUTE);
    assert_eq!(steps, [Step::Wait(out + MINUTE * 5)]);
    let before = state.current.certificate.clone();
    let (steps, state) = advance(state, out + MINUTE * 5);
    assert_eq!(steps[0], Step::Promote);
    assert!(state.leaf.certificate.is_signed_by(&signer));
    assert_eq!(state.current.certificate, signer);
    // Other replicas may still present what the one before signed.
    assert!(state.bundle().contains(&before.pem));
    assert!(matches!(steps[1..], [Step::Wait(_)]), "{steps:?}");
}

#[test]
fn an_old_authority_is_trusted_until_it_has_expired() {
    let published = day(250);
    let (steps, state) = advance(announced(day(249), Some(published)), published + MINUTE * 5);
    assert_eq!(steps[0], Step::Promote);
    let old = state.old[0].clone();
    let (steps, state) = advance(state, old.validity.not_after);
    assert!(!steps.contains(&Step::Retire), "{steps:?}");
    assert!(state.bundle().contains(&old.pem));
    let late = old.validity.not_after + SignedDuration::from_secs(1);
    // The step before has told when to come back.
    let Step::Wait(until) = next(old.validity.not_after, &policy(), Some(&state)) else {
        panic!("{steps:?}");
    };
    assert_eq!(until, late);
    let (steps, state) = advance(state, late);
    assert_eq!(steps[0], Step::Retire);
    assert!(!state.bundle().contains(&old.pem));
}

#[test]
fn other_names_make_another_leaf_of_the_same_authority() {
    let state = fresh();
    let other = Policy::new(Names::service("system", "other"));
    assert_eq!(next(day(1), &other, Some(&state)), Step::Renew(Cause::Names));
    let renewed = take(Step::Renew(Cause::Names), day(1), &other, Some(state.clone()));
    let renewed = renewed.unwrap().unwrap();
    assert_eq!(renewed.current.certificate, state.current.certificate);
    assert_eq!(renewed.leaf.certificate.names, other.names);
    assert!(matches!(next(day(1), &other, Some(&renewed)), Step::Wait(_)));
}

#[test]
fn a_leaf_of_another_authority_is_replaced() {
    let mut state = fresh();
    state.leaf = fresh().leaf;
    assert_eq!(next(day(1), &policy(), Some(&state)), Step::Renew(Cause::Signer));
}

#[test]
fn an_expired_authority_is_followed_at_once_by_the_one_that_was_announced() {
    // The bundle never got out; nothing that is served holds any more.
    let now = day(366);
    let (steps, _) = advance(announced(day(300), None), now);
    assert_eq!(steps[0], Step::Promote);
    // And where that one is gone as well, all begins anew.
    let (steps, state) = advance(announced(day(300), None), day(700));
    assert_eq!(steps[0], Step::Create(Cause::Expired));
    assert!(state.old.is_empty() && state.next.is_none());
}

#[test]
fn a_clock_that_was_ahead_leads_back_without_a_break_of_trust() {
    // All was made by a clock a month ahead; now it is right.
    let now = start() - DAY * 30;
    let state = fresh();
    assert_eq!(next(now, &policy(), Some(&state)), Step::Renew(Cause::Early));
    let (steps, state) = advance(state, now);
    assert_eq!(
        steps,
        [
            Step::Renew(Cause::Early),
            Step::Announce(Cause::Early),
            Step::Publish
        ]
    );
    // Who goes by the clock that was ahead trusts what is served still.
    assert!(state.leaf.certificate.is_signed_by(&state.current.certificate));
    // A note of the future is not believed, or nothing would be done for a month.
    let mut state = state;
    state.published(start());
    assert_eq!(next(now, &policy(), Some(&state)), Step::Publish);
    // Nor is an authority that will only hold in future.
    let state = announced(start(), None);
    assert_eq!(advance(state, now).0[1], Step::Announce(Cause::Early));
}

#[test]
fn a_leaf_that_ends_with_its_authority_is_not_renewed_over_and_over() {
    // The bundle does not get out for long: less and less of the authority is left.
    let state = announced(day(250), None);
    let (_, state) = advance(state, day(330));
    assert_eq!(
        state.leaf.certificate.validity.not_after,
        state.current.certificate.validity.not_after
    );
    assert_eq!(advance(state, day(360)).0, [Step::Publish]);
}

#[test]
fn steps_without_a_change_change_nothing() {
    for step in [Step::Publish, Step::Wait(day(1))] {
        assert!(take(step, day(0), &policy(), Some(fresh())).unwrap().is_none());
        assert!(take(step, day(0), &policy(), None).unwrap().is_none());
    }
}

#[test]
fn all_that_is_kept_is_read_from_the_data_again() {
    for state in [
        fresh(),
        announced(day(250), None),
        announced(day(250), Some(day(251))),
        advance(announced(day(249), Some(day(250))), day(251)).1,
    ] {
        let data = state.to_data();
        let read = State::from_data(&data).unwrap().unwrap();
        assert_eq!(read.to_data(), data);
        assert_eq!(read.bundle(), state.bundle());
        assert_eq!(data[CA_CERTIFICATES].0, state.bundle().into_bytes());
        for now in [day(1), day(251), day(300)] {
            assert_eq!(
                next(now, &policy(), Some(&read)),
                next(now, &policy(), Some(&state))
            );
        }
    }
}

#[test]
fn what_is_served_is_all_that_a_replica_needs_of_the_data() {
    let state = fresh();
    let mut data = state.to_data();
    data.retain(|key, _| key.starts_with("tls."));
    let identity = Identity::from_data(&data).unwrap();
    assert_eq!(identity.not_after(), state.leaf.certificate.validity.not_after);
    data.remove(TLS_KEY);
    let error = Identity::from_data(&data).unwrap_err().to_string();
    assert!(error.contains("the key of the serving certificate"), "{error}");
}

#[test]
fn empty_data_are_no_state_and_no_error() {
    assert!(State::from_data(&BTreeMap::new()).unwrap().is_none());
    let other = BTreeMap::from([("other".to_owned(), ByteString(b"x".to_vec()))]);
    assert!(State::from_data(&other).unwrap().is_none());
}

#[test]
fn data_that_cannot_be_read_name_the_key_and_lead_to_a_new_authority() {
    let whole = advance(announced(day(249), Some(day(250))), day(251)).1;
    let whole = take(Step::Announce(Cause::Due), day(251), &policy(), Some(whole));
    let mut whole = whole.unwrap().unwrap();
    whole.published(day(251));
    let whole = whole.to_data();
    assert_eq!(whole.len(), 9, "each key is there: {:?}", whole.keys());
    for key in whole.keys().filter(|key| *key != CA_CERTIFICATES) {
        for broken in [
            &b"\xff\xfe"[..],
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            let mut data = whole.clone();
            data.insert(key.clone(), ByteString(broken.to_vec()));
            let error = State::from_data(&data).unwrap_err();
            assert_eq!(error.key, key);
            let text = error.to_string();
            assert!(
                text.starts_with(&format!("{key} of the Secret cannot be used: ")),
                "{text}"
            );
        }
        let mut data = whole.clone();
        data.remove(key);
        match State::from_data(&data) {
            Err(error) => assert_eq!(error.key, key),
            Ok(state) => assert!(
                state.is_some() && ["ca-old.crt", "ca-next.crt", "ca-next.published"].contains(&key.as_str()),
                "{key}"
            ),
        }
    }
    // What is only for others to read does not matter.
    let mut data = whole;
    data.remove(CA_CERTIFICATES);
    assert!(State::from_data(&data).is_ok());
}

#[test]
fn a_key_of_another_certificate_is_told() {
    let mut data = fresh().to_data();
    data.insert("ca-current.key".to_owned(), data[TLS_KEY].clone());
    let error = State::from_data(&data).unwrap_err().to_string();
    assert_eq!(
        error,
        "ca-current.key of the Secret cannot be used: it is not the key of the certificate beside it"
    );
}
