//! What a candidate does with what it knows, and that no two lead whatever goes wrong.

mod race;

use std::time::Duration;

use super::*;

fn lease(version: u32, holder: &str) -> Lease {
    Lease {
        version: version.to_string(),
        holder: Some(holder.to_owned()),
        seconds: Some(3),
        transitions: Some(4),
    }
}

fn write(version: u32, transitions: i32) -> Step {
    Step::Write {
        version: version.to_string(),
        transitions,
    }
}

struct Clock(Instant);

impl Clock {
    fn at(&self, millis: u64) -> Instant {
        self.0 + Duration::from_millis(millis)
    }
}

fn new(identity: &str) -> (Candidate, Clock) {
    (
        Candidate::new(identity, Settings::default()),
        Clock(Instant::now()),
    )
}

/// Begins what is to be done.
fn begin(one: &mut Candidate, now: Instant) {
    let step = one.next(now);
    one.began(step, now);
}

fn given_back(version: u32) -> Lease {
    Lease {
        seconds: Some(1),
        ..lease(version, "")
    }
}

/// One that has got the Lease by a request of second 0.
fn leader() -> (Candidate, Clock) {
    let (mut one, clock) = new("a");
    one.told(Some(given_back(0)), clock.at(0));
    assert_eq!(one.next(clock.at(0)), write(0, 5));
    begin(&mut one, clock.at(0));
    one.answered(Answer::Stored(lease(1, "a")), clock.at(100));
    (one, clock)
}

#[test]
fn what_is_not_known_is_asked_for_and_what_was_given_back_is_taken_at_once() {
    let (mut one, clock) = new("a");
    assert_eq!(one.next(clock.at(0)), Step::Read);
    begin(&mut one, clock.at(0));
    one.answered(Answer::Read(given_back(7)), clock.at(10));
    assert_eq!(
        one.next(clock.at(10)),
        Step::Wait(clock.at(500)),
        "a request was just made"
    );
    assert_eq!(one.next(clock.at(500)), write(7, 5));
}

#[test]
fn who_creates_the_lease_leads_when_whoever_led_before_its_deletion_does_no_more() {
    let (mut one, clock) = new("a");
    one.told(None, clock.at(0));
    assert_eq!(one.next(clock.at(0)), Step::Create);
    begin(&mut one, clock.at(0));
    for (version, sent) in [(1, 0), (2, 500), (3, 1000), (4, 1500), (5, 2000), (6, 2500)] {
        one.answered(Answer::Stored(lease(version, "a")), clock.at(sent + 10));
        assert_eq!(one.role(clock.at(sent + 10)), Role::StandsBy);
        begin(&mut one, clock.at(sent + 500));
    }
    assert_eq!(one.role(clock.at(2999)), Role::StandsBy);
    assert_eq!(one.role(clock.at(3000)), Role::Leads(clock.at(4500)));
}

#[test]
fn a_lease_that_has_lost_its_holder_may_have_somebody_who_still_leads() {
    let (mut other, clock) = new("a");
    other.told(Some(lease(7, "")), clock.at(0));
    assert_eq!(other.next(clock.at(0)), Step::Wait(clock.at(3000)));
    assert_eq!(other.next(clock.at(3000)), write(7, 5));
}

#[test]
fn a_lease_of_another_runs_out_when_it_has_not_changed_here_for_its_whole_duration() {
    let (mut one, clock) = new("b");
    one.told(Some(lease(1, "a")), clock.at(0));
    assert_eq!(one.next(clock.at(0)), Step::Wait(clock.at(3000)));
    one.told(Some(lease(2, "a")), clock.at(2900));
    assert_eq!(one.next(clock.at(3000)), Step::Wait(clock.at(5900)));
    // Told again, by a list say: that is no change.
    one.told(Some(lease(2, "a")), clock.at(5800));
    assert_eq!(one.next(clock.at(5900)), write(2, 5));
}

#[test]
fn a_leaders_time_ends_at_the_deadline_after_its_last_renewal_was_sent() {
    let (mut one, clock) = leader();
    assert_eq!(one.role(clock.at(1999)), Role::Leads(clock.at(2000)));
    assert_eq!(one.role(clock.at(2000)), Role::StandsBy);
    assert_eq!(one.next(clock.at(100)), Step::Wait(clock.at(500)));
    assert_eq!(one.next(clock.at(500)), write(1, 4));
    begin(&mut one, clock.at(500));
    one.answered(Answer::Stored(lease(2, "a")), clock.at(900));
    assert_eq!(one.role(clock.at(900)), Role::Leads(clock.at(2500)));
}

#[test]
fn an_answer_that_fails_renews_nothing_and_the_next_try_follows() {
    let (mut one, clock) = leader();
    begin(&mut one, clock.at(500));
    one.answered(Answer::Failed, clock.at(600));
    assert_eq!(one.role(clock.at(600)), Role::Leads(clock.at(2000)));
    assert_eq!(one.next(clock.at(600)), Step::Wait(clock.at(1000)));
    assert_eq!(one.next(clock.at(1000)), write(1, 4));
    // It had been stored after all, so that the version is another one.
    begin(&mut one, clock.at(1000));
    one.answered(Answer::Conflict, clock.at(1010));
    assert_eq!(one.next(clock.at(1500)), Step::Read);
    begin(&mut one, clock.at(1500));
    one.answered(Answer::Read(lease(2, "a")), clock.at(1510));
    assert_eq!(
        one.role(clock.at(1510)),
        Role::Leads(clock.at(2000)),
        "to read it is no renewal"
    );
    assert_eq!(
        one.next(clock.at(2000)),
        Step::Wait(clock.at(4510)),
        "its time has ended"
    );
}

#[test]
fn a_lease_that_somebody_else_holds_or_nobody_any_more_ends_a_leaders_time_at_once() {
    for told in [Some(lease(2, "b")), Some(lease(2, "")), None] {
        let (mut one, clock) = leader();
        one.told(told, clock.at(200));
        assert_eq!(one.role(clock.at(200)), Role::StandsBy);
    }
}

#[test]
fn a_lease_of_our_name_from_before_a_restart_is_waited_for_like_anybodys() {
    let (mut one, clock) = new("a");
    one.told(Some(lease(9, "a")), clock.at(0));
    assert_eq!(one.role(clock.at(0)), Role::StandsBy);
    assert_eq!(one.next(clock.at(2999)), Step::Wait(clock.at(3000)));
    assert_eq!(one.next(clock.at(3000)), write(9, 4), "it does not change hands");
}

#[test]
fn who_ends_in_order_gives_the_lease_back_and_does_not_try_again() {
    let (mut one, clock) = leader();
    assert_eq!(one.resign(clock.at(300)), Some("1".to_owned()));
    assert_eq!(one.role(clock.at(300)), Role::StandsBy);
    one.told(Some(given_back(2)), clock.at(400));
    assert!(matches!(one.next(clock.at(400)), Step::Wait(_)));
    let (mut standby, clock) = new("b");
    standby.told(Some(lease(1, "a")), clock.at(0));
    assert_eq!(standby.resign(clock.at(1)), None);
}
