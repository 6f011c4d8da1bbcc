//! What is to be known of each kind: where the API has it, how and in which encoding it is read, and how it gets into the
//! world.
//!
//! A kind that is read is a `Known` record in a file of its own here, and a line in `ops`. One that is written and whose
//! answers count before the watch tells them has an arm in `written` and `deleted` as well.

mod custom;
mod endpoints;
mod ip_address;
mod namespace;
mod node;
mod pod;
mod resource;
mod service;
mod service_cidr;
mod slice;

use std::sync::Arc;

use quaymaster_model::{
    EndpointsRecord, Interner, IpAddressRecord, NamespaceRecord, NodeRecord, ObjectKey, PodRecord,
    ServiceCidrRecord, ServiceRecord, SliceRecord, Uid,
};
use quaymaster_runtime::api::Verb;
use quaymaster_runtime::pool::BodyError;
use quaymaster_watch::Stats;
use quaymaster_wire::{DecodeError, Gone, Reader, Status};
use quaymaster_world::{
    AllocationClaimRecord, Kind, NodePortPoolRecord, ServiceIpPoolRecord, ServiceReservationRecord, View,
    World,
};

use crate::feed::Start;

pub use resource::Resource;

/// A record of a kind that is read.
pub(crate) trait Known: Send + Sync + Sized + 'static {
    const KIND: Kind;
    const RESOURCE: Resource;

    /// Reads it, wherever the apiserver tells it: in lists, watches and answers. Its encoding is the one that is asked for.
    type Reader: Reader<Record = Self>;

    /// A watch or a list told it.
    fn apply(self, world: &mut World, views: &mut dyn View);

    /// A watch told that it is gone. Without a UID that can only be of what is held.
    fn delete(gone: &Gone, world: &mut World, views: &mut dyn View);

    fn into_object(self) -> Object;
}

/// An object as the apiserver answered it.
#[derive(Debug, Clone)]
pub enum Object {
    /// A Pod.
    Pod(Arc<PodRecord>),
    /// A Service.
    Service(Arc<ServiceRecord>),
    /// A Node.
    Node(Arc<NodeRecord>),
    /// An EndpointSlice.
    Slice(Arc<SliceRecord>),
    /// An Endpoints object.
    Endpoints(Arc<EndpointsRecord>),
    /// A ServiceCIDR.
    ServiceCidr(Arc<ServiceCidrRecord>),
    /// An IPAddress.
    IpAddress(Arc<IpAddressRecord>),
    /// A Namespace.
    Namespace(Arc<NamespaceRecord>),
    /// A `ServiceIPPool`.
    ServiceIpPool(Arc<ServiceIpPoolRecord>),
    /// A `NodePortPool`.
    NodePortPool(Arc<NodePortPoolRecord>),
    /// A `ServiceReservation`.
    ServiceReservation(Arc<ServiceReservationRecord>),
    /// An `AllocationClaim`.
    AllocationClaim(Arc<AllocationClaimRecord>),
}

/// What is done with a kind without knowing its record.
pub(crate) struct Ops {
    pub(crate) resource: Resource,
    /// Starts its watch.
    pub(crate) watch: fn(&Start<'_>) -> Arc<Stats>,
    /// The encoding in which calls are to be answered.
    pub(crate) accept: &'static str,
    /// Reads one object.
    read: fn(&Arc<Interner>, &[u8]) -> Result<Object, DecodeError>,
}

struct Of<R>(std::marker::PhantomData<R>);

impl<R: Known> Of<R> {
    const OPS: Ops = Ops {
        resource: R::RESOURCE,
        watch: |start| start.watch::<R>(),
        accept: R::Reader::ACCEPT,
        read: |interner, body| {
            R::Reader::new(Arc::clone(interner))
                .object(body)
                .map(R::into_object)
        },
    };
}

pub(crate) const fn ops(kind: Kind) -> &'static Ops {
    match kind {
        Kind::Pod => &Of::<PodRecord>::OPS,
        Kind::Service => &Of::<ServiceRecord>::OPS,
        Kind::Node => &Of::<NodeRecord>::OPS,
        Kind::Slice => &Of::<SliceRecord>::OPS,
        Kind::Endpoints => &Of::<EndpointsRecord>::OPS,
        Kind::ServiceCidr => &Of::<ServiceCidrRecord>::OPS,
        Kind::IpAddress => &Of::<IpAddressRecord>::OPS,
        Kind::Namespace => &Of::<NamespaceRecord>::OPS,
        Kind::ServiceIpPool => &Of::<ServiceIpPoolRecord>::OPS,
        Kind::NodePortPool => &Of::<NodePortPoolRecord>::OPS,
        Kind::ServiceReservation => &Of::<ServiceReservationRecord>::OPS,
        Kind::AllocationClaim => &Of::<AllocationClaimRecord>::OPS,
    }
}

/// Where the API has a kind.
pub const fn resource(kind: Kind) -> &'static Resource {
    &ops(kind).resource
}

/// Reads the answer to a call that succeeded; none if it says no more than that the object is gone.
pub(crate) fn read_answer(
    kind: Kind,
    verb: Verb,
    interner: &Arc<Interner>,
    body: &[u8],
) -> Result<Option<Object>, BodyError> {
    // Else it is the object itself, which then is only on its way out.
    if verb == Verb::Delete && Status::decode(body).is_ok() {
        return Ok(None);
    }
    Ok(Some((ops(kind).read)(interner, body)?))
}

/// An own create or update, or a delete that only began, was answered with this object. The watch may have been faster,
/// and may know more, even that it is gone again: then nothing changes.
///
/// Kinds that the world takes from their watches alone stay in it as they are until the watch tells.
pub(crate) fn written(object: &Object, world: &mut World, views: &mut dyn View) {
    match object {
        Object::Slice(slice) => world.observe_written(slice, views),
        Object::Endpoints(endpoints) => world.observe_written(&Arc::new(endpoints.held()), views),
        Object::ServiceCidr(cidr) => world.observe_written(cidr, views),
        Object::IpAddress(address) => world.observe_written(address, views),
        Object::ServiceIpPool(record) => world.observe_written(record, views),
        Object::NodePortPool(record) => world.observe_written(record, views),
        Object::ServiceReservation(record) => world.observe_written(record, views),
        Object::AllocationClaim(record) => world.observe_written(record, views),
        Object::Pod(_) | Object::Service(_) | Object::Node(_) | Object::Namespace(_) => {}
    }
}

/// An own delete is done: the object is gone.
pub(crate) fn deleted(kind: Kind, key: &ObjectKey, uid: &Uid, world: &mut World, views: &mut dyn View) {
    match kind {
        Kind::Slice => world.observe_deleted::<SliceRecord>(key, uid, views),
        Kind::Endpoints => world.observe_deleted::<EndpointsRecord>(key, uid, views),
        Kind::ServiceCidr => world.observe_deleted::<ServiceCidrRecord>(key, uid, views),
        Kind::IpAddress => world.observe_deleted::<IpAddressRecord>(key, uid, views),
        Kind::ServiceIpPool => world.observe_deleted::<ServiceIpPoolRecord>(key, uid, views),
        Kind::NodePortPool => world.observe_deleted::<NodePortPoolRecord>(key, uid, views),
        Kind::ServiceReservation => world.observe_deleted::<ServiceReservationRecord>(key, uid, views),
        Kind::AllocationClaim => world.observe_deleted::<AllocationClaimRecord>(key, uid, views),
        Kind::Pod | Kind::Service | Kind::Node | Kind::Namespace => {}
    }
}

#[cfg(test)]
mod tests;
