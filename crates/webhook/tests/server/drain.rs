//! The end of the server.

use std::time::{Duration, Instant};

use http::StatusCode;
use http::header::CONNECTION;
use quaymaster_webhook::Settings;
use tokio::time::{sleep, timeout};

use crate::harness::{PATIENCE, review, start};

#[tokio::test]
async fn what_is_in_flight_is_answered_and_idle_connections_are_closed() {
    let running = start(Settings {
        drain: Duration::from_secs(5),
        ..Settings::default()
    })
    .await;
    let client = running.client();
    let mut idle = client.connect().await.unwrap();
    idle.review("plain").await.unwrap();
    let unused = client.connect().await.unwrap();
    let mut busy = client.connect().await.unwrap();
    let waiting = tokio::spawn(async move {
        let answer = busy.post("/services", review("later")).await;
        (answer, busy)
    });
    running.later([1, 0, 0]).await;
    running.shutdown.cancel();
    idle.closed().await;
    unused.closed().await;
    let refused = async {
        while client.connect().await.is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, refused)
        .await
        .expect("nothing is accepted any more");
    assert!(!waiting.is_finished() && !running.task.is_finished());
    running.admission.permits.add_permits(1);
    let (answer, busy) = waiting.await.unwrap();
    let answer = answer.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[CONNECTION], "close");
    busy.closed().await;
    timeout(PATIENCE, running.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_does_not_end_in_time_is_given_up() {
    let running = start(Settings::default()).await;
    let mut connection = running.client().connect().await.unwrap();
    let waiting = tokio::spawn(async move { connection.post("/services", review("later")).await });
    running.later([1, 0, 0]).await;
    // And somebody in the middle of a handshake.
    let _silent = tokio::net::TcpStream::connect(running.address).await.unwrap();
    let began = Instant::now();
    running.shutdown.cancel();
    running.later([1, 1, 0]).await;
    timeout(PATIENCE, running.task).await.unwrap().unwrap();
    let took = began.elapsed();
    assert!(
        (Duration::from_millis(950)..Duration::from_secs(2)).contains(&took),
        "{took:?}"
    );
    assert!(waiting.await.unwrap().is_err());
}

#[tokio::test]
async fn without_requests_the_end_comes_as_soon_as_none_is_on_its_way() {
    let running = start(Settings::default()).await;
    let idle = running.client().connect().await.unwrap();
    let began = Instant::now();
    running.shutdown.cancel();
    timeout(PATIENCE, running.task).await.unwrap().unwrap();
    assert!(
        began.elapsed() < Duration::from_millis(900),
        "{:?}",
        began.elapsed()
    );
    idle.closed().await;
}

/// A client as the apiserver is one: it keeps connections, and makes another only when told to.
#[tokio::test]
async fn no_request_fails_of_clients_that_go_elsewhere_when_they_are_told_to() {
    let running = start(Settings {
        linger: Duration::from_secs(1),
        drain: Duration::from_secs(3),
        ..Settings::default()
    })
    .await;
    let client = running.client();
    let mut clients = Vec::new();
    for _ in 0..4 {
        let (client, shutdown) = (client.clone(), running.shutdown.clone());
        let mut connection = client.connect().await.unwrap();
        clients.push(tokio::spawn(async move {
            let mut after = 0;
            loop {
                let cancelled = shutdown.is_cancelled();
                let answer = connection.post("/services", review("plain")).await.unwrap();
                assert_eq!(answer.status(), StatusCode::OK);
                after += usize::from(cancelled);
                if answer
                    .headers()
                    .get(CONNECTION)
                    .is_some_and(|value| value == "close")
                {
                    connection.closed().await;
                    return after;
                }
                // With time in it for the server to close a connection that a request is about to come on.
                sleep(Duration::from_millis(5)).await;
            }
        }));
    }
    sleep(Duration::from_millis(200)).await;
    running.shutdown.cancel();
    sleep(Duration::from_millis(50)).await;
    // Who has not heard of it yet is served, too.
    let mut late = client.connect().await.unwrap();
    let answer = late.post("/services", review("plain")).await.unwrap();
    assert_eq!(answer.headers()[CONNECTION], "close");
    for task in clients {
        assert!(timeout(PATIENCE, task).await.unwrap().unwrap() <= 1);
    }
    timeout(PATIENCE, running.task).await.unwrap().unwrap();
}
