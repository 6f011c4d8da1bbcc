//! Values that a request gives itself.

use super::Setting;
use crate::service::Service;
use crate::{Holder, Index, Pool, Refusal, Value};

/// Refuses given values that are not for the Service. Those that it has already are nobody's business.
pub(super) fn check(index: &Index, setting: &Setting<'_>) -> Result<(), Refusal> {
    let had: Vec<Value> = setting.ask.old.into_iter().flat_map(values).collect();
    canonical(setting)?;
    for value in values(setting.ask.object).filter(|value| !had.contains(value)) {
        allowed(index, setting, value)?;
    }
    Ok(())
}

/// Addresses that the request gives and that are held for this Service, by a reservation or since it had them before, unless nothing
/// is going to be stored.
pub(super) fn held(index: &Index, setting: &Setting<'_>) -> Vec<Value> {
    if setting.ask.dry_run {
        return Vec::new();
    }
    let given = super::addresses(setting.ask.object);
    let is_for_it = |value: &Value| {
        let facts = index.addresses.facts(*value);
        let key = Some(&setting.key);
        facts.reserved == key || (facts.reserved.is_none() && facts.released.map(|(_, by)| by) == key)
    };
    given
        .filter(|value| index.addresses.is_held(*value))
        .filter(is_for_it)
        .collect()
}

fn values(service: &Service) -> impl Iterator<Item = Value> {
    let ports = service.spec.ports.iter().map(|port| port.node_port);
    let ports = ports
        .chain([service.spec.health_check_node_port])
        .filter_map(|port| u16::try_from(port).ok())
        .filter(|port| *port != 0)
        .map(Value::port);
    super::addresses(service).chain(ports.collect::<Vec<_>>())
}

/// An address that is not written as the apiserver names IPAddresses loses its IPAddress to the repair loop, and can be given to
/// another Service (kubernetes `pkg/registry/core/service/ipallocator/controller/repairip.go`).
fn canonical(setting: &Setting<'_>) -> Result<(), Refusal> {
    let before = setting.ask.old.map_or_else(Vec::new, Service::cluster_ips);
    for written in setting.ask.object.cluster_ips() {
        let Some(address) = quaymaster_model::ip::parse_ip(written) else {
            // Whatever it is, the apiserver says so.
            continue;
        };
        let canonical = address.to_string();
        if canonical != written && !before.contains(&written) {
            return Err(Refusal::NotCanonical {
                service: setting.service.to_owned(),
                written: written.to_owned(),
                canonical,
            });
        }
    }
    Ok(())
}

fn allowed(index: &Index, setting: &Setting<'_>, value: Value) -> Result<(), Refusal> {
    let ledger = index.ledger(value.class);
    let service = || setting.service.to_owned();
    let pool = ledger.pool_of(value).and_then(|place| ledger.pool(place));
    match ledger.holder(value) {
        Some(Holder::Reserved(owner)) if *owner != setting.key => {
            return Err(Refusal::Reserved {
                service: service(),
                value,
                owner: owner.clone(),
            });
        }
        Some(Holder::Released(by)) if *by != setting.key => {
            let released = ledger.facts(value).released.map(|(at, _)| at);
            let rests = |pool: &&Pool| released.is_some_and(|at| setting.now < at + pool.rest());
            if let Some(pool) = pool.filter(rests) {
                return Err(Refusal::Quarantined {
                    service: service(),
                    value,
                    by: by.clone(),
                    pool: pool.name.clone(),
                });
            }
        }
        _ => {}
    }
    let asker = setting.asker(value.class, None);
    match pool {
        Some(pool) if pool.policy.exclusive && !asker.is_admitted(pool) => Err(Refusal::OutOfBounds {
            service: service(),
            value,
            pool: pool.name.clone(),
        }),
        _ => Ok(()),
    }
}
