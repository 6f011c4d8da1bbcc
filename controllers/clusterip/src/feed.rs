//! What was read, as the index wants it.

use std::time::Instant;

use quaymaster_ipam::compile::{self, ServiceRange, Written};
use quaymaster_ipam::{AddressObject, Index, Value};
use quaymaster_model::{IpAddressRecord, ServiceCidrRecord, ServiceRecord, names};
use quaymaster_world::World;

/// The name of the ServiceCIDR that the apiserver makes of `--service-cluster-ip-range`
/// (kubernetes `pkg/controlplane/controller/defaultservicecidr`).
const DEFAULT: &str = "kubernetes";

/// A Service was read, or is gone.
pub(crate) fn service(index: &mut Index, service: &ServiceRecord, there: bool, now: Instant) {
    let addresses = service.cluster_ips.iter().map(|ip| ip.address);
    let values: Vec<Value> = addresses.filter(|_| there).map(Value::from).collect();
    index.addresses.set_service(&service.key, &values, now);
}

/// An IPAddress was read, or is gone.
pub(crate) fn ip_address(index: &mut Index, record: &IpAddressRecord, there: bool) {
    let Some(address) = record.address else {
        return;
    };
    let object = if record.is_of_allocator() {
        AddressObject::Allocators(record.parent.as_ref().and_then(|parent| parent.service()))
    } else if record
        .labels
        .get(names::LABEL_IPADDRESS_MANAGED_BY)
        .is_some_and(|by| *by == *names::MANAGER_HOLD)
    {
        AddressObject::Hold
    } else {
        AddressObject::Foreign
    };
    index
        .addresses
        .set_object(address.into(), there.then_some(object));
}

/// Pools or ServiceCIDRs are others.
pub(crate) fn pools(index: &mut Index, world: &World) {
    let ranges: Vec<ServiceRange> = world.service_cidrs().map(|cidr| range(cidr)).collect();
    index.families = compile::families(&ranges);
    let written: Vec<Written<'_, _>> = world
        .service_ip_pools()
        .map(|pool| Written {
            name: &pool.key.name,
            created: pool.created,
            spec: &*pool.spec,
        })
        .collect();
    let compiled = compile::address_pools(&written, &ranges);
    index
        .addresses
        .set_pools(compiled.into_iter().map(|one| one.pool).collect());
}

fn range(cidr: &ServiceCidrRecord) -> ServiceRange {
    // One without a condition counts as ready (kubernetes `pkg/registry/core/service/ipallocator/cidrallocator.go`, `isReady`).
    let ready = cidr.ready.as_ref().is_none_or(|ready| *ready.status == *"True");
    ServiceRange {
        is_default: *cidr.key.name == *DEFAULT,
        usable: ready && cidr.deleted.is_none(),
        cidrs: cidr.cidrs.to_vec(),
    }
}
