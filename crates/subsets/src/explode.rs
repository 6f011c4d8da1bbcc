//! Subsets taken apart: which ports have the same addresses.

use std::collections::HashMap;

use quaymaster_model::{EndpointAddress, Subset, SubsetAddress, SubsetPort, Uid};
use smallvec::{SmallVec, smallvec};

/// When two ports are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    /// When they are equal.
    Value,
    /// When they are equal and have no `appProtocol`: that is compared by pointer, and what was read has one for each.
    Pointer,
}

/// What subsets say, whatever the way they say it.
#[derive(Debug, Default)]
pub(crate) struct Exploded<'a> {
    /// All addresses, each once: of those with the same IP and UID of the target the first, which supplies all else.
    pub(crate) addresses: Vec<&'a SubsetAddress>,
    /// Ports by the addresses that have them; no two groups have the same addresses, and none has none.
    pub(crate) groups: Vec<Group<'a>>,
}

/// Ports with the same addresses.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    /// None for addresses without ports.
    pub(crate) ports: Vec<&'a SubsetPort>,
    /// Sorted, each address once.
    pub(crate) members: Vec<Member>,
}

/// An address that has the ports of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Member {
    /// Which of [`Exploded::addresses`].
    pub(crate) address: usize,
    /// Whether it is ready. What is said to be both, for one port, is not.
    pub(crate) ready: bool,
}

/// The subsets that have a port, by their place.
pub(crate) type Sources = SmallVec<[usize; 2]>;

/// Takes subsets apart.
///
/// Ports that stand in the same subsets have the same addresses, so these are put together once for each such list of
/// subsets and not for each port. The cost follows the number of ports and, for each different list, the addresses in it.
pub(crate) fn explode(subsets: &[Subset], identity: Identity) -> Exploded<'_> {
    let mut addresses: Vec<&SubsetAddress> = Vec::new();
    let mut known: HashMap<(&EndpointAddress, Option<&Uid>), usize> = HashMap::new();
    let mut contents: Vec<Vec<Member>> = Vec::with_capacity(subsets.len());
    for subset in subsets {
        let ready = subset.ready.iter().map(|address| (address, true));
        let not_ready = subset.not_ready.iter().map(|address| (address, false));
        let members = ready.chain(not_ready).map(|(address, ready)| {
            let place = *known.entry((&address.ip, uid(address))).or_insert_with(|| {
                addresses.push(address);
                addresses.len() - 1
            });
            Member {
                address: place,
                ready,
            }
        });
        contents.push(members.collect());
    }
    let mut groups: HashMap<Vec<Member>, Vec<&SubsetPort>> = HashMap::new();
    let mut seen: Vec<Option<bool>> = vec![None; addresses.len()];
    for (sources, ports) in by_sources(subsets, &contents, identity) {
        let members = united(
            sources.iter().map(|source| contents[*source].as_slice()),
            &mut seen,
        );
        groups.entry(members).or_default().extend(ports);
    }
    Exploded {
        addresses,
        groups: groups
            .into_iter()
            .map(|(members, ports)| Group { ports, members })
            .collect(),
    }
}

/// The UID by which an address is told from others of its IP; none and an empty one are the same.
pub(crate) fn uid(address: &SubsetAddress) -> Option<&Uid> {
    let target = address.target.as_deref()?;
    Some(&target.uid).filter(|uid| !uid.is_empty())
}

/// Ports by the subsets that have them, none for those without ports. A port whose number is not above 0, which the API
/// does not admit, counts as none. Subsets without an address say nothing.
pub(crate) fn by_sources<'a>(
    subsets: &'a [Subset],
    contents: &[Vec<Member>],
    identity: Identity,
) -> HashMap<Sources, Vec<&'a SubsetPort>> {
    let mut occurrences: Vec<(Option<&SubsetPort>, Sources)> = Vec::new();
    let mut known: HashMap<Option<&SubsetPort>, usize> = HashMap::new();
    for (source, subset) in subsets.iter().enumerate() {
        if contents[source].is_empty() {
            continue;
        }
        let none = subset.ports.is_empty().then_some(None);
        let ports = subset
            .ports
            .iter()
            .map(|port| Some(port).filter(|port| port.port > 0));
        for port in none.into_iter().chain(ports) {
            let is_unique =
                identity == Identity::Pointer && port.is_some_and(|port| port.app_protocol.is_some());
            let next = occurrences.len();
            let place = if is_unique {
                next
            } else {
                *known.entry(port).or_insert(next)
            };
            match occurrences.get_mut(place) {
                // The port stands in this subset twice. The result would be the same, but ports that stand in it once, twice
                // and so on would have different lists, and its addresses be put together for each of these.
                Some((_, sources)) if sources.last() == Some(&source) => {}
                Some((_, sources)) => sources.push(source),
                None => occurrences.push((port, smallvec![source])),
            }
        }
    }
    let mut ports: HashMap<Sources, Vec<&SubsetPort>> = HashMap::new();
    for (port, sources) in occurrences {
        ports.entry(sources).or_default().extend(port);
    }
    ports
}

/// The members of several lists, each once and sorted. `seen` has a place for each address, and is left as it was found.
fn united<'a>(lists: impl Iterator<Item = &'a [Member]>, seen: &mut [Option<bool>]) -> Vec<Member> {
    let mut members: Vec<Member> = Vec::new();
    for member in lists.flatten() {
        let ready = &mut seen[member.address];
        if ready.is_none() {
            members.push(*member);
        }
        *ready = Some(ready.unwrap_or(true) && member.ready);
    }
    members.sort_unstable();
    for member in &mut members {
        member.ready = seen[member.address].take().unwrap_or(member.ready);
    }
    members
}
