//! What is read and written again is the same.

use std::sync::Arc;

use k8s_openapi::api::discovery::v1::EndpointSlice;
use proptest::prelude::*;
use quaymaster_model::digest::ordered_ports;
use quaymaster_model::rules::PortOrder;
use quaymaster_model::slice::UnknownFields;
use quaymaster_model::{Interner, SliceRecord, Text};
use quaymaster_wire::EncodeError;
use quaymaster_wire::json::{SliceBody, SliceDecoder, encode_slice};
use serde_json::{Value, json};

use crate::generate;

fn decode(bytes: &[u8]) -> SliceRecord {
    SliceDecoder::new(Arc::new(Interner::new()))
        .object(bytes)
        .expect("a readable slice")
}

fn encode(record: &SliceRecord) -> Vec<u8> {
    let ports = ordered_ports(record.ports.ports(), PortOrder::Fnv128a);
    encode_slice(&SliceBody::of(record, &ports)).expect("a decoded record can be written")
}

/// Fields that no version knows, with what makes copying them hard.
fn unknown() -> impl Strategy<Value = Vec<(String, Value)>> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i32>().prop_map(|eighths| json!(f64::from(eighths) / 8.0)),
        generate::text().prop_map(Value::from),
        generate::text().prop_map(|text| json!([{ "deep": [text, {}] }, []])),
    ];
    let name = prop_oneof!["x-[a-z]{1,5}", "x\"[\\\\\n\"é]{1,3}"];
    prop::collection::btree_map(name, value, 0..3).prop_map(|map| map.into_iter().collect())
}

fn with_unknown(
    slice: &EndpointSlice,
    object: Vec<(String, Value)>,
    metadata: Vec<(String, Value)>,
) -> Vec<u8> {
    let mut value = serde_json::to_value(slice).unwrap();
    value["metadata"].as_object_mut().unwrap().extend(metadata);
    value.as_object_mut().unwrap().extend(object);
    serde_json::to_vec(&value).unwrap()
}

proptest! {
    #[test]
    fn a_slice_that_is_read_and_written_unchanged_is_the_same_slice(
        slice in generate::slice::slice(), object in unknown(), metadata in unknown(),
    ) {
        let mut record = decode(&with_unknown(&slice, object, metadata));
        // Only the server can set it, so no body says it.
        record.terminating = false;
        prop_assert_eq!(decode(&encode(&record)), record);
    }

    #[test]
    fn unknown_fields_come_back_with_their_values(
        slice in generate::slice::slice(), object in unknown(), metadata in unknown(),
    ) {
        let record = decode(&with_unknown(&slice, object.clone(), metadata.clone()));
        let written: Value = serde_json::from_slice(&encode(&record)).unwrap();
        for (key, value) in object {
            prop_assert_eq!(&written[&key], &value);
        }
        for (key, value) in metadata {
            prop_assert_eq!(&written["metadata"][&key], &value);
        }
        let generate_name = slice.metadata.generate_name.map(Value::from);
        prop_assert_eq!(written["metadata"].get("generateName"), generate_name.as_ref());
    }

    /// The full type refuses what is not of the API's shape, and writes as Go's clients do.
    #[test]
    fn the_full_type_reads_what_is_written_and_would_write_the_same(slice in generate::slice::slice()) {
        let written = encode(&decode(&serde_json::to_vec(&slice).unwrap()));
        let read: EndpointSlice = serde_json::from_slice(&written).expect("of the API's shape");
        prop_assert_eq!(serde_json::to_value(&read).unwrap(), serde_json::from_slice::<Value>(&written).unwrap());
    }
}

/// The body of a create as Go's client sends it for the same slice.
#[test]
fn a_whole_slice_is_written_as_the_api_spells_it() {
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "web-abc12",
            "namespace": "shop",
            "labels": {"kubernetes.io/service-name": "web"},
            "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": "2026-01-01T00:00:00Z"},
            "ownerReferences": [{
                "apiVersion": "v1", "kind": "Service", "name": "web", "uid": "u-1",
                "controller": true, "blockOwnerDeletion": true
            }],
            "finalizers": ["example.com/hold"]
        },
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": ["10.0.0.1"],
                "conditions": {"ready": true, "serving": true, "terminating": false},
                "hostname": "web-0",
                "targetRef": {
                    "kind": "Pod", "namespace": "shop", "name": "web-0",
                    "uid": "3f2a8d1c-0b4e-4c1a-9d3e-0123456789ab",
                    "apiVersion": "v1", "resourceVersion": "12", "fieldPath": "spec"
                },
                "nodeName": "n1",
                "zone": "a",
                "hints": {"forZones": [{"name": "a"}], "forNodes": [{"name": "n1"}]}
            },
            {"addresses": ["10.0.0.2"], "conditions": {}}
        ],
        "ports": [
            {"name": "https", "protocol": "TCP", "port": 443, "appProtocol": "https"},
            {"name": "", "protocol": "TCP", "port": 80}
        ]
    });
    let record = decode(&serde_json::to_vec(&slice).unwrap());
    let ports = [record.ports.ports()[1].clone(), record.ports.ports()[0].clone()];
    let mut body = SliceBody::of(&record, &ports);
    body.meta.uid = None;
    body.meta.resource_version = None;
    let written: Value = serde_json::from_slice(&encode_slice(&body).unwrap()).unwrap();
    assert_eq!(written, slice);
}

#[test]
fn an_update_names_the_version_and_the_object_it_replaces() {
    let record = decode(br#"{"metadata":{"name":"a","namespace":"b","uid":"u-1","resourceVersion":"7"}}"#);
    let written: Value = serde_json::from_slice(&encode(&record)).unwrap();
    assert_eq!(
        written["metadata"],
        json!({"name": "a", "namespace": "b", "uid": "u-1", "resourceVersion": "7"})
    );
    assert_eq!(
        (&written["endpoints"], &written["ports"]),
        (&json!([]), &json!([]))
    );
}

#[test]
fn ports_and_endpoints_are_written_in_the_order_given() {
    let record = decode(
        br#"{"metadata":{"name":"a"},"ports":[{"name":"x","port":1},{"name":"y","port":2}],
            "endpoints":[{"addresses":["10.0.0.9"]},{"addresses":["10.0.0.1"]}]}"#,
    );
    let mut ports = record.ports.ports().to_vec();
    for _ in 0..2 {
        ports.reverse();
        let written: Value =
            serde_json::from_slice(&encode_slice(&SliceBody::of(&record, &ports)).unwrap()).unwrap();
        for (written, given) in written["ports"].as_array().unwrap().iter().zip(&ports) {
            assert_eq!(written["name"].as_str(), given.name.as_ref().map(Text::as_str));
        }
        assert_eq!(written["endpoints"][0]["addresses"][0], "10.0.0.9");
    }
}

#[test]
fn addresses_are_sorted_as_text_and_kept_as_they_came() {
    let record = decode(
        br#"{"metadata":{"name":"a"},"endpoints":[{"addresses":["9.0.0.1","10.0.0.1","010.0.0.2"]}]}"#,
    );
    let addresses: Vec<String> = record.endpoints[0]
        .addresses
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(addresses, ["010.0.0.2", "10.0.0.1", "9.0.0.1"]);
}

#[test]
fn a_slice_without_fields_of_others_holds_no_text_of_them() {
    let record = decode(
        br#"{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","addressType":"IPv4","endpoints":null,
            "ports":null,"metadata":{"name":"a","namespace":"b","uid":"u","resourceVersion":"1","generation":3,
            "creationTimestamp":"2026-01-01T00:00:00Z","deletionTimestamp":"2026-01-01T00:00:00Z",
            "deletionGracePeriodSeconds":0,"labels":{},"annotations":{},"ownerReferences":[],"finalizers":[],
            "managedFields":[{"manager":"m"}],"selfLink":"/x"}}"#,
    );
    assert_eq!(record.unknown, None);
    assert!(record.terminating);
}

#[test]
fn the_value_of_an_unknown_field_is_not_rewritten() {
    let value = r#"[1.00000000000000000000000000001, 1E5 , "\u0041"]"#;
    let record = decode(format!(r#"{{"x":{value},"metadata":{{"name":"a","y":{value}}}}}"#).as_bytes());
    let written = String::from_utf8(encode(&record)).unwrap();
    assert!(written.contains(&format!(r#""x":{value}"#)) && written.contains(&format!(r#""y":{value}"#)));
}

#[test]
fn unknown_fields_that_are_no_json_object_are_refused_not_written() {
    let mut record = decode(br#"{"metadata":{"name":"a"}}"#);
    for text in ["[1]", "{", "", "\"x\"", "{\"a\":1}x"] {
        record.unknown = Some(Box::new(UnknownFields {
            object: None,
            metadata: Some(text.into()),
        }));
        let result = encode_slice(&SliceBody::of(&record, &[]));
        assert!(matches!(result, Err(EncodeError::Json(_))), "{text}");
    }
}
