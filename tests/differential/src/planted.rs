//! Errors put into quaymaster on purpose: a harness that does not find them proves nothing.
//!
//! They are edits of a copy of the sources, so that nothing of them is in what is shipped. One program holds all, and a
//! variable of its environment switches one of them on.

mod faults;

pub use faults::{Edit, FAULTS, Fault, SWITCH, VARIABLE};

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::batch::{self, Settings};
use crate::run::{Options, batches};

/// Seeds tried at a time.
const CHUNK: u64 = 20;

/// Tries each, until it is found or the seeds are used up.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let (minor, minor_number) = options.first_minor();
    let mut missed = Vec::new();
    let mut clusters = 0;
    for Fault { name, what, .. } in FAULTS {
        let begun = Instant::now();
        let environment = [(VARIABLE.to_owned(), name.to_owned())];
        let mut tried = 0;
        let mut seen = Vec::new();
        let mut first = options.seeds.start;
        while seen.is_empty() && first < options.seeds.end {
            let seeds = first..options.seeds.end.min(first + CHUNK);
            first = seeds.end;
            let part = Options {
                seeds,
                ..options.clone()
            };
            for batch in batches(&part, minor_number) {
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
            }
        }
        clusters += tried;
        let seconds = begun.elapsed().as_secs();
        match seen.as_slice() {
            [] => {
                println!("{name} ({what}): NOT found in {tried} clusters, {seconds} s");
                missed.push(name);
            }
            seen => println!(
                "{name} ({what}): found in {tried} clusters, {seconds} s: {}",
                seen.join("; ")
            ),
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
