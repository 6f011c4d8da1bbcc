//! `cargo xtask upstream integration`: which of upstream's integration tests pass with what.

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use quaymaster_testkit::assets::{Assets, Changes, Minor, Places, Suite};

use super::report::{self, Done};
use super::shims;
use super::table::{Entry, Table};
use super::trial::{self, Rig};
use super::verdict::{Side, Verdict};
use crate::workspace;

/// The packages, by the last part of their paths.
const PACKAGES: [&str; 6] = [
    "endpoints",
    "endpointslice",
    "servicecidr",
    "dualstack",
    "service",
    "network",
];

/// Run upstream's own integration tests with quaymaster in place of their controllers
///
/// The packages test/integration/{endpoints,endpointslice,servicecidr,dualstack,service,network} of the Kubernetes that
/// tests/controlplane pins, their test files unchanged. Each test starts an apiserver in its own process; the controllers
/// that it starts beside it are programs here. What is expected of each test stands in tests/upstream/MINOR.txt, and exit
/// code 1 says that a test gave something else, came or vanished. tests/upstream/README.md tells how it works.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    controllers: Controllers,
    /// Only this package, such as endpoints; may be given several times
    #[arg(long, value_name = "NAME", value_parser = PACKAGES)]
    package: Vec<String>,
    /// Only this test, such as `TestEndpointUpdates`; may be given several times
    #[arg(long, value_name = "NAME")]
    test: Vec<String>,
    /// Only the tests that start controllers: those that `cargo xtask test` runs
    #[arg(long)]
    quick: bool,
    /// A Kubernetes minor, such as 1.33 [default: the newest, or the one in `KUBEBUILDER_ASSETS` where that is set]
    #[arg(long, value_name = "MINOR", value_parser = workspace::known_minor)]
    minor: Option<Minor>,
    /// The program to test, instead of one built from this work tree
    #[arg(long, value_name = "PATH", value_parser = workspace::program_file, conflicts_with_all = ["baseline", "none"])]
    quaymaster: Option<PathBuf>,
    /// How many tests run at once: most of their time they wait
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// Write what --baseline or --none gave into the table
    #[arg(long)]
    record: bool,
}

impl Arguments {
    /// Whether this test is of this package and was asked for.
    fn chooses(&self, entry: &Entry, package: &str) -> bool {
        entry.package == package
            && (self.test.is_empty() || self.test.contains(&entry.test))
            && (entry.quick || !self.quick)
    }
}

/// What runs in place of the controllers: quaymaster, if nothing else is asked for.
#[derive(Args)]
struct Controllers {
    /// Run kube-controller-manager in place of the controllers
    #[arg(long, conflicts_with = "none")]
    baseline: bool,
    /// Run nothing in place of the controllers
    #[arg(long)]
    none: bool,
}

impl Controllers {
    fn side(&self) -> Side {
        match (self.baseline, self.none) {
            (true, _) => Side::Baseline,
            (_, true) => Side::None,
            _ => Side::Quaymaster,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let side = arguments.controllers.side();
    if arguments.record && side == Side::Quaymaster {
        bail!(
            "--record is for --baseline and --none: quaymaster has to give what kube-controller-manager gives"
        );
    }
    let places = Places::from_env()?;
    let minor = minor(arguments.minor, &places)?;
    let mut table = match Table::read(minor)? {
        Some(table) => table,
        None if arguments.record => Table::empty(minor),
        None => bail!(
            "{} does not exist: --baseline --record and --none --record make it",
            Table::path(minor).display()
        ),
    };
    // What is recorded may be of tests that the table does not have yet.
    let wrong = unknown(&arguments.test, &table, &arguments.package);
    if !arguments.record && !wrong.is_empty() {
        bail!("{}: {}", Table::path(minor).display(), wrong.join("; "));
    }
    let packages: Vec<&str> = PACKAGES
        .into_iter()
        .filter(|package| arguments.package.is_empty() || arguments.package.iter().any(|one| one == package))
        // Else a package without a test is not built.
        .filter(|package| {
            arguments.record
                || table
                    .entries
                    .iter()
                    .any(|entry| arguments.chooses(entry, package))
        })
        .collect();
    let no_such_test = || {
        let path = Table::path(minor);
        format!(
            "no test in {} is of the packages, names and choice asked for",
            path.display()
        )
    };
    if packages.is_empty() {
        bail!(no_such_test());
    }
    let rig = rig(side, minor, &places, &packages, arguments.quaymaster.clone())?;

    let mut findings = Vec::new();
    for package in &packages {
        let present = rig.list(package)?;
        if arguments.record {
            table.set_tests(package, &present);
        } else {
            findings.extend(table.differences(package, &present));
        }
    }
    let chosen: Vec<&Entry> = table
        .entries
        .iter()
        .filter(|entry| packages.iter().any(|package| arguments.chooses(entry, package)))
        .collect();
    if chosen.is_empty() {
        bail!(no_such_test());
    }
    let done = run_all(&rig, &chosen, arguments)?;
    findings.extend(report::print(&done, side));
    if arguments.record {
        let results: Vec<_> = done
            .iter()
            .map(|done| {
                (
                    done.entry.package.clone(),
                    done.entry.test.clone(),
                    done.outcome.verdict,
                )
            })
            .collect();
        for (package, test, verdict) in results {
            table.record(&package, &test, side, verdict);
        }
        let path = Table::path(minor);
        fs::write(&path, table.to_string()).with_context(|| path.display().to_string())?;
        println!("written: {}", path.display());
        return Ok(());
    }
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => Ok(()),
        1 => bail!("1 finding"),
        count => bail!("{count} findings"),
    }
}

/// What is wrong with these names of tests, each with the nearest in the table, if there is one; where packages are asked
/// for, only theirs count.
fn unknown(names: &[String], table: &Table, packages: &[String]) -> Vec<String> {
    let of_packages = |entry: &&Entry| packages.is_empty() || packages.contains(&entry.package);
    let known: Vec<&str> = table
        .entries
        .iter()
        .filter(of_packages)
        .map(|entry| &*entry.test)
        .collect();
    let wrong = names.iter().filter(|name| !known.contains(&name.as_str()));
    wrong
        .map(|name| {
            let nearest = known
                .iter()
                .map(|known| (strsim::damerau_levenshtein(name, known), known))
                // Half the letters wrong is another name.
                .filter(|(distance, known)| distance * 2 < known.len())
                .min();
            match nearest {
                Some((_, nearest)) => format!("there is no test {name} (did you mean {nearest}?)"),
                None => format!("there is no test {name}"),
            }
        })
        .collect()
}

/// The minor whose source is built: also that of the programs, or tests of one version would run against another.
fn minor(asked: Option<Minor>, places: &Places) -> Result<Minor> {
    let given = match asked {
        Some(minor) => Some(minor),
        None => workspace::minor_of_given_programs(places)?,
    };
    let newest = || Minor::known(&places.modules).map(|known| known.last().copied());
    given
        .map_or_else(newest, |minor| Ok(Some(minor)))?
        .context("tests/controlplane holds no minor")
}

/// Builds all that is needed.
fn rig(
    side: Side,
    minor: Minor,
    places: &Places,
    packages: &[&str],
    quaymaster: Option<PathBuf>,
) -> Result<Rig> {
    let assets: Assets = workspace::control_plane(Some(minor), places)?;
    let paths: Vec<String> = packages.iter().map(|package| trial::path(package)).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let changes = Changes {
        edits: &shims::EDITS,
        added: &shims::added(),
    };
    let suite = Suite::build(minor, places, changes, &paths)?;
    match (side, quaymaster) {
        (Side::Baseline, _) => Rig::with_baseline(suite, assets),
        (Side::None, _) => Ok(Rig::with_none(suite, assets)),
        (Side::Quaymaster, Some(program)) => Ok(Rig::with_quaymaster(suite, assets, program)),
        (Side::Quaymaster, None) => {
            let built = workspace::build()?;
            Ok(Rig::with_quaymaster(suite, assets, built.quaymaster))
        }
    }
}

/// Runs the tests, some at once, and tells of each.
fn run_all<'a>(rig: &Rig, chosen: &[&'a Entry], arguments: &Arguments) -> Result<Vec<Done<'a>>> {
    let total = chosen.len();
    let begun = Instant::now();
    println!("{total} tests with {}", rig.side);
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<Done<'a>>)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(&entry) = chosen.get(at) else { break };
                    let label = format!("[{}/{total}] {} {}", at + 1, entry.package, entry.test);
                    let tell = |took: std::time::Duration| println!("{label}: {} s", took.as_secs());
                    // In a record nothing is unexpected; but what fails upstream is to be looked at before it is believed.
                    let keep = |verdict| match (arguments.record, rig.side) {
                        (true, side) => side == Side::Baseline && verdict == Verdict::Failed,
                        (false, side) => !entry.allows(side, verdict),
                    };
                    let outcome = rig.run(&entry.package, &entry.test, keep, tell);
                    if let Ok(outcome) = &outcome {
                        println!("{label}: {}", report::line(entry, outcome, rig.side));
                    }
                    let outcome = outcome.map(|outcome| Done { entry, outcome });
                    done.lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner)
                        .push((at, outcome));
                }
            });
        }
    });
    println!("{:.0} s", begun.elapsed().as_secs_f64());
    let mut done = done
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_that_no_test_has_is_told_with_the_nearest_one() {
        let text = "# A head\nendpoints  TestEndpointUpdates  passed  failed  quick\nnetwork  TestServices  passed  passed  -\n";
        let table = Table::parse(text).unwrap();
        let unknown = |names: &[&str], packages: &[&str]| {
            let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
            unknown(&owned(names), &table, &owned(packages))
        };
        assert_eq!(
            unknown(&["TestEndpointUpdate", "TestServices", "TestNope"], &[]),
            [
                "there is no test TestEndpointUpdate (did you mean TestEndpointUpdates?)",
                "there is no test TestNope"
            ]
        );
        assert_eq!(unknown(&["TestServices"], &["network"]), [""; 0]);
        assert_eq!(
            unknown(&["TestServices"], &["endpoints"]),
            ["there is no test TestServices"]
        );
    }
}
