//! What is said of a step that failed.

use super::cluster::SliceSeen;
use super::*;

#[test]
fn a_step_that_failed_tells_what_was_expected_what_was_seen_and_what_is_wrong_with_it() {
    let step = &steps::all()[0];
    let slice = SliceSeen {
        name: "test-svc-abc".to_owned(),
        service: "test-svc".to_owned(),
        managed_by: String::new(),
        owners: std::collections::BTreeSet::new(),
        ports: vec!["8080/TCP".to_owned()],
        endpoints: Vec::new(),
    };
    let snapshot = Snapshot {
        slices: vec![slice],
        ..Snapshot::default()
    };
    let said = failure("too late", step, &snapshot, "0 ready and 0 others, not 3 and 0");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "too late");
    assert_eq!(lines[1], format!("  expected: {}", step.expected));
    assert!(
        lines[4].contains("test-svc-abc") && lines[4].contains("no endpoints"),
        "{said}"
    );
    assert_eq!(lines[5..], ["  wrong: 0 ready and 0 others, not 3 and 0"]);
}
