//! How much at once, and when not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::rig::*;
use crate::controller::{Planned, Verdict};
use crate::fixtures::*;

/// Plans one creation each time, named after the Service.
fn one_more() -> Fake {
    Fake::new(|_, service, _| planned([create(&service.name)]))
}

fn limited(limit: usize, fake: Fake) -> Setup {
    Setup {
        limit,
        ..Setup::new(fake)
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_writes_are_in_flight_than_the_limit_allows() {
    let mut rig = Rig::synced(limited(2, one_more()), &["a", "b", "c", "d"], &[]).await;
    let (first, _second) = (rig.call().await, rig.call().await);
    rig.quiet_for(Duration::from_secs(5)).await;
    assert_eq!(rig.log().await, ["start", "plan a within 2", "plan b within 1"]);
    first.answer(201, slice_json("a", "u-a", 7));
    let _third = rig.call().await;
    rig.quiet_for(Duration::from_secs(4)).await;
    assert_eq!(
        rig.log().await,
        [
            "slice a added by own write",
            "create a: stored at 7",
            "plan c within 1"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_was_cut_short_is_asked_for_again_when_there_is_room() {
    let mut left = 3;
    let fake = Fake::new(move |_, _, limit| {
        let now = left.min(limit);
        left -= now;
        Planned {
            truncated: left > 0,
            ..planned((0..now).map(|at| create(&format!("web-{}", left + at))))
        }
    });
    let mut rig = Rig::synced(limited(2, fake), &["web"], &[]).await;
    let (first, _second) = (rig.call().await, rig.call().await);
    rig.quiet_for(Duration::from_secs(5)).await;
    assert_eq!(rig.log().await, ["start", "plan web within 2"]);
    first.answer(201, slice_json("web-1", "u-1", 7));
    drop(rig.call().await);
    let log = rig.log().await;
    assert_eq!(
        log.last().map(String::as_str),
        Some("plan web within 1"),
        "{log:?}"
    );
    rig.quiet_for(Duration::from_secs(5)).await;
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_promises_more_and_has_nothing_does_not_keep_the_core_busy() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let fake = Fake::new(move |_, _, _| Planned {
        // Or a core that asks at once would never come back.
        truncated: count.fetch_add(1, Ordering::Relaxed) < 1000,
        ..Planned::default()
    });
    let mut rig = Rig::synced(Setup::new(fake), &["web"], &[]).await;
    rig.quiet_for(Duration::from_secs(10)).await;
    let asked = asked.load(Ordering::Relaxed);
    assert!((2..=12).contains(&asked), "asked {asked} times");
}

#[tokio::test(start_paused = true)]
async fn retry_after_pauses_all_writes_and_not_only_the_one_refused() {
    let mut rig = Rig::synced(limited(1, one_more()), &["a", "b"], &[]).await;
    let refused = rig.call().await;
    // Or the end of the pause would fall together with a tick.
    tokio::time::sleep(Duration::from_millis(400)).await;
    let begun = Instant::now();
    refused.answer_with(429, &[("retry-after", "3")], "{}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let metrics = rig.registry.encode();
    assert!(metrics.contains("quaymaster_writes_paused 1"), "{metrics}");
    let _next = rig.call().await;
    let pause = begun.elapsed().as_millis();
    assert!((3000..3100).contains(&pause), "{pause} ms");
    assert_eq!(
        rig.log().await,
        [
            "start",
            "plan a within 1",
            "create a: too_many_requests",
            "plan b within 1"
        ]
    );
}

/// A core that lets so many Services have writes in flight.
fn keys(most: usize, fake: Fake) -> Setup {
    Setup {
        most_keys: Some(most),
        ..Setup::new(fake)
    }
}

#[tokio::test(start_paused = true)]
async fn no_further_key_is_taken_while_as_many_as_may_have_writes_in_flight() {
    let fake = Fake::new(|_, service, _| {
        planned(["1", "2"].map(|number| create(&format!("{}-{number}", service.name))))
    });
    let mut rig = Rig::synced(keys(2, fake), &["a", "b", "c"], &[]).await;
    let mut calls = Vec::new();
    for _ in 0..4 {
        calls.push(rig.call().await);
    }
    rig.quiet_for(Duration::from_secs(5)).await;
    assert_eq!(rig.log().await, ["start", "plan a within 16", "plan b within 14"]);
    calls.remove(0).answer(201, slice_json("a-1", "u-1", 7));
    rig.quiet_for(Duration::from_secs(2)).await;
    assert_eq!(
        rig.log().await,
        ["slice a-1 added by own write", "create a-1: stored at 7"],
        "one of its two writes is still in flight"
    );
    calls.remove(0).answer(201, slice_json("a-2", "u-2", 8));
    drop(rig.call().await);
    let log = rig.log().await;
    assert_eq!(
        log.last().map(String::as_str),
        Some("plan c within 14"),
        "{log:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_key_that_has_writes_in_flight_may_go_on_before_others_begin() {
    let mut rig = Rig::synced(keys(1, one_more()), &["a", "b"], &[]).await;
    let first = rig.call().await;
    rig.tell(services(vec![service("a", 9)])).await;
    let second = rig.call().await;
    assert_eq!(
        rig.log().await,
        [
            "start",
            "plan a within 16",
            "service a updated",
            "plan a within 15"
        ]
    );
    first.fail(409, "AlreadyExists");
    let third = rig.call().await;
    let log = rig.log().await;
    assert_eq!(
        log.last().map(String::as_str),
        Some("plan a within 15"),
        "its retry as well: {log:?}"
    );
    second.answer(201, slice_json("a", "u-a", 7));
    rig.quiet_for(Duration::from_secs(2)).await;
    third.answer(201, slice_json("a", "u-a", 8));
    drop(rig.call().await);
    let log = rig.log().await;
    assert_eq!(
        log.last().map(String::as_str),
        Some("plan b within 16"),
        "{log:?}"
    );
}

#[tokio::test]
async fn keys_that_must_wait_for_others_do_not_wake_the_core() {
    let mut parts = keys(1, one_more()).build();
    parts.core.tell(listed_slices(&[]));
    parts.core.tell(listed_services(&["a", "b"]));
    parts.core.write();
    let call = parts.calls.recv().await.unwrap();
    let later = Instant::now().into_std() + Duration::from_secs(1);
    assert_eq!(parts.core.next_due(later), None, "b is due and has to wait");
    parts.core.tell(services(vec![service("a", 9)]));
    assert_eq!(parts.core.next_due(later), Some(later), "a may go on");
    call.answer(201, slice_json("a", "u-a", 7));
    parts.core.answer(parts.answers.recv().await.unwrap());
    let log = parts.log.lock().unwrap().len();
    assert_eq!(log, 5, "start, plan, change, the slice and the answer");
    parts.core.write();
    assert_eq!(parts.core.next_due(later), None);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_to_be_looked_at_again_after_its_answer_is() {
    let mut fake = one_more();
    let mut answers = 0;
    fake.answered = Box::new(move |_| {
        answers += 1;
        if answers == 1 {
            Verdict::Again
        } else {
            Verdict::Done
        }
    });
    let mut rig = Rig::synced(Setup::new(fake), &["a"], &[]).await;
    rig.call().await.answer(201, slice_json("a", "u-a", 7));
    rig.call().await.answer(201, slice_json("a", "u-a", 8));
    rig.quiet_for(Duration::from_secs(10)).await;
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_to_be_looked_at_again_later_is_at_that_time_and_not_before() {
    let matures = Instant::now().into_std() + Duration::from_millis(90_250);
    let fake = Fake::timed(move |_, _, _, now| {
        if now < matures {
            Planned {
                look_again: Some(matures),
                ..Planned::default()
            }
        } else {
            planned([create("ripe")])
        }
    });
    let begun = Instant::now();
    let mut rig = Rig::synced(Setup::new(fake), &["a"], &[]).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    // What comes between neither hastens nor delays it.
    rig.tell(services(vec![service("a", 9)])).await;
    drop(rig.call().await);
    let waited = begun.elapsed().as_millis();
    assert!((90_250..90_260).contains(&waited), "{waited} ms");
    assert_eq!(
        rig.log().await,
        [
            "start",
            "plan a within 16",
            "service a updated",
            "plan a within 16",
            "plan a within 16"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_time_to_look_again_that_has_passed_does_not_keep_the_core_busy() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let fake = Fake::timed(move |_, _, _, now| Planned {
        // Or a core that asks at once would never come back.
        look_again: (count.fetch_add(1, Ordering::Relaxed) < 1000).then_some(now),
        ..Planned::default()
    });
    let mut rig = Rig::synced(Setup::new(fake), &["a"], &[]).await;
    rig.quiet_for(Duration::from_secs(10)).await;
    let asked = asked.load(Ordering::Relaxed);
    assert!((9..=12).contains(&asked), "asked {asked} times");
}
