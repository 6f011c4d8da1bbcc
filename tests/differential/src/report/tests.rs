//! What makes a run fail.

use super::*;
use crate::batch::Finding;
use crate::controllers::Controller;

fn all() -> Controllers {
    let names: Vec<String> = Controller::ALL.iter().map(|one| one.name().to_owned()).collect();
    Controllers::named(&names).unwrap()
}

/// A report of so many clusters on which all is well.
fn report(clusters: usize) -> Report {
    let mut report = Report::new(37, &all());
    let mut outcome = Outcome {
        slices: [100, 100],
        kept_events: [(Kind::EndpointSlice, [100, 100])].into(),
        ..Outcome::default()
    };
    for side in &mut outcome.coverage {
        for rule in Rule::ALL {
            side.count(*rule);
        }
    }
    report.take(clusters, &outcome);
    report
}

fn why(report: &Report) -> String {
    report
        .verdict()
        .map_or_else(|error| error.to_string(), |()| String::new())
}

#[test]
fn a_run_without_difference_or_violation_that_met_all_rules_has_passed() {
    assert_eq!(why(&report(DEMANDING)), "");
}

#[test]
fn a_difference_a_violation_and_a_refusal_each_fail_a_run() {
    let finding = Finding {
        prefix: "s1-".to_owned(),
        seed: 1,
        when: "at some time".to_owned(),
        what: vec!["something".to_owned()],
        owners: Vec::new(),
    };
    let some = || vec!["something".to_owned()];
    let outcomes = [
        (
            "differs",
            Outcome {
                differences: vec![finding],
                ..Outcome::default()
            },
        ),
        (
            "did not hold",
            Outcome {
                violations: some(),
                ..Outcome::default()
            },
        ),
        (
            "refused",
            Outcome {
                refusals: some(),
                ..Outcome::default()
            },
        ),
    ];
    for (words, outcome) in outcomes {
        let mut report = report(DEMANDING);
        report.take(1, &outcome);
        assert!(why(&report).contains(words), "{words}: {}", why(&report));
    }
}

#[test]
fn a_rule_that_one_side_never_met_fails_a_run_of_many_clusters() {
    for side in [0, 1] {
        let mut report = report(DEMANDING);
        report.coverage[side] = Coverage::default();
        assert!(why(&report).contains("a slice is created"), "{}", why(&report));
    }
    let mut few = report(DEMANDING - 1);
    few.coverage[0] = Coverage::default();
    assert_eq!(why(&few), "");
}

#[test]
fn many_more_slices_or_changes_than_kube_controller_manager_fail_a_run() {
    let mut slices = report(DEMANDING);
    slices.slices = [100, 111];
    assert!(why(&slices).contains("111 slices"), "{}", why(&slices));
    let mut changes = report(DEMANDING);
    changes.kept_events = [(Kind::EndpointSlice, [100, 121])].into();
    assert!(
        why(&changes).contains("121 changes of EndpointSlice"),
        "{}",
        why(&changes)
    );
    changes.kept_events = [(Kind::EndpointSlice, [100, 120]), (Kind::ServiceCIDR, [9, 90])].into();
    assert_eq!(why(&changes), "", "nine are chance");
}

#[test]
fn rules_of_controllers_that_do_not_run_need_not_be_met() {
    let names = ["endpointslice-controller".to_owned()];
    let mut report = Report::new(37, &Controllers::named(&names).unwrap());
    let mut outcome = Outcome::default();
    for side in &mut outcome.coverage {
        for rule in Rule::ALL
            .iter()
            .filter(|rule| rule.controller() == Controller::EndpointSlice)
        {
            side.count(*rule);
        }
    }
    report.take(DEMANDING, &outcome);
    assert_eq!(why(&report), "");
}
