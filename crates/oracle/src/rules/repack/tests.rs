//! Digests that upstream's own printing library gives, and the rules of repacking one by one.

use serde_json::{Value, json};

use super::*;

fn subset(value: Value) -> EndpointSubset {
    serde_json::from_value(value).unwrap()
}

fn repacked(subsets: &[Value]) -> Vec<Value> {
    let subsets: Vec<EndpointSubset> = subsets.iter().cloned().map(subset).collect();
    let packed = repack(&subsets, PortHash::Fnv1a128);
    packed
        .iter()
        .map(|subset| serde_json::to_value(subset).unwrap())
        .collect()
}

fn hex(text: &str) -> String {
    let digest = PortHash::Fnv1a128.digest(text);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn ports_and_subsets_have_upstreams_digests() {
    let port = |value: Value| {
        let port: EndpointPort = serde_json::from_value(value).unwrap();
        hex(&format!("(v1.EndpointPort){}", port_text(&port)))
    };
    assert_eq!(
        port(json!({"port": 8080, "protocol": "UDP"})),
        "59aa40b466adb81c6e00232f1f0ba361"
    );
    assert_eq!(
        port(json!({"port": 8080, "protocol": "TCP"})),
        "b09ff368df0fc81442c7b7a3ab2dbca5"
    );
    assert_eq!(
        port(json!({"name": "a", "port": 8080, "protocol": "TCP", "appProtocol": "h2c"})),
        "1e44b58f763fd9d19de85182a3ae27b2"
    );
    let two = subset(json!({
        "addresses": [
            {
                "ip": "1.2.3.4", "nodeName": "n1",
                "targetRef": {"kind": "Pod", "namespace": "ns", "name": "pod1", "uid": "u"},
            },
            {"ip": "1.2.3.5"},
        ],
        "ports": [
            {"name": "a", "port": 8080, "protocol": "TCP"},
            {"name": "b", "port": 8081, "protocol": "TCP"},
        ],
    }));
    assert_eq!(hex(&subset_text(&two)), "81b9f4372d9fdf10da49647eec3682cd");
}

#[test]
fn subsets_of_the_same_ports_merge_and_ports_of_the_same_addresses_do() {
    let http = json!({"name": "http", "port": 80, "protocol": "TCP"});
    let dns = json!({"name": "dns", "port": 53, "protocol": "UDP"});
    let merged = repacked(&[
        json!({"addresses": [{"ip": "10.0.0.2"}], "ports": [http]}),
        json!({"addresses": [{"ip": "10.0.0.10"}], "ports": [http]}),
        json!({"addresses": [{"ip": "10.0.0.2"}, {"ip": "10.0.0.10"}], "ports": [dns]}),
    ]);
    assert_eq!(merged.len(), 1, "{merged:?}");
    assert_eq!(
        merged[0]["addresses"],
        json!([{"ip": "10.0.0.10"}, {"ip": "10.0.0.2"}]),
        "by text"
    );
    assert_eq!(merged[0]["ports"].as_array().unwrap().len(), 2);
}

#[test]
fn not_ready_goes_before_ready_and_the_first_of_an_address_supplies_its_fields() {
    let port = json!([{"port": 80, "protocol": "TCP"}]);
    let packed = repacked(&[
        json!({"addresses": [{"ip": "10.0.0.1", "hostname": "first"}], "ports": port}),
        json!({"notReadyAddresses": [{"ip": "10.0.0.1", "hostname": "second"}], "ports": port}),
    ]);
    assert_eq!(
        packed,
        [json!({"notReadyAddresses": [{"ip": "10.0.0.1", "hostname": "first"}], "ports": port})]
    );
}

#[test]
fn addresses_are_told_by_the_uid_of_their_target_as_well_and_those_without_come_first() {
    let address = |uid: &str| json!({"ip": "10.0.0.1", "targetRef": {"kind": "Pod", "uid": uid}});
    let packed =
        repacked(&[json!({"addresses": [address("b"), address("a"), {"ip": "10.0.0.1"}, address("a")]})]);
    assert_eq!(
        packed,
        [json!({"addresses": [{"ip": "10.0.0.1"}, address("a"), address("b")]})]
    );
}

#[test]
fn a_subset_without_ports_stays_unless_a_port_has_the_same_addresses() {
    let bare = json!({"addresses": [{"ip": "10.0.0.1"}]});
    let port = json!([{"port": 80, "protocol": "TCP"}]);
    let with_port = json!({"addresses": [{"ip": "10.0.0.1"}], "ports": port});
    assert_eq!(repacked(std::slice::from_ref(&bare)), [bare.clone()]);
    assert_eq!(repacked(&[bare, with_port.clone()]), [with_port]);
}

#[test]
fn subsets_that_were_read_stay_apart_where_their_ports_name_an_application_protocol() {
    let ports = json!([{"port": 80, "protocol": "TCP", "appProtocol": "http"}]);
    let subsets = [
        json!({"addresses": [{"ip": "10.0.0.1"}], "ports": ports}),
        json!({"addresses": [{"ip": "10.0.0.2"}], "ports": ports}),
    ];
    assert_eq!(repacked(&subsets).len(), 2);
    let shared = subsets.iter().cloned().map(|value| Origin {
        subset: subset(value),
        pointers: vec![7],
    });
    let shared: Vec<Origin> = shared.collect();
    assert_eq!(
        repack_origins(&shared, PortHash::Fnv1a128).len(),
        1,
        "one pointer of a Service's port"
    );
}
