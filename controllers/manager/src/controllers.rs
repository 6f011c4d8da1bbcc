//! Which controllers run: kube-controller-manager's `--controllers`, with its names.

mod upstream;

use std::collections::BTreeSet;

/// A controller of this binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Controller {
    EndpointSlice,
}

struct Names {
    controller: Controller,
    /// kube-controller-manager's name, which is shown.
    canonical: &'static str,
    /// Names that are taken as well: kube-controller-manager's alias and our own.
    aliases: &'static [&'static str],
}

/// `cmd/kube-controller-manager/names/controller_names.go` and its aliases.
const ALL: &[Names] = &[Names {
    controller: Controller::EndpointSlice,
    canonical: "endpointslice-controller",
    aliases: &[quaymaster_endpointslice::NAME],
}];

/// The names to choose from, for `--help`.
pub(crate) fn known() -> String {
    ALL.iter()
        .map(|names| names.canonical)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Why a list of controllers makes no sense.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SelectionError {
    #[error("--controllers: there is no controller {name:?}{}; known are: {known}", suggestion(.nearest.as_ref()), known = known())]
    Unknown {
        name: String,
        nearest: Option<&'static str>,
    },
    #[error(
        "--controllers: {name} is not part of quaymaster yet, leave it on in kube-controller-manager; known are: {}",
        known()
    )]
    Planned { name: String },
    #[error(
        "--controllers: {name} belongs to {program} and stays there; known are: {}",
        known()
    )]
    Upstream { name: String, program: &'static str },
    #[error("--controllers: nothing is left to run; known are: {}", known())]
    Nothing,
    /// `*` and names left out.
    #[error(
        "--controllers: nothing is left to run: this value belongs to kube-controller-manager's flag, which leaves out \
         what runs here; known are: {}",
        known()
    )]
    Opposite,
}

fn suggestion(nearest: Option<&&'static str>) -> String {
    nearest
        .map(|name| format!(", did you mean {name:?}?"))
        .unwrap_or_default()
}

/// The controllers that a list selects: `*` is all of them, `foo` adds one, `-foo` leaves one out. What is said of a
/// controller by name wins over `*`, and what is said first wins over what is said later, as in
/// kube-controller-manager.
pub(crate) fn select(list: &[String]) -> Result<BTreeSet<Controller>, SelectionError> {
    let all = list.iter().any(|entry| entry == "*");
    let mut named: Vec<(Controller, bool)> = Vec::new();
    for entry in list
        .iter()
        .map(|entry| entry.trim())
        .filter(|entry| !entry.is_empty() && *entry != "*")
    {
        let (name, wanted) = entry
            .strip_prefix('-')
            .map_or((entry, true), |name| (name, false));
        let controller = find(name)?;
        if !named.iter().any(|(known, _)| *known == controller) {
            named.push((controller, wanted));
        }
    }
    let selected: BTreeSet<Controller> = ALL
        .iter()
        .map(|names| names.controller)
        .filter(|controller| {
            named
                .iter()
                .find(|(known, _)| known == controller)
                .map_or(all, |(_, wanted)| *wanted)
        })
        .collect();
    if selected.is_empty() && all {
        Err(SelectionError::Opposite)
    } else if selected.is_empty() {
        Err(SelectionError::Nothing)
    } else {
        Ok(selected)
    }
}

fn find(name: &str) -> Result<Controller, SelectionError> {
    let names = || {
        ALL.iter()
            .flat_map(|names| std::iter::once(&names.canonical).chain(names.aliases))
    };
    let found = ALL
        .iter()
        .find(|names| names.canonical == name || names.aliases.contains(&name));
    if let Some(names) = found {
        return Ok(names.controller);
    }
    let name = name.to_owned();
    if upstream::PLANNED.contains(&&*name) {
        return Err(SelectionError::Planned { name });
    }
    for (names, program) in [
        (upstream::OTHERS, "kube-controller-manager"),
        (upstream::ALIASES, "kube-controller-manager"),
        (
            upstream::CLOUD,
            "kube-controller-manager or cloud-controller-manager",
        ),
    ] {
        if names.contains(&&*name) {
            return Err(SelectionError::Upstream { name, program });
        }
    }
    // Half the letters wrong is another word.
    let nearest = names()
        .map(|known| (strsim::damerau_levenshtein(&name, known), *known))
        .filter(|(distance, known)| distance * 2 < known.len())
        .min()
        .map(|(_, known)| known);
    Err(SelectionError::Unknown { name, nearest })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(list: &[&str]) -> Result<Vec<Controller>, SelectionError> {
        let list: Vec<String> = list.iter().map(ToString::to_string).collect();
        select(&list).map(|set| set.into_iter().collect())
    }

    #[test]
    fn a_star_selects_all_and_a_name_selects_one() {
        assert_eq!(selected(&["*"]), Ok(vec![Controller::EndpointSlice]));
        assert_eq!(
            selected(&["endpointslice-controller"]),
            Ok(vec![Controller::EndpointSlice])
        );
        assert_eq!(selected(&["endpointslice"]), Ok(vec![Controller::EndpointSlice]));
    }

    #[test]
    fn a_minus_leaves_one_out_wherever_the_star_stands() {
        for list in [
            ["*", "-endpointslice-controller"],
            ["-endpointslice-controller", "*"],
        ] {
            let error = selected(&list).unwrap_err();
            assert_eq!(error, SelectionError::Opposite);
            let text = error.to_string();
            assert!(
                text.contains("nothing is left to run: this value belongs to kube-controller-manager's flag"),
                "{text}"
            );
        }
        assert_eq!(
            selected(&["-endpointslice-controller"]),
            Err(SelectionError::Nothing)
        );
    }

    #[test]
    fn of_two_words_about_one_controller_the_first_counts() {
        assert_eq!(
            selected(&["endpointslice", "-endpointslice"]),
            Ok(vec![Controller::EndpointSlice])
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
                "endpoints-controller",
                "endpoints-controller is not part of quaymaster yet",
            ),
            ("-service-cidr", "service-cidr is not part of quaymaster yet"),
            ("endpoint", "endpoint is not part of quaymaster yet"),
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
            assert!(error.contains(expected) && error.contains("known are"), "{error}");
        }
    }

    #[test]
    fn no_name_stands_for_two_controllers() {
        let ours = ALL.iter().flat_map(|names| {
            let aliases = names.aliases.iter().copied();
            std::iter::once(names.canonical).chain(aliases)
        });
        let theirs = [
            upstream::PLANNED,
            upstream::OTHERS,
            upstream::ALIASES,
            upstream::CLOUD,
        ];
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
            !error.contains("did you mean") && error.contains("known are"),
            "{error}"
        );
    }
}
