//! What was read, as the index wants it.

use std::time::Duration;

use quaymaster_allocator::Spans;
use quaymaster_engine::Moment;
use quaymaster_ipam::compile::{self, Compiled, ServiceRange, Written};
use quaymaster_ipam::{AddressObject, Index, Value};
use quaymaster_model::{
    IpAddressRecord, ObjectKey, ParentRef, ServiceCidrRecord, ServiceRecord, Timestamp, names,
};
use quaymaster_world::World;

/// The name of the ServiceCIDR that the apiserver makes of `--service-cluster-ip-range`
/// (kubernetes `pkg/controlplane/controller/defaultservicecidr`).
pub(crate) const DEFAULT: &str = "kubernetes";

/// The addresses of a Service.
pub(crate) fn addresses(service: &ServiceRecord) -> Vec<Value> {
    let addresses = service.cluster_ips.iter().map(|ip| ip.address);
    addresses.map(Value::from).collect()
}

/// The node ports of a Service.
pub(crate) fn ports(service: &ServiceRecord) -> Vec<Value> {
    let ports = service.ports.iter().map(|port| port.node_port);
    let ports = ports.chain([service.health_check_node_port]);
    ports.filter(|port| *port != 0).map(Value::port).collect()
}

/// A Service was read, or is gone.
pub(crate) fn service(index: &mut Index, service: &ServiceRecord, there: bool, now: Moment) {
    if there {
        index
            .addresses
            .set_service(&service.key, &addresses(service), now.at);
    } else {
        index.addresses.remove_service(&service.key, now.at);
    }
}

/// An IPAddress was read, or is gone.
pub(crate) fn ip_address(index: &mut Index, record: &IpAddressRecord, there: bool, now: Moment) {
    let Some(address) = record.address else {
        return;
    };
    let value = Value::from(address);
    let object = if record.is_of_allocator() {
        AddressObject::Allocators(record.parent.as_ref().and_then(ParentRef::service))
    } else if is_hold(record) {
        AddressObject::Hold
    } else {
        AddressObject::Foreign
    };
    let released = released(record).filter(|_| there && object == AddressObject::Hold);
    index.addresses.set_object(value, there.then_some(object));
    // Of what no pool serves nobody would forget the release.
    if let Some((by, at)) = released.filter(|_| index.addresses.pool_of(value).is_some()) {
        let passed = u64::try_from(now.wall.0.saturating_sub(at.0)).unwrap_or(0);
        let at = now.at.checked_sub(Duration::from_secs(passed)).unwrap_or(now.at);
        index.addresses.set_released(value, &by, at);
    }
}

/// Whether it is one of ours.
pub(crate) fn is_hold(record: &IpAddressRecord) -> bool {
    let by = record.labels.get(names::LABEL_IPADDRESS_MANAGED_BY);
    by.is_some_and(|by| *by == *names::MANAGER_HOLD)
}

/// Whose the address was that one of ours holds, and when it was released.
fn released(record: &IpAddressRecord) -> Option<(ObjectKey, Timestamp)> {
    let at: jiff::Timestamp = record.released_at.as_ref()?.parse().ok()?;
    let label = |key| record.labels.get(key).cloned();
    let by = ObjectKey::new(
        label(names::LABEL_RELEASED_BY_NAMESPACE)?,
        label(names::LABEL_RELEASED_BY_NAME)?,
    );
    Some((by, Timestamp(at.as_second())))
}

/// Pools or ServiceCIDRs are others. Returns the pools, by their places in the ledger.
pub(crate) fn pools(index: &mut Index, world: &World) -> Vec<Compiled<Spans>> {
    let ranges: Vec<ServiceRange> = world.service_cidrs().map(|cidr| range(cidr)).collect();
    // That of the flag is made anew some seconds after it is gone; until then what it said holds.
    index.families = compile::families(&ranges).or(index.families);
    let written: Vec<Written<'_, _>> = world
        .service_ip_pools()
        .map(|pool| Written {
            name: &pool.key.name,
            created: pool.created,
            spec: &*pool.spec,
        })
        .collect();
    let compiled = compile::address_pools(&written, &ranges);
    let pools = compiled.iter().map(|one| one.pool.clone());
    index.addresses.set_pools(pools.collect());
    compiled
}

fn range(cidr: &ServiceCidrRecord) -> ServiceRange {
    ServiceRange {
        is_default: *cidr.key.name == *DEFAULT,
        usable: is_usable(cidr),
        cidrs: cidr.cidrs.to_vec(),
    }
}

/// Whether the apiserver gives addresses of it. One without a condition counts as ready
/// (kubernetes `pkg/registry/core/service/ipallocator/cidrallocator.go`, `isReady`).
pub(crate) fn is_usable(cidr: &ServiceCidrRecord) -> bool {
    cidr.deleted.is_none() && cidr.ready.as_ref().is_none_or(|ready| *ready.status == *"True")
}
