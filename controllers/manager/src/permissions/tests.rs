use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use kube::client::Body;
use quaymaster_testkit::logs::Lines;

use super::*;

/// A client whose server answers each review by what is asked.
fn client(answer: impl Fn(&str) -> (u16, String) + Clone + Send + Sync + 'static) -> kube::Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let answer = answer.clone();
        async move {
            let asked = request.into_body().collect().await.unwrap().to_bytes();
            let (code, body) = answer(&String::from_utf8_lossy(&asked));
            let response = Response::builder().status(code);
            Ok::<_, Infallible>(response.body(Full::new(Bytes::from(body))).unwrap())
        }
    });
    kube::Client::new(service, "default")
}

fn review(allowed: bool) -> (u16, String) {
    (
        201,
        format!(r#"{{"spec":{{}},"status":{{"allowed":{allowed}}}}}"#),
    )
}

/// What two controllers do that read the same.
fn needs() -> Vec<Need> {
    const READ: Need = Need {
        group: "",
        resource: "pods",
        verbs: &["list", "watch"],
    };
    const WRITE: Need = Need {
        group: "discovery.k8s.io",
        resource: "endpointslices",
        verbs: &["list", "watch", "create", "update", "delete"],
    };
    together([[READ, WRITE].as_slice(), [READ].as_slice()].map(|needs: &'static [Need]| needs))
}

/// What a check logs.
async fn logged(client: &kube::Client) -> Vec<String> {
    let lines = Lines::default();
    let guard = lines.gather();
    check(client, &needs(), Some("F, context c, user u")).await;
    drop(guard);
    lines.text().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn that_permissions_cannot_be_asked_for_is_said_once_with_the_reason() {
    let client = client(|_| {
        let message = "User \\\"joe\\\" cannot\\ncreate resource";
        let status = format!(
            r#"{{"kind":"Status","apiVersion":"v1","status":"Failure","message":"{message}","reason":"Forbidden","code":403}}"#
        );
        (403, status)
    });
    let lines = logged(&client).await;
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(
        lines[0].contains("WARN")
            && lines[0].contains("SelfSubjectAccessReview")
            && lines[0].contains("User \"joe\" cannot create resource; going on")
            && !lines[0].contains("Status"),
        "{lines:#?}"
    );
}

#[tokio::test]
async fn of_a_kubeconfig_without_credentials_it_is_said_that_it_has_none() {
    let client = client(|_| {
        let message = "User \\\"system:anonymous\\\" cannot create resource";
        let status = format!(
            r#"{{"kind":"Status","apiVersion":"v1","status":"Failure","message":"{message}","reason":"Forbidden","code":403}}"#
        );
        (403, status)
    });
    let lines = logged(&client).await;
    assert_eq!(lines.len(), 1, "{lines:#?}");
    for part in [
        "WARN",
        "the kubeconfig F, context c, user u gives it no credentials",
        "system:anonymous",
    ] {
        assert!(lines[0].contains(part), "{part}: {lines:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_apiserver_that_does_not_answer_is_waited_for_once() {
    let silent = tower::service_fn(|_: Request<Body>| {
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>()
    });
    let begun = tokio::time::Instant::now();
    let lines = logged(&kube::Client::new(silent, "default")).await;
    assert!(begun.elapsed() < TIMEOUT * 2, "{:?}", begun.elapsed());
    assert!(
        lines.len() == 1 && lines[0].contains("no answer within 5 s"),
        "{lines:#?}"
    );
}

#[tokio::test]
async fn what_is_missing_is_counted_and_what_is_there_is_not_spoken_of() {
    assert!(logged(&client(|_| review(true))).await.is_empty());
    let client = client(|asked| review(!asked.contains(r#""resource":"pods""#)));
    assert_eq!(missing(&client, &needs()).await.unwrap(), 2);
    let lines = logged(&client).await;
    assert!(
        lines.len() == 2
            && lines
                .iter()
                .all(|line| line.contains("ERROR") && line.contains("pods")),
        "{lines:#?}"
    );
}
