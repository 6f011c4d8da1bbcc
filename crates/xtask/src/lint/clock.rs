//! Crates that decide, and controllers, take time as an argument: none of what they ship reads a clock.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::dependencies::PURE;
use super::sources;
use crate::workspace;

/// What reads a clock.
const READS: [&str; 5] = [
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "Utc::now",
    ".elapsed()",
];

/// The binary, which is among the controllers and none of them: it waits for servers.
const MANAGER: &str = "manager";

pub(super) fn check() -> Result<Vec<String>> {
    check_in(&workspace::root())
}

fn check_in(root: &Path) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for folder in deciding(root)? {
        let lib = folder.join("src/lib.rs");
        let mut files = BTreeSet::new();
        follow(&root.join(&lib), true, &mut files);
        if files.is_empty() {
            findings.push(format!(
                "{}: a crate that reads no clock has to be here",
                lib.display()
            ));
        }
        for file in files {
            let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            let shown = file.strip_prefix(root).unwrap_or(&file).display().to_string();
            let name = folder.display();
            findings.extend(readings(&text).map(|(at, what)| {
                format!("{shown}:{at}: {what}: {name} decides, and takes time as an argument")
            }));
        }
    }
    Ok(findings)
}

/// Folders of the crates that read no clock: the pure ones, and every controller, since the core task runs it.
fn deciding(root: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut folders: BTreeSet<PathBuf> = PURE.map(|name| Path::new("crates").join(name)).into();
    let controllers = root.join("controllers");
    let entries = fs::read_dir(&controllers).with_context(|| controllers.display().to_string())?;
    for entry in entries {
        let entry = entry.with_context(|| controllers.display().to_string())?;
        if entry.path().join("Cargo.toml").is_file() && entry.file_name() != MANAGER {
            folders.insert(Path::new("controllers").join(entry.file_name()));
        }
    }
    Ok(folders)
}

/// Adds a file and, by its `mod NAME;`, those below it that are not for tests alone.
fn follow(file: &Path, is_root: bool, files: &mut BTreeSet<PathBuf>) {
    let Ok(text) = fs::read_to_string(file) else {
        return;
    };
    if !files.insert(file.to_owned()) {
        return;
    }
    for below in sources::below(file, is_root, &shipped(&text)) {
        follow(&below, false, files);
    }
}

/// Lines that read a clock, counted from 1.
fn readings(text: &str) -> impl Iterator<Item = (usize, &'static str)> {
    shipped(text)
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .filter_map(|(at, line)| Some((at + 1, *READS.iter().find(|what| line.contains(*what))?)))
        .collect::<Vec<_>>()
        .into_iter()
}

/// The text with an empty line for each `mod NAME;` of tests, up to tests in the same file, which stand last.
fn shipped(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            match lines.peek() {
                Some(next) if next.contains("mod ") && next.trim_end().ends_with('{') => break,
                Some(_) => {
                    lines.next();
                    result.push('\n');
                }
                None => {}
            }
            result.push('\n');
        } else {
            result.push_str(line);
            result.push('\n');
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_found_where_it_is_read_and_not_in_comments_or_tests() {
        let text = "// Instant::now()\nlet a = std::time::Instant::now();\nlet b = a.elapsed();\n\
                    #[cfg(test)]\nmod tests {\nlet c = Instant::now();\n}";
        assert_eq!(
            readings(text).collect::<Vec<_>>(),
            [(2, "Instant::now"), (3, ".elapsed()")]
        );
        assert_eq!(readings("fn at(now: Instant) {}").count(), 0);
    }

    #[test]
    fn a_controller_may_not_read_a_clock_as_the_binary_may() {
        let root = tempfile::tempdir().unwrap();
        let crates = PURE.map(|name| format!("crates/{name}"));
        let controllers = ["mirroring", "manager"].map(|name| format!("controllers/{name}"));
        for folder in crates.iter().chain(&controllers) {
            let source = root.path().join(folder).join("src");
            fs::create_dir_all(&source).unwrap();
            fs::write(root.path().join(folder).join("Cargo.toml"), "").unwrap();
            let is_pure = folder.starts_with("crates/");
            let text = if is_pure { "" } else { "let now = Instant::now();" };
            fs::write(source.join("lib.rs"), text).unwrap();
        }
        assert_eq!(
            check_in(root.path()).unwrap(),
            [
                "controllers/mirroring/src/lib.rs:1: Instant::now: controllers/mirroring decides, and takes time as an argument"
            ]
        );
    }

    #[test]
    fn modules_for_tests_are_not_followed_and_keep_the_numbers_of_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("a")).unwrap();
        fs::write(path("lib.rs"), "#[cfg(test)]\nmod simulation;\nmod a;").unwrap();
        fs::write(path("simulation.rs"), "").unwrap();
        fs::write(path("a.rs"), "mod inner;\n#[cfg(test)]\nmod tests;").unwrap();
        fs::write(path("a/inner.rs"), "").unwrap();
        fs::write(path("a/tests.rs"), "").unwrap();
        let mut files = BTreeSet::new();
        follow(&path("lib.rs"), true, &mut files);
        assert_eq!(files, [path("a.rs"), path("a/inner.rs"), path("lib.rs")].into());
        let text = "#[cfg(test)]\nmod tests;\nInstant::now()";
        assert_eq!(readings(text).collect::<Vec<_>>(), [(3, "Instant::now")]);
    }
}
