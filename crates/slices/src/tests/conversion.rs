//! From a Pod to an endpoint.
//!
//! | Rule | Test |
//! |---|---|
//! | eligible: phase | `a_finished_pod_is_no_endpoint_whatever_else_it_says` |
//! | eligible: address | `a_pod_without_an_address_is_no_endpoint`, `a_pod_whose_addresses_cannot_be_read_has_a_port_group_but_no_endpoint` |
//! | eligible: terminating | `a_terminating_pod_stays_an_endpoint` |
//! | conditions | `conditions_follow_readiness_deletion_and_the_wish_to_publish_what_is_not_ready` |
//! | target | `the_target_names_kind_namespace_name_and_uid_and_nothing_else` |
//! | hostname | `the_hostname_is_published_where_the_subdomain_is_the_service` |
//! | node and zone | `node_and_zone_are_those_of_the_pods_node` |
//! | Node not known | `a_pod_on_an_unknown_node_is_left_out`, `a_pod_without_a_node_is_left_out`, `a_pod_on_an_unknown_node_is_published_where_the_service_publishes_what_is_not_ready`, `a_pod_whose_node_goes_stays_published_where_the_service_publishes_what_is_not_ready` |
//! | addresses | `all_addresses_of_a_family_stand_in_one_endpoint_sorted_as_text` |
//! | compared | `whatever_is_wrong_with_an_endpoint_is_put_right_where_it_stands`, `a_condition_that_is_absent_differs_from_one_that_is_false`, `a_target_with_more_than_that_is_put_right` |
//! | identity | `a_pod_recreated_under_its_name_and_address_is_updated_in_place`, `a_pod_with_another_address_is_another_endpoint` |

use quaymaster_model::{EndpointRecord, PodHostname, TargetDetails, Text, Uid};

use super::fixture::{Fixture, counts, node, only_endpoint, pod, pod_name, updates};

#[test]
fn a_finished_pod_is_no_endpoint_whatever_else_it_says() {
    let mut fixture = Fixture::new().with_pods(2);
    let mut finished = pod(1);
    finished.flags.finished = true;
    finished.flags.ready = true;
    fixture.world.add(finished);
    fixture.start();
    assert_eq!(fixture.published(), [pod_name(0)]);
}

#[test]
fn a_pod_without_an_address_is_no_endpoint() {
    let mut fixture = Fixture::new().with_pods(2);
    let mut pending = pod(1);
    pending.flags.has_address = false;
    pending.addresses.clear();
    fixture.world.add(pending);
    fixture.start();
    assert_eq!(fixture.published(), [pod_name(0)]);
    fixture.set_pod(pod(1));
    fixture.settle();
    assert_eq!(fixture.published(), [pod_name(0), pod_name(1)]);
}

#[test]
fn a_pod_whose_addresses_cannot_be_read_has_a_port_group_but_no_endpoint() {
    let mut fixture = Fixture::new();
    // Somebody emptied the slice: since its ports are those of a Pod, it stays.
    fixture.store_pods("svc-old", 0..0);
    let mut unreadable = pod(1);
    unreadable.addresses.clear();
    fixture.world.add(unreadable);
    fixture.restart();
    assert_eq!(fixture.settle(), []);
    assert_eq!(fixture.sizes(), [0]);
}

#[test]
fn a_terminating_pod_stays_an_endpoint() {
    let mut fixture = Fixture::new().with_pods(1);
    fixture.start();
    let mut going = pod(0);
    going.flags.terminating = true;
    fixture.set_pod(going);
    fixture.settle();
    assert_eq!(only_endpoint(&fixture).conditions.terminating, Some(true));
}

#[test]
fn conditions_follow_readiness_deletion_and_the_wish_to_publish_what_is_not_ready() {
    // Pod ready, terminating, publishNotReadyAddresses; then ready, serving, terminating.
    let table = [
        ([true, false, false], [true, true, false]),
        ([false, false, false], [false, false, false]),
        ([true, true, false], [false, true, true]),
        ([false, true, false], [false, false, true]),
        ([true, false, true], [true, true, false]),
        ([false, false, true], [true, false, false]),
        ([true, true, true], [true, true, true]),
        ([false, true, true], [true, false, true]),
    ];
    for ([ready, terminating, publish], expected) in table {
        let mut fixture = Fixture::new();
        fixture.service.publish_not_ready = publish;
        let mut pod = pod(0);
        pod.flags.ready = ready;
        pod.flags.terminating = terminating;
        fixture.world.add(pod);
        fixture.start();
        let found = only_endpoint(&fixture).conditions;
        let found = [found.ready, found.serving, found.terminating];
        assert_eq!(found, expected.map(Some), "{ready} {terminating} {publish}");
    }
}

#[test]
fn a_condition_that_is_absent_differs_from_one_that_is_false() {
    let mut fixture = Fixture::new().with_pods(1);
    fixture.store_pods("svc-old", 0..1);
    fixture.edit("svc-old", |slice| {
        slice.endpoints[0].conditions.terminating = None;
    });
    fixture.restart();
    assert_eq!(updates(&fixture.settle()), 1);
    assert_eq!(only_endpoint(&fixture).conditions.terminating, Some(false));
}

#[test]
fn the_target_names_kind_namespace_name_and_uid_and_nothing_else() {
    let mut fixture = Fixture::new().with_pods(1);
    fixture.start();
    let target = only_endpoint(&fixture).target.unwrap();
    let names = [&target.kind, &target.namespace, &target.name].map(Text::as_str);
    assert_eq!(names, ["Pod", "test", "pod-00000"]);
    assert_eq!(target.uid, Uid::new("pod-uid-0"));
    assert_eq!(target.details, None);
}

#[test]
fn a_target_with_more_than_that_is_put_right() {
    for (details, writes) in [
        (
            TargetDetails {
                api_version: Some("v1".into()),
                ..TargetDetails::default()
            },
            1,
        ),
        (
            TargetDetails {
                field_path: Some("spec".into()),
                ..TargetDetails::default()
            },
            1,
        ),
        // Not for that alone.
        (
            TargetDetails {
                resource_version: Some("7".into()),
                ..TargetDetails::default()
            },
            0,
        ),
    ] {
        let mut fixture = Fixture::new().with_pods(1);
        fixture.store_pods("svc-old", 0..1);
        fixture.edit("svc-old", |slice| {
            slice.endpoints[0].target.as_mut().unwrap().details = details.clone().boxed();
        });
        fixture.restart();
        assert_eq!(updates(&fixture.settle()), writes, "{details:?}");
        let found = only_endpoint(&fixture).target.unwrap().details;
        assert_eq!(found.is_some(), writes == 0, "{details:?}");
    }
}

#[test]
fn the_hostname_is_published_where_the_subdomain_is_the_service() {
    for (subdomain, expected) in [("svc", Some("host")), ("other", None)] {
        let mut fixture = Fixture::new();
        let mut pod = pod(0);
        pod.hostname = Some(Box::new(PodHostname {
            hostname: "host".into(),
            subdomain: subdomain.into(),
        }));
        fixture.world.add(pod);
        fixture.start();
        assert_eq!(
            only_endpoint(&fixture).hostname.as_deref(),
            expected,
            "{subdomain}"
        );
    }
}

#[test]
fn an_endpoint_under_an_old_hostname_is_replaced_where_it_stands() {
    let mut fixture = Fixture::new().with_pods(3);
    fixture.store_pods("svc-old", 0..3);
    fixture.edit("svc-old", |slice| {
        slice.endpoints[1].hostname = Some("old".into());
    });
    fixture.restart();
    assert_eq!(updates(&fixture.settle()), 1);
    assert_eq!(fixture.published(), [0, 1, 2].map(pod_name));
    assert_eq!(fixture.sizes(), [3]);
}

#[test]
fn node_and_zone_are_those_of_the_pods_node() {
    let mut fixture = Fixture::new();
    fixture.world.set_node(node("bare", None));
    let mut elsewhere = pod(1);
    elsewhere.node = Some("bare".into());
    fixture.world.add(pod(0));
    fixture.world.add(elsewhere);
    fixture.start();
    let slice = fixture.world.slices.values().next().unwrap();
    let places: Vec<_> = slice
        .endpoints
        .iter()
        .map(|it| (it.node.as_deref(), it.zone.as_deref()))
        .collect();
    assert_eq!(places, [(Some("n"), Some("z")), (Some("bare"), None)]);
}

#[test]
fn a_pod_on_an_unknown_node_is_left_out() {
    let mut fixture = Fixture::new().with_pods(2);
    let mut lost = pod(1);
    lost.node = Some("missing".into());
    fixture.world.add(lost);
    fixture.start();
    assert_eq!(fixture.published(), [pod_name(0)]);
    assert_eq!(fixture.summary().pods_without_node, 1);
}

#[test]
fn a_pod_without_a_node_is_left_out() {
    let mut fixture = Fixture::new();
    let mut lost = pod(0);
    lost.node = None;
    fixture.world.add(lost);
    fixture.start();
    assert_eq!(fixture.sizes(), [0]);
    assert_eq!(fixture.summary().pods_without_node, 1);
}

#[test]
fn a_pod_on_an_unknown_node_is_published_where_the_service_publishes_what_is_not_ready() {
    let mut fixture = Fixture::new();
    fixture.service.publish_not_ready = true;
    let mut lost = pod(0);
    lost.node = Some("missing".into());
    fixture.world.add(lost);
    fixture.start();
    let endpoint = only_endpoint(&fixture);
    assert_eq!((endpoint.node.as_deref(), endpoint.zone), (Some("missing"), None));
    assert_eq!(fixture.summary().pods_without_node, 0);
}

#[test]
fn all_addresses_of_a_family_stand_in_one_endpoint_sorted_as_text() {
    let mut fixture = Fixture::new();
    let mut pod = pod(0);
    pod.addresses = ["10.0.0.9", "10.0.0.10"]
        .map(|text| text.parse().unwrap())
        .into_iter()
        .collect();
    fixture.world.add(pod);
    fixture.start();
    let addresses: Vec<String> = only_endpoint(&fixture)
        .addresses
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(addresses, ["10.0.0.10", "10.0.0.9"]);
}

#[test]
fn a_pod_recreated_under_its_name_and_address_is_updated_in_place() {
    let mut fixture = Fixture::new().with_pods(3);
    fixture.start();
    let mut again = pod(1);
    again.uid = Uid::new("another");
    fixture.set_pod(again);
    assert_eq!(updates(&fixture.settle()), 1);
    let slice = fixture.world.slices.values().next().unwrap();
    assert_eq!(
        slice.endpoints[1].target.as_ref().unwrap().uid,
        Uid::new("another")
    );
}

#[test]
fn a_pod_with_another_address_is_another_endpoint() {
    let mut fixture = Fixture::new().with_pods(3);
    fixture.start();
    let mut moved = pod(1);
    moved.addresses = [std::net::IpAddr::from([10, 9, 9, 9])].into_iter().collect();
    fixture.set_pod(moved);
    assert_eq!(updates(&fixture.settle()), 1);
    let slice = fixture.world.slices.values().next().unwrap();
    // What stays keeps its order; what is new stands at the end.
    let last = slice.endpoints.last().unwrap();
    assert_eq!(
        (slice.endpoints.len(), last.addresses[0].to_string().as_str()),
        (3, "10.9.9.9")
    );
}

#[test]
fn whatever_is_wrong_with_an_endpoint_is_put_right_where_it_stands() {
    type Edit = fn(&mut EndpointRecord);
    let edits: [(&str, Edit); 9] = [
        ("node", |endpoint| endpoint.node = Some("other".into())),
        ("no zone", |endpoint| endpoint.zone = None),
        ("another zone", |endpoint| endpoint.zone = Some("other".into())),
        ("ready", |endpoint| endpoint.conditions.ready = Some(false)),
        ("serving", |endpoint| endpoint.conditions.serving = Some(false)),
        ("serving is missing", |endpoint| {
            endpoint.conditions.serving = None;
        }),
        ("terminating", |endpoint| {
            endpoint.conditions.terminating = Some(true);
        }),
        ("the Pod's UID", |endpoint| {
            endpoint.target.as_mut().unwrap().uid = Uid::new("former");
        }),
        ("the Pod's name", |endpoint| {
            endpoint.target.as_mut().unwrap().name = "other".into();
        }),
    ];
    for (what, edit) in edits {
        let mut fixture = Fixture::new().with_pods(1);
        fixture.start();
        let right = only_endpoint(&fixture);
        let name = fixture.world.slices.keys().next().unwrap().clone();
        let edited = fixture.touch(&name, |slice| edit(&mut slice.endpoints[0]));
        fixture.see(edited);
        assert_eq!(counts(&fixture.settle()), (0, 1, 0), "{what}");
        assert_eq!(only_endpoint(&fixture), right, "{what}");
    }
}

#[test]
fn a_pod_whose_node_goes_stays_published_where_the_service_publishes_what_is_not_ready() {
    let mut fixture = Fixture::new().with_pods(2);
    fixture.service.publish_not_ready = true;
    fixture.start();
    fixture.world.nodes.clear();
    fixture.restart();
    assert_eq!(
        counts(&fixture.settle()),
        (0, 1, 0),
        "the zone is not known any more"
    );
    assert_eq!(fixture.published(), [0, 1].map(pod_name));
    assert_eq!(fixture.summary().pods_without_node, 0);
}
