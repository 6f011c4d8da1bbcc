//! Address families, and the lenient way upstream reads an IP.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use k8s_openapi::api::core::v1::{PodStatus, Service};

/// The two address types the controller writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressType {
    /// `addressType: IPv4`.
    IPv4,
    /// `addressType: IPv6`.
    IPv6,
}

impl AddressType {
    /// The value of a slice's `addressType`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IPv4 => "IPv4",
            Self::IPv6 => "IPv6",
        }
    }

    /// The address type called `name`; `None` for `FQDN`, the historical `IP`, and anything else.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "IPv4" => Some(Self::IPv4),
            "IPv6" => Some(Self::IPv6),
            _ => None,
        }
    }
}

impl fmt::Display for AddressType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The families a Service is served in (`getAddressTypesForService` in `k8s.io/endpointslice`).
pub(crate) fn address_types(service: &Service) -> BTreeSet<AddressType> {
    let spec = service.spec.as_ref();
    let families = spec
        .and_then(|spec| spec.ip_families.as_deref())
        .unwrap_or_default();
    let named: BTreeSet<_> = families
        .iter()
        .filter_map(|family| AddressType::parse(family))
        .collect();
    if !named.is_empty() {
        return named;
    }
    let cluster_ip = spec
        .and_then(|spec| spec.cluster_ip.as_deref())
        .unwrap_or_default();
    if cluster_ip.is_empty() || cluster_ip == "None" {
        return BTreeSet::from([AddressType::IPv4, AddressType::IPv6]);
    }
    BTreeSet::from([canonical_ip(cluster_ip).0])
}

/// The Pod's addresses of one family, in canonical form and sorted as text.
pub(crate) fn pod_addresses(status: &PodStatus, address_type: AddressType) -> Vec<String> {
    let mut addresses: Vec<String> = status
        .pod_ips
        .iter()
        .flatten()
        .map(|pod_ip| canonical_ip(&pod_ip.ip))
        .filter(|(family, _)| *family == address_type)
        .map(|(_, text)| text)
        .collect();
    addresses.sort();
    addresses
}

/// Family and canonical text of an IP as Go's `net.IP` sees it after a sloppy parse: leading zeros are decimal,
/// an IPv4-mapped IPv6 address is IPv4, and what does not parse counts as IPv4 and prints as `<nil>`.
pub(crate) fn canonical_ip(text: &str) -> (AddressType, String) {
    if text.contains(':') {
        return match text.parse::<Ipv6Addr>() {
            Ok(ip) => match ip.to_ipv4_mapped() {
                Some(mapped) => (AddressType::IPv4, mapped.to_string()),
                None => (AddressType::IPv6, ip.to_string()),
            },
            Err(_) => (AddressType::IPv4, "<nil>".to_owned()),
        };
    }
    let octets: Option<Vec<u8>> = text.split('.').map(sloppy_octet).collect();
    match octets.as_deref() {
        Some(&[a, b, c, d]) => (AddressType::IPv4, Ipv4Addr::new(a, b, c, d).to_string()),
        _ => (AddressType::IPv4, "<nil>".to_owned()),
    }
}

fn sloppy_octet(text: &str) -> Option<u8> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = text.trim_start_matches('0');
    if digits.is_empty() {
        Some(0)
    } else {
        digits.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ip_is_read_leniently_and_written_canonically() {
        for (text, family, canonical) in [
            ("10.0.0.1", AddressType::IPv4, "10.0.0.1"),
            ("010.000.0.001", AddressType::IPv4, "10.0.0.1"),
            ("FD00:0:0::1", AddressType::IPv6, "fd00::1"),
            ("::ffff:10.0.0.1", AddressType::IPv4, "10.0.0.1"),
            ("", AddressType::IPv4, "<nil>"),
            ("10.0.0", AddressType::IPv4, "<nil>"),
            ("10.0.0.256", AddressType::IPv4, "<nil>"),
            ("fe80::1%eth0", AddressType::IPv4, "<nil>"),
        ] {
            assert_eq!(canonical_ip(text), (family, canonical.to_owned()), "{text}");
        }
    }

    #[test]
    fn without_families_the_cluster_ip_decides_and_a_headless_service_gets_both() {
        let service = |families: &[&str], ip: Option<&str>| {
            let mut service = Service::default();
            let spec = service.spec.get_or_insert_default();
            spec.ip_families = Some(families.iter().map(|family| (*family).to_owned()).collect());
            spec.cluster_ip = ip.map(str::to_owned);
            address_types(&service)
                .into_iter()
                .map(AddressType::as_str)
                .collect::<Vec<_>>()
        };
        assert_eq!(service(&["IPv6", "IPv4"], Some("None")), ["IPv4", "IPv6"]);
        assert_eq!(service(&["IPv6"], Some("10.0.0.1")), ["IPv6"]);
        assert_eq!(service(&[], Some("10.0.0.1")), ["IPv4"]);
        assert_eq!(service(&[], Some("fd00::1")), ["IPv6"]);
        assert_eq!(service(&[], Some("None")), ["IPv4", "IPv6"]);
        assert_eq!(service(&[], None), ["IPv4", "IPv6"]);
    }
}
