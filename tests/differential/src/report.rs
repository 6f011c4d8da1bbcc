//! What came of a run.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

use crate::batch::Outcome;
use crate::compare::{Exception, Exceptions};
use crate::coverage::Coverage;

/// From this many clusters on every rule must be met.
const DEMANDING: usize = 100;
/// Violations shown of one batch; the rest is counted.
const SHOWN: usize = 20;

/// Sums over all batches on one minor.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    minor: u32,
    pub(crate) clusters: usize,
    /// Clusters that differed.
    pub(crate) differences: usize,
    exceptions: Exceptions,
    /// Requests refused by an apiserver.
    refusals: usize,
    /// What did not hold at some revision, or at a take-over or hand-back.
    violations: usize,
    coverage: Coverage,
    revisions: usize,
    restart_writes: [usize; 2],
    slice_events: [usize; 2],
    late: usize,
}

impl Report {
    pub(crate) fn new(minor: u32) -> Self {
        Self {
            minor,
            ..Self::default()
        }
    }

    /// Adds a batch, and prints what it found.
    pub(crate) fn take(&mut self, clusters: usize, outcome: &Outcome) {
        self.clusters += clusters;
        let seeds: BTreeSet<u64> = outcome.differences.iter().map(|finding| finding.seed).collect();
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
        for (total, events) in self.slice_events.iter_mut().zip(outcome.slice_events) {
            *total += events;
        }
        self.late += outcome.late;
        let [_, violations] = &outcome.violations;
        self.violations += violations.len();
        for violation in violations.iter().take(SHOWN) {
            println!("under quaymaster: {violation}");
        }
        for handover in &outcome.handover {
            println!("{handover}");
            self.violations += usize::from(!handover.holds());
        }
    }

    /// Everything but the differences.
    pub(crate) fn print(&self) {
        println!("rules met, on both sides:");
        print!("{}", self.coverage.table());
        println!("exceptions (left: kube-controller-manager, right: quaymaster):");
        for exception in Exception::ALL {
            let count = self.exceptions.get(&exception).copied().unwrap_or(0);
            println!("  {:20} {count}", exception.name());
        }
        let [kcm, quaymaster] = self.slice_events;
        println!("changes of slices: kube-controller-manager {kcm}, quaymaster {quaymaster}");
        let [kcm, quaymaster] = self.restart_writes;
        println!("writes after the restart at rest: kube-controller-manager {kcm}, quaymaster {quaymaster}");
        println!(
            "clusters that were equal only after another {} s: {}",
            crate::batch::SECOND_LOOK.as_secs(),
            self.late
        );
        println!(
            "{} revisions replayed, {} violations",
            self.revisions, self.violations
        );
    }

    /// # Errors
    /// Where quaymaster differs, something does not hold, or not everything was compared.
    pub(crate) fn verdict(&self) -> Result<()> {
        if self.differences > 0 {
            bail!("quaymaster differs from kube-controller-manager");
        }
        if self.violations > 0 {
            bail!("what must hold at every revision, or at a take-over, did not hold");
        }
        if self.refusals > 0 {
            bail!("an apiserver refused steps, so the clusters were not those intended");
        }
        let never_met = self.coverage.never_met(self.minor);
        if self.clusters >= DEMANDING && !never_met.is_empty() {
            let names: Vec<&str> = never_met.iter().map(|rule| rule.text()).collect();
            bail!(
                "no cluster met these rules, so they were not compared: {}",
                names.join("; ")
            );
        }
        Ok(())
    }
}
