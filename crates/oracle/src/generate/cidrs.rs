//! ServiceCIDRs, and Services that hold addresses of them.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::{ServiceCIDR, ServiceCIDRSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Generator;
use super::object::Key;
use super::step::{Step, StepKind};
use crate::rules::cidrs::holds;

/// What all ranges of a scenario begin with, by family; whoever runs several scenarios on one control plane gives each a
/// beginning of its own.
pub const SPACE: [&str; 2] = ["10.250.0.", "fd00:250:"];

/// Ranges of IPv4: some hold others.
const FOUR: [&str; 7] = [
    "10.250.0.0/24",
    "10.250.0.0/25",
    "10.250.0.128/25",
    "10.250.0.0/26",
    "10.250.0.64/26",
    "10.250.0.128/28",
    "10.250.0.192/28",
];
const SIX: [&str; 4] = [
    "fd00:250::/112",
    "fd00:250::/120",
    "fd00:250::1:0/116",
    "fd00:250::/116",
];

/// Most ServiceCIDRs at a time.
const MOST: usize = 4;

impl Generator {
    /// One or two of them, and Services in them.
    pub(super) fn populate_cidrs(&mut self) {
        for _ in 0..self.rng.below(3) {
            let step = self.new_cidr();
            self.cluster.apply(&step);
        }
        if self.rng.chance(50)
            && let Some(step) = self.service_in_range()
        {
            self.cluster.apply(&step);
        }
    }

    /// Any change of ServiceCIDRs, or of Services in their ranges.
    pub(super) fn change_cidr(&mut self) -> Option<Step> {
        let cidrs: Vec<ServiceCIDR> = self.cluster.all().cloned().collect();
        match self.rng.below(20) {
            0..6 if cidrs.len() < MOST => Some(self.new_cidr()),
            6..10 => self.service_in_range(),
            10..14 => {
                let held = self.covered(&cidrs);
                let choices = if held.is_empty() { &cidrs } else { &held };
                let name = self.rng.pick_opt(choices)?.metadata.name.clone()?;
                Some(Step::delete(
                    StepKind::CidrDeleted,
                    Key::of::<ServiceCIDR>("", &name),
                ))
            }
            14..16 => {
                let mut cidr = self.rng.pick_opt(&cidrs)?.clone();
                let ranges = cidr.spec.as_mut()?.cidrs.as_mut()?;
                let [only] = ranges.as_slice() else { return None };
                let second = if only.contains(':') {
                    self.rng.pick(FOUR)
                } else {
                    self.rng.pick(SIX)
                };
                ranges.push(second.to_owned());
                Some(Step::put(StepKind::CidrFamilyAdded, cidr))
            }
            16..18 => self.edit_cidr(),
            _ => {
                // What holds a deletion up goes.
                let held = self.cluster.all::<Service>().filter(|service| in_space(service));
                let held: Vec<Key> = held
                    .filter_map(|service| {
                        let metadata = &service.metadata;
                        Some(Key::of::<Service>(
                            metadata.namespace.as_deref()?,
                            metadata.name.as_deref()?,
                        ))
                    })
                    .collect();
                let key = self.rng.pick_opt(&held)?.clone();
                Some(Step::delete(StepKind::ServiceDeleted, key))
            }
        }
    }

    /// Those with addresses that another one holds as well.
    fn covered(&self, cidrs: &[ServiceCIDR]) -> Vec<ServiceCIDR> {
        let addresses = self.cluster.all::<Service>().filter(|service| in_space(service));
        let addresses: Vec<IpAddr> = addresses
            .filter_map(|service| service.spec.as_ref()?.cluster_ip.as_ref()?.parse().ok())
            .collect();
        let holders = |address: IpAddr| cidrs.iter().filter(move |cidr| holds(cidr, address)).count();
        let covered = |cidr: &&ServiceCIDR| {
            let mut held = addresses.iter().filter(|address| holds(cidr, **address));
            held.any(|address| holders(*address) > 1)
        };
        cidrs.iter().filter(covered).cloned().collect()
    }

    fn new_cidr(&mut self) -> Step {
        let serial = self.serial();
        let existing: Vec<Vec<String>> = self
            .cluster
            .all::<ServiceCIDR>()
            .filter_map(|cidr| cidr.spec.as_ref()?.cidrs.clone())
            .collect();
        let same = self
            .rng
            .pick_opt(&existing)
            .cloned()
            .filter(|_| self.rng.chance(20));
        let four = self.rng.pick(FOUR).to_owned();
        let six = self.rng.pick(SIX).to_owned();
        let cidrs = same.unwrap_or_else(|| match self.rng.below(10) {
            0..6 => vec![four],
            6 | 7 => vec![six],
            8 => vec![four, six],
            _ => vec![six, four],
        });
        let cidr = ServiceCIDR {
            metadata: ObjectMeta {
                name: Some(format!("cidr-{serial}")),
                uid: Some(format!("cidr-uid-{serial}")),
                ..ObjectMeta::default()
            },
            spec: Some(ServiceCIDRSpec { cidrs: Some(cidrs) }),
            status: None,
        };
        Step::put(StepKind::CidrAdded, cidr)
    }

    /// A Service with an address of one of the ranges, which the scenario has not given to another.
    fn service_in_range(&mut self) -> Option<Step> {
        let address = self.free_address()?;
        let (namespace, serial) = (self.namespace(), self.serial());
        let mut service = self.service(namespace, format!("held-{serial}"));
        let ports = super::ports::service_ports(&mut self.rng);
        self.make_cluster_ip(&mut service, ports, false);
        let spec = service.spec.get_or_insert_default();
        let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
        spec.external_traffic_policy = None;
        spec.ip_family_policy = Some("SingleStack".to_owned());
        spec.ip_families = Some(vec![family.to_owned()]);
        spec.cluster_ip = Some(address.to_string());
        spec.cluster_ips = Some(vec![address.to_string()]);
        Some(Step::put(StepKind::ServiceInRange, service))
    }

    /// An address that some ServiceCIDR holds and that no Service ever had, so that it is free at every moment.
    fn free_address(&mut self) -> Option<IpAddr> {
        self.next_held += 1;
        let number = self.next_held;
        let candidates = [
            format!("10.250.0.{}", number * 29 % 250 + 1),
            format!("fd00:250::{:x}", number * 3),
        ];
        let cidrs: Vec<&ServiceCIDR> = self.cluster.all().collect();
        let held: Vec<IpAddr> = candidates
            .iter()
            .filter_map(|text| text.parse().ok())
            .filter(|address| cidrs.iter().any(|cidr| holds(cidr, *address)))
            .collect();
        self.rng.pick_opt(&held).copied()
    }
}

/// Whether the address of a Service is one of a scenario's own ranges.
pub fn in_space(service: &Service) -> bool {
    let address = service.spec.as_ref().and_then(|spec| spec.cluster_ip.as_deref());
    address.is_some_and(|address| SPACE.iter().any(|space| address.starts_with(space)))
}
