use quaymaster_model::{TargetDetails, TargetRef, Text, Uid};

use super::*;
use crate::tests::records::endpoint;

fn difference(added: usize, updated: usize, removed: usize) -> Difference {
    Difference {
        added,
        updated,
        removed,
    }
}

fn target() -> TargetRef {
    TargetRef {
        kind: Text::new("Pod"),
        namespace: Text::new("shop"),
        name: Text::new("db-1"),
        uid: Uid::new("u-1"),
        details: None,
    }
}

#[test]
fn the_order_of_endpoints_does_not_count() {
    let (a, b) = (endpoint("10.0.0.1", true), endpoint("10.0.0.2", false));
    assert!(Difference::of(&[a.clone(), b.clone()], &[b, a]).is_none());
}

#[test]
fn endpoints_are_added_updated_and_removed() {
    let observed = [endpoint("10.0.0.1", true), endpoint("10.0.0.2", true)];
    let desired = [
        endpoint("10.0.0.2", false),
        endpoint("10.0.0.3", true),
        endpoint("10.0.0.4", true),
    ];
    assert_eq!(Difference::of(&observed, &desired), difference(2, 1, 1));
}

#[test]
fn an_endpoint_that_stands_twice_is_once_too_many() {
    let a = endpoint("10.0.0.1", true);
    assert_eq!(Difference::of(&[a.clone(), a.clone()], &[a]), difference(0, 0, 1));
}

#[test]
fn what_consumers_read_of_an_endpoint_counts() {
    let desired = endpoint("10.0.0.1", true);
    let changes: [fn(&mut EndpointRecord); 6] = [
        |endpoint| endpoint.conditions.serving = Some(true),
        |endpoint| endpoint.conditions.terminating = Some(false),
        |endpoint| endpoint.conditions.ready = None,
        |endpoint| endpoint.node = Some(Text::new("n1")),
        |endpoint| endpoint.zone = Some(Text::new("z1")),
        |endpoint| {
            endpoint.target = Some(TargetRef {
                namespace: Text::new(""),
                name: Text::new(""),
                ..target()
            });
        },
    ];
    for change in changes {
        let mut observed = desired.clone();
        change(&mut observed);
        let found = Difference::of(std::slice::from_ref(&observed), std::slice::from_ref(&desired));
        assert_eq!(found, difference(0, 1, 0), "{observed:?}");
    }
}

#[test]
fn hints_and_the_version_of_a_target_do_not_count() {
    let mut desired = endpoint("10.0.0.1", true);
    desired.target = Some(target());
    let mut observed = desired.clone();
    observed.hints = Some(Box::default());
    observed.target = Some(TargetRef {
        details: TargetDetails {
            resource_version: Some(Text::new("7")),
            ..TargetDetails::default()
        }
        .boxed(),
        ..target()
    });
    assert!(Difference::of(&[observed], &[desired]).is_none());
}

#[test]
fn another_hostname_or_target_is_another_endpoint() {
    let desired = endpoint("10.0.0.1", true);
    let changes: [fn(&mut EndpointRecord); 2] = [
        |endpoint| endpoint.hostname = Some(Text::new("h")),
        |endpoint| endpoint.target = Some(target()),
    ];
    for change in changes {
        let mut observed = desired.clone();
        change(&mut observed);
        assert_eq!(
            Difference::of(&[observed], std::slice::from_ref(&desired)),
            difference(1, 0, 1)
        );
    }
    let mut empty = desired.clone();
    empty.hostname = Some(Text::new(""));
    assert!(
        Difference::of(&[empty], &[desired]).is_none(),
        "an empty one is none"
    );
}
