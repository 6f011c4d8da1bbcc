//! Mistakes in Services.

use super::cluster::{Cluster, bare, external, key};
use crate::checks::{self, Cause, MOST_STEPS};
use serde_json::{Value, json};

/// Services with their specs, and the causes that are found in the first.
fn causes(services: &[(&str, Value)]) -> Vec<Cause> {
    found(services).into_iter().map(|(cause, _)| cause).collect()
}

fn found(services: &[(&str, Value)]) -> Vec<(Cause, String)> {
    let mut cluster = Cluster::new();
    for (name, spec) in services {
        cluster.service(name, spec);
    }
    let world = &cluster.world;
    let find = |key: &quaymaster_model::ObjectKey| world.service(world.service_id(key)?);
    let first = find(&key(services[0].0)).unwrap();
    let domain = "cluster.local".parse().unwrap();
    let findings = checks::of_service(first, &domain, find);
    findings
        .into_iter()
        .map(|finding| (finding.cause, finding.note))
        .collect()
}

fn one(name: &str) -> Vec<Cause> {
    causes(&[("web", external(name))])
}

fn inside(name: &str) -> String {
    format!("{name}.shop.svc.cluster.local")
}

#[test]
fn a_name_of_the_world_outside_is_right() {
    for name in [
        "example.org",
        "db",
        "1.2.3.4.example.org",
        "1.2.3",
        "10-0-0-1.example.org",
    ] {
        assert_eq!(one(name), [], "{name}");
    }
}

#[test]
fn an_ip_address_is_no_name() {
    for name in ["192.0.2.1", "010.0.0.1", "2001:db8::1"] {
        assert_eq!(one(name), [Cause::IpAddress], "{name}");
    }
    assert_eq!(one("192.0.2.1."), [Cause::IpAddress, Cause::TrailingDot]);
}

#[test]
fn a_trailing_dot_is_told_and_does_not_hide_what_else_is_wrong() {
    assert_eq!(one("example.org."), [Cause::TrailingDot]);
    let name = format!("{}.", inside("db"));
    assert_eq!(one(&name), [Cause::TrailingDot, Cause::TargetMissing]);
}

#[test]
fn a_service_of_this_cluster_has_to_exist() {
    for name in ["db", "db-0.db", "_sql._tcp.db"] {
        assert_eq!(one(&inside(name)), [Cause::TargetMissing], "{name}");
        let services = [("web", external(&inside(name))), ("db", bare())];
        assert_eq!(causes(&services), [], "{name}");
    }
    let found = found(&[("web", external("db.svc.cluster.local"))]);
    assert_eq!(found[0].0, Cause::TargetMissing);
    assert!(
        found[0].1.contains("NAME.NAMESPACE.svc.cluster.local"),
        "{found:?}"
    );
}

#[test]
fn names_that_lead_in_a_circle_are_told_with_the_way() {
    assert_eq!(
        found(&[("web", external(&inside("web")))]),
        [(
            Cause::Loop,
            "external names lead in a circle: shop/web -> shop/web".to_owned()
        )]
    );
    let circle = [
        ("web", external(&inside("a"))),
        ("a", external(&inside("b"))),
        ("b", external(&inside("a"))),
    ];
    let found = found(&circle);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].1.ends_with("shop/web -> shop/a -> shop/b -> shop/a"),
        "one that leads into a circle never ends either: {found:?}"
    );
}

#[test]
fn a_way_that_ends_is_no_circle_wherever_it_ends() {
    let ends = [external("example.org"), bare(), external(&inside("missing"))];
    for end in ends {
        let services = [
            ("web", external(&inside("a"))),
            ("a", external(&inside("b"))),
            ("b", end),
        ];
        assert_eq!(causes(&services), []);
    }
    // A part of an ExternalName Service has no address, and leads nowhere.
    let part = external(&inside("host.web"));
    assert_eq!(causes(&[("web", part)]), []);
}

#[test]
fn a_circle_is_followed_only_so_far() {
    for (length, expected) in [(MOST_STEPS, 1), (MOST_STEPS + 1, 0)] {
        let names: Vec<String> = (0..length).map(|at| format!("s{at}")).collect();
        let services: Vec<(&str, Value)> = (0..length)
            .map(|at| (&*names[at], external(&inside(&names[(at + 1) % length]))))
            .collect();
        assert_eq!(causes(&services).len(), expected, "{length}");
    }
}

#[test]
fn ports_of_an_external_name_are_told_with_their_numbers() {
    let mut spec = external("example.org");
    spec["ports"] = json!([{ "name": "a", "port": 80 }, { "name": "b", "port": 443 }]);
    let found = found(&[("web", spec)]);
    assert_eq!(found[0].0, Cause::Ports);
    assert!(found[0].1.contains("(80, 443)"), "{found:?}");
}

#[test]
fn what_another_type_carries_of_an_external_name_is_nobodys_business() {
    let mut spec = bare();
    spec["externalName"] = json!("192.0.2.1");
    assert_eq!(causes(&[("web", spec)]), []);
    assert_eq!(causes(&[("web", json!({ "type": "ExternalName" }))]), []);
}

#[test]
fn causes_are_numbered_in_their_order_and_told_apart() {
    for (at, cause) in Cause::ALL.into_iter().enumerate() {
        assert_eq!(cause as usize, at);
    }
    let reasons: std::collections::BTreeSet<&str> = Cause::ALL.map(Cause::reason).into();
    let labels: std::collections::BTreeSet<&str> = Cause::ALL.map(Cause::label).into();
    assert_eq!((reasons.len(), labels.len()), (7, 7));
}
