//! Clients that take their time, and those that do nothing.

use std::time::{Duration, Instant};

use quaymaster_webhook::Settings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::harness::{PATIENCE, review, start};

/// Times short enough for a test.
fn settings() -> Settings {
    Settings {
        handshake_timeout: Duration::from_millis(400),
        read_timeout: Duration::from_millis(400),
        write_timeout: Duration::from_millis(400),
        ..Settings::default()
    }
}

#[tokio::test]
async fn slow_clients_block_nobody_and_are_closed_in_time() {
    let limit = Duration::from_secs(2);
    let running = start(Settings {
        handshake_timeout: limit,
        read_timeout: limit,
        ..Settings::default()
    })
    .await;
    let client = running.client();
    let body = review("plain");
    let head = format!(
        "POST /services HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n",
        body.len()
    );
    let whole = format!("{head}\r\n");
    let began = Instant::now();
    let mut silent = TcpStream::connect(running.address).await.unwrap();
    let mut heads = client.raw().await.unwrap();
    heads.write_all(head.as_bytes()).await.unwrap();
    let mut bodies = client.raw().await.unwrap();
    bodies.write_all(whole.as_bytes()).await.unwrap();
    bodies.write_all(&body[..20]).await.unwrap();
    // Others are answered at once meanwhile.
    let mut connection = client.connect().await.unwrap();
    for _ in 0..20 {
        connection.review("patched").await.unwrap();
        client.connect().await.unwrap().review("plain").await.unwrap();
    }
    assert!(began.elapsed() < limit, "{:?}", began.elapsed());
    assert_eq!(
        running.metric("quaymaster_webhook_failures_total{cause=\"slow\"}"),
        0
    );
    let mut answers = [Vec::new(), Vec::new(), Vec::new()];
    let all = async {
        let _ = silent.read_to_end(&mut answers[0]).await;
        let _ = heads.read_to_end(&mut answers[1]).await;
        let _ = bodies.read_to_end(&mut answers[2]).await;
    };
    timeout(PATIENCE, all).await.expect("they are closed");
    assert!(
        (limit..limit * 2).contains(&began.elapsed()),
        "{:?}",
        began.elapsed()
    );
    assert!(answers[2].starts_with(b"HTTP/1.1 408 "), "{answers:?}");
    assert_eq!(
        running.metric("quaymaster_webhook_failures_total{cause=\"slow\"}"),
        2
    );
    connection.review("plain").await.unwrap();
}

#[tokio::test]
async fn a_head_that_trickles_in_does_not_live_for_ever() {
    let running = start(settings()).await;
    let mut stream = running.client().raw().await.unwrap();
    let began = Instant::now();
    let trickle = async {
        stream.write_all(b"POST /services HTTP/1.1\r\n").await.unwrap();
        for number in 0.. {
            let line = format!("X-{number}: x\r\n");
            if stream.write_all(line.as_bytes()).await.is_err() || stream.flush().await.is_err() {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, trickle).await.expect("it is closed");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_connection_without_requests_is_kept_as_long_as_the_apiserver_keeps_it() {
    let running = start(settings()).await;
    let client = running.client();
    let unused = client.connect().await.unwrap();
    let mut used = client.connect().await.unwrap();
    used.review("plain").await.unwrap();
    // Far over the time that a head may take.
    sleep(Duration::from_millis(1_200)).await;
    assert!(unused.is_open() && used.is_open());
    for mut connection in [unused, used] {
        connection.review("plain").await.unwrap();
    }
    // The apiserver's is 90 s: http.DefaultTransport.
    assert!(Settings::default().idle_timeout > Duration::from_secs(90));
}

#[tokio::test]
async fn a_connection_without_requests_is_closed_in_the_end() {
    let running = start(Settings {
        idle_timeout: Duration::from_secs(1),
        ..Settings::default()
    })
    .await;
    let client = running.client();
    let unused = client.connect().await.unwrap();
    let mut used = client.connect().await.unwrap();
    let began = Instant::now();
    for _ in 0..6 {
        used.review("plain").await.unwrap();
        sleep(Duration::from_millis(250)).await;
    }
    assert!(!unused.is_open() && used.is_open());
    used.closed().await;
    assert!(
        began.elapsed() > Duration::from_millis(2_200),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(
        running.metric("quaymaster_webhook_failures_total{cause=\"slow\"}"),
        0
    );
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answers_is_closed() {
    let running = start(settings()).await;
    let mut stream = running.client().raw().await.unwrap();
    // Answers pile up until the buffers of both ends are full.
    let body = review("patched");
    let head = format!(
        "POST /services HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let request = [head.as_bytes(), &body].concat().repeat(100);
    let pile = async { while stream.write_all(&request).await.is_ok() {} };
    timeout(PATIENCE, pile).await.expect("it is closed");
}

#[tokio::test]
async fn connections_over_the_limit_wait_for_their_turn() {
    let running = start(Settings {
        max_connections: 2,
        ..Settings::default()
    })
    .await;
    let client = running.client();
    let mut first = client.connect().await.unwrap();
    let mut second = client.connect().await.unwrap();
    let third = tokio::spawn({
        let client = client.clone();
        async move { client.connect().await.unwrap().review("plain").await.unwrap() }
    });
    for connection in [&mut first, &mut second] {
        connection.review("plain").await.unwrap();
    }
    sleep(Duration::from_millis(200)).await;
    assert!(!third.is_finished());
    first.abort();
    timeout(PATIENCE, third).await.unwrap().unwrap();
    second.review("plain").await.unwrap();
}
