//! Errors put into quaymaster on purpose: a harness that does not find them proves nothing.
//!
//! They are edits of a copy of the sources, so that nothing of them is in what is shipped. One program holds all, and a
//! variable of its environment switches one of them on.

mod faults;

pub use faults::{Edit, FAULTS, Fault, SWITCH, VARIABLE};

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Result, bail};
use futures::stream::{StreamExt as _, TryStreamExt as _, iter};

use crate::batch::{self, Settings};
use crate::run::{Options, batches};

/// Seeds tried at a time.
const CHUNK: u64 = 20;

/// Faults tried side by side.
const AT_ONCE: usize = 2;

/// What the search for one fault gave.
struct Search {
    fault: Fault,
    /// Clusters until it was found.
    tried: usize,
    /// What showed it; empty where nothing did.
    seen: Vec<String>,
    seconds: u64,
}

/// Tries each, until it is found or the seeds are used up.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let mut searches = iter(FAULTS)
        .map(|fault| Box::pin(search(fault, options)))
        .buffer_unordered(AT_ONCE);
    let (mut missed, mut clusters) = (Vec::new(), 0);
    while let Some(search) = searches.try_next().await? {
        let Search {
            fault: Fault { name, what, .. },
            tried,
            seen,
            seconds,
        } = search;
        clusters += tried;
        if seen.is_empty() {
            println!("{name} ({what}): NOT found in {tried} clusters, {seconds} s");
            missed.push(name);
        } else {
            let seen = seen.join("; ");
            println!("{name} ({what}): found in {tried} clusters, {seconds} s: {seen}");
        }
    }
    println!(
        "{clusters} clusters, {} of {} faults found",
        FAULTS.len() - missed.len(),
        FAULTS.len()
    );
    if !missed.is_empty() {
        bail!("faults were not found: {}", missed.join(", "));
    }
    Ok(())
}

async fn search(fault: Fault, options: &Options) -> Result<Search> {
    let begun = Instant::now();
    let (minor, minor_number) = options.first_minor();
    let environment = [(VARIABLE.to_owned(), fault.name.to_owned())];
    let (mut tried, mut seen) = (0, Vec::new());
    let chunks = options.seeds.clone().step_by(usize::try_from(CHUNK).unwrap_or(1));
    let batches = chunks.flat_map(|first| {
        let seeds = first..options.seeds.end.min(first + CHUNK);
        let part = Options {
            seeds,
            ..options.clone()
        };
        batches(&part, minor_number)
    });
    for batch in batches {
        let settings = Settings {
            minor,
            binary: &options.binary,
            environment: &environment,
            max_endpoints: batch.max_endpoints,
            rounds: options.rounds.max(1),
            handover: false,
            again: batch::SECOND_LOOK / 2,
            minor_number,
        };
        let outcome = Box::pin(batch::run(&batch.worlds, &settings)).await?;
        tried += batch.worlds.len();
        let seeds: BTreeSet<u64> = outcome.differences.iter().map(|finding| finding.seed).collect();
        if let Some(finding) = outcome.differences.first() {
            let example = finding.what.first().cloned().unwrap_or_default();
            seen.push(format!("{} clusters differ, such as {example}", seeds.len()));
        }
        let [_, violations] = outcome.violations;
        if let Some(violation) = violations.first() {
            seen.push(format!("{} violations, such as {violation}", violations.len()));
        }
        if !seen.is_empty() {
            break;
        }
    }
    Ok(Search {
        fault,
        tried,
        seen,
        seconds: begun.elapsed().as_secs(),
    })
}
