use std::time::Instant as StdInstant;

use quaymaster_queue::Outcome;

use super::*;
use crate::permit::Tenure;
use crate::scripted::{self, Step};

const PATH: &str = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices";

fn status(code: u16, reason: &str, extra: &str) -> Step {
    let body = format!(
        r#"{{"kind":"Status","apiVersion":"v1","status":"Failure","message":"told so","reason":"{reason}","code":{code}{extra}}}"#
    );
    Step::Answer(code, vec![("content-type", "application/json")], body)
}

async fn create(step: Step) -> Result<Bytes, WriteError> {
    let (client, _) = scripted::client([step]);
    let writer = Writer::new(client, Duration::from_secs(10));
    writer
        .create(&Permit::permanent(), PATH, Bytes::from_static(b"{}"))
        .await
}

async fn fail(step: Step) -> WriteError {
    create(step).await.unwrap_err()
}

#[tokio::test]
async fn each_verb_sends_its_method_path_and_body_once() {
    let (client, seen) = scripted::client([Step::ok("created"), Step::ok("updated"), Step::ok("deleted")]);
    let writer = Writer::new(client, DEFAULT_TIMEOUT);
    let permit = Permit::permanent();
    let object = format!("{PATH}/web-1");
    assert_eq!(
        writer
            .create(&permit, PATH, Bytes::from_static(b"new"))
            .await
            .unwrap(),
        "created"
    );
    assert_eq!(
        writer
            .update(&permit, &object, Bytes::from_static(b"all"))
            .await
            .unwrap(),
        "updated"
    );
    let options = preconditions("u-1", Some("42"));
    assert_eq!(writer.delete(&permit, &object, options).await.unwrap(), "deleted");
    let seen = seen.lock().unwrap();
    let sent: Vec<_> = seen
        .iter()
        .map(|s| (s.method.as_str(), s.path.as_str(), s.body.as_str()))
        .collect();
    let delete =
        r#"{"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"resourceVersion":"42","uid":"u-1"}}"#;
    assert_eq!(
        sent,
        [
            ("POST", PATH, "new"),
            ("PUT", &*object, "all"),
            ("DELETE", &*object, delete)
        ]
    );
}

#[tokio::test]
async fn a_patch_says_what_sort_of_patch_it_is() {
    for (verb, content_type) in [
        (Verb::Patch, "application/strategic-merge-patch+json"),
        (Verb::Apply, "application/apply-patch+yaml"),
        (Verb::Update, "application/json"),
    ] {
        let (client, seen) = scripted::client([Step::ok("done")]);
        let writer = Writer::new(client, DEFAULT_TIMEOUT);
        let body = Bytes::from_static(b"{}");
        let permit = Permit::permanent();
        let sent = writer.send(&permit, verb, PATH, body, json::MEDIA_TYPE);
        assert_eq!(sent.await.unwrap(), "done");
        let seen = seen.lock().unwrap();
        assert_eq!(seen[0].content_type, content_type);
        let method = if verb == Verb::Update { "PUT" } else { "PATCH" };
        assert_eq!(seen[0].method, method);
    }
    assert_eq!((Verb::Patch.label(), Verb::Apply.label()), ("patch", "patch"));
}

#[test]
fn a_delete_whatever_the_state_still_names_the_uid() {
    assert_eq!(
        preconditions("u-1", None),
        r#"{"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"uid":"u-1"}}"#
    );
}

#[tokio::test]
async fn every_error_answer_has_its_class() {
    let terminating = r#","details":{"name":"a","causes":[{"reason":"NamespaceTerminating","message":"m","field":"metadata.namespace"}]}"#;
    let done = Outcome::Answered;
    let busy = Outcome::Overloaded { retry_after: None };
    let lost = Outcome::Lost;
    let table = [
        (409, "Conflict", "", "conflict", Remedy::Reread, done),
        (409, "AlreadyExists", "", "already_exists", Remedy::Reread, done),
        (404, "NotFound", "", "not_found", Remedy::Reread, done),
        (410, "Gone", "", "not_found", Remedy::Reread, done),
        (
            403,
            "Forbidden",
            terminating,
            "namespace_terminating",
            Remedy::Abandon,
            done,
        ),
        (403, "Forbidden", "", "forbidden", Remedy::Report, done),
        (401, "Unauthorized", "", "unauthorized", Remedy::Report, done),
        (422, "Invalid", "", "invalid", Remedy::Report, done),
        (400, "BadRequest", "", "invalid", Remedy::Report, done),
        (413, "RequestEntityTooLarge", "", "invalid", Remedy::Report, done),
        (
            429,
            "TooManyRequests",
            "",
            "too_many_requests",
            Remedy::Wait,
            busy,
        ),
        (500, "InternalError", "", "server", Remedy::Retry, done),
        (502, "", "", "server", Remedy::Retry, lost),
        (503, "ServiceUnavailable", "", "server", Remedy::Retry, lost),
        (504, "Timeout", "", "server", Remedy::Retry, lost),
        (408, "", "", "server", Remedy::Retry, lost),
    ];
    for (code, reason, extra, label, remedy, outcome) in table {
        let error = fail(status(code, reason, extra)).await;
        assert_eq!(error.label(), label, "{code} {reason}");
        assert_eq!(error.remedy(), remedy, "{code} {reason}");
        assert_eq!(error.outcome(), outcome, "{code} {reason}");
        assert!(error.to_string().contains("told so"), "{error}");
    }
}

#[tokio::test]
async fn what_is_forbidden_is_named_as_rbac_names_it() {
    let details = r#","details":{"group":"discovery.k8s.io","kind":"endpointslices"}"#;
    let error = fail(status(403, "Forbidden", details)).await;
    assert_eq!(
        error.to_string(),
        "forbidden to create endpointslices.discovery.k8s.io: told so"
    );
    let core = fail(status(403, "Forbidden", r#","details":{"kind":"endpoints"}"#)).await;
    assert_eq!(core.to_string(), "forbidden to create endpoints: told so");
}

#[tokio::test]
async fn retry_after_is_read_from_the_header_and_else_from_the_body() {
    let in_body = r#","details":{"retryAfterSeconds":7}"#;
    let with_header = |code, header: &'static str, extra: &str| match status(code, "", extra) {
        Step::Answer(code, _, body) => Step::Answer(code, vec![("retry-after", header)], body),
        Step::Hang => unreachable!(),
    };
    let table = [
        (with_header(429, "3", in_body), Some(3)),
        (status(429, "TooManyRequests", in_body), Some(7)),
        (
            with_header(429, "Fri, 31 Dec 1999 23:59:59 GMT", in_body),
            Some(7),
        ),
        (with_header(503, "5", ""), Some(5)),
        (with_header(429, "soon", ""), None),
    ];
    for (step, seconds) in table {
        let expected = Outcome::Overloaded {
            retry_after: seconds.map(Duration::from_secs),
        };
        assert_eq!(fail(step.clone()).await.outcome(), expected, "{step:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_status_is_judged_by_its_code() {
    let page = "<html>".to_owned() + &"x".repeat(100_000);
    let error = fail(Step::Answer(502, vec![], page)).await;
    assert_eq!(error.label(), "server");
    assert!(
        error.to_string().len() < 1200,
        "a page of HTML must not end up in the log"
    );
    assert_eq!(
        fail(Step::Answer(409, vec![], String::new())).await.to_string(),
        "conflict: Conflict"
    );
    assert_eq!(
        fail(Step::Answer(403, vec![], "[1,2]".into())).await.label(),
        "forbidden"
    );
}

#[tokio::test]
async fn a_page_that_says_not_found_tells_nothing_about_an_object() {
    for code in [404, 410] {
        for page in ["<html>no such site</html>", "404 page not found", ""] {
            let error = fail(Step::Answer(code, vec![], page.into())).await;
            assert_eq!(
                (error.label(), error.remedy()),
                ("server", Remedy::Retry),
                "{code} {page}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_given_up_in_time() {
    let begun = tokio::time::Instant::now();
    let error = fail(Step::Hang).await;
    assert_eq!(error.label(), "timeout");
    assert_eq!(error.remedy(), Remedy::Retry);
    assert_eq!(error.outcome(), Outcome::Lost);
    assert!(begun.elapsed() >= Duration::from_secs(10) && begun.elapsed() < Duration::from_secs(11));
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_the_end() {
    let error = fail(Step::ok(&"x".repeat(MAX_ANSWER + 1))).await;
    assert_eq!(error.label(), "transport");
    assert!(create(Step::ok(&"x".repeat(MAX_ANSWER))).await.is_ok());
}

#[tokio::test]
async fn broken_connections_are_transport_errors_and_are_tried_again() {
    let half = b"HTTP/1.1 201 Created\r\ncontent-length: 1000\r\n\r\nhalf";
    for answer in [None, Some(&half[..]), Some(&b"nonsense\r\n\r\n"[..])] {
        let (address, _) = scripted::raw_server(answer).await;
        let mut config = kube::Config::new(format!("http://{address}").parse().unwrap());
        config.default_retry = false;
        let writer = Writer::new(kube::Client::try_from(config).unwrap(), Duration::from_secs(10));
        let result = writer
            .create(&Permit::permanent(), PATH, Bytes::from_static(b"{}"))
            .await;
        let error = result.unwrap_err();
        assert_eq!(error.label(), "transport", "{answer:?}: {error:?}");
        assert_eq!(error.remedy(), Remedy::Retry, "{answer:?}");
    }
}

#[tokio::test]
async fn a_path_that_is_none_is_an_error_not_a_panic() {
    let (client, seen) = scripted::client([]);
    let writer = Writer::new(client, DEFAULT_TIMEOUT);
    let result = writer.create(&Permit::permanent(), "/a b\n", Bytes::new()).await;
    assert_eq!(result.unwrap_err().label(), "transport");
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn nothing_is_sent_without_a_valid_permit() {
    let (client, seen) = scripted::client([Step::ok("")]);
    let writer = Writer::new(client, DEFAULT_TIMEOUT);
    let now = StdInstant::now();
    let over = Tenure::begin(1, now, now);
    let error = writer
        .create(over.permit(), PATH, Bytes::new())
        .await
        .unwrap_err();
    assert_eq!((error.label(), error.remedy()), ("permit_lost", Remedy::Stop));
    assert_eq!(error.outcome(), Outcome::Aborted);
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_write_in_flight_is_aborted_when_its_permit_is_lost() {
    let (client, seen) = scripted::client([Step::Hang]);
    let writer = Writer::new(client, Duration::from_hours(1));
    let now = tokio::time::Instant::now();
    let tenure = Tenure::begin(1, now.into_std(), (now + Duration::from_mins(1)).into_std());
    let permit = tenure.permit().clone();
    let write = tokio::spawn(async move { writer.create(&permit, PATH, Bytes::new()).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(seen.lock().unwrap().len(), 1, "it must be in flight");
    tenure.end();
    assert_eq!(write.await.unwrap().unwrap_err().label(), "permit_lost");
    assert!(now.elapsed() < Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_write_in_flight_is_aborted_when_its_term_runs_out() {
    let (client, _) = scripted::client([Step::Hang]);
    let writer = Writer::new(client, Duration::from_hours(1));
    let now = tokio::time::Instant::now();
    let tenure = Tenure::begin(1, now.into_std(), (now + Duration::from_secs(3)).into_std());
    let error = writer
        .create(tenure.permit(), PATH, Bytes::new())
        .await
        .unwrap_err();
    assert_eq!(error.label(), "permit_lost");
    assert!(now.elapsed() >= Duration::from_secs(3) && now.elapsed() < Duration::from_secs(4));
}
