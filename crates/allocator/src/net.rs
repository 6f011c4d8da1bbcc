//! Networks as ranges of addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use ipnet::IpNet;

use crate::Range;

/// How many addresses a network has; of `::/0` one less than there are.
pub fn size(net: IpNet) -> u128 {
    1_u128.checked_shl(host_bits(net)).unwrap_or(u128::MAX)
}

/// The place of an address in a network; `None` where it is in another one, or of the other family.
pub fn offset(net: IpNet, address: IpAddr) -> Option<u128> {
    net.contains(&address)
        .then(|| number(address) - number(net.network()))
}

/// The address at a place in a network; `None` beyond it.
pub fn address(net: IpNet, offset: u128) -> Option<IpAddr> {
    if offset >= size(net) {
        return None;
    }
    match net.network() {
        IpAddr::V4(first) => {
            let number = u32::from(first).checked_add(u32::try_from(offset).ok()?)?;
            Some(Ipv4Addr::from(number).into())
        }
        IpAddr::V6(first) => Some(Ipv6Addr::from(u128::from(first).checked_add(offset)?).into()),
    }
}

/// Places that no Service may have an address at: the first one, the network's own or that of any router in it, and of IPv4
/// the last one, the broadcast address (kubernetes `pkg/registry/core/service/ipallocator`, and `pkg/api/servicecidr`).
pub fn edges(net: IpNet) -> Vec<RangeInclusive<u128>> {
    let last = size(net) - 1;
    match net {
        IpNet::V4(_) => vec![0..=0, last..=last],
        IpNet::V6(_) => vec![0..=0],
    }
}

/// The part of a network that another one is of it, by places; `None` where they have no address in common.
pub fn part(net: IpNet, other: IpNet) -> Option<RangeInclusive<u128>> {
    let first = offset(net, other.network());
    let whole = offset(other, net.network());
    match (first, whole) {
        (Some(first), _) => {
            let last = first.saturating_add(size(other) - 1);
            Some(first..=last.min(size(net) - 1))
        }
        (None, Some(_)) => Some(0..=size(net) - 1),
        (None, None) => None,
    }
}

/// The addresses of a network that Services may have, without those of others.
pub fn range(net: IpNet, excluded: &[IpNet]) -> Range {
    let others = excluded.iter().filter_map(|other| part(net, *other));
    Range::new(size(net), edges(net).into_iter().chain(others))
}

fn host_bits(net: IpNet) -> u32 {
    u32::from(net.max_prefix_len() - net.prefix_len())
}

/// An address as a number: those of a family are in the order of their addresses.
pub fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    fn free(range: &Range) -> u128 {
        range.counts().free()
    }

    #[test]
    fn places_and_addresses_are_each_others_inverse_within_the_network_and_nothing_beyond() {
        for (of, first, last) in [
            ("10.96.8.0/22", "10.96.8.0", "10.96.11.255"),
            ("0.0.0.0/0", "0.0.0.0", "255.255.255.255"),
            ("10.0.0.7/32", "10.0.0.7", "10.0.0.7"),
            (
                "fd00:10:96:8::/64",
                "fd00:10:96:8::",
                "fd00:10:96:8:ffff:ffff:ffff:ffff",
            ),
        ] {
            let net = net(of);
            for (place, text) in [(0, first), (size(net) - 1, last)] {
                let ip: IpAddr = text.parse().unwrap();
                assert_eq!(
                    (address(net, place), offset(net, ip)),
                    (Some(ip), Some(place)),
                    "{of}"
                );
            }
            assert_eq!(address(net, size(net)), None, "{of}");
        }
        let four = net("10.96.0.0/12");
        for other in ["10.112.0.0", "fd00::1", "::ffff:10.96.0.1"] {
            assert_eq!(offset(four, other.parse().unwrap()), None, "{other}");
        }
        assert_eq!(size(net("::/0")), u128::MAX);
    }

    #[test]
    fn no_service_gets_the_first_address_nor_of_ipv4_the_last() {
        assert_eq!(free(&range(net("10.0.0.0/24"), &[])), 254);
        assert_eq!(free(&range(net("10.0.0.0/31"), &[])), 0);
        assert_eq!(free(&range(net("10.0.0.0/32"), &[])), 0);
        assert_eq!(free(&range(net("fd00::/120"), &[])), 255);
        assert_eq!(free(&range(net("fd00::/64"), &[])), u128::from(u64::MAX));
    }

    #[test]
    fn what_is_left_out_counts_once_wherever_it_lies() {
        let of = |excluded: &[&str]| {
            let excluded: Vec<IpNet> = excluded.iter().map(|text| net(text)).collect();
            free(&range(net("10.0.0.0/24"), &excluded))
        };
        assert_eq!(of(&["10.0.0.0/28"]), 254 - 15);
        assert_eq!(of(&["10.0.0.16/28", "10.0.0.16/29", "10.0.0.20/32"]), 254 - 16);
        assert_eq!(of(&["10.0.0.0/8"]), 0);
        assert_eq!(of(&["10.0.1.0/24", "fd00::/8"]), 254);
    }
}
