use super::*;
use crate::testing::{pods, service, set_ready};

const RULES: Rules = Rules { minor: 37 };

fn port(name: &str, number: i32, protocol: &str) -> EndpointPort {
    EndpointPort {
        name: Some(name.to_owned()),
        port: number,
        protocol: Some(protocol.to_owned()),
        app_protocol: None,
    }
}

fn fnv(text: &str) -> u128 {
    u128::from_be_bytes(text_digest(text, PortHash::Fnv1a128))
}

/// The digests were read off the real printing library.
#[test]
fn what_is_printed_has_the_digests_of_upstreams_library() {
    assert_eq!(
        fnv(&print_port(&port("", 8080, "UDP"), true)),
        0x59aa_40b4_66ad_b81c_6e00_232f_1f0b_a361
    );
    let mut h2c = port("a", 8080, "TCP");
    h2c.app_protocol = Some("h2c".to_owned());
    assert_eq!(
        fnv(&print_port(&h2c, true)),
        0x1e44_b58f_763f_d9d1_9de8_5182_a3ae_27b2
    );
    let pod = EndpointAddress {
        ip: "1.2.3.4".to_owned(),
        hostname: None,
        node_name: Some("n1".to_owned()),
        target_ref: Some(k8s_openapi::api::core::v1::ObjectReference {
            kind: Some("Pod".to_owned()),
            namespace: Some("ns".to_owned()),
            name: Some("pod1".to_owned()),
            uid: Some("u".to_owned()),
            ..Default::default()
        }),
    };
    let bare = EndpointAddress {
        ip: "1.2.3.5".to_owned(),
        ..EndpointAddress::default()
    };
    let subset = EndpointSubset {
        addresses: Some(vec![pod, bare]),
        not_ready_addresses: None,
        ports: Some(vec![port("a", 8080, "TCP"), port("b", 8081, "TCP")]),
    };
    assert_eq!(
        fnv(&print_subset(&subset)),
        0x81b9_f437_2d9f_df10_da49_647e_ec36_82cd
    );
}

#[test]
fn ready_and_other_pods_are_one_subset_sorted_as_text() {
    let mut pods = pods(10);
    set_ready(&mut pods[3], false);
    let found = endpoints(&service("web"), &pods, RULES).unwrap();
    let [subset] = &found.subsets[..] else {
        panic!("{found:?}")
    };
    let ips = |list: &Option<Vec<EndpointAddress>>| -> Vec<String> {
        list.iter().flatten().map(|address| address.ip.clone()).collect()
    };
    let ready = ["1", "10", "2", "3", "5", "6", "7", "8", "9"].map(|last| format!("10.1.0.{last}"));
    assert_eq!(ips(&subset.addresses), ready);
    assert_eq!(ips(&subset.not_ready_addresses), ["10.1.0.4"]);
    assert_eq!(subset.ports, Some(vec![port("http", 8080, "TCP")]));
    assert!(!found.truncated);
}

#[test]
fn more_than_a_thousand_are_cut() {
    let mut pods = pods(1003);
    for pod in &mut pods[..6] {
        set_ready(pod, false);
    }
    let found = endpoints(&service("web"), &pods, RULES).unwrap();
    let count = |list: &Option<Vec<EndpointAddress>>| list.as_ref().map_or(0, Vec::len);
    assert_eq!(
        (
            count(&found.subsets[0].addresses),
            count(&found.subsets[0].not_ready_addresses)
        ),
        (997, 3)
    );
    assert!(found.truncated);
}
