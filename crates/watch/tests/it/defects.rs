//! What `kube_runtime` gets wrong for a store that must not keep what is gone, and ours beside it. Each test runs one
//! scenario twice: bare, to show the defect, and with this crate.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::PostParams;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{Controller, watcher};
use quaymaster_watch::StreamingSupport;
use tokio::time::timeout;

use crate::bare;
use crate::ours::{Ours, client, impatient, paged, streaming};
use crate::records::*;
use crate::server::{Call, Part, Reply, Server, error, gone, page, watch};

fn bare_paged() -> watcher::Config {
    watcher::Config::default()
}

#[tokio::test]
async fn a_deletion_missed_while_the_watch_was_down_is_reported_after_the_relist() {
    let scenario = || {
        vec![
            (Call::List, list("10", &["a", "b"])),
            (watch("10"), ended(&[error_event(410, "Expired")])),
            (Call::List, list("20", &["a"])),
            (watch("20"), silent()),
        ]
    };

    let server = Server::strict(scenario()).await;
    let told = bare::tells(&server, bare_paged()).await;
    assert_eq!(
        told,
        ["init", "+a", "+b", "done", "init", "+a", "done"],
        "b is gone and nothing says so"
    );
    server.finish().await;

    let server = Server::strict(scenario()).await;
    let mut ours = Ours::start(&server, paged());
    ours.until_held(&["a"]).await;
    assert_eq!(ours.changes, ["+a", "+b", "+a", "-b"]);
    server.finish().await;
}

#[tokio::test]
async fn a_410_at_the_start_of_a_watch_leads_to_a_relist() {
    let scenario = || {
        vec![
            (Call::List, list("10", &["a", "b"])),
            (watch("10"), gone()),
            (Call::List, list("20", &["a"])),
            (watch("20"), silent()),
        ]
    };

    let server = Server::repeating(scenario()).await;
    let told = bare::tells(&server, bare_paged()).await;
    assert_eq!(told, ["init", "+a", "+b", "done"], "it holds on to what it has");
    assert_eq!(server.count(&Call::List), 1, "it never lists again");
    assert!(
        server.count(&watch("10")) > 5,
        "it tries the dead version for ever"
    );

    let server = Server::strict(scenario()).await;
    let mut ours = Ours::start(&server, paged());
    ours.until_held(&["a"]).await;
    server.finish().await;
    assert_eq!(ours.stats.lists(), 2);
    assert_eq!(ours.failures("expired"), 1);
}

#[tokio::test]
async fn one_failing_watch_does_not_slow_another() {
    const EVENTS: usize = 100;
    const SECRETS: &str = "/api/v1/secrets";
    let scenario = || {
        let mut parts = Vec::new();
        for number in 0..EVENTS {
            parts.push(bytes(&added(&format!("n{number}"), &(11 + number).to_string())));
            parts.push(Part::Pause(Duration::from_millis(15)));
        }
        parts.push(Part::Hold);
        vec![
            (PATH, Call::List, list("10", &[])),
            (PATH, watch("10"), Reply::Stream(parts)),
            (SECRETS, Call::List, error(403, "Forbidden", "no")),
        ]
    };
    let window = Duration::from_millis(2500);

    let server = Server::always(scenario()).await;
    let reconciled = Arc::new(AtomicUsize::new(0));
    let controller = Controller::new(kube::Api::<ConfigMap>::all(client(&server)), bare_paged())
        .watches(kube::Api::<Secret>::all(client(&server)), bare_paged(), |_| {
            None::<ObjectRef<ConfigMap>>
        })
        .run(
            |_, count: Arc<AtomicUsize>| async move {
                count.fetch_add(1, Ordering::Relaxed);
                Ok::<_, std::io::Error>(Action::await_change())
            },
            |_, _, _| Action::await_change(),
            Arc::clone(&reconciled),
        );
    let _ = timeout(window, controller.for_each(|_| async {})).await;
    let slowed = reconciled.load(Ordering::Relaxed);
    assert!(
        slowed < EVENTS / 2,
        "the failing watch holds the other back: {slowed} of {EVENTS} reconciles"
    );

    let server = Server::always(scenario()).await;
    let mut ours = Ours::start(&server, paged());
    let failing = Ours::start_at(&server, SECRETS, paged(), StreamingSupport::default());
    let begin = tokio::time::Instant::now();
    ours.until("all events came", |ours| ours.mirror.len() == EVENTS)
        .await;
    assert!(begin.elapsed() < 2 * window, "took {:?}", begin.elapsed());
    assert!(failing.failures("forbidden") > 3, "the other did fail meanwhile");
    assert!(!failing.stats.is_healthy() && ours.stats.is_healthy());
}

#[tokio::test]
async fn a_server_that_refuses_streaming_lists_is_read_in_pages() {
    let refusal = || {
        error(
            422,
            "Invalid",
            "ListOptions.meta.k8s.io is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for \
             watch unless the WatchList feature gate is enabled",
        )
    };
    let scenario = || {
        vec![
            (Call::WatchList, refusal()),
            (Call::List, list("10", &["a"])),
            (watch("10"), silent()),
        ]
    };

    let server = Server::repeating(scenario()).await;
    let told = bare::tells(&server, bare_paged().streaming_lists()).await;
    assert!(told.is_empty(), "it never gets anywhere: {told:?}");
    assert!(
        server.count(&Call::WatchList) > 5,
        "it asks for the refused for ever"
    );
    assert_eq!(server.count(&Call::List), 0);

    let server = Server::strict(scenario()).await;
    let mut ours = Ours::start(&server, streaming());
    ours.until_held(&["a"]).await;
    server.finish().await;
    assert_eq!(ours.stats.mode().label(), "paged");
}

#[tokio::test]
async fn a_list_that_is_never_answered_is_given_up() {
    let scenario = || {
        vec![
            (Call::List, Reply::Hang),
            (
                Call::List,
                Reply::Stream(vec![bytes(r#"{"metadata":{"#), Part::Hold]),
            ),
            (Call::List, list("10", &["a"])),
            (watch("10"), silent()),
        ]
    };

    let server = Server::strict(scenario()).await;
    let told = bare::says(&server, bare_paged()).await;
    assert_eq!(told, ["init"], "it waits for ever");
    assert_eq!(server.seen().len(), 1);

    let server = Server::strict(scenario()).await;
    let mut ours = Ours::start(&server, impatient());
    ours.until_held(&["a"]).await;
    server.finish().await;
    assert_eq!(ours.failures("timeout"), 2);
}

#[tokio::test]
async fn a_watch_that_is_never_answered_is_given_up() {
    let scenario = || {
        vec![
            (Call::List, list("10", &["a"])),
            (watch("10"), Reply::Hang),
            (watch("10"), held(&[added("b", "11")])),
        ]
    };

    let server = Server::strict(scenario()).await;
    let told = bare::says(&server, bare_paged()).await;
    assert_eq!(told, ["init", "+a", "done"], "it waits for ever");

    let server = Server::strict(scenario()).await;
    let mut ours = Ours::start(&server, impatient());
    ours.until_held(&["a", "b"]).await;
    server.finish().await;
}

#[tokio::test]
async fn a_creation_is_sent_once_below_the_queue() {
    let scenario = || {
        vec![
            (Call::Post, error(503, "ServiceUnavailable", "later")),
            (
                Call::Post,
                Reply::Whole {
                    code: 201,
                    headers: String::new(),
                    body: config_map("x-2", "5"),
                },
            ),
        ]
    };
    let object: ConfigMap =
        serde_json::from_value(serde_json::json!({"metadata": {"generateName": "x-"}})).unwrap();
    let create = |client: kube::Client| {
        let object = object.clone();
        async move {
            kube::Api::<ConfigMap>::namespaced(client, "default")
                .create(&PostParams::default(), &object)
                .await
        }
    };

    let server = Server::strict(scenario()).await;
    let config = kube::Config::new(server.uri.parse().unwrap());
    let bare = kube::Client::try_from(config).unwrap();
    create(bare).await.unwrap();
    assert_eq!(
        server.count(&Call::Post),
        2,
        "one call of ours, two objects perhaps"
    );

    let server = Server::strict(scenario()).await;
    let failed = create(client(&server)).await;
    assert!(matches!(failed, Err(kube::Error::Api(status)) if status.code == 503));
    assert_eq!(server.count(&Call::Post), 1);
}

#[tokio::test]
async fn what_only_a_broken_list_named_does_not_stay() {
    let scenario = || {
        vec![
            (Call::List, list_of("10", "more", &[config_map("ghost", "9")])),
            (
                page("more"),
                error(410, "Expired", "the continue token is too old"),
            ),
            (Call::List, list("20", &["a"])),
            (watch("20"), silent()),
        ]
    };

    let server = Server::strict(scenario()).await;
    let told = bare::tells(&server, bare_paged()).await;
    assert_eq!(
        told,
        ["init", "+ghost", "init", "+a", "done"],
        "the ghost was told and is not taken back"
    );
    server.finish().await;

    let server = Server::strict(scenario()).await;
    let mut ours = Ours::start(&server, paged());
    ours.until_held(&["a"]).await;
    assert_eq!(ours.changes, ["+ghost", "+a", "-ghost"]);
    server.finish().await;
}

#[tokio::test]
async fn one_undecodable_object_does_not_hide_the_others() {
    let items = || [config_map("a", "3"), poisoned("bad", "4"), config_map("b", "5")];
    let scenario = || {
        vec![
            (Call::List, list_of("10", "", &items())),
            (
                watch("10"),
                held(&[event("MODIFIED", &poisoned("bad", "11")), added("c", "12")]),
            ),
        ]
    };

    let server = Server::repeating(scenario()).await;
    let told = bare::tells(&server, bare_paged()).await;
    assert!(
        told.iter().all(|line| line == "init"),
        "nothing at all is told: {told:?}"
    );

    let server = Server::strict(scenario()).await;
    let mut ours = Ours::start(&server, paged());
    ours.until_held(&["a", "b", "c"]).await;
    assert_eq!(ours.stats.decode_errors(), 2);
    server.finish().await;
}
