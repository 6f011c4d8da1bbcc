use quaymaster_model::{Subset, Uid};

use super::*;
use crate::tests::records::{endpoints, port, subset};

const ASKED: WriteId = WriteId(3);

/// Endpoints with this address, whole.
fn whole(ip: &str) -> Arc<EndpointsRecord> {
    Arc::new(endpoints(vec![subset(&[ip], &[], &[port("", 80)])]))
}

/// The same as the world has them.
fn held(ip: &str) -> Arc<EndpointsRecord> {
    let mut held = EndpointsRecord::clone(&whole(ip));
    held.subsets = None;
    Arc::new(held)
}

fn asked() -> Content {
    let mut content = Content::default();
    assert!(matches!(content.of(&held("10.0.0.1")), Known::Ask));
    content.ask(ASKED);
    content
}

fn subsets(known: Known) -> Option<Box<[Subset]>> {
    match known {
        Known::Content(content) => content.subsets.clone(),
        Known::Ask | Known::Later => None,
    }
}

#[test]
fn what_the_world_holds_whole_is_not_asked_for() {
    let mut content = Content::default();
    let endpoints = whole("10.0.0.1");
    assert_eq!(subsets(content.of(&endpoints)), endpoints.subsets.clone());
    assert!(!content.is_asked());
}

#[test]
fn it_is_asked_for_once_and_held_while_the_world_knows_of_no_other() {
    let mut content = asked();
    assert!(content.is_asked());
    assert!(matches!(content.of(&held("10.0.0.1")), Known::Later));
    assert!(content.answered(ASKED, Some(whole("10.0.0.1")), Some(&held("10.0.0.1"))));
    assert!(!content.is_asked());
    for _ in 0..2 {
        content.told(Some(&held("10.0.0.1")));
        assert_eq!(
            subsets(content.of(&held("10.0.0.1"))),
            whole("10.0.0.1").subsets.clone()
        );
    }
}

#[test]
fn after_a_change_it_is_asked_for_again() {
    let mut content = asked();
    content.answered(ASKED, Some(whole("10.0.0.1")), Some(&held("10.0.0.1")));
    content.told(Some(&held("10.0.0.2")));
    assert!(matches!(content.of(&held("10.0.0.2")), Known::Ask));
}

#[test]
fn an_answer_that_the_watch_has_not_told_yet_waits_for_it() {
    let mut content = asked();
    assert!(!content.answered(ASKED, Some(whole("10.0.0.2")), Some(&held("10.0.0.1"))));
    assert!(matches!(content.of(&held("10.0.0.1")), Known::Later));
    content.told(Some(&held("10.0.0.2")));
    assert_eq!(
        subsets(content.of(&held("10.0.0.2"))),
        whole("10.0.0.2").subsets.clone()
    );
}

#[test]
fn an_answer_that_the_watch_has_overtaken_is_asked_for_again() {
    let mut content = asked();
    content.told(Some(&held("10.0.0.2")));
    assert!(content.answered(ASKED, Some(whole("10.0.0.1")), Some(&held("10.0.0.2"))));
    assert!(matches!(content.of(&held("10.0.0.2")), Known::Ask));
}

#[test]
fn that_there_are_none_any_more_is_for_the_watch_to_tell() {
    let mut content = asked();
    assert!(!content.answered(ASKED, None, Some(&held("10.0.0.1"))));
    assert!(!content.is_asked());
}

#[test]
fn endpoints_of_the_same_content_and_another_uid_are_others() {
    let mut content = asked();
    content.answered(ASKED, Some(whole("10.0.0.1")), Some(&held("10.0.0.1")));
    let mut again = EndpointsRecord::clone(&held("10.0.0.1"));
    again.uid = Uid::new("uid-again");
    content.told(Some(&again));
    assert!(matches!(content.of(&Arc::new(again)), Known::Ask));
}

#[test]
fn an_answer_to_an_earlier_question_is_none() {
    let mut content = asked();
    content.ask(WriteId(4));
    assert!(!content.answered(ASKED, Some(whole("10.0.0.1")), Some(&held("10.0.0.1"))));
    assert!(content.is_asked());
}
