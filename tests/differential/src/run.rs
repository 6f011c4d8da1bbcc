//! A whole run: seeds in, differences out.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use quaymaster_oracle::generate::Size;

use crate::batch::{self, Settings};
use crate::compare::{Exception, Exceptions};
use crate::coverage::{Coverage, Rule};
use crate::world::World;

/// Limits of endpoints in a slice; a seed always has the same. The small one makes Services of few Pods have
/// several slices, the large one is the default.
const MAX_ENDPOINTS: [usize; 2] = [3, 100];

/// From this many clusters on every rule must be met.
const DEMANDING: usize = 50;
/// Violations shown of one batch; the rest is counted.
const SHOWN: usize = 20;

/// What to compare.
#[derive(Clone, Debug)]
pub struct Options {
    /// Seeds of the clusters.
    pub seeds: Range<u64>,
    /// Their size.
    pub size: Size,
    /// The Kubernetes minor, such as `1.33`; `None` for the newest.
    pub minor: Option<String>,
    /// In how many parts the steps come, with a rest, a restart and a comparison after each.
    pub rounds: usize,
    /// The `quaymaster` program.
    pub binary: PathBuf,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Clusters compared.
    pub clusters: usize,
    /// Clusters that differed.
    pub differences: usize,
    /// How often each exception applied.
    pub exceptions: Exceptions,
    /// Requests refused by an apiserver.
    pub refusals: usize,
    /// What did not hold at some revision, or at a take-over or hand-back.
    pub violations: usize,
    /// How often each rule was met.
    pub coverage: Coverage,
    /// Rules that no cluster met; empty where too few clusters were compared to demand it.
    pub never_met: Vec<Rule>,
    revisions: usize,
    restart_writes: [u64; 2],
}

/// Runs, and prints what it finds.
///
/// # Errors
/// Where the programs do not start or do not come to rest; differences are no error.
pub async fn run(options: &Options) -> Result<Report> {
    /// What two cores keep busy with, without requests timing out.
    const OBJECTS: usize = 50;
    let side_by_side = match options.size {
        Size::Small => OBJECTS,
        Size::Medium => OBJECTS / 5,
        Size::Large => 2,
    };
    let minor = options.minor.as_deref().and_then(minor_number).unwrap_or(37);
    let begun = Instant::now();
    let mut report = Report::default();
    let mut groups = BTreeMap::<(bool, usize), Vec<World>>::new();
    for seed in options.seeds.clone() {
        let world = World::generate(seed, options.size, minor);
        let max = MAX_ENDPOINTS[usize::from(seed % 2 == 0)];
        groups.entry((world.zoned(), max)).or_default().push(world);
    }
    for ((zoned, max_endpoints), worlds) in groups {
        for worlds in worlds.chunks(side_by_side) {
            eprintln!(
                "{:6.0} s  {} clusters, at most {max_endpoints} endpoints in a slice, {}",
                begun.elapsed().as_secs_f64(),
                worlds.len(),
                if zoned {
                    "all nodes with zones"
                } else {
                    "nodes of all kinds"
                }
            );
            let settings = Settings {
                minor: options.minor.as_deref(),
                binary: &options.binary,
                max_endpoints,
                rounds: options.rounds.max(1),
                minor_number: minor,
            };
            let outcome = Box::pin(batch::run(worlds, &settings)).await?;
            report.take(worlds.len(), &outcome);
        }
    }
    if report.clusters >= DEMANDING {
        report.never_met = report.coverage.never_met(minor);
    }
    report.print();
    Ok(report)
}

fn minor_number(minor: &str) -> Option<u32> {
    minor.split('.').nth(1)?.parse().ok()
}

impl Report {
    fn take(&mut self, clusters: usize, outcome: &batch::Outcome) {
        self.clusters += clusters;
        let mut seeds: Vec<u64> = outcome.differences.iter().map(|finding| finding.seed).collect();
        seeds.sort_unstable();
        seeds.dedup();
        self.differences += seeds.len();
        for (exception, count) in &outcome.exceptions {
            *self.exceptions.entry(*exception).or_default() += count;
        }
        self.refusals += outcome.refusals.len();
        let mut refusals = BTreeMap::<&String, usize>::new();
        for refusal in &outcome.refusals {
            *refusals.entry(refusal).or_default() += 1;
        }
        for (refusal, count) in refusals {
            println!("refused, {count} times: {refusal}");
        }
        for finding in &outcome.differences {
            println!("seed {}, {}:", finding.seed, finding.when);
            for what in &finding.what {
                println!("  {what}");
            }
        }
        self.coverage.add(&outcome.coverage);
        self.revisions += outcome.revisions;
        for (total, writes) in self.restart_writes.iter_mut().zip(outcome.restart_writes) {
            *total += writes;
        }
        let [by_kcm, violations] = &outcome.violations;
        self.violations += violations.len();
        for violation in violations.iter().take(SHOWN) {
            println!("under quaymaster: {violation}");
        }
        eprintln!(
            "    violations: kube-controller-manager {}, quaymaster {}",
            by_kcm.len(),
            violations.len()
        );
        for handover in &outcome.handover {
            println!("{handover}");
            self.violations += usize::from(!handover.holds());
        }
        let [kcm, quaymaster] = outcome.slice_events;
        eprintln!(
            "    changes of slices: kube-controller-manager {kcm}, quaymaster {quaymaster}; equal at the second look only: {}",
            outcome.late
        );
    }

    fn print(&self) {
        println!("rules met, on both sides:");
        print!("{}", self.coverage.table());
        for rule in &self.never_met {
            println!("never met: {}: {}", rule.group(), rule.text());
        }
        let [kcm, quaymaster] = self.restart_writes;
        println!("writes after the restart at rest: kube-controller-manager {kcm}, quaymaster {quaymaster}");
        println!(
            "{} revisions replayed, {} violations",
            self.revisions, self.violations
        );
        println!("exceptions (left: kube-controller-manager, right: quaymaster):");
        for exception in Exception::ALL {
            let count = self.exceptions.get(&exception).copied().unwrap_or(0);
            println!("  {:20} {count}", exception.name());
        }
        println!("{} clusters, {} differences", self.clusters, self.differences);
    }
}
