use std::time::Duration;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

async fn is_lost_within(permit: &Permit, time: Duration) -> bool {
    tokio::time::timeout(time, permit.lost()).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn a_permanent_permit_outlives_everything() {
    let permit = Permit::permanent();
    assert!(permit.is_valid(now() + SECOND * 1_000_000));
    assert_eq!((permit.epoch(), permit.deadline()), (0, None));
    assert!(!is_lost_within(&permit, SECOND * 1_000_000).await);
}

#[tokio::test(start_paused = true)]
async fn a_term_ends_at_its_deadline_to_the_nanosecond() {
    let start = now();
    let tenure = Tenure::begin(7, start, start + SECOND);
    let permit = tenure.permit();
    assert_eq!(permit.epoch(), 7);
    assert!(permit.is_valid(start + Duration::from_nanos(999_999_999)));
    assert!(!permit.is_valid(start + SECOND));
    assert!(!is_lost_within(permit, Duration::from_millis(998)).await);
    assert!(is_lost_within(permit, Duration::from_millis(3)).await);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_loss_learns_of_an_extension() {
    let start = now();
    let tenure = Tenure::begin(1, start, start + SECOND);
    let permit = tenure.permit().clone();
    let waiting = tokio::spawn(async move {
        permit.lost().await;
        now()
    });
    tokio::time::sleep(SECOND / 2).await;
    assert!(tenure.extend(now(), start + SECOND * 3));
    let lost_at = waiting.await.unwrap();
    assert!(lost_at >= start + SECOND * 3, "lost after {:?}", lost_at - start);
}

#[tokio::test(start_paused = true)]
async fn an_extension_never_shortens_a_term() {
    let start = now();
    let tenure = Tenure::begin(1, start, start + SECOND * 3);
    assert!(tenure.extend(start, start + SECOND));
    assert!(tenure.permit().is_valid(start + SECOND * 2));
}

#[tokio::test(start_paused = true)]
async fn a_lost_term_cannot_be_extended_back_to_life() {
    let start = now();
    let tenure = Tenure::begin(1, start, start + SECOND);
    assert!(!tenure.extend(start + SECOND, start + SECOND * 9));
    assert!(
        !tenure.permit().is_valid(start),
        "not even for a clock that was read earlier"
    );
}

#[tokio::test(start_paused = true)]
async fn all_clones_are_lost_when_the_holder_of_the_term_goes_away() {
    let start = now();
    let tenure = Tenure::begin(1, start, start + SECOND * 60);
    let permit = tenure.permit().clone();
    let renewing = tokio::spawn(async move {
        let _held = tenure;
        tokio::time::sleep(SECOND).await;
    });
    assert!(permit.is_valid(now()));
    renewing.abort();
    assert!(is_lost_within(&permit, SECOND / 10).await);
    assert!(!permit.is_valid(now()));
}

#[test]
fn a_term_of_centuries_is_still_not_permanent() {
    let start = Instant::now();
    let tenure = Tenure::begin(1, start, start + SECOND * 60 * 60 * 24 * 365 * 900);
    assert!(tenure.permit().deadline().is_some());
}

#[tokio::test(start_paused = true)]
async fn who_follows_the_permits_is_woken_by_each_term_and_by_nothing_else() {
    let terms = Terms::new();
    let mut permits = terms.permits();
    let start = now();
    assert!(!permits.current().is_valid(start), "no term has begun");
    assert!(tokio::time::timeout(SECOND * 9, permits.next()).await.is_err());

    let start = now();
    let first = terms.begin(1, start, start + SECOND);
    let permit = tokio::time::timeout(SECOND, permits.next()).await.unwrap();
    assert!(permit.is_valid(now()) && permit.epoch() == 1);
    first.end();
    assert!(tokio::time::timeout(SECOND, permits.next()).await.is_err());
    assert!(!permits.current().is_valid(start));

    let second = terms.begin(2, start, start + SECOND * 9);
    assert_eq!(permits.next().await.epoch(), 2);
    assert!(permits.current().is_valid(start) && !permit.is_valid(start));
    let third = terms.begin(3, start, start + SECOND * 9);
    assert!(!second.permit().is_valid(start), "of two terms the latest counts");
    drop(second);
    assert!(third.permit().is_valid(start));
}

#[tokio::test(start_paused = true)]
async fn permits_that_nobody_can_renew_wake_nobody() {
    let mut permits = Permits::permanent();
    assert!(permits.current().is_valid(now()));
    assert!(tokio::time::timeout(SECOND * 9, permits.next()).await.is_err());
}
