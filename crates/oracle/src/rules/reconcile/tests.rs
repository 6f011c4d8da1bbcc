//! Upstream's worked examples (`reconciler_test.go` in `k8s.io/endpointslice`): sizes and numbers of writes.

use k8s_openapi::api::core::v1::{Node, Pod, Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::*;
use crate::rules::slices::endpoints;
use crate::testing::{CONFIG, named_port, node, nodes, pods, service, set_ready, slice};

mod rules;
mod topology;

/// Slices after the writes, creates named by their order.
fn after(existing: &[EndpointSlice], outcome: &Outcome) -> Vec<EndpointSlice> {
    let mut slices: BTreeMap<String, EndpointSlice> = existing
        .iter()
        .map(|slice| (name(slice), slice.clone()))
        .collect();
    for (index, write) in outcome.writes.iter().enumerate() {
        match write {
            Write::Create(slice) => {
                let mut slice = slice.clone();
                let name = format!("{}{index}", slice.metadata.generate_name.clone().unwrap());
                slice.metadata.name = Some(name.clone());
                assert!(slices.insert(name, slice).is_none());
            }
            Write::Update(slice) => assert!(slices.insert(name(slice), slice.clone()).is_some()),
            Write::Delete(slice) => assert!(slices.remove(&name(slice)).is_some()),
        }
    }
    slices.into_values().collect()
}

fn sizes(slices: &[EndpointSlice]) -> Vec<usize> {
    let mut sizes: Vec<usize> = slices.iter().map(|slice| endpoints(slice).len()).collect();
    sizes.sort_unstable_by(|left, right| right.cmp(left));
    sizes
}

/// Numbers of creates, updates and deletes.
fn calls(outcome: &Outcome) -> [usize; 3] {
    [
        outcome.creates().len(),
        outcome.updates().len(),
        outcome.deletes().len(),
    ]
}

/// Slices that hold the given numbers of Pods, one after the other, all as they should be.
fn packed(service: &Service, pods: &[Pod], counts: &[usize]) -> Vec<EndpointSlice> {
    let mut rest = pods;
    let mut slices = Vec::new();
    for (index, count) in counts.iter().enumerate() {
        let (these, others) = rest.split_at(*count);
        slices.push(slice(&format!("s-{index:02}"), service, these, nodes().first()));
        rest = others;
    }
    slices
}

fn run(service: &Service, pods: &[Pod], existing: &[EndpointSlice]) -> Outcome {
    reconcile(service, pods, &nodes(), existing, CONFIG)
}

#[test]
fn from_nothing_250_pods_become_three_slices() {
    let service = service("a");
    let outcome = run(&service, &pods(250), &[]);
    assert_eq!(calls(&outcome), [3, 0, 0]);
    assert_eq!(sizes(&after(&[], &outcome)), [100, 100, 50]);
}

#[test]
fn of_127_missing_pods_100_get_a_new_slice_and_27_go_to_the_slice_that_ends_up_fullest() {
    let (service, pods) = (service("a"), pods(250));
    let existing = packed(&service, &pods, &[62, 61]);
    let outcome = run(&service, &pods, &existing);
    assert_eq!(calls(&outcome), [1, 1, 0]);
    assert_eq!(sizes(&after(&existing, &outcome)), [100, 89, 61]);
    assert_eq!(name(outcome.updates()[0]), "s-00");
}

#[test]
fn a_remainder_that_fits_no_slice_alone_gets_its_own() {
    let (service, pods) = (service("a"), pods(300));
    let existing = packed(&service, &pods, &[74, 74]);
    let outcome = run(&service, &pods, &existing);
    assert_eq!(calls(&outcome), [2, 0, 0]);
    assert_eq!(sizes(&after(&existing, &outcome)), [100, 74, 74, 52]);
}

#[test]
fn sparse_slices_are_left_as_they_are() {
    let (service, pods) = (service("a"), pods(300));
    let outcome = run(&service, &pods, &packed(&service, &pods, &[30; 10]));
    assert_eq!(calls(&outcome), [0, 0, 0]);
}

#[test]
fn another_target_port_recycles_three_of_ten_slices_and_deletes_seven() {
    let (mut service, pods) = (service("a"), pods(300));
    let existing = packed(&service, &pods, &[30; 10]);
    service.spec.as_mut().unwrap().ports.as_mut().unwrap()[0].target_port = Some(IntOrString::Int(81));
    let outcome = run(&service, &pods, &existing);
    assert_eq!(calls(&outcome), [0, 3, 7]);
    assert_eq!(sizes(&after(&existing, &outcome)), [100, 100, 100]);
    for slice in outcome.updates() {
        assert_eq!(
            slice.metadata.resource_version, None,
            "a recycled slice is written unconditionally"
        );
        assert_eq!(slice.metadata.generate_name.as_deref(), Some("a-"));
    }
}

#[test]
fn new_pods_fill_slices_that_are_written_anyway_the_fullest_first() {
    let (service, mut pods) = (service("a"), pods(115));
    let existing = packed(&service, &pods, &[80, 20]);
    for changed in [0, 80] {
        set_ready(&mut pods[changed], false);
    }
    let outcome = run(&service, &pods, &existing);
    assert_eq!(calls(&outcome), [0, 2, 0]);
    assert_eq!(sizes(&after(&existing, &outcome)), [95, 20]);
    assert!(
        outcome
            .updates()
            .iter()
            .all(|slice| slice.metadata.resource_version.as_deref() == Some("7"))
    );
}

#[test]
fn slices_of_the_historical_type_ip_are_replaced_not_recycled() {
    let (service, pods) = (service("a"), pods(130));
    let mut existing = packed(&service, &pods, &[80, 50]);
    for slice in &mut existing {
        "IP".clone_into(&mut slice.address_type);
    }
    let outcome = run(&service, &pods, &existing);
    assert_eq!(calls(&outcome), [2, 0, 2]);
    let slices = after(&existing, &outcome);
    assert_eq!(sizes(&slices), [100, 30]);
    assert!(slices.iter().all(|slice| slice.address_type == "IPv4"));
}

#[test]
fn a_slice_of_an_earlier_service_of_this_name_is_deleted_after_its_successor_is_created() {
    let (service, pods) = (service("a"), pods(1));
    let mut existing = packed(&service, &pods, &[1]);
    existing[0].metadata.owner_references.as_mut().unwrap()[0].uid = "earlier".to_owned();
    let outcome = run(&service, &pods, &existing);
    assert!(
        matches!(outcome.writes.as_slice(), [Write::Create(_), Write::Delete(_)]),
        "{outcome:?}"
    );
}

#[test]
fn five_numbers_of_a_named_port_make_five_slices() {
    let (mut service, mut pods) = (service("a"), pods(300));
    service.spec.as_mut().unwrap().ports.as_mut().unwrap()[0].target_port =
        Some(IntOrString::String("http".to_owned()));
    for (pod, number) in pods.iter_mut().zip((8080..8085).cycle()) {
        pod.spec.as_mut().unwrap().containers[0].ports = Some(vec![named_port("http", number, "TCP")]);
    }
    let outcome = run(&service, &pods, &[]);
    assert_eq!(calls(&outcome), [5, 0, 0]);
    assert_eq!(sizes(&after(&[], &outcome)), [60; 5]);
}

#[test]
fn the_maximum_decides_how_many_slices_250_pods_need() {
    let (service, pods) = (service("a"), pods(250));
    for (max, expected) in [
        (50, vec![50; 5]),
        (80, vec![80, 80, 80, 10]),
        (150, vec![150, 100]),
        (250, vec![250]),
        (500, vec![250]),
    ] {
        let config = Config {
            max_endpoints_per_slice: max,
            ..CONFIG
        };
        let outcome = reconcile(&service, &pods, &nodes(), &[], config);
        assert_eq!(sizes(&after(&[], &outcome)), expected, "maximum {max}");
    }
}

/// Two Pods of which `missing` are on nodes that do not exist, and a slice that holds both.
fn missing_nodes(missing: usize, publish: bool) -> (Vec<EndpointSlice>, Outcome) {
    let (mut service, mut pods) = (service("a"), pods(2));
    service.spec.as_mut().unwrap().publish_not_ready_addresses = Some(publish);
    let existing = packed(&service, &pods, &[2]);
    for pod in pods.iter_mut().take(missing) {
        pod.spec.as_mut().unwrap().node_name = Some("gone".to_owned());
    }
    let outcome = run(&service, &pods, &existing);
    (existing, outcome)
}

#[test]
fn a_pod_on_a_missing_node_is_left_out_and_the_sync_fails() {
    let (existing, outcome) = missing_nodes(1, false);
    assert_eq!(calls(&outcome), [0, 1, 0]);
    assert_eq!(sizes(&after(&existing, &outcome)), [1]);
    let error = "skipping Pod pod-0000 for Service ns/a: Node gone Not Found";
    assert_eq!(outcome.error.as_deref(), Some(error));
    let event = outcome.events.last().unwrap();
    assert_eq!(
        (event.type_, event.reason),
        ("Warning", "FailedToUpdateEndpointSlices")
    );
    assert_eq!(
        event.message,
        format!("Error updating Endpoint Slices for Service ns/a: {error}")
    );
    assert_eq!(outcome.skipped.len(), 1);
}

#[test]
fn when_all_nodes_are_missing_the_slice_becomes_the_placeholder() {
    let (existing, outcome) = missing_nodes(2, false);
    assert_eq!(calls(&outcome), [0, 1, 0]);
    let slices = after(&existing, &outcome);
    assert_eq!(sizes(&slices), [0]);
    assert_eq!(slices[0].ports, Some(vec![]));
    assert!(outcome.error.unwrap().starts_with("[skipping Pod pod-0000 "));
}

#[test]
fn with_publish_not_ready_addresses_a_missing_node_does_not_matter() {
    let (existing, outcome) = missing_nodes(2, true);
    assert_eq!(calls(&outcome), [0, 1, 0], "the node name differs");
    assert_eq!(sizes(&after(&existing, &outcome)), [2]);
    assert_eq!(outcome.error, None);
}

/// A ready Pod on each of these nodes.
fn pods_on(zones: &[&str]) -> (Vec<Pod>, Vec<Node>) {
    let mut all = pods(zones.len());
    for (pod, zone) in all.iter_mut().zip(zones) {
        pod.spec.as_mut().unwrap().node_name = Some(format!("node-{zone}"));
    }
    let nodes = ["a", "b", "c"].map(|zone| node(&format!("node-{zone}"), Some(zone)));
    (all, nodes.to_vec())
}

fn service_port(target: IntOrString) -> ServicePort {
    ServicePort {
        name: Some("more".to_owned()),
        port: 90,
        protocol: Some("TCP".to_owned()),
        target_port: Some(target),
        ..ServicePort::default()
    }
}
