//! What was read, as the index wants it.

use std::collections::HashMap;
use std::time::Instant;

use quaymaster_allocator::Intervals;
use quaymaster_api::NodePortPoolSpec;
use quaymaster_ipam::compile::{self, Compiled, Written};
use quaymaster_ipam::{Class, Holder, Index, Value};
use quaymaster_model::{LabelSet, ObjectKey, ServiceRecord, Text};
use quaymaster_world::World;

use crate::plan::Numbers;
use crate::range::Bounds;

/// The pools as they serve, by name.
pub(crate) type Pools = HashMap<Text, Compiled<Intervals>>;

/// A Service was read, or is gone. Says of which pools the numbers may be others now.
pub(crate) fn service(
    index: &mut Index,
    service: &ServiceRecord,
    there: bool,
    now: Instant,
) -> Vec<ObjectKey> {
    let ports = service.ports.iter().map(|port| port.node_port);
    let ports = ports
        .chain([service.health_check_node_port])
        .filter(|port| there && *port != 0);
    let values: Vec<Value> = ports.map(Value::port).collect();
    let before = index.ports.of_service(&service.key).to_vec();
    if there {
        index.ports.set_service(&service.key, &values, now);
    } else {
        index.ports.remove_service(&service.key, now);
    }
    let pools = before.into_iter().chain(values);
    let mut pools: Vec<usize> = pools.filter_map(|value| index.ports.pool_of(value)).collect();
    pools.sort_unstable();
    pools.dedup();
    let names = pools.into_iter().filter_map(|place| index.ports.pool(place));
    names.map(|pool| key(&Text::new(&pool.name))).collect()
}

/// The key of a pool.
pub(crate) fn key(name: &Text) -> ObjectKey {
    ObjectKey::new(Text::new(""), name.clone())
}

/// Pools are others, or the apiserver's range is.
pub(crate) fn pools(index: &mut Index, world: &World, range: Option<Bounds>) -> Pools {
    let written: Vec<Written<'_, NodePortPoolSpec>> = world
        .node_port_pools()
        .map(|pool| Written {
            name: &pool.key.name,
            created: pool.created,
            spec: &*pool.spec,
        })
        .collect();
    let compiled = compile::port_pools(&written, range);
    let serving = compiled.iter().map(|one| one.pool.clone()).collect();
    index.ports.set_pools(serving);
    let by_name = |one: Compiled<Intervals>| (Text::new(&one.pool.name), one);
    compiled.into_iter().map(by_name).collect()
}

/// How many node ports of a pool are what.
pub(crate) fn numbers(index: &Index, world: &World, name: &str) -> Numbers {
    let place = index.ports.pools().position(|pool| pool.name == name);
    let Some((place, pool)) = place.and_then(|place| Some((place, index.ports.pool(place)?))) else {
        return Numbers::default();
    };
    let is_foreign = |port: u128| {
        let value = Value {
            class: Class::Port,
            number: port,
        };
        let Some(Holder::Service(key)) = index.ports.holder(value) else {
            return false;
        };
        let service = world.service_id(key).and_then(|id| world.service(id));
        service.is_some_and(|service| {
            let none = LabelSet::empty();
            let namespace = index
                .namespace(&key.namespace)
                .map_or(&none, |labels| -> &LabelSet { labels });
            !(pool.admits_namespace(&key.namespace, namespace) && pool.admits_service(&service.labels))
        })
    };
    let all = pool.serves(Class::Port).iter().flat_map(std::clone::Clone::clone);
    let foreign = all.filter(|port| is_foreign(*port)).count();
    let foreign = u32::try_from(foreign).unwrap_or(u32::MAX);
    Numbers::new(&index.ports.counts(place, Class::Port), foreign)
}
