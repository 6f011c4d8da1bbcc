//! kube-controller-manager's `--controllers`, with its names.

use super::{ALL, Part, known, upstream};

/// Why a list of controllers makes no sense.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SelectionError {
    /// All names that are not ours, in the order given.
    #[error("--controllers: {}. Known are: {}", together(.0), known())]
    Names(Vec<WrongName>),
    #[error("--controllers: nothing is left to run; known are: {}", known())]
    Nothing,
    /// `*` and names left out.
    #[error(
        "--controllers: nothing is left to run: this value belongs to kube-controller-manager's flag, which leaves out \
         what runs here; known are: {}",
        known()
    )]
    Opposite,
    /// What one controller writes would be deleted by the other.
    #[error(
        "--delete-unused-endpoints-after: Endpoints are in use while the controller is on that keeps them: give \
         --controllers=*,-endpoints-controller as well, also to kube-controller-manager"
    )]
    StillUsed,
    /// Asked for what only a controller does that is left out.
    #[error("{flag}: the controller that does it is left out: add {controller} to --controllers")]
    Unserved {
        flag: &'static str,
        controller: &'static str,
    },
    /// How to do what nobody asked for.
    #[error("--rebalance-quiet: nothing is merged without --rebalance: give that as well, or leave this out")]
    NotRebalanced,
}

/// What is wrong with a name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WrongName {
    #[error("there is no controller {name:?}{}", suggestion(*.nearest))]
    Unknown {
        name: String,
        nearest: Option<&'static str>,
    },
    #[error("{name} belongs to {program} and stays there")]
    Upstream { name: String, program: &'static str },
}

fn together(names: &[WrongName]) -> String {
    let each: Vec<String> = names.iter().map(ToString::to_string).collect();
    each.join("; ")
}

fn suggestion(nearest: Option<&'static str>) -> String {
    nearest
        .map(|name| format!(" (did you mean {name:?}?)"))
        .unwrap_or_default()
}

/// The controllers that a list selects: `*` is all of them that are on by default, `foo` adds one, `-foo` leaves one out. What is said of a
/// controller by name wins over `*`, and what is said first wins over what is said later, as in
/// kube-controller-manager.
pub(crate) fn select(list: &[String]) -> Result<Vec<&'static Part>, SelectionError> {
    let all = list.iter().any(|entry| entry == "*");
    let mut named: Vec<(&Part, bool)> = Vec::new();
    let mut wrong: Vec<WrongName> = Vec::new();
    for entry in list
        .iter()
        .map(|entry| entry.trim())
        .filter(|entry| !entry.is_empty() && *entry != "*")
    {
        let (name, wanted) = entry
            .strip_prefix('-')
            .map_or((entry, true), |name| (name, false));
        match find(name) {
            Ok(part) if !named.iter().any(|(known, _)| *known == part) => named.push((part, wanted)),
            Err(error) if !wrong.contains(&error) => wrong.push(error),
            _ => {}
        }
    }
    if !wrong.is_empty() {
        return Err(SelectionError::Names(wrong));
    }
    let selected: Vec<&Part> = ALL
        .iter()
        .filter(|part| {
            named
                .iter()
                .find(|(known, _)| known == part)
                .map_or(all && part.by_default, |(_, wanted)| *wanted)
        })
        .collect();
    // What only this program has would run on, and nobody would keep slices.
    if all && !selected.iter().any(|part| part.replaces) {
        Err(SelectionError::Opposite)
    } else if selected.is_empty() {
        Err(SelectionError::Nothing)
    } else {
        Ok(selected)
    }
}

fn find(name: &str) -> Result<&'static Part, WrongName> {
    let names = || {
        ALL.iter()
            .flat_map(|part| std::iter::once(&part.canonical).chain(part.aliases))
    };
    let found = ALL
        .iter()
        .find(|part| part.canonical == name || part.aliases.contains(&name));
    if let Some(part) = found {
        return Ok(part);
    }
    let name = name.to_owned();
    for (names, program) in [
        (upstream::OTHERS, "kube-controller-manager"),
        (upstream::ALIASES, "kube-controller-manager"),
        (
            upstream::CLOUD,
            "kube-controller-manager or cloud-controller-manager",
        ),
    ] {
        if names.contains(&&*name) {
            return Err(WrongName::Upstream { name, program });
        }
    }
    // Half the letters wrong is another word.
    let nearest = names()
        .map(|known| (strsim::damerau_levenshtein(&name, known), *known))
        .filter(|(distance, known)| distance * 2 < known.len())
        .min()
        .map(|(_, known)| known);
    Err(WrongName::Unknown { name, nearest })
}

#[cfg(test)]
mod tests;
