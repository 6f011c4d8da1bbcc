//! `cargo xtask test`: every test, on every minor that is asked for.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use quaymaster_differential::controller_names;
use quaymaster_testkit::assets::{Minor, Places};
use quaymaster_testkit::process;

use crate::lint::none_of;
use crate::named::Ran;
use crate::stages::Stages;
use crate::{upstream, workspace};

/// The minors that the integration suite has tests for: oldest and newest of what is supported.
const MINORS: [&str; 2] = ["1.37", "1.33"];

/// The package whose tests run against a control plane of each minor, rather than once.
const INTEGRATION: &str = "quaymaster-integration";

/// Generated clusters that are compared with kube-controller-manager on the first minor, and on each further one: from
/// 100 on, each rule must have been met.
const CLUSTERS: [u32; 2] = [200, 100];

/// Errors that are made on purpose and looked for: one of each controller, which few clusters show.
const PLANTED: [&str; 4] = [
    "terminating-ready",
    "unready-published",
    "annotations-not-mirrored",
    "cidr-without-condition",
];

/// The clusters that they are looked for in.
const PLANTED_SEEDS: &str = "0..20";

/// Build what is missing and run every test
///
/// Unit, property and documentation tests of all crates; then, on each minor, the integration tests, those of upstream's
/// own that look at the controllers, where it is recorded what they give, the demo against a real control plane, and
/// generated clusters compared with kube-controller-manager; in the end, whether that comparison finds errors that are made on
/// purpose. No test is repeated or passed over; ignored ones are counted in the summary.
#[derive(Args)]
pub(crate) struct Arguments {
    /// A Kubernetes minor to test on, 1.37 or 1.33; may be given several times [default: both, or the one in
    /// `KUBEBUILDER_ASSETS` where that is set]
    #[arg(long, value_name = "MINOR", value_parser = tested_minor)]
    minor: Vec<Minor>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let places = Places::from_env()?;
    let minors = if !arguments.minor.is_empty() {
        arguments.minor.clone()
    } else if let Some(minor) = workspace::minor_of_given_programs(&places)? {
        vec![tested_minor(&minor.to_string()).context("KUBEBUILDER_ASSETS")?]
    } else {
        MINORS.map(tested_minor).into_iter().collect::<Result<_>>()?
    };
    let mut stages = Stages::begin();
    for minor in &minors {
        stages.require(&format!("control plane {minor}"), || {
            let assets = workspace::control_plane(Some(*minor), &places)?;
            Ok(assets.folder().display().to_string())
        })?;
    }
    let mut built = None;
    stages.require("quaymaster", || {
        let programs = workspace::build()?;
        let note = programs.quaymaster.display().to_string();
        built = Some(programs);
        Ok(note)
    })?;
    let binary = built.context("quaymaster was not built")?.quaymaster;

    // Without a terminal a bare `cargo test` stops at the first binary that fails; all failures are to be seen.
    let mut ran = Ran::default();
    stages.run("unit and property tests", || {
        let mut command = tests(&binary, minors[0]);
        command.args([
            "--workspace",
            "--exclude",
            INTEGRATION,
            "--lib",
            "--bins",
            "--tests",
        ]);
        counted(command, |test| ran.once(test.to_owned()))
    });
    stages.run("documentation tests", || {
        let mut command = tests(&binary, minors[0]);
        command.args(["--workspace", "--doc"]);
        workspace::run(command)?;
        Ok(String::new())
    });
    let labels: Vec<String> = minors.iter().map(ToString::to_string).collect();
    stages.run(&format!("integration tests {}", labels.join(", ")), || {
        let mut command = tests(&binary, minors[0]);
        command.args(["--package", INTEGRATION, "--"]);
        command.args(passed_over(&labels));
        counted(command, |test| ran.on_minor(test))
    });
    stages.run("tests that documents name", || {
        let (misses, named) = ran.misses()?;
        none_of(&misses)?;
        Ok(format!("{named} tests, each ran"))
    });
    for minor in minors.iter().filter(|minor| upstream::is_recorded(**minor)) {
        stages.run(&format!("upstream's tests {minor}"), || {
            let mut command = Command::new("/proc/self/exe");
            command.args(["upstream", "integration", "--quick"]);
            command.args(["--minor", &minor.to_string(), "--quaymaster"]);
            command.arg(&binary);
            workspace::run(command)?;
            Ok("all that pass with kube-controller-manager".to_owned())
        });
    }
    for minor in &minors {
        stages.run(&format!("demo {minor}"), || {
            // This program's file may have been replaced by the tests' build; the kernel still knows it.
            let mut command = Command::new("/proc/self/exe");
            command.args(["demo", "--exit-when-done", "--minor", &minor.to_string()]);
            workspace::run(command)?;
            Ok("each step showed what it should".to_owned())
        });
    }
    for (at, minor) in minors.iter().enumerate() {
        stages.run(&format!("differential {minor}"), || {
            let clusters = CLUSTERS[at.min(1)];
            let mut command = Command::new("/proc/self/exe");
            command.args(["differential", "--seeds", &format!("0..{clusters}")]);
            command.args(["--minor", &minor.to_string(), "--quaymaster"]);
            command.arg(&binary);
            // By name: a program that lost one of them would be compared without it.
            command.args(["--controllers", &controller_names().join(",")]);
            workspace::run(command)?;
            Ok(format!("{clusters} clusters, no difference"))
        });
    }
    // What is shown is that errors are found, not where they are: one minor is enough.
    stages.run(&format!("planted errors {}", minors[0]), || {
        let mut command = Command::new("/proc/self/exe");
        command.args(["differential", "--planted", &PLANTED.join(",")]);
        command.args(["--seeds", PLANTED_SEEDS, "--minor", &minors[0].to_string()]);
        workspace::run(command)?;
        Ok(format!("{} errors, each found", PLANTED.len()))
    });
    stages.end()
}

/// A minor that the integration suite has tests for; others would be known only after minutes of building.
fn tested_minor(text: &str) -> Result<Minor> {
    let tested: Vec<Minor> = MINORS
        .iter()
        .map(|minor| Ok(minor.parse()?))
        .collect::<Result<_>>()?;
    match text.parse() {
        Ok(minor) if tested.contains(&minor) => Ok(minor),
        _ => bail!(
            "tests run on {}, not on {text}; `cargo xtask demo` and `cargo xtask differential` take the minors between",
            MINORS.join(" and ")
        ),
    }
}

/// Arguments that leave out the integration tests of the other minors, so that the runner counts them as filtered out.
fn passed_over(chosen: &[String]) -> Vec<String> {
    let others = MINORS
        .iter()
        .filter(|minor| !chosen.iter().any(|one| one == *minor));
    others
        .flat_map(|minor| ["--skip".to_owned(), format!("on_{}::", minor.replace('.', "_"))])
        .collect()
}

/// `cargo test`, with what tests need to know.
fn tests(binary: &Path, minor: Minor) -> Command {
    let mut command = workspace::cargo();
    command
        .args(["test", "--no-fail-fast"])
        .env("QUAYMASTER_BIN", binary)
        .env("QUAYMASTER_TEST_MINOR", minor.to_string());
    command
}

/// Runs tests, passes on what they print, and counts them: a suite that ran nothing has not passed.
/// Tells each that passed.
fn counted(mut command: Command, mut passed: impl FnMut(&str)) -> Result<String> {
    let shown = workspace::show(&command);
    command.stdout(Stdio::piped());
    let mut child = process::tied(command).with_context(|| format!("running {shown}"))?;
    let mut total = Counts::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line.context("reading what the tests print")?;
            println!("{line}");
            if let Some(test) = passed_test(&line) {
                passed(test);
            }
            if let Some(counts) = Counts::parse(&line) {
                total.passed += counts.passed;
                total.failed += counts.failed;
                total.ignored += counts.ignored;
            }
        }
    }
    let status = child.wait().with_context(|| format!("waiting for {shown}"))?;
    if !status.success() {
        bail!("{} failed, {} passed ({status})", total.failed, total.passed);
    }
    if total.passed == 0 {
        bail!("no test ran");
    }
    Ok(format!("{} passed, {} ignored", total.passed, total.ignored))
}

/// Reads `test some::path ... ok`; one that should panic says so before the dots.
fn passed_test(line: &str) -> Option<&str> {
    let test = line.strip_prefix("test ")?.strip_suffix(" ... ok")?;
    Some(test.strip_suffix(" - should panic").unwrap_or(test))
}

/// What one test binary says at its end.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u32,
    failed: u32,
    ignored: u32,
}

impl Counts {
    /// Reads `test result: ok. 3 passed; 0 failed; 1 ignored; ...`.
    fn parse(line: &str) -> Option<Self> {
        let rest = line.strip_prefix("test result: ")?.split_once(". ")?.1;
        let mut counts = Self::default();
        for part in rest.split("; ") {
            match part.split_once(' ') {
                Some((number, "passed")) => counts.passed = number.parse().ok()?,
                Some((number, "failed")) => counts.failed = number.parse().ok()?,
                Some((number, "ignored")) => counts.ignored = number.parse().ok()?,
                _ => {}
            }
        }
        Some(counts)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use quaymaster_differential::planted::{Fault, faults};

    use super::*;

    #[test]
    fn the_planted_errors_are_of_all_controllers() {
        let chosen = faults().filter(|fault| PLANTED.contains(&fault.name));
        let controllers: BTreeSet<&str> = chosen.flat_map(Fault::controllers).collect();
        assert_eq!(controllers.len(), 4, "{controllers:?}");
    }

    #[test]
    fn a_minor_without_tests_is_refused_with_those_that_have_some() {
        assert_eq!(tested_minor("1.33").unwrap().to_string(), "1.33");
        for other in ["1.35", "newest"] {
            let error = tested_minor(other).unwrap_err().to_string();
            assert!(
                error.contains("1.37 and 1.33") && error.contains(other),
                "{error}"
            );
        }
    }

    #[test]
    fn tests_of_minors_that_were_not_asked_for_are_filtered_out_by_name() {
        assert_eq!(passed_over(&["1.37".to_owned()]), ["--skip", "on_1_33::"]);
        assert!(passed_over(&MINORS.map(str::to_owned)).is_empty());
    }

    #[test]
    fn the_closing_line_of_a_test_binary_is_counted() {
        let line = "test result: FAILED. 12 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.10s";
        assert_eq!(
            Counts::parse(line),
            Some(Counts {
                passed: 12,
                failed: 2,
                ignored: 1
            })
        );
        assert_eq!(Counts::parse("test a_pod_is_seen ... ok"), None);
    }

    #[test]
    fn each_passed_test_is_told_and_no_other() {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "printf 'test a::b ... ok\\ntest c ... FAILED\\ntest d ... ignored\\ntest e - should panic ... ok\\ntest result: ok. 2 passed; 0 failed\\n'",
        ]);
        let mut told = Vec::new();
        counted(command, |test| told.push(test.to_owned())).unwrap();
        assert_eq!(told, ["a::b", "e"]);
    }

    #[test]
    fn a_suite_in_which_nothing_ran_has_not_passed() {
        let mut nothing = Command::new("true");
        nothing.arg("tests");
        assert_eq!(counted(nothing, |_| ()).unwrap_err().to_string(), "no test ran");
    }

    #[test]
    fn a_failed_suite_fails_however_many_tests_passed() {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "echo 'test result: ok. 3 passed; 0 failed; 0 ignored'; exit 1",
        ]);
        let error = counted(command, |_| ()).unwrap_err().to_string();
        assert!(error.contains("3 passed"), "{error}");
    }
}
