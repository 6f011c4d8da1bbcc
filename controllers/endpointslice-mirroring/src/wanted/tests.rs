use std::sync::Arc;

use quaymaster_model::Uid;

use super::*;
use crate::tests::records::{annotations, endpoints, labels, port_set, slice};

const OWN: [(&str, &str); 2] = [
    (
        "endpointslice.kubernetes.io/managed-by",
        "endpointslicemirroring-controller.k8s.io",
    ),
    ("kubernetes.io/service-name", "db"),
];

fn wanted() -> Wanted {
    Wanted::of(&endpoints(Vec::new()))
}

type Change = fn(&mut SliceRecord);

/// A slice that has just this.
fn right(wanted: &Wanted) -> SliceRecord {
    SliceRecord {
        labels: quaymaster_model::Interned::from_value(wanted.labels.clone()),
        annotations: wanted.annotations.clone(),
        owners: [wanted.owner.clone()].into_iter().collect(),
        ..SliceRecord::clone(&Arc::clone(&slice("db-1", "IPv4", port_set(80), Vec::new())))
    }
}

fn owner(kind: &str, name: &str, uid: &str, controller: Option<bool>) -> OwnerRef {
    OwnerRef {
        controller,
        ..OwnerRef::controller("v1", kind, Text::new(name), Uid::new(uid))
    }
}

#[test]
fn labels_are_those_of_the_endpoints_with_service_and_manager() {
    let mut given = endpoints(Vec::new());
    given.labels = labels(&[
        ("app", "db"),
        ("service.kubernetes.io/headless", ""),
        ("endpoints.kubernetes.io/managed-by", "endpoint-controller"),
        ("kubernetes.io/service-name", "another"),
        ("endpointslice.kubernetes.io/managed-by", "me"),
    ]);
    let mut expected = OWN.to_vec();
    expected.extend([
        ("app", "db"),
        ("service.kubernetes.io/headless", ""),
        ("endpoints.kubernetes.io/managed-by", "endpoint-controller"),
    ]);
    assert_eq!(Wanted::of(&given).labels, *labels(&expected));
}

#[test]
fn annotations_are_those_of_the_endpoints_but_for_the_trigger_time_and_what_was_last_applied() {
    let mut given = endpoints(Vec::new());
    given.annotations = annotations(&[
        ("a", "1"),
        (
            "endpoints.kubernetes.io/last-change-trigger-time",
            "2026-01-01T00:00:00Z",
        ),
        ("endpoints.kubernetes.io/over-capacity", "truncated"),
        ("kubectl.kubernetes.io/last-applied-configuration", "{}"),
    ]);
    let expected = [("a", "1"), ("endpoints.kubernetes.io/over-capacity", "truncated")];
    assert_eq!(Wanted::of(&given).annotations, annotations(&expected));
}

#[test]
fn the_owner_is_the_endpoints_object() {
    let owner = wanted().owner;
    assert_eq!(
        owner,
        OwnerRef::controller("v1", "Endpoints", Text::new("db"), Uid::new("uid-db"))
    );
    assert_eq!(
        (owner.controller, owner.block_owner_deletion),
        (Some(true), Some(true))
    );
}

#[test]
fn a_slice_fits_that_has_all_of_it_and_whatever_else_does_not_concern_us() {
    let wanted = wanted();
    let mut slice = right(&wanted);
    assert!(wanted.fits(&slice));
    slice.finalizers.push(Text::new("example.org/hold"));
    slice.owners.push(owner("Service", "db", "uid-x", None));
    assert!(wanted.fits(&slice));
}

#[test]
fn a_slice_with_other_labels_annotations_or_owners_does_not_fit() {
    let wanted = wanted();
    let changes: [(&str, Change); 8] = [
        ("a label more", |slice| {
            let mut pairs = OWN.to_vec();
            pairs.push(("x", "y"));
            slice.labels = labels(&pairs);
        }),
        ("a label less", |slice| slice.labels = labels(&OWN[1..])),
        ("an annotation", |slice| {
            slice.annotations = annotations(&[("x", "y")]);
        }),
        ("no owner", |slice| slice.owners.clear()),
        ("another kind", |slice| {
            slice.owners[0].kind = Text::new("Service");
        }),
        ("other Endpoints", |slice| {
            slice.owners[0] = owner("Endpoints", "other", "uid-other", Some(true));
        }),
        ("an earlier owner", |slice| {
            slice.owners[0].uid = Uid::new("uid-before");
        }),
        ("an earlier owner as well", |slice| {
            slice.owners.push(owner("Endpoints", "db", "uid-before", None));
        }),
    ];
    for (what, change) in changes {
        let mut slice = right(&wanted);
        change(&mut slice);
        assert!(!wanted.fits(&slice), "{what}");
    }
}

#[test]
fn a_slice_written_in_place_keeps_owners_that_others_named_unless_they_are_in_the_way() {
    let wanted = wanted();
    let mut slice = right(&wanted);
    let kept = owner("Service", "db", "uid-x", None);
    slice.owners = [
        owner("Endpoints", "db", "uid-before", None),
        owner("Deployment", "other", "uid-y", Some(true)),
        kept.clone(),
        OwnerRef {
            controller: None,
            ..wanted.owner.clone()
        },
    ]
    .into_iter()
    .collect();
    assert_eq!(wanted.owners(Some(&slice)), [wanted.owner.clone(), kept]);
    assert_eq!(wanted.owners(None), [wanted.owner]);
}
