//! Lists, identity, indexes.

use quaymaster_model::SliceRecord;

use super::fixtures::*;
use crate::{Kind, PodId, World};

#[test]
fn nothing_is_synced_before_its_first_list_has_ended() {
    let (mut world, mut shadow) = (World::new(), Shadow::default());
    world.end(Kind::Pod, &version(1), &mut shadow);
    assert!(!world.synced(Kind::Pod), "no list was begun");
    for kind in Kind::ALL {
        assert!(!world.all_synced(&Kind::ALL));
        world.begin(kind);
        assert!(!world.synced(kind));
        world.end(kind, &version(1), &mut shadow);
        assert!(world.synced(kind));
    }
    assert!(world.all_synced(&Kind::ALL));
    world.begin(Kind::Pod);
    assert!(world.all_synced(&Kind::ALL), "a later list does not unsync");
}

#[test]
fn a_deletion_missed_while_the_watch_was_down_is_reported_after_the_relist() {
    let (mut world, mut shadow) = synced();
    for name in ["stays", "goes"] {
        world.apply_pod(pod(name, 1, &[], Some("n1")), &mut shadow);
        world.apply_service(service(name, 1, 5, &[]), &mut shadow);
        world.apply_node(node(name, None), &mut shadow);
        world.apply(slice(name, 1, 5, Some("web")), &mut shadow);
    }
    shadow.take();
    for kind in Kind::ALL {
        world.begin(kind);
    }
    world.apply_pod(pod("stays", 1, &[], Some("n1")), &mut shadow);
    world.apply_service(service("stays", 1, 5, &[]), &mut shadow);
    world.apply_node(node("stays", None), &mut shadow);
    world.apply(slice("stays", 1, 5, Some("web")), &mut shadow);
    assert_eq!(shadow.take(), [] as [String; 0]);
    for kind in Kind::ALL {
        world.end(kind, &version(9), &mut shadow);
    }
    assert_eq!(
        shadow.take(),
        [
            "pod goes removed",
            "service goes removed",
            "node goes removed",
            "slice goes removed by watch"
        ]
    );
}

#[test]
fn a_list_that_breaks_removes_nothing_and_the_next_one_counts_alone() {
    let (mut world, mut shadow) = synced();
    for name in ["a", "b", "c"] {
        world.apply_pod(pod(name, 1, &[], None), &mut shadow);
    }
    world.begin(Kind::Pod);
    world.apply_pod(pod("a", 1, &[], None), &mut shadow);
    world.apply_pod(pod("b", 1, &[], None), &mut shadow);
    shadow.take();
    world.begin(Kind::Pod);
    world.apply_pod(pod("b", 1, &[], None), &mut shadow);
    assert_eq!(shadow.take(), [] as [String; 0]);
    world.end(Kind::Pod, &version(9), &mut shadow);
    let mut told = shadow.take();
    told.sort();
    assert_eq!(told, ["pod a removed", "pod c removed"]);
    world.end(Kind::Pod, &version(9), &mut shadow);
    assert_eq!(shadow.take(), [] as [String; 0], "a list ends once");
}

#[test]
fn what_a_list_could_not_read_stays_as_it_was() {
    let (mut world, mut shadow) = synced();
    for name in ["odd", "gone"] {
        world.apply_pod(pod(name, 1, &[], Some("n1")), &mut shadow);
        world.apply_service(service(name, 1, 5, &[]), &mut shadow);
        world.apply_node(node(name, None), &mut shadow);
        world.apply(slice(name, 1, 5, Some("web")), &mut shadow);
    }
    shadow.take();
    for kind in Kind::ALL {
        world.begin(kind);
        world.keep(kind, &key("odd"));
        world.keep(kind, &key("never seen"));
        world.end(kind, &version(9), &mut shadow);
    }
    assert_eq!(
        shadow.take(),
        [
            "pod gone removed",
            "service gone removed",
            "node gone removed",
            "slice gone removed by watch"
        ]
    );
}

#[test]
fn an_object_that_reappears_with_another_uid_is_removed_and_added() {
    let (mut world, mut shadow) = synced();
    world.apply_pod(pod("web-0", 1, &[("app", "web")], Some("n1")), &mut shadow);
    world.apply_service(service("web", 1, 5, &[("app", "web")]), &mut shadow);
    world.apply(slice("web-a", 1, 5, Some("web")), &mut shadow);
    shadow.take();
    world.apply_pod(pod("web-0", 2, &[("app", "web")], Some("n1")), &mut shadow);
    world.apply_service(service("web", 2, 6, &[("app", "web")]), &mut shadow);
    world.apply(slice("web-a", 2, 6, Some("web")), &mut shadow);
    assert_eq!(
        shadow.take(),
        [
            "pod web-0 removed",
            "pod web-0 added",
            "service web removed",
            "service web added",
            "slice web-a removed by watch",
            "slice web-a added by watch"
        ]
    );
    let service = world.service_id(&key("web")).unwrap();
    assert_eq!(world.membership().count(service), 1);
    assert_eq!(world.slices_of(&key("web")).count(), 1);
    assert_eq!(world.pods_on("n1").len(), 1);
}

#[test]
fn the_deletion_of_a_former_object_leaves_its_successor_alone() {
    let (mut world, mut shadow) = synced();
    world.apply_pod(pod("web-0", 2, &[], None), &mut shadow);
    world.apply_service(service("web", 2, 6, &[]), &mut shadow);
    world.apply(slice("web-a", 2, 6, Some("web")), &mut shadow);
    shadow.take();
    world.delete_pod(&key("web-0"), &uid(1), &mut shadow);
    world.delete_service(&key("web"), &uid(1), &mut shadow);
    world.delete::<SliceRecord>(&key("web-a"), &uid(1), &mut shadow);
    world.delete_pod(&key("unknown"), &uid(1), &mut shadow);
    world.delete_node("unknown", &mut shadow);
    assert_eq!(shadow.take(), [] as [String; 0]);
    world.delete_pod(&key("web-0"), &uid(2), &mut shadow);
    world.delete_service(&key("web"), &uid(2), &mut shadow);
    world.delete::<SliceRecord>(&key("web-a"), &uid(2), &mut shadow);
    assert_eq!(shadow.take().len(), 3);
}

#[test]
fn a_record_that_did_not_change_is_not_reported() {
    let (mut world, mut shadow) = synced();
    for expected in [4, 0, 0] {
        world.apply_pod(pod("web-0", 1, &[("app", "web")], Some("n1")), &mut shadow);
        world.apply_service(service("web", 1, 5, &[("app", "web")]), &mut shadow);
        world.apply_node(node("n1", Some("z")), &mut shadow);
        world.apply(slice("web-a", 1, 5, Some("web")), &mut shadow);
        assert_eq!(shadow.take().len(), expected);
    }
}

#[test]
fn a_service_keeps_its_id_while_it_lives_whatever_it_selects() {
    let (mut world, mut shadow) = synced();
    world.apply_pod(pod("web-0", 1, &[("app", "web")], None), &mut shadow);
    world.apply_service(service("web", 1, 5, &[("app", "db")]), &mut shadow);
    let id = world.service_id(&key("web")).unwrap();
    assert_eq!(world.membership().count(id), 0);
    world.apply_service(service("web", 1, 7, &[("app", "web")]), &mut shadow);
    assert_eq!(world.service_id(&key("web")), Some(id));
    assert_eq!(world.membership().count(id), 1);
}

#[test]
fn pods_are_found_by_the_name_of_their_node_even_before_the_node_is_known() {
    let (mut world, mut shadow) = synced();
    world.apply_pod(pod("a", 1, &[], Some("n1")), &mut shadow);
    world.apply_pod(pod("b", 2, &[], None), &mut shadow);
    let on = |world: &World, node: &str| {
        let mut pods: Vec<PodId> = world.pods_on(node).collect();
        pods.sort();
        pods
    };
    let (a, b) = (world.pod_id(&key("a")).unwrap(), world.pod_id(&key("b")).unwrap());
    assert_eq!(on(&world, "n1"), [a]);
    world.apply_pod(pod("b", 2, &[], Some("n1")), &mut shadow);
    assert_eq!(on(&world, "n1"), [a, b]);
    world.delete_pod(&key("a"), &uid(1), &mut shadow);
    assert_eq!(on(&world, "n1"), [b]);
    world.apply_pod(pod("b", 2, &[], Some("n2")), &mut shadow);
    assert_eq!(on(&world, "n1"), []);
    assert_eq!(on(&world, "n2"), [b]);
    assert_eq!(world.sizes().nodes_with_pods, 1);
}

#[test]
fn what_is_gone_leaves_nothing_behind_in_any_index() {
    let (mut world, mut shadow) = synced();
    for number in 0..50 {
        let name = format!("object-{number}");
        let app = [("app", name.as_str())];
        world.apply_pod(pod(&name, number, &app, Some(&name)), &mut shadow);
        world.apply_service(service(&name, number, 5, &app), &mut shadow);
        world.apply_node(node(&name, None), &mut shadow);
        world.apply_namespace(namespace(&name, &app, false), &mut shadow);
        world.apply(slice(&name, number, 5, Some(&name)), &mut shadow);
        world.apply(endpoints(&name, number, 5), &mut shadow);
        world.apply(service_cidr(&name, number, 5), &mut shadow);
        world.apply(ip_address(&name, number, 5), &mut shadow);
        world.apply(service_ip_pool(&name, number, 5), &mut shadow);
        world.apply(node_port_pool(&name, number, 5), &mut shadow);
        world.apply(service_reservation(&name, number, 5), &mut shadow);
        world.apply(allocation_claim(&name, number, 5), &mut shadow);
    }
    let sizes = world.sizes();
    assert_eq!((sizes.pods, sizes.nodes_with_pods), (50, 50));
    assert_eq!((sizes.services, sizes.membership.links), (50, 50));
    assert_eq!((sizes.slices, sizes.services_with_slices), (50, 50));
    assert_eq!((sizes.nodes, sizes.endpoints_in_slices), (50, 100));
    assert_eq!(
        (
            sizes.endpoints,
            sizes.service_cidrs,
            sizes.ip_addresses,
            sizes.namespaces
        ),
        (50, 50, 50, 50)
    );
    assert_eq!(
        (
            sizes.service_ip_pools,
            sizes.node_port_pools,
            sizes.service_reservations,
            sizes.allocation_claims
        ),
        (50, 50, 50, 50)
    );
    assert!(sizes.bytes > sizes.membership.bytes);
    for kind in Kind::ALL {
        world.begin(kind);
        world.end(kind, &version(9), &mut shadow);
    }
    assert_eq!(
        crate::Sizes {
            bytes: 0,
            membership: quaymaster_membership::Sizes {
                bytes: 0,
                ..world.sizes().membership
            },
            ..world.sizes()
        },
        crate::Sizes {
            pods: 0,
            services: 0,
            nodes: 0,
            namespaces: 0,
            slices: 0,
            endpoints_in_slices: 0,
            endpoints: 0,
            service_cidrs: 0,
            ip_addresses: 0,
            service_ip_pools: 0,
            node_port_pools: 0,
            service_reservations: 0,
            allocation_claims: 0,
            nodes_with_pods: 0,
            services_with_slices: 0,
            tombstones: 0,
            membership: quaymaster_membership::Sizes::default(),
            bytes: 0,
        }
    );
}
