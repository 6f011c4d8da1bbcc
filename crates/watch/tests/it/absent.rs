//! Collections that a server need not have.

use std::time::Duration;

use crate::ours::{Ours, paged, streaming};
use crate::records::*;
use crate::server::{Call, Reply, Server, error, watch};

/// As the apiserver says it of a path that nothing is installed at
/// (kubernetes/apiserver `pkg/util/notfoundhandler/not_found_handler.go`).
fn not_found() -> Reply {
    Reply::Whole {
        code: 404,
        headers: String::new(),
        body: "404 page not found\n".to_owned(),
    }
}

#[tokio::test]
async fn a_collection_that_is_not_served_is_told_as_absent_once_and_listed_when_it_is_served() {
    let server = Server::strict(vec![
        (Call::List, not_found()),
        (Call::List, not_found()),
        (
            Call::List,
            error(
                404,
                "NotFound",
                "the server could not find the requested resource",
            ),
        ),
        (Call::List, list("10", &["a"])),
        (watch("10"), held(&[added("b", "11")])),
    ])
    .await;
    let mut ours = Ours::start_optional(&server, paged());
    ours.until("absent", |ours| ours.log == ["absent"]).await;
    ours.until_held(&["a", "b"]).await;
    assert_eq!(ours.log, ["absent", "restart", "+a", "synced", "+b"]);
    assert!(!ours.stats.is_absent() && ours.stats.is_synced());
    assert_eq!(ours.failures("status"), 0, "it was asked and answered");
    assert_eq!(ours.stats.last_error(), None);
    server.finish().await;
}

#[tokio::test]
async fn a_streaming_list_of_what_is_not_served_says_so_as_well() {
    let server = Server::strict(vec![
        (Call::WatchList, not_found()),
        (Call::WatchList, not_found()),
        (Call::WatchList, held(&[added("a", "9"), initial_end("10")])),
    ])
    .await;
    let mut ours = Ours::start_optional(&server, streaming());
    ours.until_held(&["a"]).await;
    assert_eq!(ours.log, ["absent", "restart", "+a", "synced"]);
    server.finish().await;
}

#[tokio::test]
async fn an_absent_collection_is_healthy_and_asked_for_with_pauses_that_grow_and_are_bounded() {
    let server = Server::always(vec![(PATH, Call::List, not_found())]).await;
    let mut ours = Ours::start_optional(&server, paged());
    ours.run_for(Duration::from_millis(1500)).await;
    assert_eq!(ours.log, ["absent"]);
    assert!(ours.stats.is_absent() && ours.stats.is_healthy());
    assert!(!ours.stats.is_synced(), "no list was complete");
    let seen = server.seen();
    let gaps: Vec<Duration> = seen.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    // Pauses are 20 ms, 40 ms, 80 ms and then 100 ms, each spread over its upper half.
    assert!((10..=35).contains(&gaps.len()), "{gaps:?}");
    assert!(gaps[0] < Duration::from_millis(40), "{gaps:?}");
    assert!(
        gaps[4..].iter().all(|gap| *gap >= Duration::from_millis(49)),
        "{gaps:?}"
    );
}

#[tokio::test]
async fn a_collection_that_is_removed_takes_its_objects_with_it_and_may_come_back() {
    let server = Server::strict(vec![
        (Call::List, list("10", &["a", "b"])),
        (watch("10"), ended(&[deleted("a", "11")])),
        (watch("11"), not_found()),
        (Call::List, not_found()),
        (Call::List, not_found()),
        (Call::List, not_found()),
        // Another cluster behind the same address: nothing is left that it could contradict.
        (Call::List, list("5", &["c"])),
        (watch("5"), silent()),
    ])
    .await;
    let mut ours = Ours::start_optional(&server, paged());
    ours.until("absent", |ours| ours.log.contains(&"absent".to_owned()))
        .await;
    assert_eq!(ours.changes, ["+a", "+b", "-a", "-b"]);
    ours.until_held(&["c"]).await;
    assert_eq!(
        ours.log[ours.log.len() - 4..],
        ["absent", "restart", "+c", "synced"]
    );
    server.finish().await;
}

/// Another apiserver that does not know of the definition yet, or a proxy while the apiserver restarts.
#[tokio::test]
async fn a_collection_that_was_served_is_not_absent_for_one_answer_or_two() {
    let server = Server::strict(vec![
        (Call::List, list("10", &["a"])),
        (watch("10"), not_found()),
        (Call::List, not_found()),
        (Call::List, error(503, "ServiceUnavailable", "starting")),
        (Call::List, not_found()),
        (Call::List, not_found()),
        (Call::List, list("20", &["a", "b"])),
        (watch("20"), silent()),
    ])
    .await;
    let mut ours = Ours::start_optional(&server, paged());
    ours.until_held(&["a", "b"]).await;
    assert_eq!(
        ours.log,
        ["restart", "+a", "synced", "restart", "+a", "+b", "synced"]
    );
    assert_eq!(ours.failures("status"), 5, "until it is sure, it is a failure");
    assert!(!ours.stats.is_absent());
    server.finish().await;
}

#[tokio::test]
async fn what_belongs_to_every_cluster_is_never_absent() {
    let mut steps: Vec<(Call, Reply)> = (0..5).map(|_| (Call::List, not_found())).collect();
    steps.push((Call::List, list("10", &["a"])));
    for _ in 0..4 {
        steps.push((watch("10"), not_found()));
    }
    steps.push((watch("10"), held(&[added("b", "11")])));
    let server = Server::strict(steps).await;
    let mut ours = Ours::start(&server, paged());
    ours.until_held(&["a", "b"]).await;
    assert_eq!(ours.log, ["restart", "+a", "synced", "+b"]);
    assert_eq!(ours.failures("status"), 9);
    server.finish().await;
}

#[tokio::test]
async fn other_failures_of_an_optional_collection_are_failures() {
    let server = Server::strict(vec![
        (Call::List, error(403, "Forbidden", "no")),
        (Call::List, error(500, "InternalError", "etcd")),
        (Call::List, list("10", &[])),
        (watch("10"), silent()),
    ])
    .await;
    let mut ours = Ours::start_optional(&server, paged());
    ours.until_synced().await;
    assert_eq!(ours.log, ["restart", "synced"]);
    assert_eq!((ours.failures("forbidden"), ours.failures("status")), (1, 1));
    server.finish().await;
}
