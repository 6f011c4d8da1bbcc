//! Errors put into quaymaster on purpose: a harness that does not find them proves nothing.
//!
//! They are edits of a copy of the sources, so that nothing of them is in what is shipped. One program holds all, and a
//! variable of its environment switches one of them on.

mod faults;

pub use faults::{Edit, FAULTS, Fault, SWITCH, VARIABLE};

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use anyhow::{Result, bail};
use futures::stream::{StreamExt as _, iter};
use quaymaster_oracle::generate::Kind;
use quaymaster_testkit::assets::Minor;

use crate::batch::{self, Outcome, Settings};
use crate::controllers::Controllers;
use crate::plane::Subject;
use crate::report::{add, surplus};
use crate::run::{Batch, Options, batches, max_mirrored};

/// Seeds tried at a time.
const CHUNK: u64 = 20;

/// Faults tried side by side.
const AT_ONCE: usize = 2;

/// The name of none of them, with which the program is as it should be.
const NONE: &str = "none";

/// What the search for one fault gave.
struct Search {
    fault: Fault,
    /// Clusters until it was found.
    tried: usize,
    /// What showed it; empty where nothing did.
    seen: Vec<String>,
    /// What the same clusters show without it, which says that it was not the fault that was found.
    without: Vec<String>,
    seconds: u64,
}

/// Tries each that is asked for, until it is found or the seeds are used up. What was found with it must not be found in
/// the same clusters without. Gives whether all were found.
pub(crate) async fn run(options: &Options) -> Result<bool> {
    let minors = options.minors()?;
    let &[minor] = minors.as_slice() else {
        bail!("one minor is enough: what is shown is that errors are found, not where they are");
    };
    let known = |name: &String| FAULTS.iter().find(|fault| fault.name == name).copied();
    let faults: Option<Vec<Fault>> = options.planted.iter().map(known).collect();
    let Some(faults) = faults else {
        bail!(
            "no fault of one of these names can be planted: {}",
            options.planted.join(", ")
        );
    };
    let (_, controllers) = options.sides()?;
    println!("Kubernetes {minor}, {controllers}:");
    let count = faults.len();
    let mut searches = iter(faults)
        .map(|fault| Box::pin(search(fault, options, &controllers, minor)))
        .buffer_unordered(AT_ONCE);
    let (mut missed, mut clusters) = (Vec::new(), 0);
    while let Some(search) = searches.next().await {
        let Search {
            fault: Fault { name, what, .. },
            tried,
            seen,
            without,
            seconds,
        } = search;
        clusters += tried;
        let seen = seen.join("; ");
        if seen.is_empty() {
            println!("{name} ({what}): NOT found in {tried} clusters, {seconds} s");
        } else if without.is_empty() {
            println!("{name} ({what}): found in {tried} clusters, {seconds} s: {seen}");
            continue;
        } else {
            let without = without.join("; ");
            println!("{name} ({what}): NOT found in {tried} clusters, {seconds} s: {seen}");
            println!("  but the same clusters show without it: {without}");
        }
        missed.push(name);
    }
    if !missed.is_empty() {
        println!("failed: faults were not found: {}", missed.join(", "));
    }
    println!(
        "{clusters} clusters, {} of {count} faults found",
        count - missed.len()
    );
    Ok(missed.is_empty())
}

/// Sums over the clusters that were tried.
struct Sums {
    clusters: usize,
    /// From how many on sums are compared.
    demanding: usize,
    slices: [usize; 2],
    kept_events: BTreeMap<Kind, [usize; 2]>,
}

impl Sums {
    fn new(options: &Options) -> Self {
        Self {
            clusters: 0,
            demanding: options.size.demanding(),
            slices: [0, 0],
            kept_events: BTreeMap::new(),
        }
    }

    fn add(&mut self, batch: &Batch, outcome: &Outcome) {
        self.clusters += batch.seeds.len();
        add(&mut self.slices, outcome.slices);
        for (kind, counts) in &outcome.kept_events {
            add(self.kept_events.entry(*kind).or_default(), *counts);
        }
    }

    /// What there is too much of, where there are enough clusters to say so.
    fn surplus(&self) -> Option<String> {
        let surplus = || surplus(self.slices, &self.kept_events, "quaymaster");
        (self.clusters >= self.demanding).then(surplus)?
    }
}

async fn search(fault: Fault, options: &Options, controllers: &Controllers, minor: Minor) -> Search {
    let begun = Instant::now();
    let chunks = options.seeds.clone().step_by(usize::try_from(CHUNK).unwrap_or(1));
    let batches: Vec<Batch> = chunks
        .flat_map(|first| {
            let seeds = first..options.seeds.end.min(first + CHUNK);
            let part = Options {
                seeds,
                ..options.clone()
            };
            batches(&part, controllers, minor)
        })
        .collect();
    let told = |name: &str, tried: usize| {
        let seconds = begun.elapsed().as_secs_f64();
        eprintln!("{seconds:5.0} s  {name}: {tried} clusters tried");
    };
    let (mut sums, mut seen, mut again) = (Sums::new(options), Vec::new(), &batches[..0]);
    for (index, batch) in batches.iter().enumerate() {
        let outcome = look(batch, fault.name, options, controllers, minor).await;
        sums.add(batch, &outcome);
        told(fault.name, sums.clusters);
        seen = found(&outcome);
        again = &batches[index..=index];
        if let Some(surplus) = sums.surplus().filter(|_| seen.is_empty()) {
            seen.push(surplus);
            again = &batches[..=index];
        }
        if !seen.is_empty() {
            break;
        }
    }
    let (mut without, mut control) = (Vec::new(), Sums::new(options));
    if !seen.is_empty() {
        for batch in again {
            let outcome = look(batch, NONE, options, controllers, minor).await;
            control.add(batch, &outcome);
            told(&format!("without {}", fault.name), control.clusters);
            without.extend(found(&outcome));
        }
        without.extend(control.surplus());
    }
    Search {
        fault,
        tried: sums.clusters,
        seen,
        without,
        seconds: begun.elapsed().as_secs(),
    }
}

/// One batch with a fault, or with [`NONE`].
async fn look(
    batch: &Batch,
    fault: &str,
    options: &Options,
    controllers: &Controllers,
    minor: Minor,
) -> Outcome {
    let subject = Subject::Quaymaster {
        binary: options.binary.clone(),
        environment: vec![(VARIABLE.to_owned(), fault.to_owned())],
    };
    let settings = Settings {
        minor,
        subject,
        controllers,
        max_endpoints: batch.max_endpoints,
        max_mirrored: max_mirrored(batch.max_endpoints),
        rounds: options.rounds.max(1),
        handover: false,
        again: batch::SECOND_LOOK / 2,
    };
    Box::pin(batch::run(&batch.worlds(controllers, minor), &settings)).await
}

/// What a batch shows, in words. That it breaks off counts: a fault may make quaymaster end, or never rest.
fn found(outcome: &Outcome) -> Vec<String> {
    let mut seen = Vec::new();
    let seeds: BTreeSet<u64> = outcome.differences.iter().map(|finding| finding.seed).collect();
    if let Some(finding) = outcome.differences.first() {
        let example = finding.what.first().cloned().unwrap_or_default();
        seen.push(format!("{} clusters differ, such as {example}", seeds.len()));
    }
    let violations = &outcome.violations;
    if let Some(violation) = violations.first() {
        seen.push(format!("{} violations, such as {violation}", violations.len()));
    }
    if let Some(failure) = &outcome.failure {
        seen.push(format!("it broke off: {failure}"));
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_lists_each_fault_and_no_other() {
        let text = include_str!("../../../docs/differences.md");
        let (_, table) = text.split_once("| Error | What it does |").unwrap();
        let rows = table.lines().skip(2).map_while(|line| line.strip_prefix("| `"));
        let rows: Vec<String> = rows
            .map(|row| row.replace("` | ", ": ").replace(" |", ""))
            .collect();
        let all: Vec<String> = FAULTS
            .iter()
            .map(|fault| format!("{}: {}", fault.name, fault.what))
            .collect();
        assert_eq!(rows, all);
    }

    #[test]
    fn a_difference_a_violation_and_a_batch_that_breaks_off_each_show_a_fault() {
        assert_eq!(found(&Outcome::default()), [""; 0]);
        let failure = Some("quaymaster ended by itself".to_owned());
        let outcomes = [
            Outcome {
                failure,
                ..Outcome::default()
            },
            Outcome {
                violations: vec!["a slice is wrong".to_owned()],
                ..Outcome::default()
            },
        ];
        for outcome in outcomes {
            assert_eq!(found(&outcome).len(), 1, "{outcome:?}");
        }
    }
}
