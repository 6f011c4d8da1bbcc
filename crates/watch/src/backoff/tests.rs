use super::*;

const NO_SPREAD: f64 = 1.0;

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

#[test]
fn delays_double_from_800_ms_to_30_s() {
    let mut backoff = Backoff::new(BackoffConfig::default());
    let mut now = Instant::now();
    let delays: Vec<f64> = (0..8)
        .map(|_| {
            let delay = backoff.after_failure(now, NO_SPREAD, FailureKind::Failure, None);
            now += delay;
            delay.as_secs_f64()
        })
        .collect();
    assert_eq!(delays, [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]);
}

#[test]
fn jitter_spreads_a_delay_over_its_upper_half() {
    let now = Instant::now();
    let delay = |jitter| {
        Backoff::new(BackoffConfig::default()).after_failure(now, jitter, FailureKind::Failure, None)
    };
    assert_eq!(delay(0.0), seconds(0.4));
    assert_eq!(delay(0.5), seconds(0.6));
}

#[test]
fn two_minutes_without_a_failure_start_the_delays_afresh() {
    let mut backoff = Backoff::new(BackoffConfig::default());
    let start = Instant::now();
    for _ in 0..6 {
        backoff.after_failure(start, NO_SPREAD, FailureKind::Failure, None);
    }
    let before = start + seconds(25.6 + 119.0);
    assert_eq!(
        backoff.after_failure(before, NO_SPREAD, FailureKind::Failure, None),
        seconds(30.0)
    );
    let after = before + seconds(30.0 + 120.0);
    assert_eq!(
        backoff.after_failure(after, NO_SPREAD, FailureKind::Failure, None),
        seconds(0.8)
    );
}

#[test]
fn only_the_first_lenient_failure_is_retried_at_once() {
    let mut backoff = Backoff::new(BackoffConfig::default());
    let now = Instant::now();
    assert_eq!(
        backoff.after_failure(now, NO_SPREAD, FailureKind::Lenient, None),
        Duration::ZERO
    );
    assert_eq!(
        backoff.after_failure(now, NO_SPREAD, FailureKind::Lenient, None),
        seconds(0.8)
    );
    assert_eq!(
        backoff.after_failure(now, NO_SPREAD, FailureKind::Lenient, None),
        seconds(1.6)
    );
}

#[test]
fn retry_after_is_a_lower_bound_and_is_bounded_itself() {
    let mut backoff = Backoff::new(BackoffConfig::default());
    let now = Instant::now();
    assert_eq!(
        backoff.after_failure(now, NO_SPREAD, FailureKind::Failure, Some(seconds(7.0))),
        seconds(7.0)
    );
    assert_eq!(
        backoff.after_failure(now, NO_SPREAD, FailureKind::Failure, Some(seconds(1.0))),
        seconds(1.6)
    );
    assert_eq!(
        backoff.after_failure(now, NO_SPREAD, FailureKind::Failure, Some(seconds(86_400.0))),
        seconds(60.0)
    );
}

#[test]
fn a_server_that_is_down_is_asked_again_within_three_seconds() {
    let mut backoff = Backoff::new(BackoffConfig::default());
    let mut now = Instant::now();
    let delays: Vec<f64> = (0..5)
        .map(|_| {
            let delay = backoff.after_failure(now, NO_SPREAD, FailureKind::Unreachable, None);
            now += delay;
            delay.as_secs_f64()
        })
        .collect();
    assert_eq!(delays, [0.8, 1.6, 3.0, 3.0, 3.0]);
    assert_eq!(
        backoff.after_failure(now, NO_SPREAD, FailureKind::Failure, None),
        seconds(3.0)
    );
    assert_eq!(
        backoff.after_failure(now, NO_SPREAD, FailureKind::Failure, None),
        seconds(6.0)
    );
}
