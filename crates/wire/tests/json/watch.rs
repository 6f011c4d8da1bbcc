//! Frames of watches.

use std::sync::Arc;

use proptest::prelude::*;
use quaymaster_model::{Interner, NodeRecord, PodRecord, ServiceRecord, SliceRecord};
use quaymaster_wire::json::{Json, PodDecoder, Record};
use quaymaster_wire::{DecodeError, Frame};

use crate::generate;

fn frame(json: &str) -> Result<Frame<PodRecord>, DecodeError> {
    PodDecoder::new(Arc::new(Interner::new())).frame(json.as_bytes())
}

/// Both orders of the fields. The apiserver writes the type first and ends a frame with a line break; neither is promised.
fn spellings(kind: &str, object: &str) -> [String; 2] {
    [
        format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n"),
        format!("{{\"object\":{object},\"other\":[{{}}],\"type\":\"{kind}\"}}"),
    ]
}

#[test]
fn an_added_or_modified_object_comes_whole_with_its_version() {
    let object = r#"{"kind":"Pod","metadata":{"name":"a","namespace":"x","resourceVersion":"9"},
        "spec":{"nodeName":"n1"},"status":{"phase":"Running"}}"#;
    for json in ["ADDED", "MODIFIED"].map(|kind| spellings(kind, object)).concat() {
        let Frame::Object { record, version } = frame(&json).unwrap() else {
            panic!("{json} is an object");
        };
        assert_eq!(record.key.to_string(), "x/a");
        assert_eq!(record.node.as_deref(), Some("n1"));
        assert_eq!(version.unwrap().to_string(), "9");
    }
}

/// Which object is gone, with its UID, and since which version.
fn gone(json: &str) -> (String, Option<String>, Option<String>) {
    match frame(json) {
        Ok(Frame::Gone { object, version }) => (
            object.key.to_string(),
            object.uid.map(|uid| uid.to_string()),
            version.map(|version| version.to_string()),
        ),
        other => panic!("{json} is a deletion, not {other:?}"),
    }
}

#[test]
fn a_deleted_object_is_named_even_if_its_rest_cannot_be_read() {
    for spec in [r#"{"nodeName":"n1"}"#, r#"{"nodeName":1}"#, "7"] {
        let meta = r#"{"name":"a","namespace":"x","uid":"u-1","resourceVersion":"9","labels":7}"#;
        for json in spellings("DELETED", &format!(r#"{{"metadata":{meta},"spec":{spec}}}"#)) {
            assert_eq!(gone(&json), ("x/a".into(), Some("u-1".into()), Some("9".into())));
        }
    }
    let bare = spellings("DELETED", r#"{"metadata":{"name":"n1"}}"#);
    assert_eq!(gone(&bare[0]), ("n1".into(), None, None));
}

#[test]
fn the_deletion_of_who_knows_what_is_unreadable() {
    for object in [
        r#"{"metadata":{"resourceVersion":"9"}}"#,
        r#"{"metadata":7}"#,
        "[]",
    ] {
        for json in spellings("DELETED", object) {
            let Frame::Unreadable(object) = frame(&json).unwrap() else {
                panic!("{json} is unreadable");
            };
            assert_eq!(object.key, None);
        }
    }
}

/// What means "any" where a watch is asked for must not become a place to go on from.
#[test]
fn a_version_that_the_server_left_out_is_none_whatever_happened() {
    for meta in [
        r#""name":"a""#,
        r#""name":"a","resourceVersion":"""#,
        r#""name":"a","resourceVersion":"0""#,
    ] {
        for kind in ["ADDED", "MODIFIED", "DELETED", "BOOKMARK"] {
            for json in spellings(kind, &format!(r#"{{"metadata":{{{meta}}}}}"#)) {
                let (Frame::Object { version, .. }
                | Frame::Gone { version, .. }
                | Frame::Bookmark { version, .. }) = frame(&json).unwrap()
                else {
                    panic!("{json}");
                };
                assert_eq!(version, None, "{json}");
            }
        }
        for json in spellings("ADDED", &format!(r#"{{"metadata":{{{meta}}},"spec":7}}"#)) {
            let Frame::Unreadable(object) = frame(&json).unwrap() else {
                panic!("{json} is unreadable");
            };
            assert_eq!(object.version, None, "{json}");
        }
    }
}

fn bookmark_of<R: Record + std::fmt::Debug>(json: &str) -> (String, bool) {
    match Json::<R>::new(Arc::new(Interner::new())).frame(json.as_bytes()) {
        Ok(Frame::Bookmark {
            version,
            initial_events_end,
        }) => (version.unwrap().to_string(), initial_events_end),
        other => panic!("{json} is a bookmark, not {other:?}"),
    }
}

#[test]
fn a_bookmark_gives_the_version_and_tells_the_end_of_a_streaming_list() {
    for (annotations, end) in [
        (r#"{"k8s.io/initial-events-end":"true"}"#, true),
        (r#"{"a":"b","k8s.io/initial-events-end":"false"}"#, false),
        ("{}", false),
        ("null", false),
    ] {
        let json = format!(
            r#"{{"type":"BOOKMARK","object":{{"kind":"Pod","apiVersion":"v1","metadata":{{"resourceVersion":"77",
            "creationTimestamp":null,"annotations":{annotations}}},"spec":{{"containers":null}},"status":{{}}}}}}"#
        );
        let expected = ("77".to_owned(), end);
        assert_eq!(bookmark_of::<PodRecord>(&json), expected);
        assert_eq!(bookmark_of::<NodeRecord>(&json), expected);
        assert_eq!(bookmark_of::<ServiceRecord>(&json), expected);
        assert_eq!(bookmark_of::<SliceRecord>(&json), expected);
    }
}

#[test]
fn an_error_is_the_status_that_ends_the_watch() {
    let json = r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",
        "message":"too old resource version: 1 (5)","reason":"Expired","code":410}}"#;
    let Frame::Error(status) = frame(json).unwrap() else {
        panic!("is an error");
    };
    assert_eq!((status.code, &*status.reason), (410, "Expired"));
    assert_eq!(&*status.message, "too old resource version: 1 (5)");
    assert_eq!((status.retry_after, status.causes.len()), (None, 0));
}

#[test]
fn an_object_that_cannot_be_read_is_named_and_the_watch_can_go_on_after_it() {
    let object = r#"{"spec":{"nodeName":1},"metadata":{"name":"a","namespace":"x","resourceVersion":"9"}}"#;
    for json in spellings("MODIFIED", object) {
        let Frame::Unreadable(object) = frame(&json).unwrap() else {
            panic!("{json} is unreadable");
        };
        assert_eq!(object.key.unwrap().to_string(), "x/a");
        assert_eq!(object.version.unwrap().to_string(), "9");
        assert!(matches!(object.error, DecodeError::Json(_)));
    }
    let Frame::Unreadable(object) =
        frame(r#"{"type":"ADDED","object":{"metadata":{"resourceVersion":"9"}}}"#).unwrap()
    else {
        panic!("an object without a name is unreadable");
    };
    assert!(matches!(object.error, DecodeError::NoName));
    assert_eq!(object.version.unwrap().to_string(), "9");
}

#[test]
fn an_unknown_type_of_event_is_told_by_its_name() {
    let Frame::Unknown(kind) = frame(r#"{"type":"RENAMED","object":[1,{"a":2}]}"#).unwrap() else {
        panic!("is unknown");
    };
    assert_eq!(&*kind, "RENAMED");
}

#[test]
fn what_is_no_watch_event_is_an_error() {
    for json in [
        "",
        "{}",
        "null",
        "[]",
        r#"{"type":"ADDED"}"#,
        r#"{"object":{}}"#,
        r#"["ADDED",{"metadata":{"name":"a"}}]"#,
        r#"{"type":1,"object":{}}"#,
        r#"{"type":"BOOKMARK","object":"x"}"#,
        r#"{"type":"ERROR","object":3}"#,
        r#"{"type":"ADDED","object":{"metadata":{"name":"a"}}}{"type""#,
    ] {
        assert!(frame(json).is_err(), "{json}");
    }
}

proptest! {
    /// Both ways of reading are the same way: no field is lost to the order, none to the frame.
    #[test]
    fn a_frame_and_a_page_read_an_object_as_it_is_read_alone(pod in generate::pod::pod()) {
        let object = serde_json::to_string(&pod).unwrap();
        let decoder = PodDecoder::new(Arc::new(Interner::new()));
        let alone = decoder.object(object.as_bytes()).unwrap();
        let page = decoder.page(format!(r#"{{"metadata":{{}},"items":[{object}]}}"#).as_bytes()).unwrap();
        prop_assert_eq!(&page.records, std::slice::from_ref(&alone));
        // An object that fails beside it sends the page through its second way of reading.
        let mixed = decoder.page(format!(r#"{{"metadata":{{}},"items":[{object},{{"spec":1}}]}}"#).as_bytes()).unwrap();
        prop_assert_eq!(&mixed.records, std::slice::from_ref(&alone));
        for json in [
            format!(r#"{{"type":"MODIFIED","object":{object}}}"#),
            format!(r#"{{"object":{object},"type":"MODIFIED"}}"#),
        ] {
            let Frame::Object { record, .. } = decoder.frame(json.as_bytes()).unwrap() else {
                panic!("is an object");
            };
            prop_assert_eq!(&record, &alone);
        }
    }
}
