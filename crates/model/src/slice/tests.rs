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
