use std::sync::Arc;

use quaymaster_model::slice::UnknownFields;
use quaymaster_model::write::WriteId;
use quaymaster_model::{AddressType, LabelSet};
use quaymaster_runtime::api::Verb;

use super::*;
use crate::fixtures::{key, version};

fn draft() -> SliceDraft {
    SliceDraft {
        labels: LabelSet::empty(),
        annotations: Vec::new(),
        trigger: None,
        owners: Vec::new(),
        finalizers: Vec::new(),
        address_type: AddressType::IPv4,
        ports: Vec::new(),
        endpoints: Arc::default(),
        unknown: None,
    }
}

fn request(op: Op) -> Request {
    let (id, key) = (WriteId(7), key("web-1"));
    Request::from(Write { id, key, op })
}

#[test]
fn an_update_names_the_object_and_the_version_that_it_is_decided_over() {
    let request = request(Op::Update {
        draft: draft(),
        uid: Uid::new("u-1"),
        resource_version: version(42),
    });
    assert_eq!((request.verb, request.write), (Verb::Update, 7));
    assert_eq!(request.uid, Some(Uid::new("u-1")));
    let body: serde_json::Value = serde_json::from_slice(&request.body.into_bytes().unwrap()).unwrap();
    assert_eq!(body["metadata"]["uid"], "u-1");
    assert_eq!(body["metadata"]["resourceVersion"], "42");
}

#[test]
fn a_slice_with_fields_that_cannot_be_given_back_is_not_sent_as_nothing() {
    let draft = SliceDraft {
        unknown: Some(Box::new(UnknownFields {
            metadata: Some("no object".into()),
            ..UnknownFields::default()
        })),
        ..draft()
    };
    assert!(request(Op::Create(draft)).body.into_bytes().is_err());
}
