//! What names mean.

use proptest::prelude::*;
use quaymaster_model::{ObjectKey, Text};

use crate::domain::{ClusterDomain, NotADomain, Target};

fn key(namespace: &str, name: &str) -> ObjectKey {
    ObjectKey::new(Text::new(namespace), Text::new(name))
}

#[test]
fn a_name_is_a_service_a_part_of_one_or_neither() {
    let domain: ClusterDomain = "cluster.local".parse().unwrap();
    for (name, expected) in [
        ("example.org", Target::Outside),
        ("web.shop.svc.cluster.local", Target::Service(key("shop", "web"))),
        ("web.shop.svc.cluster.local.", Target::Service(key("shop", "web"))),
        ("WEB.shop.SVC.cluster.local", Target::Service(key("shop", "web"))),
        (
            "db-0.web.shop.svc.cluster.local",
            Target::Part(key("shop", "web")),
        ),
        (
            "_http._tcp.web.shop.svc.cluster.local",
            Target::Part(key("shop", "web")),
        ),
        ("shop.svc.cluster.local", Target::Nothing),
        ("svc.cluster.local", Target::Nothing),
        // Of these the cluster's DNS may know other things.
        ("cluster.local", Target::Outside),
        ("web.shop.cluster.local", Target::Outside),
        ("10-0-0-1.shop.pod.cluster.local", Target::Outside),
        ("mysvc.cluster.local", Target::Outside),
        ("web.shop.mysvc.cluster.local", Target::Outside),
        ("web.shop.svc.cluster.local.example.org", Target::Outside),
        ("web.shop.svc", Target::Outside),
        ("", Target::Outside),
        (".", Target::Outside),
    ] {
        assert_eq!(domain.target(name), expected, "{name}");
    }
}

#[test]
fn a_domain_may_be_written_with_dots_at_its_ends_and_in_capitals() {
    let domain: ClusterDomain = ".K8s.Example.org.".parse().unwrap();
    let target = domain.target("web.shop.svc.k8s.example.org");
    assert_eq!(target, Target::Service(key("shop", "web")));
    assert_eq!(domain.target("web.shop.svc.cluster.local"), Target::Outside);
    assert_eq!(domain.services(), "svc.k8s.example.org");
    for wrong in ["", ".", "a..b", "-a", "a-.b", "a b", "a_b", &"a".repeat(64)] {
        assert_eq!(wrong.parse::<ClusterDomain>(), Err(NotADomain), "{wrong}");
    }
}

proptest! {
    #[test]
    fn each_service_is_found_by_its_name(
        name in "[a-z]([a-z0-9-]{0,8}[a-z0-9])?",
        namespace in "[a-z]([a-z0-9-]{0,8}[a-z0-9])?",
        domain in "[a-z]{1,5}(\\.[a-z]{1,5}){0,2}",
    ) {
        let cluster: ClusterDomain = domain.parse().unwrap();
        let target = cluster.target(&format!("{name}.{namespace}.svc.{domain}"));
        prop_assert_eq!(target, Target::Service(key(&namespace, &name)));
    }

    #[test]
    fn no_name_makes_it_panic(name in ".{0,40}") {
        let cluster: ClusterDomain = "cluster.local".parse().unwrap();
        cluster.target(&name);
        cluster.target(&format!("{name}.svc.cluster.local"));
    }
}
