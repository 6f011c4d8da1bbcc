use serde_json::{Value as Json, json};

use super::*;

const DUAL: Families = Families {
    default: IpFamily::V4,
    both: true,
    single_cidr: true,
};
const SINGLE: Families = Families { both: false, ..DUAL };

fn service(spec: &Json) -> Service {
    Service::read(json!({ "spec": spec }).to_string().as_bytes()).unwrap()
}

/// The needs of a request as words.
fn told(object: &Json, old: Option<&Json>, families: Families) -> String {
    let needs = Needs::of(&service(object), old.map(service).as_ref(), families);
    let ips = needs.cluster_ips.iter().map(|ip| match ip {
        ClusterIp::Given(ip) => ip.clone(),
        ClusterIp::Wanted(IpFamily::V4) => "v4".to_owned(),
        ClusterIp::Wanted(IpFamily::V6) => "v6".to_owned(),
    });
    let ports = needs.node_ports.iter().map(|port| match port.given {
        Some(given) => format!("{}{:?}={given}", port.port, port.places),
        None => format!("{}{:?}", port.port, port.places),
    });
    let health = needs.health_check.then(|| "health".to_owned());
    let all: Vec<String> = ips.chain(ports).chain(health).collect();
    all.join(" ")
}

#[test]
fn a_new_service_lacks_what_its_type_and_families_ask_for() {
    let port = json!([{"port": 80}]);
    let cases = [
        (json!({}), DUAL, "v4"),
        (json!({"type": "ClusterIP", "ports": port}), DUAL, "v4"),
        (json!({"ipFamilies": ["IPv6"]}), DUAL, "v6"),
        (
            json!({"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv6"]}),
            DUAL,
            "v6",
        ),
        (json!({"ipFamilyPolicy": "PreferDualStack"}), DUAL, "v4 v6"),
        (json!({"ipFamilyPolicy": "PreferDualStack"}), SINGLE, "v4"),
        (
            json!({"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6"]}),
            DUAL,
            "v6 v4",
        ),
        (
            json!({"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6", "IPv4"]}),
            DUAL,
            "v6 v4",
        ),
        (json!({"clusterIP": "10.0.0.1"}), DUAL, ""),
        (
            json!({"clusterIP": "fd00::1", "ipFamilyPolicy": "PreferDualStack"}),
            DUAL,
            "fd00::1 v4",
        ),
        (
            json!({"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1", "fd00::1"], "ipFamilyPolicy": "PreferDualStack"}),
            DUAL,
            "",
        ),
        (json!({"clusterIP": "None", "ports": port}), DUAL, ""),
        (json!({"type": "ExternalName", "externalName": "a.b"}), DUAL, ""),
        (json!({"type": "NodePort", "ports": port}), DUAL, "v4 80[0]"),
        (
            json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30000}]}),
            DUAL,
            "v4",
        ),
        (
            json!({"type": "LoadBalancer", "ports": port, "externalTrafficPolicy": "Local"}),
            DUAL,
            "v4 80[0] health",
        ),
        (
            json!({"type": "LoadBalancer", "ports": port, "externalTrafficPolicy": "Local", "allocateLoadBalancerNodePorts": false}),
            DUAL,
            "v4 health",
        ),
        (
            json!({"type": "LoadBalancer", "ports": port, "externalTrafficPolicy": "Local", "healthCheckNodePort": 31000}),
            DUAL,
            "v4 80[0]",
        ),
    ];
    for (object, families, expected) in cases {
        assert_eq!(told(&object, None, families), expected, "{object}");
    }
}

#[test]
fn ports_of_one_number_share_a_node_port_also_with_one_that_has_it() {
    let of = |ports: Json| {
        told(
            &json!({"type": "NodePort", "clusterIP": "10.0.0.1", "ports": ports}),
            None,
            DUAL,
        )
    };
    let twins = json!([{"name": "tcp", "port": 53}, {"name": "web", "port": 80}, {"name": "udp", "port": 53, "protocol": "UDP"}]);
    assert_eq!(of(twins), "53[0, 2] 80[1]");
    let half = json!([{"name": "tcp", "port": 53, "nodePort": 30053}, {"name": "udp", "port": 53, "protocol": "UDP"}]);
    assert_eq!(of(half), "53[1]=30053");
}

#[test]
fn an_update_lacks_nothing_that_the_apiserver_carries_over() {
    let old = json!({
        "type": "LoadBalancer", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack", "externalTrafficPolicy": "Local", "healthCheckNodePort": 31000,
        "ports": [{"name": "a", "port": 80, "nodePort": 30080}, {"name": "b", "port": 81, "nodePort": 30081}],
    });
    let without = json!({
        "type": "LoadBalancer", "externalTrafficPolicy": "Local",
        "ports": [{"name": "a", "port": 8080}, {"name": "b", "port": 81}],
    });
    let cases = [
        (without.clone(), ""),
        // A name that is new.
        (
            json!({"type": "NodePort", "ports": [{"name": "a", "port": 80}, {"name": "c", "port": 82}]}),
            "82[1]",
        ),
        // The number of a name is given to another one.
        (
            json!({"type": "NodePort", "ports": [{"name": "a", "port": 80}, {"name": "c", "port": 82, "nodePort": 30080}]}),
            "80[0]",
        ),
        (
            json!({"type": "ClusterIP", "clusterIP": "10.0.0.1", "ports": [{"name": "a", "port": 80, "nodePort": 30080}]}),
            "",
        ),
        (json!({"type": "ExternalName", "externalName": "a.b"}), ""),
        (json!({"type": "ClusterIP", "clusterIP": "None"}), ""),
    ];
    for (object, expected) in cases {
        assert_eq!(told(&object, Some(&old), DUAL), expected, "{object}");
    }
}

#[test]
fn a_transition_lacks_what_the_new_type_has_and_the_old_one_had_not() {
    let port = json!([{"port": 80}]);
    let external = json!({"type": "ExternalName", "externalName": "a.b"});
    let cluster = json!({"type": "ClusterIP", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ipFamilies": ["IPv4"], "ports": port});
    let headless = json!({"type": "ClusterIP", "clusterIP": "None", "clusterIPs": ["None"], "ports": port});
    let balancer = json!({"type": "LoadBalancer", "clusterIP": "10.0.0.1", "externalTrafficPolicy": "Cluster",
        "ports": [{"port": 80, "nodePort": 30080}]});
    let cases = [
        (&external, json!({"type": "ClusterIP", "ports": port}), "v4"),
        (
            &external,
            json!({"type": "NodePort", "ipFamilyPolicy": "PreferDualStack", "ports": port}),
            "v4 v6 80[0]",
        ),
        (
            &external,
            json!({"type": "ClusterIP", "clusterIP": "None", "ports": port}),
            "",
        ),
        (&cluster, json!({"type": "NodePort", "ports": port}), "80[0]"),
        (
            &cluster,
            json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": port}),
            "80[0] health",
        ),
        (&headless, json!({"type": "ClusterIP", "ports": port}), ""),
        (
            &balancer,
            json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": port}),
            "health",
        ),
        (
            &balancer,
            json!({"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "ports": port}),
            "",
        ),
    ];
    for (old, object, expected) in cases {
        assert_eq!(told(&object, Some(old), DUAL), expected, "{old} to {object}");
    }
}

#[test]
fn a_second_family_is_added_beside_the_first() {
    let old = json!({"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"});
    let with = |policy: &str, ips: Json| json!({"clusterIP": ips[0], "clusterIPs": ips, "ipFamilies": ["IPv4"], "ipFamilyPolicy": policy});
    let one = json!(["10.0.0.1"]);
    assert_eq!(
        told(&with("PreferDualStack", one.clone()), Some(&old), DUAL),
        "10.0.0.1 v6"
    );
    assert_eq!(
        told(&json!({"ipFamilyPolicy": "RequireDualStack"}), Some(&old), DUAL),
        "10.0.0.1 v6"
    );
    assert_eq!(
        told(&with("PreferDualStack", one.clone()), Some(&old), SINGLE),
        ""
    );
    assert_eq!(told(&with("SingleStack", one), Some(&old), DUAL), "");
    let both = json!(["10.0.0.1", "fd00::1"]);
    let dual = with("PreferDualStack", both.clone());
    assert_eq!(told(&with("PreferDualStack", both), Some(&dual), DUAL), "");
    assert_eq!(told(&json!({}), Some(&dual), DUAL), "");
}

#[test]
fn a_service_that_prefers_both_families_stays_with_the_one_it_has_until_something_about_that_is_changed() {
    let old = json!({"type": "ClusterIP", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "PreferDualStack"});
    let with = |key: &str, value: Json| {
        let mut object = old.clone();
        object[key] = value;
        told(&object, Some(&old), DUAL)
    };
    assert_eq!(with("ports", json!([{"port": 80}])), "");
    assert_eq!(with("ipFamilyPolicy", json!("RequireDualStack")), "10.0.0.1 v6");
    assert_eq!(with("ipFamilies", json!(["IPv4", "IPv6"])), "10.0.0.1 v6");
    assert_eq!(with("type", json!("NodePort")), "10.0.0.1 v6");
    // As after a PUT that says nothing of families.
    assert_eq!(with("ipFamilies", Json::Null), "10.0.0.1 v6");
}

#[test]
fn nothing_is_carried_over_from_a_balancer_that_asked_for_no_node_ports() {
    let old = json!({"type": "LoadBalancer", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "allocateLoadBalancerNodePorts": false,
        "ports": [{"port": 80, "nodePort": 30100}]});
    for kind in ["NodePort", "LoadBalancer"] {
        let object = json!({"type": kind, "clusterIP": "10.0.0.1", "ports": [{"port": 80}]});
        assert_eq!(told(&object, Some(&old), DUAL), "80[0]", "{kind}");
    }
}
