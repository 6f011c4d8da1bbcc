use super::*;
use crate::testing::{node, pod, service, set_addresses, set_ready, time};

/// Ready, terminating, publishNotReadyAddresses; then the conditions ready, serving, terminating.
#[test]
fn the_conditions_of_an_endpoint_follow_the_table() {
    for (ready, terminating, publish, expected) in [
        (true, false, false, [true, true, false]),
        (false, false, false, [false, false, false]),
        (true, true, false, [false, true, true]),
        (false, true, false, [false, false, true]),
        (true, false, true, [true, true, false]),
        (false, false, true, [true, false, false]),
        (true, true, true, [true, true, true]),
        (false, true, true, [true, false, true]),
    ] {
        let (mut pod, mut service) = (pod("a"), service("a"));
        set_ready(&mut pod, ready);
        pod.metadata.deletion_timestamp = terminating.then(|| time(9));
        service.spec.as_mut().unwrap().publish_not_ready_addresses = Some(publish);
        let conditions = endpoint(&pod, None, &service, AddressType::IPv4)
            .conditions
            .unwrap();
        let found = [conditions.ready, conditions.serving, conditions.terminating];
        assert_eq!(found, expected.map(Some), "{ready} {terminating} {publish}");
    }
}

#[test]
fn finished_pods_and_pods_without_address_are_not_eligible_but_terminating_ones_are() {
    for (phase, expected) in [
        ("Pending", true),
        ("Running", true),
        ("Unknown", true),
        ("Succeeded", false),
        ("Failed", false),
    ] {
        let mut pod = pod("a");
        pod.status.as_mut().unwrap().phase = Some(phase.to_owned());
        pod.metadata.deletion_timestamp = Some(time(9));
        assert_eq!(eligible(&pod), expected, "{phase}");
    }
    let mut pod = pod("a");
    pod.status.as_mut().unwrap().pod_ips = None;
    assert!(eligible(&pod), "podIP alone makes it eligible");
    assert!(
        endpoint(&pod, None, &service("a"), AddressType::IPv4)
            .addresses
            .is_empty(),
        "but gives no address"
    );
    pod.status.as_mut().unwrap().pod_ip = None;
    assert!(!eligible(&pod));
}

#[test]
fn a_hostname_needs_the_services_name_as_subdomain() {
    for (hostname, subdomain, namespace, expected) in [
        (Some("h"), Some("a"), "ns", Some("h")),
        (Some("h"), Some("b"), "ns", None),
        (Some("h"), None, "ns", None),
        (Some(""), Some("a"), "ns", None),
        (None, Some("a"), "ns", None),
        (Some("h"), Some("a"), "other", None),
    ] {
        let mut pod = pod("a");
        pod.metadata.namespace = Some(namespace.to_owned());
        let spec = pod.spec.as_mut().unwrap();
        spec.hostname = hostname.map(str::to_owned);
        spec.subdomain = subdomain.map(str::to_owned);
        let found = endpoint(&pod, None, &service("a"), AddressType::IPv4).hostname;
        assert_eq!(
            found.as_deref(),
            expected,
            "{hostname:?} {subdomain:?} {namespace}"
        );
    }
}

#[test]
fn an_endpoint_names_its_pod_its_node_and_the_nodes_zone() {
    let (mut pod, service) = (pod("a"), service("a"));
    set_addresses(&mut pod, &["10.0.0.9", "fd00::9", "10.0.0.10"]);
    let found = endpoint(
        &pod,
        Some(&node("node-1", Some("z"))),
        &service,
        AddressType::IPv4,
    );
    assert_eq!(
        found.addresses,
        ["10.0.0.10", "10.0.0.9"],
        "all of the family, sorted as text"
    );
    assert_eq!(found.node_name.as_deref(), Some("node-1"));
    assert_eq!(found.zone.as_deref(), Some("z"));
    let target = found.target_ref.unwrap();
    assert_eq!(
        target,
        ObjectReference {
            kind: Some("Pod".to_owned()),
            namespace: Some("ns".to_owned()),
            name: Some("a".to_owned()),
            uid: Some("a-uid".to_owned()),
            ..ObjectReference::default()
        }
    );
    let found = endpoint(&pod, Some(&node("node-1", Some(""))), &service, AddressType::IPv6);
    assert_eq!((found.addresses, found.zone), (vec!["fd00::9".to_owned()], None));
    pod.spec.as_mut().unwrap().node_name = Some(String::new());
    assert_eq!(endpoint(&pod, None, &service, AddressType::IPv4).node_name, None);
}

#[test]
fn a_selector_must_match_whole_and_none_selects_nothing() {
    let (pod, mut service) = (pod("a"), service("a"));
    assert!(selects(&service, &pod));
    let selector = &mut service.spec.as_mut().unwrap().selector;
    selector
        .as_mut()
        .unwrap()
        .insert("tier".to_owned(), String::new());
    assert!(!selects(&service, &pod), "an absent label is not an empty one");
    service.spec.as_mut().unwrap().selector = None;
    assert!(!selects(&service, &pod));
    service.spec.as_mut().unwrap().selector = Some(BTreeMap::new());
    assert!(selects(&service, &pod));
    service.metadata.namespace = Some("other".to_owned());
    assert!(!selects(&service, &pod));
}
