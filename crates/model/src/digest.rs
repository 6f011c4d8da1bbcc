//! The order of ports in a slice, and of ports and subsets in Endpoints: by the digest of their printed form.
//!
//! Upstream prints each value with a reflection dumper and sorts by the digest of the text
//! (`k8s.io/endpointslice/util/endpointset.go`, `k8s.io/apimachinery/pkg/util/dump`; kubernetes/kubernetes
//! `pkg/api/v1/endpoints/util.go`). No consumer should rely on the order, but equal bytes make a change of controller
//! invisible. How Endpoints are printed, `quaymaster-subsets` says.

use std::fmt::Write as _;

use md5::{Digest as _, Md5};

use crate::rules::PortOrder;
use crate::{EndpointPort, Text};

/// The ports in the order in which upstream writes them.
pub fn ordered_ports(ports: &[EndpointPort], order: PortOrder) -> Vec<EndpointPort> {
    let mut keyed: Vec<([u8; 16], &EndpointPort)> = ports
        .iter()
        .map(|port| (of_text(&printed(port), order), port))
        .collect();
    keyed.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.cmp(b.1)));
    keyed.into_iter().map(|(_, port)| port.clone()).collect()
}

/// The digest by which upstream orders what it prints as this text. Ordered by its bytes: slices are ordered by the
/// lower-case hex form, Endpoints by the bytes, and for digests of equal length that is the same.
pub fn of_text(text: &str, order: PortOrder) -> [u8; 16] {
    match order {
        PortOrder::Md5 => Md5::digest(text.as_bytes()).into(),
        PortOrder::Fnv128a => fnv128a(text.as_bytes()).to_be_bytes(),
    }
}

fn printed(port: &EndpointPort) -> String {
    let mut out = String::from("(v1.EndpointPort){");
    pointer(&mut out, "Name:(*string)", port.name.as_ref().map(Text::as_str));
    pointer(
        &mut out,
        " Protocol:(*v1.Protocol)",
        port.protocol.as_ref().map(crate::Protocol::as_str),
    );
    out.push_str(" Port:(*int32)");
    match port.port {
        // Writing to a String cannot fail.
        Some(number) => drop(write!(out, "{number}")),
        None => out.push_str("<nil>"),
    }
    pointer(
        &mut out,
        " AppProtocol:(*string)",
        port.app_protocol.as_ref().map(Text::as_str),
    );
    out.push('}');
    out
}

fn pointer(out: &mut String, head: &str, value: Option<&str>) {
    out.push_str(head);
    out.push_str(value.unwrap_or("<nil>"));
}

/// 128-bit FNV-1a, as Go's `hash/fnv` computes it.
pub fn fnv128a(bytes: &[u8]) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(OFFSET, |hash, byte| {
        (hash ^ u128::from(*byte)).wrapping_mul(PRIME)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Protocol;

    fn port(name: &str, number: i32, protocol: Protocol, app: Option<&str>) -> EndpointPort {
        EndpointPort {
            name: Some(Text::new(name)),
            protocol: Some(protocol),
            port: Some(number),
            app_protocol: app.map(Text::new),
        }
    }

    /// The digests were read off the real printing library.
    #[test]
    fn digests_equal_those_of_the_printing_library() {
        for (port, expected) in [
            (
                port("http", 80, Protocol::Tcp, None),
                0xb6c4_d325_122a_5ba6_f795_b0bb_ffce_bb6f,
            ),
            (
                port("https", 443, Protocol::Tcp, None),
                0x5085_2f61_0b5f_bbf5_1290_25d3_5e50_2185,
            ),
            (
                port("dns", 53, Protocol::Udp, None),
                0x1caf_2163_65b5_7b5d_2659_d4ba_9f66_2580,
            ),
            (
                port("dns-tcp", 53, Protocol::Tcp, None),
                0x8fa5_f9e2_63f7_f661_12d3_1fc2_ebea_1e2a,
            ),
            (
                port("metrics", 9153, Protocol::Tcp, None),
                0xf17b_f63b_dbb0_03d0_f2f8_e0b7_3efa_3324,
            ),
            (
                port("", 80, Protocol::Tcp, None),
                0x73b5_2e07_5e78_e707_87d5_e6ff_d221_2eef,
            ),
            (
                port("http", 80, Protocol::Tcp, Some("http")),
                0x7242_97ed_7716_e3d8_b535_5301_d389_5934_u128,
            ),
        ] {
            assert_eq!(
                of_text(&printed(&port), PortOrder::Fnv128a),
                u128::to_be_bytes(expected),
                "{port:?}"
            );
        }
    }

    #[test]
    fn the_ports_of_kube_dns_are_ordered_dns_dns_tcp_metrics() {
        let ports = [
            port("metrics", 9153, Protocol::Tcp, None),
            port("dns-tcp", 53, Protocol::Tcp, None),
            port("dns", 53, Protocol::Udp, None),
        ];
        let names: Vec<_> = ordered_ports(&ports, PortOrder::Fnv128a)
            .into_iter()
            .filter_map(|port| port.name)
            .map(|name| name.to_string())
            .collect();
        assert_eq!(names, ["dns", "dns-tcp", "metrics"]);
    }
}
