//! Pages of lists.

use std::sync::Arc;

use quaymaster_model::{Interner, PodRecord};
use quaymaster_wire::json::PodDecoder;
use quaymaster_wire::{DecodeError, Page};

fn page(json: &str) -> Result<Page<PodRecord>, DecodeError> {
    PodDecoder::new(Arc::new(Interner::new())).page(json.as_bytes())
}

/// The version of the list as it was written.
fn version(page: &Page<PodRecord>) -> String {
    page.version.as_ref().unwrap().to_string()
}

fn names(page: &Page<PodRecord>) -> Vec<&str> {
    page.records
        .iter()
        .map(|record| record.key.name.as_str())
        .collect()
}

#[test]
fn a_page_gives_its_objects_its_version_and_where_the_next_begins() {
    let page = page(
        r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"42","continue":"abc",
        "remainingItemCount":7},"items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"}}]}"#,
    )
    .unwrap();
    assert_eq!(names(&page), ["a", "b"]);
    assert_eq!(version(&page), "42");
    assert_eq!(page.next.as_deref(), Some("abc"));
    assert!(page.unreadable.is_empty());
}

#[test]
fn the_last_page_has_no_next_and_may_have_null_for_items() {
    for items in ["null", "[]"] {
        let page = page(&format!(
            r#"{{"items":{items},"metadata":{{"resourceVersion":"42","continue":""}}}}"#
        ))
        .unwrap();
        assert_eq!((page.records.len(), page.next.as_deref()), (0, None));
        assert_eq!(version(&page), "42");
    }
}

#[test]
fn a_version_that_means_any_in_a_request_is_none() {
    for metadata in [
        "{}",
        "null",
        r#"{"resourceVersion":""}"#,
        r#"{"resourceVersion":"0"}"#,
    ] {
        let page = page(&format!(r#"{{"metadata":{metadata},"items":[]}}"#)).unwrap();
        assert_eq!(page.version, None, "{metadata}");
    }
}

#[test]
fn an_object_that_cannot_be_read_is_reported_beside_the_good_ones() {
    let page = page(
        r#"{"metadata":{"resourceVersion":"42","continue":"abc"},"items":[
        {"metadata":{"name":"a","namespace":"x"}},
        {"metadata":{"name":"b","namespace":"x","resourceVersion":"7"},"spec":{"nodeName":{"not":"text"}}},
        {"metadata":{"namespace":"x","resourceVersion":"8"}},
        {"metadata":["no","object"]},
        "text", null,
        {"metadata":{"name":"c","namespace":"x"}}]}"#,
    )
    .unwrap();
    assert_eq!(names(&page), ["a", "c"]);
    let reported: Vec<_> = page
        .unreadable
        .iter()
        .map(|bad| {
            (
                bad.key.as_ref().map(ToString::to_string),
                bad.version.as_ref().map(ToString::to_string),
            )
        })
        .collect();
    assert_eq!(reported[0], (Some("x/b".into()), Some("7".into())));
    assert!(matches!(page.unreadable[0].error, DecodeError::Json(_)));
    assert_eq!(reported[1], (None, Some("8".into())));
    assert!(matches!(page.unreadable[1].error, DecodeError::NoName));
    assert_eq!(reported.len(), 5);
    assert_eq!(
        (version(&page).as_str(), page.next.as_deref()),
        ("42", Some("abc"))
    );
}

#[test]
fn a_document_without_items_is_no_empty_list() {
    for document in ["{}", r#"{"kind":"Status","status":"Failure","code":500}"#] {
        assert!(matches!(page(document), Err(DecodeError::NotAList)), "{document}");
    }
    for document in ["", "null", "[]", "\"x\"", "1"] {
        assert!(page(document).is_err(), "{document}");
    }
}

#[test]
fn a_page_cut_off_anywhere_is_an_error() {
    let whole =
        r#"{"metadata":{"resourceVersion":"42"},"items":[{"metadata":{"name":"a","labels":{"b":"é"}}}]}"#;
    assert!(page(whole).is_ok());
    let decoder = PodDecoder::new(Arc::new(Interner::new()));
    for end in 0..whole.len() {
        assert!(decoder.page(&whole.as_bytes()[..end]).is_err(), "cut at {end}");
    }
    assert!(page(&format!("{whole}{whole}")).is_err());
    assert!(page(&format!("{whole}\n")).is_ok());
}
