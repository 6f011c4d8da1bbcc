//! One value after the other for a request.

use std::collections::BTreeSet;
use std::net::IpAddr;

use quaymaster_allocator::Given;
use quaymaster_api::{Consistency, OnExhausted, PortUse};
use quaymaster_model::digest::fnv128a;
use quaymaster_model::{IpFamily, ObjectKey, ServiceType};

use super::{Setting, slot_of};
use crate::needs::{Needs, NodePort};
use crate::{AddressObject, Chosen, Class, Grant, Holder, Index, Owner, Refusal, Slot, Value};

/// Chooses the values of one request; none of them twice.
pub(super) struct Chooser<'a, 'r> {
    index: &'a mut Index,
    setting: &'a Setting<'a>,
    random: &'r mut dyn FnMut() -> u128,
    avoid: Vec<Value>,
    grants: Vec<Grant>,
    contested: Vec<Value>,
    pools: BTreeSet<String>,
}

impl<'a, 'r> Chooser<'a, 'r> {
    pub(super) fn new(
        index: &'a mut Index,
        setting: &'a Setting<'a>,
        needs: &Needs,
        random: &'r mut dyn FnMut() -> u128,
    ) -> Self {
        Self {
            index,
            setting,
            random,
            avoid: needs.in_use.iter().map(|port| Value::port(*port)).collect(),
            grants: Vec::new(),
            contested: Vec::new(),
            pools: BTreeSet::new(),
        }
    }

    pub(super) fn single_cidr(&self) -> bool {
        self.index.families.is_some_and(|families| families.single_cidr)
    }

    /// What was chosen: to be granted, those to be claimed, and the pools.
    pub(super) fn done(self) -> (Vec<Grant>, Vec<Value>, BTreeSet<String>) {
        (self.grants, self.contested, self.pools)
    }

    /// An address of a family; none where the apiserver is to choose.
    pub(super) fn address(&mut self, family: IpFamily) -> Result<Option<IpAddr>, Refusal> {
        let class = Class::from(family);
        let reserved = self.index.reservation(&self.setting.key).and_then(|reservation| {
            let mut addresses = reservation.addresses.iter();
            addresses.find(|value| value.class == class).copied()
        });
        let value = self.value(class, None, reserved)?;
        Ok(value.and_then(Value::address))
    }

    /// A node port for ports of one number; none where the apiserver is to choose.
    pub(super) fn node_port(&mut self, port: &NodePort) -> Result<Option<u16>, Refusal> {
        let names = port
            .places
            .iter()
            .filter_map(|place| self.setting.ask.object.spec.ports.get(*place))
            .map(|port| port.name.as_str());
        let names: Vec<&str> = names.collect();
        let reserved = self.index.reservation(&self.setting.key).and_then(|reservation| {
            let mut ports = reservation.node_ports.iter();
            ports
                .find(|(name, _)| names.contains(&name.as_str()))
                .map(|(_, value)| *value)
        });
        let value = self.value(Class::Port, Some(port.port), reserved)?;
        Ok(value.and_then(Value::node_port))
    }

    /// A port for health checks; none where the apiserver is to choose.
    pub(super) fn health_check(&mut self) -> Result<Option<u16>, Refusal> {
        let reservation = self.index.reservation(&self.setting.key);
        let reserved = reservation.and_then(|reservation| reservation.health_check);
        let value = self.value(Class::Port, None, reserved)?;
        Ok(value.and_then(Value::node_port))
    }

    fn value(
        &mut self,
        class: Class,
        port: Option<i32>,
        reserved: Option<Value>,
    ) -> Result<Option<Value>, Refusal> {
        // What the Service keeps for another of its ports is not given twice.
        if let Some(value) = reserved.filter(|value| !self.avoid.contains(value)) {
            self.reserved(value)?;
            return Ok(Some(self.take(value, None, port)));
        }
        let port_use = self.port_use(class, port);
        let asker = self.setting.asker(class, port_use);
        let pools = self.index.pools_for(&asker, class)?;
        let slot = slot_of(Value { class, number: 0 }, port);
        if let Some(chosen) = self.again(class, slot, &pools) {
            if self.index.ledger(class).is_shared(chosen.value, chosen.pool)
                || self.is_strict(chosen.pool, class)
            {
                self.contested.push(chosen.value);
            }
            return Ok(Some(self.take(chosen.value, Some(chosen.pool), port)));
        }
        let mut full = Vec::new();
        for pool in pools {
            if let Some(chosen) = self.of_pool(pool, class) {
                if chosen.of_another || self.is_strict(pool, class) {
                    self.contested.push(chosen.value);
                }
                return Ok(Some(self.take(chosen.value, Some(pool), port)));
            }
            let ledger = self.index.ledger(class);
            let Some(exhausted) = ledger.pool(pool) else {
                continue;
            };
            full.push((exhausted.name.clone(), ledger.room(pool, class).1));
            match exhausted.policy.on_exhausted {
                OnExhausted::NextPool | OnExhausted::Unknown => {}
                OnExhausted::Reject => break,
                OnExhausted::BuiltIn => return Ok(None),
            }
        }
        if full.is_empty() {
            // No pool is for this Service.
            return Ok(None);
        }
        Err(Refusal::Exhausted {
            service: self.setting.service.to_owned(),
            class,
            pools: full,
        })
    }

    /// Whether every value of a pool is claimed.
    fn is_strict(&self, pool: usize, class: Class) -> bool {
        let pool = self.index.ledger(class).pool(pool);
        pool.is_some_and(|pool| pool.policy.consistency == Consistency::Strict)
    }

    /// What a port is sought for.
    fn port_use(&self, class: Class, port: Option<i32>) -> Option<PortUse> {
        match (class, port) {
            (Class::V4 | Class::V6, _) => None,
            (Class::Port, None) => Some(PortUse::HealthCheck),
            (Class::Port, Some(_)) if self.setting.ask.object.kind() == ServiceType::LoadBalancer => {
                Some(PortUse::LoadBalancer)
            }
            (Class::Port, Some(_)) => Some(PortUse::NodePort),
        }
    }

    /// A value that is reserved for the Service must not be another one's.
    fn reserved(&self, value: Value) -> Result<(), Refusal> {
        let holder = match self.index.ledger(value.class).holder(value) {
            Some(Holder::Service(other)) if *other != self.setting.key => format!("Service {other}"),
            Some(Holder::Pending(Owner::Named(other))) if *other != self.setting.key => {
                format!("Service {other}, which is being created,")
            }
            Some(Holder::Pending(Owner::Request(_))) => "a Service that is being created".to_owned(),
            _ => return Ok(()),
        };
        Err(Refusal::ReservationConflict {
            service: self.setting.service.to_owned(),
            value,
            holder,
        })
    }

    /// What the same Service was given already by a request that failed, or had before it was deleted.
    fn again(&self, class: Class, slot: Slot, pools: &[usize]) -> Option<Chosen> {
        let key = &self.setting.key;
        let ledger = self.index.ledger(class);
        if self.setting.ask.name.is_empty() {
            return None;
        }
        // An update that failed may have left the value behind with the apiserver, which has no way to give ports back.
        let granted = ledger
            .granted(key)
            .iter()
            .filter(|_| self.setting.is_new() || class != Class::Port);
        let mut granted = granted.filter(|grant| grant.slot == slot && grant.value.class == class);
        let usable = |value: Value| {
            let of_it =
                matches!(ledger.holder(value), Some(Holder::Pending(Owner::Named(owner))) if owner == key);
            // Where there is an IPAddress already the apiserver would not give it again.
            let free = matches!(ledger.facts(value).object, None | Some(AddressObject::Hold));
            of_it && free && !self.avoid.contains(&value)
        };
        let granted = granted.find_map(|grant| {
            let pool = ledger.pool_of(grant.value).filter(|pool| pools.contains(pool))?;
            usable(grant.value).then_some(Chosen {
                value: grant.value,
                pool,
                of_another: false,
            })
        });
        let retained = || {
            let retained = ledger.retained(key, class, self.setting.now)?;
            let fits = pools.contains(&retained.pool) && !self.avoid.contains(&retained.value);
            fits.then_some(retained)
        };
        granted.or_else(|| retained().filter(|_| self.setting.is_new()))
    }

    fn of_pool(&mut self, pool: usize, class: Class) -> Option<Chosen> {
        let given = Given {
            random: (self.random)(),
            name: digest(&self.setting.key, class, self.avoid.len()),
            last: None,
        };
        let ledger = self.index.ledger_mut(class);
        ledger.choose(pool, class, given, self.setting.now, &self.avoid)
    }

    fn take(&mut self, value: Value, pool: Option<usize>, port: Option<i32>) -> Value {
        self.avoid.push(value);
        self.grants.push(Grant {
            slot: slot_of(value, port),
            value,
        });
        let pool = pool.and_then(|pool| self.index.ledger(value.class).pool(pool));
        self.pools.extend(pool.map(|pool| pool.name.clone()));
        value
    }
}

/// A number that hangs on the name of a Service and which of its values is sought.
fn digest(key: &ObjectKey, class: Class, nth: usize) -> u128 {
    let nth = [class as u8, u8::try_from(nth).unwrap_or(u8::MAX)];
    let parts = [key.namespace.as_bytes(), b"/", key.name.as_bytes(), &nth];
    fnv128a(&parts.concat())
}
