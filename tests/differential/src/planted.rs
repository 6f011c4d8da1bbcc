//! Errors put into quaymaster on purpose: a harness that does not find them proves nothing.
//!
//! They are edits of a copy of the sources, so that nothing of them is in what is shipped. One program holds all, and a
//! variable of its environment switches one of them on.

mod faults;

pub use faults::{Edit, FAULTS, Fault, SWITCH, VARIABLE};

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use anyhow::{Result, bail};
use futures::stream::{StreamExt as _, TryStreamExt as _, iter};
use quaymaster_oracle::generate::Kind;
use quaymaster_testkit::assets::Minor;

use crate::batch::{self, Settings};
use crate::plane::Subject;
use crate::report::{DEMANDING, add, surplus};
use crate::run::{Options, batches, max_mirrored};

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

/// The name of none of them: what is found then is found in any case, and shows nothing.
const NONE: Fault = Fault {
    name: "none",
    what: "no fault is switched on",
    edits: &[],
};

/// Tries each, until it is found or the seeds are used up. After them the program is tried without any, on as many
/// clusters as any of them needed.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let minors = options.minors()?;
    let &[minor] = minors.as_slice() else {
        bail!("one minor is enough: what is shown is that errors are found, not where they are");
    };
    println!("Kubernetes {minor}:");
    let mut searches = iter(FAULTS)
        .map(|fault| Box::pin(search(*fault, options, minor)))
        .buffer_unordered(AT_ONCE);
    let (mut missed, mut clusters, mut most) = (Vec::new(), 0, 0);
    while let Some(search) = searches.try_next().await? {
        let Search {
            fault: Fault { name, what, .. },
            tried,
            seen,
            seconds,
        } = search;
        clusters += tried;
        most = most.max(tried);
        if seen.is_empty() {
            println!("{name} ({what}): NOT found in {tried} clusters, {seconds} s");
            missed.push(name);
        } else {
            let seen = seen.join("; ");
            println!("{name} ({what}): found in {tried} clusters, {seconds} s: {seen}");
        }
    }
    let control = Options {
        seeds: options.seeds.start..options.seeds.start + most as u64,
        ..options.clone()
    };
    let control = Box::pin(search(NONE, &control, minor)).await?;
    clusters += control.tried;
    println!(
        "without any: {} clusters, {}",
        control.tried,
        if control.seen.is_empty() {
            "nothing found".to_owned()
        } else {
            control.seen.join("; ")
        }
    );
    println!(
        "{clusters} clusters, {} of {} faults found",
        FAULTS.len() - missed.len(),
        FAULTS.len()
    );
    if !control.seen.is_empty() {
        bail!("something was found without any fault, so what was found with one shows nothing");
    }
    if !missed.is_empty() {
        bail!("faults were not found: {}", missed.join(", "));
    }
    Ok(())
}

async fn search(fault: Fault, options: &Options, minor: Minor) -> Result<Search> {
    let begun = Instant::now();
    let subject = Subject::Quaymaster {
        binary: options.binary.clone(),
        environment: vec![(VARIABLE.to_owned(), fault.name.to_owned())],
    };
    let (_, controllers) = options.sides()?;
    let (mut tried, mut seen) = (0, Vec::new());
    let (mut slices, mut kept_events) = ([0, 0], BTreeMap::<Kind, [usize; 2]>::new());
    let chunks = options.seeds.clone().step_by(usize::try_from(CHUNK).unwrap_or(1));
    let batches = chunks.flat_map(|first| {
        let seeds = first..options.seeds.end.min(first + CHUNK);
        let part = Options {
            seeds,
            ..options.clone()
        };
        batches(&part, &controllers, minor)
    });
    for batch in batches {
        let settings = Settings {
            minor,
            subject: subject.clone(),
            controllers: &controllers,
            max_endpoints: batch.max_endpoints,
            max_mirrored: max_mirrored(batch.max_endpoints),
            rounds: options.rounds.max(1),
            handover: false,
            again: batch::SECOND_LOOK / 2,
        };
        let outcome = Box::pin(batch::run(&batch.worlds(&controllers, minor), &settings)).await?;
        tried += batch.seeds.len();
        eprintln!(
            "{:5.0} s  {}: {tried} clusters tried",
            begun.elapsed().as_secs_f64(),
            fault.name
        );
        let seeds: BTreeSet<u64> = outcome.differences.iter().map(|finding| finding.seed).collect();
        if let Some(finding) = outcome.differences.first() {
            let example = finding.what.first().cloned().unwrap_or_default();
            seen.push(format!("{} clusters differ, such as {example}", seeds.len()));
        }
        let violations = outcome.violations;
        if let Some(violation) = violations.first() {
            seen.push(format!("{} violations, such as {violation}", violations.len()));
        }
        add(&mut slices, outcome.slices);
        for (kind, counts) in &outcome.kept_events {
            add(kept_events.entry(*kind).or_default(), *counts);
        }
        if tried >= DEMANDING {
            seen.extend(surplus(slices, &kept_events));
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
}
