//! What is hashed. The digests were read off the real printing library.

use quaymaster_model::rules::PortOrder;
use quaymaster_model::{Protocol, SubsetAddress, SubsetPort, Text, digest};

use super::fixture::{bare, h2c, of_pod, port, subset};
use crate::printed;

fn fnv(text: &str) -> u128 {
    u128::from_be_bytes(digest::of_text(text, PortOrder::Fnv128a))
}

#[test]
fn digests_of_ports_equal_those_of_the_printing_library() {
    let udp = SubsetPort {
        protocol: Protocol::Udp,
        ..port("", 8080)
    };
    for (port, expected) in [
        (udp, 0x59aa_40b4_66ad_b81c_6e00_232f_1f0b_a361_u128),
        (port("", 8080), 0xb09f_f368_df0f_c814_42c7_b7a3_ab2d_bca5),
        (h2c("a", 8080), 0x1e44_b58f_763f_d9d1_9de8_5182_a3ae_27b2),
    ] {
        assert_eq!(fnv(&printed::port(&port)), expected, "{port:?}");
    }
}

#[test]
fn the_digest_of_a_subset_equals_that_of_the_printing_library() {
    let mut pod = of_pod("1.2.3.4", "u");
    if let Some(target) = &mut pod.target {
        target.name = "pod1".into();
    }
    let subset = subset(&[pod, bare("1.2.3.5")], &[], &[port("a", 8080), port("b", 8081)]);
    assert_eq!(
        fnv(&printed::subset(&subset)),
        0x81b9_f437_2d9f_df10_da49_647e_ec36_82cd
    );
}

#[test]
fn a_hostname_counts_in_the_digest_of_a_subset() {
    let named = |address: SubsetAddress, hostname: &str| SubsetAddress {
        hostname: Some(Text::new(hostname)),
        ..address
    };
    let ready = [named(of_pod("1.2.3.4", "u"), "web-0")];
    let not_ready = [named(bare("1.2.3.5"), "web-1")];
    let subset = subset(&ready, &not_ready, &[h2c("a", 8080)]);
    assert_eq!(
        fnv(&printed::subset(&subset)),
        0x7c2c_fd91_2310_a42d_e815_a343_5612_736b
    );
}
