//! ServiceCIDRs: which addresses they hold, and when one may go (kubernetes `pkg/api/servicecidr`,
//! `pkg/controller/servicecidrs`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use k8s_openapi::api::networking::v1::{IPAddress, ServiceCIDR};

use crate::names;

#[cfg(test)]
mod tests;

/// How long a ServiceCIDR that may go stays for the allocators to learn of it, in seconds after its deletion timestamp.
pub const GRACE_SECONDS: i64 = 10;

/// A range of addresses of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Prefix {
    /// The address as a number, in the low bits.
    base: u128,
    /// Bits of an address of the family.
    width: u32,
    length: u32,
}

impl Prefix {
    /// `None` for what is no range.
    fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        let (base, width) = number(address.parse().ok()?);
        let length: u32 = length.parse().ok()?;
        (length <= width).then_some(Self { base, width, length })
    }

    /// The part of an address that all addresses in the range have.
    fn head(self, address: u128) -> u128 {
        address.checked_shr(self.width - self.length).unwrap_or(0)
    }

    fn overlaps(self, other: Self) -> bool {
        let shorter = if self.length < other.length { self } else { other };
        self.width == other.width && shorter.head(self.base) == shorter.head(other.base)
    }

    /// Whether all of the other range is in this one; a range is in itself.
    fn contains(self, other: Self) -> bool {
        self.overlaps(other) && self.length <= other.length
    }

    /// Whether Services may have the address: it is in the range, and neither the first one nor, of IPv4, the last.
    fn holds(self, address: IpAddr) -> bool {
        let (address, width) = number(address);
        let host_bits = self.width - self.length;
        let offset = address.wrapping_sub(self.base);
        let last = 1_u128.checked_shl(host_bits).map_or(u128::MAX, |size| size - 1);
        width == self.width
            && self.head(address) == self.head(self.base)
            && offset != 0
            && (self.width == u128::BITS || offset != last)
    }
}

fn number(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), Ipv4Addr::BITS),
        IpAddr::V6(address) => (u128::from(address), Ipv6Addr::BITS),
    }
}

fn prefixes(cidr: &ServiceCIDR) -> Vec<Prefix> {
    let ranges = cidr.spec.iter().flat_map(|spec| spec.cidrs.iter().flatten());
    ranges.filter_map(|range| Prefix::parse(range)).collect()
}

/// Whether Services may have the address from this ServiceCIDR, as far as its ranges go.
pub fn holds(cidr: &ServiceCIDR, address: IpAddr) -> bool {
    prefixes(cidr).into_iter().any(|prefix| prefix.holds(address))
}

/// Whether any address is in both.
pub fn overlap(one: &ServiceCIDR, other: &ServiceCIDR) -> bool {
    let others = prefixes(other);
    prefixes(one)
        .into_iter()
        .any(|prefix| others.iter().any(|other| prefix.overlaps(*other)))
}

/// The address of an IPAddress that the allocator keeps.
pub fn allocated(address: &IPAddress) -> Option<IpAddr> {
    let manager = address.metadata.labels.as_ref()?.get(names::ADDRESS_MANAGED_BY)?;
    (manager == names::ALLOCATOR).then_some(())?;
    address.metadata.name.as_ref()?.parse().ok()
}

/// Whether every range of a ServiceCIDR is within one of the others.
pub fn covered(cidr: &ServiceCIDR, others: &[&ServiceCIDR]) -> bool {
    prefixes(cidr).into_iter().all(|prefix| {
        let mut ranges = others.iter().flat_map(|other| prefixes(other));
        ranges.any(|range| range.contains(prefix))
    })
}

/// The addresses of the allocator that hang on a ServiceCIDR alone: none of the others holds them.
pub fn orphans<'a>(
    cidr: &ServiceCIDR,
    others: &[&ServiceCIDR],
    addresses: impl IntoIterator<Item = &'a IPAddress>,
) -> Vec<IpAddr> {
    let addresses = addresses.into_iter().filter_map(allocated);
    addresses
        .filter(|address| holds(cidr, *address) && !others.iter().any(|other| holds(other, *address)))
        .collect()
}

/// Whether a ServiceCIDR that is being deleted may go beside these, but for the grace: every range of it is within one of
/// them, or no address hangs on it alone. Those count that are being deleted, too (`canDeleteCIDR`).
pub fn may_go(cidr: &ServiceCIDR, others: &[&ServiceCIDR], addresses: &[IPAddress]) -> bool {
    covered(cidr, others) || orphans(cidr, others, addresses).is_empty()
}

/// The condition `Ready` of a ServiceCIDR, without its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// `True` or `False`.
    pub status: &'static str,
    /// Machine-readable reason; empty where it is ready.
    pub reason: &'static str,
    /// Text.
    pub message: &'static str,
}

/// The condition that a ServiceCIDR should have; `None` where it stays as it is, while the grace of one that may go runs.
pub fn wanted_condition(cidr: &ServiceCIDR, all: &[ServiceCIDR], addresses: &[IPAddress]) -> Option<Ready> {
    if cidr.metadata.deletion_timestamp.is_none() {
        return Some(Ready {
            status: "True",
            reason: "",
            message: "Kubernetes Service CIDR is ready",
        });
    }
    let others: Vec<&ServiceCIDR> = all
        .iter()
        .filter(|other| other.metadata.name != cidr.metadata.name)
        .collect();
    (!may_go(cidr, &others, addresses)).then_some(Ready {
        status: "False",
        reason: "Terminating",
        message: "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR",
    })
}
