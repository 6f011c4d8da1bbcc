//! Objects of every kind, and how the world is told of them.

use std::sync::Arc;

use quaymaster_model::{
    EndpointsRecord, IpAddressRecord, NamespaceRecord, NodeRecord, ObjectKey, PodRecord, ServiceCidrRecord,
    ServiceRecord, SliceRecord, Uid,
};

use super::super::fixtures::*;
use super::object_key;
use crate::{
    AllocationClaimRecord, Kind, NodePortPoolRecord, ServiceIpPoolRecord, ServiceReservationRecord, View,
    World,
};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Object {
    Pod(PodRecord),
    Service(ServiceRecord),
    Node(NodeRecord),
    Namespace(NamespaceRecord),
    Slice(SliceRecord),
    Endpoints(EndpointsRecord),
    ServiceCidr(ServiceCidrRecord),
    IpAddress(IpAddressRecord),
    ServiceIpPool(ServiceIpPoolRecord),
    NodePortPool(NodePortPoolRecord),
    ServiceReservation(ServiceReservationRecord),
    AllocationClaim(AllocationClaimRecord),
}

/// Variants differ in what indexes look at: labels, selectors, Node names, the Service of a slice.
pub(super) fn build(kind: Kind, object: usize, id: u64, at: u64, variant: u8) -> Object {
    let key = object_key(object);
    let (app, place) = (format!("app-{}", variant % 3), format!("object-{}", variant / 3));
    let pairs = [("app", app.as_str()), ("tier", "web")];
    match kind {
        Kind::Pod => {
            let on = (variant < 9).then_some(place.as_str());
            let record = pod("", id, &pairs[..=usize::from(variant % 2)], on);
            Object::Pod(PodRecord { key, ..record })
        }
        Kind::Service => {
            let pairs: &[_] = match variant {
                0..2 => &[],
                2..8 => &pairs[..1],
                _ => &pairs,
            };
            let record = service("", id, at, pairs);
            Object::Service(ServiceRecord { key, ..record })
        }
        Kind::Node => Object::Node(node(&key.name, (variant < 6).then_some(place.as_str()))),
        Kind::Namespace => Object::Namespace(namespace(&key.name, &[("app", &app)], variant < 6)),
        Kind::Slice => {
            let of = (variant < 9).then_some(place.as_str());
            let record = slice("", id, at, of);
            Object::Slice(SliceRecord { key, ..record })
        }
        Kind::Endpoints => {
            let record = endpoints("", id, at);
            Object::Endpoints(EndpointsRecord { key, ..record })
        }
        Kind::ServiceCidr => {
            let record = service_cidr("", id, at);
            Object::ServiceCidr(ServiceCidrRecord { key, ..record })
        }
        Kind::IpAddress => {
            let record = ip_address("", id, at);
            Object::IpAddress(IpAddressRecord { key, ..record })
        }
        Kind::ServiceIpPool => {
            let record = service_ip_pool("", id, at);
            Object::ServiceIpPool(ServiceIpPoolRecord { key, ..record })
        }
        Kind::NodePortPool => {
            let record = node_port_pool("", id, at);
            Object::NodePortPool(NodePortPoolRecord { key, ..record })
        }
        Kind::ServiceReservation => {
            let record = service_reservation("", id, at);
            Object::ServiceReservation(ServiceReservationRecord { key, ..record })
        }
        Kind::AllocationClaim => {
            let record = allocation_claim("", id, at);
            Object::AllocationClaim(AllocationClaimRecord { key, ..record })
        }
    }
}

impl Object {
    /// The watch or a list tells it.
    pub(super) fn apply(self, world: &mut World, views: &mut dyn View) {
        match self {
            Self::Pod(pod) => world.apply_pod(pod, views),
            Self::Service(service) => world.apply_service(service, views),
            Self::Node(node) => world.apply_node(node, views),
            Self::Namespace(namespace) => world.apply_namespace(namespace, views),
            Self::Slice(record) => world.apply(record, views),
            Self::Endpoints(record) => world.apply(record, views),
            Self::ServiceCidr(record) => world.apply(record, views),
            Self::IpAddress(record) => world.apply(record, views),
            Self::ServiceIpPool(record) => world.apply(record, views),
            Self::NodePortPool(record) => world.apply(record, views),
            Self::ServiceReservation(record) => world.apply(record, views),
            Self::AllocationClaim(record) => world.apply(record, views),
        }
    }

    /// A write of ours is answered with it.
    pub(super) fn observe(self, world: &mut World, views: &mut dyn View) {
        match self {
            Self::Slice(record) => world.observe_written(&Arc::new(record), views),
            Self::Endpoints(record) => world.observe_written(&Arc::new(record), views),
            Self::ServiceCidr(record) => world.observe_written(&Arc::new(record), views),
            Self::IpAddress(record) => world.observe_written(&Arc::new(record), views),
            Self::ServiceIpPool(record) => world.observe_written(&Arc::new(record), views),
            Self::NodePortPool(record) => world.observe_written(&Arc::new(record), views),
            Self::ServiceReservation(record) => world.observe_written(&Arc::new(record), views),
            Self::AllocationClaim(record) => world.observe_written(&Arc::new(record), views),
            other => panic!("{other:?} is not written"),
        }
    }

    /// Of a kind that is written.
    pub(super) fn uid(self) -> Uid {
        match self {
            Self::Slice(record) => record.uid,
            Self::Endpoints(record) => record.uid,
            Self::ServiceCidr(record) => record.uid,
            Self::IpAddress(record) => record.uid,
            Self::ServiceIpPool(record) => record.uid,
            Self::NodePortPool(record) => record.uid,
            Self::ServiceReservation(record) => record.uid,
            Self::AllocationClaim(record) => record.uid,
            other => panic!("{other:?} is not written"),
        }
    }
}

/// The watch tells that an object is gone.
pub(super) fn delete(kind: Kind, key: &ObjectKey, uid: &Uid, world: &mut World, views: &mut dyn View) {
    match kind {
        Kind::Pod => world.delete_pod(key, uid, views),
        Kind::Service => world.delete_service(key, uid, views),
        Kind::Node => world.delete_node(&key.name, views),
        Kind::Namespace => world.delete_namespace(&key.name, views),
        Kind::Slice => world.delete::<SliceRecord>(key, uid, views),
        Kind::Endpoints => world.delete::<EndpointsRecord>(key, uid, views),
        Kind::ServiceCidr => world.delete::<ServiceCidrRecord>(key, uid, views),
        Kind::IpAddress => world.delete::<IpAddressRecord>(key, uid, views),
        Kind::ServiceIpPool => world.delete::<ServiceIpPoolRecord>(key, uid, views),
        Kind::NodePortPool => world.delete::<NodePortPoolRecord>(key, uid, views),
        Kind::ServiceReservation => world.delete::<ServiceReservationRecord>(key, uid, views),
        Kind::AllocationClaim => world.delete::<AllocationClaimRecord>(key, uid, views),
    }
}

/// A deletion of ours is answered.
pub(super) fn observe_gone(kind: Kind, key: &ObjectKey, uid: &Uid, world: &mut World, views: &mut dyn View) {
    match kind {
        Kind::Slice => world.observe_deleted::<SliceRecord>(key, uid, views),
        Kind::Endpoints => world.observe_deleted::<EndpointsRecord>(key, uid, views),
        Kind::ServiceCidr => world.observe_deleted::<ServiceCidrRecord>(key, uid, views),
        Kind::IpAddress => world.observe_deleted::<IpAddressRecord>(key, uid, views),
        Kind::ServiceIpPool => world.observe_deleted::<ServiceIpPoolRecord>(key, uid, views),
        Kind::NodePortPool => world.observe_deleted::<NodePortPoolRecord>(key, uid, views),
        Kind::ServiceReservation => world.observe_deleted::<ServiceReservationRecord>(key, uid, views),
        Kind::AllocationClaim => world.observe_deleted::<AllocationClaimRecord>(key, uid, views),
        other => panic!("{other:?} is not written"),
    }
}

/// What the world has of an object.
pub(super) fn held(kind: Kind, world: &World, key: &ObjectKey) -> Option<Object> {
    match kind {
        Kind::Pod => world.pod(world.pod_id(key)?).cloned().map(Object::Pod),
        Kind::Service => world
            .service(world.service_id(key)?)
            .cloned()
            .map(Object::Service),
        Kind::Node => world.node(&key.name).cloned().map(Object::Node),
        Kind::Namespace => world.namespace(&key.name).cloned().map(Object::Namespace),
        Kind::Slice => world
            .slice(key)
            .map(|held| Object::Slice(SliceRecord::clone(held))),
        Kind::Endpoints => world
            .endpoints(key)
            .map(|held| Object::Endpoints(EndpointsRecord::clone(held))),
        Kind::ServiceCidr => world
            .service_cidr(key)
            .map(|held| Object::ServiceCidr(ServiceCidrRecord::clone(held))),
        Kind::IpAddress => world
            .ip_address(key)
            .map(|held| Object::IpAddress(IpAddressRecord::clone(held))),
        Kind::ServiceIpPool => world
            .service_ip_pool(key)
            .map(|held| Object::ServiceIpPool(ServiceIpPoolRecord::clone(held))),
        Kind::NodePortPool => world
            .node_port_pool(key)
            .map(|held| Object::NodePortPool(NodePortPoolRecord::clone(held))),
        Kind::ServiceReservation => world
            .service_reservation(key)
            .map(|held| Object::ServiceReservation(ServiceReservationRecord::clone(held))),
        Kind::AllocationClaim => world
            .allocation_claim(key)
            .map(|held| Object::AllocationClaim(AllocationClaimRecord::clone(held))),
    }
}
