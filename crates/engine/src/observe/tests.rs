use quaymaster_model::{
    EndpointsRecord, IpAddressRecord, NamespaceRecord, NodeRecord, ObjectKey, PodRecord, ServiceCidrRecord,
    ServiceRecord, SliceRecord, Text, Uid,
};
use quaymaster_wire::Gone;
use quaymaster_world::{
    AllocationClaimRecord, Change, Delta, NodePortPoolRecord, ServiceIpPoolRecord, ServiceReservationRecord,
};

use super::*;
use crate::feed::Told;
use crate::fixtures::{
    allocation_claim_json, endpoints_json, ip_address_json, key, namespace_json, node_json,
    node_port_pool_json, pod_json, read, service_cidr_json, service_ip_pool_json, service_json,
    service_reservation_json, slice_json, version,
};

const RESTART: fn() -> Item<SliceRecord> = || Item::Restart { history_lost: false };

/// A world and what its view was told.
struct Story {
    world: World,
    told: Vec<String>,
}

impl Story {
    fn new() -> Self {
        Self {
            world: World::new(),
            told: Vec::new(),
        }
    }

    fn tell(&mut self, told: Told) -> Option<Kind> {
        let log = &mut self.told;
        told.apply(&mut self.world, &mut |_: &World, delta: &Delta<'_>| {
            fn line<T>(change: &Change<'_, T>, name: impl Fn(&T) -> String) -> String {
                match change {
                    Change::Added(new) => format!("+{}", name(new)),
                    Change::Updated { new, .. } => format!("~{}", name(new)),
                    Change::Removed(old) => format!("-{}", name(old)),
                }
            }
            log.push(match delta {
                Delta::Pod { change, .. } => line(change, |pod| pod.key.name.to_string()),
                Delta::Service { change, .. } => line(change, |service| service.key.name.to_string()),
                Delta::Node { change } => line(change, |node| node.name.to_string()),
                Delta::Slice { change, .. } => line(change, |slice| slice.key.name.to_string()),
                Delta::Endpoints { change, .. } => line(change, |endpoints| endpoints.key.name.to_string()),
                Delta::ServiceCidr { change, .. } => line(change, |cidr| cidr.key.name.to_string()),
                Delta::IpAddress { change, .. } => line(change, |address| address.key.name.to_string()),
                Delta::Namespace { change } => line(change, |namespace| namespace.name.to_string()),
                Delta::ServiceIpPool { change, .. } => line(change, |record| record.key.name.to_string()),
                Delta::NodePortPool { change, .. } => line(change, |record| record.key.name.to_string()),
                Delta::ServiceReservation { change, .. } => {
                    line(change, |record| record.key.name.to_string())
                }
                Delta::AllocationClaim { change, .. } => line(change, |record| record.key.name.to_string()),
            });
        })
    }

    fn slices(&mut self, items: Vec<Item<SliceRecord>>) -> Option<Kind> {
        self.tell(told::<SliceRecord>(batch(items)))
    }

    fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }
}

fn told<R: Known>(batch: Batch<R>) -> Told {
    Box::new(batch)
}

fn batch<R>(items: Vec<Item<R>>) -> Batch<R> {
    Batch { items }
}

fn gone(name: &str, uid: Option<&str>) -> Gone {
    Gone {
        key: key(name),
        uid: uid.map(Uid::new),
    }
}

fn slice(name: &str, uid: &str, at: u64) -> Item<SliceRecord> {
    Item::Apply(read(&slice_json(name, uid, at)))
}

/// A list of one object of each kind, a change, and a deletion: the kinds go their own ways.
#[test]
fn each_kind_goes_to_its_store_and_says_when_it_is_complete() {
    fn items<R>(object: R, gone: Gone) -> Batch<R> {
        batch(vec![
            Item::Restart { history_lost: false },
            Item::Apply(object),
            Item::Synced(version(9)),
            Item::Delete(gone),
        ])
    }
    let mut story = Story::new();
    let pod = told::<PodRecord>(items(read(&pod_json("p", "u-1", 3)), gone("p", Some("u-1"))));
    assert_eq!(story.tell(pod), Some(Kind::Pod));
    let service = told::<ServiceRecord>(items(read(&service_json("s", "u-1", 3)), gone("s", Some("u-1"))));
    assert_eq!(story.tell(service), Some(Kind::Service));
    let node = told::<NodeRecord>(items(read(&node_json("n", 3)), gone("n", Some("u"))));
    assert_eq!(story.tell(node), Some(Kind::Node));
    let slice = told::<SliceRecord>(items(read(&slice_json("e", "u-1", 3)), gone("e", Some("u-1"))));
    assert_eq!(story.tell(slice), Some(Kind::Slice));
    let endpoints = read::<EndpointsRecord>(&endpoints_json("o", "u-1", 3));
    let endpoints = told::<EndpointsRecord>(items(endpoints, gone("o", Some("u-1"))));
    assert_eq!(story.tell(endpoints), Some(Kind::Endpoints));
    let clusterwide = |name: &str| Gone {
        key: ObjectKey::new(Text::new(""), Text::new(name)),
        uid: Some(Uid::new("u")),
    };
    let cidr = read::<ServiceCidrRecord>(&service_cidr_json("c", 3));
    let cidr = told::<ServiceCidrRecord>(items(cidr, clusterwide("c")));
    assert_eq!(story.tell(cidr), Some(Kind::ServiceCidr));
    let address = read::<IpAddressRecord>(&ip_address_json("10.0.0.1", 3));
    let address = told::<IpAddressRecord>(items(address, clusterwide("10.0.0.1")));
    assert_eq!(story.tell(address), Some(Kind::IpAddress));
    let namespace = read::<NamespaceRecord>(&namespace_json("shop", 3));
    let namespace = told::<NamespaceRecord>(items(namespace, clusterwide("shop")));
    assert_eq!(story.tell(namespace), Some(Kind::Namespace));
    let pool = read::<ServiceIpPoolRecord>(&service_ip_pool_json("pool", 3));
    let pool = told::<ServiceIpPoolRecord>(items(pool, clusterwide("pool")));
    assert_eq!(story.tell(pool), Some(Kind::ServiceIpPool));
    let pool = read::<NodePortPoolRecord>(&node_port_pool_json("ports", 3));
    let pool = told::<NodePortPoolRecord>(items(pool, clusterwide("ports")));
    assert_eq!(story.tell(pool), Some(Kind::NodePortPool));
    let kept = read::<ServiceReservationRecord>(&service_reservation_json("kept", "u-1", 3));
    let kept = told::<ServiceReservationRecord>(items(kept, gone("kept", Some("u-1"))));
    assert_eq!(story.tell(kept), Some(Kind::ServiceReservation));
    let claim = read::<AllocationClaimRecord>(&allocation_claim_json("np-30000", 3));
    let claim = told::<AllocationClaimRecord>(items(claim, clusterwide("np-30000")));
    assert_eq!(story.tell(claim), Some(Kind::AllocationClaim));
    assert_eq!(
        story.take(),
        [
            "+p",
            "-p",
            "+s",
            "-s",
            "+n",
            "-n",
            "+e",
            "-e",
            "+o",
            "-o",
            "+c",
            "-c",
            "+10.0.0.1",
            "-10.0.0.1",
            "+shop",
            "-shop",
            "+pool",
            "-pool",
            "+ports",
            "-ports",
            "+kept",
            "-kept",
            "+np-30000",
            "-np-30000"
        ]
    );
    assert!(story.world.all_synced(&Kind::ALL));
}

#[test]
fn a_list_is_complete_only_when_it_says_so() {
    let mut story = Story::new();
    assert_eq!(story.slices(vec![RESTART(), slice("a", "u-1", 3)]), None);
    assert!(!story.world.synced(Kind::Slice));
    assert_eq!(
        story.slices(vec![Item::Synced(version(9)), slice("b", "u-2", 10)]),
        Some(Kind::Slice)
    );
    assert_eq!(story.slices(vec![slice("c", "u-3", 11)]), None);
    assert_eq!(story.take(), ["+a", "+b", "+c"]);
}

#[test]
fn what_a_later_list_does_not_have_is_swept_and_what_it_could_not_read_is_kept() {
    let mut story = Story::new();
    story.slices(vec![
        RESTART(),
        slice("stays", "u-1", 3),
        slice("odd", "u-2", 4),
        slice("goes", "u-3", 5),
        Item::Synced(version(9)),
    ]);
    story.take();
    story.slices(vec![
        RESTART(),
        slice("stays", "u-1", 3),
        Item::Unreadable(key("odd")),
        Item::Unreadable(key("never seen")),
    ]);
    assert_eq!(story.take(), [""; 0], "not before the list is complete");
    story.slices(vec![Item::Synced(version(19))]);
    assert_eq!(story.take(), ["-goes"]);
}

#[test]
fn a_kind_that_turns_out_to_be_absent_is_complete_and_empty() {
    let mut story = Story::new();
    assert_eq!(story.slices(vec![Item::Absent]), Some(Kind::Slice));
    assert!(story.world.synced(Kind::Slice));
    story.slices(vec![RESTART(), slice("a", "u-1", 3), Item::Synced(version(9))]);
    assert!(!story.world.is_absent(Kind::Slice));
    assert_eq!(story.slices(vec![Item::Absent]), Some(Kind::Slice));
    assert_eq!(story.take(), ["+a", "-a"]);
}

#[test]
fn a_deletion_without_uid_is_of_what_is_held_and_one_with_another_uid_is_not() {
    let mut story = Story::new();
    story.slices(vec![
        RESTART(),
        slice("a", "u-2", 3),
        slice("b", "u-2", 3),
        Item::Synced(version(9)),
    ]);
    story.take();
    story.slices(vec![
        Item::Delete(gone("a", Some("u-1"))),
        Item::Delete(gone("unknown", None)),
    ]);
    assert_eq!(story.take(), [""; 0]);
    story.slices(vec![
        Item::Delete(gone("a", None)),
        Item::Delete(gone("b", Some("u-2"))),
    ]);
    assert_eq!(story.take(), ["-a", "-b"]);

    let restart = || Item::Restart { history_lost: false };
    story.tell(told::<PodRecord>(batch(vec![
        restart(),
        Item::Apply(read(&pod_json("p", "u-1", 3))),
    ])));
    story.tell(told::<PodRecord>(batch(vec![Item::Delete(gone("p", None))])));
    let service = Item::Apply(read(&service_json("s", "u-1", 3)));
    story.tell(told::<ServiceRecord>(batch(vec![
        Item::Restart { history_lost: false },
        service,
    ])));
    story.tell(told::<ServiceRecord>(batch(vec![Item::Delete(gone("s", None))])));
    assert_eq!(story.take(), ["+p", "-p", "+s", "-s"]);
}

#[test]
fn a_list_after_a_loss_of_history_holds_however_old_it_looks() {
    for (history_lost, held) in [(false, 1000), (true, 500)] {
        let mut story = Story::new();
        story.slices(vec![
            RESTART(),
            slice("a", "u-1", 1000),
            Item::Synced(version(1000)),
        ]);
        story.slices(vec![
            Item::Restart { history_lost },
            slice("a", "u-1", 500),
            Item::Synced(version(600)),
        ]);
        let slice = story.world.slice(&key("a")).unwrap();
        assert_eq!(slice.resource_version, version(held));
    }
}
