//! The smallest cluster that still shows a difference, found on control planes.

use std::time::{Duration, Instant};

use anyhow::Result;
use quaymaster_oracle::generate::{self, generate};

use crate::batch::{self, Finding, Settings};
use crate::show;
use crate::shrink::{Search, concerning, only, units};
use crate::world::World;

/// Pairs of control planes started for one seed, at most. Each tries up to some twenty candidates.
const RUNS: usize = 12;
/// Most candidates have no difference left; those are not waited for so long.
const SECOND_LOOK: Duration = Duration::from_secs(3);

/// Looks for it, and prints it.
pub(crate) async fn print(finding: &Finding, size: generate::Size, settings: &Settings<'_>) -> Result<()> {
    let begun = Instant::now();
    let scenario = generate(finding.seed, size);
    let services: Vec<String> = finding
        .services
        .iter()
        .filter_map(|service| service.strip_prefix(&finding.prefix))
        .map(str::to_owned)
        .collect();
    let settings = Settings {
        again: SECOND_LOOK,
        ..settings.clone()
    };
    let mut search = Search::new(vec![concerning(&scenario, &services), units(&scenario)]);
    let (mut runs, mut tried, mut what) = (0, 0, Vec::new());
    while runs < RUNS {
        let candidates = search.candidates();
        if candidates.is_empty() {
            break;
        }
        let worlds: Vec<World> = candidates
            .iter()
            .enumerate()
            .map(|(index, units)| {
                let prefix = format!("s{}r{runs}c{index}-", finding.seed);
                World::of(only(&scenario, units), prefix, settings.minor_number)
            })
            .collect();
        let outcome = Box::pin(batch::run(&worlds, &settings)).await?;
        let found = |world: &World| {
            let mut findings = outcome.differences.iter();
            findings.find(|finding| finding.prefix == world.prefix)
        };
        let shows: Vec<bool> = worlds.iter().map(|world| found(world).is_some()).collect();
        let before = search.best().map(<[_]>::len);
        search.answer(&shows);
        if search.best().map(<[_]>::len) != before {
            let smallest = worlds
                .iter()
                .zip(&candidates)
                .filter(|(world, _)| found(world).is_some());
            let smallest = smallest.min_by_key(|(_, units)| units.len());
            what = smallest
                .and_then(|(world, _)| found(world))
                .map(|finding| finding.what.clone())
                .unwrap_or_default();
        }
        runs += 1;
        tried += candidates.len();
    }
    let seed = finding.seed;
    let seconds = begun.elapsed().as_secs();
    let Some(smallest) = search.best() else {
        println!("seed {seed}: did not show again alone, so it hangs on timing or on clusters beside it");
        return Ok(());
    };
    println!(
        "seed {seed}: the smallest of {tried} clusters tried in {runs} runs ({seconds} s) has {} of {} objects and steps:",
        smallest.len(),
        units(&scenario).len()
    );
    println!("{}", show::scenario(&only(&scenario, smallest)));
    for what in what {
        println!("# {what}");
    }
    Ok(())
}
