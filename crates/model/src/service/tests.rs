use super::*;

fn labels(value: &str) -> Interned<LabelSet> {
    Interned::from_value(LabelSet::new([("app".into(), value.into())]))
}

fn service() -> ServiceRecord {
    ServiceRecord {
        key: ObjectKey::new("shop".into(), "web".into()),
        uid: Uid::new("u-1"),
        resource_version: ResourceVersion::new("7"),
        labels: labels("a"),
        created: Some(Timestamp(500)),
        terminating: false,
        kind: ServiceType::ClusterIp,
        selector: Selector::new(labels("a")),
        ports: vec![ServicePort {
            name: "http".into(),
            protocol: Protocol::Tcp,
            port: 80,
            target: TargetPort::Number(8080),
            app_protocol: None,
            node_port: 0,
        }],
        cluster_ip: ClusterAddress::new("10.0.0.1"),
        ip_families: vec![IpFamily::V4],
        publish_not_ready: false,
        traffic_distribution: None,
        topology_auto: false,
        external_name: None,
        cluster_ips: ClusterIp::new("10.0.0.1").into_iter().collect(),
        health_check_node_port: 0,
        allocate_node_ports: None,
        external_traffic_policy_local: false,
        ip_family_policy: None,
        pools: None,
    }
}

#[test]
fn a_write_of_the_status_alone_leaves_a_service_the_same_but_for_its_version() {
    let mut written = service();
    written.resource_version = ResourceVersion::new("8");
    assert_ne!(service(), written);
    assert!(service().same_but_for_version(&written));
}

#[test]
fn a_service_is_not_the_same_if_any_other_field_changed() {
    type Edit = fn(&mut ServiceRecord);
    let edits: [(&str, Edit); 20] = [
        ("key", |it| it.key = ObjectKey::new("shop".into(), "mail".into())),
        ("uid", |it| it.uid = Uid::new("u-2")),
        ("labels", |it| it.labels = labels("b")),
        ("created", |it| it.created = Some(Timestamp(501))),
        ("terminating", |it| it.terminating = true),
        ("kind", |it| it.kind = ServiceType::ExternalName),
        ("selector", |it| it.selector = Selector::new(labels("b"))),
        ("ports", |it| it.ports[0].target = TargetPort::Number(8081)),
        ("cluster_ip", |it| it.cluster_ip = ClusterAddress::None),
        ("ip_families", |it| it.ip_families.push(IpFamily::V6)),
        ("publish_not_ready", |it| it.publish_not_ready = true),
        ("traffic_distribution", |it| {
            it.traffic_distribution = Some("PreferClose".into());
        }),
        ("topology_auto", |it| it.topology_auto = true),
        ("cluster_ips", |it| it.cluster_ips.clear()),
        ("node_port", |it| it.ports[0].node_port = 30_000),
        ("health_check_node_port", |it| it.health_check_node_port = 30_000),
        ("allocate_node_ports", |it| it.allocate_node_ports = Some(false)),
        ("external_traffic_policy", |it| {
            it.external_traffic_policy_local = true;
        }),
        ("ip_family_policy", |it| {
            it.ip_family_policy = Some(IpFamilyPolicy::SingleStack);
        }),
        ("pools", |it| it.pools = pools(Some("blue"), None)),
    ];
    for (field, edit) in edits {
        let mut edited = service();
        edit(&mut edited);
        assert!(!service().same_but_for_version(&edited), "{field}");
        assert!(!edited.same_but_for_version(&service()), "{field}");
        let of_allocation = [
            "cluster_ips",
            "node_port",
            "health_check_node_port",
            "allocate_node_ports",
            "external_traffic_policy",
            "ip_family_policy",
            "pools",
        ];
        let expected = of_allocation.contains(&field);
        assert_eq!(service().same_but_for_allocation(&edited), expected, "{field}");
        assert_eq!(edited.same_but_for_allocation(&service()), expected, "{field}");
    }
}

fn pools(pool: Option<&str>, node_port_pool: Option<&str>) -> Option<Box<PoolNames>> {
    PoolNames {
        pool: pool.map(Text::new),
        node_port_pool: node_port_pool.map(Text::new),
    }
    .boxed()
}

#[test]
fn ports_are_the_same_but_for_their_node_ports_only_where_nothing_else_differs() {
    let ports = || service().ports;
    let same = |edit: fn(&mut Vec<ServicePort>)| {
        let mut edited = ports();
        edit(&mut edited);
        ServicePort::same_but_for_node_ports(&ports(), &edited)
    };
    assert!(same(|ports| ports[0].node_port = 30_000));
    assert!(!same(|ports| ports[0].name = "other".into()));
    assert!(!same(|ports| ports[0].protocol = Protocol::Udp));
    assert!(!same(|ports| ports[0].port = 81));
    assert!(!same(|ports| ports[0].app_protocol = Some("http".into())));
    assert!(!same(|ports| ports.push(ports[0].clone())));
    assert!(!same(Vec::clear));
}

#[test]
fn a_service_asks_for_the_pools_that_it_names() {
    let mut asking = service();
    assert_eq!((asking.pool(), asking.node_port_pool()), (None, None));
    asking.pools = pools(None, Some("blue"));
    assert_eq!(asking.pool(), None);
    assert_eq!(asking.node_port_pool().map(Text::as_str), Some("blue"));
    assert!(pools(None, None).is_none());
}

/// What upstream's repair loop compares with is `net.ParseIPSloppy(text).String()`.
#[test]
fn a_cluster_ip_is_canonical_where_it_is_spelled_as_its_ip_address_is_named() {
    for (text, address, canonical) in [
        ("10.0.0.1", "10.0.0.1", true),
        ("10.0.0.01", "10.0.0.1", false),
        ("fd00:10:96::51", "fd00:10:96::51", true),
        ("fd00:10:96:0::51", "fd00:10:96::51", false),
        ("FD00:10:96::51", "fd00:10:96::51", false),
        ("fd00:10:96::0051", "fd00:10:96::51", false),
        ("fd00:10:96:0:1:2:3:4", "fd00:10:96:0:1:2:3:4", true),
        ("::1.2.3.4", "::102:304", false),
        ("::ffff:10.0.0.1", "10.0.0.1", false),
    ] {
        let address = address.parse().unwrap();
        assert_eq!(
            ClusterIp::new(text),
            Some(ClusterIp { address, canonical }),
            "{text}"
        );
    }
    for text in ["None", "", "pending", "10.0.0.0/24"] {
        assert_eq!(ClusterIp::new(text), None, "{text}");
    }
}

/// A cluster has tens of thousands of them. It was 240 bytes before.
#[test]
fn what_allocation_reads_of_a_service_costs_forty_bytes() {
    assert!(size_of::<ServicePort>() <= 80, "{}", size_of::<ServicePort>());
    assert!(
        size_of::<ServiceRecord>() <= 280,
        "{}",
        size_of::<ServiceRecord>()
    );
}

#[test]
fn the_older_annotation_decides_about_hints_where_it_is_present_even_if_empty() {
    for (aware_hints, mode, expected) in [
        (None, None, false),
        (None, Some("Auto"), true),
        (None, Some("auto"), true),
        (None, Some("AUTO"), false),
        (None, Some("aUto"), false),
        (None, Some("enabled"), false),
        (None, Some("disabled"), false),
        (Some("aUto"), None, false),
        (Some("enabled"), None, false),
        (Some("disabled"), None, false),
        (Some("auto"), None, true),
        (Some("Auto"), None, true),
        (Some("auto"), Some("Disabled"), true),
        (Some("Disabled"), Some("Auto"), false),
        (Some(""), Some("Auto"), false),
    ] {
        let asked = ServiceRecord::asks_for_hints(aware_hints, mode);
        assert_eq!(asked, expected, "{aware_hints:?} {mode:?}");
    }
}
