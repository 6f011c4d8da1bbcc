use std::time::Instant as StdInstant;

use super::budget::{BURST, MAX_OBJECTS, REFILL};
use super::*;
use crate::metrics::Registry;
use crate::permit::{Permits, Terms};
use crate::scripted::{self, Seen, Step};

fn service(name: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Service".to_owned()),
        namespace: Some("shop".to_owned()),
        name: Some(name.to_owned()),
        uid: Some(format!("uid-{name}")),
        ..ObjectReference::default()
    }
}

fn notice(name: &str) -> Notice {
    Notice {
        regarding: service(name),
        type_: EventType::Warning,
        reason: "TopologyAwareHintsDisabled".to_owned(),
        action: "AssignHints".to_owned(),
        note: "Insufficient Node information".to_owned(),
    }
}

struct Setup {
    sink: EventSink,
    metrics: EventMetrics,
    seen: Arc<Mutex<Vec<Seen>>>,
}

fn start(permits: Permits, script: impl IntoIterator<Item = Step>) -> Setup {
    let metrics = EventMetrics::register(&Registry::new());
    let reporter = Reporter {
        controller: "endpoint-slice-controller".to_owned(),
        instance: Some("a".to_owned()),
    };
    let (client, seen) = scripted::client(script);
    let sink = EventSink::start(
        client,
        reporter,
        permits,
        metrics.clone(),
        CancellationToken::new(),
    );
    Setup { sink, metrics, seen }
}

fn echo() -> Step {
    Step::Answer(201, vec![], r#"{"metadata":{"name":"e"}}"#.to_owned())
}

async fn settle() {
    tokio::time::sleep(Duration::from_mins(1)).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_names_its_object_and_its_reporter() {
    let setup = start(Permits::permanent(), [echo()]);
    setup.sink.emit(notice("web"));
    settle().await;
    let seen = setup.seen.lock().unwrap();
    assert_eq!((seen.len(), seen[0].method.as_str()), (1, "POST"));
    assert!(
        seen[0]
            .path
            .starts_with("/apis/events.k8s.io/v1/namespaces/shop/events"),
        "{}",
        seen[0].path
    );
    let event: serde_json::Value = serde_json::from_str(&seen[0].body).unwrap();
    assert_eq!(event["reportingController"], "endpoint-slice-controller");
    assert_eq!(event["regarding"]["uid"], "uid-web");
    assert_eq!(event["reason"], "TopologyAwareHintsDisabled");
    assert_eq!(event["type"], "Warning");
    assert_eq!(setup.metrics.count_sent(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_event_becomes_a_series() {
    let setup = start(Permits::permanent(), [echo(), echo()]);
    setup.sink.emit(notice("web"));
    setup.sink.emit(notice("web"));
    settle().await;
    let seen = setup.seen.lock().unwrap();
    assert_eq!(
        seen.iter().map(|s| s.method.as_str()).collect::<Vec<_>>(),
        ["POST", "PATCH"]
    );
    assert!(seen[1].body.contains(r#""count":2"#), "{}", seen[1].body);
}

#[tokio::test(start_paused = true)]
async fn a_series_whose_event_was_deleted_begins_anew() {
    let gone = Step::Answer(
        404,
        vec![],
        r#"{"kind":"Status","code":404,"reason":"NotFound"}"#.to_owned(),
    );
    let setup = start(Permits::permanent(), [echo(), gone, echo()]);
    setup.sink.emit(notice("web"));
    setup.sink.emit(notice("web"));
    settle().await;
    let methods: Vec<_> = setup
        .seen
        .lock()
        .unwrap()
        .iter()
        .map(|s| s.method.clone())
        .collect();
    assert_eq!(methods, ["POST", "PATCH", "POST"]);
    assert_eq!(setup.metrics.count_sent(), 2);
}

#[tokio::test(start_paused = true)]
async fn beyond_its_budget_an_object_has_no_more_events_but_others_do() {
    let setup = start(Permits::permanent(), std::iter::repeat_n(echo(), 200));
    for _ in 0..100 {
        setup.sink.emit(notice("noisy"));
    }
    setup.sink.emit(notice("quiet"));
    settle().await;
    assert_eq!(setup.metrics.count_dropped(DropReason::Budget), 75);
    assert_eq!(setup.metrics.count_sent(), 26);
    tokio::time::sleep(REFILL).await;
    setup.sink.emit(notice("noisy"));
    setup.sink.emit(notice("noisy"));
    settle().await;
    assert_eq!(
        setup.metrics.count_sent(),
        27,
        "one more is earned in five minutes"
    );
}

#[tokio::test(start_paused = true)]
async fn emitting_never_blocks_when_the_apiserver_hangs() {
    let setup = start(
        Permits::permanent(),
        std::iter::once(Step::Hang).chain(std::iter::repeat_n(echo(), CHANNEL_SIZE)),
    );
    setup.sink.emit(notice("first"));
    tokio::time::sleep(Duration::from_millis(1)).await;
    for n in 0..CHANNEL_SIZE + 10 {
        setup.sink.emit(notice(&n.to_string()));
    }
    assert_eq!(setup.metrics.count_dropped(DropReason::Full), 10);
    tokio::time::sleep(SEND_TIMEOUT).await;
    assert_eq!(
        setup.metrics.count_dropped(DropReason::Error),
        1,
        "the hanging one is given up"
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_permit_no_event_is_sent() {
    let now = Instant::now().into_std();
    let terms = Terms::new();
    let setup = start(terms.permits(), [echo()]);
    let over = terms.begin(1, now, now);
    setup.sink.emit(notice("web"));
    settle().await;
    assert!(setup.seen.lock().unwrap().is_empty());
    assert_eq!(setup.metrics.count_dropped(DropReason::NotPermitted), 1);
    drop(over);
    let _term = terms.begin(2, now, now + Duration::from_hours(1));
    setup.sink.emit(notice("web"));
    settle().await;
    assert_eq!(setup.seen.lock().unwrap().len(), 1, "a later term sends again");
}

#[test]
fn budgets_are_held_for_a_bounded_number_of_objects_and_spammers_stay_known() {
    let mut budgets = Budgets::default();
    let now = StdInstant::now();
    for _ in 0..=BURST {
        budgets.spend(&service("spammer"), now);
    }
    for n in 0..3 * MAX_OBJECTS {
        assert!(budgets.spend(&service(&n.to_string()), now));
        assert!(budgets.len() <= MAX_OBJECTS);
    }
    assert!(!budgets.spend(&service("spammer"), now));
}

#[test]
fn an_unused_budget_does_not_grow_beyond_its_burst() {
    let mut budgets = Budgets::default();
    let start = StdInstant::now();
    assert!(budgets.spend(&service("a"), start));
    let later = start + REFILL * 1000;
    let spent = (0..100).filter(|_| budgets.spend(&service("a"), later)).count();
    assert_eq!(spent, BURST as usize);
}

#[test]
fn long_notes_are_cut_at_a_character() {
    let cut = bounded("ä".repeat(600));
    assert_eq!(cut.len(), 1024);
    assert_eq!(bounded("a".to_owned() + &"ä".repeat(600)).len(), 1023);
}

fn known() -> Step {
    Step::Answer(
        409,
        vec![],
        r#"{"kind":"Status","code":409,"status":"Failure","reason":"AlreadyExists"}"#.to_owned(),
    )
}

/// The names of the Events that were created.
fn names(setup: &Setup) -> Vec<String> {
    let seen = setup.seen.lock().unwrap();
    let created = seen.iter().filter(|seen| seen.method == "POST");
    created
        .map(|seen| {
            let event: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
            event["metadata"]["name"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_said_once_has_the_same_name_in_each_process_and_is_no_error_where_it_is_there() {
    let (one, other) = (
        start(Permits::permanent(), [echo()]),
        start(Permits::permanent(), [known()]),
    );
    one.sink.emit_once(notice("web"));
    let mut later = notice("web");
    later.regarding.resource_version = Some("7".to_owned());
    other.sink.emit_once(later);
    settle().await;
    assert_eq!(names(&one), names(&other));
    let seen = one.seen.lock().unwrap();
    let event: serde_json::Value = serde_json::from_str(&seen[0].body).unwrap();
    assert_eq!(event["metadata"]["namespace"], "shop");
    assert_eq!(event["regarding"]["uid"], "uid-web");
    assert_eq!(event["reportingController"], "endpoint-slice-controller");
    assert_eq!(event["reportingInstance"], "a");
    assert_eq!(event["action"], "AssignHints");
    assert_eq!(event["note"], "Insufficient Node information");
    assert!(event["eventTime"].is_string());
    assert_eq!(other.metrics.count_dropped(DropReason::Error), 0);
}

#[tokio::test(start_paused = true)]
async fn another_object_cause_or_text_has_another_name() {
    let setup = start(Permits::permanent(), std::iter::repeat_n(echo(), 4));
    let mut reason = notice("web");
    reason.reason = "Other".to_owned();
    let mut note = notice("web");
    note.note = "Other".to_owned();
    let mut again = notice("web");
    again.regarding.uid = Some("uid-of-another-web".to_owned());
    for one in [notice("web"), reason, note, again] {
        setup.sink.emit_once(one);
    }
    settle().await;
    let names: std::collections::BTreeSet<String> = names(&setup).into_iter().collect();
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(names.iter().all(|name| name.starts_with("web.")), "{names:?}");
}

#[tokio::test(start_paused = true)]
async fn the_name_of_an_event_about_an_object_with_a_long_name_is_valid() {
    let setup = start(Permits::permanent(), [echo()]);
    let long = format!("{}.{}", "a".repeat(219), "b".repeat(33));
    setup.sink.emit_once(notice(&long));
    settle().await;
    let name = &names(&setup)[0];
    assert_eq!(name.len(), 219 + 33, "cut before the dot: {name}");
}
