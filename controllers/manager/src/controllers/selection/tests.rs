use std::collections::BTreeSet;

use super::*;

fn selected(list: &[&str]) -> Result<Vec<&'static str>, SelectionError> {
    let list: Vec<String> = list.iter().map(ToString::to_string).collect();
    select(&list).map(|parts| parts.iter().map(|part| part.canonical).collect())
}

#[test]
fn a_star_selects_all_that_are_on_by_default_and_a_name_selects_one() {
    let all = ALL.iter().filter(|part| part.by_default);
    let all: Vec<&str> = all.map(|part| part.canonical).collect();
    assert!(!all.contains(&"clusterip") && !all.contains(&"nodeport"));
    assert_eq!(selected(&["nodeport"]), Ok(vec!["nodeport"]));
    assert_eq!(selected(&["*"]), Ok(all));
    assert_eq!(
        selected(&["endpointslice-controller"]),
        Ok(vec!["endpointslice-controller"])
    );
    for (name, canonical) in [
        ("endpoints-controller", "endpoints-controller"),
        ("endpoint", "endpoints-controller"),
        ("endpoints", "endpoints-controller"),
        ("endpointslice", "endpointslice-controller"),
        ("endpointslicemirroring", "endpointslice-mirroring-controller"),
        ("endpointslice-mirroring", "endpointslice-mirroring-controller"),
        ("externalname", "externalname-controller"),
    ] {
        assert_eq!(selected(&[name]), Ok(vec![canonical]), "{name}");
    }
}

#[test]
fn the_value_of_kube_controller_managers_flag_is_refused_although_one_controller_is_not_in_it() {
    let replaced = ALL.iter().filter(|part| part.replaces);
    let mut list: Vec<String> = replaced.map(|part| format!("-{}", part.canonical)).collect();
    list.insert(0, "*".to_owned());
    let list: Vec<&str> = list.iter().map(String::as_str).collect();
    assert_eq!(selected(&list).unwrap_err(), SelectionError::Opposite);
    assert_eq!(selected(&["externalname"]), Ok(vec!["externalname-controller"]));
}

#[test]
fn a_minus_leaves_one_out_wherever_the_star_stands() {
    let mut without: Vec<String> = ALL.iter().map(|part| format!("-{}", part.canonical)).collect();
    for at in [0, without.len()] {
        let mut list: Vec<&str> = without.iter().map(String::as_str).collect();
        list.insert(at, "*");
        let error = selected(&list).unwrap_err();
        assert_eq!(error, SelectionError::Opposite);
        let text = error.to_string();
        assert!(
            text.contains("nothing is left to run: this value belongs to kube-controller-manager's flag"),
            "{text}"
        );
    }
    let kept = without.remove(0);
    let mut list: Vec<&str> = without.iter().map(String::as_str).collect();
    list.push("*");
    assert_eq!(selected(&list).unwrap(), [kept.trim_start_matches('-')]);
    assert_eq!(
        selected(&["-endpointslice-controller"]),
        Err(SelectionError::Nothing)
    );
}

#[test]
fn of_two_words_about_one_controller_the_first_counts() {
    assert_eq!(
        selected(&["endpointslice", "-endpointslice"]),
        Ok(vec!["endpointslice-controller"])
    );
    assert_eq!(
        selected(&["-endpointslice", "endpointslice"]),
        Err(SelectionError::Nothing)
    );
}

#[test]
fn of_kube_controller_managers_other_controllers_it_is_said_that_they_stay_there() {
    for (name, expected) in [
        (
            "deployment-controller",
            "deployment-controller belongs to kube-controller-manager",
        ),
        (
            "-bootstrapsigner",
            "bootstrapsigner belongs to kube-controller-manager and",
        ),
        (
            "tokencleaner",
            "tokencleaner belongs to kube-controller-manager and",
        ),
        (
            "-service",
            "service belongs to kube-controller-manager or cloud-controller-manager",
        ),
        (
            "cloud-node-lifecycle-controller",
            "or cloud-controller-manager and stays there",
        ),
    ] {
        let error = selected(&["*", name]).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("Known are"), "{error}");
    }
}

#[test]
fn no_name_stands_for_two_controllers() {
    let ours = ALL.iter().flat_map(|part| {
        let aliases = part.aliases.iter().copied();
        std::iter::once(part.canonical).chain(aliases)
    });
    let theirs = [upstream::OTHERS, upstream::ALIASES, upstream::CLOUD];
    let mut seen = BTreeSet::new();
    for name in ours.chain(theirs.into_iter().flatten().copied()) {
        assert!(seen.insert(name), "{name}");
    }
}

#[test]
fn a_misspelled_name_is_refused_with_the_nearest_one() {
    let error = selected(&["endpointslise-controller"]).unwrap_err().to_string();
    assert!(
        error.contains("did you mean \"endpointslice-controller\"?"),
        "{error}"
    );
    let error = selected(&["xyz"]).unwrap_err().to_string();
    assert!(
        !error.contains("did you mean") && error.contains("Known are"),
        "{error}"
    );
}

#[test]
fn all_wrong_names_are_told_at_once_each_with_what_fits() {
    let error = selected(&["endpointslise", "-xyz", "*", "deployment", "xyz", "endpoints"]).unwrap_err();
    let expected = "--controllers: there is no controller \"endpointslise\" (did you mean \"endpointslice\"?); there is \
                    no controller \"xyz\"; deployment belongs to kube-controller-manager and stays there. Known are: \
                    endpoints-controller, ";
    assert!(error.to_string().starts_with(expected), "{error}");
}

/// What runs by these arguments.
fn parts(arguments: &[&str]) -> Result<Vec<&'static str>, SelectionError> {
    running(arguments).map(|parts| parts.iter().map(|part| part.canonical).collect())
}

fn running(arguments: &[&str]) -> Result<Vec<&'static Part>, SelectionError> {
    let arguments = ["quaymaster"].iter().chain(arguments);
    let flags = <crate::flags::Flags as clap::Parser>::try_parse_from(arguments).unwrap();
    super::super::of(&flags)
}

#[test]
fn what_deletes_stale_endpoints_needs_the_permission_to_and_its_controller() {
    let verbs = |arguments: &[&str]| {
        let parts = running(arguments).unwrap();
        let needs = parts.into_iter().flat_map(|part| part.needs);
        needs
            .filter(|need| need.verbs.contains(&"delete"))
            .map(|need| need.resource)
            .collect::<Vec<_>>()
    };
    let (alone, deletes) = ("--controllers=externalname", "--delete-stale-endpoints-after=1h");
    assert_eq!(parts(&[alone]), Ok(vec!["externalname-controller"]));
    assert_eq!(verbs(&[alone]), [""; 0]);
    assert_eq!(parts(&[alone, deletes]), Ok(vec!["externalname-controller"]));
    assert_eq!(verbs(&[alone, deletes]), ["endpoints", "endpointslices"]);
    let error = parts(&["--controllers=*,-externalname-controller", deletes]).unwrap_err();
    assert!(matches!(error, SelectionError::Unserved { .. }), "{error:?}");
    assert!(
        error.to_string().contains("add externalname-controller"),
        "{error}"
    );
}

#[test]
fn endpoints_are_cleaned_up_only_where_nobody_keeps_them() {
    let without = "--controllers=endpointslice-controller";
    assert_eq!(parts(&[without]), Ok(vec!["endpointslice-controller"]));
    let cleanup = "--delete-unused-endpoints-after=10m";
    assert_eq!(
        parts(&[without, cleanup]),
        Ok(vec!["endpointslice-controller", "endpoints-cleanup"])
    );
    let error = parts(&[cleanup]).unwrap_err();
    assert_eq!(error, SelectionError::StillUsed);
    assert!(
        error
            .to_string()
            .contains("--controllers=*,-endpoints-controller"),
        "{error}"
    );
}

#[test]
fn flags_about_merging_are_refused_where_nothing_would_be_merged() {
    let (merges, quiet) = ("--rebalance", "--rebalance-quiet=5m");
    for right in [
        &[merges][..],
        &[merges, quiet],
        &[merges, "--controllers=endpointslice"],
    ] {
        assert!(parts(right).is_ok(), "{right:?}");
    }
    for controllers in [
        "--controllers=endpoints",
        "--controllers=*,-endpointslice-controller",
    ] {
        let error = parts(&[merges, controllers]).unwrap_err().to_string();
        assert!(
            error.starts_with("--rebalance: ")
                && error.contains("add endpointslice-controller to --controllers"),
            "{error}"
        );
    }
    let error = parts(&[quiet]).unwrap_err().to_string();
    assert!(
        error.starts_with("--rebalance-quiet: ") && error.contains("without --rebalance"),
        "{error}"
    );
}
