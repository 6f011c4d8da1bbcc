//! What the comparison of Endpoints forgives, and what it does not.

use serde_json::{Value, json};

use super::*;
use crate::rules::endpoints::{CAPACITY, reconcile};
use crate::testing::{pods, service};

const RULES: Rules = Rules { minor: 37 };

type Found = (usize, Vec<&'static str>);

fn run_on(setting: &Setting<'_>, left: Option<&Endpoints>, right: Option<&Endpoints>) -> Found {
    let mut exceptions = Exceptions::new();
    let found = fair(setting, [left, right], &mut exceptions);
    (found.len(), exceptions.into_keys().map(Exception::name).collect())
}

fn setting<'a>(service: &'a Service, pods: [&'a [Pod]; 2], fresh: bool) -> Setting<'a> {
    Setting {
        services: [Some(service); 2],
        pods,
        fresh,
        recreated: false,
        remade: false,
        kept_once: false,
        rules: RULES,
    }
}

/// Those of a Service with a selector, and what becomes of them by a change.
fn run(change: Value, fresh: bool) -> Found {
    let (service, pods) = (service("web"), pods(2));
    let left = reconcile(&service, &pods, None, None, RULES).unwrap();
    let mut right = serde_json::to_value(&left).unwrap();
    merge(&mut right, change);
    let right: Endpoints = serde_json::from_value(right).unwrap();
    run_on(
        &setting(&service, [&pods, &pods], fresh),
        Some(&left),
        Some(&right),
    )
}

fn merge(into: &mut Value, change: Value) {
    match change {
        Value::Object(fields) => {
            for (name, value) in fields {
                merge(&mut into[name], value);
            }
        }
        other => *into = other,
    }
}

#[test]
fn versions_and_the_trigger_time_are_no_difference_and_content_labels_annotations_and_owners_are() {
    let other =
        json!({"metadata": {"resourceVersion": "7", "uid": "x", "annotations": {names::TRIGGER_TIME: "t"}}});
    assert_eq!(run(other, true), (0, vec![]));
    for change in [
        json!({"subsets": []}),
        json!({"metadata": {"labels": {"team": "red"}}}),
        json!({"metadata": {"annotations": {"note": "x"}}}),
        json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Service", "name": "web", "uid": "u"}]}}),
    ] {
        let found = run(change.clone(), false);
        assert!(found.0 > 0 && found.1.is_empty(), "{change}: {found:?}");
    }
}

#[test]
fn the_headless_label_and_annotations_of_the_run_are_forgiven_after_changes() {
    let label = json!({"metadata": {"labels": {names::HEADLESS: ""}}});
    assert_eq!(run(label.clone(), false), (0, vec!["headless-label"]));
    assert_eq!(run(label, true).0, 1);
    let note = json!({"metadata": {"annotations": {"edits.example.com/note": "1"}}});
    assert_eq!(run(note, false), (0, vec!["foreign-annotation"]));
}

#[test]
fn the_order_is_compared_over_a_finished_cluster_with_that_of_the_rules() {
    let (service, pods) = (service("web"), pods(2));
    let made = reconcile(&service, &pods, None, None, RULES).unwrap();
    let mut turned = made.clone();
    turned.subsets.as_mut().unwrap()[0]
        .addresses
        .as_mut()
        .unwrap()
        .reverse();
    let of = |fresh| {
        run_on(
            &setting(&service, [&pods, &pods], fresh),
            Some(&made),
            Some(&turned),
        )
        .0
    };
    assert_eq!((of(true), of(false)), (1, 0));
}

#[test]
fn what_is_cut_off_is_compared_with_the_rules_over_the_pods_of_its_side() {
    let mut all = pods(CAPACITY + 10);
    // Two subsets, of which the order hangs on uids.
    for pod in all.iter_mut().step_by(2) {
        pod.spec.as_mut().unwrap().containers[0].ports =
            Some(vec![crate::testing::named_port("extra", 9, "TCP")]);
    }
    let mut service = service("web");
    let port = json!({"name": "extra", "port": 9, "protocol": "TCP", "targetPort": "extra"});
    let port = serde_json::from_value(port).unwrap();
    service.spec.as_mut().unwrap().ports.as_mut().unwrap().push(port);
    let mut others = all.clone();
    for pod in &mut others {
        pod.metadata.uid = pod.metadata.uid.as_ref().map(|uid| format!("another-{uid}"));
    }
    let left = reconcile(&service, &all, None, None, RULES).unwrap();
    let right = reconcile(&service, &others, None, None, RULES).unwrap();
    let setting = setting(&service, [&all, &others], true);
    assert_eq!(
        run_on(&setting, Some(&left), Some(&right)),
        (0, vec!["truncated-order"])
    );
    let mut less = right;
    less.subsets.as_mut().unwrap()[0]
        .addresses
        .as_mut()
        .unwrap()
        .pop();
    assert_eq!(run_on(&setting, Some(&left), Some(&less)).0, 1);
}

/// Each Pod has a number of its own for the port, and so a subset of its own, and these have no room for their last ones.
#[test]
fn what_the_api_refuses_is_nothing_to_compare_with_and_the_other_side_is_what_the_rules_say() {
    let mut all = pods(CAPACITY + 10);
    for (pod, port) in all.iter_mut().zip(1..) {
        pod.spec.as_mut().unwrap().containers[0].ports =
            Some(vec![crate::testing::named_port("extra", port, "TCP")]);
    }
    let mut service = service("web");
    let port = json!({"name": "extra", "port": 9, "protocol": "TCP", "targetPort": "extra"});
    service.spec.as_mut().unwrap().ports = Some(vec![serde_json::from_value(port).unwrap()]);
    let right = reconcile(&service, &all, None, None, RULES).unwrap();
    let setting = setting(&service, [&all, &all], true);
    let earlier = reconcile(&service, &all[..1], None, None, RULES).unwrap();
    let forgiven = (0, vec!["refused-truncation"]);
    assert_eq!(run_on(&setting, None, Some(&right)), forgiven);
    assert_eq!(run_on(&setting, Some(&earlier), Some(&right)), forgiven);
    // That quaymaster leaves them as they were is not forgiven, nor any label that is missing.
    assert!(run_on(&setting, Some(&earlier), Some(&earlier)).0 > 0);
    assert!(run_on(&setting, Some(&right), None).0 > 0);
    let mut unlabelled = right.clone();
    unlabelled.metadata.labels = None;
    assert!(run_on(&setting, Some(&earlier), Some(&unlabelled)).0 > 0);
}

#[test]
fn what_is_there_on_one_side_alone_is_a_difference_unless_nobody_keeps_it() {
    let (mut service, pods) = (service("web"), pods(1));
    let kept = reconcile(&service, &pods, None, None, RULES).unwrap();
    let mut hand_made = kept.clone();
    hand_made.metadata.labels = None;
    let both = [pods.as_slice(), pods.as_slice()];
    assert_eq!(
        run_on(&setting(&service, both, false), Some(&kept), None),
        (1, vec![])
    );
    let gone = Setting {
        services: [None; 2],
        ..setting(&service, both, false)
    };
    assert_eq!(run_on(&gone, None, Some(&kept)), (1, vec![]), "a leak");
    let remade = |of: Setting<'_>, left, right| run_on(&Setting { remade: true, ..of }, left, right);
    assert_eq!(
        remade(gone, None, Some(&hand_made)),
        (0, vec!["recreated-endpoints"])
    );
    assert_eq!(
        remade(gone, Some(&hand_made), None),
        (1, vec![]),
        "quaymaster may not lack them"
    );
    let with_service = self::setting(&service, both, false);
    assert_eq!(remade(with_service, None, Some(&hand_made)).0, 1);

    service.spec.as_mut().unwrap().selector = None;
    let setting = setting(&service, both, false);
    assert_eq!(run_on(&setting, Some(&kept), None), (0, vec!["left-behind"]));
    assert_eq!(run_on(&setting, Some(&hand_made), None), (1, vec![]));
    let kept_once = Setting {
        kept_once: true,
        ..setting
    };
    assert_eq!(
        run_on(&kept_once, Some(&hand_made), None),
        (0, vec!["left-behind"]),
        "somebody took the label off"
    );
    let recreated = Setting {
        recreated: true,
        ..setting
    };
    assert_eq!(
        run_on(&recreated, Some(&hand_made), None),
        (0, vec!["recreated-service"])
    );
}

#[test]
fn annotations_of_an_earlier_service_may_be_there_still_and_that_it_was_cut_off_may_not() {
    let (service, pods) = (service("web"), pods(1));
    let made = reconcile(&service, &pods, None, None, RULES).unwrap();
    let with = |key: &str| {
        let mut kept = made.clone();
        let annotations = kept.metadata.annotations.get_or_insert_default();
        annotations.insert(key.to_owned(), names::TRUNCATED.to_owned());
        let setting = Setting {
            recreated: true,
            ..setting(&service, [&pods, &pods], false)
        };
        run_on(&setting, Some(&made), Some(&kept))
    };
    assert_eq!(with("example.com/note"), (0, vec!["recreated-service"]));
    assert!(with(names::OVER_CAPACITY).0 > 0);
}
