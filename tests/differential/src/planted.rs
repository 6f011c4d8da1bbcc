//! Errors put into quaymaster on purpose: a harness that does not find them proves nothing.
//!
//! They are edits of a copy of the sources, so that nothing of them is in what is shipped. One program holds all, and a
//! variable of its environment switches one of them on.

mod faults;

pub use faults::{Edit, Fault, SWITCH, VARIABLE, faults};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Result, bail};
use futures::stream::{StreamExt as _, iter};
use quaymaster_oracle::generate::Kind;
use quaymaster_testkit::assets::Minor;
use tokio::sync::OnceCell;

use crate::batch::{self, Outcome, Settings};
use crate::controllers::Controllers;
use crate::failure::is_of_subject;
use crate::handover::Handover;
use crate::plane::Subject;
use crate::report::{add, surplus};
use crate::run::{Batch, Options, batches, max_mirrored};

/// Seeds tried at a time: they make four batches, of which each costs more than its clusters.
const CHUNK: u64 = 60;

/// Faults tried side by side.
const AT_ONCE: usize = 2;

/// The name of none of them, with which the program is as it should be.
const NONE: &str = "none";

/// What the search for one fault gave.
struct Search {
    fault: Fault,
    /// Clusters until it was found.
    tried: usize,
    verdict: Verdict,
    seconds: u64,
}

/// Whether a fault was found.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// With what showed it.
    Found(Vec<String>),
    /// Nothing showed it.
    Missed,
    /// What showed it the same clusters show without it, so that it was not the fault that was found.
    Without { seen: Vec<String>, without: Vec<String> },
    /// A run broke off, and not by quaymaster's doing.
    Unjudged(String),
}

impl Verdict {
    /// In words, of so many clusters and seconds.
    fn words(&self, tried: usize, seconds: u64) -> String {
        let among = format!("in {tried} clusters, {seconds} s");
        match self {
            Self::Found(seen) => format!("found {among}: {}", seen.join("; ")),
            Self::Missed => format!("NOT found {among}"),
            Self::Without { seen, without } => format!(
                "NOT found {among}: {}\n  but the same clusters show without it: {}",
                seen.join("; "),
                without.join("; ")
            ),
            Self::Unjudged(why) => format!("could NOT be judged {among}: a run broke off: {why}"),
        }
    }
}

/// Tries each that is asked for, until it is found or the seeds are used up. What was found with it must not be found in
/// the same clusters without. Gives whether all were found.
pub(crate) async fn run(options: &Options) -> Result<bool> {
    let minors = options.minors()?;
    let &[minor] = minors.as_slice() else {
        bail!("one minor is enough: what is shown is that errors are found, not where they are");
    };
    let known = |name: &String| faults().find(|fault| fault.name == name).copied();
    let chosen: Option<Vec<Fault>> = options.planted.iter().map(known).collect();
    let Some(chosen) = chosen else {
        bail!(
            "no fault of one of these names can be planted: {}",
            options.planted.join(", ")
        );
    };
    // Those that were asked for, or each time those that the fault needs.
    let given = (!options.controllers.is_empty())
        .then(|| Controllers::named(&options.controllers))
        .transpose()?;
    println!("Kubernetes {minor}, planted errors:");
    let count = chosen.len();
    let (given, controls) = (given.as_ref(), &Controls::default());
    let mut searches = iter(chosen)
        .map(async |fault| {
            let own = Controllers::these(fault.controllers);
            Box::pin(search(fault, options, given.unwrap_or(&own), controls, minor)).await
        })
        .buffer_unordered(AT_ONCE);
    let (mut missed, mut unjudged, mut clusters) = (Vec::new(), Vec::new(), 0);
    while let Some(search) = searches.next().await {
        let Search {
            fault: Fault { name, what, .. },
            tried,
            verdict,
            seconds,
        } = search;
        clusters += tried;
        println!("{name} ({what}): {}", verdict.words(tried, seconds));
        match verdict {
            Verdict::Found(_) => {}
            Verdict::Missed | Verdict::Without { .. } => missed.push(name),
            Verdict::Unjudged(_) => unjudged.push(name),
        }
    }
    if !missed.is_empty() {
        println!("failed: faults were not found: {}", missed.join(", "));
    }
    if !unjudged.is_empty() {
        println!(
            "failed: faults could not be judged, since runs broke off: {}",
            unjudged.join(", ")
        );
    }
    let found = count - missed.len() - unjudged.len();
    println!("{clusters} clusters, {found} of {count} faults found");
    Ok(found == count)
}

/// How batches are looked at.
#[derive(Clone, Copy)]
struct Way<'a> {
    options: &'a Options,
    controllers: &'a Controllers,
    minor: Minor,
    handover: bool,
}

/// What tells a control from others: controllers, whether they change places, and seeds.
type Clusters = (String, bool, Vec<u64>);

/// What batches give without any fault: faults that are found early share them.
#[derive(Default)]
struct Controls(Mutex<BTreeMap<Clusters, Arc<OnceCell<Outcome>>>>);

impl Controls {
    /// What this batch gives, which is looked at once.
    async fn of(&self, batch: &Batch, way: Way<'_>) -> Arc<OnceCell<Outcome>> {
        let key = (way.controllers.to_string(), way.handover, batch.seeds.clone());
        let cell = {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(known.entry(key).or_default())
        };
        cell.get_or_init(|| look(batch, NONE, way)).await;
        cell
    }
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

async fn search(
    fault: Fault,
    options: &Options,
    controllers: &Controllers,
    controls: &Controls,
    minor: Minor,
) -> Search {
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
    let way = Way {
        options,
        controllers,
        minor,
        handover: fault.handover,
    };
    let mut sums = Sums::new(options);
    let mut verdict = Verdict::Missed;
    for (index, batch) in batches.iter().enumerate() {
        let outcome = look(batch, fault.name, way).await;
        sums.add(batch, &outcome);
        told(fault.name, sums.clusters);
        let mut again = &batches[index..=index];
        verdict = judged(&outcome);
        if let (Verdict::Missed, Some(surplus)) = (&verdict, sums.surplus()) {
            verdict = Verdict::Found(vec![surplus]);
            again = &batches[..=index];
        }
        if let Verdict::Found(seen) = verdict {
            verdict = control(seen, again, controls, way).await;
            told(&format!("without {}", fault.name), sums.clusters);
        }
        if verdict != Verdict::Missed {
            break;
        }
    }
    Search {
        fault,
        tried: sums.clusters,
        verdict,
        seconds: begun.elapsed().as_secs(),
    }
}

/// What was seen counts where the same batches do not show anything without the fault.
async fn control(seen: Vec<String>, batches: &[Batch], controls: &Controls, way: Way<'_>) -> Verdict {
    let (mut without, mut sums) = (Vec::new(), Sums::new(way.options));
    for batch in batches {
        let control = controls.of(batch, way).await;
        let Some(outcome) = control.get() else { continue };
        sums.add(batch, outcome);
        match judged(outcome) {
            Verdict::Missed => {}
            Verdict::Found(found) => without.extend(found),
            other => return other,
        }
    }
    without.extend(sums.surplus());
    if without.is_empty() {
        Verdict::Found(seen)
    } else {
        Verdict::Without { seen, without }
    }
}

/// One batch with a fault, or with [`NONE`].
async fn look(batch: &Batch, fault: &str, way: Way<'_>) -> Outcome {
    let Way {
        options,
        controllers,
        minor,
        handover,
    } = way;
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
        handover,
        keep_logs: false,
        again: batch::SECOND_LOOK / 2,
    };
    Box::pin(batch::run(&batch.worlds(controllers, minor), &settings)).await
}

/// What a batch shows. That it breaks off counts where that is quaymaster's doing: a fault may make it end, or never rest.
/// Where it breaks off by anything else, there may have been something to see; what was seen before counts.
fn judged(outcome: &Outcome) -> Verdict {
    let mut seen = Vec::new();
    let seeds: BTreeSet<u64> = outcome.differences.iter().map(|finding| finding.seed).collect();
    if let Some(finding) = outcome.differences.first() {
        let example = finding.what.first().cloned().unwrap_or_default();
        seen.push(format!("{} clusters differ, such as {example}", seeds.len()));
    }
    let at_handover = outcome.handover.iter().flat_map(Handover::faults);
    let violations: Vec<String> = outcome.violations.iter().cloned().chain(at_handover).collect();
    if let Some(violation) = violations.first() {
        seen.push(format!("{} violations, such as {violation}", violations.len()));
    }
    match &outcome.failure {
        Some(failure) if is_of_subject(failure) => seen.push(format!("it broke off: {failure:#}")),
        Some(failure) if seen.is_empty() => return Verdict::Unjudged(format!("{failure:#}")),
        _ => {}
    }
    if seen.is_empty() {
        Verdict::Missed
    } else {
        Verdict::Found(seen)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use anyhow::anyhow;

    use super::*;
    use crate::failure::SubjectFailure;

    #[test]
    fn the_documentation_lists_each_fault_and_no_other() {
        let text = include_str!("../../../docs/differences.md");
        let (_, table) = text.split_once("| Error | What it does |").unwrap();
        let rows = table.lines().skip(2).map_while(|line| line.strip_prefix("| `"));
        let rows: Vec<String> = rows
            .map(|row| row.replace("` | ", ": ").replace(" |", ""))
            .collect();
        let all: Vec<String> = faults()
            .map(|fault| format!("{}: {}", fault.name, fault.what))
            .collect();
        assert_eq!(rows, all);
    }

    #[test]
    fn each_fault_has_a_name_of_its_own_and_a_controller() {
        let names: BTreeSet<&str> = faults().map(|fault| fault.name).collect();
        assert_eq!(names.len(), faults().count());
        assert!(faults().all(|fault| !fault.controllers.is_empty() && !fault.edits.is_empty()));
    }

    #[test]
    fn a_difference_a_violation_and_an_end_of_quaymaster_each_show_a_fault() {
        assert_eq!(judged(&Outcome::default()), Verdict::Missed);
        let never_rests = SubjectFailure::NeverRests {
            limit: Duration::ZERO,
        };
        let outcomes = [
            Outcome {
                failure: Some(never_rests.into()),
                ..Outcome::default()
            },
            Outcome {
                violations: vec!["a slice is wrong".to_owned()],
                failure: Some(anyhow!("the apiserver is gone")),
                ..Outcome::default()
            },
        ];
        for outcome in outcomes {
            let verdict = judged(&outcome);
            assert!(
                matches!(&verdict, Verdict::Found(seen) if seen.len() == 1),
                "{verdict:?}"
            );
        }
    }

    #[test]
    fn a_run_that_breaks_off_by_anything_else_shows_no_fault_and_is_told() {
        let outcome = Outcome {
            failure: Some(anyhow!("no port is free").context("starting a control plane")),
            ..Outcome::default()
        };
        let verdict = judged(&outcome);
        let why = "starting a control plane: no port is free";
        assert_eq!(verdict, Verdict::Unjudged(why.to_owned()));
        let words = verdict.words(5, 6);
        assert!(
            words.starts_with("could NOT be judged in 5 clusters, 6 s"),
            "{words}"
        );
    }
}
