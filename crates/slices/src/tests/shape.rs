//! What a new slice looks like.
//!
//! | Rule | Test |
//! |---|---|
//! | name | `names_are_the_same_for_the_same_create_and_differ_otherwise`, `a_name_is_the_services_name_and_a_suffix`, `the_longest_service_name_gives_a_name_that_fits_a_label`, `a_name_that_is_taken_is_passed_over` |
//! | owner | `a_new_slice_has_the_service_as_its_only_owner` |
//! | labels and annotations | `a_new_slice_has_the_labels_of_the_service_and_only_the_trigger_time` |

use quaymaster_model::{EndpointPort, Interned, IpFamily, LabelSet, PortSet, ServiceRecord, Uid};

use super::fixture::{Fixture, draft, pod, service};
use crate::Op;
use crate::names;

fn ports(number: i32) -> PortSet {
    PortSet::new([EndpointPort {
        name: Some("http".into()),
        protocol: None,
        port: Some(number),
        app_protocol: None,
    }])
}

fn slice_name(service: &ServiceRecord, family: IpFamily, ports: &PortSet, ordinal: u32) -> String {
    names::slice_name(&service.key.name, &service.uid, family, ports, ordinal)
}

#[test]
fn names_are_the_same_for_the_same_create_and_differ_otherwise() {
    let service = service();
    let name = slice_name(&service, IpFamily::V4, &ports(80), 0);
    assert_eq!(name, slice_name(&service, IpFamily::V4, &ports(80), 0));
    let mut again = service.clone();
    again.uid = Uid::new("another");
    let others = [
        slice_name(&service, IpFamily::V6, &ports(80), 0),
        slice_name(&service, IpFamily::V4, &ports(81), 0),
        slice_name(&service, IpFamily::V4, &ports(80), 1),
        slice_name(&again, IpFamily::V4, &ports(80), 0),
    ];
    for other in others {
        assert_ne!(other, name);
    }
}

#[test]
fn two_processes_name_what_they_create_alike() {
    let mut names = Vec::new();
    for _ in 0..2 {
        let mut fixture = Fixture::new().with_pods(250);
        fixture.restart();
        names.push(
            fixture
                .plan(16)
                .into_iter()
                .map(|write| write.key.name)
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(names[0], names[1]);
    assert_eq!(names[0].len(), 3);
}

fn is_dns_label(name: &str) -> bool {
    let inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    let bytes = name.as_bytes();
    bytes.iter().all(inner) && bytes.first() != Some(&b'-') && bytes.last() != Some(&b'-')
}

#[test]
fn a_name_is_the_services_name_and_a_suffix() {
    let name = slice_name(&service(), IpFamily::V4, &ports(80), 0);
    let suffix = name.strip_prefix("svc-").unwrap();
    assert!(suffix.len() == 8 && is_dns_label(&name), "{name}");
}

#[test]
fn the_longest_service_name_gives_a_name_that_fits_a_label() {
    for text in ["a".repeat(63), format!("{}-{}", "a".repeat(53), "b".repeat(9))] {
        let mut service = service();
        service.key.name = quaymaster_model::Text::new(&text);
        let name = slice_name(&service, IpFamily::V6, &ports(80), 3);
        assert!(name.len() <= 63 && is_dns_label(&name), "{name}");
        assert_eq!(name[..54], text[..54]);
    }
}

#[test]
fn a_name_that_is_taken_is_passed_over() {
    let mut fixture = Fixture::new().with_pods(1);
    let ports = crate::convert::ports(&fixture.service, &pod(0));
    let first = slice_name(&fixture.service, IpFamily::V4, &ports, 0);
    let second = slice_name(&fixture.service, IpFamily::V4, &ports, 1);
    // Somebody else's slice, of whatever manager.
    fixture.store_pods(&first, 0..0);
    fixture.restart();
    fixture.state = crate::ServiceSlices::new(fixture.service.uid.clone(), None);
    fixture.refresh();
    let writes = fixture.plan(16);
    assert_eq!(writes[0].key.name, second.as_str());
}

#[test]
fn a_new_slice_has_the_service_as_its_only_owner() {
    let mut fixture = Fixture::new().with_pods(1);
    fixture.restart();
    let writes = fixture.settle();
    let [owner] = draft(&writes[0]).owners.as_slice() else {
        panic!("{writes:#?}")
    };
    assert_eq!(owner.uid, fixture.service.uid);
    let names = [&owner.api_version, &owner.kind, &owner.name].map(quaymaster_model::Text::as_str);
    assert_eq!(names, ["v1", "Service", "svc"]);
    assert_eq!(
        (owner.controller, owner.block_owner_deletion),
        (Some(true), Some(true))
    );
}

#[test]
fn a_new_slice_has_the_labels_of_the_service_and_only_the_trigger_time() {
    let mut fixture = Fixture::new().with_pods(1);
    fixture.service.labels = Interned::from_value(LabelSet::new([("own".into(), "1".into())]));
    fixture.restart();
    let writes = fixture.settle();
    assert!(matches!(writes[0].op, Op::Create(_)));
    let draft = draft(&writes[0]);
    assert_eq!(draft.labels, crate::labels::wanted(&fixture.service));
    assert_eq!(
        (draft.annotations.len(), draft.trigger),
        (0, fixture.service.created)
    );
    assert!(draft.finalizers.is_empty() && draft.unknown.is_none());
}
