//! The tests of the workspace, as they stand in the sources, which takes no compiling.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::lint::below;
use crate::workspace;

/// A test of the workspace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Test {
    /// Without `quaymaster-`.
    pub(crate) package: String,
    /// As the runner prints it, but for the module of a minor.
    pub(crate) path: String,
}

impl Test {
    /// Whether the name in a document, by package and path or by the sentence alone, is of this test.
    pub(crate) fn is(&self, name: &str) -> bool {
        let path = match name.split_once("::") {
            None => return self.path.rsplit("::").next() == Some(name),
            Some((package, path)) if package == self.package => path,
            Some(_) => return false,
        };
        path == self.path
    }
}

impl fmt::Display for Test {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}::{}", self.package, self.path)
    }
}

/// All tests of the workspace.
pub(crate) fn tests() -> Result<Vec<Test>> {
    let metadata = workspace::metadata()?;
    let mut tests = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let name = name.strip_prefix("quaymaster-").unwrap_or(name);
        for target in package["targets"].as_array().into_iter().flatten() {
            let mut seen = BTreeSet::new();
            let root = Path::new(target["src_path"].as_str().unwrap_or_default());
            follow(root, true, "", &mut seen, &mut |path| {
                tests.push(Test {
                    package: name.to_owned(),
                    path,
                });
            });
        }
    }
    Ok(tests)
}

/// Tells the tests of a file and of those below it, whose module has this path.
fn follow(
    file: &Path,
    is_root: bool,
    path: &str,
    seen: &mut BTreeSet<PathBuf>,
    tell: &mut impl FnMut(String),
) {
    let Ok(text) = fs::read_to_string(file) else {
        return;
    };
    if !seen.insert(file.to_owned()) {
        return;
    }
    for name in named(&text) {
        tell(joined(path, &name));
    }
    for below in below(file, is_root, &text) {
        let folder = below.ends_with("mod.rs").then(|| below.parent()).flatten();
        if let Some(name) = folder.unwrap_or(&below).file_stem() {
            let path = joined(path, &name.to_string_lossy());
            follow(&below, false, &path, seen, tell);
        }
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}::{name}")
    }
}

/// The tests of one file, by the form that rustfmt gives it: functions marked as tests, within the modules that the
/// file itself holds, and those of which the integration suite's macros make tests.
fn named(text: &str) -> Vec<String> {
    let mut tests = Vec::new();
    let mut within: Vec<(usize, &str)> = Vec::new();
    let mut marked = false;
    let mut in_list = false;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let line = line.trim();
        if in_list || line.starts_with("on_each_minor!(") || line.starts_with("alone_on_each_minor!(") {
            let names = line.split_once("!(").map_or(line, |(_, names)| names);
            in_list = !names.contains(')');
            let names = names.split(')').next().unwrap_or_default();
            let names = names.split(',').map(str::trim).filter(|name| is_identifier(name));
            tests.extend(names.map(str::to_owned));
            continue;
        }
        if line == "}" && within.last().is_some_and(|(at, _)| *at == indent) {
            within.pop();
        } else if let Some(name) = line
            .strip_suffix(" {")
            .and_then(|line| line.split_once("mod "))
            .filter(|(before, _)| before.is_empty() || before.starts_with("pub"))
            .map(|(_, name)| name)
            .filter(|name| is_identifier(name))
        {
            within.push((indent, name));
        } else if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            marked = true;
        } else if !line.starts_with("#[") && !line.starts_with("//") {
            let name = line
                .split_once("fn ")
                .map(|(_, rest)| rest.split('(').next().unwrap_or(rest));
            if let Some(name) = name.filter(|name| marked && is_identifier(name)) {
                let modules = within.iter().map(|(_, name)| *name);
                tests.push(modules.chain([name]).collect::<Vec<_>>().join("::"));
                marked = false;
            }
        }
    }
    tests
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Put together here, or this file would have tests that it does not have.
    fn marked(function: &str) -> String {
        format!("#[{}]\n{function}\n", "test")
    }

    #[test]
    fn functions_that_are_marked_are_tests_and_others_are_not() {
        let text = format!("fn a() {{}}\n{}fn c() {{}}\n", marked("fn b() {}"));
        assert_eq!(named(&text), ["b"]);
        let text = format!(
            "{}{}",
            marked("#[should_panic]\nfn d() {}"),
            marked("async fn e() {}")
        );
        assert_eq!(named(&text), ["d", "e"]);
    }

    #[test]
    fn tests_are_within_the_modules_of_their_file() {
        let text = format!(
            "mod other;\nmod inner {{\n    fn x() {{\n    }}\n{}}}\n{}",
            marked("    fn a() {}"),
            marked("fn b() {}")
        );
        assert_eq!(named(&text), ["inner::a", "b"]);
    }

    #[test]
    fn functions_that_a_macro_makes_tests_of_are_tests() {
        let macros = ["on_each_minor", "alone_on_each_minor"];
        let text = format!(
            "{}!(\n    a,\n    b,\n);\n{}!(c);\nasync fn d() {{}}\n",
            macros[0], macros[1]
        );
        assert_eq!(named(&text), ["a", "b", "c"]);
    }

    #[test]
    fn the_path_of_a_test_is_that_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("a/b")).unwrap();
        fs::write(path("lib.rs"), format!("mod a;\n{}", marked("fn at_root() {}"))).unwrap();
        fs::write(path("a.rs"), format!("mod b;\n{}", marked("fn in_a() {}"))).unwrap();
        fs::write(path("a/b/mod.rs"), marked("fn in_b() {}")).unwrap();
        let mut told = Vec::new();
        follow(&path("lib.rs"), true, "", &mut BTreeSet::new(), &mut |test| {
            told.push(test);
        });
        told.sort();
        assert_eq!(told, ["a::b::in_b", "a::in_a", "at_root"]);
    }

    #[test]
    fn this_very_test_is_found_in_this_workspace() {
        let tests = tests().unwrap();
        let name = "xtask::named::sources::tests::this_very_test_is_found_in_this_workspace";
        assert!(tests.iter().any(|test| test.is(name)));
    }
}
