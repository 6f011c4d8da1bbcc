//! Objects that are not valid: refused with the field, and what to do.

use serde_json::{Value, json};

use super::{served, tried};
use crate::harness::{Minor, alone_on_each_minor};

alone_on_each_minor!(what_is_not_valid_is_refused_with_its_field_and_what_to_do);

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

fn invalid() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    let mut all = addresses();
    all.extend(policies());
    all.extend(ports());
    all.extend(others());
    all
}

fn addresses() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    let pool = "ServiceIPPool";
    let range = |first: &str, last: &str| json!({ "ranges": [{ "first": first, "last": last }] });
    let cidr = |cidr: &str| json!({ "cidrs": ["10.96.0.0/24", cidr] });
    let exclude = |excluded: &str| json!({ "cidrs": ["10.96.0.0/24"], "exclude": [excluded] });
    vec![
        (pool, json!({}), "spec", "say which addresses"),
        (
            pool,
            json!({ "cidrs": [], "ranges": [] }),
            "spec",
            "say which addresses",
        ),
        (
            pool,
            cidr("10.96.8.0"),
            "spec.cidrs[1]",
            "must be a network such as",
        ),
        (pool, cidr("ten"), "spec.cidrs[1]", "must be a network such as"),
        (pool, cidr(""), "spec.cidrs[1]", "at least 1 chars long"),
        (
            pool,
            cidr("10.96.8.0/33"),
            "spec.cidrs[1]",
            "must be a network such as",
        ),
        (
            pool,
            cidr("10.96.08.0/24"),
            "spec.cidrs[1]",
            "must be a network such as",
        ),
        (
            pool,
            cidr("::ffff:10.96.8.0/120"),
            "spec.cidrs[1]",
            "must be a network such as",
        ),
        (pool, cidr("10.96.9.0/22"), "spec.cidrs[1]", "write 10.96.8.0/22"),
        (
            pool,
            cidr("fd00:10:96:0:0::/64"),
            "spec.cidrs[1]",
            "write fd00:10:96::/64",
        ),
        (pool, cidr("FD00::/64"), "spec.cidrs[1]", "write fd00::/64"),
        (pool, cidr("10.96.8.0/31"), "spec.cidrs[1]", "/30 or larger"),
        (pool, cidr("10.96.8.0/32"), "spec.cidrs[1]", "/30 or larger"),
        (pool, cidr("fd00::/63"), "spec.cidrs[1]", "from /64 to /126"),
        (pool, cidr("fd00::/127"), "spec.cidrs[1]", "from /64 to /126"),
        (pool, cidr("10.96.0.0/24"), "spec.cidrs[1]", "Duplicate value"),
        (
            pool,
            exclude("10.96.8.0/33"),
            "spec.exclude[0]",
            "must be an address such as",
        ),
        (
            pool,
            exclude("10.96.8.1/28"),
            "spec.exclude[0]",
            "write 10.96.8.0/28",
        ),
        (pool, exclude("fd00:0::51"), "spec.exclude[0]", "write fd00::51"),
        (
            pool,
            range("10.96.8.1", "ten"),
            "spec.ranges[0].last",
            "must be an address such as",
        ),
        (
            pool,
            range("10.96.8.1/32", "10.96.8.2"),
            "spec.ranges[0].first",
            "must be an address such as",
        ),
        (
            pool,
            range("fd00:0::1", "fd00::2"),
            "spec.ranges[0].first",
            "write fd00::1",
        ),
        (
            pool,
            range("10.96.8.1", "fd00::2"),
            "spec.ranges[0]",
            "make a range of each",
        ),
        (
            pool,
            range("10.96.8.10", "10.96.8.9"),
            "spec.ranges[0]",
            "exchange them",
        ),
        (
            pool,
            range("100.0.0.0", "20.0.0.0"),
            "spec.ranges[0]",
            "exchange them",
        ),
        (
            pool,
            range("fd00::10", "fd00::9"),
            "spec.ranges[0]",
            "exchange them",
        ),
        (
            pool,
            range("fd00::1:0", "fd00::ffff"),
            "spec.ranges[0]",
            "exchange them",
        ),
        (
            pool,
            range("1:2:3:4:5:6:7:9", "1:2:3:4:5:6:7:8"),
            "spec.ranges[0]",
            "exchange them",
        ),
        (
            pool,
            range("fd00::ffff", "fd00:0:0:1::"),
            "spec.ranges[0]",
            "cut it into several",
        ),
        (
            pool,
            json!({ "ranges": [{ "first": "10.96.8.1" }] }),
            "spec.ranges[0].last",
            "Required value",
        ),
    ]
}

fn policies() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    let pool = "ServiceIPPool";
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

fn ports() -> Vec<(&'static str, Value, &'static str, &'static str)> {
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

fn others() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    let kind = "ServiceReservation";
    let ips = |addresses: Value| json!({ "serviceName": "db", "clusterIPs": addresses });
    let ports = |ports: Value| json!({ "serviceName": "db", "nodePorts": ports });
    let claim = |name: Value| {
        let mut spec = json!({ "namespace": "a", "requestUID": "u", "replica": "r", "secondsToLive": 75 });
        for (field, value) in name.as_object().unwrap() {
            spec[field] = value.clone();
        }
        spec
    };
    vec![
        (
            kind,
            json!({ "clusterIPs": ["10.96.8.1"] }),
            "spec.serviceName",
            "Required value",
        ),
        (
            kind,
            json!({ "serviceName": "db" }),
            "spec",
            "say what is reserved",
        ),
        (
            kind,
            json!({ "serviceName": "Db", "clusterIPs": ["10.96.8.1"] }),
            "spec.serviceName",
            "should match",
        ),
        (
            kind,
            ips(json!(["10.96.8.1", "10.96.8.2"])),
            "spec.clusterIPs",
            "at most one address of each family",
        ),
        (
            kind,
            ips(json!(["fd00::1", "fd00::2"])),
            "spec.clusterIPs",
            "at most one address of each family",
        ),
        (
            kind,
            ips(json!(["fd00::1", "10.96.8.1", "10.96.8.2"])),
            "spec.clusterIPs",
            "at most 2 items",
        ),
        (
            kind,
            ips(json!(["None"])),
            "spec.clusterIPs[0]",
            "must be an address such as",
        ),
        (
            kind,
            ips(json!(["fd00:0::1"])),
            "spec.clusterIPs[0]",
            "write fd00::1",
        ),
        (
            kind,
            ips(json!(["10.96.8.0/24"])),
            "spec.clusterIPs[0]",
            "must be an address such as",
        ),
        (
            kind,
            ports(json!([{ "portName": "a", "nodePort": 0 }])),
            "spec.nodePorts[0].nodePort",
            "greater than or equal to 1",
        ),
        (
            kind,
            ports(json!([{ "nodePort": 30_001 }, { "nodePort": 30_002 }])),
            "spec.nodePorts[1]",
            "Duplicate value",
        ),
        (
            kind,
            json!({ "serviceName": "db", "nodePorts": [{ "nodePort": 30_001 }], "healthCheckNodePort": 30_001 }),
            "spec",
            "a port has one purpose",
        ),
        (
            kind,
            json!({ "serviceName": "db", "healthCheckNodePort": 65_536 }),
            "spec.healthCheckNodePort",
            "less than or equal to 65535",
        ),
        (
            kind,
            json!({ "serviceName": "db", "healthCheckNodePort": 30_001, "enforce": "Gapless" }),
            "spec.enforce",
            "\"Hold\"",
        ),
        (
            "AllocationClaim",
            claim(json!({})),
            "spec",
            "either name or generateName",
        ),
        (
            "AllocationClaim",
            claim(json!({ "name": "a", "generateName": "a-" })),
            "spec",
            "either name or generateName",
        ),
    ]
}
