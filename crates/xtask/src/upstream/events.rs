//! What a Go test program prints about its tests, with `-test.v=test2json`.
//!
//! Lines about tests then have a mark, after which they begin; what tests print themselves has none.

use super::verdict::Verdict;

/// The mark: the character SYN.
const MARK: char = '\u{16}';

/// How the test of this name ended, if it did.
pub(crate) fn verdict(output: &str, test: &str) -> Option<Verdict> {
    ended(output)
        .find(|(name, _)| *name == test)
        .map(|(_, verdict)| verdict)
}

/// Names of the parts of this test that failed and have no failed parts of their own.
pub(crate) fn failed_parts<'a>(output: &'a str, test: &str) -> Vec<&'a str> {
    let prefix = format!("{test}/");
    let failed: Vec<&str> = ended(output)
        .filter(|(name, verdict)| *verdict == Verdict::Failed && name.starts_with(&prefix))
        .map(|(name, _)| name)
        .collect();
    let has_parts = |of: &str| failed.iter().any(|name| name.starts_with(&format!("{of}/")));
    failed
        .iter()
        .filter(|name| !has_parts(name))
        .map(|name| &name[prefix.len()..])
        .collect()
}

/// The parts of this test that ended, parts with parts among them.
pub(crate) fn parts(output: &str, test: &str) -> usize {
    let prefix = format!("{test}/");
    ended(output)
        .filter(|(name, _)| name.starts_with(&prefix))
        .count()
}

/// Whether the program has said that all its tests have ended.
pub(crate) fn all_ended(output: &str) -> bool {
    marked(output).any(|event| event == "PASS" || event == "FAIL")
}

/// The names that `-test.list` prints, in its order.
pub(crate) fn listed(output: &str) -> Vec<String> {
    output
        .lines()
        .filter(|line| line.starts_with("Test") && !line.contains(char::is_whitespace))
        .map(str::to_owned)
        .collect()
}

/// Names of tests and their parts with how they ended, such as of `--- PASS: TestA/part (0.05s)`.
fn ended(output: &str) -> impl Iterator<Item = (&str, Verdict)> {
    marked(output).filter_map(|event| {
        let (word, rest) = event.trim_start().strip_prefix("--- ")?.split_once(": ")?;
        let verdict = match word {
            "PASS" => Verdict::Passed,
            "FAIL" => Verdict::Failed,
            "SKIP" => Verdict::Skipped,
            _ => return None,
        };
        Some((rest.rsplit_once(" (")?.0, verdict))
    })
}

/// What follows the mark in each line that has one.
fn marked(output: &str) -> impl Iterator<Item = &str> {
    output
        .lines()
        .filter_map(|line| line.rsplit_once(MARK).map(|(_, event)| event))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
\u{16}=== RUN   TestA
--- PASS: TestB (0.00s)
I1123 something is logged without an end of line\u{16}    --- FAIL: TestA/a_(part)/inner (0.01s)
\u{16}    --- FAIL: TestA/a_(part) (0.02s)
\u{16}    --- PASS: TestA/other (0.02s)
\u{16}--- FAIL: TestA (1.20s)
\u{16}--- SKIP: TestAB (0.00s)
";

    #[test]
    fn how_a_test_ended_is_what_the_program_says_and_not_what_the_test_prints() {
        assert_eq!(verdict(OUTPUT, "TestA"), Some(Verdict::Failed));
        assert_eq!(verdict(OUTPUT, "TestAB"), Some(Verdict::Skipped));
        assert_eq!(verdict(OUTPUT, "TestB"), None);
    }

    #[test]
    fn of_failed_parts_the_innermost_are_named() {
        assert_eq!(failed_parts(OUTPUT, "TestA"), ["a_(part)/inner"]);
        assert_eq!(failed_parts(OUTPUT, "TestAB"), [""; 0]);
        assert_eq!(parts(OUTPUT, "TestA"), 3);
    }

    #[test]
    fn a_program_has_ended_its_tests_when_it_says_so_for_all_of_them() {
        assert!(!all_ended(OUTPUT));
        assert!(!all_ended("PASS\n"));
        for last in ["\u{16}PASS\n", "\u{16}FAIL\n", "a log line\u{16}PASS\n"] {
            assert!(all_ended(&format!("{OUTPUT}{last}")), "{last:?}");
        }
    }

    #[test]
    fn names_are_told_from_what_else_a_program_prints() {
        let output = "I1130 TestMain starts\nTest_Upgrade\nTestA\nTests ran\nok\n";
        assert_eq!(listed(output), ["Test_Upgrade", "TestA"]);
    }
}
