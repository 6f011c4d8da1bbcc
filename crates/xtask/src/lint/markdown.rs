//! Documents: that links lead somewhere, that something leads to each, and that files they name exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::workspace;

/// Where a path begins that is one of this tree.
const TREE: [&str; 4] = ["controllers/", "crates/", "docs/", "tests/"];

/// Where readers begin.
const ENTRANCES: [&str; 2] = ["README.md", "CONTRIBUTING.md"];

pub(super) fn check() -> Result<Vec<String>> {
    let root = workspace::root();
    let documents: Vec<PathBuf> = workspace::files()?
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    let mut findings = Vec::new();
    let mut linked: BTreeSet<PathBuf> = BTreeSet::new();
    for document in &documents {
        let text = fs::read_to_string(root.join(document)).with_context(|| document.display().to_string())?;
        for link in links(&text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                document.clone()
            } else {
                normal(&document.parent().unwrap_or(Path::new("")).join(file))
            };
            let path = root.join(&target);
            if !path.exists() {
                findings.push(format!(
                    "{}: the link to {link} leads nowhere",
                    document.display()
                ));
                continue;
            }
            if !heading.is_empty() {
                let target = fs::read_to_string(&path).unwrap_or_default();
                if !anchors(&target).any(|anchor| anchor == heading) {
                    findings.push(format!(
                        "{}: {link}: there is no such heading",
                        document.display()
                    ));
                }
            }
            if target != *document {
                linked.insert(target);
            }
        }
        for path in paths(&text).filter(|path| !root.join(path).exists()) {
            findings.push(format!("{}: there is no {path}", document.display()));
        }
    }
    for document in &documents {
        let is_entrance = ENTRANCES.iter().any(|entrance| Path::new(entrance) == document);
        if !is_entrance && !linked.contains(document) {
            findings.push(format!("{}: no document links to it", document.display()));
        }
    }
    Ok(findings)
}

/// Code spans of one line each.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// Code spans that are paths of this tree. `tests/MINOR/` stands for several and is none.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    spans(text).filter(|span| {
        let is_path = |letter: char| letter.is_ascii_alphanumeric() || "/._-".contains(letter);
        let stands_for_others =
            |part: &str| part.len() > 1 && part.chars().all(|letter| letter.is_ascii_uppercase());
        TREE.iter().any(|folder| span.starts_with(folder))
            && span.chars().all(is_path)
            && !span.split('/').any(stands_for_others)
    })
}

/// The targets of `[text](target)` outside of code.
fn links(text: &str) -> Vec<&str> {
    let mut in_code = false;
    let mut links = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("](") {
            let Some((target, behind)) = after.split_once(')') else {
                break;
            };
            // Within a code span an odd number of backticks stands before.
            let in_span = line[..line.len() - rest.len() + before.len()]
                .matches('`')
                .count()
                % 2
                == 1;
            if !in_span {
                links.push(target);
            }
            rest = behind;
        }
    }
    links
}

/// What links to headings are called, as GitHub makes them.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter(|line| line.starts_with('#')).map(|line| {
        line.trim_start_matches('#')
            .trim()
            .chars()
            .filter_map(|letter| match letter {
                ' ' => Some('-'),
                '-' | '_' => Some(letter),
                letter if letter.is_alphanumeric() => Some(letter.to_ascii_lowercase()),
                _ => None,
            })
            .collect()
    })
}

/// The path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                result.pop();
            }
            Component::CurDir => {}
            other => result.push(other),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_outside_of_code_only() {
        let text = "[a](x.md) and [b](y.md#c)\n```text\n[no](z.md)\n```\n`[no](w.md)` but [c](v.md)";
        assert_eq!(links(text), ["x.md", "y.md#c", "v.md"]);
    }

    #[test]
    fn paths_of_this_tree_are_told_from_other_code() {
        let text = "see `crates/a/src/b.rs` and `tests/x/MINOR/`, `docs/*.md` or `crates/a b`\n`b.rs` in `controllers/c/`";
        assert_eq!(
            paths(text).collect::<Vec<_>>(),
            ["crates/a/src/b.rs", "controllers/c/"]
        );
    }

    #[test]
    fn headings_become_anchors() {
        let text = "# What it is\n## `a` and: b-c\ntext";
        assert_eq!(anchors(text).collect::<Vec<_>>(), ["what-it-is", "a-and-b-c"]);
    }

    #[test]
    fn a_link_upwards_is_followed() {
        assert_eq!(normal(Path::new("docs/adr/../x.md")), Path::new("docs/x.md"));
    }
}
