//! The canonical form of subsets, as kube-controller-manager writes it.

use std::cmp::Ordering;

use quaymaster_model::rules::PortOrder;
use quaymaster_model::{Subset, SubsetAddress, SubsetPort, Uid, digest};

use crate::explode::{Exploded, Group, Identity, explode, uid};
use crate::printed;

/// The canonical form of subsets that were read, in the order of this version. Equal ports with an `appProtocol` are one
/// port only if no two of them were given: see [the crate](crate#when-two-ports-are-one).
///
/// Each port stands in one subset, with all addresses that have it; ports with the same addresses share a subset. Addresses
/// are sorted by IP as text, then by the UID of the target; ports and subsets by the digest of their printed form. An
/// address that is both ready and not ready for one port is not ready. Of addresses with the same IP and UID the first
/// supplies all else. Subsets without an address vanish; those without a port stay.
pub fn repack(subsets: &[Subset], order: PortOrder) -> Vec<Subset> {
    packed(&explode(subsets, Identity::Pointer), order)
}

/// As [`repack`], of subsets that were computed from the Pods of one Service: equal ports are one port.
pub fn pack(subsets: &[Subset], order: PortOrder) -> Vec<Subset> {
    packed(&explode(subsets, Identity::Value), order)
}

fn packed(exploded: &Exploded<'_>, order: PortOrder) -> Vec<Subset> {
    let ranks = ranks(&exploded.addresses);
    let subsets = exploded.groups.iter();
    let mut subsets: Vec<Subset> = subsets
        .map(|group| subset(group, &exploded.addresses, &ranks, order))
        .collect();
    if subsets.len() > 1 {
        subsets.sort_by_cached_key(|subset| digest::of_text(&printed::subset(subset), order));
    }
    subsets
}

fn subset(group: &Group<'_>, addresses: &[&SubsetAddress], ranks: &[usize], order: PortOrder) -> Subset {
    let mut members = group.members.clone();
    members.sort_unstable_by_key(|member| ranks[member.address]);
    let part = |ready: bool| {
        members
            .iter()
            .filter(|member| member.ready == ready)
            .map(|member| addresses[member.address].clone())
            .collect()
    };
    let mut ports: Vec<SubsetPort> = group.ports.iter().map(|port| (*port).clone()).collect();
    if ports.len() > 1 {
        ports.sort_by_cached_key(|port| digest::of_text(&printed::port(port), order));
    }
    Subset {
        ready: part(true),
        not_ready: part(false),
        ports,
    }
}

/// The place of each address among all in the order in which they are written.
fn ranks(addresses: &[&SubsetAddress]) -> Vec<usize> {
    let mut sorted: Vec<(String, usize)> = addresses
        .iter()
        .enumerate()
        .map(|(place, address)| (address.ip.to_string(), place))
        .collect();
    sorted.sort_unstable_by(|a, b| {
        a.0.cmp(&b.0)
            .then_with(|| by_uid(uid(addresses[a.1]), uid(addresses[b.1])))
    });
    let mut ranks = vec![0; addresses.len()];
    for (rank, (_, place)) in sorted.iter().enumerate() {
        ranks[*place] = rank;
    }
    ranks
}

/// As texts; those without one go first.
fn by_uid(a: Option<&Uid>, b: Option<&Uid>) -> Ordering {
    a.map(ToString::to_string).cmp(&b.map(ToString::to_string))
}
