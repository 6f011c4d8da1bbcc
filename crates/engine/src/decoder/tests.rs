use std::sync::Arc;
use std::time::Duration;

use quaymaster_model::{Interner, NodeRecord, PodRecord, ServiceRecord, SliceRecord, Text};
use quaymaster_wire::Reader;
use quaymaster_world::{Kind, View, World};

use super::*;
use crate::fixtures::{key, node_json, pod_json, service_json, slice_json, version};
use crate::kinds::{self, Resource};

fn decoder<R: Known>() -> WatchDecoder<R> {
    WatchDecoder(R::Reader::new(Arc::new(Interner::new())))
}

fn event<R: Known>(kind: &str, object: &str) -> Result<Event<R, Gone>, Unreadable<Gone>> {
    let frame = format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n");
    decoder().event(frame.as_bytes())
}

/// A Service whose port is a text.
fn odd_service(port: &str) -> String {
    service_json("odd", "u-9", 9).replace(
        r#""spec":{"#,
        &format!(r#""spec":{{"ports":[{{"port":"{port}"}}],"#),
    )
}

#[test]
fn added_and_modified_objects_are_applied_at_the_version_of_the_event() {
    for kind in ["ADDED", "MODIFIED"] {
        let Ok(Event::Apply { record, version: at }) = event::<PodRecord>(kind, &pod_json("web-0", "u-1", 7))
        else {
            panic!("{kind} must be applied");
        };
        assert_eq!((record.key, at), (key("web-0"), Some(version(7))));
    }
}

#[test]
fn a_deleted_object_is_named_with_its_uid_unless_names_are_all_that_counts() {
    fn deleted<R: Known>(
        object: &str,
    ) -> (ObjectKey, Option<Uid>, Option<quaymaster_model::ResourceVersion>) {
        let Ok(Event::Delete { key, version }) = event::<R>("DELETED", object) else {
            panic!("a deletion");
        };
        (key.key, key.uid, version)
    }
    let whole = |name: &str| (key(name), Some(Uid::new("u-1")), Some(version(8)));
    assert_eq!(deleted::<PodRecord>(&pod_json("a", "u-1", 8)), whole("a"));
    assert_eq!(deleted::<ServiceRecord>(&service_json("b", "u-1", 8)), whole("b"));
    assert_eq!(deleted::<SliceRecord>(&slice_json("c", "u-1", 8)), whole("c"));
    let (node, uid, _) = deleted::<NodeRecord>(&node_json("n1", 8));
    assert_eq!((&*node.name, &*node.namespace, uid), ("n1", "", None));
}

#[test]
fn bookmarks_carry_their_version_and_tell_the_end_of_a_streaming_list() {
    for (annotations, expected) in [
        ("", false),
        (r#","annotations":{"k8s.io/initial-events-end":"true"}"#, true),
    ] {
        let object = format!(r#"{{"kind":"Pod","metadata":{{"resourceVersion":"12"{annotations}}}}}"#);
        let Ok(Event::Bookmark {
            version: at,
            initial_events_end,
        }) = event::<PodRecord>("BOOKMARK", &object)
        else {
            panic!("a bookmark");
        };
        assert_eq!((at, initial_events_end), (Some(version(12)), expected));
    }
}

/// What means "any" where a watch is asked for must not become a place to go on from.
#[test]
fn a_version_that_the_server_left_out_is_none_wherever_it_is_missing() {
    for version in ["", r#""resourceVersion":"""#, r#""resourceVersion":"0""#] {
        let page = format!(r#"{{"kind":"PodList","metadata":{{{version}}},"items":[]}}"#);
        let page = decoder::<PodRecord>().page(page.as_bytes()).unwrap();
        assert_eq!(page.version, None, "a list with {version:?}");

        let named = if version.is_empty() { "" } else { "," };
        let object = format!(r#"{{"metadata":{{"name":"a"{named}{version}}}}}"#);
        let told = |kind| match event::<PodRecord>(kind, &object).unwrap() {
            Event::Apply { version, .. }
            | Event::Delete { version, .. }
            | Event::Bookmark { version, .. } => version,
            Event::Error(status) => panic!("{status:?}"),
        };
        for kind in ["ADDED", "MODIFIED", "DELETED", "BOOKMARK"] {
            assert_eq!(told(kind), None, "{kind} with {version:?}");
        }
        let odd = format!(r#"{{"metadata":{{"name":"a"{named}{version}}},"spec":7}}"#);
        assert_eq!(event::<PodRecord>("ADDED", &odd).unwrap_err().version, None);
    }
}

#[test]
fn an_error_is_passed_on_whole() {
    let object = r#"{"kind":"Status","code":504,"reason":"Timeout","message":"m",
        "details":{"retryAfterSeconds":2,"causes":[{"reason":"ResourceVersionTooLarge"}]}}"#;
    let Ok(Event::Error(status)) = event::<PodRecord>("ERROR", object) else {
        panic!("an error");
    };
    assert_eq!(
        (status.code, &*status.reason, &*status.message),
        (504, "Timeout", "m")
    );
    assert_eq!(status.retry_after, Some(Duration::from_secs(2)));
    assert!(status.is_version_too_large());
}

#[test]
fn an_event_of_unknown_type_is_unreadable_and_named() {
    let error = event::<PodRecord>("RENAMED", &pod_json("a", "u", 3)).unwrap_err();
    assert!(error.key.is_none() && error.version.is_none());
    assert!(error.reason.contains("RENAMED"), "{}", error.reason);
    let long = event::<PodRecord>(&"X".repeat(100_000), "{}").unwrap_err();
    assert!(long.reason.len() < 300, "{} bytes", long.reason.len());
}

#[test]
fn an_unreadable_object_keeps_its_name_and_version() {
    for kind in ["ADDED", "MODIFIED"] {
        let error = event::<ServiceRecord>(kind, &odd_service("http")).unwrap_err();
        let gone = error.key.unwrap();
        assert_eq!((gone.key, gone.uid), (key("odd"), None));
        assert_eq!(error.version, Some(version(9)));
        assert!(
            error.reason.contains("http"),
            "the cause is told: {}",
            error.reason
        );
    }
}

#[test]
fn the_deletion_of_an_unreadable_object_is_a_deletion_all_the_same() {
    let Ok(Event::Delete {
        key: gone,
        version: at,
    }) = event::<ServiceRecord>("DELETED", &odd_service("x"))
    else {
        panic!("nothing of a deleted object but its name matters");
    };
    assert_eq!((gone.key, gone.uid, at), (key("odd"), None, Some(version(9))));
    assert!(
        event::<ServiceRecord>("DELETED", r#"{"metadata":{}}"#).is_err(),
        "without a name it is not"
    );
}

#[test]
fn what_is_no_event_is_unreadable() {
    for frame in ["", "no JSON", "{}", "[]", r#"{"type":"ADDED"}"#] {
        let error = decoder::<PodRecord>().event(frame.as_bytes()).unwrap_err();
        assert!(error.key.is_none() && !error.reason.is_empty(), "{frame}");
    }
}

#[test]
fn a_reason_is_short_however_long_the_value_that_it_quotes() {
    // Two bytes each: where it is cut must be the edge of a character.
    let reason = event::<ServiceRecord>("ADDED", &odd_service(&"ü".repeat(50_000)))
        .unwrap_err()
        .reason;
    assert!(reason.contains("üü") && reason.chars().count() <= 201, "{reason}");
    let body = format!("{{\"items\":\"{}\"}}", "ü".repeat(50_000));
    let Err(error) = decoder::<ServiceRecord>().page(body.as_bytes()) else {
        panic!("no list");
    };
    assert!(error.reason.chars().count() <= 201, "{}", error.reason);
}

#[test]
fn a_page_tells_what_it_has_and_what_it_could_not_read() {
    let body = format!(
        r#"{{"kind":"ServiceList","metadata":{{"resourceVersion":"20","continue":"more"}},"items":[{},{},{}]}}"#,
        service_json("a", "u-1", 3),
        odd_service("http"),
        service_json("b", "u-2", 4)
    );
    let page = decoder::<ServiceRecord>().page(body.as_bytes()).unwrap();
    let names: Vec<_> = page.items.iter().map(|service| &*service.key.name).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(page.continue_token.as_deref(), Some("more"));
    assert_eq!(page.version, Some(version(20)));
    let odd: Vec<_> = page
        .unreadable
        .into_iter()
        .map(|object| (object.key.unwrap().key, object.version))
        .collect();
    assert_eq!(odd, [(key("odd"), Some(version(9)))]);
}

#[test]
fn a_page_that_is_no_list_is_refused_with_the_cause() {
    let Err(error) = decoder::<PodRecord>().page(b"<html>") else {
        panic!("no list");
    };
    assert!(
        error.reason.contains("not a readable JSON document") && error.reason.contains("line 1"),
        "{}",
        error.reason
    );
}

/// An object of another encoding: its name, and nothing else.
struct Odd(Text);

/// Reads it; names follow each other without anything between.
struct Letters;

impl Reader for Letters {
    type Record = Odd;

    const ACCEPT: &'static str = "text/x-letters";

    const FRAMING: Framing = Framing::LengthPrefixed;

    fn new(_: Arc<Interner>) -> Self {
        Self
    }

    fn object(&self, _: &[u8]) -> Result<Odd, quaymaster_wire::DecodeError> {
        unreachable!("a watch reads pages and frames")
    }

    fn page(&self, bytes: &[u8]) -> Result<quaymaster_wire::Page<Odd>, quaymaster_wire::DecodeError> {
        let names = bytes.iter().map(|letter| char::from(*letter).to_string());
        Ok(quaymaster_wire::Page {
            records: names.map(|name| Odd(Text::new(&name))).collect(),
            unreadable: Vec::new(),
            next: None,
            version: Some(version(20)),
        })
    }

    fn frame(&self, bytes: &[u8]) -> Result<Frame<Odd>, quaymaster_wire::DecodeError> {
        Ok(Frame::Object {
            change: Change::Deleted,
            record: Odd(Text::new(&String::from_utf8_lossy(bytes))),
            version: Some(version(21)),
        })
    }
}

impl Known for Odd {
    const KIND: Kind = Kind::Node;
    const RESOURCE: Resource = *kinds::resource(Kind::Node);

    type Reader = Letters;

    fn gone(&self) -> Gone {
        Gone {
            key: ObjectKey::new(Text::new(""), self.0.clone()),
            uid: None,
        }
    }

    fn apply(self, _: &mut World, _: &mut dyn View) {}

    fn delete(_: &Gone, _: &mut World, _: &mut dyn View) {}

    fn into_object(self) -> kinds::Object {
        unreachable!("nobody asks for one")
    }
}

#[test]
fn a_kind_is_asked_for_and_read_in_the_encoding_that_its_description_names() {
    let mut decoder = decoder::<Odd>();
    assert_eq!(decoder.accept(), "text/x-letters");
    assert_eq!(decoder.framing(), Framing::LengthPrefixed);
    let page = decoder.page(b"ab").unwrap();
    let names: Vec<_> = page.items.iter().map(|odd| odd.0.as_str()).collect();
    assert_eq!((names, page.version), (vec!["a", "b"], Some(version(20))));
    let Ok(Event::Delete { key, version: at }) = decoder.event(b"cd") else {
        panic!("a deletion");
    };
    assert_eq!((key.key.name.as_str(), at), ("cd", Some(version(21))));
}
