//! Which writes at a change of holders are faults.

use super::*;

fn writes(by_service: &[(&str, usize)]) -> Writes {
    let write = || Write {
        kind: ["endpointslices", "update", "IPv4"].map(str::to_owned),
        words: "a write".to_owned(),
    };
    let words = |count: usize| (0..count).map(|_| write()).collect();
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
    assert!(handover(none(), none(), &[], none()).faults().is_empty());
    assert!(
        !handover(none(), writes(&[("ns/web", 1)]), &[], none())
            .faults()
            .is_empty()
    );
    assert!(
        handover(none(), writes(&[("ns/web", 2)]), &[("ns/web", 1)], none())
            .faults()
            .is_empty()
    );
    assert!(
        !handover(none(), writes(&[("ns/web", 3)]), &[("ns/web", 1)], none())
            .faults()
            .is_empty()
    );
    assert!(
        !handover(none(), writes(&[("ns/db", 1)]), &[("ns/web", 1)], none())
            .faults()
            .is_empty()
    );
}

#[test]
fn what_comes_back_may_be_written_where_a_restart_writes_it_in_any_case() {
    let none = || writes(&[]);
    let back = || writes(&[("ns/web", 4)]);
    assert!(!handover(none(), none(), &[], back()).faults().is_empty());
    assert!(
        handover(writes(&[("ns/web", 4)]), none(), &[], back())
            .faults()
            .is_empty()
    );
    assert!(
        !handover(writes(&[("ns/web", 3)]), none(), &[], back())
            .faults()
            .is_empty()
    );
    assert!(
        !handover(writes(&[("ns/db", 9)]), none(), &[], back())
            .faults()
            .is_empty()
    );
    let mut others = writes(&[("ns/web", 4)]);
    for write in others.by_service.values_mut().flatten() {
        "delete".clone_into(&mut write.kind[1]);
    }
    assert!(!handover(others, none(), &[], back()).faults().is_empty());
}

#[test]
fn hints_by_annotation_may_be_written_at_a_hand_back_and_not_at_a_take_over() {
    let none = || writes(&[]);
    let auto = || writes(&[("ns/auto", 6)]);
    assert!(handover(none(), none(), &[], auto()).faults().is_empty());
    assert!(!handover(none(), auto(), &[], none()).faults().is_empty());
}
