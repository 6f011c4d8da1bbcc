//! Labels of slices.
//!
//! | Rule | Test |
//! |---|---|
//! | wanted labels | `a_slice_has_the_services_labels_and_the_reserved_ones` |
//! | reserved keys of the Service | `reserved_labels_of_the_service_are_not_copied` |
//! | headless | `a_service_without_cluster_ip_marks_its_slices_headless` |
//! | compared labels | `only_labels_that_are_not_reserved_make_a_slice_differ` |
//! | headless quirk | `a_wrong_headless_label_alone_writes_nothing`, `a_wrong_headless_label_is_put_right_when_an_endpoint_changes`, `a_wrong_headless_label_stays_when_a_slice_is_only_topped_up` |
//! | foreign labels | `a_foreign_label_is_removed` |
//! | labels of the Service change | `a_label_that_comes_to_the_service_is_one_update_of_each_of_its_slices`, `a_reserved_label_that_comes_to_the_service_writes_nothing` |

use quaymaster_model::{ClusterAddress, Interned, LabelSet, Text, names};

use super::fixture::{Fixture, counts, pod, updates};
use crate::labels::{differ, equal_or_empty, wanted};

fn set(pairs: &[(&str, &str)]) -> LabelSet {
    LabelSet::new(
        pairs
            .iter()
            .map(|(key, value)| (Text::new(key), Text::new(value))),
    )
}

fn headless() -> Fixture {
    let mut fixture = Fixture::new().with_pods(2);
    fixture.store_pods("svc-a", 0..2);
    fixture.service.cluster_ip = ClusterAddress::None;
    fixture.restart();
    fixture
}

fn is_marked(fixture: &Fixture) -> bool {
    fixture.world.slices["svc-a"]
        .labels
        .get(names::LABEL_HEADLESS)
        .is_some()
}

#[test]
fn a_slice_has_the_services_labels_and_the_reserved_ones() {
    let mut fixture = Fixture::new();
    fixture.service.labels = Interned::from_value(set(&[("app", "a"), ("tier", "")]));
    let expected = [
        ("app", "a"),
        ("tier", ""),
        (names::LABEL_SERVICE_NAME, "svc"),
        (names::LABEL_MANAGED_BY, "endpointslice-controller.k8s.io"),
    ];
    assert_eq!(wanted(&fixture.service), set(&expected));
}

#[test]
fn reserved_labels_of_the_service_are_not_copied() {
    let mut fixture = Fixture::new();
    let plain = wanted(&fixture.service);
    fixture.service.labels =
        Interned::from_value(set(&names::RESERVED_SLICE_LABELS.map(|key| (key, "mine"))));
    assert_eq!(wanted(&fixture.service), plain);
}

#[test]
fn a_service_without_cluster_ip_marks_its_slices_headless() {
    for (ip, marked) in [("None", true), ("", true), ("10.0.0.1", false)] {
        let mut fixture = Fixture::new();
        fixture.service.cluster_ip = ClusterAddress::new(ip);
        let label = wanted(&fixture.service).get(names::LABEL_HEADLESS).cloned();
        assert_eq!(label, marked.then(|| Text::new("")), "{ip:?}");
    }
}

#[test]
fn only_labels_that_are_not_reserved_make_a_slice_differ() {
    let service = wanted(&Fixture::new().service);
    assert!(!differ(&service, &service));
    assert!(!differ(&set(&[(names::LABEL_HEADLESS, "")]), &service));
    assert!(differ(&set(&[("more", "")]), &service));
    assert!(differ(&service, &set(&[("more", "")])));
}

#[test]
fn placeholders_are_compared_in_both_directions_and_an_empty_label_equals_none() {
    assert!(equal_or_empty(&set(&[("a", "")]), &set(&[("b", "")])));
    assert!(!equal_or_empty(&set(&[("a", "1")]), &set(&[])));
    assert!(!equal_or_empty(&set(&[]), &set(&[("a", "1")])));
}

#[test]
fn a_wrong_headless_label_alone_writes_nothing() {
    assert_eq!(headless().settle(), []);
}

#[test]
fn a_wrong_headless_label_is_put_right_when_an_endpoint_changes() {
    let mut fixture = headless();
    let mut changed = pod(1);
    changed.flags.ready = false;
    fixture.set_pod(changed);
    assert_eq!(updates(&fixture.settle()), 1);
    assert!(is_marked(&fixture));
}

#[test]
fn a_wrong_headless_label_stays_when_a_slice_is_only_topped_up() {
    let mut fixture = headless();
    fixture.set_pod(pod(2));
    assert_eq!(updates(&fixture.settle()), 1);
    assert!(!is_marked(&fixture));
    fixture.service.traffic_distribution = Some("PreferClose".into());
    fixture.refresh();
    assert_eq!(updates(&fixture.settle()), 1, "hints");
    assert!(!is_marked(&fixture));
}

#[test]
fn a_foreign_label_is_removed() {
    let mut fixture = Fixture::new().with_pods(1);
    fixture.store_pods("svc-a", 0..1);
    fixture.start();
    let slice = fixture.touch("svc-a", |slice| {
        let own = slice.labels.iter().map(|(k, v)| (k.clone(), v.clone()));
        slice.labels = Interned::from_value(LabelSet::new(own.chain([("foreign".into(), "1".into())])));
    });
    fixture.see(slice);
    assert_eq!(counts(&fixture.settle()), (0, 1, 0));
    assert_eq!(*fixture.world.slices["svc-a"].labels, wanted(&fixture.service));
}

#[test]
fn a_label_that_comes_to_the_service_is_one_update_of_each_of_its_slices() {
    let mut fixture = Fixture::new().with_pods(5);
    fixture.settings.max_endpoints = 2;
    fixture.start();
    fixture.service.labels = Interned::from_value(set(&[("app", "shop")]));
    fixture.refresh();
    assert_eq!(counts(&fixture.settle()), (0, 3, 0));
    assert_eq!(fixture.sizes(), [2, 2, 1]);
    for slice in fixture.world.slices.values() {
        assert_eq!(*slice.labels, wanted(&fixture.service));
    }
}

#[test]
fn a_reserved_label_that_comes_to_the_service_writes_nothing() {
    for key in names::RESERVED_SLICE_LABELS {
        let mut fixture = Fixture::new().with_pods(5);
        fixture.start();
        fixture.service.labels = Interned::from_value(set(&[(key, "mine")]));
        fixture.refresh();
        assert_eq!(fixture.settle(), [], "{key}");
    }
}
