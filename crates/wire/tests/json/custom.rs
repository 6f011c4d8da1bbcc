//! Custom resources.

use std::sync::Arc;

use quaymaster_api::{
    AllocationClaimSpec, Count, ServiceIPPoolSpec, ServiceIPPoolStatus, ServiceReservationSpec,
    ServiceReservationStatus, State,
};
use quaymaster_model::{CustomRecord, Interner, ObjectKey, Text, Timestamp};
use quaymaster_wire::json::Json;
use quaymaster_wire::{DecodeError, Frame};
use serde::de::IgnoredAny;
use serde_json::{Value, json};

type Pool = CustomRecord<ServiceIPPoolSpec, ServiceIPPoolStatus>;
type Reservation = CustomRecord<ServiceReservationSpec, ServiceReservationStatus>;
type Claim = CustomRecord<AllocationClaimSpec, IgnoredAny>;

fn decoder() -> Json<Pool> {
    Json::new(Arc::new(Interner::new()))
}

fn read(object: &Value) -> Result<Pool, DecodeError> {
    decoder().object(object.to_string().as_bytes())
}

fn pool(name: &str) -> Value {
    json!({
        "apiVersion": "quaymaster.io/v1alpha1",
        "kind": "ServiceIPPool",
        "metadata": {
            "name": name,
            "uid": "u",
            "resourceVersion": "7",
            "generation": 3,
            "creationTimestamp": "1970-01-01T00:01:00Z",
            "deletionTimestamp": "1970-01-01T00:02:00Z",
            "finalizers": ["quaymaster.io/pool"],
            "managedFields": [{ "manager": "kubectl" }],
        },
        "spec": { "usage": "ClusterIP", "cidrs": ["10.96.8.0/24"], "priority": 5, "state": "Draining" },
        "status": {
            "observedGeneration": 2,
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "Valid", "message": "", "observedGeneration": 2,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }],
            "ipv4": { "capacity": "254", "used": "1", "free": "253" },
        },
    })
}

#[test]
fn metadata_spec_and_status_are_kept() {
    let record = read(&pool("blue")).unwrap();
    assert_eq!(record.key, ObjectKey::new("".into(), "blue".into()));
    assert_eq!(
        (record.uid.to_string(), record.resource_version.to_string()),
        ("u".to_owned(), "7".to_owned())
    );
    assert_eq!(record.generation, 3);
    assert_eq!(
        (record.created, record.deleted),
        (Some(Timestamp(60)), Some(Timestamp(120)))
    );
    assert_eq!(record.finalizers, [Text::new("quaymaster.io/pool")]);
    assert_eq!(record.spec.cidrs, ["10.96.8.0/24"]);
    assert_eq!(
        (record.spec.policy.priority, record.spec.policy.state),
        (5, State::Draining)
    );
    assert_eq!(record.status.observed_generation, Some(2));
    assert_eq!(record.status.conditions[0].type_, "Ready");
    assert_eq!(record.status.ipv4.unwrap().capacity, Count(254));
    assert_eq!(record.clone(), record);
    assert!(Arc::ptr_eq(&record.clone().spec, &record.spec));
}

#[test]
fn what_is_absent_or_null_of_metadata_and_status_is_a_default() {
    for spare in [Value::Null, json!({})] {
        let record = read(&json!({ "metadata": { "name": "a" }, "spec": {}, "status": spare })).unwrap();
        assert_eq!(*record.status, ServiceIPPoolStatus::default());
        assert_eq!(*record.spec, ServiceIPPoolSpec::default());
        assert_eq!(
            (record.generation, record.created, record.deleted),
            (0, None, None)
        );
    }
    let nulls = json!({
        "metadata": { "name": "a", "generation": null, "finalizers": null, "creationTimestamp": null },
        "spec": {},
    });
    assert_eq!(
        read(&nulls).unwrap(),
        read(&json!({ "metadata": { "name": "a" }, "spec": {} })).unwrap()
    );
}

/// Who writes the status makes it anew, and must see the object to do so.
#[test]
fn a_status_that_cannot_be_read_is_none_and_costs_nothing_else() {
    for status in [
        json!(7),
        json!([]),
        json!({ "ipv4": 1 }),
        json!({ "conditions": "none" }),
    ] {
        let mut object = pool("blue");
        object["status"] = status;
        let record = read(&object).unwrap();
        assert_eq!(*record.status, ServiceIPPoolStatus::default());
        assert_eq!(record.spec.cidrs.len(), 1);
    }
}

#[test]
fn a_word_of_a_newer_version_does_not_make_an_object_unreadable() {
    let mut object = pool("blue");
    object["spec"]["state"] = json!("Resting");
    object["spec"]["newer"] = json!({ "field": 1 });
    assert_eq!(read(&object).unwrap().spec.policy.state, State::Unknown);
}

#[test]
fn an_object_whose_spec_cannot_be_read_is_named_and_costs_only_itself() {
    let mut broken = pool("broken");
    broken["spec"]["cidrs"] = json!(7);
    let mut bare = pool("bare");
    bare.as_object_mut().unwrap().remove("spec");
    let list = json!({
        "kind": "ServiceIPPoolList",
        "metadata": { "resourceVersion": "9" },
        "items": [pool("a"), broken, bare, pool("b")],
    });
    let page = decoder().page(list.to_string().as_bytes()).unwrap();
    let names: Vec<&str> = page
        .records
        .iter()
        .map(|record| record.key.name.as_str())
        .collect();
    assert_eq!(names, ["a", "b"]);
    let unreadable: Vec<String> = page
        .unreadable
        .iter()
        .map(|object| object.key.as_ref().unwrap().name.to_string())
        .collect();
    assert_eq!(unreadable, ["broken", "bare"]);
    assert!(page.unreadable[1].error.to_string().contains("JSON"));

    let frame = format!(r#"{{"type":"MODIFIED","object":{broken}}}"#);
    let frame = decoder().frame(frame.as_bytes()).unwrap();
    let Frame::Unreadable(object) = frame else {
        panic!("it cannot be read: {frame:?}");
    };
    assert_eq!(*object.key.unwrap().name, *"broken");
    assert!(matches!(read(&json!({ "spec": {} })), Err(DecodeError::NoName)));
}

#[test]
fn those_in_namespaces_and_those_without_a_status_are_read_alike() {
    let reservation = json!({
        "metadata": { "name": "web", "namespace": "shop" },
        "spec": { "serviceName": "web", "clusterIPs": ["10.96.8.9"] },
    });
    let record = Json::<Reservation>::new(Arc::new(Interner::new()))
        .object(reservation.to_string().as_bytes())
        .unwrap();
    assert_eq!(record.key.to_string(), "shop/web");
    assert_eq!(record.spec.cluster_ips, ["10.96.8.9"]);
    let claim = json!({
        "metadata": { "name": "np-30053" },
        "spec": { "namespace": "shop", "generateName": "web-", "requestUID": "r", "replica": "a", "secondsToLive": 75 },
        "status": { "odd": true },
    });
    let record = Json::<Claim>::new(Arc::new(Interner::new()))
        .object(claim.to_string().as_bytes())
        .unwrap();
    assert_eq!(record.spec.generate_name.as_deref(), Some("web-"));
}
