//! Bodies that are too large, and what is no HTTP or no TLS.

use std::time::Duration;

use http::StatusCode;
use quaymaster_webhook::Settings;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{PATIENCE, review, start, text};

const MIB: usize = 1 << 20;

/// A review of `name` with so many bytes.
fn padded(name: &str, bytes: usize) -> Vec<u8> {
    let mut body = review(name);
    let end = body.len() - 1;
    body.splice(end..end, std::iter::repeat_n(b' ', bytes - body.len()));
    body
}

#[tokio::test]
async fn an_update_with_the_largest_objects_of_an_apiserver_is_reviewed() {
    let running = start(Settings::default()).await;
    let mut connection = running.client().connect().await.unwrap();
    for bytes in [6 * MIB + 64 * 1024, 8 * MIB] {
        let answer = connection
            .post("/services", padded("patched", bytes))
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let body: Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(body["response"]["uid"], "uid-of-patched");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_with_a_text_that_arrives() {
    let running = start(Settings::default()).await;
    for (count, bytes) in (1..).zip([8 * MIB + 1, 16 * MIB]) {
        // Of a client that sends all of it before it reads.
        let mut stream = running.client().raw().await.unwrap();
        let head = format!("POST /services HTTP/1.1\r\nHost: x\r\nContent-Length: {bytes}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&padded("plain", bytes)).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 413 Payload Too Large\r\n")
                && answer.ends_with("\r\n\r\nthe body is larger than 8388608 bytes"),
            "{answer}"
        );
        let failures = "quaymaster_webhook_failures_total{cause=\"too_large\"}";
        assert_eq!(running.metric(failures), count);
    }
    let mut connection = running.client().connect().await.unwrap();
    connection.review("plain").await.unwrap();
}

#[tokio::test]
async fn a_body_that_does_not_say_how_large_it_is_meets_the_same_limit() {
    let settings = Settings {
        max_body: MIB,
        ..Settings::default()
    };
    let running = start(settings).await;
    for (bytes, status) in [(MIB, "200 OK"), (MIB + 1, "413 Payload Too Large")] {
        let mut stream = running.client().raw().await.unwrap();
        let head =
            "POST /services HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        for chunk in padded("plain", bytes).chunks(100_000) {
            stream
                .write_all(format!("{:x}\r\n", chunk.len()).as_bytes())
                .await
                .unwrap();
            stream.write_all(chunk).await.unwrap();
            stream.write_all(b"\r\n").await.unwrap();
        }
        stream.write_all(b"0\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
    }
}

#[tokio::test]
async fn a_body_far_over_the_limit_is_not_read() {
    let running = start(Settings::default()).await;
    let mut stream = running.client().raw().await.unwrap();
    let head = "POST /services HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the connection is closed");
    assert!(answer.starts_with(b"HTTP/1.1 413 "), "{answer:?}");
}

#[tokio::test]
async fn bodies_of_all_requests_together_have_a_limit() {
    let settings = Settings {
        max_bodies: MIB,
        ..Settings::default()
    };
    let running = start(settings).await;
    let client = running.client();
    let mut first = client.connect().await.unwrap();
    let waiting =
        tokio::spawn(async move { first.post("/services", padded("later", MIB / 2)).await.unwrap() });
    running.later([1, 0, 0]).await;
    let mut second = client.connect().await.unwrap();
    let answer = second
        .post("/services", padded("plain", MIB / 4 * 3))
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text(&answer), "too many requests are being read");
    running.admission.permits.add_permits(1);
    assert_eq!(waiting.await.unwrap().status(), StatusCode::OK);
    let mut third = client.connect().await.unwrap();
    let answer = third
        .post("/services", padded("plain", MIB / 4 * 3))
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "what was held is free again");
}

#[tokio::test]
async fn garbage_on_the_wire_harms_nobody_else() {
    let running = start(Settings::default()).await;
    let client = running.client();
    let mut other = client.connect().await.unwrap();
    other.review("plain").await.unwrap();
    // No TLS, and HTTP without it.
    for garbage in [
        &b"\x00\xff garbage"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        &vec![0x16; 70_000],
    ] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        let mut answer = Vec::new();
        // Closed or reset; either will do.
        let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        assert!(read.is_ok(), "the connection is closed");
    }
    assert_eq!(running.metric("quaymaster_webhook_handshake_failures_total"), 3);
    // TLS without HTTP.
    for garbage in [
        &b"\x00\x01\x02\r\n\r\n"[..],
        b"POST /services HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        &vec![b'a'; 700_000],
    ] {
        let mut stream = client.raw().await.unwrap();
        let _ = stream.write_all(garbage).await;
        let mut answer = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        assert!(read.is_ok(), "the connection is closed");
    }
    // A body that ends too early.
    let mut stream = client.raw().await.unwrap();
    let head = "POST /services HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut Vec::new()))
        .await
        .unwrap();
    other.review("plain").await.unwrap();
    settled(&running).await;
}

/// Nothing is left of what failed.
async fn settled(running: &crate::harness::Running) {
    let wait = async {
        while running.metric("quaymaster_webhook_connections") > 1
            || running.metric("quaymaster_webhook_in_flight") > 0
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap();
}
