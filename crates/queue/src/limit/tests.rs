use super::*;

const FAST: Duration = Duration::from_millis(20);

fn limit(start: usize) -> (Limit, Instant) {
    (
        Limit::new(LimitConfig {
            start,
            ..LimitConfig::default()
        }),
        Instant::now(),
    )
}

/// Starts as many writes as the limit allows and ends them all alike.
fn round(limit: &mut Limit, now: Instant, latency: Duration, outcome: Outcome) -> Instant {
    let count = limit.available(now);
    for _ in 0..count {
        limit.on_start();
    }
    let end = now + latency;
    for _ in 0..count {
        limit.on_end(end, latency, outcome);
    }
    end
}

#[test]
fn what_the_limit_becomes_after_one_round() {
    let table = [
        (
            "grows by one while latency stays at its lowest",
            16,
            FAST,
            Outcome::Answered,
            17,
        ),
        ("keeps its upper bound", 64, FAST, Outcome::Answered, 64),
        (
            "halves on a refusal",
            16,
            FAST,
            Outcome::Overloaded { retry_after: None },
            8,
        ),
        ("halves when answers are lost", 16, FAST, Outcome::Lost, 8),
        ("keeps its lower bound", 1, FAST, Outcome::Lost, 1),
        (
            "learns nothing from what was aborted",
            16,
            FAST,
            Outcome::Aborted,
            16,
        ),
    ];
    for (what, start, latency, outcome, expected) in table {
        let (mut limit, now) = limit(start);
        let now = round(&mut limit, now, FAST, Outcome::Aborted);
        round(&mut limit, now, latency, outcome);
        assert_eq!(limit.current(), expected, "{what}");
        assert_eq!(limit.in_flight(), 0, "{what}");
    }
}

#[test]
fn latency_beyond_twice_the_lowest_shrinks_it_in_proportion() {
    let (mut limit, now) = limit(40);
    let now = round(&mut limit, now, FAST, Outcome::Answered);
    assert_eq!(limit.current(), 41);
    let now = round(&mut limit, now, FAST * 3, Outcome::Answered);
    assert_eq!(limit.current(), 27, "41 * 2/3");
    round(&mut limit, now, FAST * 100, Outcome::Answered);
    assert_eq!(limit.current(), 13, "never by more than half at once");
}

#[test]
fn small_absolute_differences_of_a_fast_server_are_noise() {
    let (mut limit, now) = limit(16);
    let now = round(&mut limit, now, Duration::from_millis(1), Outcome::Answered);
    round(&mut limit, now, Duration::from_millis(9), Outcome::Answered);
    assert_eq!(limit.current(), 18);
}

#[test]
fn a_few_stalled_writes_among_many_are_not_load() {
    let (mut limit, now) = limit(16);
    for _ in 0..16 {
        limit.on_start();
    }
    for i in 0..16 {
        let latency = if i < 5 { FAST * 50 } else { FAST };
        limit.on_end(now + latency, latency, Outcome::Answered);
    }
    assert_eq!(limit.current(), 17);
}

#[test]
fn refusals_of_writes_in_flight_together_count_once() {
    let (mut limit, now) = limit(32);
    for _ in 0..32 {
        limit.on_start();
    }
    for ms in 0..32 {
        let latency = Duration::from_millis(50 + ms);
        limit.on_end(now + latency, latency, Outcome::Overloaded { retry_after: None });
    }
    assert_eq!(limit.current(), 16);
    let later = now + Duration::from_secs(1);
    limit.on_start();
    limit.on_end(later + FAST, FAST, Outcome::Overloaded { retry_after: None });
    assert_eq!(limit.current(), 8, "one started after the cut cuts again");
}

#[test]
fn an_unused_limit_does_not_grow() {
    let (mut limit, mut now) = limit(16);
    for _ in 0..1000 {
        limit.on_start();
        now += FAST;
        limit.on_end(now, FAST, Outcome::Answered);
    }
    assert_eq!(limit.current(), 16);
}

#[test]
fn retry_after_pauses_everything_until_its_time_has_passed() {
    let (mut limit, now) = limit(16);
    let second = Duration::from_secs(1);
    limit.on_start();
    limit.on_start();
    limit.on_end(
        now,
        FAST,
        Outcome::Overloaded {
            retry_after: Some(second * 3),
        },
    );
    limit.on_end(
        now,
        FAST,
        Outcome::Overloaded {
            retry_after: Some(second),
        },
    );
    assert_eq!(limit.available(now), 0);
    assert_eq!(
        limit.paused_until(now),
        Some(now + second * 3),
        "a shorter one does not shorten it"
    );
    assert_eq!(limit.available(now + Duration::from_nanos(2_999_999_999)), 0);
    assert_eq!(limit.available(now + second * 3), limit.current());
    assert_eq!(limit.paused_until(now + second * 3), None);
}

#[test]
fn an_absurd_retry_after_is_bounded() {
    let (mut limit, now) = limit(16);
    limit.on_start();
    limit.on_end(
        now,
        FAST,
        Outcome::Overloaded {
            retry_after: Some(Duration::MAX),
        },
    );
    assert_eq!(limit.paused_until(now), Some(now + Duration::from_secs(64)));
}

#[test]
fn a_server_that_became_slower_is_judged_by_what_it_can_do_now() {
    let (mut limit, mut now) = limit(16);
    for _ in 0..10 {
        now = round(&mut limit, now, FAST, Outcome::Answered);
    }
    let slow = FAST * 10;
    let changed = now;
    let mut smallest = limit.current();
    while now < changed + Duration::from_secs(20) {
        now = round(&mut limit, now, slow, Outcome::Answered);
        smallest = smallest.min(limit.current());
    }
    let patient = LimitConfig::default().patient;
    assert!(
        smallest <= patient,
        "at first it must look like queueing: {smallest}"
    );
    assert!(
        limit.current() > 20,
        "but then the limit recovers: {}",
        limit.current()
    );
}

#[test]
fn bounds_that_make_no_sense_are_put_in_order() {
    let mut limit = Limit::new(LimitConfig {
        start: 0,
        min: 0,
        max: 0,
        ..LimitConfig::default()
    });
    let now = Instant::now();
    assert_eq!(limit.available(now), 1);
    limit.on_end(now, FAST, Outcome::Lost);
    assert_eq!(limit.available(now), 1);
}
