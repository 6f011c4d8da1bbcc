//! What each test gives with kube-controller-manager and without controllers, as it stands in `tests/upstream/`.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use quaymaster_testkit::assets::Minor;

use super::verdict::{Side, Verdict};
use crate::workspace;

/// Where the tables are, from the root of the work tree.
const FOLDER: &str = "tests/upstream";

/// The word for a test of the quick choice, and for one that is not.
const QUICK: &str = "quick";
const NOTHING: &str = "-";

/// The table of one minor. Its text form is one line for each test, after lines that begin with `#`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    /// The lines before the tests, as they are.
    head: Vec<String>,
    pub(crate) entries: Vec<Entry>,
}

/// One test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The last part of the package's path, such as `endpoints`.
    pub(crate) package: String,
    pub(crate) test: String,
    /// What it gives with kube-controller-manager; `None` where nobody has seen it.
    pub(crate) baseline: Option<Verdict>,
    /// What it gives where no controller runs; `None` where nobody has seen it.
    pub(crate) none: Option<Verdict>,
    /// Whether it is in the choice that fits CI: each of these starts one of the controllers.
    pub(crate) quick: bool,
    /// Why something is as it is; may be empty.
    pub(crate) note: String,
}

impl Entry {
    /// A test that nobody has run.
    fn new(package: &str, test: &str) -> Self {
        Self {
            package: package.to_owned(),
            test: test.to_owned(),
            baseline: None,
            none: None,
            quick: false,
            note: String::new(),
        }
    }

    /// What is expected with these controllers: of quaymaster what kube-controller-manager gives.
    pub(crate) fn expected(&self, side: Side) -> Option<Verdict> {
        match side {
            Side::Quaymaster | Side::Baseline => self.baseline,
            Side::None => self.none,
        }
    }

    /// Whether the test may end like this. Where kube-controller-manager fails, quaymaster may do better.
    pub(crate) fn allows(&self, side: Side, verdict: Verdict) -> bool {
        let expected = self.expected(side);
        expected == Some(verdict)
            || (side == Side::Quaymaster && expected == Some(Verdict::Failed) && verdict == Verdict::Passed)
    }
}

impl Table {
    /// Where the table of a minor is.
    pub(crate) fn path(minor: Minor) -> PathBuf {
        workspace::root().join(FOLDER).join(format!("{minor}.txt"))
    }

    /// Reads the table of a minor; `None` where there is none.
    pub(crate) fn read(minor: Minor) -> Result<Option<Self>> {
        let path = Self::path(minor);
        if !path.is_file() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Self::parse(&text)
            .with_context(|| path.display().to_string())
            .map(Some)
    }

    /// A table without tests.
    pub(crate) fn empty(minor: Minor) -> Self {
        Self {
            head: vec![format!(
                "# Upstream's tests on Kubernetes {minor}; README.md says what this is."
            )],
            entries: Vec::new(),
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        let is_head = |line: &&str| line.starts_with('#');
        let head: Vec<String> = text.lines().take_while(is_head).map(str::to_owned).collect();
        let mut entries = Vec::new();
        for (at, line) in text.lines().enumerate().skip(head.len()) {
            if !line.trim().is_empty() {
                entries.push(parse_entry(line).with_context(|| format!("line {}", at + 1))?);
            }
        }
        Ok(Self { head, entries })
    }

    /// Tests of this package that the program has and the table has not, and the other way round.
    pub(crate) fn differences(&self, package: &str, present: &[String]) -> Vec<String> {
        let known = || self.entries.iter().filter(|entry| entry.package == package);
        let new = present
            .iter()
            .filter(|test| !known().any(|entry| entry.test == **test))
            .map(|test| format!("{package} {test} is not in the table"));
        let gone = known()
            .filter(|entry| !present.contains(&entry.test))
            .map(|entry| {
                format!(
                    "{package} {} is in the table, and upstream has no such test",
                    entry.test
                )
            });
        new.chain(gone).collect()
    }

    /// Notes what a test gave.
    pub(crate) fn record(&mut self, package: &str, test: &str, side: Side, verdict: Verdict) {
        let is_it = |entry: &&mut Entry| entry.package == package && entry.test == test;
        let Some(entry) = self.entries.iter_mut().find(is_it) else {
            return;
        };
        match side {
            Side::Baseline => entry.baseline = Some(verdict),
            Side::None => entry.none = Some(verdict),
            // Nothing is expected of it but what kube-controller-manager gives.
            Side::Quaymaster => {}
        }
    }

    /// Makes the tests of a package those that are present, in their order; what is known of them stays.
    pub(crate) fn set_tests(&mut self, package: &str, present: &[String]) {
        let at = self.entries.iter().position(|entry| entry.package == package);
        let (mut old, mut rest): (Vec<Entry>, Vec<Entry>) = std::mem::take(&mut self.entries)
            .into_iter()
            .partition(|entry| entry.package == package);
        let tests = present.iter().map(|test| {
            let known = old.iter().position(|entry| entry.test == *test);
            known.map_or_else(|| Entry::new(package, test), |at| old.swap_remove(at))
        });
        let at = at.unwrap_or(rest.len());
        let tests: Vec<Entry> = tests.collect();
        rest.splice(at..at, tests);
        self.entries = rest;
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = |of: fn(&Entry) -> usize| self.entries.iter().map(of).max().unwrap_or(0);
        let package = widest(|entry| entry.package.len());
        let test = widest(|entry| entry.test.len());
        for line in &self.head {
            writeln!(f, "{line}")?;
        }
        for entry in &self.entries {
            let word =
                |verdict: Option<Verdict>| verdict.map_or("?".to_owned(), |verdict| verdict.to_string());
            let line = format!(
                "{:package$}  {:test$}  {:7}  {:7}  {:5}  {}",
                entry.package,
                entry.test,
                word(entry.baseline),
                word(entry.none),
                if entry.quick { QUICK } else { NOTHING },
                entry.note,
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn parse_entry(line: &str) -> Result<Entry> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [package, test, baseline, none, choice, reason @ ..] = words.as_slice() else {
        bail!("a test has a package, a name, two results and {QUICK} or {NOTHING}");
    };
    Ok(Entry {
        package: (*package).to_owned(),
        test: (*test).to_owned(),
        baseline: parse_verdict(baseline)?,
        none: parse_verdict(none)?,
        quick: match *choice {
            QUICK => true,
            NOTHING => false,
            other => bail!("{other} is neither {QUICK} nor {NOTHING}"),
        },
        note: reason.join(" "),
    })
}

fn parse_verdict(word: &str) -> Result<Option<Verdict>> {
    Ok(Some(match word {
        "passed" => Verdict::Passed,
        "failed" => Verdict::Failed,
        "skipped" => Verdict::Skipped,
        "?" => return Ok(None),
        other => bail!("{other} is no result: passed, failed, skipped or ?"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# A head
# of two lines
endpoints  TestA  passed   failed   quick  slow, since it waits
network    TestB  skipped  skipped  -
network    TestC  failed   ?        -
";

    fn tests(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_table_is_written_as_it_was_read() {
        let table = Table::parse(TEXT).unwrap();
        assert_eq!(table.entries.len(), 3);
        assert_eq!(table.entries[0].note, "slow, since it waits");
        assert!(table.entries[0].quick && !table.entries[1].quick);
        assert_eq!(table.to_string(), TEXT);
    }

    /// All tables of the work tree.
    fn tables() -> Vec<Table> {
        let files = fs::read_dir(workspace::root().join(FOLDER)).unwrap();
        let paths = files.map(|file| file.unwrap().path());
        paths
            .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
            .map(|path| Table::parse(&fs::read_to_string(path).unwrap()).unwrap())
            .collect()
    }

    #[test]
    fn every_test_that_notices_the_controllers_is_in_the_choice_for_ci() {
        assert!(!tables().is_empty());
        for entry in tables().into_iter().flat_map(|table| table.entries) {
            let notices = entry.baseline == Some(Verdict::Passed) && entry.none == Some(Verdict::Failed);
            assert!(entry.quick || !notices, "{} {}", entry.package, entry.test);
        }
    }

    #[test]
    fn no_result_is_missing_and_each_test_that_is_skipped_or_fails_upstream_has_a_reason() {
        for entry in tables().into_iter().flat_map(|table| table.entries) {
            let name = format!("{} {}", entry.package, entry.test);
            assert!(entry.baseline.is_some() && entry.none.is_some(), "{name}");
            assert!(
                entry.baseline == Some(Verdict::Passed) || !entry.note.is_empty(),
                "{name}"
            );
        }
    }

    #[test]
    fn a_line_that_is_none_is_told_with_its_number() {
        for wrong in [
            "endpoints TestA passed failed",
            "endpoints TestA passed failed fast",
            "endpoints TestA pass failed -",
        ] {
            let error = Table::parse(&format!("# head\n{wrong}\n")).unwrap_err();
            assert_eq!(error.to_string(), "line 2", "{wrong}");
        }
    }

    #[test]
    fn quaymaster_may_pass_where_kube_controller_manager_fails_and_not_the_other_way_round() {
        let table = Table::parse(TEXT).unwrap();
        let [a, b, c] = table.entries.as_slice() else {
            panic!("three tests");
        };
        assert!(a.allows(Side::Quaymaster, Verdict::Passed));
        assert!(!a.allows(Side::Quaymaster, Verdict::Failed));
        assert!(!a.allows(Side::Quaymaster, Verdict::Skipped));
        assert!(c.allows(Side::Quaymaster, Verdict::Passed));
        assert!(!c.allows(Side::Baseline, Verdict::Passed));
        assert!(b.allows(Side::Quaymaster, Verdict::Skipped) && !b.allows(Side::Quaymaster, Verdict::Passed));
    }

    #[test]
    fn without_controllers_a_test_that_is_to_fail_may_not_pass() {
        let table = Table::parse(TEXT).unwrap();
        assert!(table.entries[0].allows(Side::None, Verdict::Failed));
        assert!(!table.entries[0].allows(Side::None, Verdict::Passed));
        for verdict in [Verdict::Passed, Verdict::Failed, Verdict::Skipped] {
            assert!(
                !table.entries[2].allows(Side::None, verdict),
                "nobody has seen it"
            );
        }
    }

    #[test]
    fn a_test_that_vanished_and_one_that_is_new_are_told() {
        let table = Table::parse(TEXT).unwrap();
        assert_eq!(table.differences("network", &tests(&["TestB", "TestC"])), [""; 0]);
        assert_eq!(
            table.differences("network", &tests(&["TestC", "TestD"])),
            [
                "network TestD is not in the table",
                "network TestB is in the table, and upstream has no such test"
            ]
        );
    }

    #[test]
    fn what_is_known_of_tests_stays_when_others_come_and_go() {
        let mut table = Table::parse(TEXT).unwrap();
        table.set_tests("endpoints", &tests(&["TestNew", "TestA"]));
        table.set_tests("service", &tests(&["TestS"]));
        table.set_tests("network", &tests(&["TestC"]));
        assert_eq!(
            table.to_string(),
            "\
# A head
# of two lines
endpoints  TestNew  ?        ?        -
endpoints  TestA    passed   failed   quick  slow, since it waits
network    TestC    failed   ?        -
service    TestS    ?        ?        -
"
        );
    }
}
