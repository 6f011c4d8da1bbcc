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

impl Done<'_> {
    fn is_as_expected(&self, side: Side) -> bool {
        self.entry.allows(side, self.outcome.verdict)
    }
}

/// One test in one line.
pub(crate) fn line(entry: &Entry, outcome: &Outcome, side: Side) -> String {
    let mut text = format!("{} after {:.1} s", outcome.verdict, outcome.took.as_secs_f64());
    if outcome.parts > 0 {
        let _ = write!(text, ", {} parts", outcome.parts);
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
    done.iter()
        .filter(|one| !one.is_as_expected(side))
        .map(|one| finding(one, side))
        .collect()
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
