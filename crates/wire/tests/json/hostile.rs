//! Content that no apiserver should send.

use std::fmt::Debug;
use std::sync::Arc;

use proptest::prelude::*;
use quaymaster_model::{
    Interner, IpAddressRecord, NamespaceRecord, NodeRecord, PodRecord, ServiceRecord, SliceRecord, Text,
};
use quaymaster_wire::json::{Json, Record};
use quaymaster_wire::{DecodeError, Frame};
use serde_json::{Value, json};

use crate::generate;

fn read<R: Record>(json: &[u8]) -> Result<R, DecodeError> {
    Json::new(Arc::new(Interner::new())).object(json)
}

/// All the fields that are read, with a value each that takes part in the record.
fn full_pod() -> Value {
    json!({
        "metadata": {"name": "a", "namespace": "x", "uid": "u", "resourceVersion": "1", "labels": {"k": "v"},
            "creationTimestamp": "2026-01-01T00:00:00Z", "deletionTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"nodeName": "n", "hostname": "h", "subdomain": "s",
            "containers": [{"ports": [{"name": "p", "protocol": "UDP", "containerPort": 1}]}],
            "initContainers": [{"restartPolicy": "Always", "ports": [{"name": "q", "containerPort": 2}]}]},
        "status": {"phase": "Failed", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}],
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}
    })
}

fn full_service() -> Value {
    json!({
        "metadata": {"name": "a", "namespace": "x", "uid": "u", "resourceVersion": "1", "labels": {"k": "v"},
            "annotations": {"service.kubernetes.io/topology-mode": "Auto", "quaymaster.io/pool": "a",
                "quaymaster.io/nodeport-pool": "b"},
            "creationTimestamp": "2026-01-01T00:00:00Z", "deletionTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"type": "NodePort", "selector": {"k": "v"}, "clusterIP": "10.0.0.1", "ipFamilies": ["IPv4"],
            "publishNotReadyAddresses": true, "trafficDistribution": "PreferClose",
            "clusterIPs": ["10.0.0.1", "fd00::1"], "healthCheckNodePort": 30001, "ipFamilyPolicy": "RequireDualStack",
            "allocateLoadBalancerNodePorts": false, "externalTrafficPolicy": "Local",
            "ports": [{"name": "p", "protocol": "UDP", "port": 1, "targetPort": "x", "appProtocol": "y",
                "nodePort": 30000}]}
    })
}

fn full_node() -> Value {
    json!({
        "metadata": {"name": "a", "labels": {"topology.kubernetes.io/zone": "z"}},
        "status": {"allocatable": {"cpu": "4"}, "conditions": [{"type": "Ready", "status": "True"}]}
    })
}

fn full_address() -> Value {
    json!({
        "metadata": {"name": "10.0.0.1", "uid": "u", "resourceVersion": "1", "labels": {"k": "v"}, "finalizers": ["f"],
            "annotations": {"quaymaster.io/released-at": "2026-01-01T00:00:00Z"},
            "deletionTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"parentRef": {"group": "g", "resource": "services", "namespace": "x", "name": "a"}}
    })
}

fn full_namespace() -> Value {
    json!({
        "metadata": {"name": "a", "resourceVersion": "1", "labels": {"k": "v", "l": "w"},
            "deletionTimestamp": "2026-01-01T00:00:00Z"}
    })
}

fn full_slice() -> Value {
    json!({
        "metadata": {"name": "a", "namespace": "x", "uid": "u", "resourceVersion": "1", "labels": {"k": "v"},
            "annotations": {"k": "v"}, "finalizers": ["f"], "deletionTimestamp": "2026-01-01T00:00:00Z",
            "ownerReferences": [{"apiVersion": "v1", "kind": "Service", "name": "s", "uid": "u", "controller": true,
                "blockOwnerDeletion": true}]},
        "addressType": "IPv4",
        "ports": [{"name": "p", "protocol": "UDP", "port": 1, "appProtocol": "y"}],
        "endpoints": [{"addresses": ["10.0.0.1"], "hostname": "h", "nodeName": "n", "zone": "z",
            "conditions": {"ready": true, "serving": true, "terminating": true},
            "targetRef": {"kind": "Pod", "namespace": "x", "name": "p", "uid": "u", "apiVersion": "v1",
                "fieldPath": "f"},
            "hints": {"forZones": [{"name": "z"}], "forNodes": [{"name": "n"}]}}]
    })
}

/// Paths of all values in the document, but for the name, without which there is no object.
fn paths(value: &Value, at: &str, out: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value))
            .collect(),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(i, value)| (i.to_string(), value))
            .collect(),
        _ => Vec::new(),
    };
    for (key, child) in children {
        let path = format!("{at}/{key}");
        if path != "/metadata" && path != "/metadata/name" {
            out.push(path.clone());
        }
        paths(child, &path, out);
    }
}

/// Whether a value at this path, null, means the same as none: not for entries of lists and maps.
fn entry_of_list_or_map(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or("");
    last.parse::<usize>().is_ok()
        || ["labels", "annotations", "selector"]
            .iter()
            .any(|map| path.contains(&format!("/{map}/")))
}

fn null_is_as_good_as_absent<R: Record + PartialEq + Debug>(full: &Value) {
    let mut all = Vec::new();
    paths(full, "", &mut all);
    assert!(all.len() > 4, "the document has fields to try");
    for path in all {
        let mut with_null = full.clone();
        *with_null.pointer_mut(&path).unwrap() = Value::Null;
        let nulled = read::<R>(with_null.to_string().as_bytes());
        let nulled = nulled.unwrap_or_else(|error| panic!("null at {path} is readable: {error:?}"));
        if entry_of_list_or_map(&path) {
            continue;
        }
        let (parent, field) = path.rsplit_once('/').unwrap();
        let mut without = full.clone();
        without
            .pointer_mut(parent)
            .unwrap()
            .as_object_mut()
            .unwrap()
            .remove(field);
        let absent = read::<R>(without.to_string().as_bytes()).unwrap();
        assert_eq!(nulled, absent, "null at {path} reads as absent");
        if !matches!(field, "resourceVersion" | "creationTimestamp" | "podIP") {
            let unchanged = read::<R>(full.to_string().as_bytes()).unwrap();
            assert_ne!(nulled, unchanged, "{path} takes part in the record");
        }
    }
}

#[test]
fn null_is_as_good_as_absent_everywhere() {
    null_is_as_good_as_absent::<PodRecord>(&full_pod());
    null_is_as_good_as_absent::<ServiceRecord>(&full_service());
    null_is_as_good_as_absent::<NodeRecord>(&full_node());
    null_is_as_good_as_absent::<SliceRecord>(&full_slice());
    null_is_as_good_as_absent::<IpAddressRecord>(&full_address());
    null_is_as_good_as_absent::<NamespaceRecord>(&full_namespace());
}

/// Every wrong type at every place: an error that names the object, or a record; never a panic, and never a frame
/// that hides which object it was.
fn wrong_types_are_contained<R: Record + Debug>(full: &Value) {
    let decoder = Json::<R>::new(Arc::new(Interner::new()));
    let mut all = Vec::new();
    paths(full, "", &mut all);
    let mut refused = 0;
    for path in &all {
        for wrong in [
            json!(true),
            json!(1),
            json!(-1.5e300),
            json!("text"),
            json!([[]]),
            json!({"a": {"b": 1}}),
        ] {
            let mut object = full.clone();
            *object.pointer_mut(path).unwrap() = wrong;
            let frame = format!(r#"{{"type":"MODIFIED","object":{object}}}"#);
            match decoder
                .frame(frame.as_bytes())
                .expect("a frame around any object is a frame")
            {
                Frame::Object { .. } => {}
                Frame::Unreadable(object) => {
                    refused += 1;
                    if !path.starts_with("/metadata/") {
                        let name = object.key.expect("the name was readable").name;
                        assert_eq!(*name, *full["metadata"]["name"].as_str().unwrap(), "{path}");
                    }
                }
                other => panic!("{other:?} for {path}"),
            }
        }
    }
    assert!(refused > all.len(), "most wrong types are refused");
}

#[test]
fn a_wrong_type_where_it_matters_costs_only_its_object() {
    wrong_types_are_contained::<PodRecord>(&full_pod());
    wrong_types_are_contained::<ServiceRecord>(&full_service());
    wrong_types_are_contained::<NodeRecord>(&full_node());
    wrong_types_are_contained::<SliceRecord>(&full_slice());
    wrong_types_are_contained::<IpAddressRecord>(&full_address());
}

#[test]
fn what_is_not_read_may_be_of_any_type_depth_and_size() {
    // Deep enough to end a reader that recurses into what it skips.
    let deep = "[".repeat(200_000) + &"]".repeat(200_000);
    let long = "9".repeat(10_000);
    for junk in [
        &deep,
        "1e999999",
        &long,
        r#""\ud800""#,
        "-0",
        "true",
        r#"{"a":1,"a":2}"#,
    ] {
        let json = format!(
            r#"{{"junk":{junk},"metadata":{{"managedFields":{junk},"name":"a","annotations":{junk}}},
            "spec":{{"volumes":{junk},"containers":[{{"env":{junk},"ports":[{{"hostPort":{junk},"name":"p"}}]}}]}},
            "status":{{"containerStatuses":{junk},"conditions":[{{"message":{junk}}}]}}}}"#
        );
        let record: PodRecord =
            read(json.as_bytes()).unwrap_or_else(|error| panic!("{error:?} with {junk:.20}"));
        assert_eq!(record.ports[0].name, "p");
    }
}

#[test]
fn a_deeply_nested_value_where_text_belongs_is_an_error_not_an_overflow() {
    let deep = "[".repeat(200_000) + &"]".repeat(200_000);
    let json = format!(r#"{{"metadata":{{"name":{deep}}}}}"#);
    assert!(matches!(
        read::<PodRecord>(json.as_bytes()),
        Err(DecodeError::Json(_))
    ));
}

#[test]
fn numbers_too_large_for_a_port_are_an_error() {
    for number in [
        "2147483648",
        "-2147483649",
        "1e3",
        "80.5",
        "1e400",
        "99999999999999999999",
    ] {
        let pod = format!(
            r#"{{"metadata":{{"name":"a"}},"spec":{{"containers":[{{"ports":[{{"name":"p","containerPort":{number}}}]}}]}}}}"#
        );
        assert!(read::<PodRecord>(pod.as_bytes()).is_err(), "{number}");
        let service =
            format!(r#"{{"metadata":{{"name":"a"}},"spec":{{"ports":[{{"targetPort":{number}}}]}}}}"#);
        assert!(read::<ServiceRecord>(service.as_bytes()).is_err(), "{number}");
    }
}

#[test]
fn a_number_that_is_no_node_port_is_taken_for_none() {
    for (number, port) in [("32767", 32_767), ("0", 0), ("-1", 0), ("65536", 0), ("null", 0)] {
        let service = format!(
            r#"{{"metadata":{{"name":"a"}},"spec":{{"ports":[{{"nodePort":{number}}}],"healthCheckNodePort":{number}}}}}"#
        );
        let record: ServiceRecord = read(service.as_bytes()).unwrap();
        assert_eq!(
            (record.ports[0].node_port, record.health_check_node_port),
            (port, port)
        );
    }
}

/// What serde derives would fill an object's fields from a list.
#[test]
fn a_list_is_not_taken_for_an_object() {
    for pod in [
        r#"[{"name":"a"},{},{}]"#,
        r#"{"metadata":["a"]}"#,
        r#"{"metadata":{"name":"a"},"status":{"podIPs":[["10.0.0.1"]]}}"#,
    ] {
        assert!(
            matches!(read::<PodRecord>(pod.as_bytes()), Err(DecodeError::Json(_))),
            "{pod}"
        );
    }
    let service = br#"{"metadata":{"name":"a","annotations":["Auto"]}}"#;
    assert!(read::<ServiceRecord>(service).is_err());
    let slice = br#"{"metadata":{"name":"a"},"endpoints":[{"targetRef":["Pod"]}]}"#;
    assert!(read::<SliceRecord>(slice).is_err());
}

#[test]
fn of_a_repeated_label_the_last_value_counts() {
    let json =
        br#"{"metadata":{"name":"a","labels":{"k":"1","k":"2"},"annotations":{"k":"1","j":"0","k":"2"}}}"#;
    let record: SliceRecord = read(json).unwrap();
    assert_eq!(record.labels.get("k").map(Text::as_str), Some("2"));
    let annotations: Vec<_> = record
        .annotations
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    assert_eq!(annotations, [("j", "0"), ("k", "2")]);
}

#[test]
fn text_that_is_not_utf_8_is_an_error() {
    assert!(read::<PodRecord>(b"{\"metadata\":{\"name\":\"a\xff\"}}").is_err());
    assert!(read::<SliceRecord>(b"{\"metadata\":{\"name\":\"a\",\"x\":\"\xff\"}}").is_err());
}

proptest! {
    /// Any bytes at all, and documents with some bytes changed.
    #[test]
    fn no_bytes_whatever_make_a_reader_panic(
        noise in prop::collection::vec(any::<u8>(), 0..64),
        slice in generate::slice::slice(),
        at in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let decoder = Json::<SliceRecord>::new(Arc::new(Interner::new()));
        let mut document = serde_json::to_vec(&slice).unwrap();
        prop_assert!(decoder.object(&document[..cut.index(document.len())]).is_err());
        let at = at.index(document.len());
        document.splice(at..at, noise.iter().copied());
        for bytes in [&noise, &document] {
            drop(decoder.object(bytes));
            drop(decoder.page(bytes));
            drop(decoder.frame(bytes));
        }
    }
}
