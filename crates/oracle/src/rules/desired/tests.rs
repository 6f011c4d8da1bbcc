use super::*;
use crate::testing::{node, nodes, pod, pods, service, set_addresses, set_ready};

const RULES: Rules = Rules { minor: 37 };

#[test]
fn a_group_is_desired_as_soon_as_an_eligible_pod_has_its_ports() {
    let mut service = service("a");
    service.spec.as_mut().unwrap().ip_families = Some(vec!["IPv6".to_owned(), "IPv4".to_owned()]);
    let found = desired(&service, &[pod("a")], &nodes(), RULES);
    let sizes: Vec<_> = found
        .groups
        .iter()
        .map(|(key, group)| (key.address_type, group.endpoints.len()))
        .collect();
    assert_eq!(sizes, [(AddressType::IPv4, 1), (AddressType::IPv6, 0)]);
    assert_eq!(found.placeholders, BTreeSet::from([AddressType::IPv6]));

    let found = desired::<_, Node>(&service, &[pod("a")], &[], RULES);
    assert_eq!(found.groups.len(), 2, "also when its node is missing");
    let skipped = SkippedPod {
        pod: "a".to_owned(),
        node: "node-1".to_owned(),
    };
    assert_eq!(found.skipped, BTreeSet::from([skipped]));
    assert_eq!(found.placeholders.len(), 2);
}

#[test]
fn services_the_controller_leaves_alone_want_nothing() {
    let mut external = service("a");
    external.spec.as_mut().unwrap().type_ = Some("ExternalName".to_owned());
    let mut bare = service("a");
    bare.spec.as_mut().unwrap().selector = None;
    for service in [external, bare] {
        assert_eq!(desired(&service, &pods(2), &nodes(), RULES), Desired::default());
    }
}

#[test]
fn pods_with_different_numbers_for_a_named_port_are_in_different_groups() {
    let mut service = service("a");
    service.spec.as_mut().unwrap().ports.as_mut().unwrap()[0].target_port = Some(
        k8s_openapi::apimachinery::pkg::util::intstr::IntOrString::String("http".to_owned()),
    );
    let mut pods = pods(3);
    for (pod, number) in pods.iter_mut().zip([1, 2]) {
        pod.spec.as_mut().unwrap().containers[0].ports =
            Some(vec![crate::testing::named_port("http", number, "TCP")]);
    }
    let found = desired(&service, &pods, &nodes(), RULES);
    let groups: Vec<(Vec<Option<i32>>, usize)> = found
        .groups
        .iter()
        .map(|(key, group)| {
            (
                key.ports.iter().map(|port| port.port).collect(),
                group.endpoints.len(),
            )
        })
        .collect();
    // The Pod for which nothing resolves is an endpoint without ports.
    assert_eq!(groups, [(vec![], 1), (vec![Some(1)], 1), (vec![Some(2)], 1)]);
}

#[test]
fn traffic_distribution_gives_hints_to_ready_endpoints_only() {
    let zoned = [node("node-1", Some("z"))];
    for (value, minor, zones, nodes) in [
        ("PreferClose", 33, 1, 0),
        ("PreferSameZone", 33, 0, 0),
        ("PreferSameZone", 34, 1, 0),
        ("PreferSameNode", 37, 1, 1),
        ("unknown", 37, 0, 0),
    ] {
        let mut service = service("a");
        service.spec.as_mut().unwrap().traffic_distribution = Some(value.to_owned());
        let mut unready = pod("b");
        set_addresses(&mut unready, &["10.0.0.2"]);
        set_ready(&mut unready, false);
        let found = desired(&service, &[pod("a"), unready], &zoned, Rules { minor });
        let hints: Vec<_> = found
            .groups
            .values()
            .flat_map(|group| group.endpoints.values())
            .map(|endpoint| endpoint.hints.clone().unwrap_or_default())
            .map(|hints| {
                (
                    hints.for_zones.map_or(0, |it| it.len()),
                    hints.for_nodes.map_or(0, |it| it.len()),
                )
            })
            .collect();
        assert_eq!(hints, [(zones, nodes), (0, 0)], "{value} on 1.{minor}");
    }
}
