use crate::Interner;

use super::*;

fn slice(labels: &[(&str, &str)]) -> SliceRecord {
    let interner = Interner::new();
    let labels = labels
        .iter()
        .map(|(key, value)| (Text::new(key), Text::new(value)));
    SliceRecord {
        key: ObjectKey::new(Text::new("shop"), Text::new("web-abc")),
        uid: Uid::new("u-1"),
        resource_version: ResourceVersion::new("7"),
        labels: interner.labels(LabelSet::new(labels)),
        annotations: Vec::new(),
        owners: SmallVec::new(),
        finalizers: Vec::new(),
        terminating: false,
        address_type: AddressType::new("IPv4"),
        ports: interner.port_set(PortSet::new([])),
        endpoints: Vec::new(),
        unknown: None,
    }
}

const MANAGER: (&str, &str) = (names::LABEL_MANAGED_BY, names::MANAGER_ENDPOINTSLICE);

#[test]
fn a_slice_is_of_the_service_that_its_label_names_in_its_own_namespace() {
    let slice = slice(&[MANAGER, (names::LABEL_SERVICE_NAME, "web")]);
    let service = ObjectKey::new(Text::new("shop"), Text::new("web"));
    assert_eq!(slice.service_of(names::MANAGER_ENDPOINTSLICE), Some(service));
}

#[test]
fn a_slice_of_another_manager_or_of_none_is_of_no_service_of_ours() {
    let mirrored = (
        names::LABEL_MANAGED_BY,
        "endpointslicemirroring-controller.k8s.io",
    );
    for labels in [
        &[mirrored, (names::LABEL_SERVICE_NAME, "web")][..],
        &[(names::LABEL_SERVICE_NAME, "web")],
    ] {
        let slice = slice(labels);
        assert!(!slice.is_managed_by(names::MANAGER_ENDPOINTSLICE), "{labels:?}");
        assert_eq!(slice.service_of(names::MANAGER_ENDPOINTSLICE), None, "{labels:?}");
    }
}

#[test]
fn a_slice_that_names_no_service_is_of_none_although_it_is_ours() {
    for labels in [&[MANAGER][..], &[MANAGER, (names::LABEL_SERVICE_NAME, "")]] {
        let slice = slice(labels);
        assert!(slice.is_managed_by(names::MANAGER_ENDPOINTSLICE), "{labels:?}");
        assert_eq!(slice.service_of(names::MANAGER_ENDPOINTSLICE), None, "{labels:?}");
    }
}

#[test]
fn what_is_made_for_a_service_is_owned_by_it() {
    let mut slice = slice(&[]);
    let owner = OwnerRef::controller("v1", "Service", Text::new("web"), Uid::new("u-2"));
    assert_eq!(
        (owner.controller, owner.block_owner_deletion),
        (Some(true), Some(true))
    );
    slice.owners.push(owner);
    assert!(slice.owned_by_service(&Uid::new("u-2")));
    assert!(!slice.owned_by_service(&Uid::new("u-3")));
}

fn unseeded() -> std::hash::BuildHasherDefault<std::hash::DefaultHasher> {
    std::hash::BuildHasherDefault::default()
}

fn target(details: TargetDetails) -> TargetRef {
    TargetRef {
        kind: Text::new("Pod"),
        namespace: Text::new("shop"),
        name: Text::new("web-1"),
        uid: Uid::new("u-1"),
        details: details.boxed(),
    }
}

#[test]
fn references_agree_but_for_their_version_where_nothing_else_differs() {
    let plain = target(TargetDetails::default());
    let set = |field: fn(&mut TargetDetails) -> &mut Option<Text>| {
        let mut details = TargetDetails::default();
        *field(&mut details) = Some(Text::new("x"));
        target(details)
    };
    let versioned = set(|details| &mut details.resource_version);
    assert!(plain.same_but_for_version(&versioned) && versioned.same_but_for_version(&plain));
    assert_ne!(plain, versioned);
    let hash = |target: &TargetRef| std::hash::BuildHasher::hash_one(&unseeded(), target);
    assert_eq!(hash(&plain), hash(&versioned));
    assert_ne!(hash(&plain), hash(&set(|details| &mut details.api_version)));
    assert!(!plain.same_but_for_version(&set(|details| &mut details.api_version)));
    assert!(!plain.same_but_for_version(&set(|details| &mut details.field_path)));
    for change in [
        |target: &mut TargetRef| target.kind = Text::new("Node"),
        |target: &mut TargetRef| target.namespace = Text::new("other"),
        |target: &mut TargetRef| target.name = Text::new("web-2"),
        |target: &mut TargetRef| target.uid = Uid::new("u-2"),
    ] {
        let mut other = plain.clone();
        change(&mut other);
        assert!(!plain.same_but_for_version(&other), "{other:?}");
    }
}
