//! A whole run: seeds in, differences out.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use futures::stream::{StreamExt as _, TryStreamExt as _, iter};
use quaymaster_oracle::generate;
use quaymaster_testkit::assets::Minor;
use serde::{Deserialize, Serialize};

use crate::batch::{self, Finding, Settings};
use crate::controllers::{Controller, Controllers};
use crate::plane::Subject;
use crate::planted;
use crate::report::Report;
use crate::smallest;
use crate::world::World;

/// Limits of endpoints in a slice; a seed always has the same. The small one makes Services of few Pods have
/// several slices, the large one is the default.
const MAX_ENDPOINTS: [usize; 2] = [3, 100];

/// Pairs of control planes at once: while one waits for quiet, another works.
const PAIRS: usize = 2;

/// Seeds that are made smaller, at most; the others are only named.
const SHRUNK: usize = 3;

/// How large each cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub enum Size {
    /// Some 20 Pods, 40 steps.
    Small,
    /// Some 150 Pods, 150 steps.
    Medium,
    /// Some 1,200 Pods, 400 steps.
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
    /// Controllers by kube-controller-manager's names; none for all that the program has.
    pub controllers: Vec<String>,
    /// Whether kube-controller-manager is compared with itself, in place of the program.
    pub against_kcm: bool,
    /// A controller that is left out on the right side, then.
    pub left_out: Option<String>,
    /// Whether the program holds planted faults, each of which is to be found.
    pub planted: bool,
}

/// Runs, and prints what it finds. The last line is `N clusters, D differences`, with the number of violations where
/// there are any.
///
/// # Errors
/// Where quaymaster differs, something does not hold, or not everything was compared; and where the programs do not
/// start or do not come to rest.
pub async fn run(options: &Options) -> Result<()> {
    if options.planted {
        return planted::run(options).await;
    }
    let mut total = [0, 0, 0];
    let mut verdict = Ok(());
    let (subject, controllers) = options.sides()?;
    if subject.is_kcm() {
        println!("On both sides kube-controller-manager.");
    }
    for minor in options.minors()? {
        println!("Kubernetes {minor}, {controllers}:");
        let report = minor_run(options, &subject, &controllers, minor).await?;
        total[0] += report.clusters;
        total[1] += report.differences;
        total[2] += report.violations;
        verdict = verdict.and(report.verdict());
    }
    let [clusters, differences, violations] = total;
    let violations = match violations {
        0 => String::new(),
        some => format!(", {some} violations"),
    };
    // Before the last line: what follows on standard error is the same in words.
    if let Err(error) = &verdict {
        println!("failed: {error:#}");
    }
    println!("{clusters} clusters, {differences} differences{violations}");
    verdict
}

/// A run on one minor.
async fn minor_run(
    options: &Options,
    subject: &Subject,
    controllers: &Controllers,
    minor: Minor,
) -> Result<Report> {
    let begun = Instant::now();
    let batches = batches(options, controllers, minor);
    let settings = Settings {
        minor,
        subject: subject.clone(),
        controllers,
        max_endpoints: 0,
        max_mirrored: 0,
        rounds: options.rounds.max(1),
        handover: true,
        again: batch::SECOND_LOOK,
    };
    let mut report = Report::new(minor.number(), controllers);
    let mut findings = Vec::new();
    let runs = batches.iter().map(async |batch| {
        let settings = Settings {
            max_endpoints: batch.max_endpoints,
            max_mirrored: max_mirrored(batch.max_endpoints),
            ..settings.clone()
        };
        let outcome = Box::pin(batch::run(&batch.worlds(controllers, minor), &settings)).await?;
        anyhow::Ok((batch, outcome))
    });
    let mut runs = std::pin::pin!(iter(runs).buffer_unordered(PAIRS));
    while let Some((batch, outcome)) = runs.try_next().await? {
        eprintln!(
            "{:5.0} s  {} clusters, at most {} endpoints in a slice, {}: {}",
            begun.elapsed().as_secs_f64(),
            batch.seeds.len(),
            batch.max_endpoints,
            if batch.zoned {
                "all nodes with zones"
            } else {
                "nodes of all kinds"
            },
            outcome.laps
        );
        report.take(batch.seeds.len(), &outcome);
        findings.extend(outcome.differences);
    }
    report.print();
    for finding in one_for_each_seed(findings) {
        let settings = Settings {
            max_endpoints: max_endpoints(finding.seed),
            max_mirrored: max_mirrored(max_endpoints(finding.seed)),
            handover: false,
            ..settings.clone()
        };
        smallest::print(&finding, options, &settings).await?;
    }
    Ok(report)
}

fn one_for_each_seed(findings: Vec<Finding>) -> Vec<Finding> {
    let mut seeds = BTreeSet::new();
    let mut findings: Vec<Finding> = findings
        .into_iter()
        .filter(|finding| seeds.insert(finding.seed))
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
