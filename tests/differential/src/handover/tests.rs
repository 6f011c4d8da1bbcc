//! Which writes at a change of holders are faults.

use super::*;

fn writes(by_service: &[(&str, usize)]) -> Writes {
    let words = |count: usize| vec!["a write".to_owned(); count];
    Writes {
        total: by_service.iter().map(|(_, count)| count).sum(),
        by_service: by_service
            .iter()
            .map(|(service, count)| ((*service).to_owned(), words(*count)))
            .collect(),
    }
}

fn handover(baseline: Writes, taken: Writes, unowned: &[(&str, usize)], back: Writes) -> Handover {
    let unowned = unowned.iter();
    Handover {
        what: "test",
        baseline,
        taken: Some(taken),
        unowned: unowned
            .map(|(service, count)| ((*service).to_owned(), *count))
            .collect(),
        back,
        auto: ["ns/auto".to_owned()].into(),
    }
}

#[test]
fn a_write_at_take_over_is_a_fault_unless_it_gives_a_placeholder_its_owner() {
    let none = || writes(&[]);
    assert!(handover(none(), none(), &[], none()).holds());
    assert!(!handover(none(), writes(&[("ns/web", 1)]), &[], none()).holds());
    assert!(handover(none(), writes(&[("ns/web", 2)]), &[("ns/web", 1)], none()).holds());
    assert!(!handover(none(), writes(&[("ns/web", 3)]), &[("ns/web", 1)], none()).holds());
    assert!(!handover(none(), writes(&[("ns/db", 1)]), &[("ns/web", 1)], none()).holds());
}

#[test]
fn what_comes_back_may_be_written_where_a_restart_writes_it_in_any_case() {
    let none = || writes(&[]);
    let back = || writes(&[("ns/web", 4)]);
    assert!(!handover(none(), none(), &[], back()).holds());
    assert!(handover(writes(&[("ns/web", 2)]), none(), &[], back()).holds());
    assert!(!handover(writes(&[("ns/db", 9)]), none(), &[], back()).holds());
}

#[test]
fn hints_by_annotation_may_be_written_at_a_hand_back_and_not_at_a_take_over() {
    let none = || writes(&[]);
    let auto = || writes(&[("ns/auto", 6)]);
    assert!(handover(none(), none(), &[], auto()).holds());
    assert!(!handover(none(), auto(), &[], none()).holds());
}
