//! What is printed of tests that ran.

use std::fmt::Write as _;

use super::table::Entry;
use super::trial::Outcome;
use super::verdict::{Side, Verdict};

/// A test that ran.
#[derive(Debug)]
pub(crate) struct Done<'a> {
    pub(crate) entry: &'a Entry,
    pub(crate) outcome: Outcome,
}

/// Whether the test ran against the controllers of this side: one of the quick choice has to have started a program.
/// Where none is to run, and where the test failed before it could, this says nothing.
fn started_programs(entry: &Entry, outcome: &Outcome, side: Side) -> bool {
    let has_to = entry.quick && side != Side::None && outcome.verdict == Verdict::Passed;
    !has_to || outcome.programs > 0
}

/// One test in one line.
pub(crate) fn line(entry: &Entry, outcome: &Outcome, side: Side) -> String {
    let mut text = format!("{} after {:.1} s", outcome.verdict, outcome.took.as_secs_f64());
    if outcome.parts > 0 {
        let _ = write!(text, ", {} parts", outcome.parts);
    }
    if outcome.programs > 0 {
        let _ = write!(text, ", {} programs", outcome.programs);
    }
    if let Some(expected) = entry
        .expected(side)
        .filter(|_| !entry.allows(side, outcome.verdict))
    {
        let _ = write!(text, ", EXPECTED: {expected}");
    }
    if !outcome.reason.is_empty() {
        let _ = write!(text, " ({})", outcome.reason);
    }
    text
}

/// Prints the results by package, beside those that are recorded, and gives what is not as it should be.
pub(crate) fn print(done: &[Done<'_>], side: Side) -> Vec<String> {
    let mut packages: Vec<&str> = done.iter().map(|done| done.entry.package.as_str()).collect();
    packages.dedup();
    let widest = |of: &dyn Fn(&Done<'_>) -> usize| done.iter().map(of).max().unwrap_or(0);
    let (package_width, test_width) = (
        widest(&|done| done.entry.package.len()),
        widest(&|done| done.entry.test.len()),
    );
    println!();
    for package in &packages {
        println!("{package}");
        for one in done.iter().filter(|done| done.entry.package == *package) {
            println!(
                "  {:test_width$}  {:7}  {:6.1} s  with kube-controller-manager {:8}  without {}",
                one.entry.test,
                one.outcome.verdict,
                one.outcome.took.as_secs_f64(),
                word(one.entry.baseline),
                word(one.entry.none),
            );
        }
    }
    println!("\nwith {side}, and as recorded with kube-controller-manager");
    for package in &packages {
        let of: Vec<&Done<'_>> = done
            .iter()
            .filter(|done| done.entry.package == *package)
            .collect();
        let seen = |verdict| of.iter().filter(|one| one.outcome.verdict == verdict).count();
        let recorded = |verdict| {
            of.iter()
                .filter(|one| one.entry.baseline == Some(verdict))
                .count()
        };
        println!(
            "  {package:package_width$}  {}    {}",
            counts(seen),
            counts(recorded)
        );
    }
    println!();
    let unexpected = done
        .iter()
        .filter(|one| !one.entry.allows(side, one.outcome.verdict))
        .map(|one| finding(one, side));
    let aside = done
        .iter()
        .filter(|one| !started_programs(one.entry, &one.outcome, side))
        .map(|one| {
            format!(
                "{} {} passed and started no program: it did not look at {side}",
                one.entry.package, one.entry.test
            )
        });
    unexpected.chain(aside).collect()
}

/// A test that did not end as it should.
fn finding(one: &Done<'_>, side: Side) -> String {
    let Done { entry, outcome } = one;
    let mut text = format!(
        "{} {} {} with {side}, and should be: {}",
        entry.package,
        entry.test,
        outcome.verdict,
        word(entry.expected(side))
    );
    // Then it cannot be due to what it was to look at.
    if entry.quick && side != Side::None && outcome.programs == 0 {
        text.push_str(", before it started a program");
    }
    if !outcome.reason.is_empty() {
        let _ = write!(text, " ({})", outcome.reason);
    }
    if let Some(logs) = &outcome.logs {
        let _ = write!(text, "; logs: {}", logs.display());
    }
    text
}

fn counts(of: impl Fn(Verdict) -> usize) -> String {
    format!(
        "{:2} passed, {:2} failed, {:2} skipped",
        of(Verdict::Passed),
        of(Verdict::Failed),
        of(Verdict::Skipped)
    )
}

fn word(verdict: Option<Verdict>) -> String {
    verdict.map_or_else(|| "not recorded".to_owned(), |verdict| verdict.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn done(quick: bool, verdict: Verdict, programs: usize) -> (Entry, Outcome) {
        let entry = Entry {
            package: "endpoints".to_owned(),
            test: "TestA".to_owned(),
            baseline: Some(Verdict::Passed),
            none: Some(Verdict::Failed),
            quick,
            note: String::new(),
        };
        let outcome = Outcome {
            verdict,
            took: Duration::from_secs(1),
            parts: 0,
            programs,
            reason: "its reason".to_owned(),
            logs: None,
        };
        (entry, outcome)
    }

    fn findings(of: (Entry, Outcome), side: Side) -> Vec<String> {
        let (entry, outcome) = of;
        let entry = &entry;
        print(&[Done { entry, outcome }], side)
    }

    #[test]
    fn a_test_that_failed_is_a_finding_with_its_reason_unless_it_had_to() {
        let failed = || done(true, Verdict::Failed, 1);
        let finding = findings(failed(), Side::Quaymaster).concat();
        assert!(
            finding.contains("TestA failed") && finding.contains("its reason"),
            "{finding}"
        );
        assert!(!finding.contains("before"), "{finding}");
        let early = findings(done(true, Verdict::Failed, 0), Side::Quaymaster).concat();
        assert!(early.contains("before it started a program"), "{early}");
        assert_eq!(findings(failed(), Side::None), [""; 0]);
        assert_eq!(findings(done(true, Verdict::Passed, 0), Side::None).len(), 1);
    }

    #[test]
    fn a_test_that_is_to_look_at_the_controllers_and_started_none_is_a_finding() {
        for side in [Side::Quaymaster, Side::Baseline] {
            assert_eq!(findings(done(true, Verdict::Passed, 2), side), [""; 0]);
            assert_eq!(findings(done(false, Verdict::Passed, 0), side), [""; 0]);
            let finding = findings(done(true, Verdict::Passed, 0), side).concat();
            assert!(finding.contains("started no program"), "{finding}");
        }
    }
}
