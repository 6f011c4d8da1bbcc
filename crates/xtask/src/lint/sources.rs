//! Source files: their length, and that each belongs to a crate.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::workspace;

/// Most lines of a file, tests included: past that it holds more than one idea.
const LONGEST: usize = 500;

pub(super) fn check() -> Result<Vec<String>> {
    let root = workspace::root();
    let mut findings = Vec::new();
    let declared = declared(&root)?;
    for path in workspace::files()? {
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(root.join(&path)).with_context(|| path.display().to_string())?;
        let lines = text.lines().count();
        if lines > LONGEST {
            findings.push(format!("{}: {lines} lines, more than {LONGEST}", path.display()));
        }
        if !declared.contains(&root.join(&path)) {
            findings.push(format!("{}: no module declares this file", path.display()));
        }
    }
    findings.extend(machine_paths(&root)?);
    Ok(findings)
}

/// Files that a target of the workspace is made of.
fn declared(root: &Path) -> Result<BTreeSet<PathBuf>> {
    let metadata = workspace::metadata()?;
    // The root as cargo writes it may differ, by a link, from the one that we know.
    let cargos = metadata["workspace_root"].as_str().unwrap_or_default();
    let mut declared = BTreeSet::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        for target in package["targets"].as_array().into_iter().flatten() {
            let path = target["src_path"].as_str().unwrap_or_default();
            let path = path
                .strip_prefix(cargos)
                .map_or(path, |path| path.trim_start_matches('/'));
            follow(&root.join(path), true, &mut declared);
        }
    }
    Ok(declared)
}

/// Adds a file and, by its `mod NAME;`, those below it.
fn follow(file: &Path, is_root: bool, declared: &mut BTreeSet<PathBuf>) {
    let Ok(text) = fs::read_to_string(file) else {
        return;
    };
    if !declared.insert(file.to_owned()) {
        return;
    }
    for below in below(file, is_root, &text) {
        follow(&below, false, declared);
    }
}

/// Where the modules may be that the text of this file declares: each has two places, of which one exists.
pub(crate) fn below(file: &Path, is_root: bool, text: &str) -> Vec<PathBuf> {
    let parent = file.parent().unwrap_or(file);
    let stem = file.file_stem().unwrap_or_default();
    let folder = if is_root || stem == "mod" {
        parent.to_owned()
    } else {
        parent.join(stem)
    };
    modules(text)
        .flat_map(|name| {
            [
                folder.join(format!("{name}.rs")),
                folder.join(name).join("mod.rs"),
            ]
        })
        .collect()
}

/// The names of modules that a file declares and does not hold.
fn modules(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let line = line.trim();
        let line = match line.strip_prefix("pub") {
            Some(rest) if rest.starts_with('(') => rest.split_once(')')?.1.trim_start(),
            Some(rest) => rest.trim_start(),
            None => line,
        };
        let name = line.strip_prefix("mod ")?.strip_suffix(';')?.trim();
        name.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            .then_some(name)
    })
}

/// Lines that name a place on somebody's machine.
fn machine_paths(root: &Path) -> Result<Vec<String>> {
    // Put together here, or this file would be a finding.
    let mut places: Vec<String> = ["root", "home", "Users", "work"]
        .map(|name| format!("/{name}/"))
        .to_vec();
    places.push(root.display().to_string());
    let mut findings = Vec::new();
    for path in workspace::files()? {
        // Sums are of any letters, slashes among them.
        if path.file_name().is_some_and(|name| name == "go.sum") {
            continue;
        }
        // What is not text names no places to readers.
        let Ok(text) = fs::read_to_string(workspace::root().join(&path)) else {
            continue;
        };
        for (at, line) in text.lines().enumerate() {
            if let Some(place) = places.iter().find(|place| names_place(line, place)) {
                findings.push(format!(
                    "{}:{}: names {place} of a machine",
                    path.display(),
                    at + 1
                ));
            }
        }
    }
    Ok(findings)
}

/// Whether the place stands in the line as the beginning of a path.
fn names_place(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|before| !before.is_alphanumeric() && !"/.-_~}*>".contains(before))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_whatever_their_visibility_and_only_where_they_have_a_file() {
        let text = "mod a;\npub mod b;\n    pub(crate) mod c;\nmod d {\n// mod e;\nuse mod_f;\npub(in crate::x) mod g;";
        assert_eq!(modules(text).collect::<Vec<_>>(), ["a", "b", "c", "g"]);
    }

    #[test]
    fn a_file_that_no_module_declares_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("a")).unwrap();
        fs::write(path("lib.rs"), "mod a;").unwrap();
        fs::write(path("a.rs"), "mod inner;").unwrap();
        fs::write(path("a/inner.rs"), "").unwrap();
        fs::write(path("a/stray.rs"), "").unwrap();
        let mut declared = BTreeSet::new();
        follow(&path("lib.rs"), true, &mut declared);
        assert_eq!(
            declared,
            [path("a.rs"), path("a/inner.rs"), path("lib.rs")].into()
        );
    }

    #[test]
    fn a_path_of_a_machine_is_told_from_one_in_a_repository_or_an_address() {
        let place = format!("/{}/", "home");
        assert!(names_place(&format!("see {place}me/notes"), &place));
        assert!(names_place(&format!("\"{place}me\""), &place));
        assert!(!names_place(&format!("example.org{place}page"), &place));
        assert!(!names_place(&format!("crates{place}src"), &place));
    }
}
