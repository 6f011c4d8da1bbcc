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
        }],
        cluster_ip: ClusterAddress::new("10.0.0.1"),
        ip_families: vec![IpFamily::V4],
        publish_not_ready: false,
        traffic_distribution: None,
        topology_auto: false,
        external_name: None,
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
    let edits: [(&str, Edit); 13] = [
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
    ];
    for (field, edit) in edits {
        let mut edited = service();
        edit(&mut edited);
        assert!(!service().same_but_for_version(&edited), "{field}");
        assert!(!edited.same_but_for_version(&service()), "{field}");
    }
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
