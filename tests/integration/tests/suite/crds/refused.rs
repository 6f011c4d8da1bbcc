//! Objects that are not valid: refused with the field, and what to do.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::{Value, json};

use super::{served, tried};
use crate::harness::{Minor, alone_on_each_minor};

alone_on_each_minor!(
    what_is_not_valid_is_refused_with_its_field_and_what_to_do,
    ends_of_ranges_are_compared_as_numbers
);

/// A pair for each bit in which two addresses may differ first, in both orders.
async fn ends_of_ranges_are_compared_as_numbers(minor: Minor) {
    let (_plane, client) = served(minor).await;
    // Digits without a pattern, always the same.
    let mut noise = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        noise = noise
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        noise ^ (noise >> 32)
    };
    let mut pairs: Vec<(IpAddr, IpAddr)> = Vec::new();
    for bit in 0..64 {
        let (low, high) = split(next(), next(), bit);
        let address =
            |bits: u64| Ipv6Addr::from((0xfd00_0010_0096_0008_u128 << 64) | u128::from(bits)).into();
        pairs.push((address(low), address(high)));
    }
    for bit in 0..32 {
        let (low, high) = split(next() >> 32, next() >> 32, bit);
        let address = |bits: u64| Ipv4Addr::from(u32::try_from(bits).unwrap()).into();
        pairs.push((address(low), address(high)));
    }
    for (low, high) in pairs {
        let range = |first: IpAddr, last: IpAddr| json!({ "ranges": [{ "first": first, "last": last }] });
        let taken = tried(&client, "ServiceIPPool", &range(low, high)).await;
        assert!(taken.is_ok(), "{low} to {high}: {taken:?}");
        let refusal = tried(&client, "ServiceIPPool", &range(high, low))
            .await
            .unwrap_err();
        assert!(refusal.contains("exchange them"), "{high} to {low}: {refusal}");
    }
}

/// Two numbers, the smaller first, that differ in this bit, and as they like in those below it.
fn split(one: u64, other: u64, bit: u32) -> (u64, u64) {
    let below = (1_u64 << bit) - 1;
    let above = one & !below & !(1 << bit);
    (above | (one & below), above | (1 << bit) | (other & below))
}

async fn what_is_not_valid_is_refused_with_its_field_and_what_to_do(minor: Minor) {
    let (_plane, client) = served(minor).await;
    for (kind, spec, field, words) in invalid() {
        let Err(message) = tried(&client, kind, &spec).await else {
            panic!("{kind} {spec} was taken");
        };
        assert!(
            message.contains(&format!("{field}: ")) && message.contains(words),
            "{kind} {spec} was not refused for {field} with {words:?}: {message}"
        );
    }
}

/// A kind, a spec of it, the field that it is refused for, and words of the message.
type Case = (&'static str, Value, &'static str, &'static str);

fn invalid() -> Vec<Case> {
    [
        networks(),
        exclusions(),
        ranges(),
        policies(),
        ports(),
        reservations(),
        claims(),
    ]
    .concat()
}

const POOL: &str = "ServiceIPPool";

fn networks() -> Vec<Case> {
    let field = "spec.cidrs[1]";
    let cases = [
        ("10.96.8.0", "must be a network such as"),
        ("ten", "must be a network such as"),
        ("", "at least 1 chars long"),
        ("10.96.8.0/33", "must be a network such as"),
        ("10.96.08.0/24", "must be a network such as"),
        ("::ffff:10.96.8.0/120", "must be a network such as"),
        ("10.96.9.0/22", "write 10.96.8.0/22"),
        ("fd00:10:96:0:0::/64", "write fd00:10:96::/64"),
        ("FD00::/64", "write fd00::/64"),
        ("10.96.8.0/31", "/30 or larger"),
        ("10.96.8.0/32", "/30 or larger"),
        ("fd00::/63", "from /64 to /126"),
        ("fd00::/127", "from /64 to /126"),
        ("10.96.0.0/24", "Duplicate value"),
    ];
    let mut all: Vec<Case> = cases
        .map(|(cidr, words)| (POOL, json!({ "cidrs": ["10.96.0.0/24", cidr] }), field, words))
        .into();
    all.push((POOL, json!({}), "spec", "say which addresses"));
    all.push((
        POOL,
        json!({ "cidrs": [], "ranges": [] }),
        "spec",
        "say which addresses",
    ));
    all
}

fn exclusions() -> Vec<Case> {
    let spec = |excluded: &str| json!({ "cidrs": ["10.96.0.0/24"], "exclude": [excluded] });
    [
        ("10.96.8.0/33", "must be an address such as"),
        ("10.96.8.1/28", "write 10.96.8.0/28"),
        ("fd00:0::51", "write fd00::51"),
    ]
    .map(|(excluded, words)| (POOL, spec(excluded), "spec.exclude[0]", words))
    .into()
}

fn ranges() -> Vec<Case> {
    let (range, first, last) = ("spec.ranges[0]", "spec.ranges[0].first", "spec.ranges[0].last");
    let cases = [
        ("10.96.8.1", "ten", last, "must be an address such as"),
        ("10.96.8.1/32", "10.96.8.2", first, "must be an address such as"),
        ("fd00:0::1", "fd00::2", first, "write fd00::1"),
        ("10.96.8.1", "fd00::2", range, "make a range of each"),
        ("10.96.8.10", "10.96.8.9", range, "exchange them"),
        ("100.0.0.0", "20.0.0.0", range, "exchange them"),
        ("fd00::10", "fd00::9", range, "exchange them"),
        ("fd00::1:0", "fd00::ffff", range, "exchange them"),
        ("1:2:3:4:5:6:7:9", "1:2:3:4:5:6:7:8", range, "exchange them"),
        ("fd00::ffff", "fd00:0:0:1::", range, "cut it into several"),
    ];
    let spec = |first: &str, last: &str| json!({ "ranges": [{ "first": first, "last": last }] });
    let mut all: Vec<Case> = cases
        .map(|(first, last, field, words)| (POOL, spec(first, last), field, words))
        .into();
    all.push((
        POOL,
        json!({ "ranges": [{ "first": "10.96.8.1" }] }),
        last,
        "Required value",
    ));
    all
}

fn policies() -> Vec<Case> {
    let pool = POOL;
    let with = |field: &str, value: Value| {
        let mut spec = json!({ "cidrs": ["10.96.0.0/24"] });
        spec[field] = value;
        spec
    };
    let requirement = |operator: &str, values: Value| {
        let expressions = json!([{ "key": "team", "operator": operator, "values": values }]);
        with("serviceSelector", json!({ "matchExpressions": expressions }))
    };
    let expression = "spec.serviceSelector.matchExpressions[0]";
    vec![
        (
            pool,
            with("usage", json!("LoadBalancer")),
            "spec.usage",
            "\"ClusterIP\"",
        ),
        (pool, with("state", json!("Off")), "spec.state", "\"Draining\""),
        (
            pool,
            with("strategy", json!("random")),
            "spec.strategy",
            "\"LeastRecent\"",
        ),
        (
            pool,
            with("consistency", json!("")),
            "spec.consistency",
            "\"Strict\"",
        ),
        (
            pool,
            with("onExhausted", json!("Unknown")),
            "spec.onExhausted",
            "\"NextPool\"",
        ),
        (
            pool,
            with("priority", json!(-1)),
            "spec.priority",
            "greater than or equal to 0",
        ),
        (
            pool,
            with("namespaces", json!(["Team"])),
            "spec.namespaces[0]",
            "should match",
        ),
        (
            pool,
            with("namespaces", json!(["a", "a"])),
            "spec.namespaces[1]",
            "Duplicate value",
        ),
        (
            pool,
            requirement("In", json!([])),
            expression,
            "need at least one of values",
        ),
        (
            pool,
            requirement("Exists", json!(["a"])),
            expression,
            "Exists and DoesNotExist none",
        ),
        (
            pool,
            requirement("Equals", json!(["a"])),
            "spec.serviceSelector.matchExpressions[0].operator",
            "\"NotIn\"",
        ),
        (
            pool,
            with("thresholds", json!({ "warnPercent": 96 })),
            "spec.thresholds",
            "criticalPercent must not be smaller than warnPercent",
        ),
        (
            pool,
            with("thresholds", json!({ "criticalPercent": 101 })),
            "spec.thresholds.criticalPercent",
            "less than or equal to 100",
        ),
        (
            pool,
            with("quarantine", json!({ "enforce": "Always" })),
            "spec.quarantine.enforce",
            "\"Gapless\"",
        ),
        (
            pool,
            with("quarantine", json!({ "seconds": -1 })),
            "spec.quarantine.seconds",
            "greater than or equal to 0",
        ),
    ]
}

fn ports() -> Vec<Case> {
    let pool = "NodePortPool";
    let range = |first: i64, last: i64| json!({ "ranges": [{ "first": first, "last": last }] });
    let with = |field: &str, value: Value| {
        let mut spec = range(30_000, 30_100);
        spec[field] = value;
        spec
    };
    vec![
        (pool, json!({}), "spec.ranges", "Required value"),
        (pool, json!({ "ranges": [] }), "spec.ranges", "at least 1 items"),
        (
            pool,
            range(0, 30_000),
            "spec.ranges[0].first",
            "greater than or equal to 1",
        ),
        (
            pool,
            range(30_000, 65_536),
            "spec.ranges[0].last",
            "less than or equal to 65535",
        ),
        (pool, range(30_001, 30_000), "spec.ranges[0]", "exchange them"),
        (
            pool,
            with("exclude", json!([{ "first": 2, "last": 1 }])),
            "spec.exclude[0]",
            "exchange them",
        ),
        (pool, with("use", json!([])), "spec.use", "at least 1 items"),
        (
            pool,
            with("use", json!(["HostPort"])),
            "spec.use[0]",
            "\"HealthCheck\"",
        ),
        (
            pool,
            with("quarantine", json!({ "enforce": "Gapless" })),
            "spec.quarantine.enforce",
            "\"Memory\"",
        ),
        (
            pool,
            with("thresholds", json!({ "warnPercent": 50, "criticalPercent": 49 })),
            "spec.thresholds",
            "raise one or lower the other",
        ),
    ]
}

fn reservations() -> Vec<Case> {
    let of_addresses = [
        (
            json!(["10.96.8.1", "10.96.8.2"]),
            "spec.clusterIPs",
            "at most one address of each family",
        ),
        (
            json!(["fd00::1", "fd00::2"]),
            "spec.clusterIPs",
            "at most one address of each family",
        ),
        (
            json!(["fd00::1", "10.96.8.1", "10.96.8.2"]),
            "spec.clusterIPs",
            "at most 2 items",
        ),
        (
            json!(["None"]),
            "spec.clusterIPs[0]",
            "must be an address such as",
        ),
        (json!(["fd00:0::1"]), "spec.clusterIPs[0]", "write fd00::1"),
        (
            json!(["10.96.8.0/24"]),
            "spec.clusterIPs[0]",
            "must be an address such as",
        ),
    ]
    .map(|(ips, field, words)| (json!({ "serviceName": "db", "clusterIPs": ips }), field, words));
    let port = |port: u16| json!({ "nodePort": port });
    let health = |port: u32| json!({ "serviceName": "db", "healthCheckNodePort": port });
    let with = |mut spec: Value, field: &str, value: Value| {
        spec[field] = value;
        spec
    };
    let others = [
        (
            json!({ "clusterIPs": ["10.96.8.1"] }),
            "spec.serviceName",
            "Required value",
        ),
        (json!({ "serviceName": "db" }), "spec", "say what is reserved"),
        (
            with(health(30_001), "serviceName", json!("Db")),
            "spec.serviceName",
            "should match",
        ),
        (
            json!({ "serviceName": "db", "nodePorts": [port(0)] }),
            "spec.nodePorts[0].nodePort",
            "greater than or equal to 1",
        ),
        (
            json!({ "serviceName": "db", "nodePorts": [port(30_001), port(30_002)] }),
            "spec.nodePorts[1]",
            "Duplicate value",
        ),
        (
            with(health(30_001), "nodePorts", json!([port(30_001)])),
            "spec",
            "a port has one purpose",
        ),
        (
            health(65_536),
            "spec.healthCheckNodePort",
            "less than or equal to 65535",
        ),
        (
            with(health(30_001), "enforce", json!("Gapless")),
            "spec.enforce",
            "\"Hold\"",
        ),
    ];
    of_addresses
        .into_iter()
        .chain(others)
        .map(|(spec, field, words)| ("ServiceReservation", spec, field, words))
        .collect()
}

fn claims() -> Vec<Case> {
    let unnamed = json!({ "namespace": "a", "requestUID": "u", "replica": "r", "secondsToLive": 75 });
    let mut named_twice = unnamed.clone();
    named_twice["name"] = json!("a");
    named_twice["generateName"] = json!("a-");
    [unnamed, named_twice]
        .map(|spec| ("AllocationClaim", spec, "spec", "either name or generateName"))
        .into()
}
