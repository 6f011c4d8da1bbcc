use super::*;

#[test]
fn a_service_carries_what_the_builder_was_told() {
    let service = service("a")
        .namespace("ns")
        .labels([("l", "1")])
        .annotation("k", "v")
        .selector([("app", "a")])
        .port("http", 80, 8080)
        .target_port_name("web", 81, "named")
        .protocol("UDP")
        .families(["IPv6", "IPv4"])
        .headless()
        .publish_not_ready()
        .build();
    let value = serde_json::to_value(&service).unwrap();
    assert_eq!(
        value,
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "a", "namespace": "ns", "labels": {"l": "1"}, "annotations": {"k": "v"}},
            "spec": {
                "clusterIP": "None",
                "ipFamilies": ["IPv6", "IPv4"],
                "ipFamilyPolicy": "RequireDualStack",
                "ports": [
                    {"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080},
                    {"name": "web", "port": 81, "protocol": "UDP", "targetPort": "named"},
                ],
                "publishNotReadyAddresses": true,
                "selector": {"app": "a"},
            },
        })
    );
}

#[test]
fn a_pods_first_address_is_its_primary_and_readiness_is_the_last_told() {
    let pod = pod("b")
        .ips(["10.1.2.3", "fd00::1"])
        .unready()
        .ready()
        .terminating()
        .build();
    let status = pod.status.unwrap();
    assert_eq!(status.pod_ip.as_deref(), Some("10.1.2.3"));
    assert_eq!(status.pod_ips.unwrap().len(), 2);
    let conditions = status.conditions.unwrap();
    assert_eq!(conditions.len(), 1);
    assert_eq!(
        (conditions[0].type_.as_str(), conditions[0].status.as_str()),
        ("Ready", "True")
    );
    assert!(pod.metadata.deletion_timestamp.is_some());
}

#[test]
fn sidecars_are_init_containers_that_restart_always() {
    let pod = pod("b")
        .container_port("http", 8080)
        .sidecar_port("mesh", 1)
        .sidecar_port("log", 2)
        .build();
    let spec = pod.spec.unwrap();
    assert_eq!(spec.containers.len(), 1);
    let sidecars = spec.init_containers.unwrap();
    assert!(
        sidecars
            .iter()
            .all(|sidecar| sidecar.restart_policy.as_deref() == Some("Always"))
    );
    assert_ne!(sidecars[0].name, sidecars[1].name);
}
