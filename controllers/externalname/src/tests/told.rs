//! What is told once.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::EventType;
use quaymaster_runtime::events::Notice;

use super::cluster::key;
use crate::checks::Cause;
use crate::told::{MOST, PERIOD, Told};

fn notice(uid: &str, note: &str) -> (Cause, Notice) {
    let notice = Notice {
        regarding: ObjectReference {
            uid: Some(uid.to_owned()),
            ..ObjectReference::default()
        },
        type_: EventType::Warning,
        reason: Cause::Loop.reason().to_owned(),
        action: "Check".to_owned(),
        note: note.to_owned(),
    };
    (Cause::Loop, notice)
}

#[test]
fn the_same_is_told_once_and_something_else_as_well() {
    let (mut told, now) = (Told::default(), Instant::now());
    let mut count = |found: &[(&str, &str)]| {
        let found = found.iter().map(|(uid, note)| notice(uid, note)).collect();
        told.news(&key("web"), found, now).0.len()
    };
    assert_eq!(count(&[("u", "a")]), 1);
    assert_eq!(count(&[("u", "a")]), 0);
    assert_eq!(
        count(&[("u", "a"), ("u", "b")]),
        1,
        "one cause may have several texts"
    );
    assert_eq!(count(&[("v", "a")]), 1, "of another object");
    assert_eq!(count(&[("u", "a")]), 1, "it had gone meanwhile");
    assert_eq!(told.count(Cause::Loop), 1);
    assert_eq!(told.count(Cause::Ports), 0);
    assert!(told.knows(&key("web")));
    told.news(&key("web"), Vec::new(), now);
    assert!(!told.knows(&key("web")));
    assert_eq!(told.count(Cause::Loop), 0);
}

#[test]
fn a_thousand_mistakes_are_all_told_ten_a_second_and_each_is_asked_about_twice() {
    let (mut told, start) = (Told::default(), Instant::now());
    let (mut due, mut asked): (Vec<(Instant, usize)>, usize) = ((0..1000).map(|at| (start, at)).collect(), 0);
    let mut seconds = vec![0; 200];
    while let Some(at) = due
        .iter()
        .enumerate()
        .min_by_key(|(_, due)| **due)
        .map(|(at, _)| at)
    {
        let (now, number) = due.swap_remove(at);
        asked += 1;
        let found = vec![notice(&number.to_string(), "a")];
        let (news, later) = told.news(&key(&number.to_string()), found, now);
        let second = now.duration_since(start).as_secs();
        seconds[usize::try_from(second).unwrap()] += news.len();
        assert_eq!(news.is_empty(), later.is_some());
        due.extend(later.map(|later| (later, number)));
    }
    assert_eq!(asked, 1990);
    assert!(seconds.iter().all(|told| *told <= MOST as usize), "{seconds:?}");
    assert_eq!(seconds.iter().sum::<usize>(), 1000);
    assert_eq!(told.count(Cause::Loop), 1000);
}

#[test]
fn of_one_object_with_many_mistakes_the_rest_is_told_later() {
    let (mut told, now) = (Told::default(), Instant::now());
    let found = || (0..15).map(|at| notice("u", &at.to_string())).collect::<Vec<_>>();
    let (news, later) = told.news(&key("web"), found(), now);
    assert_eq!((news.len(), later), (10, Some(now + PERIOD)));
    let (news, later) = told.news(&key("web"), found(), now + Duration::from_secs(1));
    assert_eq!((news.len(), later), (5, None));
}
