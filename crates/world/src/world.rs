//! Stores and indexes.

mod custom;
mod namespaces;
mod nodes;
mod pods;
mod services;
mod stored;

use std::sync::Arc;

use quaymaster_membership::{Membership, PodId, ServiceId};
use quaymaster_model::{
    EndpointRecord, EndpointsRecord, IpAddressRecord, NamespaceRecord, NodeRecord, ObjectKey, PodRecord,
    ResourceVersion, ServiceCidrRecord, ServiceRecord, SliceRecord, Text,
};

use crate::buckets::Buckets;
use crate::kind::Progress;
use crate::table::Table;
use crate::written::Written;
use crate::{
    AllocationClaimRecord, Kind, NodePortPoolRecord, ServiceIpPoolRecord, ServiceReservationRecord, View,
};

/// What was read of the cluster, with its indexes.
///
/// Only its own methods change it, each of which hands every change to the [`View`] it is given. One method per kind
/// takes what a watch tells (`apply_*`, `delete_*`), between [`World::begin`] and [`World::end`] or after. Kinds that are
/// written as well share theirs ([`World::apply`], [`World::delete`]) and also take the responses to own writes, which
/// usually arrive before the watch tells the same.
pub struct World {
    pods: Table<PodRecord>,
    services: Table<ServiceRecord>,
    nodes: Table<NodeRecord>,
    namespaces: Table<NamespaceRecord>,
    pub(crate) slices: Written<SliceRecord>,
    pub(crate) endpoints: Written<EndpointsRecord>,
    pub(crate) service_cidrs: Written<ServiceCidrRecord>,
    pub(crate) ip_addresses: Written<IpAddressRecord>,
    pub(crate) service_ip_pools: Written<ServiceIpPoolRecord>,
    pub(crate) node_port_pools: Written<NodePortPoolRecord>,
    pub(crate) service_reservations: Written<ServiceReservationRecord>,
    pub(crate) allocation_claims: Written<AllocationClaimRecord>,
    membership: Membership,
    /// Pods by `spec.nodeName`, whether or not the Node is known.
    pods_by_node: Buckets<Text>,
    /// Slices by namespace and the name of their Service.
    pub(crate) slices_by_service: Buckets<ObjectKey>,
    /// Sum over all slices.
    pub(crate) endpoints_in_slices: usize,
    progress: Progress,
}

/// How much is held; for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Pods.
    pub pods: usize,
    /// Services.
    pub services: usize,
    /// Nodes.
    pub nodes: usize,
    /// Namespaces.
    pub namespaces: usize,
    /// EndpointSlices of all managers.
    pub slices: usize,
    /// Endpoints of all slices together.
    pub endpoints_in_slices: usize,
    /// Endpoints objects.
    pub endpoints: usize,
    /// ServiceCIDRs.
    pub service_cidrs: usize,
    /// IPAddresses.
    pub ip_addresses: usize,
    /// `ServiceIPPool`s.
    pub service_ip_pools: usize,
    /// `NodePortPool`s.
    pub node_port_pools: usize,
    /// `ServiceReservation`s.
    pub service_reservations: usize,
    /// `AllocationClaim`s.
    pub allocation_claims: usize,
    /// Node names that Pods refer to.
    pub nodes_with_pods: usize,
    /// Services that slices refer to.
    pub services_with_slices: usize,
    /// Own deletions that the watch has not told yet.
    pub tombstones: usize,
    /// Which Pods back which Service.
    pub membership: quaymaster_membership::Sizes,
    /// Estimate of the memory held, in bytes, with that of `membership` and without shared strings, label sets and
    /// port lists, and without specs and status of custom resources.
    pub bytes: usize,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self {
            pods: Table::new(),
            services: Table::new(),
            nodes: Table::new(),
            namespaces: Table::new(),
            slices: Written::new(),
            endpoints: Written::new(),
            service_cidrs: Written::new(),
            ip_addresses: Written::new(),
            service_ip_pools: Written::new(),
            node_port_pools: Written::new(),
            service_reservations: Written::new(),
            allocation_claims: Written::new(),
            membership: Membership::new(),
            pods_by_node: Buckets::new(),
            slices_by_service: Buckets::new(),
            endpoints_in_slices: 0,
            progress: Progress::default(),
        }
    }

    /// A list of all objects of a kind starts, first or again. A list that broke is started once more by another
    /// call; what it told until then stands.
    pub fn begin(&mut self, kind: Kind) {
        self.progress.begin(kind);
        match kind {
            Kind::Pod => self.pods.begin(),
            Kind::Service => self.services.begin(),
            Kind::Node => self.nodes.begin(),
            Kind::Slice => self.slices.begin(),
            Kind::Endpoints => self.endpoints.begin(),
            Kind::ServiceCidr => self.service_cidrs.begin(),
            Kind::IpAddress => self.ip_addresses.begin(),
            Kind::ServiceIpPool => self.service_ip_pools.begin(),
            Kind::NodePortPool => self.node_port_pools.begin(),
            Kind::ServiceReservation => self.service_reservations.begin(),
            Kind::AllocationClaim => self.allocation_claims.begin(),
            Kind::Namespace => self.namespaces.begin(),
        }
    }

    /// As [`World::begin`], after the history of the server's store went back (etcd was restored from a snapshot).
    ///
    /// Versions of objects that are written as well, told until now, compare with none that come, which may be lower, or the
    /// same for another content. So what the list says of one holds whatever its version, own deletions of before are
    /// forgotten, and no object of before outlives the list because it was made later. Objects that changed are told as
    /// removed and added: whoever keeps versions of his own must not compare them either. Kinds that are only read are not
    /// known by version.
    pub fn begin_after_loss(&mut self, kind: Kind) {
        self.begin(kind);
        self.progress.lose(kind);
        match kind {
            Kind::Slice => self.slices.lose_history(),
            Kind::Endpoints => self.endpoints.lose_history(),
            Kind::ServiceCidr => self.service_cidrs.lose_history(),
            Kind::IpAddress => self.ip_addresses.lose_history(),
            Kind::ServiceIpPool => self.service_ip_pools.lose_history(),
            Kind::NodePortPool => self.node_port_pools.lose_history(),
            Kind::ServiceReservation => self.service_reservations.lose_history(),
            Kind::AllocationClaim => self.allocation_claims.lose_history(),
            // Held as the watch tells them, whatever their versions.
            Kind::Pod | Kind::Service | Kind::Node | Kind::Namespace => {}
        }
    }

    /// How often the history of a kind was lost ([`World::begin_after_loss`]). What was asked of the apiserver before the
    /// last time and is answered after it tells what was stored in a history that is no more: it must not be given to
    /// [`World::observe_written`] or [`World::observe_deleted`].
    pub fn losses(&self, kind: Kind) -> u32 {
        self.progress.losses(kind)
    }

    /// The list is complete: what it did not contain was deleted while nobody watched, and is removed now.
    ///
    /// `listed_at` is the version of the list itself, from which the watch goes on. What an own write made
    /// after that version stays: the list could not contain them. Without a list begun nothing happens.
    pub fn end(&mut self, kind: Kind, listed_at: &ResourceVersion, views: &mut dyn View) {
        if !self.progress.end(kind) {
            return;
        }
        match kind {
            Kind::Pod => {
                for id in self.pods.unseen() {
                    self.remove_pod(PodId(id), views);
                }
            }
            Kind::Service => {
                for id in self.services.unseen() {
                    self.remove_service(ServiceId(id), views);
                }
            }
            Kind::Node => {
                for id in self.nodes.unseen() {
                    self.remove_node(id, views);
                }
            }
            Kind::Namespace => {
                for id in self.namespaces.unseen() {
                    self.remove_namespace(id, views);
                }
            }
            Kind::Slice => self.end_stored::<SliceRecord>(listed_at, views),
            Kind::Endpoints => self.end_stored::<EndpointsRecord>(listed_at, views),
            Kind::ServiceCidr => self.end_stored::<ServiceCidrRecord>(listed_at, views),
            Kind::IpAddress => self.end_stored::<IpAddressRecord>(listed_at, views),
            Kind::ServiceIpPool => self.end_stored::<ServiceIpPoolRecord>(listed_at, views),
            Kind::NodePortPool => self.end_stored::<NodePortPoolRecord>(listed_at, views),
            Kind::ServiceReservation => self.end_stored::<ServiceReservationRecord>(listed_at, views),
            Kind::AllocationClaim => self.end_stored::<AllocationClaimRecord>(listed_at, views),
        }
    }

    /// The apiserver does not serve a kind: none of its objects exists. Those that were known are told as removed, and the kind
    /// counts as read. When it is served one day, a list begins as ever.
    ///
    /// Answers to what was asked before say nothing about objects of the time after ([`World::losses`]): those of a custom
    /// resource go with its definition.
    pub fn absent(&mut self, kind: Kind, views: &mut dyn View) {
        self.begin_after_loss(kind);
        // A version that compares with none: whatever is told next is news.
        self.end(kind, &ResourceVersion::new(""), views);
        self.progress.miss(kind);
    }

    /// Whether the apiserver does not serve a kind, by the last that was told ([`World::absent`]).
    pub fn is_absent(&self, kind: Kind) -> bool {
        self.progress.absent(kind)
    }

    /// A list or a watch told an object that could not be read: what is held of it stays, though it is old.
    pub fn keep(&mut self, kind: Kind, key: &ObjectKey) {
        match kind {
            Kind::Pod => self.pods.keep(key),
            Kind::Service => self.services.keep(key),
            Kind::Node => self.nodes.keep(key.name.as_str()),
            Kind::Slice => self.slices.keep(key),
            Kind::Endpoints => self.endpoints.keep(key),
            Kind::ServiceCidr => self.service_cidrs.keep(key),
            Kind::IpAddress => self.ip_addresses.keep(key),
            Kind::ServiceIpPool => self.service_ip_pools.keep(key),
            Kind::NodePortPool => self.node_port_pools.keep(key),
            Kind::ServiceReservation => self.service_reservations.keep(key),
            Kind::AllocationClaim => self.allocation_claims.keep(key),
            Kind::Namespace => self.namespaces.keep(key.name.as_str()),
        }
    }

    /// Whether a kind was read whole at least once, or is absent.
    pub fn synced(&self, kind: Kind) -> bool {
        self.progress.synced(kind)
    }

    /// Whether all these kinds were read whole at least once, or are absent. Until then nothing may be written that depends on them.
    pub fn all_synced(&self, kinds: &[Kind]) -> bool {
        kinds.iter().all(|kind| self.synced(*kind))
    }

    /// A Pod by id.
    pub fn pod(&self, id: PodId) -> Option<&PodRecord> {
        self.pods.get(id.0)
    }

    /// The id of a Pod.
    pub fn pod_id(&self, key: &ObjectKey) -> Option<PodId> {
        self.pods.find(key).map(PodId)
    }

    /// All Pods. For a start from scratch and for comparison, not for an event.
    pub fn pods(&self) -> impl Iterator<Item = (PodId, &PodRecord)> {
        self.pods.iter().map(|(id, pod)| (PodId(id), pod))
    }

    /// Pods with this `spec.nodeName`, in no order, whether or not the Node is known.
    pub fn pods_on(&self, node: &str) -> impl ExactSizeIterator<Item = PodId> {
        self.pods_by_node.get(node).iter().copied().map(PodId)
    }

    /// A Service by id.
    pub fn service(&self, id: ServiceId) -> Option<&ServiceRecord> {
        self.services.get(id.0)
    }

    /// The id of a Service.
    pub fn service_id(&self, key: &ObjectKey) -> Option<ServiceId> {
        self.services.find(key).map(ServiceId)
    }

    /// All Services. For a start from scratch and for comparison, not for an event.
    pub fn services(&self) -> impl Iterator<Item = (ServiceId, &ServiceRecord)> {
        self.services.iter().map(|(id, service)| (ServiceId(id), service))
    }

    /// A Node by name.
    pub fn node(&self, name: &str) -> Option<&NodeRecord> {
        self.nodes.by_key(name)
    }

    /// All Nodes.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeRecord> {
        self.nodes.iter().map(|(_, node)| node)
    }

    /// A Namespace by name.
    pub fn namespace(&self, name: &str) -> Option<&NamespaceRecord> {
        self.namespaces.by_key(name)
    }

    /// All Namespaces. For a start from scratch and for comparison, not for an event.
    pub fn namespaces(&self) -> impl Iterator<Item = &NamespaceRecord> {
        self.namespaces.iter().map(|(_, namespace)| namespace)
    }

    /// A slice by key, of whatever manager.
    pub fn slice(&self, key: &ObjectKey) -> Option<&Arc<SliceRecord>> {
        self.slices.by_key(key)
    }

    /// Slices that name this Service by label, of all managers, in no order. The Service need not exist.
    pub fn slices_of(&self, service: &ObjectKey) -> impl Iterator<Item = &Arc<SliceRecord>> {
        self.slices_by_service
            .get(service)
            .iter()
            .filter_map(|id| self.slices.get(*id))
    }

    /// All slices. For a start from scratch and for comparison, not for an event.
    pub fn slices(&self) -> impl Iterator<Item = &Arc<SliceRecord>> {
        self.slices.iter().map(|(_, slice)| slice)
    }

    /// The Endpoints object of this key.
    pub fn endpoints(&self, key: &ObjectKey) -> Option<&Arc<EndpointsRecord>> {
        self.endpoints.by_key(key)
    }

    /// All Endpoints objects. For a start from scratch and for comparison, not for an event.
    pub fn all_endpoints(&self) -> impl Iterator<Item = &Arc<EndpointsRecord>> {
        self.endpoints.iter().map(|(_, endpoints)| endpoints)
    }

    /// The ServiceCIDR of this name.
    pub fn service_cidr(&self, key: &ObjectKey) -> Option<&Arc<ServiceCidrRecord>> {
        self.service_cidrs.by_key(key)
    }

    /// All ServiceCIDRs: a handful.
    pub fn service_cidrs(&self) -> impl Iterator<Item = &Arc<ServiceCidrRecord>> {
        self.service_cidrs.iter().map(|(_, cidr)| cidr)
    }

    /// The IPAddress of this name.
    pub fn ip_address(&self, key: &ObjectKey) -> Option<&Arc<IpAddressRecord>> {
        self.ip_addresses.by_key(key)
    }

    /// All IPAddresses: one for each ClusterIP. For a start from scratch and for comparison, not for an event.
    pub fn ip_addresses(&self) -> impl Iterator<Item = &Arc<IpAddressRecord>> {
        self.ip_addresses.iter().map(|(_, address)| address)
    }

    /// Which Pods back which Service.
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// How much is held. Costs the same whatever that is.
    pub fn sizes(&self) -> Sizes {
        // An `Arc` counts its strong and its weak references in front of the value.
        const fn shared<R>(count: usize) -> usize {
            count * (size_of::<R>() + 2 * size_of::<usize>())
        }
        let membership = self.membership.sizes();
        Sizes {
            pods: self.pods.len(),
            services: self.services.len(),
            nodes: self.nodes.len(),
            namespaces: self.namespaces.len(),
            slices: self.slices.len(),
            endpoints_in_slices: self.endpoints_in_slices,
            endpoints: self.endpoints.len(),
            service_cidrs: self.service_cidrs.len(),
            ip_addresses: self.ip_addresses.len(),
            service_ip_pools: self.service_ip_pools.len(),
            node_port_pools: self.node_port_pools.len(),
            service_reservations: self.service_reservations.len(),
            allocation_claims: self.allocation_claims.len(),
            nodes_with_pods: self.pods_by_node.len(),
            services_with_slices: self.slices_by_service.len(),
            tombstones: self.slices.tombstones()
                + self.endpoints.tombstones()
                + self.service_cidrs.tombstones()
                + self.ip_addresses.tombstones()
                + self.service_ip_pools.tombstones()
                + self.node_port_pools.tombstones()
                + self.service_reservations.tombstones()
                + self.allocation_claims.tombstones(),
            membership,
            bytes: membership.bytes
                + self.pods.bytes()
                + self.services.bytes()
                + self.nodes.bytes()
                + self.namespaces.bytes()
                + self.slices.bytes()
                + shared::<SliceRecord>(self.slices.len())
                + self.endpoints_in_slices * size_of::<EndpointRecord>()
                + self.endpoints.bytes()
                + shared::<EndpointsRecord>(self.endpoints.len())
                + self.service_cidrs.bytes()
                + shared::<ServiceCidrRecord>(self.service_cidrs.len())
                + self.ip_addresses.bytes()
                + shared::<IpAddressRecord>(self.ip_addresses.len())
                + self.service_ip_pools.bytes()
                + shared::<ServiceIpPoolRecord>(self.service_ip_pools.len())
                + self.node_port_pools.bytes()
                + shared::<NodePortPoolRecord>(self.node_port_pools.len())
                + self.service_reservations.bytes()
                + shared::<ServiceReservationRecord>(self.service_reservations.len())
                + self.allocation_claims.bytes()
                + shared::<AllocationClaimRecord>(self.allocation_claims.len())
                + self.pods_by_node.bytes()
                + self.slices_by_service.bytes(),
        }
    }
}

#[cfg(test)]
mod tests;
