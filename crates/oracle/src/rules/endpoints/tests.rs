//! Rules of the Endpoints controller, one by one.

use serde_json::{Value, json};

use super::*;
use crate::testing::{named_port, pod, pods, service, set_addresses, set_ready, time};

const RULES: Rules = Rules { minor: 37 };

fn wanted(service: &Service, pods: &[Pod]) -> Vec<Value> {
    let desired = desired(service, pods, RULES).unwrap();
    desired
        .subsets
        .iter()
        .map(|subset| serde_json::to_value(subset).unwrap())
        .collect()
}

/// Numbers of ready and other addresses of each subset.
fn counts(subsets: &[EndpointSubset]) -> Vec<(usize, usize)> {
    let count = |list: &Option<Vec<EndpointAddress>>| list.as_ref().map_or(0, Vec::len);
    subsets
        .iter()
        .map(|subset| (count(&subset.addresses), count(&subset.not_ready_addresses)))
        .collect()
}

#[test]
fn a_ready_pod_is_an_address_with_its_node_and_target_and_an_unready_one_is_not_ready() {
    let mut unready = pod("b");
    set_addresses(&mut unready, &["10.0.0.2"]);
    set_ready(&mut unready, false);
    let address = |ip: &str, name: &str| {
        json!({
            "ip": ip, "nodeName": "node-1",
            "targetRef": {"kind": "Pod", "namespace": "ns", "name": name, "uid": format!("{name}-uid")},
        })
    };
    assert_eq!(
        wanted(&service("web"), &[pod("a"), unready]),
        [json!({
            "addresses": [address("10.0.0.1", "a")],
            "notReadyAddresses": [address("10.0.0.2", "b")],
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        })]
    );
}

#[test]
fn only_the_primary_family_is_published_and_a_pod_without_it_is_left_out() {
    let mut dual = pod("a");
    set_addresses(&mut dual, &["10.0.0.1", "fd00::1"]);
    let mut service = service("web");
    let families = |service: &mut Service, families: &[&str]| {
        let families = families.iter().map(|family| (*family).to_owned()).collect();
        service.spec.as_mut().unwrap().ip_families = Some(families);
    };
    families(&mut service, &["IPv6", "IPv4"]);
    let published = wanted(&service, &[dual.clone(), pod("b")]);
    assert_eq!(published[0]["addresses"].as_array().unwrap().len(), 1);
    assert_eq!(published[0]["addresses"][0]["ip"], "fd00::1");
    families(&mut service, &[]);
    assert_eq!(
        wanted(&service, &[dual])[0]["addresses"][0]["ip"],
        "10.0.0.1",
        "by the cluster IP"
    );
}

#[test]
fn a_terminating_pod_is_published_only_where_not_ready_ones_are() {
    let mut going = pod("a");
    going.metadata.deletion_timestamp = Some(time(1));
    let mut service = service("web");
    assert_eq!(wanted(&service, &[going.clone()]), [Value::Null; 0]);
    service.spec.as_mut().unwrap().publish_not_ready_addresses = Some(true);
    set_ready(&mut going, false);
    assert_eq!(
        wanted(&service, &[going])[0]["addresses"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_pod_without_any_of_the_ports_is_left_out_and_a_headless_service_without_ports_has_a_subset_without() {
    let mut service = service("web");
    let spec = service.spec.as_mut().unwrap();
    spec.ports.as_mut().unwrap()[0].target_port = Some(
        k8s_openapi::apimachinery::pkg::util::intstr::IntOrString::String("http".to_owned()),
    );
    let mut with_port = pod("b");
    with_port.spec.as_mut().unwrap().containers[0].ports = Some(vec![named_port("http", 81, "TCP")]);
    let published = wanted(&service, &[pod("a"), with_port]);
    assert_eq!(
        (published.len(), &published[0]["ports"][0]["port"]),
        (1, &json!(81))
    );
    assert_eq!(published[0]["addresses"].as_array().unwrap().len(), 1);

    let spec = service.spec.as_mut().unwrap();
    spec.ports = None;
    assert_eq!(
        wanted(&service, &[pod("a")]),
        [Value::Null; 0],
        "an address, and no ports"
    );
    service.spec.as_mut().unwrap().cluster_ip = Some("None".to_owned());
    let published = wanted(&service, &[pod("a")]);
    assert_eq!((published.len(), published[0].get("ports")), (1, None));
}

#[test]
fn more_addresses_than_fit_are_cut_by_upstreams_vectors() {
    let subset = |ready: usize, not_ready: usize| {
        let list = |count: usize| {
            (0..count)
                .map(|number| EndpointAddress {
                    ip: format!("10.0.{}.{}", number / 250, number % 250),
                    ..EndpointAddress::default()
                })
                .collect::<Vec<_>>()
        };
        EndpointSubset {
            addresses: Some(list(ready)),
            not_ready_addresses: Some(list(not_ready)),
            ports: None,
        }
    };
    let cut = |sizes: &[(usize, usize)]| {
        let (subsets, truncated) = truncate(sizes.iter().map(|(a, b)| subset(*a, *b)).collect());
        (counts(&subsets), truncated)
    };
    assert_eq!(cut(&[(500, 500)]), (vec![(500, 500)], false));
    let (ready, not_ready) = ([90, 110, 50, 10, 20], [101, 200, 200, 201, 298]);
    let sizes: Vec<_> = ready.into_iter().zip(not_ready).collect();
    let left: Vec<_> = ready.into_iter().zip([73, 144, 144, 145, 214]).collect();
    assert_eq!(cut(&sizes), (left, true));
    let sizes: Vec<_> = [205, 400, 402, 400, 693].into_iter().zip(not_ready).collect();
    let left: Vec<_> = [98, 191, 192, 191, 328]
        .into_iter()
        .map(|ready| (ready, 0))
        .collect();
    assert_eq!(cut(&sizes), (left, true));
}

#[test]
fn a_sync_creates_writes_what_changed_and_leaves_what_is_right() {
    let (mut service, all) = (service("web"), pods(2));
    service.metadata.labels = Some([("team".to_owned(), "red".to_owned())].into());
    let sync = |service: &Service, pods: &[Pod], current: Option<&Endpoints>| {
        reconcile(service, pods, current, Some(time(60).0), RULES)
    };
    let created = sync(&service, &all, None).unwrap();
    let annotations = created.metadata.annotations.clone().unwrap();
    assert_eq!(annotations[names::TRIGGER_TIME], "1970-01-01T00:01:00Z");
    let labels = created.metadata.labels.clone().unwrap();
    assert_eq!(labels.len(), 2, "{labels:?}");
    assert_eq!(sync(&service, &all, Some(&created)), None);
    assert_eq!(
        counts(
            sync(&service, &all[..1], Some(&created))
                .unwrap()
                .subsets
                .as_ref()
                .unwrap()
        ),
        [(1, 0)]
    );

    let mut edited = created.clone();
    edited
        .metadata
        .labels
        .get_or_insert_default()
        .insert(names::HEADLESS.to_owned(), String::new());
    assert_eq!(
        sync(&service, &all, Some(&edited)),
        None,
        "a wrong headless label alone"
    );
    edited
        .metadata
        .labels
        .get_or_insert_default()
        .insert("foreign".to_owned(), String::new());
    edited
        .metadata
        .annotations
        .get_or_insert_default()
        .insert("note".to_owned(), "kept".to_owned());
    let written = sync(&service, &all, Some(&edited)).unwrap();
    assert_eq!(written.metadata.labels, created.metadata.labels);
    assert_eq!(written.metadata.annotations.unwrap()["note"], "kept");

    service
        .metadata
        .labels
        .get_or_insert_default()
        .insert(names::HEADLESS.to_owned(), "yes".to_owned());
    let written = sync(&service, &all, Some(&created)).unwrap();
    assert!(
        sync(&service, &all, Some(&written)).is_some(),
        "a Service with a reserved label"
    );
}

#[test]
fn an_object_that_is_equal_after_repacking_is_left_from_1_35_on() {
    let (service, all) = (service("web"), pods(2));
    let created = reconcile(&service, &all, None, None, RULES).unwrap();
    let mut split = created.clone();
    let whole = split.subsets.as_ref().unwrap()[0].clone();
    let halves = whole.addresses.iter().flatten().map(|address| EndpointSubset {
        addresses: Some(vec![address.clone()]),
        ..whole.clone()
    });
    split.subsets = Some(halves.collect());
    let sync = |minor| reconcile(&service, &all, Some(&split), None, Rules { minor });
    assert_eq!(sync(37), None);
    assert!(sync(34).is_some());
}

#[test]
fn truncated_endpoints_are_written_on_every_sync() {
    let (service, all) = (service("web"), pods(CAPACITY + 1));
    let created = reconcile(&service, &all, None, None, RULES).unwrap();
    assert_eq!(
        created.metadata.annotations.as_ref().unwrap()[names::OVER_CAPACITY],
        names::TRUNCATED
    );
    assert_eq!(
        reconcile(&service, &all, Some(&created), None, RULES),
        Some(created)
    );
}

#[test]
fn a_service_without_selector_and_one_of_another_name_have_nothing_done_to_them() {
    for change in [
        json!({"spec": {"selector": null}}),
        json!({"spec": {"type": "ExternalName"}}),
    ] {
        let mut value = serde_json::to_value(service("web")).unwrap();
        for (name, change) in change["spec"].as_object().unwrap() {
            value["spec"][name] = change.clone();
        }
        let service: Service = serde_json::from_value(value).unwrap();
        assert_eq!(desired(&service, &pods(1), RULES), None);
    }
}
