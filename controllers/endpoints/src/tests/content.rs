//! What is published.
//!
//! | Rule | Test |
//! |---|---|
//! | an object for each Service | `a_service_that_selects_pods_gets_endpoints_even_without_pods`, `services_that_select_no_pods_get_none` |
//! | what an address says | `an_address_names_its_pod_and_node`, `a_pod_without_a_node_has_an_address_without_one`, `a_hostname_is_published_below_its_own_service` |
//! | which Pods | `which_pods_are_published_and_whether_as_ready` |
//! | family | `only_the_primary_family_is_published` |
//! | ports | `a_port_has_name_protocol_number_and_app_protocol`, `one_number_in_two_protocols_is_two_ports_of_one_subset`, `pods_with_other_numbers_for_a_named_port_are_another_subset`, `a_pod_with_none_of_the_ports_is_left_out` |
//! | no ports | `a_headless_service_without_ports_has_addresses_without_ports`, `another_service_without_ports_has_no_addresses` |
//! | changes | `ports_that_come_and_go_move_addresses_between_subsets` |

use serde_json::{Value, json};

use super::cluster::{Cluster, plain};

fn with(changes: &Value) -> Value {
    let mut spec = plain();
    spec.as_object_mut()
        .unwrap()
        .extend(changes.as_object().unwrap().clone());
    spec
}

fn named_ports(names: &[&str]) -> Value {
    let port = |(at, name): (usize, &&str)| json!({ "name": name, "port": 80 + at, "targetPort": name });
    json!({ "ports": names.iter().enumerate().map(port).collect::<Vec<_>>() })
}

fn containers(ports: &[(&str, u16)]) -> Value {
    let port = |(name, number): &(&str, u16)| json!({ "name": name, "containerPort": number });
    json!([{ "name": "main", "ports": ports.iter().map(port).collect::<Vec<_>>() }])
}

/// The addresses of a list, by IP.
fn ips(list: &Value) -> Vec<&str> {
    let addresses = list.as_array().into_iter().flatten();
    addresses.map(|address| address["ip"].as_str().unwrap()).collect()
}

/// Each subset as the numbers of its ports and the addresses that are ready, sorted.
fn subsets(endpoints: &Value) -> Vec<(Vec<i64>, Vec<&str>)> {
    let subsets = endpoints["subsets"].as_array().into_iter().flatten();
    let mut found: Vec<_> = subsets
        .map(|subset| {
            let ports = subset["ports"].as_array().into_iter().flatten();
            let mut ports: Vec<i64> = ports.map(|port| port["port"].as_i64().unwrap()).collect();
            ports.sort_unstable();
            (ports, ips(&subset["addresses"]))
        })
        .collect();
    found.sort();
    found
}

#[test]
fn a_service_that_selects_pods_gets_endpoints_even_without_pods() {
    let mut cluster = Cluster::new();
    cluster.service("web", plain());
    cluster.begin();
    assert_eq!(cluster.settle(), ["create web"]);
    let stored = cluster.stored("web");
    assert_eq!(stored["subsets"], Value::Null);
    assert_eq!(stored["metadata"]["name"], "web");
    assert_eq!(stored["metadata"]["ownerReferences"], Value::Null);
    assert_eq!(
        stored["metadata"]["labels"],
        json!({ "endpoints.kubernetes.io/managed-by": "endpoint-controller" })
    );
}

#[test]
fn services_that_select_no_pods_get_none() {
    let mut cluster = Cluster::new();
    cluster.pod("web-1", "10.0.0.1");
    let external = |extra: &Value| {
        let mut spec =
            with(&json!({ "type": "ExternalName", "externalName": "example.com", "clusterIP": "" }));
        spec.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        spec
    };
    cluster.service("bare", with(&json!({ "selector": null })));
    cluster.service("empty", with(&json!({ "selector": {} })));
    cluster.service("external", external(&json!({})));
    cluster.service("external-no-ports", external(&json!({ "ports": [] })));
    cluster.service("external-no-selector", external(&json!({ "selector": null })));
    cluster.service(
        "external-nothing",
        external(&json!({ "selector": null, "ports": [] })),
    );
    cluster.put(
        "bare",
        &json!({ "subsets": [{ "addresses": [{ "ip": "6.7.8.9" }] }] }),
    );
    cluster.put(
        "external",
        &json!({ "subsets": [{ "addresses": [{ "ip": "6.7.8.9" }] }] }),
    );
    cluster.begin();
    assert_eq!(cluster.settle(), [""; 0]);
    cluster.pod("web-2", "10.0.0.2");
    assert_eq!(cluster.settle(), [""; 0]);
}

#[test]
fn an_address_names_its_pod_and_node() {
    let mut cluster = Cluster::new();
    cluster.service("web", plain());
    cluster.pod("web-1", "10.0.0.1");
    cluster.pod_with("other", "10.0.0.2", |pod| {
        pod["metadata"]["labels"] = json!({ "app": "db" });
    });
    cluster.begin();
    cluster.settle();
    assert_eq!(
        cluster.stored("web")["subsets"],
        json!([{
            "addresses": [{
                "ip": "10.0.0.1",
                "nodeName": "node-1",
                "targetRef": { "kind": "Pod", "namespace": "shop", "name": "web-1", "uid": "uid-web-1" },
            }],
            "ports": [{ "port": 8080, "protocol": "TCP" }],
        }])
    );
}

#[test]
fn a_pod_without_a_node_has_an_address_without_one() {
    let mut cluster = Cluster::new();
    cluster.service("web", plain());
    cluster.pod_with("web-1", "10.0.0.1", |pod| pod["spec"]["nodeName"] = json!(""));
    cluster.begin();
    cluster.settle();
    let address = &cluster.stored("web")["subsets"][0]["addresses"][0];
    assert_eq!(
        (&address["ip"], &address["nodeName"]),
        (&json!("10.0.0.1"), &Value::Null)
    );
}

#[test]
fn a_hostname_is_published_below_its_own_service() {
    let mut cluster = Cluster::new();
    cluster.service("web", plain());
    cluster.service("other", plain());
    cluster.pod_with("web-1", "10.0.0.1", |pod| {
        pod["spec"]["hostname"] = json!("first");
        pod["spec"]["subdomain"] = json!("web");
    });
    cluster.begin();
    cluster.settle();
    let hostname = |name| &cluster.stored(name)["subsets"][0]["addresses"][0]["hostname"];
    assert_eq!(
        (hostname("web"), hostname("other")),
        (&json!("first"), &Value::Null)
    );
}

#[test]
fn which_pods_are_published_and_whether_as_ready() {
    // Phase, ready, being deleted -> where it stands, and where with publishNotReadyAddresses.
    let cases = [
        ("Running", true, false, "ready", "ready"),
        ("Running", false, false, "not ready", "ready"),
        ("Running", true, true, "", "ready"),
        ("Running", false, true, "", "ready"),
        ("Unknown", true, false, "ready", "ready"),
        ("Unknown", false, false, "not ready", "ready"),
        ("Unknown", true, true, "", "ready"),
        ("Pending", true, false, "ready", "ready"),
        ("Pending", false, false, "not ready", "ready"),
        ("Pending", false, true, "", "ready"),
        ("Failed", true, false, "", ""),
        ("Failed", false, false, "", ""),
        ("Failed", false, true, "", ""),
        ("Succeeded", false, false, "", ""),
        ("Succeeded", true, true, "", ""),
    ];
    for (phase, ready, deleted, usually, published) in cases {
        let mut cluster = Cluster::new();
        cluster.service("usual", plain());
        cluster.service("all", with(&json!({ "publishNotReadyAddresses": true })));
        cluster.pod_with("web-1", "10.0.0.1", |pod| {
            pod["status"]["phase"] = json!(phase);
            pod["status"]["conditions"][0]["status"] = json!(if ready { "True" } else { "False" });
            if deleted {
                pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            }
        });
        cluster.begin();
        cluster.settle();
        let place = |name| {
            let subset = &cluster.stored(name)["subsets"][0];
            match (
                ips(&subset["addresses"]).len(),
                ips(&subset["notReadyAddresses"]).len(),
            ) {
                (0, 0) => "",
                (1, 0) => "ready",
                (0, 1) => "not ready",
                more => panic!("{more:?}"),
            }
        };
        let case = format!("{phase} ready: {ready} deleted: {deleted}");
        assert_eq!((place("usual"), place("all")), (usually, published), "{case}");
    }
}

#[test]
fn a_pod_without_an_address_is_not_published() {
    let mut cluster = Cluster::new();
    cluster.service("web", with(&json!({ "publishNotReadyAddresses": true })));
    cluster.pod_with("web-1", "10.0.0.1", |pod| {
        pod["status"] = json!({ "phase": "Pending" });
    });
    cluster.begin();
    cluster.settle();
    assert_eq!(cluster.stored("web")["subsets"], Value::Null);
}

#[test]
fn only_the_primary_family_is_published() {
    let mut cluster = Cluster::new();
    cluster.service("four", with(&json!({ "ipFamilies": ["IPv4", "IPv6"] })));
    cluster.service(
        "six",
        with(&json!({ "ipFamilies": ["IPv6", "IPv4"], "clusterIP": "fd01::1" })),
    );
    cluster.pod_with("web-1", "10.0.0.1", |pod| {
        pod["status"]["podIPs"] = json!([{ "ip": "10.0.0.1" }, { "ip": "fd00::1" }]);
    });
    cluster.pod("web-2", "10.0.0.2");
    cluster.begin();
    cluster.settle();
    let published = |name| ips(&cluster.stored(name)["subsets"][0]["addresses"]);
    assert_eq!(published("four"), ["10.0.0.1", "10.0.0.2"]);
    assert_eq!(
        published("six"),
        ["fd00::1"],
        "a Pod without an address of the family is left out"
    );
}

#[test]
fn a_port_has_name_protocol_number_and_app_protocol() {
    for protocol in ["TCP", "UDP", "SCTP"] {
        let mut cluster = Cluster::new();
        let port = json!({
            "name": "p", "port": 80, "targetPort": 8080, "protocol": protocol, "appProtocol": "example.com/x",
        });
        cluster.service("web", with(&json!({ "ports": [port] })));
        cluster.pod("web-1", "10.0.0.1");
        cluster.begin();
        cluster.settle();
        assert_eq!(
            cluster.stored("web")["subsets"][0]["ports"],
            json!([{ "name": "p", "port": 8080, "protocol": protocol, "appProtocol": "example.com/x" }])
        );
    }
}

#[test]
fn one_number_in_two_protocols_is_two_ports_of_one_subset() {
    for minor in [37, 33] {
        let mut cluster = Cluster::at(minor);
        let port = |protocol| json!({ "port": 80, "targetPort": 8080, "protocol": protocol });
        cluster.service("web", with(&json!({ "ports": [port("TCP"), port("UDP")] })));
        cluster.pod("web-1", "10.0.0.1");
        cluster.begin();
        cluster.settle();
        let subsets = &cluster.stored("web")["subsets"];
        let port = |protocol| json!({ "port": 8080, "protocol": protocol });
        assert_eq!(
            subsets[0]["ports"],
            json!([port("UDP"), port("TCP")]),
            "in upstream's order"
        );
        assert_eq!(subsets[1], Value::Null);
    }
}

#[test]
fn pods_with_other_numbers_for_a_named_port_are_another_subset() {
    let mut cluster = Cluster::new();
    cluster.service("web", with(&named_ports(&["http", "metrics"])));
    let ports =
        |pod: &mut Value, http| pod["spec"]["containers"] = containers(&[("http", http), ("metrics", 9100)]);
    cluster.pod_with("web-1", "10.0.0.1", |pod| ports(pod, 8080));
    cluster.pod_with("web-2", "10.0.0.2", |pod| ports(pod, 8080));
    cluster.pod_with("web-3", "10.0.0.3", |pod| ports(pod, 9090));
    cluster.begin();
    cluster.settle();
    assert_eq!(
        subsets(cluster.stored("web")),
        [
            (vec![8080], vec!["10.0.0.1", "10.0.0.2"]),
            (vec![9090], vec!["10.0.0.3"]),
            (vec![9100], vec!["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
        ]
    );
}

#[test]
fn a_pod_with_none_of_the_ports_is_left_out() {
    let mut cluster = Cluster::new();
    cluster.service("web", with(&named_ports(&["http", "metrics"])));
    let ports = |pod: &mut Value, name| pod["spec"]["containers"] = containers(&[(name, 8080)]);
    cluster.pod_with("web-1", "10.0.0.1", |pod| ports(pod, "http"));
    cluster.pod_with("web-2", "10.0.0.2", |pod| ports(pod, "other"));
    cluster.begin();
    cluster.settle();
    assert_eq!(subsets(cluster.stored("web")), [(vec![8080], vec!["10.0.0.1"])]);
}

#[test]
fn a_headless_service_without_ports_has_addresses_without_ports() {
    let mut cluster = Cluster::new();
    cluster.service("web", with(&json!({ "ports": [], "clusterIP": "None" })));
    cluster.pod("web-1", "10.0.0.1");
    cluster.pod_with("web-2", "10.0.0.2", |pod| pod["status"]["conditions"] = json!([]));
    cluster.begin();
    cluster.settle();
    let stored = cluster.stored("web");
    let subset = &stored["subsets"][0];
    assert_eq!(ips(&subset["addresses"]), ["10.0.0.1"]);
    assert_eq!(ips(&subset["notReadyAddresses"]), ["10.0.0.2"]);
    assert_eq!(subset["ports"], Value::Null);
    assert_eq!(stored["metadata"]["labels"]["service.kubernetes.io/headless"], "");
}

#[test]
fn another_service_without_ports_has_no_addresses() {
    for cluster_ip in ["10.1.0.1", ""] {
        let mut cluster = Cluster::new();
        cluster.service("web", with(&json!({ "ports": [], "clusterIP": cluster_ip })));
        cluster.pod("web-1", "10.0.0.1");
        cluster.begin();
        cluster.settle();
        assert_eq!(cluster.stored("web")["subsets"], Value::Null, "{cluster_ip:?}");
    }
}

#[test]
fn ports_that_come_and_go_move_addresses_between_subsets() {
    let mut cluster = Cluster::new();
    cluster.service("web", with(&named_ports(&["http", "admin"])));
    let ports = |pod: &mut Value, name, number| pod["spec"]["containers"] = containers(&[(name, number)]);
    cluster.pod_with("web-1", "10.0.0.1", |pod| ports(pod, "http", 8080));
    cluster.pod_with("web-2", "10.0.0.2", |pod| ports(pod, "admin", 9090));
    cluster.begin();
    cluster.settle();
    let both = [(vec![8080], vec!["10.0.0.1"]), (vec![9090], vec!["10.0.0.2"])];
    assert_eq!(subsets(cluster.stored("web")), both);
    cluster.service("web", with(&named_ports(&["http"])));
    assert_eq!(cluster.settle(), ["update web"]);
    assert_eq!(subsets(cluster.stored("web")), both[..1]);
    cluster.service("web", with(&named_ports(&["http", "admin"])));
    assert_eq!(cluster.settle(), ["update web"]);
    assert_eq!(subsets(cluster.stored("web")), both);
}

#[test]
fn a_service_whose_type_becomes_external_name_keeps_what_it_has_and_is_kept_again_afterwards() {
    let mut cluster = Cluster::new();
    cluster.service("web", plain());
    cluster.pod("web-1", "10.0.0.1");
    cluster.begin();
    cluster.settle();
    cluster.service("web", with(&json!({ "type": "ExternalName", "clusterIP": "" })));
    cluster.pod("web-2", "10.0.0.2");
    assert_eq!(cluster.settle(), [""; 0]);
    cluster.service("web", plain());
    assert_eq!(cluster.settle(), ["update web"]);
    assert_eq!(
        ips(&cluster.stored("web")["subsets"][0]["addresses"]),
        ["10.0.0.1", "10.0.0.2"]
    );
}
