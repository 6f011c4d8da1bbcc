//! The smallest cluster that still shows a difference, found on control planes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Result;
use quaymaster_oracle::generate::generate;
use quaymaster_testkit::assets::Minor;

use crate::batch::{self, Finding, Settings};
use crate::run::Options;
use crate::show;
use crate::shrink::{Search, concerning, only, units};
use crate::world::World;

/// Pairs of control planes started for one seed, at most. Each tries up to some twenty candidates.
const RUNS: usize = 12;
/// Most candidates have no difference left; those are not waited for so long.
const SECOND_LOOK: Duration = Duration::from_secs(3);

/// Looks for it, and prints it.
pub(crate) async fn print(finding: &Finding, options: &Options, settings: &Settings<'_>) -> Result<()> {
    let begun = Instant::now();
    let scenario = generate(finding.seed, options.size.generated());
    let services: BTreeSet<String> = without_prefix(finding).collect();
    let settings = Settings {
        again: SECOND_LOOK,
        ..settings.clone()
    };
    let all = units(&scenario).len();
    let concerned: Vec<String> = services.iter().cloned().collect();
    let mut search = Search::new(vec![concerning(&scenario, &concerned), units(&scenario)]);
    let (mut runs, mut tried, mut best, mut ended) = (0, 0, None, false);
    while runs < RUNS {
        let candidates = search.candidates();
        if candidates.is_empty() {
            ended = true;
            break;
        }
        let worlds: Vec<World> = candidates
            .iter()
            .enumerate()
            .map(|(index, units)| {
                let prefix = format!("s{}r{runs}c{index}-", finding.seed);
                World::of(
                    only(&scenario, units),
                    prefix,
                    index,
                    settings.minor.number(),
                    settings.controllers,
                )
            })
            .collect();
        let outcome = Box::pin(batch::run(&worlds, &settings)).await?;
        // Another Service may differ for another reason.
        let found = |world: &World| {
            let mut findings = outcome.differences.iter();
            findings
                .find(|finding| {
                    finding.prefix == world.prefix
                        && without_prefix(finding).any(|one| services.contains(&one))
                })
                .cloned()
        };
        let shows: Vec<bool> = worlds.iter().map(|world| found(world).is_some()).collect();
        let before = search.best().map(<[_]>::len);
        search.answer(&shows);
        let left = search.best().map(<[_]>::len);
        if left != before {
            let showing = worlds.into_iter().zip(&candidates).filter_map(|(world, units)| {
                let finding = found(&world)?;
                Some((units.len(), world, finding))
            });
            best = showing.min_by_key(|(count, ..)| *count);
        }
        runs += 1;
        tried += candidates.len();
        let seconds = begun.elapsed().as_secs_f64();
        let left = left.unwrap_or(all);
        eprintln!(
            "{seconds:5.0} s  seed {}, made smaller: run {runs} of at most {RUNS}, {left} of {all} objects and steps left",
            finding.seed
        );
    }
    let seed = finding.seed;
    let Some((count, world, shown)) = best else {
        println!("seed {seed}: did not show again alone, so it hangs on timing or on clusters beside it");
        return Ok(());
    };
    let ended = if ended {
        "nothing more can be left out"
    } else {
        "more might be left out"
    };
    println!(
        "seed {seed}: {count} of {all} objects and steps still show it ({tried} clusters tried; {ended}):"
    );
    print!("{}", show::scenario(&world.cluster, &world.steps));
    println!(
        "# Kubernetes {}, at most {} endpoints in a slice; left is kube-controller-manager, right quaymaster",
        settings.minor, settings.max_endpoints
    );
    println!("# {}:", shown.when);
    for what in &shown.what {
        println!("#   {what}");
    }
    println!(
        "# the whole cluster again: {}",
        command(seed, options, settings.minor)
    );
    Ok(())
}

/// The Services and ServiceCIDRs of a finding as the generator names them.
fn without_prefix(finding: &Finding) -> impl Iterator<Item = String> {
    let owners = finding.owners.iter();
    owners.filter_map(|owner| owner.strip_prefix(&finding.prefix).map(str::to_owned))
}

fn command(seed: u64, options: &Options, minor: Minor) -> String {
    let size = format!("{:?}", options.size).to_lowercase();
    format!(
        "cargo xtask differential --seeds {seed}..{} --size {size} --rounds {} --minor {minor}",
        seed + 1,
        options.rounds
    )
}
