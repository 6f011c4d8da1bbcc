//! Reviews and their answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Request, StatusCode};
use http_body_util::Full;
use quaymaster_webhook::Settings;
use serde_json::{Value, json};

use crate::harness::{Client, review, start, text};

#[tokio::test]
async fn requests_of_one_connection_are_answered_one_after_the_other() {
    let running = start(Settings::default()).await;
    let mut connection = running.client().connect().await.unwrap();
    for name in ["plain", "patched", "denied", "plain"] {
        let response = connection.review(name).await.unwrap();
        assert_eq!(response["allowed"], name != "denied");
        assert_eq!(
            response["auditAnnotations"],
            json!({"path": "/services", "timeout": "10"})
        );
        match name {
            "patched" => {
                let patch = STANDARD.decode(response["patch"].as_str().unwrap()).unwrap();
                let patch: Value = serde_json::from_slice(&patch).unwrap();
                assert_eq!(
                    patch,
                    json!([{"op": "add", "path": "/spec/clusterIP", "value": "10.0.0.1"}])
                );
            }
            "denied" => {
                assert_eq!(response["status"]["code"], 409);
                assert_eq!(response["status"]["message"], "it is taken");
            }
            _ => assert_eq!(response.get("patch"), None),
        }
    }
    let duration = |result: &str| {
        format!("quaymaster_webhook_duration_seconds_count{{path=\"/services\",result=\"{result}\"}}")
    };
    assert_eq!(running.metric("quaymaster_webhook_connections"), 1);
    assert_eq!(running.metric("quaymaster_webhook_in_flight"), 0);
    assert_eq!(running.metric(&duration("allowed")), 2);
    assert_eq!(running.metric(&duration("patched")), 1);
    assert_eq!(running.metric(&duration("denied")), 1);
    let denials = "quaymaster_webhook_denials_total{path=\"/services\",cause=\"taken\"}";
    assert_eq!(running.metric(denials), 1);
    let expiry = running
        .text("quaymaster_webhook_certificate_expiry_seconds")
        .unwrap();
    let seconds: f64 = expiry.parse().unwrap();
    assert!((86_000.0..=86_400.0).contains(&seconds), "{expiry}");
}

#[tokio::test]
async fn each_version_of_tls_that_an_apiserver_may_speak_is_spoken() {
    let running = start(Settings::default()).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let client = Client::with_versions(running.address, &[&running.authority], &[version]);
        let mut connection = client.connect().await.unwrap();
        assert_eq!(connection.review("plain").await.unwrap()["allowed"], true);
    }
}

#[tokio::test]
async fn what_is_no_review_is_answered_with_a_text_and_the_connection_stays() {
    let running = start(Settings::default()).await;
    let mut connection = running.client().connect().await.unwrap();
    for (body, expected) in [
        (
            &b""[..],
            "the body is no AdmissionReview of admission.k8s.io/v1: ",
        ),
        (b"garbage \xff", "the body is no AdmissionReview"),
        (b"{}", "AdmissionReview of admission.k8s.io/v1 is expected"),
    ] {
        let answer = connection.post("/services", body).await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert!(text(&answer).contains(expected), "{}", text(&answer));
    }
    connection.review("plain").await.unwrap();
    let failures = "quaymaster_webhook_failures_total{cause=\"malformed\"}";
    assert_eq!(running.metric(failures), 3);
}

#[tokio::test]
async fn only_paths_of_the_admission_are_served_and_only_by_post() {
    let running = start(Settings::default()).await;
    let client = running.client();
    let mut connection = client.connect().await.unwrap();
    let answer = connection.post("/unknown", review("plain")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_eq!(text(&answer), "there is no webhook at \"/unknown\"");
    let mut connection = client.connect().await.unwrap();
    let get = Request::get("/services").body(Full::default()).unwrap();
    let answer = connection.send(get).await.unwrap();
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    let mut connection = client.connect().await.unwrap();
    let answer = connection.post("/other", review("plain")).await.unwrap();
    let body: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(
        body["response"]["auditAnnotations"],
        json!({"path": "/other", "timeout": "0"})
    );
}

#[tokio::test]
async fn reviews_that_take_their_time_do_not_hold_up_others() {
    let running = start(Settings::default()).await;
    let client = running.client();
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.connect().await.unwrap().review("later").await.unwrap() })
        })
        .collect();
    running.later([8, 0, 0]).await;
    assert_eq!(running.metric("quaymaster_webhook_in_flight"), 8);
    client.connect().await.unwrap().review("plain").await.unwrap();
    running.admission.permits.add_permits(8);
    for task in waiting {
        assert_eq!(task.await.unwrap()["allowed"], true);
    }
    running.later([8, 0, 8]).await;
}

#[tokio::test]
async fn a_review_whose_apiserver_gave_up_is_dropped() {
    let running = start(Settings::default()).await;
    let mut connection = running.client().connect().await.unwrap();
    let asked = connection.post("/services", review("later"));
    let asked = tokio::time::timeout(std::time::Duration::from_millis(200), asked).await;
    assert!(asked.is_err(), "{asked:?}");
    running.later([1, 0, 0]).await;
    connection.abort();
    running.later([1, 1, 0]).await;
}

#[tokio::test]
async fn a_review_that_never_ends_is_given_up() {
    let settings = Settings {
        review_timeout: std::time::Duration::from_millis(200),
        ..Settings::default()
    };
    let running = start(settings).await;
    let mut connection = running.client().connect().await.unwrap();
    let answer = connection.post("/services", review("later")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(text(&answer), "no decision within 0.2 s");
    running.later([1, 1, 0]).await;
    connection.review("plain").await.unwrap();
}

#[tokio::test]
async fn a_review_that_panics_ends_its_own_connection_only() {
    let running = start(Settings::default()).await;
    let client = running.client();
    let mut other = client.connect().await.unwrap();
    other.review("plain").await.unwrap();
    let mut connection = client.connect().await.unwrap();
    assert!(connection.post("/services", review("panic")).await.is_err());
    other.review("plain").await.unwrap();
    client.connect().await.unwrap().review("plain").await.unwrap();
    assert_eq!(running.metric("quaymaster_webhook_in_flight"), 0);
}

#[tokio::test]
async fn two_requests_that_come_at_once_are_both_answered() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let running = start(Settings::default()).await;
    let mut stream = running.client().raw().await.unwrap();
    let mut bytes = Vec::new();
    for (name, end) in [("patched", ""), ("denied", "Connection: close\r\n")] {
        let body = review(name);
        let head = format!(
            "POST /services HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n{end}\r\n",
            body.len()
        );
        bytes.extend_from_slice(head.as_bytes());
        bytes.extend_from_slice(&body);
    }
    stream.write_all(&bytes).await.unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    let (first, second) = (answers.find("uid-of-patched"), answers.find("uid-of-denied"));
    assert!(first.is_some() && first < second, "{answers}");
}
