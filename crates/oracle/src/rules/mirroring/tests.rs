//! Rules of the mirroring controller, one by one.

use serde_json::{Value, json};

use super::*;

const CONFIG: Config = Config {
    max_endpoints_per_subset: 1000,
    minor: 37,
};

fn endpoints(change: Value) -> Endpoints {
    let mut value = json!({
        "metadata": {"namespace": "ns", "name": "web", "uid": "e", "labels": {"team": "red"}},
        "subsets": [{
            "addresses": [{"ip": "10.0.0.1"}],
            "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
        }],
    });
    merge(&mut value, change);
    serde_json::from_value(value).unwrap()
}

fn merge(into: &mut Value, change: Value) {
    match change {
        Value::Object(fields) => {
            for (name, value) in fields {
                merge(&mut into[name], value);
            }
        }
        other => *into = other,
    }
}

fn service(spec: Value) -> Service {
    serde_json::from_value(json!({"metadata": {"namespace": "ns", "name": "web"}, "spec": spec})).unwrap()
}

fn plain() -> Service {
    service(json!({}))
}

fn sync(endpoints: &Endpoints, existing: &[EndpointSlice]) -> Outcome {
    reconcile("web", Some(endpoints), Some(&plain()), existing, CONFIG)
}

/// The slices after a sync; those that are created get names.
fn after(existing: &[EndpointSlice], outcome: &Outcome) -> Vec<EndpointSlice> {
    let mut slices: BTreeMap<String, EndpointSlice> = existing
        .iter()
        .map(|slice| (name(slice), slice.clone()))
        .collect();
    for (index, write) in outcome.writes.iter().enumerate() {
        match write {
            Write::Create(slice) => {
                let mut slice = slice.clone();
                slice.metadata.name = Some(format!("web-new{index}"));
                _ = slices.insert(name(&slice), slice);
            }
            Write::Update(slice) => _ = slices.insert(name(slice), slice.clone()),
            Write::Delete(slice) => _ = slices.remove(&name(slice)),
        }
    }
    slices.into_values().collect()
}

/// Numbers of creates, updates and deletes.
fn calls(outcome: &Outcome) -> [usize; 3] {
    [
        outcome.creates().len(),
        outcome.updates().len(),
        outcome.deletes().len(),
    ]
}

#[test]
fn an_address_becomes_an_endpoint_of_which_only_readiness_is_told() {
    let reference = json!({"kind": "VM", "name": "one", "resourceVersion": "7", "fieldPath": "spec.x"});
    let made = endpoints(json!({
        "metadata": {"annotations": {names::LAST_APPLIED: "{}", names::TRIGGER_TIME: "t", "note": "n"}},
        "subsets": [{
            "addresses": [{"ip": "::ffff:10.0.0.1", "hostname": "one", "nodeName": "n", "targetRef": reference}],
            "notReadyAddresses": [{"ip": "fd00::0:2"}],
            "ports": [{"port": 80, "protocol": "TCP", "appProtocol": "http"}],
        }],
    }));
    let slices = after(&[], &sync(&made, &[]));
    assert_eq!(slices.len(), 2, "one of each family");
    let first = serde_json::to_value(&slices[0]).unwrap();
    assert_eq!(
        first["endpoints"],
        json!([{
            "addresses": ["10.0.0.1"], "conditions": {"ready": true}, "hostname": "one", "nodeName": "n",
            "targetRef": reference,
        }])
    );
    assert_eq!(
        first["ports"],
        json!([{"name": "", "port": 80, "protocol": "TCP", "appProtocol": "http"}])
    );
    assert_eq!(first["metadata"]["annotations"], json!({"note": "n"}));
    assert_eq!(
        first["metadata"]["labels"],
        json!({"team": "red", names::SERVICE_NAME: "web", names::SLICE_MANAGED_BY: names::MIRRORING_CONTROLLER})
    );
    assert_eq!(first["metadata"]["ownerReferences"][0]["kind"], "Endpoints");
    let second = &slices[1].endpoints.as_ref().unwrap()[0];
    assert_eq!(
        (
            second.addresses.as_slice(),
            second.conditions.as_ref().unwrap().ready
        ),
        (&["fd00::2".to_owned()][..], Some(false))
    );
}

#[test]
fn a_sync_over_its_own_result_writes_nothing_and_no_addresses_leave_no_slice() {
    let made = endpoints(json!({}));
    let slices = after(&[], &sync(&made, &[]));
    assert_eq!(calls(&sync(&made, &slices)), [0, 0, 0]);
    assert_eq!(
        calls(&sync(&endpoints(json!({"subsets": null})), &slices)),
        [0, 0, 1]
    );
}

#[test]
fn what_is_not_mirrored_has_its_slices_deleted_and_those_of_others_stay() {
    let made = endpoints(json!({}));
    let mut slices = after(&[], &sync(&made, &[]));
    let mut other = slices[0].clone();
    other.metadata.name = Some("other".to_owned());
    other
        .metadata
        .labels
        .get_or_insert_default()
        .insert(names::SLICE_MANAGED_BY.to_owned(), "other".to_owned());
    slices.push(other);
    let gone = |endpoints: Option<&Endpoints>, service: Option<&Service>| {
        calls(&reconcile("web", endpoints, service, &slices, CONFIG))
    };
    assert_eq!(gone(None, Some(&plain())), [0, 0, 1]);
    assert_eq!(gone(Some(&made), None), [0, 0, 1]);
    assert_eq!(
        gone(Some(&made), Some(&service(json!({"selector": {"a": "b"}})))),
        [0, 0, 1]
    );
    let skipped = endpoints(json!({"metadata": {"labels": {names::SKIP_MIRROR: "true"}}}));
    assert_eq!(gone(Some(&skipped), Some(&plain())), [0, 0, 1]);
    let kept = endpoints(json!({"metadata": {"labels": {names::SKIP_MIRROR: "false"}}}));
    assert_eq!(
        gone(Some(&kept), Some(&plain())),
        [0, 1, 0],
        "the label differs, and it is mirrored"
    );
    let lock = endpoints(json!({"metadata": {"annotations": {names::LEADER: ""}}}));
    assert_eq!(gone(Some(&lock), Some(&plain())), [0, 0, 1]);
}

#[test]
fn other_ports_recycle_the_slice_of_the_same_family() {
    let dual = |port: i32| {
        endpoints(json!({"subsets": [{
            "addresses": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}],
            "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
        }]}))
    };
    let slices = after(&[], &sync(&dual(80), &[]));
    let outcome = sync(&dual(81), &slices);
    assert_eq!(calls(&outcome), [0, 2, 0]);
    let families = |slices: &[EndpointSlice]| -> Vec<_> {
        slices
            .iter()
            .map(|slice| (name(slice), slice.address_type.clone()))
            .collect()
    };
    assert_eq!(families(&after(&slices, &outcome)), families(&slices));
}

#[test]
fn of_several_slices_of_a_group_one_stays() {
    let made = endpoints(json!({}));
    let mut slices = after(&[], &sync(&made, &[]));
    let mut twin = slices[0].clone();
    twin.metadata.name = Some("twin".to_owned());
    slices.push(twin);
    assert_eq!(calls(&sync(&made, &slices)), [0, 0, 1]);
}

#[test]
fn what_others_change_is_put_right_but_for_hints_and_a_missing_owner() {
    let made = endpoints(json!({}));
    let slices = after(&[], &sync(&made, &[]));
    for (change, updates) in [
        (json!({"metadata": {"labels": {"foreign": "x"}}}), 1),
        (json!({"metadata": {"annotations": {"foreign": "x"}}}), 1),
        (
            json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Endpoints", "name": "web", "uid": "old"}]}}),
            1,
        ),
        (json!({"metadata": {"ownerReferences": null}}), 0),
        (
            json!({"endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": false}}]}),
            1,
        ),
        (
            json!({"endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": true}, "zone": "a"}]}),
            1,
        ),
        (
            json!({"endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": true}, "hints": {"forZones": [{"name": "a"}]}}]}),
            0,
        ),
        (json!({"endpoints": []}), 1),
    ] {
        let mut value = serde_json::to_value(&slices[0]).unwrap();
        merge(&mut value, change.clone());
        let edited: EndpointSlice = serde_json::from_value(value).unwrap();
        assert_eq!(calls(&sync(&made, &[edited])), [0, updates, 0], "{change}");
    }
}

#[test]
fn labels_that_slices_reserve_are_overwritten_and_make_every_sync_write() {
    let made = endpoints(
        json!({"metadata": {"labels": {names::SERVICE_NAME: "db", names::SLICE_MANAGED_BY: "me"}}}),
    );
    let slices = after(&[], &sync(&made, &[]));
    assert_eq!(
        slices[0].metadata.labels.as_ref().unwrap()[names::SERVICE_NAME],
        "web"
    );
    assert_eq!(calls(&sync(&made, &slices)), [0, 1, 0]);
}

#[test]
fn more_addresses_than_a_subset_may_have_are_left_out_with_an_event() {
    let addresses: Vec<Value> = (1..=4)
        .map(|last| json!({"ip": format!("10.0.0.{last}")}))
        .collect();
    let made =
        endpoints(json!({"subsets": [{"addresses": addresses, "notReadyAddresses": [{"ip": "fd00::1"}]}]}));
    let config = Config {
        max_endpoints_per_subset: 3,
        ..CONFIG
    };
    let outcome = reconcile("web", Some(&made), Some(&plain()), &[], config);
    assert_eq!(outcome.creates()[0].endpoints.as_ref().unwrap().len(), 3);
    assert_eq!(calls(&outcome), [1, 0, 0]);
    assert_eq!(
        outcome.events[0].message,
        "A max of 3 addresses can be mirrored to EndpointSlices per Endpoints subset. 2 addresses were skipped"
    );
}

#[test]
fn subsets_with_an_application_protocol_stay_apart_and_come_together_in_one_slice() {
    let subset = |ip: &str, list: &str| json!({list: [{"ip": ip}], "ports": [{"port": 80, "protocol": "TCP", "appProtocol": "http"}]});
    let made =
        endpoints(json!({"subsets": [subset("10.0.0.1", "addresses"), subset("10.0.0.2", "addresses")]}));
    let one = Config {
        max_endpoints_per_subset: 1,
        ..CONFIG
    };
    let wanted = desired(&made, one);
    assert!(wanted.overfull);
    assert_eq!((wanted.skipped, wanted.as_slices(&made, one).len()), (0, 1));
    assert!(!desired(&made, CONFIG).overfull);
}
