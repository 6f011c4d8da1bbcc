//! What makes a run fail.

use super::*;
use crate::batch::Finding;

fn all() -> Controllers {
    let names: Vec<String> = Controller::ALL.iter().map(|one| one.name().to_owned()).collect();
    Controllers::named(&names).unwrap()
}

fn quaymaster() -> Subject {
    Subject::Quaymaster {
        binary: "/bin/quaymaster".into(),
        environment: Vec::new(),
    }
}

/// A report of so many clusters on which all is well.
fn report(clusters: usize) -> Report {
    report_of(clusters, &quaymaster())
}

fn report_of(clusters: usize, subject: &Subject) -> Report {
    let mut report = Report::new(37, &all(), DEMANDING, subject);
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
    let seeds: Vec<u64> = (0..clusters as u64).collect();
    report.take(&seeds, &outcome);
    report
}

fn finding() -> Finding {
    Finding {
        prefix: "s1-".to_owned(),
        seed: 1,
        when: "at some time".to_owned(),
        what: vec!["something".to_owned()],
        edits: Vec::new(),
        owners: Vec::new(),
    }
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
fn a_difference_a_violation_a_refusal_and_a_batch_that_broke_off_each_fail_a_run() {
    let some = || vec!["something".to_owned()];
    let outcomes = [
        (
            "differs",
            Outcome {
                differences: vec![finding()],
                ..Outcome::default()
            },
        ),
        (
            "to the end",
            Outcome {
                failure: Some(anyhow::anyhow!("something")),
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
        report.take(&[1], &outcome);
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
    let mut report = Report::new(37, &Controllers::named(&names).unwrap(), DEMANDING, &quaymaster());
    let mut outcome = Outcome::default();
    for side in &mut outcome.coverage {
        for rule in Rule::ALL
            .iter()
            .filter(|rule| rule.controller() == Controller::EndpointSlice)
        {
            side.count(*rule);
        }
    }
    let seeds: Vec<u64> = (0..DEMANDING as u64).collect();
    report.take(&seeds, &outcome);
    assert_eq!(why(&report), "");
}

#[test]
fn clusters_of_a_batch_that_broke_off_do_not_count_as_compared_and_what_it_found_does() {
    let mut report = report(DEMANDING);
    let broken = Outcome {
        failure: Some(anyhow::anyhow!("it ended by itself")),
        violations: vec!["s8-a/web is wrong".to_owned()],
        ..Outcome::default()
    };
    report.take(&[7, 8, 9], &broken);
    assert_eq!(
        (report.clusters, report.broken_off, report.violations),
        (DEMANDING, 3, 1)
    );
}

#[test]
fn a_violation_is_of_the_seed_whose_names_it_has() {
    let mut report = report(DEMANDING);
    let violations = [
        "revision 5: slice s12-a/web-1 is wrong",
        "2 updates of slices changed nothing",
    ];
    let outcome = Outcome {
        violations: violations.map(str::to_owned).into(),
        ..Outcome::default()
    };
    report.take(&[1, 2, 12, 112], &outcome);
    assert_eq!(report.violating, [12].into());
    assert!(!speaks_of("as12-b", 12), "another name that ends like it");
}

#[test]
fn without_a_controller_a_run_passes_only_when_something_differs_and_all_was_compared() {
    let left_out = Subject::Kcm {
        left_out: Some(Controller::Endpoints),
    };
    let mut report = report_of(DEMANDING, &left_out);
    assert!(why(&report).contains("nothing differs without endpoints-controller"));
    let found = Outcome {
        differences: vec![finding()],
        violations: vec!["it follows".to_owned()],
        ..Outcome::default()
    };
    report.take(&[1], &found);
    report.coverage[1] = Coverage::default();
    assert_eq!(why(&report), "", "nor need rules be met that nobody keeps");
    let broken = Outcome {
        failure: Some(anyhow::anyhow!("it ended by itself")),
        ..Outcome::default()
    };
    report.take(&[2], &broken);
    assert!(why(&report).contains("to the end"), "{}", why(&report));
}

#[test]
fn kube_controller_manager_against_itself_must_not_differ_and_is_not_called_quaymaster() {
    let mut report = report_of(DEMANDING, &Subject::Kcm { left_out: None });
    assert_eq!(why(&report), "");
    report.slices = [100, 200];
    assert!(why(&report).starts_with("kube-controller-manager again has 200"));
    let found = Outcome {
        differences: vec![finding()],
        ..Outcome::default()
    };
    report.take(&[1], &found);
    assert!(why(&report).starts_with("kube-controller-manager again differs"));
}
