//! Tests that documents name: that the sources have them, and that they ran.
//!
//! Documents promise behaviour and name the test that shows it. A name whose test was renamed, removed or switched off
//! is a broken promise that nobody would notice.

mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::workspace;
pub(crate) use sources::Test;

/// Where tests are named by a sentence alone: each test of that name is meant.
const SENTENCES: &str = "docs/differences.md";

/// Where tables say for each test of Kubernetes which of ours covers it, by package and path.
const TABLES: &str = "docs/upstream-tests";

/// Findings about names in documents that no test of the sources has, and about rows of tables without a test or a reason.
pub(crate) fn missing() -> Result<Vec<String>> {
    let tests = sources::tests()?;
    let documents = documents()?.into_iter();
    Ok(documents
        .flat_map(|(document, text)| missing_in(&document, &text, &tests))
        .collect())
}

fn missing_in(document: &Path, text: &str, tests: &[Test]) -> Vec<String> {
    let shown = document.display();
    let named = names(document, text).into_iter();
    let mut findings: Vec<String> = named
        .filter(|name| !tests.iter().any(|test| test.is(name)))
        .map(|name| format!("{shown}: there is no test {name}"))
        .collect();
    if document.starts_with(TABLES) {
        let rows = rows_without_answer(text).into_iter();
        findings.extend(rows.map(|row| format!("{shown}: {row}: names no test, and does not say why not")));
    }
    findings
}

/// What ran, as the runner named it.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    /// Passed tests by path: of all packages but the integration suite together, how many had it.
    once: BTreeMap<String, usize>,
    /// Passed tests of the integration suite, without the module of the minor.
    on_minors: BTreeSet<String>,
}

impl Ran {
    /// Takes down a passed test of any other package.
    pub(crate) fn once(&mut self, path: String) {
        *self.once.entry(path).or_default() += 1;
    }

    /// Takes down a passed test of the integration suite.
    pub(crate) fn on_minor(&mut self, path: &str) {
        let parts = path.split("::").filter(|part| !part.starts_with("on_1_"));
        self.on_minors.insert(parts.collect::<Vec<_>>().join("::"));
    }

    /// Findings about tests that documents name and that have not passed, and how many are named.
    pub(crate) fn misses(&self) -> Result<(Vec<String>, usize)> {
        let tests = sources::tests()?;
        let mut findings = Vec::new();
        let mut named: BTreeSet<&Test> = BTreeSet::new();
        for (document, text) in documents()? {
            findings.extend(missing_in(&document, &text, &tests));
            let in_it = names(&document, &text);
            let meant = tests.iter().filter(|test| in_it.iter().any(|name| test.is(name)));
            named.extend(meant);
        }
        findings.extend(self.idle(named.iter().copied(), &tests));
        Ok((findings, named.len()))
    }

    /// Findings about those of the named tests that did not pass.
    fn idle<'a>(&self, named: impl Iterator<Item = &'a Test>, tests: &[Test]) -> Vec<String> {
        named
            .filter(|test| !self.has(test, tests))
            .map(|test| format!("{test} is named in documents, and did not run and pass"))
            .collect()
    }

    /// Whether this test is among those that passed. The runner does not say of which package a test is: where several
    /// have the same path, all of them must have passed.
    fn has(&self, test: &Test, tests: &[Test]) -> bool {
        if test.package == INTEGRATION {
            return self.on_minors.contains(&test.path);
        }
        let alike = tests
            .iter()
            .filter(|other| other.package != INTEGRATION && other.path == test.path);
        self.once.get(&test.path).copied().unwrap_or(0) >= alike.count()
    }
}

/// The package whose tests run on each minor.
const INTEGRATION: &str = "integration";

/// The documents that name tests, with their text.
fn documents() -> Result<Vec<(PathBuf, String)>> {
    let root = workspace::root();
    workspace::files()?
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .filter(|path| path == Path::new(SENTENCES) || path.starts_with(TABLES))
        .map(|path| {
            let text = fs::read_to_string(root.join(&path)).with_context(|| path.display().to_string())?;
            Ok((path, text))
        })
        .collect()
}

/// Names of tests in a document: sentences, or paths behind the name of a package.
fn names<'a>(document: &Path, text: &'a str) -> BTreeSet<&'a str> {
    let by_path = document.starts_with(TABLES);
    let is_name = |span: &&str| {
        if by_path { is_path(span) } else { is_sentence(span) }
    };
    spans(text).filter(is_name).collect()
}

/// Code spans of one line each.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// A test's name is a sentence: several words, joined by underscores.
fn is_sentence(span: &str) -> bool {
    span.chars().all(is_of_a_name) && span.matches('_').count() >= 3
}

/// `package::module::name`.
fn is_path(span: &str) -> bool {
    span.contains("::")
        && span
            .chars()
            .all(|letter| is_of_a_name(letter) || letter == ':' || letter == '-')
}

fn is_of_a_name(letter: char) -> bool {
    letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_'
}

/// What an answer begins with that names no test, in the last cell of a row.
const NO: &str = "None: ";

/// The first cells of rows of tables whose last cell has neither a test nor a reason.
fn rows_without_answer(text: &str) -> Vec<&str> {
    let rows = text.lines().filter(|line| line.starts_with('|'));
    let mut wrong = Vec::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let (Some(first), Some(last)) = (cells.first(), cells.last()) else {
            continue;
        };
        // The head of a table has no code, the line below it dashes.
        if !first.starts_with('`') {
            continue;
        }
        if !spans(last).any(is_path) && !last.starts_with(NO) {
            wrong.push(*first);
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(package: &str, path: &str) -> Test {
        Test {
            package: package.to_owned(),
            path: path.to_owned(),
        }
    }

    #[test]
    fn names_of_tests_are_told_from_other_code() {
        let text = "| `a_deleted_slice_is_made_again`, `quaymaster --help`, `one_word`, `a-b::tests::c` and `T::f()` |";
        assert_eq!(
            names(Path::new(SENTENCES), text),
            ["a_deleted_slice_is_made_again"].into()
        );
        assert_eq!(
            names(&Path::new(TABLES).join("a.md"), text),
            ["a-b::tests::c"].into()
        );
    }

    #[test]
    fn a_name_that_no_test_has_is_a_finding() {
        let tests = [test("slices", "tests::labels::a_label_is_copied_whole")];
        let sentences = "`a_label_is_copied_whole` and `a_label_is_copied_in_part`";
        assert_eq!(
            missing_in(Path::new(SENTENCES), sentences, &tests),
            ["docs/differences.md: there is no test a_label_is_copied_in_part"]
        );
        let table = "| `TestA` | | `slices::tests::labels::a_label_is_copied_whole` |\n| `TestB` | | `model::tests::labels::a_label_is_copied_whole` |\n| `TestC` | | |";
        assert_eq!(
            missing_in(&Path::new(TABLES).join("a.md"), table, &tests),
            [
                "docs/upstream-tests/a.md: there is no test model::tests::labels::a_label_is_copied_whole",
                "docs/upstream-tests/a.md: `TestC`: names no test, and does not say why not",
            ]
        );
    }

    #[test]
    fn all_tests_that_documents_name_are_there() {
        assert_eq!(missing().unwrap(), [""; 0]);
    }

    #[test]
    fn a_named_test_that_did_not_run_is_a_finding() {
        let tests = [test("slices", "tests::a"), test("slices", "tests::b")];
        let mut ran = Ran::default();
        ran.once("tests::a".to_owned());
        assert_eq!(
            ran.idle(tests.iter(), &tests),
            ["slices::tests::b is named in documents, and did not run and pass"]
        );
    }

    #[test]
    fn a_row_has_a_test_or_a_reason() {
        let text = "| Upstream | Ours |\n| --- | --- |\n| `TestA` | `a::b` |\n| `TestB` | None: of Go |\n| `TestC` | `word` |\n| `TestD` | |";
        assert_eq!(rows_without_answer(text), ["`TestC`", "`TestD`"]);
    }

    #[test]
    fn a_sentence_means_each_test_of_that_name_and_a_path_means_one() {
        let one = test("slices", "tests::labels::a_label_is_copied_whole");
        assert!(one.is("a_label_is_copied_whole"));
        assert!(one.is("slices::tests::labels::a_label_is_copied_whole"));
        assert!(!one.is("label_is_copied_whole"));
        assert!(!one.is("endpoints::tests::labels::a_label_is_copied_whole"));
    }

    #[test]
    fn of_tests_with_one_path_all_must_have_passed() {
        let tests = [
            test("slices", "tests::a"),
            test("endpoints", "tests::a"),
            test("model", "tests::b"),
        ];
        let mut ran = Ran::default();
        ran.once("tests::a".to_owned());
        assert!(!ran.has(&tests[0], &tests) && !ran.has(&tests[2], &tests));
        ran.once("tests::a".to_owned());
        assert!(ran.has(&tests[0], &tests));
    }

    #[test]
    fn a_test_of_the_integration_suite_has_run_when_it_ran_on_some_minor() {
        let tests = [test(INTEGRATION, "pods::a"), test("other", "pods::a")];
        let mut ran = Ran::default();
        ran.once("pods::a".to_owned());
        assert!(!ran.has(&tests[0], &tests));
        ran.on_minor("pods::on_1_37::a");
        assert!(ran.has(&tests[0], &tests));
    }
}
