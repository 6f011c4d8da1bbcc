//! A whole run: seeds in, differences out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use futures::stream::{StreamExt as _, iter};
use quaymaster_oracle::generate;
use quaymaster_testkit::assets::{Assets, Minor, Places};
use serde::{Deserialize, Serialize};

use crate::batch::{self, Finding, Settings};
use crate::controllers::{Controller, Controllers};
use crate::plane::Subject;
use crate::planted;
use crate::report::{DEMANDING, Report};
use crate::smallest::{self, command};
use crate::world::World;

/// Limits of endpoints in a slice; a seed always has the same. The small one makes Services of few Pods have
/// several slices, the large one is the default.
const MAX_ENDPOINTS: [usize; 2] = [3, 100];

/// Pairs of control planes at once: while one waits for quiet, another works.
const PAIRS: usize = 2;

/// Seeds that are made smaller, at most; the others are only named.
const SHRUNK: usize = 3;

/// Seeds with violations for which the command is printed, at most.
const SHOWN: usize = 20;

/// How large each cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub enum Size {
    /// Some 20 Pods, 48 steps.
    Small,
    /// Some 150 Pods, 180 steps.
    Medium,
    /// Some 1,200 Pods, 450 steps.
    Large,
}

impl Size {
    pub(crate) fn generated(self) -> generate::Size {
        match self {
            Self::Small => generate::Size::Small,
            Self::Medium => generate::Size::Medium,
            Self::Large => generate::Size::Large,
        }
    }

    /// What two cores keep busy with, without requests timing out.
    fn side_by_side(self) -> usize {
        match self {
            Self::Small => 50,
            Self::Medium => 10,
            Self::Large => 2,
        }
    }
}

impl Size {
    /// From how many clusters on a run must have met every rule, and sums are compared.
    pub(crate) fn demanding(self) -> usize {
        match self {
            Self::Small => DEMANDING,
            Self::Medium => DEMANDING / 2,
            Self::Large => DEMANDING / 5,
        }
    }
}

/// What to compare.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Seeds of the clusters.
    pub seeds: Range<u64>,
    /// Their size.
    pub size: Size,
    /// Kubernetes minors, such as `1.33`, one after the other.
    pub minors: Vec<String>,
    /// In how many parts the steps come, with a rest, a restart and a comparison after each.
    pub rounds: usize,
    /// The `quaymaster` program.
    pub binary: PathBuf,
    /// Whether that is one of the user's own.
    pub given: bool,
    /// Controllers by kube-controller-manager's names; none for all that the program has.
    pub controllers: Vec<String>,
    /// Whether kube-controller-manager is compared with itself, in place of the program.
    pub against_kcm: bool,
    /// A controller that is left out on the right side, then.
    pub left_out: Option<String>,
    /// Names of the planted faults that the program holds and that are to be found; empty in an ordinary run.
    pub planted: Vec<String>,
}

/// Runs, and prints what it finds. The last line is `N clusters, D differences`, with the number of violations, and of
/// clusters that were not compared to the end, where there are any. Gives whether quaymaster does not differ, everything
/// holds, and everything was compared; where a controller is left out, whether that was found.
///
/// # Errors
/// Where the options are none to go by.
pub async fn run(options: &Options) -> Result<bool> {
    if !options.planted.is_empty() {
        return planted::run(options).await;
    }
    let mut totals = Totals::default();
    let mut verdict = Ok(());
    let (subject, controllers) = options.sides()?;
    for minor in options.minors()? {
        println!(
            "Kubernetes {} under kube-controller-manager and under {}, {controllers}:",
            version(minor),
            match &subject {
                Subject::Quaymaster { binary, .. } => binary.display().to_string(),
                Subject::Kcm { .. } => subject.name(),
            }
        );
        let report = minor_run(options, &subject, &controllers, minor, totals).await;
        totals = totals.with(&report);
        verdict = verdict.and(report.verdict());
    }
    match (&verdict, subject.left_out()) {
        (Err(error), _) => println!("failed: {error:#}"),
        (Ok(()), Some(left_out)) => {
            println!("found, as it should: clusters differ without {}", left_out.name());
        }
        (Ok(()), None) => {}
    }
    println!("{totals}");
    Ok(verdict.is_ok())
}

/// The patch version of a minor's programs; the minor where they do not say.
fn version(minor: Minor) -> String {
    let assets = Places::from_env().and_then(|places| Assets::find(Some(minor), &places));
    let version = assets.and_then(|assets| assets.version());
    version.unwrap_or_else(|_| minor.to_string())
}

/// What the last line says.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    clusters: usize,
    differences: usize,
    violations: usize,
    broken_off: usize,
}

impl Totals {
    fn with(self, report: &Report) -> Self {
        Self {
            clusters: self.clusters + report.clusters,
            differences: self.differences + report.differences,
            violations: self.violations + report.violations,
            broken_off: self.broken_off + report.broken_off,
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            clusters,
            differences,
            violations,
            broken_off,
        } = self;
        let s = |count: usize| if count == 1 { "" } else { "s" };
        let (of_clusters, of_differences) = (s(*clusters), s(*differences));
        write!(
            f,
            "{clusters} cluster{of_clusters}, {differences} difference{of_differences}"
        )?;
        if *violations > 0 {
            write!(f, ", {violations} violations")?;
        }
        if *broken_off > 0 {
            write!(f, ", {broken_off} more clusters not compared to the end")?;
        }
        Ok(())
    }
}

/// A run on one minor; `before` is what came of those before.
async fn minor_run(
    options: &Options,
    subject: &Subject,
    controllers: &Controllers,
    minor: Minor,
    before: Totals,
) -> Report {
    let begun = Instant::now();
    if options.size != Size::Small {
        eprintln!("        dividing the clusters among control planes");
    }
    let batches = batches(options, controllers, minor);
    let count = batches.len();
    let settings = Settings {
        minor,
        subject: subject.clone(),
        controllers,
        max_endpoints: 0,
        max_mirrored: 0,
        rounds: options.rounds.max(1),
        handover: true,
        keep_logs: true,
        again: batch::SECOND_LOOK,
    };
    let mut report = Report::new(minor.number(), controllers, options.size.demanding(), subject);
    let mut findings = Vec::new();
    let runs = batches.iter().zip(1..).map(async |(batch, number)| {
        eprintln!(
            "{:5.0} s  batch {number} of {count} begins: {batch}",
            begun.elapsed().as_secs_f64()
        );
        let settings = Settings {
            max_endpoints: batch.max_endpoints,
            max_mirrored: max_mirrored(batch.max_endpoints),
            ..settings.clone()
        };
        let outcome = Box::pin(batch::run(&batch.worlds(controllers, minor), &settings)).await;
        (batch, number, outcome)
    });
    let mut runs = std::pin::pin!(iter(runs).buffer_unordered(PAIRS));
    while let Some((batch, number, outcome)) = runs.next().await {
        eprintln!(
            "{:5.0} s  batch {number} of {count} is done: {}",
            begun.elapsed().as_secs_f64(),
            outcome.laps
        );
        report.take(&batch.seeds, &outcome);
        let of_batch = outcome.differences.into_iter();
        findings.extend(of_batch.map(|finding| (finding, batch)));
    }
    report.print();
    if !report.violating.is_empty() {
        println!("clusters with violations again (these are not made smaller):");
    }
    for seed in report.violating.iter().take(SHOWN) {
        println!("  {}", command(*seed, options, minor));
    }
    let findings = one_for_each_seed(findings);
    if !findings.is_empty() {
        println!(
            "so far: {}; now a smaller cluster is looked for",
            before.with(&report)
        );
    }
    for (finding, batch) in findings {
        let settings = Settings {
            max_endpoints: batch.max_endpoints,
            max_mirrored: max_mirrored(batch.max_endpoints),
            handover: false,
            keep_logs: false,
            ..settings.clone()
        };
        smallest::print(&finding, &batch.seeds, options, &settings).await;
    }
    report
}

fn one_for_each_seed(findings: Vec<(Finding, &Batch)>) -> Vec<(Finding, &Batch)> {
    let mut seeds = BTreeSet::new();
    let mut findings: Vec<(Finding, &Batch)> = findings
        .into_iter()
        .filter(|(finding, _)| seeds.insert(finding.seed))
        .collect();
    findings.truncate(SHRUNK);
    findings
}

/// Clusters that share a pair of control planes. They are made when it runs: a large one takes some 14 MiB.
pub(crate) struct Batch {
    pub(crate) seeds: Vec<u64>,
    size: Size,
    pub(crate) max_endpoints: usize,
    zoned: bool,
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = if self.zoned {
            "all nodes with zones"
        } else {
            "nodes of all kinds"
        };
        write!(
            f,
            "{} clusters, at most {} endpoints in a slice, {nodes}, seeds {}",
            self.seeds.len(),
            self.max_endpoints,
            listed(&self.seeds)
        )
    }
}

/// Seeds in one line.
pub(crate) fn listed(seeds: &[u64]) -> String {
    let seeds: Vec<String> = seeds.iter().map(ToString::to_string).collect();
    seeds.join(", ")
}

impl Batch {
    /// The clusters, for control planes of this minor.
    pub(crate) fn worlds(&self, controllers: &Controllers, minor: Minor) -> Vec<World> {
        let seeds = self.seeds.iter().enumerate();
        seeds
            .map(|(index, seed)| {
                World::generate(*seed, self.size.generated(), index, minor.number(), controllers)
            })
            .collect()
    }
}

/// Clusters with a node that has no zone apart from others: it takes topology hints from all clusters beside it.
pub(crate) fn batches(options: &Options, controllers: &Controllers, minor: Minor) -> Vec<Batch> {
    let mut groups = BTreeMap::<(bool, usize), Vec<u64>>::new();
    for seed in options.seeds.clone() {
        let zoned = World::generate(seed, options.size.generated(), 0, minor.number(), controllers).zoned();
        groups.entry((zoned, max_endpoints(seed))).or_default().push(seed);
    }
    let mut batches = Vec::new();
    for ((zoned, max_endpoints), seeds) in groups {
        // Equal parts: a small one at the end would cost as much as a full one.
        let count = seeds.len().div_ceil(options.size.side_by_side());
        for seeds in seeds.chunks(seeds.len().div_ceil(count)) {
            batches.push(Batch {
                seeds: seeds.to_vec(),
                size: options.size,
                max_endpoints,
                zoned,
            });
        }
    }
    batches
}

/// The limit of mirrored endpoints beside one of endpoints in a slice: the small one is met by a few addresses, and the
/// large one, the default, by a thousand.
pub(crate) fn max_mirrored(max_endpoints: usize) -> usize {
    match max_endpoints {
        small @ ..10 => small,
        _ => 1000,
    }
}

fn max_endpoints(seed: u64) -> usize {
    MAX_ENDPOINTS[usize::from(seed.is_multiple_of(2))]
}

impl Options {
    /// What is compared with kube-controller-manager, and which controllers of both.
    pub(crate) fn sides(&self) -> Result<(Subject, Controllers)> {
        let mut names = self.controllers.clone();
        if self.against_kcm {
            if names.is_empty() {
                names = Controller::ALL.iter().map(|one| one.name().to_owned()).collect();
            }
            let left_out = self
                .left_out
                .iter()
                .map(|name| Controllers::one(name))
                .next()
                .transpose()?;
            return Ok((Subject::Kcm { left_out }, Controllers::named(&names)?));
        }
        let subject = Subject::Quaymaster {
            binary: self.binary.clone(),
            environment: Vec::new(),
        };
        let controllers = if names.is_empty() {
            Controllers::of_program(&self.binary)?
        } else {
            Controllers::named(&names)?
        };
        Ok((subject, controllers))
    }

    /// The minors, at least one.
    pub(crate) fn minors(&self) -> Result<Vec<Minor>> {
        if self.minors.is_empty() {
            bail!("no Kubernetes minor was given");
        }
        let minors = self.minors.iter();
        minors
            .map(|minor| {
                minor
                    .parse()
                    .with_context(|| format!("the Kubernetes minor {minor}"))
            })
            .collect()
    }
}
