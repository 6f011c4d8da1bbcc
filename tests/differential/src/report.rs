//! What came of a run.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use quaymaster_oracle::generate::Kind;
use quaymaster_oracle::{Exception, Exceptions};

use crate::batch::Outcome;
use crate::controllers::{Controller, Controllers};
use crate::coverage::{self, Coverage, Rule};
use crate::edits::EditCounts;
use crate::handover::Handover;
use crate::plane::Subject;
use crate::run::listed;
use crate::world::World;

/// From this many small clusters on every rule must be met, and sums are compared.
pub(crate) const DEMANDING: usize = 100;
/// By how much quaymaster may have more slices, or changes of what is kept, than kube-controller-manager, in percent of those:
/// which pods come together in a slice depends on the moment.
const MORE_SLICES: usize = 10;
const MORE_CHANGES: usize = 20;
/// Violations, and refusals, shown of one batch; the rest is counted.
const SHOWN: usize = 20;

/// A busy machine makes a cluster late now and then; more than one of so many are not the machine's doing.
const MOST_LATE: usize = 10;

/// Violations under kube-controller-manager shown of a whole run.
const SHOWN_OF_KCM: usize = 5;

/// Sums over all batches on one minor.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    minor: u32,
    controllers: Controllers,
    /// What is compared with kube-controller-manager.
    subject: Subject,
    /// From how many clusters on every rule must be met, and sums are compared.
    demanding: usize,
    /// Clusters that were compared to the end.
    pub(crate) clusters: usize,
    /// Clusters of batches that broke off.
    pub(crate) broken_off: usize,
    /// Clusters that differed.
    pub(crate) differences: usize,
    exceptions: Exceptions,
    /// Requests refused by an apiserver.
    refusals: usize,
    /// What did not hold at some revision, after a restart, or at a take-over or hand-back.
    pub(crate) violations: usize,
    /// Seeds of which violations speak.
    pub(crate) violating: BTreeSet<u64>,
    violations_of_kcm: usize,
    /// Some of those.
    of_kcm: Vec<String>,
    coverage: [Coverage; 2],
    revisions: usize,
    restart_writes: [usize; 2],
    kept_events: BTreeMap<Kind, [usize; 2]>,
    slices: [usize; 2],
    late: usize,
    edits: EditCounts,
}

impl Report {
    /// `demanding` is from how many clusters on every rule must be met, and sums are compared.
    pub(crate) fn new(minor: u32, controllers: &Controllers, demanding: usize, subject: &Subject) -> Self {
        Self {
            minor,
            controllers: controllers.clone(),
            subject: subject.clone(),
            demanding,
            clusters: 0,
            broken_off: 0,
            differences: 0,
            exceptions: Exceptions::new(),
            refusals: 0,
            violations: 0,
            violating: BTreeSet::new(),
            violations_of_kcm: 0,
            of_kcm: Vec::new(),
            coverage: Default::default(),
            revisions: 0,
            restart_writes: [0, 0],
            kept_events: BTreeMap::new(),
            slices: [0, 0],
            late: 0,
            edits: EditCounts::default(),
        }
    }

    /// Adds a batch of these seeds, and prints what it found.
    pub(crate) fn take(&mut self, of: &[u64], outcome: &Outcome) {
        match &outcome.failure {
            None => self.clusters += of.len(),
            Some(failure) => {
                self.broken_off += of.len();
                println!("not compared to the end, seeds {}: {failure:#}", listed(of));
            }
        }
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
        for (refusal, count) in refusals.iter().take(SHOWN) {
            println!("refused, {count} times: {refusal}");
        }
        if refusals.len() > SHOWN {
            println!("  and {} more refusals", refusals.len() - SHOWN);
        }
        for finding in &outcome.differences {
            println!("seed {}, {}:", finding.seed, finding.when);
            for what in &finding.what {
                println!("  {what}");
            }
            for edit in &finding.edits {
                println!("  {edit}");
            }
        }
        for (total, coverage) in self.coverage.iter_mut().zip(&outcome.coverage) {
            total.add(coverage);
        }
        self.revisions += outcome.revisions;
        add(&mut self.restart_writes, outcome.restart_writes);
        for (kind, counts) in &outcome.kept_events {
            add(self.kept_events.entry(*kind).or_default(), *counts);
        }
        add(&mut self.slices, outcome.slices);
        self.late += outcome.late;
        self.edits.add(outcome.edits);
        self.violations_of_kcm += outcome.violations_of_kcm.len();
        self.of_kcm.extend(outcome.violations_of_kcm.iter().cloned());
        self.of_kcm.truncate(SHOWN_OF_KCM);
        for handover in &outcome.handover {
            println!("{handover}");
        }
        let at_handover = outcome.handover.iter().flat_map(Handover::faults);
        let violations: Vec<String> = outcome.violations.iter().cloned().chain(at_handover).collect();
        self.violations += violations.len();
        let mut by_seed = BTreeMap::<Option<u64>, Vec<String>>::new();
        for violation in violations {
            let seed = of.iter().copied().find(|seed| speaks_of(&violation, *seed));
            by_seed.entry(seed).or_default().push(violation);
        }
        let right = self.subject.name();
        for (seed, violations) in by_seed {
            match seed {
                Some(seed) => println!("seed {seed} under {right}:"),
                None => println!("under {right}, seeds {}:", listed(of)),
            }
            self.violating.extend(seed);
            for violation in violations.iter().take(SHOWN) {
                println!("  {violation}");
            }
            if violations.len() > SHOWN {
                println!("  and {} more", violations.len() - SHOWN);
            }
        }
    }

    /// Everything but the differences.
    pub(crate) fn print(&self) {
        let right = self.subject.name();
        println!("rules met (under kube-controller-manager, under {right}):");
        print!("{}", coverage::table(&self.coverage, &self.controllers));
        println!("exceptions (left: kube-controller-manager, right: {right}):");
        for exception in Exception::ALL {
            let count = self.exceptions.get(exception).copied().unwrap_or(0);
            let never = if count == 0 && self.clusters >= self.demanding {
                "  (not applied once)"
            } else {
                ""
            };
            println!("  {:24} {count}{never}", exception.name());
        }
        let EditCounts {
            same,
            nothing,
            different,
            overtaken,
        } = self.edits;
        println!(
            "edits by others: {same} hit the same on both sides, {different} did not, {nothing} found nothing to edit, \
             {overtaken} came too late four times and were given up"
        );
        for (kind, [kcm, subject]) in &self.kept_events {
            println!(
                "changes of {}: kube-controller-manager {kcm}, {right} {subject}",
                kind.name()
            );
        }
        let [kcm, subject] = self.slices;
        println!("slices, summed over all looks: kube-controller-manager {kcm}, {right} {subject}");
        let [kcm, subject] = self.restart_writes;
        println!("writes after the restart at rest: kube-controller-manager {kcm}, {right} {subject}");
        println!(
            "clusters that were equal only after another {} s: {}",
            crate::batch::SECOND_LOOK.as_secs(),
            self.late
        );
        println!(
            "{} revisions replayed, {} violations (and {} under kube-controller-manager)",
            self.revisions, self.violations, self.violations_of_kcm
        );
        if !self.of_kcm.is_empty() {
            println!("  under kube-controller-manager, which is not judged, such as");
        }
        for violation in &self.of_kcm {
            println!("    {violation}");
        }
        if self.clusters < self.demanding {
            println!(
                "fewer than {} clusters: that all rules were met, and sums, are not judged",
                self.demanding
            );
        }
    }

    /// # Errors
    /// Where quaymaster differs, something does not hold, or not everything was compared. Where a controller is left out on the
    /// right side, where nothing differs: what else does not hold then, and which rules are not met, follows from that.
    pub(crate) fn verdict(&self) -> Result<()> {
        if let Some(left_out) = self.subject.left_out() {
            return self.found(left_out);
        }
        if self.differences > 0 {
            bail!("{} differs from kube-controller-manager", self.subject.name());
        }
        if self.violations > 0 {
            bail!("what must hold at every revision, after a restart or at a take-over did not hold");
        }
        self.intended()?;
        if self.clusters < self.demanding {
            return Ok(());
        }
        if self.late * MOST_LATE > self.clusters {
            bail!(
                "{} of {} clusters were equal only after a second look",
                self.late,
                self.clusters
            );
        }
        let never_met = self
            .coverage
            .iter()
            .flat_map(|side| side.never_met(self.minor, &self.controllers));
        let never_met: BTreeSet<Rule> = never_met.collect();
        if !never_met.is_empty() {
            let names: Vec<&str> = never_met.iter().map(|rule| rule.text()).collect();
            bail!(
                "no cluster met these rules on both sides, so they were not compared: {}",
                names.join("; ")
            );
        }
        if let Some(what) = surplus(self.slices, &self.kept_events, &self.subject.name()) {
            bail!(what);
        }
        Ok(())
    }

    /// Whether it was found that a controller is left out.
    fn found(&self, left_out: Controller) -> Result<()> {
        if self.differences == 0 {
            bail!(
                "nothing differs without {}, which was to be found",
                left_out.name()
            );
        }
        self.intended()
    }

    /// Whether all clusters were compared, and were those intended.
    fn intended(&self) -> Result<()> {
        if self.broken_off > 0 {
            bail!("not all clusters were compared to the end");
        }
        if self.refusals > 0 {
            bail!("an apiserver refused steps, so the clusters were not those intended");
        }
        Ok(())
    }
}

/// Whether something has a name that the cluster of this seed gives.
fn speaks_of(text: &str, seed: u64) -> bool {
    let prefix = World::prefix_of(seed);
    let starts = text.match_indices(&prefix);
    let mut before = starts.map(|(at, _)| text[..at].chars().next_back());
    before.any(|before| !before.is_some_and(char::is_alphanumeric))
}

/// Adds what was counted of each side to its total.
pub(crate) fn add(totals: &mut [usize; 2], counts: [usize; 2]) {
    for (total, count) in totals.iter_mut().zip(counts) {
        *total += count;
    }
}

/// What `right` has too much of, by sums over [`DEMANDING`] clusters or more.
pub(crate) fn surplus(
    slices: [usize; 2],
    kept_events: &BTreeMap<Kind, [usize; 2]>,
    right: &str,
) -> Option<String> {
    /// So few changes are chance.
    const FEW: usize = 100;
    let changes = kept_events.iter().filter(|(_, [kcm, _])| *kcm >= FEW);
    let changes =
        changes.map(|(kind, counts)| (format!("changes of {}", kind.name()), *counts, MORE_CHANGES));
    let mut sums = std::iter::once(("slices".to_owned(), slices, MORE_SLICES)).chain(changes);
    let too_many =
        |(_, [kcm, subject], more): &(String, [usize; 2], usize)| subject * 100 > kcm * (100 + more);
    let (what, [kcm, subject], more) = sums.find(too_many)?;
    Some(format!(
        "{right} has {subject} {what}, kube-controller-manager {kcm}: more than {more} % more"
    ))
}
