//! Writes that fail.

use quaymaster_engine::Verdict;
use quaymaster_runtime::api::{Verb, WriteError};
use serde_json::json;

use super::cluster::{Cluster, subset};

fn two_families() -> Cluster {
    Cluster::mirroring(json!([subset(&["10.0.0.1", "fd00::1"], &[], &[("", 80)])]))
}

fn one() -> Cluster {
    Cluster::mirroring(json!([subset(&["10.0.0.1"], &[], &[("", 80)])]))
}

#[test]
fn a_conflict_is_tried_again_without_an_event_and_a_refusal_is_told_on_the_endpoints() {
    let conflict = WriteError::Conflict {
        message: "the object has been modified".to_owned(),
    };
    let refusal = WriteError::Invalid {
        code: 422,
        message: "no".to_owned(),
    };
    for (error, told) in [(conflict, None), (refusal, Some("FailedToUpdateEndpointSlices"))] {
        let mut cluster = one();
        let create = cluster.send();
        match cluster.fail(&create, &error) {
            Verdict::Retry { notice } => {
                let notice = notice.as_ref();
                assert_eq!(notice.map(|notice| notice.reason.as_str()), told, "{error}");
                let kind = notice.map(|notice| notice.regarding.kind.as_deref());
                assert_eq!(kind, told.map(|_| Some("Endpoints")), "{error}");
            }
            other => panic!("{error}: {other:?}"),
        }
        assert_eq!(cluster.write_all(), [Verb::Create], "{error}");
    }
}

#[test]
fn nothing_is_created_any_more_in_a_namespace_that_is_being_deleted() {
    let mut cluster = two_families();
    let create = cluster.send();
    let terminating = WriteError::NamespaceTerminating {
        message: "the namespace is being deleted".to_owned(),
    };
    assert!(matches!(cluster.fail(&create, &terminating), Verdict::Again));
    assert!(cluster.write_all().is_empty());
    // A namespace of that name may come again, with Endpoints of that name.
    cluster.no_endpoints();
    cluster.endpoints_with(
        json!({ "uid": "uid-again" }),
        json!([subset(&["10.0.0.1"], &[], &[])]),
    );
    assert_eq!(cluster.write_all(), [Verb::Create]);
}

#[test]
fn a_name_that_is_taken_by_nobody_known_is_tried_again_before_the_next_one_is() {
    let mut cluster = one();
    let first = cluster.send();
    let taken = WriteError::AlreadyExists {
        message: "it exists".to_owned(),
    };
    assert!(matches!(cluster.fail(&first, &taken), Verdict::Retry { .. }));
    for _ in 1..quaymaster_slices::names::MOST_REFUSALS {
        let again = cluster.send();
        assert_eq!(again.object, first.object);
        cluster.fail(&again, &taken);
    }
    assert_ne!(cluster.send().object, first.object);
}

#[test]
fn a_create_whose_answer_was_lost_is_found_by_the_watch() {
    let mut cluster = one();
    let mut create = cluster.send();
    let stored = cluster.carry_out(&mut create);
    let lost = WriteError::Aborted;
    assert!(matches!(cluster.fail(&create, &lost), Verdict::Retry { .. }));
    cluster.told(stored);
    assert!(cluster.write_all().is_empty());
    assert_eq!(cluster.shown(), ["IPv4 :80 = 10.0.0.1"]);
}

#[test]
fn an_answer_to_nothing_that_is_known_changes_nothing() {
    let mut cluster = one();
    let mut create = cluster.send();
    let stored = cluster.carry_out(&mut create);
    cluster.answer(&create, stored.clone());
    assert!(cluster.write_all().is_empty());
    assert!(matches!(cluster.answer(&create, stored), Verdict::Done));
    assert!(matches!(
        cluster.fail(&create, &WriteError::Aborted),
        Verdict::Done
    ));
    assert!(cluster.write_all().is_empty());
}
