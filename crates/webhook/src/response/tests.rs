use serde_json::json;

use super::*;

fn body(response: &Response) -> Value {
    serde_json::from_slice(&response.encode("some-uid")).unwrap()
}

#[test]
fn a_request_that_passes_is_answered_with_its_uid_and_nothing_else() {
    let expected = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "response": {"uid": "some-uid", "allowed": true},
    });
    assert_eq!(body(&Response::allow()), expected);
    // A patch type without a patch is an error to the apiserver.
    assert_eq!(body(&Response::patch(Patch::default())), expected);
    assert_eq!(Response::allow().result(), "allowed");
    assert_eq!(Response::patch(Patch::default()).result(), "allowed");
}

#[test]
fn a_patch_is_base64_of_its_operations_in_their_order() {
    let patch = Patch::default()
        .add("/spec/clusterIPs", json!(["10.0.0.1", "fd00::1"]))
        .add("/spec/ports/0/nodePort", 30_000)
        .replace("/spec/clusterIP", "10.0.0.1")
        .remove("/spec/x");
    let response = Response::patch(patch);
    assert_eq!((response.allowed(), response.result()), (true, "patched"));
    let answered = body(&response);
    let answered = &answered["response"];
    assert_eq!(answered["patchType"], "JSONPatch");
    let decoded = STANDARD.decode(answered["patch"].as_str().unwrap()).unwrap();
    let operations: Value = serde_json::from_slice(&decoded).unwrap();
    assert_eq!(
        operations,
        json!([
            {"op": "add", "path": "/spec/clusterIPs", "value": ["10.0.0.1", "fd00::1"]},
            {"op": "add", "path": "/spec/ports/0/nodePort", "value": 30000},
            {"op": "replace", "path": "/spec/clusterIP", "value": "10.0.0.1"},
            {"op": "remove", "path": "/spec/x"},
        ])
    );
    assert_eq!(operations.as_array().unwrap(), response.operations());
}

#[test]
fn a_refusal_has_code_reason_message_and_when_to_try_again() {
    let denial = Denial::new(Reason::ServiceUnavailable, "not_ready", "not \"yet\"");
    let response = Response::deny(denial.clone());
    assert_eq!(
        body(&response)["response"],
        json!({"uid": "some-uid", "allowed": false, "status": {
            "status": "Failure", "message": "not \"yet\"", "reason": "ServiceUnavailable", "code": 503,
        }})
    );
    assert_eq!((response.allowed(), response.result()), (false, "denied"));
    assert!(response.operations().is_empty());
    let later = body(&Response::deny(denial.retry_after(2)));
    assert_eq!(
        later["response"]["status"]["details"],
        json!({"retryAfterSeconds": 2})
    );
}

#[test]
fn warnings_and_audit_annotations_go_with_any_answer() {
    let denial = Denial::new(Reason::Invalid, "invalid", "no");
    for response in [Response::allow(), Response::deny(denial)] {
        let response = response.warn("first").warn("second").annotate("pool", "team-a");
        let answered = body(&response);
        assert_eq!(answered["response"]["warnings"], json!(["first", "second"]));
        assert_eq!(
            answered["response"]["auditAnnotations"],
            json!({"pool": "team-a"})
        );
    }
}

#[test]
fn keys_are_escaped_as_steps_of_a_pointer() {
    assert_eq!(pointer_step("a.b/c~d"), "a.b~1c~0d");
    // The order matters: the tilde of an escape is not escaped again.
    assert_eq!(pointer_step("~1/"), "~01~1");
}

#[test]
fn codes_of_refusals_are_those_of_their_reasons() {
    for reason in [
        Reason::BadRequest,
        Reason::Forbidden,
        Reason::Conflict,
        Reason::AlreadyExists,
        Reason::Invalid,
        Reason::TooManyRequests,
        Reason::InternalError,
        Reason::ServiceUnavailable,
        Reason::Timeout,
    ] {
        // Below 400 the apiserver makes it 400.
        assert!((400..600).contains(&reason.code()), "{reason:?}");
        assert_eq!(reason.as_str(), format!("{reason:?}"));
    }
}
