use super::*;
use crate::fixtures::{key, version};

fn delete(version: Option<&ResourceVersion>) -> (Request, String) {
    let mut request = Request::delete(Kind::Slice, key("web-1"), Uid::new("u-1"), version, 9);
    let body = std::mem::replace(&mut request.body, Payload::Ready(Bytes::new()));
    let body = body.into_bytes().unwrap();
    (request, String::from_utf8(body.to_vec()).unwrap())
}

#[test]
fn a_delete_names_its_object_and_its_state_where_that_matters() {
    let (request, options) = delete(Some(&version(42)));
    assert_eq!((request.verb, request.write), (Verb::Delete, 9));
    assert_eq!(request.uid, Some(Uid::new("u-1")));
    assert!(
        options.contains(r#""preconditions":{"resourceVersion":"42","uid":"u-1"}"#),
        "{options}"
    );
    let (_, options) = delete(None);
    assert!(options.contains(r#""preconditions":{"uid":"u-1"}"#), "{options}");
}

#[test]
fn only_an_update_of_the_status_is_for_the_status() {
    let (kind, body) = (Kind::Slice, || Payload::Ready(Bytes::new()));
    let uid = || Uid::new("u-1");
    for (request, verb, part) in [
        (
            Request::create(kind, key("a"), body(), 1),
            Verb::Create,
            Part::Object,
        ),
        (
            Request::update(kind, key("a"), uid(), body(), 1),
            Verb::Update,
            Part::Object,
        ),
        (
            Request::update_status(kind, key("a"), uid(), body(), 1),
            Verb::Update,
            Part::Status,
        ),
        (Request::get(kind, key("a"), 1), Verb::Get, Part::Object),
    ] {
        assert_eq!((request.verb, request.part), (verb, part));
        let names_its_object = verb == Verb::Update;
        assert_eq!(request.uid.is_some(), names_its_object, "{verb:?}");
    }
}
