use super::*;

#[test]
fn a_status_is_read_with_its_retry_delay_and_causes() {
    let json = br#"{"kind":"Status","code":504,"reason":"Timeout","message":"Too large resource version",
        "details":{"retryAfterSeconds":1,"causes":[{"reason":"ResourceVersionTooLarge","message":"m"}]}}"#;
    let status = Status::from_json(json).unwrap();
    assert_eq!((status.code, status.reason.as_str()), (504, "Timeout"));
    assert_eq!(status.retry_after, Some(Duration::from_secs(1)));
    assert!(status.version_too_large);
}

#[test]
fn a_body_that_is_no_status_is_told_apart() {
    assert_eq!(Status::from_json(b"<html>bad gateway</html>"), None);
    assert_eq!(Status::from_json(b"[1]"), None);
    assert_eq!(Status::from_json(br#"{"error":"no upstream","code":502}"#), None);
}

#[test]
fn nulls_and_negative_delays_do_no_harm() {
    let status = Status::from_json(
        br#"{"kind":"Status","code":null,"details":{"retryAfterSeconds":-4,"causes":null}}"#,
    )
    .unwrap();
    assert_eq!(status, Status::default());
}
