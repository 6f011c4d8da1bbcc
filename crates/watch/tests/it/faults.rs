//! Positions kept and given up: bookmarks, breaks, silence, histories that went back.

use std::time::Duration;

use quaymaster_watch::Config;

use crate::ours::{Ours, paged, streaming};
use crate::records::*;
use crate::server::{Call, Part, Reply, Server, error, gone, page, watch};

/// Longer than a busy machine takes to the end of a script, whose last stream is silent as well.
const SILENCE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_list_is_read_page_by_page_and_each_page_is_delivered() {
    let server = Server::strict(vec![
        (Call::List, list_of("10", "t1", &[config_map("a", "1")])),
        (page("t1"), list_of("10", "t2", &[config_map("b", "2")])),
        (page("t2"), list_of("10", "", &[config_map("c", "3")])),
        (watch("10"), silent()),
    ])
    .await;
    let mut ours = Ours::start(&server, paged());
    let first = ours.batches.recv().await.unwrap();
    assert_eq!(first.items.len(), 2, "the restart and the first page");
    ours.until("synced", |ours| ours.log.contains(&"synced".to_owned()))
        .await;
    assert_eq!(ours.log, ["+b", "+c", "synced"]);
    server.finish().await;
    for seen in &server.seen()[..3] {
        assert_eq!(seen.query["limit"], "500");
        assert!(!seen.query.contains_key("resourceVersion"));
    }
}

#[tokio::test]
async fn a_watch_is_resumed_from_the_version_of_the_last_bookmark() {
    let server = Server::strict(vec![
        (Call::List, list("10", &[])),
        (watch("10"), ended(&[added("a", "11"), bookmark("42")])),
        (watch("42"), ended(&[deleted("a", "43")])),
        (watch("43"), silent()),
    ])
    .await;
    let mut ours = Ours::start(&server, paged());
    ours.until("deleted", |ours| ours.changes == ["+a", "-a"]).await;
    ours.until_counted("three streams", |ours| ours.stats.streams() == 3)
        .await;
    server.finish().await;
    assert_eq!(ours.stats.lists(), 1);
    assert_eq!(ours.stats.streams(), 3);
}

#[tokio::test]
async fn a_broken_connection_is_resumed_without_a_list() {
    let server = Server::strict(vec![
        (Call::List, list("10", &[])),
        (
            watch("10"),
            Reply::Stream(vec![bytes(&added("a", "11")), Part::Cut]),
        ),
        (watch("11"), held(&[added("b", "12")])),
    ])
    .await;
    let mut ours = Ours::start(&server, paged());
    ours.until_held(&["a", "b"]).await;
    server.finish().await;
}

#[tokio::test]
async fn server_errors_are_retried_from_the_same_place() {
    let mut steps = vec![(Call::List, error(500, "InternalError", "etcd"))];
    steps.push((Call::List, list("10", &["a"])));
    for code in [500, 502, 503, 504] {
        let page = Reply::Whole {
            code,
            headers: String::new(),
            body: "<html>proxy</html>".to_owned(),
        };
        steps.push((watch("10"), page));
    }
    steps.push((watch("10"), held(&[added("b", "11")])));
    let server = Server::strict(steps).await;
    let mut ours = Ours::start(&server, paged());
    ours.until_held(&["a", "b"]).await;
    assert_eq!(ours.failures("status"), 5);
    let error = ours.stats.last_error().unwrap();
    assert!(
        error.contains("cannot watch configmaps") && error.contains("504") && error.contains("proxy"),
        "{error}"
    );
    server.finish().await;
}

#[tokio::test]
async fn another_error_in_the_stream_is_no_reason_to_list() {
    let server = Server::strict(vec![
        (Call::List, list("10", &[])),
        (
            watch("10"),
            held(&[
                added("a", "11"),
                error_event(500, "InternalError"),
                added("lost", "12"),
            ]),
        ),
        (watch("11"), held(&[added("b", "12")])),
    ])
    .await;
    let mut ours = Ours::start(&server, paged());
    ours.until_held(&["a", "b"]).await;
    assert_eq!(
        ours.changes,
        ["+a", "+b"],
        "what follows an error event is not taken"
    );
    server.finish().await;
}

#[tokio::test]
async fn a_version_that_the_server_cannot_read_leads_to_a_list() {
    let server = Server::strict(vec![
        (Call::List, list("10", &[])),
        (watch("10"), error(400, "BadRequest", "invalid resource version")),
        (Call::List, list("20", &["a"])),
        (watch("20"), silent()),
    ])
    .await;
    let mut ours = Ours::start(&server, paged());
    ours.until_held(&["a"]).await;
    assert_eq!(
        ours.log,
        ["restart", "synced", "restart after a loss", "+a", "synced"],
        "a version that this server never issued is of another history"
    );
    server.finish().await;
}

#[tokio::test]
async fn a_server_that_lags_is_waited_for_and_one_that_never_catches_up_is_listed() {
    let lags = || {
        Reply::Whole {
        code: 504,
        headers: String::new(),
        body: r#"{"kind":"Status","code":504,"reason":"Timeout","message":"Too large resource version: 10, current: 5",
            "details":{"causes":[{"reason":"ResourceVersionTooLarge","message":"Too large resource version"}]}}"#
            .to_owned(),
    }
    };
    let server = Server::strict(vec![
        (Call::List, list("10", &["a"])),
        (watch("10"), lags()),
        (watch("10"), lags()),
        (watch("10"), ended(&[added("b", "11")])),
        (watch("11"), lags()),
        (watch("11"), lags()),
        (watch("11"), lags()),
        (Call::List, list("5", &["a"])),
        (watch("5"), silent()),
    ])
    .await;
    let mut ours = Ours::start(&server, paged());
    ours.until("listed again", |ours| ours.changes == ["+a", "+b", "+a", "-b"])
        .await;
    assert_eq!(
        ours.log,
        [
            "restart",
            "+a",
            "synced",
            "+b",
            "restart after a loss",
            "+a",
            "synced"
        ]
    );
    server.finish().await;
}

#[tokio::test]
async fn a_silent_stream_is_dropped_and_resumed() {
    let server = Server::strict(vec![
        (Call::List, list("10", &[])),
        (watch("10"), held(&[added("a", "11")])),
        (watch("11"), held(&[added("b", "12")])),
    ])
    .await;
    let config = Config {
        silence_limit: SILENCE,
        ..paged()
    };
    let mut ours = Ours::start(&server, config);
    ours.until_held(&["a", "b"]).await;
    assert_eq!(ours.failures("silent"), 1);
    server.finish().await;
}

#[tokio::test]
async fn a_stream_that_outlives_its_agreed_end_is_dropped_and_resumed() {
    let chatter: Vec<Part> = (0..100)
        .flat_map(|_| [bytes(&bookmark("11")), Part::Pause(Duration::from_millis(20))])
        .collect();
    let server = Server::strict(vec![
        (Call::List, list("10", &[])),
        (watch("10"), Reply::Stream(chatter)),
        (watch("11"), held(&[added("a", "12")])),
    ])
    .await;
    let config = Config {
        // The last stream outlives it as well, a second later.
        watch_timeout: Duration::from_millis(400),
        close_grace: Duration::from_millis(600),
        ..paged()
    };
    let mut ours = Ours::start(&server, config);
    ours.until_held(&["a"]).await;
    assert!(ours.stats.last_error().unwrap().contains("still open"));
    server.finish().await;
}

#[tokio::test]
async fn a_history_that_went_back_is_noticed_behind_a_silent_stream() {
    let server = Server::strict(vec![
        (Call::List, list("1000", &["a", "lost"])),
        (watch("1000"), silent()),
        // The question, and the list that its answer leads to.
        (Call::List, list_of("600", "more", &[config_map("a", "500")])),
        (Call::List, list("600", &["a"])),
        (watch("600"), held(&[added("b", "601")])),
    ])
    .await;
    let limit = SILENCE;
    let mut ours = Ours::start(
        &server,
        Config {
            silence_limit: limit,
            doubt_after: limit,
            ..paged()
        },
    );
    ours.until_held(&["a", "b"]).await;
    assert_eq!(server.seen()[2].query["limit"], "1");
    assert_eq!(
        ours.log,
        [
            "restart",
            "+a",
            "+lost",
            "synced",
            "restart after a loss",
            "+a",
            "synced",
            "+b"
        ]
    );
    server.finish().await;
}

#[tokio::test]
async fn a_silent_stream_of_a_quiet_collection_is_resumed_after_the_question() {
    let server = Server::strict(vec![
        (Call::List, list("1000", &["a"])),
        (watch("1000"), silent()),
        (Call::List, list("1400", &["a"])),
        // From its own version, not from the answer's: what happened between the two must not be lost.
        (watch("1000"), held(&[added("b", "1200")])),
    ])
    .await;
    let limit = SILENCE;
    let mut ours = Ours::start(
        &server,
        Config {
            silence_limit: limit,
            doubt_after: limit,
            ..paged()
        },
    );
    ours.until_held(&["a", "b"]).await;
    assert_eq!(ours.stats.lists(), 1);
    server.finish().await;
}

#[tokio::test]
async fn a_list_older_than_what_was_told_is_of_a_history_that_went_back() {
    let server = Server::strict(vec![
        (Call::List, list("1000", &["a"])),
        (watch("1000"), ended(&[added("b", "1001")])),
        (watch("1001"), gone()),
        // This list breaks: the next one still tells of the loss.
        (Call::List, list_of("1000", "more", &[config_map("a", "500")])),
        (page("more"), gone()),
        (Call::List, list("1002", &["a"])),
        (watch("1002"), gone()),
        (Call::List, list("1003", &["a"])),
        (watch("1003"), held(&[added("c", "1004")])),
    ])
    .await;
    let mut ours = Ours::start(&server, paged());
    ours.until_held(&["a", "c"]).await;
    assert_eq!(
        ours.log,
        [
            "restart",
            "+a",
            "synced",
            "+b",
            "restart after a loss",
            "+a",
            "restart after a loss",
            "+a",
            "synced",
            "restart",
            "+a",
            "synced",
            "+c"
        ],
        "the loss is over with the first whole list"
    );
    server.finish().await;
}

#[tokio::test]
async fn a_streaming_list_of_a_history_that_went_back_is_told_once_more_as_such() {
    let older = || [added("a", "500"), initial_end("600")];
    let server = Server::strict(vec![
        (
            Call::WatchList,
            ended(&[added("a", "999"), initial_end("1000"), added("b", "1001")]),
        ),
        (watch("1001"), gone()),
        (Call::WatchList, ended(&older())),
        (Call::WatchList, held(&[older().concat(), added("c", "601")])),
    ])
    .await;
    let mut ours = Ours::start(&server, streaming());
    ours.until_held(&["a", "c"]).await;
    assert_eq!(
        ours.log,
        [
            "restart",
            "+a",
            "synced",
            "+b",
            "restart",
            "+a",
            "restart after a loss",
            "+a",
            "synced",
            "+c"
        ]
    );
    assert_eq!(ours.failures("history_lost"), 1);
    server.finish().await;
}
