use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use quaymaster_webhook::authority::Names;
use quaymaster_webhook::rotation::{Policy, State, Step};

use super::{Plan, plan, written};

fn policy() -> Policy {
    Policy::new(Names::service("system", "quaymaster"))
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn later(days: i64) -> Timestamp {
    now()
        .saturating_add(SignedDuration::from_hours(24 * days))
        .unwrap()
}

fn after(at: Timestamp, found: Option<&Secret>, trusted: bool) -> Plan {
    plan(at, &policy(), found, |_| trusted).unwrap().0
}

fn stored(found: Option<&Secret>, plan: &Plan) -> Secret {
    let Plan::Write(state, _) = plan else {
        panic!("nothing is written: {plan:?}");
    };
    written(found, "system", "tls", state)
}

fn first() -> Secret {
    stored(None, &after(now(), None, false))
}

#[test]
fn without_a_secret_one_is_made_and_then_nothing_is_done_until_something_is_due() {
    let secret = first();
    assert_eq!(secret.metadata.labels.as_ref().unwrap().len(), 1);
    let Plan::Keep(state, until) = after(now(), Some(&secret), false) else {
        panic!("what was just made is not kept");
    };
    assert_eq!(Some(state.to_data()), secret.data);
    assert!(until > later(59) && until < later(61), "{until}");
}

#[test]
fn an_authority_that_is_due_is_announced_and_waits_for_those_who_have_to_trust_it() {
    let mut secret = first();
    // What is served is renewed on the way.
    for day in [70, 140, 210, 244] {
        while let plan @ Plan::Write(..) = after(later(day), Some(&secret), false) {
            secret = stored(Some(&secret), &plan);
        }
    }
    let waiting = after(later(244), Some(&secret), false);
    assert!(matches!(waiting, Plan::Publish(_)), "{waiting:?}");
    let published = after(later(244), Some(&secret), true);
    assert!(
        matches!(published, Plan::Write(_, Step::Publish)),
        "{published:?}"
    );
    let secret = stored(Some(&secret), &published);
    let settled = after(later(245), Some(&secret), true);
    assert!(matches!(settled, Plan::Write(_, Step::Promote)), "{settled:?}");
}

#[test]
fn the_secret_of_another_is_left_alone_and_an_empty_one_is_filled() {
    let mut foreign = first();
    foreign.metadata.labels = None;
    assert!(matches!(after(now(), Some(&foreign), false), Plan::Foreign));
    let filled = after(now(), Some(&Secret::default()), false);
    assert!(matches!(filled, Plan::Write(_, Step::Create(_))), "{filled:?}");
}

#[test]
fn what_cannot_be_read_is_told_and_made_anew() {
    let mut broken = first();
    let data = broken.data.as_mut().unwrap();
    data.insert("tls.key".to_owned(), ByteString(b"no key".to_vec()));
    let (anew, problem) = plan(now(), &policy(), Some(&broken), |_| false).unwrap();
    assert!(problem.unwrap().contains("tls.key"));
    let stored = stored(Some(&broken), &anew);
    assert!(State::from_data(stored.data.as_ref().unwrap()).unwrap().is_some());
}

#[test]
fn what_others_keep_in_the_metadata_stays() {
    let mut secret = first();
    let annotations = secret.metadata.annotations.get_or_insert_default();
    annotations.insert("theirs".to_owned(), "yes".to_owned());
    secret.metadata.resource_version = Some("7".to_owned());
    let anew = stored(Some(&secret), &after(later(80), Some(&secret), false));
    assert_eq!(anew.metadata.annotations, secret.metadata.annotations);
    assert_eq!(anew.metadata.resource_version.as_deref(), Some("7"));
}
