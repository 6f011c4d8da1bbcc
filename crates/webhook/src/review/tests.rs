use super::*;

/// A review as an apiserver of 1.37 sends it, shortened in the object.
const CREATE: &str = r#"{
    "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
    "request": {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": "", "version": "v1", "kind": "Service"},
        "resource": {"group": "", "version": "v1", "resource": "services"},
        "requestKind": {"group": "", "version": "v1", "kind": "Service"},
        "requestResource": {"group": "", "version": "v1", "resource": "services"},
        "name": "web", "namespace": "team-a", "operation": "CREATE",
        "userInfo": {"username": "jane", "groups": ["system:authenticated"], "extra": {"a": ["b"]}},
        "object": {"kind": "Service", "spec": {"clusterIP": ""},  "x": [1, 2 ]},
        "oldObject": null, "dryRun": false,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"}
    }
}"#;

/// The review with one text put in place of another that has to be there.
fn with(from: &str, to: &str) -> String {
    assert!(CREATE.contains(from), "{from}");
    CREATE.replace(from, to)
}

#[test]
fn a_create_is_read_with_its_object_as_it_came() {
    let request = Request::decode(CREATE.as_bytes()).unwrap();
    assert_eq!(request.uid, "705ab4f5-6393-11e8-b7cc-42010a800002");
    assert_eq!(
        (&*request.kind.group, &*request.kind.version, &*request.kind.kind),
        ("", "v1", "Service")
    );
    assert_eq!((&*request.namespace, &*request.name), ("team-a", "web"));
    assert_eq!(request.operation, Operation::Create);
    assert_eq!(request.user_info.username, "jane");
    assert_eq!(request.sub_resource, "");
    assert!(!request.dry_run());
    let object = request.object.unwrap().get();
    assert_eq!(
        object,
        r#"{"kind": "Service", "spec": {"clusterIP": ""},  "x": [1, 2 ]}"#
    );
    assert!(request.old_object.is_none());
}

#[test]
fn what_is_read_is_borrowed_from_the_body() {
    let request = Request::decode(CREATE.as_bytes()).unwrap();
    assert!(matches!(request.uid, Cow::Borrowed(_)));
    assert!(matches!(request.namespace, Cow::Borrowed(_)));
    assert!(matches!(request.user_info.username, Cow::Borrowed(_)));
    // But for what has to be unescaped.
    let body = with(r#""jane""#, r#""ja\"ne""#);
    let request = Request::decode(body.as_bytes()).unwrap();
    assert_eq!(request.user_info.username, "ja\"ne");
}

#[test]
fn operations_are_told_apart_and_a_delete_has_only_the_old_object() {
    for (text, operation) in [
        ("UPDATE", Operation::Update),
        ("DELETE", Operation::Delete),
        ("CONNECT", Operation::Connect),
    ] {
        let body = with("CREATE", text);
        assert_eq!(Request::decode(body.as_bytes()).unwrap().operation, operation);
    }
    let body = with(r#""oldObject": null"#, r#""oldObject": {"kind": "Service"}"#)
        .replace("\"object\"", "\"other\"");
    let request = Request::decode(body.as_bytes()).unwrap();
    assert!(request.object.is_none());
    assert_eq!(request.old_object.unwrap().get(), r#"{"kind": "Service"}"#);
}

#[test]
fn a_dry_run_is_seen_and_its_absence_is_none() {
    for (text, expected) in [
        (r#""dryRun": true"#, true),
        (r#""dryRun": null"#, false),
        (r#""other": true"#, false),
    ] {
        let body = with(r#""dryRun": false"#, text);
        assert_eq!(
            Request::decode(body.as_bytes()).unwrap().dry_run(),
            expected,
            "{text}"
        );
    }
}

#[test]
fn a_name_that_is_still_to_be_generated_is_empty() {
    let body = with(r#""name": "web", "#, "");
    assert_eq!(Request::decode(body.as_bytes()).unwrap().name, "");
}

#[test]
fn what_is_no_review_is_refused_with_what_is_wrong() {
    for (body, expected) in [
        (
            String::new(),
            "the body is no AdmissionReview of admission.k8s.io/v1: EOF",
        ),
        ("7".to_owned(), "the body is no AdmissionReview"),
        ("{".to_owned(), "the body is no AdmissionReview"),
        ("{}".to_owned(), r#"the body is of the kind "" of """#),
        (
            with("admission.k8s.io/v1", "admission.k8s.io/v1beta1"),
            r#"the kind "AdmissionReview" of "admission.k8s.io/v1beta1"; AdmissionReview of"#,
        ),
        (
            with("\"AdmissionReview\"", "\"ConversionReview\""),
            r#"the kind "ConversionReview" of"#,
        ),
        (
            with("\"request\"", "\"response\""),
            "the AdmissionReview has no request",
        ),
        (with("\"uid\"", "\"id\""), "missing field `uid`"),
        (with("CREATE", "INVENT"), "unknown variant `INVENT`"),
        (with(r#""jane""#, "7"), "invalid type: integer `7`"),
    ] {
        let error = Request::decode(body.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} for {body}");
    }
    assert!(Request::decode(b"\xff\xfe").is_err());
    let body = CREATE.replace("clusterIP", "\u{fffd}").into_bytes();
    let broken: Vec<u8> = body
        .iter()
        .map(|byte| if *byte == 0xef { 0xff } else { *byte })
        .collect();
    assert!(Request::decode(&broken).is_err(), "an object that is no UTF-8");
}
