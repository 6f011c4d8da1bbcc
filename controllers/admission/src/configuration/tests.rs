use serde_json::{Value, json};

use super::Wanted;
use crate::conditions::{Asks, LACKS_A_VALUE, NOT_EXEMPT, NOT_THE_APISERVER};

fn asks() -> Asks {
    Asks {
        exempt: vec!["kube-system".to_owned()],
        both_families: true,
        explicit: false,
    }
}

fn wanted() -> Wanted {
    Wanted {
        asks: Some(asks()),
        bundle: Some("QUJD".to_owned()),
    }
}

/// As a chart renders it, and the apiserver has defaulted it.
fn rendered() -> Value {
    json!({
        "name": "services.quaymaster.io",
        "clientConfig": {"service": {"namespace": "system", "name": "quaymaster", "path": "/allocate", "port": 443}},
        "failurePolicy": "Ignore",
        "timeoutSeconds": 3,
        "namespaceSelector": {"matchLabels": {"team": "red"}},
        "objectSelector": {},
        "matchPolicy": "Equivalent",
        "reinvocationPolicy": "Never",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    })
}

fn names(webhook: &Value) -> Vec<&str> {
    let conditions = webhook["matchConditions"].as_array().unwrap();
    conditions
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect()
}

#[test]
fn what_is_right_needs_no_write() {
    let once = wanted().corrected(&[rendered()]).unwrap();
    assert_eq!(wanted().corrected(&once), None);
}

#[test]
fn what_is_ours_is_set_and_all_else_stays_as_it_was() {
    let corrected = wanted().corrected(&[rendered()]).unwrap().remove(0);
    assert_eq!(corrected["clientConfig"]["caBundle"], "QUJD");
    assert_eq!(corrected["reinvocationPolicy"], "IfNeeded");
    assert_eq!(corrected["rules"][0]["operations"], json!(["CREATE", "UPDATE"]));
    assert_eq!(names(&corrected), [NOT_THE_APISERVER, NOT_EXEMPT, LACKS_A_VALUE]);
    let before = rendered();
    for field in [
        "failurePolicy",
        "timeoutSeconds",
        "namespaceSelector",
        "objectSelector",
        "sideEffects",
        "matchPolicy",
    ] {
        assert_eq!(corrected[field], before[field], "{field}");
    }
    assert_eq!(
        corrected["clientConfig"]["service"],
        before["clientConfig"]["service"]
    );
}

#[test]
fn side_effects_on_dry_runs_are_ruled_out() {
    for (before, after) in [
        (json!("Unknown"), "NoneOnDryRun"),
        (Value::Null, "NoneOnDryRun"),
        (json!("NoneOnDryRun"), "NoneOnDryRun"),
        (json!("None"), "None"),
    ] {
        let mut webhook = rendered();
        webhook["sideEffects"] = before;
        let corrected = wanted().corrected(&[webhook]).unwrap();
        assert_eq!(corrected[0]["sideEffects"], after);
    }
}

#[test]
fn conditions_of_others_stay_behind_ours() {
    let mut webhook = rendered();
    let other = json!({"name": "not-mine", "expression": "true"});
    webhook["matchConditions"] = json!([{"name": "quaymaster-of-before", "expression": "false"}, other]);
    let corrected = wanted().corrected(&[webhook]).unwrap().remove(0);
    assert_eq!(names(&corrected)[2..], [LACKS_A_VALUE, "not-mine"]);
}

#[test]
fn as_long_as_nobody_knows_what_to_ask_about_what_is_there_stays_or_all_is_asked_about() {
    let unknown = Wanted {
        asks: None,
        ..wanted()
    };
    let known = wanted().corrected(&[rendered()]).unwrap();
    assert_eq!(unknown.corrected(&known), None);
    let first = unknown.corrected(&[rendered()]).unwrap().remove(0);
    assert_eq!(names(&first), [NOT_THE_APISERVER, LACKS_A_VALUE]);
}

#[test]
fn another_ones_authority_is_left_alone() {
    let mut webhook = rendered();
    webhook["clientConfig"]["caBundle"] = json!("b3RoZXI=");
    let files = Wanted {
        bundle: None,
        ..wanted()
    };
    let corrected = files.corrected(&[webhook]).unwrap();
    assert_eq!(corrected[0]["clientConfig"]["caBundle"], "b3RoZXI=");
}

#[test]
fn authorities_are_trusted_once_every_webhook_has_them() {
    let right = wanted().corrected(&[rendered(), rendered()]).unwrap();
    assert!(wanted().is_trusted_by(&right));
    assert!(!wanted().is_trusted_by(&[right[0].clone(), rendered()]));
    assert!(!wanted().is_trusted_by(&[]));
}

#[test]
fn clauses_are_there_only_where_they_are_needed() {
    let text = |asks: &Asks| asks.conditions().pop().unwrap()["expression"].to_string();
    let dual = text(&asks());
    let single = text(&Asks {
        both_families: false,
        ..asks()
    });
    assert!(dual.contains("PreferDualStack") && !single.contains("PreferDualStack"));
    let explicit = text(&Asks {
        explicit: true,
        ..asks()
    });
    assert!(explicit.len() > dual.len());
    let nobody = Asks {
        exempt: Vec::new(),
        ..asks()
    };
    assert_eq!(nobody.conditions().len(), 2);
}
