//! The `Status` of failures.

use std::time::Duration;

use quaymaster_wire::{DecodeError, Status};

#[test]
fn a_status_tells_when_to_come_back_and_what_caused_it() {
    let status = Status::decode(
        br#"{"kind":"Status","status":"Failure","code":403,"reason":"Forbidden","message":"m",
        "details":{"retryAfterSeconds":3,"causes":[{"reason":"NamespaceTerminating","message":"n",
        "field":"metadata.namespace"}]}}"#,
    )
    .unwrap();
    assert_eq!(status.retry_after, Some(Duration::from_secs(3)));
    assert!(status.has_cause("NamespaceTerminating"));
    assert!(!status.has_cause("Other"));
    for bare in [
        &br#"{"kind":"Status"}"#[..],
        br#"{"kind":"Status","code":null,"details":null,"message":null}"#,
        br#"{"kind":"Status","details":{"retryAfterSeconds":0}}"#,
    ] {
        assert_eq!(Status::decode(bare).unwrap(), Status::default());
    }
    assert!(matches!(
        Status::decode(br#"{"error":"upstream"}"#),
        Err(DecodeError::NotAStatus)
    ));
    assert!(Status::decode(b"<html>502 Bad Gateway</html>").is_err());
}

#[test]
fn a_lagging_server_is_told_by_the_cause() {
    let json = br#"{"kind":"Status","code":504,"reason":"Timeout","message":"Too large resource version",
        "details":{"retryAfterSeconds":1,"causes":[{"reason":"ResourceVersionTooLarge","message":"m"}]}}"#;
    let status = Status::decode(json).unwrap();
    assert_eq!((status.code, &*status.reason), (504, "Timeout"));
    assert_eq!(status.retry_after, Some(Duration::from_secs(1)));
    assert!(status.is_version_too_large());
    let other = Status::decode(br#"{"kind":"Status","code":504,"reason":"Timeout"}"#).unwrap();
    assert!(!other.is_version_too_large());
}

#[test]
fn a_body_that_is_no_status_is_told_apart() {
    for body in [
        &b"<html>bad gateway</html>"[..],
        b"[1]",
        br#"{"error":"no upstream","code":502}"#,
        b"",
    ] {
        assert!(Status::decode(body).is_err(), "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn nulls_and_negative_delays_do_no_harm() {
    let status =
        Status::decode(br#"{"kind":"Status","code":null,"details":{"retryAfterSeconds":-4,"causes":null}}"#)
            .unwrap();
    assert_eq!(status, Status::default());
}

#[test]
fn the_resource_is_named_as_rbac_names_it() {
    let named = |details: &str| {
        let json = format!(r#"{{"kind":"Status","details":{details}}}"#);
        Status::decode(json.as_bytes()).unwrap().resource
    };
    assert_eq!(
        &*named(r#"{"group":"discovery.k8s.io","kind":"endpointslices","name":"web"}"#),
        "endpointslices.discovery.k8s.io"
    );
    assert_eq!(&*named(r#"{"group":"","kind":"endpoints"}"#), "endpoints");
    assert_eq!(&*named(r#"{"group":"discovery.k8s.io"}"#), "");
    assert_eq!(&*named("null"), "");
}

#[test]
fn a_status_is_one_line_for_the_log() {
    let json = br#"{"kind":"Status","code":403,"reason":"Forbidden","message":"no"}"#;
    assert_eq!(Status::decode(json).unwrap().to_string(), "403 Forbidden: no");
}
