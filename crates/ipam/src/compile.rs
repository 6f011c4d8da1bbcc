//! From pools as users write them to pools as they serve.

use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::IpNet;
use quaymaster_allocator::{Intervals, Spans, net};
use quaymaster_api::{EnforceAddresses, EnforcePorts, NodePortPoolSpec, PortUse, Problem, ServiceIPPoolSpec};
use quaymaster_model::{IpFamily, Timestamp};

use crate::Pool;
use crate::needs::Families;

/// A pool as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Written<'a, S> {
    /// Its name.
    pub name: &'a str,
    /// `metadata.creationTimestamp`
    pub created: Option<Timestamp>,
    /// `spec`
    pub spec: &'a S,
}

/// A ServiceCIDR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRange {
    /// The one that kube-apiserver keeps from its flag: `kubernetes`.
    pub is_default: bool,
    /// The apiserver gives addresses of it.
    pub usable: bool,
    /// `spec.cidrs`, in order.
    pub cidrs: Vec<IpNet>,
}

/// A pool, and what became of what it names.
#[derive(Clone, Debug)]
pub struct Compiled<T> {
    /// As it serves.
    pub pool: Pool,
    /// What it has: all that it names and does not exclude, and that no older pool has. In force is what of it the cluster serves.
    pub effective: T,
    /// Older pools that have some of it.
    pub overlaps: Vec<String>,
    /// Some of it is of no range that the cluster serves.
    pub beyond: bool,
    /// What cannot be understood; then it serves nothing.
    pub problem: Option<String>,
}

/// What a cluster serves, by its ServiceCIDRs; none before the apiserver has made the one of its flag.
pub fn families(ranges: &[ServiceRange]) -> Option<Families> {
    let default = ranges.iter().find(|range| range.is_default)?;
    let families: Vec<IpFamily> = default
        .cidrs
        .iter()
        .map(|cidr| IpFamily::of(&cidr.addr()))
        .collect();
    let all = ranges.iter().all(|range| range.usable);
    Some(Families {
        default: *families.first()?,
        both: families.len() > 1,
        single_cidr: ranges.len() == 1 && all,
    })
}

/// Pools of addresses as they serve beside each other, in the order given.
///
/// Of several that name an address the oldest has it, among equally old ones the first by name. Nobody gets the first address of
/// a network of a pool nor of a ServiceCIDR, nor of IPv4 the last; nor any that is in no usable ServiceCIDR. ServiceCIDRs of IPv6
/// shorter than /64 the apiserver accepts and cannot serve (`pkg/registry/core/service/ipallocator/ipallocator.go`).
pub fn address_pools(
    written: &[Written<'_, ServiceIPPoolSpec>],
    ranges: &[ServiceRange],
) -> Vec<Compiled<Spans>> {
    let usable = ranges
        .iter()
        .filter(|range| range.usable)
        .flat_map(|range| &range.cidrs);
    let served: Vec<IpNet> = usable
        .filter(|cidr| cidr.addr().is_ipv4() || cidr.prefix_len() >= 64)
        .copied()
        .collect();
    let edges = edges(ranges.iter().flat_map(|range| &range.cidrs).copied());
    let served = Spans::of_nets(served).without(&edges);
    let named: Vec<Result<Spans, String>> = written.iter().map(|pool| addresses(pool.spec)).collect();
    let sets: Vec<Spans> = named
        .iter()
        .map(|named| named.clone().unwrap_or_default())
        .collect();
    let order = order(written);
    let mut compiled: Vec<Option<Compiled<Spans>>> = written.iter().map(|_| None).collect();
    let mut taken = Spans::default();
    for (nth, place) in order.iter().enumerate() {
        let (one, all) = (&written[*place], &sets[*place]);
        let effective = all.without(&taken);
        let overlaps = |other: &&usize| !sets[**other].common(all).is_empty();
        let overlaps = order[..nth].iter().filter(overlaps);
        let in_force = effective.common(&served);
        let quarantine = match one.spec.quarantine.enforce {
            EnforceAddresses::Off => 0,
            _ => one.spec.quarantine.seconds,
        };
        compiled[*place] = Some(Compiled {
            pool: Pool {
                name: one.name.to_owned(),
                policy: one.spec.policy.clone(),
                uses: Vec::new(),
                quarantine: Duration::from_secs(quarantine.into()),
                serves: [
                    in_force.four().clone(),
                    in_force.six().clone(),
                    Intervals::default(),
                ],
            },
            beyond: !effective.without(&served).without(&edges).is_empty(),
            overlaps: overlaps.map(|other| written[*other].name.to_owned()).collect(),
            problem: named[*place].as_ref().err().cloned(),
            effective,
        });
        taken = taken.with(all);
    }
    compiled.into_iter().flatten().collect()
}

/// Pools of node ports as they serve beside each other, in the order given, within the range of the apiserver, if that is known.
///
/// Of several that name a port the oldest has it, among equally old ones the first by name.
pub fn port_pools(
    written: &[Written<'_, NodePortPoolSpec>],
    range: Option<(u16, u16)>,
) -> Vec<Compiled<Intervals>> {
    let (first, last) = range.unwrap_or((1, u16::MAX));
    let served = Intervals::new([first.into()..=last.into()]);
    let named: Vec<Result<Intervals, String>> = written.iter().map(|pool| ports(pool.spec)).collect();
    let sets: Vec<Intervals> = named
        .iter()
        .map(|named| named.clone().unwrap_or_default())
        .collect();
    let order = order(written);
    let mut compiled: Vec<Option<Compiled<Intervals>>> = written.iter().map(|_| None).collect();
    let mut taken = Intervals::default();
    for (nth, place) in order.iter().enumerate() {
        let (one, all) = (&written[*place], &sets[*place]);
        let effective = all.without(&taken);
        let overlaps = |other: &&usize| !sets[**other].common(all).is_empty();
        let overlaps = order[..nth].iter().filter(overlaps);
        let quarantine = match one.spec.quarantine.enforce {
            EnforcePorts::Off => 0,
            _ => one.spec.quarantine.seconds,
        };
        let known = |port_use: &&PortUse| !port_use.is_unknown();
        compiled[*place] = Some(Compiled {
            pool: Pool {
                name: one.name.to_owned(),
                policy: one.spec.policy.clone(),
                uses: one.spec.uses.iter().filter(known).copied().collect(),
                quarantine: Duration::from_secs(quarantine.into()),
                serves: [
                    Intervals::default(),
                    Intervals::default(),
                    effective.common(&served),
                ],
            },
            beyond: !effective.without(&served).is_empty(),
            overlaps: overlaps.map(|other| written[*other].name.to_owned()).collect(),
            problem: named[*place].as_ref().err().cloned(),
            effective,
        });
        taken = taken.with(all);
    }
    compiled.into_iter().flatten().collect()
}

/// The places of pools, the oldest first.
fn order<S>(written: &[Written<'_, S>]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..written.len()).collect();
    // One without a time is younger than all: the apiserver gives each one.
    places.sort_by_key(|place| {
        let pool = &written[*place];
        (pool.created.is_none(), pool.created, pool.name)
    });
    places
}

fn ports(spec: &NodePortPoolSpec) -> Result<Intervals, String> {
    let ports = spec.ports().map_err(|problems| told(&problems))?;
    let set = |ranges: &[RangeInclusive<u16>]| {
        Intervals::new(
            ranges
                .iter()
                .map(|range| (*range.start()).into()..=(*range.end()).into()),
        )
    };
    Ok(set(&ports.ranges).without(&set(&ports.exclude)))
}

/// All addresses that a pool names and does not exclude.
fn addresses(spec: &ServiceIPPoolSpec) -> Result<Spans, String> {
    let named = spec.addresses().map_err(|problems| told(&problems))?;
    let mut all = Spans::of_nets(named.networks.iter().copied()).without(&edges(named.networks));
    for range in &named.ranges {
        // Of one family and in order, or it would be a problem.
        all.add(*range.start(), *range.end());
    }
    Ok(all.without(&Spans::of_nets(named.exclude)))
}

fn told(problems: &[Problem]) -> String {
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    problems.join("; ")
}

fn edges(nets: impl IntoIterator<Item = IpNet>) -> Spans {
    let mut edges = Spans::default();
    for one in nets {
        for place in net::edges(one).into_iter().map(|edge| *edge.start()) {
            if let Some(address) = net::address(one, place) {
                edges.add(address, address);
            }
        }
    }
    edges
}

#[cfg(test)]
mod tests {
    use quaymaster_api::PortRange;

    use super::*;

    fn spec(cidrs: &[&str], exclude: &[&str]) -> ServiceIPPoolSpec {
        ServiceIPPoolSpec {
            cidrs: cidrs.iter().map(|cidr| (*cidr).to_owned()).collect(),
            exclude: exclude.iter().map(|one| (*one).to_owned()).collect(),
            ..ServiceIPPoolSpec::default()
        }
    }

    fn range(name: &str, usable: bool, cidrs: &[&str]) -> ServiceRange {
        ServiceRange {
            is_default: name == "kubernetes",
            usable,
            cidrs: cidrs.iter().map(|cidr| cidr.parse().unwrap()).collect(),
        }
    }

    fn compile(pools: &[(&str, i64, ServiceIPPoolSpec)], ranges: &[ServiceRange]) -> Vec<Compiled<Spans>> {
        let written: Vec<Written<'_, ServiceIPPoolSpec>> = pools
            .iter()
            .map(|(name, created, spec)| Written {
                name,
                created: Some(Timestamp(*created)),
                spec,
            })
            .collect();
        address_pools(&written, ranges)
    }

    fn size(compiled: &Compiled<Spans>) -> (u128, u128) {
        let [four, six, _] = &compiled.pool.serves;
        (four.count(), six.count())
    }

    #[test]
    fn a_pool_serves_what_it_names_without_the_edges_of_networks_and_what_it_excludes() {
        let ranges = [range("kubernetes", true, &["10.96.0.0/16", "fd00:10:96::/64"])];
        let pools = [(
            "a",
            1,
            spec(
                &["10.96.8.0/24", "fd00:10:96::100/120"],
                &["10.96.8.0/28", "10.96.8.77"],
            ),
        )];
        let compiled = compile(&pools, &ranges);
        // 256 without the last one, 16 and one; 256 without the first one.
        assert_eq!(size(&compiled[0]), (256 - 1 - 16 - 1, 255));
        assert!(!compiled[0].beyond && compiled[0].overlaps.is_empty());
    }

    #[test]
    fn the_edges_of_service_cidrs_are_never_given_also_where_the_pool_is_larger() {
        let ranges = [range("kubernetes", true, &["10.96.0.0/30"])];
        let compiled = compile(&[("a", 1, spec(&["10.96.0.0/24"], &[]))], &ranges);
        assert_eq!(size(&compiled[0]), (2, 0));
        assert!(compiled[0].beyond);
    }

    #[test]
    fn what_no_usable_service_cidr_has_is_not_served() {
        let pool = |cidr: &str| [("a", 1, spec(&[cidr], &[]))];
        let served = |cidr: &str, ranges: &[ServiceRange]| size(&compile(&pool(cidr), ranges)[0]);
        assert_eq!(
            served("10.97.0.0/24", &[range("kubernetes", true, &["10.96.0.0/16"])]),
            (0, 0)
        );
        assert_eq!(
            served("10.96.1.0/24", &[range("kubernetes", false, &["10.96.0.0/16"])]),
            (0, 0)
        );
        assert_eq!(
            served("fd00::100/120", &[range("kubernetes", true, &["fd00::/48"])]),
            (0, 0)
        );
        assert_eq!(
            served("fd00::100/120", &[range("kubernetes", true, &["fd00::/64"])]),
            (0, 255)
        );
    }

    #[test]
    fn of_pools_that_overlap_the_oldest_has_what_they_share_whatever_the_order_they_are_read_in() {
        let ranges = [range("kubernetes", true, &["10.96.0.0/16"])];
        let old = ("old", 1, spec(&["10.96.1.0/24"], &[]));
        let young = ("young", 2, spec(&["10.96.1.128/25", "10.96.2.0/24"], &[]));
        for pools in [[old.clone(), young.clone()], [young, old]] {
            for (pool, compiled) in pools.iter().zip(compile(&pools, &ranges)) {
                assert_eq!(pool.0, compiled.pool.name);
                let (expected, overlaps) = if pool.0 == "old" {
                    (254, vec![])
                } else {
                    (254, vec!["old".to_owned()])
                };
                // Of the young one the last address of the first network is of nobody: an edge.
                assert_eq!(
                    (size(&compiled).0, compiled.overlaps),
                    (expected, overlaps),
                    "{}",
                    pool.0
                );
            }
        }
    }

    #[test]
    fn what_cannot_be_understood_is_told_by_its_field_and_serves_nothing() {
        let ranges = [range("kubernetes", true, &["10.96.0.0/16"])];
        for (spec, field) in [
            (spec(&["10.96.1.0/24", "10.96.1.7/24"], &[]), "spec.cidrs[1]"),
            (spec(&["ten"], &[]), "spec.cidrs[0]"),
            (spec(&["10.96.2.0/24"], &["10.96.1.1/24"]), "spec.exclude[0]"),
            (spec(&[], &[]), "spec"),
        ] {
            let compiled = compile(&[("a", 1, spec)], &ranges);
            let problem = compiled[0].problem.as_deref().unwrap();
            assert!(problem.starts_with(&format!("{field}: ")), "{problem}");
            assert_eq!(size(&compiled[0]), (0, 0));
        }
    }

    #[test]
    fn the_first_cidr_of_the_default_range_says_the_family_of_services_that_name_none() {
        let of = |ranges: &[ServiceRange]| {
            families(ranges).map(|families| (families.default, families.both, families.single_cidr))
        };
        assert_eq!(of(&[]), None);
        let dual = range("kubernetes", true, &["fd00::/112", "10.96.0.0/16"]);
        assert_eq!(of(std::slice::from_ref(&dual)), Some((IpFamily::V6, true, true)));
        let more = range("more", true, &["10.97.0.0/16"]);
        assert_eq!(
            of(&[more.clone(), dual.clone()]),
            Some((IpFamily::V6, true, false))
        );
        assert_eq!(
            of(&[range("kubernetes", false, &["10.96.0.0/16"])]),
            Some((IpFamily::V4, false, false))
        );
        assert_eq!(of(&[more]), None);
    }

    fn port_pool(ranges: &[(u16, u16)], exclude: &[(u16, u16)]) -> NodePortPoolSpec {
        let of = |ranges: &[(u16, u16)]| -> Vec<PortRange> {
            ranges
                .iter()
                .map(|(first, last)| PortRange {
                    first: *first,
                    last: *last,
                })
                .collect()
        };
        let mut spec: NodePortPoolSpec = serde_json::from_str(r#"{"ranges":[]}"#).unwrap();
        spec.ranges = of(ranges);
        spec.exclude = of(exclude);
        spec
    }

    #[test]
    fn a_pool_of_ports_serves_what_of_it_the_apiserver_serves_and_no_older_pool_has() {
        let (old, young) = (
            port_pool(&[(30_000, 30_099)], &[(30_010, 30_019)]),
            port_pool(&[(30_050, 33_000)], &[]),
        );
        let written = [
            Written {
                name: "young",
                created: Some(Timestamp(2)),
                spec: &young,
            },
            Written {
                name: "old",
                created: Some(Timestamp(1)),
                spec: &old,
            },
        ];
        let compiled = port_pools(&written, Some((30_000, 32_767)));
        let counts: Vec<u128> = compiled.iter().map(|one| one.pool.serves[2].count()).collect();
        assert_eq!(counts, [32_767 - 30_099, 90]);
        assert_eq!(compiled[0].overlaps, ["old"]);
        assert!(compiled[0].beyond && !compiled[1].beyond);
    }
}
