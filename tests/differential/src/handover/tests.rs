//! Which writes at a change of holders are faults.

use super::*;

fn write(verb: &str, slice: &str, placeholder: bool) -> Write {
    Write {
        kind: ["endpointslices", verb, "IPv4"].map(str::to_owned),
        name: slice.to_owned(),
        placeholder,
        mirrors: false,
        change: Change::Content,
        code: 200,
        words: format!("{verb} of {slice}"),
    }
}

fn writes(by_service: &[(&str, usize)]) -> Writes {
    let updates = |count: usize| {
        let slices = (0..count).map(|index| format!("web-{index}"));
        slices.map(|slice| write("update", &slice, false)).collect()
    };
    Writes {
        total: by_service.iter().map(|(_, count)| count).sum(),
        by_service: by_service
            .iter()
            .map(|(service, count)| ((*service).to_owned(), updates(*count)))
            .collect(),
    }
}

fn handover(
    baseline: Writes,
    taken: Writes,
    unowned: BTreeMap<String, Vec<Unowned>>,
    back: Writes,
) -> Handover {
    Handover {
        what: "test",
        minor: 37,
        baseline,
        taken: Some(taken),
        unowned,
        refused: Refused::default(),
        mirrors: BTreeSet::new(),
        ambiguous: BTreeSet::new(),
        back,
        auto: ["ns/auto".to_owned()].into(),
    }
}

/// Faults of a take-over over a placeholder `old` without owner, by these writes for a Service.
fn taken(service: &str, writes: Vec<Write>, terminating: bool) -> Vec<String> {
    let none = || self::writes(&[]);
    let old = Unowned {
        slice: "old".to_owned(),
        family: "IPv4".to_owned(),
        terminating,
    };
    let taken = Writes {
        total: writes.len(),
        by_service: [(service.to_owned(), writes)].into(),
    };
    let unowned = [("ns/web".to_owned(), vec![old])].into();
    handover(none(), taken, unowned, none()).faults()
}

#[test]
fn a_write_at_take_over_is_a_fault() {
    let none = || writes(&[]);
    let nothing = BTreeMap::new;
    assert_eq!(handover(none(), none(), nothing(), none()).faults(), [""; 0]);
    let one = writes(&[("ns/web", 1)]);
    assert_eq!(handover(none(), one, nothing(), none()).faults().len(), 1);
}

#[test]
fn a_placeholder_without_owner_is_replaced_by_one_create_of_a_placeholder_and_one_delete_of_it() {
    let create = || write("create", "new", true);
    let delete = || write("delete", "old", false);
    let of_web = |writes| taken("ns/web", writes, false).len();
    assert_eq!(of_web(vec![create(), delete()]), 0);
    assert_eq!(of_web(vec![create()]), 0, "the garbage collector was faster");
    assert_eq!(of_web(vec![delete()]), 1, "nothing in its place");
    assert_eq!(of_web(vec![]), 1, "left as it was");
    assert_eq!(of_web(vec![create(), delete(), create()]), 1);
    assert_eq!(of_web(vec![create(), delete(), delete()]), 1);
    assert_eq!(of_web(vec![create(), write("delete", "other", false)]), 1);
    assert_eq!(of_web(vec![create(), write("update", "old", true)]), 1);
    assert_eq!(of_web(vec![write("create", "new", false), delete()]), 2);
    let mut other_family = create();
    "IPv6".clone_into(&mut other_family.kind[2]);
    assert_eq!(of_web(vec![other_family, delete()]), 2);
    assert_eq!(taken("ns/db", vec![create(), delete()], false).len(), 3);
    assert_eq!(
        taken("ns/web", vec![], true).len(),
        0,
        "nothing is created for it"
    );
}

#[test]
fn what_comes_back_may_be_written_where_a_restart_writes_it_in_any_case() {
    let none = || writes(&[]);
    let back = || writes(&[("ns/web", 4)]);
    assert!(
        !handover(none(), none(), BTreeMap::new(), back())
            .faults()
            .is_empty()
    );
    assert!(
        handover(writes(&[("ns/web", 4)]), none(), BTreeMap::new(), back())
            .faults()
            .is_empty()
    );
    assert!(
        !handover(writes(&[("ns/web", 3)]), none(), BTreeMap::new(), back())
            .faults()
            .is_empty()
    );
    assert!(
        !handover(writes(&[("ns/db", 9)]), none(), BTreeMap::new(), back())
            .faults()
            .is_empty()
    );
    let mut others = writes(&[("ns/web", 4)]);
    for write in others.by_service.values_mut().flatten() {
        "delete".clone_into(&mut write.kind[1]);
    }
    assert!(
        !handover(others, none(), BTreeMap::new(), back())
            .faults()
            .is_empty()
    );
}

#[test]
fn hints_by_annotation_may_be_written_at_a_hand_back_and_at_a_take_over_where_no_restart_leaves_them_alone() {
    let none = || writes(&[]);
    let auto = || {
        let mut auto = writes(&[("ns/auto", 6)]);
        for write in auto.by_service.values_mut().flatten() {
            write.change = Change::Hints;
        }
        auto
    };
    let back = handover(none(), none(), BTreeMap::new(), auto());
    assert_eq!(back.faults(), [""; 0]);
    assert!(back.to_string().ends_with("; forgiven: auto-hints 6"), "{back}");
    assert_eq!(
        handover(none(), none(), BTreeMap::new(), writes(&[("ns/auto", 6)]))
            .faults()
            .len(),
        6,
        "something else than hints"
    );
    assert_eq!(
        handover(none(), auto(), BTreeMap::new(), none()).faults().len(),
        6
    );
    let unsettled = handover(auto(), auto(), BTreeMap::new(), none());
    assert_eq!(unsettled.faults(), [""; 0], "it does not leave them alone either");
    let mut twice = auto();
    for writes in twice.by_service.values_mut() {
        writes.extend_from_within(..1);
    }
    let again = handover(auto(), twice, BTreeMap::new(), none());
    assert_eq!(again.faults().len(), 1, "it hints a slice once");
    let mut conflicts = auto();
    for write in conflicts.by_service.values_mut().flatten() {
        write.change = Change::Nothing;
    }
    let conflicts = handover(conflicts, auto(), BTreeMap::new(), none());
    assert_eq!(conflicts.faults().len(), 6, "conflicts say nothing of hints");
    let content = || writes(&[("ns/auto", 6)]);
    assert_eq!(
        handover(auto(), content(), BTreeMap::new(), none())
            .faults()
            .len(),
        6
    );
    assert_eq!(
        handover(content(), auto(), BTreeMap::new(), none())
            .faults()
            .len(),
        6
    );
    for verb in ["create", "delete"] {
        let mut others = auto();
        for write in others.by_service.values_mut().flatten() {
            verb.clone_into(&mut write.kind[1]);
        }
        assert_eq!(
            handover(none(), none(), BTreeMap::new(), others).faults().len(),
            6
        );
    }
}

#[test]
fn a_write_of_endpoints_is_no_write_of_a_slice() {
    let none = || writes(&[]);
    let of_endpoints = |mut writes: Writes| {
        for write in writes.by_service.values_mut().flatten() {
            "endpoints".clone_into(&mut write.kind[0]);
        }
        writes
    };
    let auto = || writes(&[("ns/auto", 1)]);
    let faults = |baseline, back| handover(baseline, none(), BTreeMap::new(), back).faults().len();
    assert_eq!(faults(none(), of_endpoints(auto())), 1, "it has no hints");
    let web = || writes(&[("ns/web", 1)]);
    assert_eq!(faults(web(), of_endpoints(web())), 1);
    assert_eq!(faults(of_endpoints(web()), of_endpoints(web())), 0);
}

#[test]
fn what_is_written_at_every_look_may_be_written_any_number_of_times_and_nothing_else_may() {
    let of = |mirrors, count| {
        let mut writes = writes(&[("ns/web", count)]);
        for write in writes.by_service.values_mut().flatten() {
            write.mirrors = mirrors;
        }
        writes
    };
    let asked = |resource: &str, verb: &str, count| {
        let mut writes = of(false, count);
        for write in writes.by_service.values_mut().flatten() {
            resource.clone_into(&mut write.kind[0]);
            verb.clone_into(&mut write.kind[1]);
        }
        writes
    };
    let of_endpoints = |count| asked("endpoints", "update", count);
    let of_cidrs = |count| asked("servicecidrs", "patch", count);
    let faults = |baseline, back| {
        handover(baseline, writes(&[]), BTreeMap::new(), back)
            .faults()
            .len()
    };
    assert_eq!(faults(of(true, 1), of(true, 3)), 0);
    assert_eq!(faults(of(true, 0), of(true, 1)), 1);
    assert_eq!(faults(of_endpoints(1), of_endpoints(3)), 0);
    assert_eq!(faults(of_endpoints(0), of_endpoints(1)), 1);
    assert_eq!(faults(of_cidrs(1), of_cidrs(3)), 0);
    assert_eq!(faults(of_cidrs(0), of_cidrs(1)), 1);
    assert_eq!(faults(of(false, 1), of(false, 3)), 2);
    // What changes nothing over its own does not stand for what changes something.
    let nothing = |count| {
        let mut writes = of_endpoints(count);
        for write in writes.by_service.values_mut().flatten() {
            write.change = Change::Nothing;
        }
        writes
    };
    assert_eq!(faults(nothing(1), of_endpoints(2)), 2);
    assert_eq!(faults(of_endpoints(1), nothing(2)), 0);
}

#[test]
fn what_kube_controller_manager_was_refused_is_put_right_and_nothing_else() {
    let taken = |resource: &str, refused: Refused| {
        let mut taken = writes(&[("ns/web", 2)]);
        for write in taken.by_service.values_mut().flatten() {
            resource.clone_into(&mut write.kind[0]);
        }
        let mut handover = handover(writes(&[]), taken, BTreeMap::new(), writes(&[]));
        handover.refused = refused;
        handover.faults().len()
    };
    let path = |path: &str| BTreeSet::from([path.to_owned()]);
    let slices = |of| Refused {
        slices: path(of),
        ..Refused::default()
    };
    let endpoints = |of| Refused {
        endpoints: path(of),
        ..Refused::default()
    };
    assert_eq!(
        taken("endpointslices", slices("ns/web")),
        2,
        "they mirror nothing"
    );
    assert_eq!(taken("endpoints", endpoints("ns/web")), 0);
    let mut handover = handover(
        writes(&[]),
        mirroring(vec![
            write("update", "hand-a", false),
            write("delete", "hand-b", false),
        ]),
        BTreeMap::new(),
        writes(&[]),
    );
    handover.refused = slices("ns/hand");
    assert_eq!(handover.faults(), [""; 0]);
    assert_eq!(taken("endpointslices", slices("ns/db")), 2);
    assert_eq!(taken("endpointslices", endpoints("ns/web")), 2);
    assert_eq!(taken("endpoints", slices("ns/web")), 2);
}

#[test]
fn a_mirrored_slice_that_kube_controller_manager_asks_for_though_it_is_there_is_no_fault_of_a_hand_back() {
    let back = |mirrors, verb: &str, code| {
        let asked = Write {
            mirrors,
            code,
            ..write(verb, "", false)
        };
        let back = Writes {
            total: 1,
            by_service: [("ns/hand".to_owned(), vec![asked])].into(),
        };
        let none = || writes(&[]);
        handover(none(), none(), BTreeMap::new(), back).faults().len()
    };
    assert_eq!(back(true, "create", 409), 0);
    assert_eq!(back(true, "create", 201), 1);
    assert_eq!(back(true, "update", 409), 1);
    assert_eq!(back(false, "create", 409), 1);
}

#[test]
fn endpoints_in_other_subsets_may_be_written_again_before_1_35_by_kube_controller_manager_alone() {
    let asked = |change| {
        let mut writes = writes(&[("ns/web", 1)]);
        for write in writes.by_service.values_mut().flatten() {
            "endpoints".clone_into(&mut write.kind[0]);
            write.change = change;
        }
        writes
    };
    let faults = |minor, change| {
        let none = || writes(&[]);
        let mut back = handover(none(), none(), BTreeMap::new(), asked(change));
        let mut taken = handover(none(), asked(change), BTreeMap::new(), none());
        (back.minor, taken.minor) = (minor, minor);
        [back.faults().len(), taken.faults().len()]
    };
    assert_eq!(faults(34, Change::Order), [0, 1]);
    assert_eq!(faults(35, Change::Order), [1, 1]);
    assert_eq!(faults(34, Change::Content), [1, 1]);
}

/// Writes of slices that mirror the Endpoints of `ns/hand`.
fn mirroring(writes: Vec<Write>) -> Writes {
    let mirrors = |write| Write {
        mirrors: true,
        ..write
    };
    Writes {
        total: writes.len(),
        by_service: [("ns/hand".to_owned(), writes.into_iter().map(mirrors).collect())].into(),
    }
}

#[test]
fn mirrored_slices_that_kube_controller_manager_left_wrong_may_be_put_right_and_others_not() {
    let faults = |wrong: &[&str]| {
        let taken = mirroring(vec![write("update", "hand-a", false)]);
        let mut handover = handover(writes(&[]), taken, BTreeMap::new(), writes(&[]));
        handover.mirrors = wrong.iter().map(|path| (*path).to_owned()).collect();
        handover.faults().len()
    };
    assert_eq!(faults(&["ns/hand"]), 0);
    assert_eq!(faults(&[]), 1);
    assert_eq!(faults(&["ns/other"]), 1);
}

#[test]
fn a_mirrored_slice_may_be_written_as_it_is_by_kube_controller_manager_alone() {
    let written = |nothing| {
        mirroring(vec![Write {
            change: if nothing { Change::Nothing } else { Change::Content },
            ..write("update", "hand-a", false)
        }])
    };
    let none = || writes(&[]);
    let back = |nothing| {
        handover(none(), none(), BTreeMap::new(), written(nothing))
            .faults()
            .len()
    };
    assert_eq!((back(true), back(false)), (0, 1));
    let taken = handover(none(), written(true), BTreeMap::new(), none());
    assert_eq!(taken.faults().len(), 1);
}

#[test]
fn what_kube_controller_manager_is_refused_of_endpoints_is_no_fault_of_a_hand_back_and_one_of_a_take_over() {
    let asked = |resource: &str, invalid| {
        let mut writes = writes(&[("ns/web", 1)]);
        for write in writes.by_service.values_mut().flatten() {
            resource.clone_into(&mut write.kind[0]);
            write.code = if invalid { 422 } else { 200 };
        }
        writes
    };
    let none = || writes(&[]);
    let back = |back| handover(none(), none(), BTreeMap::new(), back).faults().len();
    assert_eq!(back(asked("endpoints", true)), 0);
    assert_eq!(back(asked("endpoints", false)), 1);
    assert_eq!(back(asked("endpointslices", true)), 1);
    let taken = handover(none(), asked("endpoints", true), BTreeMap::new(), none());
    assert_eq!(taken.faults().len(), 1);
}
