//! The answer to a request.

mod choose;
mod given;

use std::collections::BTreeSet;
use std::time::Instant;

use quaymaster_api::PortUse;
use quaymaster_model::{IpFamily, LabelSet, ObjectKey, ServiceType, Text};

use crate::index::{Asker, Fed};
use crate::needs::{ClusterIp, Families, Needs};
use crate::service::Service;
use crate::{Class, Grant, Index, Owner, Refusal, Slot, Value, names};
use choose::Chooser;

/// What is done to a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It is created.
    Create,
    /// It is changed.
    Update,
}

/// A request of the apiserver.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The UID of the request: each attempt has its own.
    pub uid: &'a str,
    /// What is done.
    pub operation: Operation,
    /// Nothing is going to be stored.
    pub dry_run: bool,
    /// The namespace of the Service.
    pub namespace: &'a str,
    /// Its name; empty where the apiserver makes it up.
    pub name: &'a str,
    /// As it is to be.
    pub object: &'a Service,
    /// As it is, where it is changed.
    pub old: Option<&'a Service>,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The request is left as it is.
    Pass,
    /// These values are filled in.
    Fill(Filled),
    /// It is refused.
    Refuse(Refusal),
}

/// Values that are filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// `spec.clusterIPs`, all of them; the first one is `spec.clusterIP`.
    pub cluster_ips: Option<Vec<String>>,
    /// `nodePort` of ports by their place.
    pub node_ports: Vec<(usize, u16)>,
    /// `spec.healthCheckNodePort`
    pub health_check: Option<u16>,
    /// The pools that they come from.
    pub pools: BTreeSet<String>,
    /// All that was chosen, and is kept for the Service.
    pub granted: Vec<Value>,
    /// Those that another replica may give at this moment: they have to be claimed before the answer is sent.
    pub contested: Vec<Value>,
    /// Addresses that an IPAddress of ours holds for this Service: it has to be deleted before the answer is sent, or the apiserver
    /// refuses the address. Where nothing is filled in the request gives them itself.
    pub holds: Vec<Value>,
}

impl Filled {
    /// Whether there is nothing to fill in.
    pub fn is_empty(&self) -> bool {
        let nothing = self.cluster_ips.is_none() && self.node_ports.is_empty() && self.health_check.is_none();
        nothing && self.holds.is_empty()
    }
}

/// Answers a request. Unless it is a dry run, what is filled in is kept for the Service from now on.
///
/// `random` gives numbers that nobody can foresee.
pub fn review(index: &mut Index, ask: &Ask<'_>, now: Instant, random: &mut dyn FnMut() -> u128) -> Decision {
    let needs = match lacking(index, ask) {
        Ok(needs) => needs,
        Err(refusal) => return Decision::Refuse(refusal),
    };
    let service = told(ask);
    let Some(namespace_labels) = index.namespace(ask.namespace).cloned() else {
        let namespace = ask.namespace.to_owned();
        return Decision::Refuse(Refusal::NamespaceUnknown { service, namespace });
    };
    let labels = ask.object.labels();
    let setting = Setting {
        ask,
        service: &service,
        key: ObjectKey::new(Text::new(ask.namespace), Text::new(ask.name)),
        namespace_labels: &namespace_labels,
        labels: &labels,
        now,
    };
    if let Err(refusal) = given::check(index, &setting) {
        return Decision::Refuse(refusal);
    }
    let given_holds = given::held(index, &setting);
    if needs.is_empty() {
        if given_holds.is_empty() {
            return Decision::Pass;
        }
        return Decision::Fill(Filled {
            holds: given_holds,
            ..Filled::default()
        });
    }
    index.addresses.expire(now);
    index.ports.expire(now);
    match fill(index, &setting, &needs, random) {
        Ok(mut filled) => {
            filled.holds.extend(given_holds);
            if filled.is_empty() {
                Decision::Pass
            } else {
                Decision::Fill(filled)
            }
        }
        Err(refusal) => Decision::Refuse(refusal),
    }
}

/// What the request lacks of what the index is for.
fn lacking(index: &Index, ask: &Ask<'_>) -> Result<Needs, Refusal> {
    let families = match (index.families, index.addresses_fed) {
        (Some(families), _) => families,
        // Of no matter then.
        (None, Fed::Never) => Families {
            default: IpFamily::V4,
            both: false,
            single_cidr: false,
        },
        (None, _) => return Err(Refusal::NotReady),
    };
    let mut needs = Needs::of(ask.object, ask.old, families);
    if index.addresses_fed == Fed::Never {
        needs.cluster_ips.clear();
    }
    if index.ports_fed == Fed::Never {
        needs.node_ports.clear();
        needs.health_check = false;
    }
    let lacks_address = !needs.cluster_ips.is_empty();
    let lacks_port = !needs.node_ports.is_empty() || needs.health_check;
    let unknown = (lacks_address && index.addresses_fed == Fed::NotYet)
        || (lacks_port && index.ports_fed == Fed::NotYet);
    if unknown {
        Err(Refusal::NotReady)
    } else {
        Ok(needs)
    }
}

/// What was filled in is not going to be used, since other replicas were faster with some of it. The request may be
/// [reviewed](review) anew.
pub fn take_back(index: &mut Index, ask: &Ask<'_>, filled: &Filled, lost: &[Value], now: Instant) {
    let owner = owner(ask);
    for value in &filled.granted {
        index.ledger_mut(value.class).take_back(*value, &owner);
    }
    for value in lost {
        // Whose it is, is told by the claim.
        let owner = Owner::Request(String::new());
        index.ledger_mut(value.class).set_claimed(*value, owner, now);
    }
    if let Some(old) = ask.old {
        index.attempts.forget(&old.metadata.uid);
    }
}

/// A request and what is known about it.
struct Setting<'a> {
    ask: &'a Ask<'a>,
    service: &'a str,
    key: ObjectKey,
    namespace_labels: &'a LabelSet,
    labels: &'a LabelSet,
    now: Instant,
}

impl Setting<'_> {
    fn asker(&self, class: Class, port_use: Option<PortUse>) -> Asker<'_> {
        Asker {
            name: self.service,
            namespace: self.ask.namespace,
            namespace_labels: self.namespace_labels,
            labels: self.labels,
            named: self.ask.object.annotation(names::annotation(class)),
            port_use,
        }
    }

    /// The Service has a name, and does not exist.
    fn is_new(&self) -> bool {
        self.ask.operation == Operation::Create && !self.ask.name.is_empty()
    }

    fn owner(&self) -> Owner {
        owner(self.ask)
    }
}

fn fill(
    index: &mut Index,
    setting: &Setting<'_>,
    needs: &Needs,
    random: &mut dyn FnMut() -> u128,
) -> Result<Filled, Refusal> {
    let ask = setting.ask;
    let repeatable = ask.old.filter(|_| !ask.dry_run);
    if let Some(old) = repeatable {
        allow_attempt(index, setting, old)?;
    }
    let mut filled = Filled::default();
    let mut chooser = Chooser::new(index, setting, needs, random);
    // In a dry run with several ServiceCIDRs the apiserver looks at one of them, by chance (kubernetes
    // `pkg/registry/core/service/ipallocator/cidrallocator.go`, `DryRun`).
    let addresses = !ask.dry_run || chooser.single_cidr();
    if !needs.cluster_ips.is_empty() && addresses {
        filled.cluster_ips = cluster_ips(&mut chooser, needs)?;
    }
    for port in &needs.node_ports {
        let chosen = match port.given {
            Some(given) => Some(given),
            None => chooser.node_port(port)?,
        };
        if let Some(chosen) = chosen {
            filled
                .node_ports
                .extend(port.places.iter().map(|place| (*place, chosen)));
        }
    }
    filled.node_ports.sort_unstable();
    if needs.health_check {
        filled.health_check = chooser.health_check()?;
    }
    let (grants, contested, pools) = chooser.done();
    filled.granted = grants.iter().map(|grant| grant.value).collect();
    filled.contested = contested;
    filled.pools = pools;
    if !ask.dry_run {
        let held = grants.iter().map(|grant| grant.value);
        filled.holds = held.filter(|value| index.addresses.is_held(*value)).collect();
        grant(index, setting, &grants);
        if let Some(old) = repeatable.filter(|_| !grants.is_empty()) {
            let values = grants.iter().map(|grant| grant.value);
            index.attempts.note(&old.metadata.uid, values, setting.now);
        }
    }
    Ok(filled)
}

/// All ClusterIPs in order; none where the apiserver is to choose the first that is lacking. Of a second one that no pool has for
/// the Service the apiserver chooses it, beside the first.
fn cluster_ips(chooser: &mut Chooser<'_, '_>, needs: &Needs) -> Result<Option<Vec<String>>, Refusal> {
    let mut all = Vec::new();
    let mut chosen = false;
    for ip in &needs.cluster_ips {
        match ip {
            ClusterIp::Given(ip) => all.push(ip.clone()),
            ClusterIp::Wanted(family) => match chooser.address(*family)? {
                Some(address) => {
                    chosen = true;
                    all.push(address.to_string());
                }
                None => break,
            },
        }
    }
    Ok(chosen.then_some(all))
}

fn grant(index: &mut Index, setting: &Setting<'_>, grants: &[Grant]) {
    let owner = setting.owner();
    for class in [Class::V4, Class::Port] {
        let of_ledger = |grant: &&Grant| (grant.value.class == Class::Port) == (class == Class::Port);
        let grants: Vec<Grant> = grants.iter().filter(of_ledger).copied().collect();
        if !grants.is_empty() {
            index.ledger_mut(class).grant(&owner, &grants, setting.now);
        }
    }
}

/// Of an update that the apiserver repeats, only the first attempt is given values.
fn allow_attempt(index: &mut Index, setting: &Setting<'_>, old: &Service) -> Result<(), Refusal> {
    let service = || setting.service.to_owned();
    let ips: Vec<Value> = addresses(old).collect();
    let ports = old.spec.ports.iter().map(|port| port.node_port);
    let ports: Vec<Value> = ports
        .chain([old.spec.health_check_node_port])
        .filter_map(|port| u16::try_from(port).ok())
        .map(Value::port)
        .collect();
    let listed = |value: Value| ips.contains(&value) || ports.contains(&value);
    let attempt = index.attempts.admit(&old.metadata.uid, listed, setting.now);
    attempt.map_err(|after| Refusal::Repeated {
        service: service(),
        after,
    })?;
    let stray = index.addresses.stray(&setting.key);
    match stray.iter().find(|value| !ips.contains(value)) {
        Some(value) if old.kind() == ServiceType::ExternalName || !ips.is_empty() => Err(Refusal::Stray {
            service: service(),
            value: *value,
        }),
        _ => Ok(()),
    }
}

/// The ClusterIPs of a Service that are addresses.
fn addresses(service: &Service) -> impl Iterator<Item = Value> {
    let ips = service.cluster_ips();
    ips.into_iter()
        .filter_map(quaymaster_model::ip::parse_ip)
        .map(Value::from)
}

/// Who values are handed out to.
fn owner(ask: &Ask<'_>) -> Owner {
    if ask.name.is_empty() {
        return Owner::Request(ask.uid.to_owned());
    }
    Owner::Named(ObjectKey::new(Text::new(ask.namespace), Text::new(ask.name)))
}

fn told(ask: &Ask<'_>) -> String {
    if ask.name.is_empty() {
        return format!("a Service of namespace {} without a name", ask.namespace);
    }
    format!("Service {}/{}", ask.namespace, ask.name)
}

/// What a value is for.
fn slot_of(value: Value, port: Option<i32>) -> Slot {
    match (value.class, port) {
        (Class::V4 | Class::V6, _) => Slot::ClusterIp,
        (Class::Port, Some(port)) => Slot::NodePort(port),
        (Class::Port, None) => Slot::HealthCheck,
    }
}

#[cfg(test)]
mod tests;
