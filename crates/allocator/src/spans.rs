//! Sets of addresses, of both families.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};

use crate::Intervals;
use crate::net::number;

/// A set of addresses: of each family the numbers of its addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spans {
    four: Intervals,
    six: Intervals,
}

impl Spans {
    /// The addresses of networks.
    pub fn of_nets(nets: impl IntoIterator<Item = IpNet>) -> Self {
        let mut spans = Self::default();
        for net in nets {
            spans.add(net.network(), net.broadcast());
        }
        spans
    }

    /// Adds the addresses from `first` to `last`. `false`, and nothing is added, where they are of two families, or the last one
    /// comes before the first.
    pub fn add(&mut self, first: IpAddr, last: IpAddr) -> bool {
        let span = number(first)..=number(last);
        if first.is_ipv4() != last.is_ipv4() || span.is_empty() {
            return false;
        }
        let spans = if first.is_ipv4() {
            &mut self.four
        } else {
            &mut self.six
        };
        *spans = spans.with(&Intervals::new([span]));
        true
    }

    /// Those that are in this set or in another one.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        Self {
            four: self.four.with(&other.four),
            six: self.six.with(&other.six),
        }
    }

    /// Those that are not in another set.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self {
            four: self.four.without(&other.four),
            six: self.six.without(&other.six),
        }
    }

    /// Those that are in another set as well.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        Self {
            four: self.four.common(&other.four),
            six: self.six.common(&other.six),
        }
    }

    /// Whether an address is in the set.
    pub fn contains(&self, address: IpAddr) -> bool {
        let family = if address.is_ipv4() { &self.four } else { &self.six };
        family.contains(number(address))
    }

    /// Whether no address is in the set.
    pub fn is_empty(&self) -> bool {
        self.four.is_empty() && self.six.is_empty()
    }

    /// The numbers of its IPv4 addresses.
    pub fn four(&self) -> &Intervals {
        &self.four
    }

    /// The numbers of its IPv6 addresses.
    pub fn six(&self) -> &Intervals {
        &self.six
    }

    /// As few networks as there are for just these addresses, sorted, those of IPv4 first.
    pub fn nets(&self) -> Vec<IpNet> {
        let four = self.four.iter().flat_map(|span| {
            let [first, last] =
                [span.start(), span.end()].map(|end| Ipv4Addr::from(u32::try_from(*end).unwrap_or(u32::MAX)));
            Ipv4Subnets::new(first, last, 0).map(IpNet::V4)
        });
        let six = self.six.iter().flat_map(|span| {
            let [first, last] = [span.start(), span.end()].map(|end| Ipv6Addr::from(*end));
            Ipv6Subnets::new(first, last, 0).map(IpNet::V6)
        });
        four.chain(six).collect()
    }
}

/// What each of several pools serves, the first before the others: an address that more than one names is the first one's.
pub fn divided(pools: &[Spans]) -> Vec<Spans> {
    let mut served = Spans::default();
    let mut divided = Vec::with_capacity(pools.len());
    for pool in pools {
        let own = pool.without(&served);
        served = served.with(&own);
        divided.push(own);
    }
    divided
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn nets(texts: &[&str]) -> Spans {
        Spans::of_nets(texts.iter().map(|text| text.parse().unwrap()))
    }

    fn told(spans: &Spans) -> Vec<String> {
        spans.nets().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_left_is_told_in_as_few_networks_as_can_be() {
        let pool = nets(&["10.96.8.0/22", "fd00:10:96:8::/64"]);
        let left = pool.without(&nets(&["10.96.8.0/28", "fd00:10:96:8::/65"]));
        assert_eq!(
            told(&left),
            [
                "10.96.8.16/28",
                "10.96.8.32/27",
                "10.96.8.64/26",
                "10.96.8.128/25",
                "10.96.9.0/24",
                "10.96.10.0/23",
                "fd00:10:96:8:8000::/65",
            ]
        );
        assert_eq!(
            told(&nets(&["10.0.0.0/25", "10.0.0.128/25", "10.0.0.0/26"])),
            ["10.0.0.0/24"]
        );
        assert_eq!(told(&nets(&["0.0.0.0/0", "::/0"])), ["0.0.0.0/0", "::/0"]);
        assert!(nets(&["::/0"]).without(&nets(&["::/1", "8000::/1"])).is_empty());
    }

    #[test]
    fn a_span_of_two_families_or_backwards_is_none() {
        let mut spans = Spans::default();
        let ip = |text: &str| text.parse().unwrap();
        assert!(!spans.add(ip("10.0.0.1"), ip("fd00::1")));
        assert!(!spans.add(ip("10.0.0.2"), ip("10.0.0.1")));
        assert!(spans.is_empty());
        assert!(spans.add(ip("10.96.20.10"), ip("10.96.20.10")));
        assert!(spans.contains(ip("10.96.20.10")) && !spans.contains(ip("10.96.20.11")));
    }

    #[test]
    fn of_pools_that_overlap_the_first_serves_what_both_name() {
        let pools = [
            nets(&["10.0.0.0/24"]),
            nets(&["10.0.0.128/24", "10.0.1.0/24"]),
            nets(&["10.0.0.0/8"]),
        ];
        let divided = divided(&pools);
        assert_eq!(told(&divided[0]), ["10.0.0.0/24"]);
        assert_eq!(told(&divided[1]), ["10.0.1.0/24"]);
        assert!(!divided[2].contains("10.0.1.7".parse().unwrap()));
        assert!(divided[2].contains("10.0.2.0".parse().unwrap()));
    }

    fn spans(of: &[(u8, u8)]) -> (Spans, BTreeSet<u8>) {
        let (mut spans, mut set) = (Spans::default(), BTreeSet::new());
        for (first, last) in of {
            let ip = |last: u8| IpAddr::from([10, 0, 0, last]);
            if spans.add(ip(*first), ip(*last)) {
                set.extend(*first..=*last);
            }
        }
        (spans, set)
    }

    proptest! {
        #[test]
        fn sets_of_spans_are_what_sets_of_their_addresses_are(
            one in proptest::collection::vec(any::<(u8, u8)>(), 0..6),
            other in proptest::collection::vec(any::<(u8, u8)>(), 0..6),
        ) {
            let ((one, ones), (other, others)) = (spans(&one), spans(&other));
            let without: BTreeSet<u8> = ones.difference(&others).copied().collect();
            let common: BTreeSet<u8> = ones.intersection(&others).copied().collect();
            for (spans, set) in [(one.without(&other), without), (one.common(&other), common)] {
                for last in 0..=u8::MAX {
                    prop_assert_eq!(spans.contains([10, 0, 0, last].into()), set.contains(&last));
                }
                prop_assert_eq!(&Spans::of_nets(spans.nets()), &spans);
            }
        }
    }
}
