//! What becomes of a write, and who is told.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::EventType;
use quaymaster_model::Uid;
use quaymaster_runtime::events::Notice;
use quaymaster_testkit::logs::Lines;
use quaymaster_watch::{Gone, Item};
use quaymaster_world::Kind;
use tokio::time::Instant;

use super::rig::*;
use crate::controller::{Planned, Request, Verdict};
use crate::fixtures::*;

/// Plans these requests for the first key that is asked for, and then nothing.
fn once(requests: Vec<Request>) -> Fake {
    let mut requests = Some(requests);
    Fake::new(move |_, _, _| planned(requests.take().unwrap_or_default()))
}

/// A core that holds the slice `web-1` of UID `u-web-1` and has sent this about it.
async fn sent(request: Request) -> (Rig, Call) {
    let mut rig = Rig::synced(Setup::new(once(vec![request])), &["web"], &["web-1"]).await;
    let call = rig.call().await;
    rig.log().await;
    (rig, call)
}

fn deleted(name: &str) -> Item<quaymaster_model::SliceRecord> {
    Item::Delete(Gone {
        key: key(name),
        uid: Some(Uid::new(&format!("u-{name}"))),
    })
}

#[tokio::test(start_paused = true)]
async fn an_answer_reaches_the_world_before_the_controller() {
    let (rig, call) = sent(create("web-2")).await;
    call.answer(201, slice_json("web-2", "u-2", 7));
    assert_eq!(
        rig.log().await,
        ["slice web-2 added by own write", "create web-2: stored at 7"]
    );

    let (rig, call) = sent(update("web-1", "u-web-1")).await;
    assert_eq!((&*call.method, call.name()), ("PUT", "web-1"));
    call.answer(200, slice_json("web-1", "u-web-1", 8));
    assert_eq!(
        rig.log().await,
        ["slice web-1 updated by own write", "update web-1: stored at 8"]
    );
    let metrics = rig.registry.encode();
    assert!(
        metrics.contains(
            r#"quaymaster_writes_total{verb="update",resource="endpointslices",result="success"} 1"#
        ),
        "{metrics}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_status_is_written_by_itself_and_answered_with_the_whole_object() {
    let (rig, call) = sent(update_status("web-1", "u-web-1")).await;
    assert_eq!(
        (&*call.method, &*call.path),
        (
            "PUT",
            "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices/web-1/status"
        )
    );
    call.answer(200, slice_json("web-1", "u-web-1", 8));
    assert_eq!(
        rig.log().await,
        ["slice web-1 updated by own write", "update web-1: stored at 8"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_the_watch_has_overtaken_tells_what_the_write_stored_and_changes_nothing() {
    let (rig, call) = sent(update("web-1", "u-web-1")).await;
    rig.tell(slices(vec![slice("web-1", 7), slice("web-1", 9)])).await;
    rig.log().await;
    call.answer(200, slice_json("web-1", "u-web-1", 7));
    assert_eq!(rig.log().await, ["update web-1: stored at 7"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_for_an_object_that_vanished_meanwhile_does_not_bring_it_back() {
    let (rig, call) = sent(update("web-1", "u-web-1")).await;
    rig.tell(slices(vec![slice("web-1", 7), deleted("web-1")])).await;
    rig.log().await;
    call.answer(200, slice_json("web-1", "u-web-1", 7));
    assert_eq!(rig.log().await, ["update web-1: stored at 7"]);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_of_what_is_not_there_has_succeeded() {
    let (rig, call) = sent(delete("web-1", "u-web-1")).await;
    assert_eq!((&*call.method, call.name()), ("DELETE", "web-1"));
    call.fail(404, "NotFound");
    assert_eq!(
        rig.log().await,
        ["slice web-1 removed by own write", "delete web-1: gone"]
    );

    let (rig, call) = sent(update("web-1", "u-web-1")).await;
    call.fail(404, "NotFound");
    assert_eq!(
        rig.log().await,
        ["update web-1: not_found"],
        "an update of it has not"
    );
}

#[tokio::test(start_paused = true)]
async fn a_deletion_answered_with_a_status_is_done_and_one_answered_with_the_object_has_begun() {
    let (rig, call) = sent(delete("web-1", "u-web-1")).await;
    call.answer(200, r#"{"kind":"Status","status":"Success"}"#);
    assert_eq!(
        rig.log().await,
        ["slice web-1 removed by own write", "delete web-1: gone"]
    );

    let (rig, call) = sent(delete("web-1", "u-web-1")).await;
    let going = slice_json("web-1", "u-web-1", 8).replace(
        r#""metadata":{"#,
        r#""metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z","finalizers":["a/b"],"#,
    );
    call.answer(200, going);
    assert_eq!(
        rig.log().await,
        ["slice web-1 updated by own write", "delete web-1: going"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_deletion_of_a_former_object_leaves_its_successor_alone() {
    let (rig, call) = sent(delete("web-1", "u-former")).await;
    call.fail(404, "NotFound");
    assert_eq!(rig.log().await, ["delete web-1: gone"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_from_a_history_that_was_lost_tells_nothing_and_is_a_failure() {
    let ways: [(Request, u16, &str); 4] = [
        (update("web-1", "u-web-1"), 200, "update web-1: aborted"),
        (delete("web-1", "u-web-1"), 200, "delete web-1: aborted"),
        (update("web-1", "u-web-1"), 404, "update web-1: aborted"),
        (delete("web-1", "u-web-1"), 404, "delete web-1: aborted"),
    ];
    for (request, code, told) in ways {
        let (rig, call) = sent(request).await;
        rig.tell(restored_slices(&["web-1"])).await;
        rig.log().await;
        match (code, &*call.method) {
            (200, "PUT") => call.answer(200, slice_json("web-1", "u-web-1", 7)),
            (200, _) => call.answer(200, r#"{"kind":"Status","status":"Success"}"#),
            _ => call.fail(code, "NotFound"),
        }
        assert_eq!(rig.log().await, [told]);
        // What is told from now on is news, whatever the lost history had come to.
        rig.tell(slices(vec![slice("web-1", 5)])).await;
        assert_eq!(rig.log().await, ["slice web-1 updated by watch"], "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_what_was_asked_after_a_history_was_lost_counts() {
    let fake = Fake::new(|_, _, _| planned([update("web-1", "u-web-1")]));
    let mut rig = Rig::synced(Setup::new(fake), &["web"], &["web-1"]).await;
    let before = rig.call().await;
    rig.tell(restored_slices(&["web-1"])).await;
    before.answer(200, slice_json("web-1", "u-web-1", 7));
    let after = rig.call().await;
    rig.log().await;
    after.answer(200, slice_json("web-1", "u-web-1", 8));
    let log = rig.log().await;
    assert!(log.contains(&"update web-1: stored at 8".to_owned()), "{log:?}");
}

/// Each of the answers is one that leaves open whether the slice exists; the watch tells.
#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_cannot_be_read_is_not_lost() {
    for garbage in ["no JSON", "", r#"{"kind":"EndpointSlice","metadata":{}}"#] {
        let fake = Fake::new(|world, _, _| {
            if world.slice(&key("web-1")).is_some() {
                Planned::default()
            } else {
                planned([create("web-1")])
            }
        });
        let mut rig = Rig::synced(Setup::new(fake), &["web"], &[]).await;
        rig.call().await.answer(201, garbage);
        let again = rig.call().await;
        again.fail(409, "AlreadyExists");
        rig.tell(slices(vec![slice("web-1", 7)])).await;
        rig.quiet_for(Duration::from_secs(30)).await;
        assert_eq!(
            rig.log().await,
            [
                "start",
                "plan web within 16",
                "create web-1: unreadable",
                "plan web within 16",
                "create web-1: already_exists",
                "slice web-1 added by watch",
                "plan web within 16"
            ],
            "{garbage:?}"
        );
    }
}

/// When the next request comes, counted from now.
async fn next(rig: &mut Rig) -> (Call, Duration) {
    let begun = Instant::now();
    let call = rig.call().await;
    (call, begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn failures_back_off_and_a_success_forgets_them() {
    let fake = Fake::new(|_, _, _| planned([create("web-1")]));
    let mut rig = Rig::synced(Setup::new(fake), &["web"], &[]).await;
    rig.call().await.fail(500, "InternalError");
    // Of each pause one half is random; timers go by whole milliseconds.
    for whole in [50, 100, 200, 400] {
        let (call, pause) = next(&mut rig).await;
        let pause = pause.as_millis();
        assert!((whole / 2..=whole + 2).contains(&pause), "{pause} of {whole}");
        call.fail(500, "InternalError");
    }
    let (call, _) = next(&mut rig).await;
    call.answer(201, slice_json("web-1", "u-1", 7));
    rig.quiet_for(Duration::from_mins(1)).await;
    rig.tell(services(vec![service("web", 8)])).await;
    rig.call().await.fail(409, "Conflict");
    let (_, pause) = next(&mut rig).await;
    assert!((25..=52).contains(&pause.as_millis()), "{pause:?}");
    let metrics = rig.registry.encode();
    assert!(
        metrics.contains(r#"quaymaster_queue_retry_causes_total{name="fake",cause="server"} 5"#),
        "{metrics}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_after_which_the_controller_wants_a_pause_backs_off_further_each_time() {
    let mut fake = Fake::new(|_, _, _| planned([create("web-1")]));
    fake.answered = Box::new(|_| Verdict::Retry { notice: None });
    let mut rig = Rig::synced(Setup::new(fake), &["web"], &[]).await;
    rig.call().await.answer(201, slice_json("web-1", "u-1", 7));
    for (whole, at) in [(50, 8), (100, 9), (200, 10), (400, 11)] {
        let (call, pause) = next(&mut rig).await;
        let pause = pause.as_millis();
        assert!((whole / 2..=whole + 2).contains(&pause), "{pause} of {whole}");
        call.answer(200, slice_json("web-1", "u-1", at));
    }
    rig.settle().await;
    let metrics = rig.registry.encode();
    assert!(
        metrics.contains(r#"quaymaster_queue_retry_causes_total{name="fake",cause="stored_otherwise"} 5"#),
        "{metrics}"
    );
}

fn notice(note: &str) -> Notice {
    Notice {
        regarding: ObjectReference {
            namespace: Some(NAMESPACE.to_owned()),
            name: Some("web".to_owned()),
            ..ObjectReference::default()
        },
        type_: EventType::Warning,
        reason: "Odd".to_owned(),
        action: "Write".to_owned(),
        note: note.to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_apiserver_stores_otherwise_is_told_once_a_minute_and_holds_nothing_up() {
    const FIRST: usize = 20;
    let mut fake = Fake::new(|_, _, _| planned([create("web-1")]));
    let mut left = FIRST;
    fake.answered = Box::new(move |_| {
        left = left.saturating_sub(1);
        Verdict::Altered {
            more: left > 0,
            notice: notice("slice web-1 is not stored as it was sent"),
        }
    });
    let mut rig = Rig::synced(Setup::new(fake), &["web"], &[]).await;
    let begun = Instant::now();
    let (mut writes, mut events) = (Vec::new(), Vec::new());
    // The Service changes after half a minute and after more than one.
    for change in [30, 61, 92] {
        let wait = Duration::from_secs(change);
        while let Some(call) = rig.call_before(begun + wait).await {
            let at = begun.elapsed();
            if call.path.ends_with("/events") {
                events.push(at.as_secs() / 60);
                call.answer(201, r#"{"metadata":{"name":"e"}}"#);
            } else if call.method == "PATCH" {
                // The same event again is a series.
                events.push(at.as_secs() / 60);
                call.answer(200, r#"{"metadata":{"name":"e"}}"#);
            } else {
                writes.push(at);
                call.answer(200, slice_json("web-1", "u-1", 7 + writes.len() as u64));
            }
        }
        rig.tell(services(vec![service("web", change)])).await;
    }
    assert!(
        writes[..FIRST].iter().all(|at| *at < Duration::from_millis(20)),
        "{writes:?}"
    );
    assert_eq!(writes.len(), FIRST + 2, "{writes:?}");
    assert_eq!(events, [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_confirming_read_is_answered_with_what_is_stored_and_leaves_the_world_alone() {
    let get = || Request::get(Kind::Slice, key("web-1"), 9);
    let (rig, call) = sent(get()).await;
    assert_eq!((&*call.method, call.name()), ("GET", "web-1"));
    call.answer(200, slice_json("web-1", "u-web-1", 8));
    assert_eq!(rig.log().await, ["get web-1: stored at 8"]);

    let (rig, call) = sent(get()).await;
    call.fail(404, "NotFound");
    assert_eq!(
        rig.log().await,
        ["get web-1: gone"],
        "and the watch is left to tell it"
    );

    let (rig, call) = sent(Request::get(Kind::Service, key("web"), 9)).await;
    assert_eq!(call.path, "/api/v1/namespaces/shop/services/web");
    call.fail(500, "InternalError");
    assert_eq!(rig.log().await, ["get web: server"]);
}

#[tokio::test(start_paused = true)]
async fn another_writer_that_undoes_repairs_again_and_again_is_counted() {
    let mut fake = Fake::new(|_, _, _| Planned::default());
    fake.repairs = true;
    let rig = Rig::synced(Setup::new(fake), &["web"], &[]).await;
    for at in 10..20 {
        rig.tell(slices(vec![slice("web-1", at), slice("web-1", 100 + at)]))
            .await;
        tokio::time::sleep(Duration::from_secs(11)).await;
    }
    let metrics = rig.registry.encode();
    assert!(
        metrics.contains(r#"quaymaster_queue_repeated_repairs_total{name="fake"} 9"#),
        "{metrics}"
    );
}

/// Those about another writer.
fn about_rivals(lines: &Lines) -> Vec<String> {
    lines.with("WARN", "another writer is at work")
}

#[tokio::test(start_paused = true)]
async fn more_than_a_few_conflicts_within_a_minute_are_warned_of_once_a_minute() {
    let lines = Lines::default();
    let _gathering = lines.gather();
    let fake = Fake::new(|_, _, _| planned([update("web-1", "u-web-1")]));
    let mut rig = Rig::synced(Setup::new(fake), &["web"], &["web-1"]).await;
    let begun = Instant::now();
    for _ in 0..5 {
        rig.call().await.fail(409, "Conflict");
    }
    rig.settle().await;
    assert_eq!(about_rivals(&lines), [""; 0], "these may be a change by hand");
    rig.call().await.fail(409, "Conflict");
    rig.settle().await;
    let warned = about_rivals(&lines);
    assert!(
        warned.len() == 1 && warned[0].contains("is it another fake?") && warned[0].contains("web-1"),
        "{warned:#?}"
    );
    while begun.elapsed() < Duration::from_secs(110) {
        rig.call().await.fail(409, "Conflict");
    }
    rig.settle().await;
    assert_eq!(about_rivals(&lines).len(), 2, "one a minute");
}

#[tokio::test(start_paused = true)]
async fn conflicts_now_and_then_and_refused_creations_are_not_warned_of() {
    let lines = Lines::default();
    let _gathering = lines.gather();
    let fake = Fake::new(|world, _, _| {
        if world.slice(&key("web-1")).is_some() {
            planned([update("web-1", "u-web-1")])
        } else {
            planned([create("web-1")])
        }
    });
    let mut rig = Rig::synced(Setup::new(fake), &["web"], &[]).await;
    for _ in 0..10 {
        rig.call().await.fail(409, "AlreadyExists");
    }
    rig.call().await.answer(201, slice_json("web-1", "u-web-1", 7));
    for at in 8..18 {
        tokio::time::sleep(Duration::from_secs(15)).await;
        rig.tell(services(vec![service("web", at)])).await;
        rig.call().await.fail(409, "Conflict");
        rig.call().await.answer(200, slice_json("web-1", "u-web-1", at));
    }
    rig.settle().await;
    assert_eq!(about_rivals(&lines), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_fails_for_ever_is_told_once_a_minute_for_each_key_and_once_when_it_succeeds() {
    let lines = Lines::default();
    let _gathering = lines.gather();
    let fake = Fake::new(|_, key, _| planned([create(&format!("{}-1", key.name))]));
    let mut rig = Rig::synced(Setup::new(fake), &["web", "api"], &[]).await;
    let begun = Instant::now();
    let mut failed = 0;
    while begun.elapsed() < Duration::from_secs(110) {
        rig.call().await.fail(403, "Forbidden");
        failed += 1;
    }
    rig.settle().await;
    let warned = lines.with("WARN", "write failed; trying again");
    assert!(failed > 40 && warned.len() == 4, "{failed}: {warned:#?}");
    for name in ["web", "api"] {
        let held_back: Vec<&str> = warned
            .iter()
            .filter(|line| line.contains(&format!("key=shop/{name} ")))
            .filter_map(|line| line.rsplit_once("held_back=").map(|(_, count)| count))
            .collect();
        assert!(held_back.len() == 2 && held_back[0] == "0", "{warned:#?}");
        assert!(held_back[1].parse::<u32>().unwrap() > 10, "{warned:#?}");
    }
    let healed = |lines: &Lines| lines.with("INFO", "write succeeded after failures");
    assert_eq!(healed(&lines), [""; 0]);
    for at in [7, 8] {
        rig.call()
            .await
            .answer(201, slice_json(&format!("web-{at}"), &format!("u-{at}"), at));
    }
    rig.settle().await;
    assert_eq!(healed(&lines).len(), 2, "{:#?}", healed(&lines));
}
