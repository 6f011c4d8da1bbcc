use serde_json::{Value, json};

use super::*;

fn slice(annotations: &Value, endpoint: &Value) -> EndpointSlice {
    let mut whole = json!({
        "addresses": ["10.0.0.1"], "conditions": { "ready": true },
        "targetRef": { "kind": "Pod", "namespace": "ns", "name": "pod", "uid": "p" },
    });
    for (name, value) in endpoint.as_object().into_iter().flatten() {
        whole[name] = value.clone();
    }
    let slice = json!({
        "metadata": { "namespace": "ns", "name": "web-a", "annotations": annotations },
        "addressType": "IPv4", "endpoints": [whole], "ports": [{ "name": "http", "port": 80 }],
    });
    serde_json::from_value(slice).unwrap()
}

#[test]
fn annotations_of_others_may_go_only_when_no_endpoint_stays() {
    let annotated = slice(&json!({ "edits.example.com/note": "1" }), &json!({}));
    let lost = |endpoint: Value| faults(Some(&annotated), &slice(&json!({}), &endpoint), None).len();
    for stays in [
        json!({ "conditions": { "ready": false } }),
        json!({ "zone": "a", "nodeName": "n" }),
    ] {
        assert_eq!(lost(stays.clone()), 1, "{stays}");
    }
    for other in [
        json!({ "addresses": ["10.0.0.2"] }),
        json!({ "hostname": "db-0" }),
        json!({ "targetRef": { "kind": "Pod", "namespace": "ns", "name": "pod", "uid": "q" } }),
    ] {
        assert_eq!(lost(other.clone()), 0, "{other}");
    }
}

#[test]
fn a_trigger_time_that_comes_goes_or_changes_is_no_reason_for_a_write() {
    let endpoint = json!({});
    let at = |time: &str| slice(&json!({ TRIGGER_TIME: time }), &endpoint);
    let (none, empty) = (slice(&Value::Null, &endpoint), slice(&json!({}), &endpoint));
    for (old, new) in [
        (&none, &at("1")),
        (&at("1"), &none),
        (&at("1"), &at("2")),
        (&none, &empty),
    ] {
        assert_eq!(
            faults(Some(old), new, None),
            ["was written although nothing of it changed"]
        );
    }
}
