use super::*;
use crate::error::Cause;
use quaymaster_wire::Status;

fn forbidden(verb: Verb) -> WatchError {
    let status = Status {
        code: 403,
        reason: "Forbidden".into(),
        message: "no".into(),
        ..Status::default()
    };
    WatchError {
        verb,
        resource: "pods".into(),
        cause: Cause::from_status(status),
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_missing_verb_is_named_once_and_again_after_a_minute() {
    let mut report = Report::new("pods");
    let start = Instant::now();
    let told: Vec<u32> = (0..130)
        .filter(|second| report.failed(&forbidden(Verb::List), SECOND, start + SECOND * *second))
        .collect();
    assert_eq!(told, [0, 60, 120]);
}

#[test]
fn another_missing_verb_is_named_at_once() {
    let mut report = Report::new("pods");
    let now = Instant::now();
    assert!(report.failed(&forbidden(Verb::List), SECOND, now));
    assert!(report.failed(&forbidden(Verb::Watch), SECOND, now));
    assert!(!report.failed(&forbidden(Verb::Watch), SECOND, now));
}

#[test]
fn the_line_names_verb_resource_and_what_to_do() {
    let line = chain(&forbidden(Verb::Watch));
    assert_eq!(
        line,
        "cannot watch pods: forbidden; grant the verb to this identity (RBAC): 403 Forbidden: no"
    );
}

#[test]
fn nobody_is_advised_to_grant_anything_to_clients_without_credentials() {
    let cause = Cause::from_status(Status {
        code: 403,
        reason: "Forbidden".into(),
        message: r#"pods is forbidden: User "system:anonymous" cannot watch"#.into(),
        ..Status::default()
    });
    let line = chain(&cause);
    assert!(
        line.starts_with("forbidden; give credentials, there are none"),
        "{line}"
    );
}

#[test]
fn recovery_is_told_only_after_a_warning() {
    let mut report = Report::new("pods");
    let now = Instant::now();
    assert!(!report.recovered());
    let cut = WatchError {
        verb: Verb::Watch,
        resource: "pods".into(),
        cause: Cause::CutFrame,
    };
    assert!(!report.failed(&cut, Duration::ZERO, now));
    assert!(
        !report.recovered(),
        "an interruption that healed at once is no news"
    );
    assert!(report.failed(&cut, SECOND, now));
    assert!(report.recovered());
    assert!(!report.recovered());
}

#[test]
fn a_line_is_short_however_long_the_value_that_it_quotes() {
    // Two bytes each: where it is cut must be the edge of a character.
    let value = "\u{fc}".repeat(50_000);
    let error: serde_json::Error = serde::de::Error::custom(value);
    let line = chain(&WatchError {
        verb: Verb::List,
        resource: "pods".into(),
        cause: Cause::Page(error.into()),
    });
    assert!(
        line.starts_with("cannot list pods: the list cannot be read: not a readable JSON document: \u{fc}"),
        "{line}"
    );
    assert!(line.chars().count() <= 501, "{line}");
}
