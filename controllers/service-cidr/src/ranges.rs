//! Which address is in which range.

use std::net::IpAddr;

use ipnet::IpNet;
use quaymaster_model::ServiceCidrRecord;

/// Whether a Service could have this address from this range: it is in it, and neither the first address nor, for IPv4, the
/// last one (kubernetes/kubernetes `pkg/api/servicecidr/servicecidr.go`, `PrefixContainsIP`).
pub fn gives(range: &IpNet, address: IpAddr) -> bool {
    let is_last = matches!(range, IpNet::V4(range) if address == IpAddr::V4(range.broadcast()));
    range.contains(&address) && address != range.network() && !is_last
}

/// Whether a Service could have this address from one of the ranges of this ServiceCIDR.
pub fn is_in(cidr: &ServiceCidrRecord, address: IpAddr) -> bool {
    cidr.cidrs.iter().any(|range| gives(range, address))
}
