//! What text becomes, and what is said where it becomes nothing.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

fn spec<T: DeserializeOwned>(spec: Value) -> T {
    serde_json::from_value(spec).unwrap()
}

fn pool(of: Value) -> Result<PoolAddresses, Vec<Problem>> {
    spec::<ServiceIPPoolSpec>(of).addresses()
}

/// The one problem there is, as text.
fn only<T: fmt::Debug>(found: Result<T, Vec<Problem>>) -> String {
    let problems = found.unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems[0].to_string()
}

#[test]
fn a_pool_has_its_networks_ranges_and_exclusions() {
    let found = pool(json!({
        "cidrs": ["10.96.8.0/22", "fd00:10:96:8::/64"],
        "ranges": [{ "first": "10.96.20.10", "last": "10.96.20.50" }],
        "exclude": ["10.96.8.0/28", "10.96.9.1", "fd00:10:96:8::53"],
    }));
    let wanted = PoolAddresses {
        networks: vec![
            "10.96.8.0/22".parse().unwrap(),
            "fd00:10:96:8::/64".parse().unwrap(),
        ],
        ranges: vec!["10.96.20.10".parse().unwrap()..="10.96.20.50".parse().unwrap()],
        exclude: vec![
            "10.96.8.0/28".parse().unwrap(),
            "10.96.9.1/32".parse().unwrap(),
            "fd00:10:96:8::53/128".parse().unwrap(),
        ],
    };
    assert_eq!(found, Ok(wanted));
}

#[test]
fn what_is_wrong_in_a_pool_is_said_with_its_field_and_what_to_do() {
    let range = |first: &str, last: &str| json!({ "ranges": [{ "first": first, "last": last }] });
    for (of, wanted) in [
        (json!({}), "spec: cidrs and ranges are both empty"),
        (
            json!({ "cidrs": ["10.96.8.0"] }),
            "spec.cidrs[0]: \"10.96.8.0\" is no network",
        ),
        (
            json!({ "cidrs": ["10.96.9.0/22"] }),
            "spec.cidrs[0]: \"10.96.9.0/22\" is not in canonical form: write 10.96.8.0/22",
        ),
        (
            json!({ "cidrs": ["fd00:0:0::/64"] }),
            "spec.cidrs[0]: \"fd00:0:0::/64\" is not in canonical form: write fd00::/64",
        ),
        (
            json!({ "cidrs": ["10.96.8.0/024"] }),
            "spec.cidrs[0]: \"10.96.8.0/024\" is",
        ),
        (
            json!({ "cidrs": ["::ffff:10.96.8.0/120"] }),
            "spec.cidrs[0]: \"::ffff:10.96.8.0/120\" is IPv4 in the form of IPv6",
        ),
        (
            json!({ "cidrs": ["10.96.8.0/31"] }),
            "spec.cidrs[0]: 10.96.8.0/31 has no address",
        ),
        (
            json!({ "cidrs": ["fd00::/63"] }),
            "spec.cidrs[0]: fd00::/63 has no address",
        ),
        (
            json!({ "cidrs": ["fd00::/127"] }),
            "spec.cidrs[0]: fd00::/127 has no address",
        ),
        (
            json!({ "cidrs": ["10.0.0.0/8"], "exclude": ["10.0.0.1", "ten"] }),
            "spec.exclude[1]: \"ten\" is no address",
        ),
        (
            json!({ "cidrs": ["10.0.0.0/8"], "exclude": ["10.0.0.1/24"] }),
            "spec.exclude[0]: \"10.0.0.1/24\" is not in canonical form: write 10.0.0.0/24",
        ),
        (
            range("10.96.8.1", "10.96.8"),
            "spec.ranges[0].last: \"10.96.8\" is no address",
        ),
        (
            range("fd00:0::1", "fd00::2"),
            "spec.ranges[0].first: \"fd00:0::1\" is not in canonical form: write fd00::1",
        ),
        (range("10.96.8.9", "10.96.8.10"), ""),
        (
            range("10.96.8.10", "10.96.8.9"),
            "spec.ranges[0]: first is larger than last",
        ),
        (
            range("10.96.8.1", "fd00::1"),
            "spec.ranges[0]: is of two families",
        ),
        (
            range("fd00::1", "fd00:0:0:1::"),
            "spec.ranges[0]: lies in more than one /64",
        ),
        (
            json!({ "cidrs": ["10.0.0.0/8"], "thresholds": { "warnPercent": 99 } }),
            "spec.thresholds: criticalPercent is smaller",
        ),
        (
            json!({ "cidrs": ["10.0.0.0/8"], "namespaceSelector": { "matchExpressions": [
                { "key": "a", "operator": "Exists" }, { "key": "a", "operator": "In" },
            ] } }),
            "spec.namespaceSelector.matchExpressions[1]: has no values",
        ),
        (
            json!({ "cidrs": ["10.0.0.0/8"], "serviceSelector": { "matchExpressions": [
                { "key": "a", "operator": "Exists", "values": ["b"] },
            ] } }),
            "spec.serviceSelector.matchExpressions[0]: has values",
        ),
    ] {
        let found = pool(of.clone());
        if wanted.is_empty() {
            assert!(found.is_ok(), "{of}: {found:?}");
        } else {
            let problem = only(found);
            assert!(problem.starts_with(wanted), "{of}: {problem}");
        }
    }
}

#[test]
fn words_of_a_newer_version_are_read_and_told_with_their_fields() {
    let word = "FromTheFuture";
    let policy = json!({
        "state": word, "strategy": word, "consistency": word, "onExhausted": word,
        "quarantine": { "enforce": word },
        "serviceSelector": { "matchExpressions": [{ "key": "a", "operator": word }] },
    });
    let with = |mut spec: Value| {
        for (field, value) in policy.as_object().unwrap() {
            spec[field] = value.clone();
        }
        spec
    };
    let fields = |problems: Vec<Problem>| -> Vec<String> {
        assert!(
            problems.iter().all(|problem| problem.message.contains("newer")),
            "{problems:?}"
        );
        let mut fields: Vec<String> = problems.into_iter().map(|problem| problem.field).collect();
        fields.sort();
        fields
    };
    let common = |more: &[&str]| {
        let mut fields: Vec<String> = [
            "spec.consistency",
            "spec.onExhausted",
            "spec.quarantine.enforce",
            "spec.serviceSelector.matchExpressions[0].operator",
            "spec.state",
            "spec.strategy",
        ]
        .iter()
        .chain(more)
        .map(|field| (*field).to_owned())
        .collect();
        fields.sort();
        fields
    };
    let found = pool(with(json!({ "cidrs": ["10.0.0.0/8"], "usage": word })));
    assert_eq!(fields(found.unwrap_err()), common(&["spec.usage"]));
    let ports: NodePortPoolSpec = spec(with(
        json!({ "ranges": [{ "first": 1, "last": 2 }], "use": ["NodePort", word] }),
    ));
    assert_eq!(fields(ports.ports().unwrap_err()), common(&["spec.use[1]"]));
    let reservation: ServiceReservationSpec = spec(json!({ "serviceName": "db", "enforce": word }));
    assert_eq!(fields(reservation.addresses().unwrap_err()), ["spec.enforce"]);
}

#[test]
fn a_word_that_is_not_known_is_never_written() {
    let unknown: ServiceIPPoolSpec = spec(json!({ "state": "FromTheFuture" }));
    assert!(serde_json::to_value(&unknown).is_err());
}

#[test]
fn a_pool_of_ports_has_its_ranges_and_exclusions() {
    let found: NodePortPoolSpec = spec(json!({
        "ranges": [{ "first": 30_000, "last": 30_100 }, { "first": 31_000, "last": 31_000 }],
        "exclude": [{ "first": 30_005, "last": 30_009 }],
    }));
    let wanted = PoolPorts {
        ranges: vec![30_000..=30_100, 31_000..=31_000],
        exclude: vec![30_005..=30_009],
    };
    assert_eq!(found.ports(), Ok(wanted));
}

#[test]
fn what_is_wrong_in_a_pool_of_ports_is_said_with_its_field() {
    for (of, wanted) in [
        (json!({ "ranges": [] }), "spec.ranges: is empty"),
        (
            json!({ "ranges": [{ "first": 0, "last": 5 }] }),
            "spec.ranges[0]: first is 0",
        ),
        (
            json!({ "ranges": [{ "first": 6, "last": 5 }] }),
            "spec.ranges[0]: first, 6, is larger than last, 5",
        ),
        (
            json!({ "ranges": [{ "first": 1, "last": 5 }], "exclude": [{ "first": 1, "last": 1 }, { "first": 2, "last": 1 }] }),
            "spec.exclude[1]: first, 2, is larger",
        ),
    ] {
        let problem = only(spec::<NodePortPoolSpec>(of).ports());
        assert!(problem.starts_with(wanted), "{problem}");
    }
}

#[test]
fn a_reservation_has_one_address_of_each_family() {
    let reservation = |rest: Value| {
        let mut all = json!({ "serviceName": "db" });
        for (field, value) in rest.as_object().unwrap() {
            all[field] = value.clone();
        }
        spec::<ServiceReservationSpec>(all).addresses()
    };
    let both = reservation(json!({ "clusterIPs": ["fd00::1", "10.96.8.1"] }));
    assert_eq!(
        both,
        Ok(vec!["fd00::1".parse().unwrap(), "10.96.8.1".parse().unwrap()])
    );
    for (rest, wanted) in [
        (
            json!({ "clusterIPs": ["10.96.8.1", "10.96.8.2"] }),
            "spec.clusterIPs: has two addresses of one family",
        ),
        (
            json!({ "clusterIPs": ["fd00::1", "fd00::2"] }),
            "spec.clusterIPs: has two addresses of one family",
        ),
        (
            json!({ "clusterIPs": ["None"] }),
            "spec.clusterIPs[0]: \"None\" is no address",
        ),
        (
            json!({ "nodePorts": [{ "nodePort": 0 }] }),
            "spec.nodePorts[0].nodePort: is 0",
        ),
        (
            json!({ "nodePorts": [{ "nodePort": 30_001 }], "healthCheckNodePort": 30_001 }),
            "spec.nodePorts[0].nodePort: is healthCheckNodePort as well",
        ),
    ] {
        let problem = only(reservation(rest));
        assert!(problem.starts_with(wanted), "{problem}");
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let problems = pool(json!({ "cidrs": ["a", "10.0.0.0/8", "b"], "exclude": ["c"] })).unwrap_err();
    let fields: Vec<&str> = problems.iter().map(|problem| &*problem.field).collect();
    assert_eq!(fields, ["spec.cidrs[0]", "spec.cidrs[2]", "spec.exclude[0]"]);
}
