//! What was read, as the index wants it.

use std::time::Instant;

use quaymaster_ipam::compile::{self, Written};
use quaymaster_ipam::{Index, Value};
use quaymaster_model::ServiceRecord;
use quaymaster_world::World;

/// A Service was read, or is gone.
pub(crate) fn service(index: &mut Index, service: &ServiceRecord, there: bool, now: Instant) {
    let ports = service.ports.iter().map(|port| port.node_port);
    let ports = ports
        .chain([service.health_check_node_port])
        .filter(|port| there && *port != 0);
    let values: Vec<Value> = ports.map(Value::port).collect();
    index.ports.set_service(&service.key, &values, now);
}

/// Pools are others.
pub(crate) fn pools(index: &mut Index, world: &World) {
    let written: Vec<Written<'_, _>> = world
        .node_port_pools()
        .map(|pool| Written {
            name: &pool.key.name,
            created: pool.created,
            spec: &*pool.spec,
        })
        .collect();
    let compiled = compile::port_pools(&written, None);
    index
        .ports
        .set_pools(compiled.into_iter().map(|one| one.pool).collect());
}
