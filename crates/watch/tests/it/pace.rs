//! How soon things happen: retries, delays asked for, the end.

use std::time::Duration;

use quaymaster_watch::{BackoffConfig, Config, Ended, Source, StreamingSupport, Watch};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::ours::{Ours, client, paged};
use crate::records::*;
use crate::server::{Call, Part, Reply, Server, error, gone, watch};

/// Below the delays of [`slow`] and the time limits of requests, with room for a busy machine.
const PROMPTLY: Duration = Duration::from_secs(30);

/// With delays long enough to be told from none.
fn slow() -> Config {
    let backoff = BackoffConfig {
        first: Duration::from_mins(5),
        max: Duration::from_mins(5),
        ..Default::default()
    };
    Config { backoff, ..paged() }
}

/// As [`slow`], with streaming lists.
fn streamed() -> Config {
    Config {
        prefer_streaming: true,
        ..slow()
    }
}

#[tokio::test]
async fn orderly_ends_and_a_first_break_are_resumed_without_delay() {
    let server = Server::strict(vec![
        (Call::List, list("10", &[])),
        (watch("10"), ended(&[added("a", "11")])),
        (watch("11"), ended(&[added("b", "12")])),
        (
            watch("12"),
            Reply::Stream(vec![bytes(&added("c", "13")), Part::Cut]),
        ),
        (watch("13"), held(&[added("d", "14")])),
    ])
    .await;
    let mut ours = Ours::start(&server, slow());
    ours.until_held(&["a", "b", "c", "d"]).await;
    server.finish().await;
}

#[tokio::test]
async fn a_server_that_closes_every_watch_at_once_is_not_asked_without_pause() {
    let server = Server::repeating(vec![(Call::List, list("10", &[])), (watch("10"), ended(&[]))]).await;
    let mut ours = Ours::start(&server, slow());
    ours.until_counted("closed", |ours| ours.failures("closed_at_once") == 1)
        .await;
    ours.run_for(Duration::from_millis(300)).await;
    assert_eq!(server.count(&watch("10")), 1);
    assert_eq!(ours.failures("closed_at_once"), 1);
}

#[tokio::test]
async fn a_second_expiry_in_a_row_is_delayed() {
    let server = Server::repeating(vec![
        (Call::List, list("10", &[])),
        (watch("10"), error(410, "Expired", "too old")),
    ])
    .await;
    let mut ours = Ours::start(&server, slow());
    ours.until_counted("expired twice", |ours| ours.failures("expired") == 2)
        .await;
    ours.run_for(Duration::from_millis(300)).await;
    assert_eq!(
        server.count(&Call::List),
        2,
        "a list for each expiry, without pause, would overload the server"
    );
}

#[tokio::test]
async fn a_version_that_was_good_for_a_while_and_expires_is_followed_by_a_list_at_once_whatever_failed_before()
 {
    // The second time it has to be longer.
    let a_while = |millis| Part::Pause(Duration::from_millis(millis));
    let server = Server::strict(vec![
        (Call::List, list("10", &[])),
        // A server that is started again breaks connections, and has forgotten what was before.
        (
            watch("10"),
            Reply::Stream(vec![bytes(&added("a", "11")), a_while(1100), Part::Cut]),
        ),
        (watch("11"), gone()),
        (Call::List, list("20", &["b"])),
        (
            watch("20"),
            Reply::Stream(vec![
                bytes(&added("c", "21")),
                a_while(2100),
                bytes(&error_event(410, "Expired")),
                Part::Hold,
            ]),
        ),
        (Call::List, list("30", &["d"])),
        (watch("30"), held(&[added("e", "31")])),
    ])
    .await;
    let mut ours = Ours::start(&server, slow());
    ours.until_held(&["d", "e"]).await;
    server.finish().await;
    assert_eq!(ours.failures("expired"), 2);
}

#[tokio::test]
async fn lists_at_once_become_rarer_where_versions_keep_expiring() {
    let until_expired = |first: &str| {
        Reply::Stream(vec![
            bytes(first),
            Part::Pause(Duration::from_millis(1050)),
            bytes(&error_event(410, "Expired")),
            Part::Hold,
        ])
    };
    for config in [slow(), streamed()] {
        let server = Server::always(vec![
            (PATH, Call::List, list("10", &[])),
            (PATH, watch("10"), until_expired(&added("a", "11"))),
            (PATH, Call::WatchList, until_expired(&initial_end("10"))),
        ])
        .await;
        let mut ours = Ours::start(&server, config);
        ours.run_for(Duration::from_secs(5)).await;
        let lists = server.count(&Call::List) + server.count(&Call::WatchList);
        // One at once, and one as after any break that comes now and then.
        assert_eq!(lists, 3, "{:?}", ours.stats.last_error());
    }
}

#[tokio::test]
async fn a_streaming_list_that_breaks_with_an_expired_version_is_not_repeated_without_end_however_old_the_last_list()
 {
    let broken = || {
        Reply::Stream(vec![
            bytes(&added("b", "9")),
            Part::Pause(Duration::from_millis(1100)),
            bytes(&error_event(410, "Expired")),
            Part::Hold,
        ])
    };
    let complete = Reply::Stream(vec![
        bytes(&initial_end("10")),
        Part::Pause(Duration::from_millis(1100)),
        bytes(&error_event(410, "Expired")),
        Part::Hold,
    ]);
    let server = Server::strict(vec![
        (Call::WatchList, complete),
        (Call::WatchList, broken()),
        // Once, as after any break that comes now and then.
        (Call::WatchList, broken()),
    ])
    .await;
    let mut ours = Ours::start(&server, streamed());
    ours.until_counted("expired three times", |ours| ours.failures("expired") == 3)
        .await;
    ours.run_for(Duration::from_millis(500)).await;
    server.finish().await;
    assert_eq!(ours.failures("expired"), 3);
}

#[tokio::test]
async fn retry_after_is_honoured_for_lists_and_watches() {
    let busy = || Reply::Whole {
        code: 429,
        headers: "retry-after: 1\r\n".to_owned(),
        body: "too many requests".to_owned(),
    };
    let server = Server::strict(vec![
        (Call::List, busy()),
        (Call::List, list("10", &[])),
        (watch("10"), busy()),
        (watch("10"), held(&[added("a", "11")])),
    ])
    .await;
    let mut ours = Ours::start(&server, paged());
    ours.until_held(&["a"]).await;
    server.finish().await;
    let seen = server.seen();
    for (refused, again) in [(0, 1), (2, 3)] {
        let pause = seen[again].at - seen[refused].at;
        assert!((990..30_000).contains(&pause.as_millis()), "{pause:?}");
    }
    assert_eq!(ours.failures("too_many_requests"), 2);
}

#[tokio::test]
async fn cancellation_ends_an_idle_watch_and_closes_its_connection() {
    let server = Server::strict(vec![(Call::List, list("10", &["a"])), (watch("10"), silent())]).await;
    let mut ours = Ours::start(&server, paged());
    ours.until_synced().await;
    server.finish().await;
    ours.cancel.cancel();
    let ended = timeout(PROMPTLY, &mut ours.task)
        .await
        .expect("it must end promptly")
        .unwrap();
    assert_eq!(ended, Ended::Cancelled);
    assert!(ours.batches.recv().await.is_none(), "the channel is closed");
    let deadline = Instant::now() + PROMPTLY;
    // The connection of the list is idle in the client's pool; that of the watch must go.
    while server.connections() > 1 {
        assert!(
            Instant::now() < deadline,
            "{} connections are left",
            server.connections()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn cancellation_ends_a_watch_that_hangs_or_waits() {
    for reply in [Reply::Hang, error(500, "InternalError", "no")] {
        let server = Server::strict(vec![(Call::List, reply)]).await;
        let mut ours = Ours::start(&server, slow());
        server.finish().await;
        ours.cancel.cancel();
        let ended = timeout(PROMPTLY, &mut ours.task)
            .await
            .expect("it must end promptly");
        assert_eq!(ended.unwrap(), Ended::Cancelled);
    }
}

#[tokio::test]
async fn an_idle_watch_ends_when_its_receiver_is_gone() {
    let server = Server::strict(vec![(Call::List, list("10", &["a"])), (watch("10"), silent())]).await;
    let mut ours = Ours::start(&server, paged());
    ours.until_synced().await;
    server.finish().await;
    ours.batches = mpsc::channel(1).1;
    let ended = timeout(PROMPTLY, &mut ours.task)
        .await
        .expect("it must end promptly")
        .unwrap();
    assert_eq!(ended, Ended::ReceiverGone);
}

#[tokio::test]
async fn a_slow_consumer_stops_the_reading_and_is_not_taken_for_silence() {
    let parts = (0..20).map(|number| bytes(&added(&format!("n{number:02}"), &(11 + number).to_string())));
    let server = Server::strict(vec![
        (Call::List, list("10", &[])),
        (
            watch("10"),
            Reply::Stream(
                parts
                    .chain([Part::Pause(Duration::from_secs(1)), Part::Hold])
                    .collect(),
            ),
        ),
    ])
    .await;
    let config = Config {
        silence_limit: Duration::from_secs(1),
        ..paged()
    };
    let watch = Watch::new(
        client(&server),
        Source::new("configmaps", PATH),
        Mini,
        config,
        StreamingSupport::default(),
    );
    let stats = watch.stats();
    let (sender, mut batches) = mpsc::channel(1);
    let cancel = CancellationToken::new();
    let task = tokio::spawn(watch.run(sender, |batch| batch, cancel.clone()));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(
        stats.failures().all(|(_, count)| count == 0),
        "{:?}",
        stats.last_error()
    );
    let mut items = 0;
    while items < 22 {
        items += timeout(PROMPTLY, batches.recv())
            .await
            .unwrap()
            .unwrap()
            .items
            .len();
    }
    assert_eq!(stats.streams(), 1);
    cancel.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn the_age_counts_from_the_last_bytes() {
    let server = Server::strict(vec![(Call::List, list("10", &[])), (watch("10"), silent())]).await;
    let mut ours = Ours::start(&server, paged());
    ours.until_synced().await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    let age = ours.stats.age().unwrap();
    assert!((50..30_000).contains(&age.as_millis()), "{age:?}");
    server.finish().await;
}
