//! Streaming lists, and when they give way.

use std::time::Duration;

use quaymaster_watch::{Config, Mode, StreamingSupport};

use crate::ours::{Ours, streaming};
use crate::records::*;
use crate::server::{Call, Part, Reply, Server, error, watch};

#[tokio::test]
async fn a_streaming_list_goes_over_into_the_watch() {
    let server = Server::strict(vec![(
        Call::WatchList,
        held(&[
            added("a", "7"),
            added("b", "3"),
            initial_end("10"),
            deleted("a", "11"),
            added("c", "12"),
        ]),
    )])
    .await;
    let mut ours = Ours::start(&server, streaming());
    ours.until_held(&["b", "c"]).await;
    assert_eq!(ours.log, ["restart", "+a", "+b", "synced", "-a", "+c"]);
    server.finish().await;

    let query = &server.seen()[0].query;
    assert_eq!(query["sendInitialEvents"], "true");
    assert_eq!(query["resourceVersionMatch"], "NotOlderThan");
    assert_eq!(query["allowWatchBookmarks"], "true");
    assert!(
        !query.contains_key("resourceVersion"),
        "the most recent state is asked for"
    );
    let seconds: u64 = query["timeoutSeconds"].parse().unwrap();
    assert!((261..=290).contains(&seconds), "{seconds}");
    assert_eq!(
        (ours.stats.mode(), ours.stats.lists(), ours.stats.streams()),
        (Mode::Streaming, 1, 1)
    );
    assert_eq!(ours.stats.events(), 4);
    assert!(ours.stats.is_synced());
}

#[tokio::test]
async fn a_streaming_list_is_resumed_behind_its_end_and_not_listed_again() {
    let server = Server::strict(vec![
        (Call::WatchList, ended(&[added("a", "7"), initial_end("10")])),
        (watch("10"), held(&[added("b", "11")])),
    ])
    .await;
    let mut ours = Ours::start(&server, streaming());
    ours.until_held(&["a", "b"]).await;
    assert_eq!(ours.stats.lists(), 1);
    server.finish().await;
}

#[tokio::test]
async fn a_streaming_list_cut_short_begins_anew_and_leaves_nothing_behind() {
    let server = Server::strict(vec![
        (
            Call::WatchList,
            Reply::Stream(vec![bytes(&added("ghost", "7")), Part::Cut]),
        ),
        (Call::WatchList, held(&[added("a", "8"), initial_end("10")])),
    ])
    .await;
    let mut ours = Ours::start(&server, streaming());
    ours.until_held(&["a"]).await;
    assert_eq!(ours.log, ["restart", "+ghost", "restart", "+a", "synced"]);
    assert_eq!(ours.changes, ["+ghost", "+a", "-ghost"]);
    server.finish().await;
}

#[tokio::test]
async fn a_410_in_the_stream_leads_to_a_new_streaming_list() {
    let server = Server::strict(vec![
        (
            Call::WatchList,
            held(&[added("a", "7"), initial_end("10"), error_event(410, "Expired")]),
        ),
        (Call::WatchList, held(&[added("b", "18"), initial_end("20")])),
    ])
    .await;
    let mut ours = Ours::start(&server, streaming());
    ours.until_held(&["b"]).await;
    assert_eq!(ours.changes, ["+a", "+b", "-a"]);
    server.finish().await;
}

#[tokio::test]
async fn an_error_event_without_code_is_known_by_its_reason() {
    let server = Server::strict(vec![
        (
            Call::WatchList,
            held(&[initial_end("10"), error_event(0, "Expired")]),
        ),
        (Call::WatchList, held(&[added("b", "18"), initial_end("20")])),
    ])
    .await;
    let mut ours = Ours::start(&server, streaming());
    ours.until_held(&["b"]).await;
    server.finish().await;
}

#[tokio::test]
async fn a_streaming_list_that_never_completes_gives_way_to_pages() {
    let stuck = || held(&[added("a", "7")]);
    let server = Server::strict(vec![
        (Call::WatchList, stuck()),
        (Call::WatchList, stuck()),
        (Call::WatchList, stuck()),
        (Call::List, list("10", &["a"])),
        (watch("10"), held(&[error_event(410, "Expired")])),
        // A single bad hour is not held against the server.
        (Call::WatchList, held(&[initial_end("20")])),
    ])
    .await;
    let config = Config {
        // With room for a busy machine: the last stream must not seem silent.
        initial_silence_limit: Duration::from_millis(500),
        ..streaming()
    };
    let mut ours = Ours::start(&server, config);
    ours.until_held(&[]).await;
    assert_eq!(ours.failures("silent"), 3);
    server.finish().await;
}

#[tokio::test]
async fn a_refusal_is_remembered_for_every_watch_of_the_server() {
    let refusal = error(
        422,
        "Invalid",
        "sendInitialEvents: Forbidden: sendInitialEvents is forbidden",
    );
    let server = Server::strict(vec![
        (Call::WatchList, refusal),
        (Call::List, list("10", &["a"])),
        (watch("10"), silent()),
        (Call::List, list("11", &["a"])),
        (watch("11"), silent()),
    ])
    .await;
    let support = StreamingSupport::default();
    let mut first = Ours::start_at(&server, PATH, streaming(), support.clone());
    first.until_synced().await;
    assert!(support.is_refused());
    // The first watch must have opened its stream before the second one lists: the script has an order.
    while server.seen().len() < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut second = Ours::start_at(&server, PATH, streaming(), support);
    second.until_synced().await;
    server.finish().await;
}

#[tokio::test]
async fn a_400_that_paged_lists_share_is_not_taken_for_a_refusal_of_streams() {
    let bad = || error(400, "BadRequest", "field label not supported: status.mood");
    let server = Server::repeating(vec![(Call::WatchList, bad()), (Call::List, bad())]).await;
    let support = StreamingSupport::default();
    let mut ours = Ours::start_at(&server, PATH, streaming(), support.clone());
    ours.until_counted("listed again", |_| server.count(&Call::List) > 1)
        .await;
    assert!(!support.is_refused(), "other watches may stream");
    assert!(
        ours.stats
            .last_error()
            .unwrap()
            .contains("cannot list configmaps"),
        "{:?}",
        ours.stats.last_error()
    );
}

#[tokio::test]
async fn a_400_that_only_the_stream_meets_is_a_refusal() {
    let server = Server::strict(vec![
        (Call::WatchList, error(400, "BadRequest", "unknown parameter")),
        (Call::List, list("10", &["a"])),
        (watch("10"), silent()),
    ])
    .await;
    let support = StreamingSupport::default();
    let mut ours = Ours::start_at(&server, PATH, streaming(), support.clone());
    ours.until_synced().await;
    server.finish().await;
    assert!(support.is_refused());
}

#[tokio::test]
async fn a_missing_role_is_no_refusal_of_streams_and_heals() {
    let server = Server::strict(vec![
        (
            Call::WatchList,
            error(
                403,
                "Forbidden",
                "configmaps is forbidden: User cannot watch resource",
            ),
        ),
        (Call::WatchList, held(&[added("a", "7"), initial_end("10")])),
    ])
    .await;
    let support = StreamingSupport::default();
    let mut ours = Ours::start_at(&server, PATH, streaming(), support.clone());
    ours.until_held(&["a"]).await;
    server.finish().await;
    assert!(!support.is_refused());
    let error = ours.stats.last_error().unwrap();
    assert!(
        error.contains("cannot watch configmaps") && error.contains("grant the verb"),
        "{error}"
    );
}
